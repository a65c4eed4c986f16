"""Bytes of a feed to raw entries, whatever is wrong with them. RSS and Atom by feedparser, JSON Feed by hand.

feedparser gets bytes only (a string may be a path or an address to it) and raises on some character references, where it should set
`bozo`. Sanitising and resolving HTML is left out: all text becomes plain text later. https://feedparser.readthedocs.io
"""

import io
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from connectors import shape
from connectors.errors import Transient

_END = re.compile(rb"</\s*(?:[\w.-]+:)?(?:rss|feed|rdf|channel)\s*>", re.IGNORECASE)
_CLOSED = re.compile(rb"</\s*(?:[\w.-]+:)?(?:item|entry)\s*>", re.IGNORECASE)
_REFERENCE = re.compile(rb"&#(x[0-9a-fA-F]{1,32}|[0-9]{1,32});")
_ENTITY = re.compile(rb"""<!ENTITY\s+(?:%\s+)?[^\s"'<>]+\s+("[^"]*"|'[^']*')""")
_HEAD = ("language", "title", "link")


@dataclass(frozen=True, slots=True)
class Parsed:
    """`whole` is False when the document broke off. `head` is what entries inherit from their feed."""

    kind: str
    entries: list[Any]
    head: dict[str, Any]
    whole: bool
    warnings: tuple[str, ...] = ()


def read(body: bytes, headers: Mapping[str, str], cut: bool) -> Parsed:
    """Raises Transient when this is no feed: an empty body, a captive portal, an error page."""
    if not body.strip():
        raise Transient("the feed is empty", advice="Usually passes; if not, open the address in a browser")
    if _looks_like_json(body):
        return _json(body, cut)
    return _xml(body, headers, cut)


def _xml(body: bytes, headers: Mapping[str, str], cut: bool) -> Parsed:
    # Not told where the feed lives, it need not join each element with the address; links are made absolute when they are read.
    told = _feedparser(body, {"content-type": headers.get("content-type", "application/xml")})
    version, entries = told.get("version") or "", list(told.get("entries") or ())
    if not version and not entries:
        raise Transient("this is not a feed", advice="Open the address in a browser: a login or an error page?")
    broken = told.get("bozo_exception") if told.get("bozo") else None
    whole = not cut and not (broken and not _END.search(body.replace(b"\0", b"")[-65_536:]))
    if cut and len(_CLOSED.findall(body.replace(b"\0", b""))) < len(entries):
        entries = entries[:-1]  # its other half comes with the next poll
    warnings = (f"the feed is ill-formed ({type(broken).__name__})",) if broken else ()
    feed = shape.mapping(told.get("feed"))
    head = {name: feed[name] for name in _HEAD if isinstance(dict.get(feed, name), str)}
    if version.startswith("atom") and isinstance(dict.get(feed, "author_detail"), dict):
        head["author_detail"] = dict(feed["author_detail"])  # RFC 4287 4.1.2: entries without an author have the feed's
    return Parsed(version or "unknown", [_flat(entry) for entry in entries], head, whole, warnings)


@cache
def _library() -> Any:
    """feedparser, with the forms of ISO 8601 it reads wrongly: of 20261122T101500Z and of a week's day it keeps the day or less.

    https://feedparser.readthedocs.io/en/latest/date-parsing.html#registering-a-third-party-date-handler
    """
    import feedparser

    feedparser.registerDateHandler(_iso)
    return feedparser


def _iso(said: str) -> time.struct_time | None:
    try:
        return datetime.fromisoformat(said.strip()).utctimetuple()
    except (ValueError, OverflowError):
        return None  # feedparser asks its other readers


def _feedparser(body: bytes, headers: dict[str, str]) -> Any:
    parse: Any = _library().parse
    problem: Exception | None = None
    if b"<!ENTITY" in body:  # expat stops billion laughs, but only after seconds of laughing
        body = _ENTITY.sub(_alone, body)
    mends: tuple[Callable[[bytes], bytes], ...] = (bytes, _mend_references, _as_utf8)
    for mend in mends:
        try:
            source = io.BytesIO(mend(body))
            return parse(source, response_headers=headers, resolve_relative_uris=False, sanitize_html=False)
        except Exception as raised:  # whatever it trips over, the worker lives and the channel says so
            problem = raised
    raise Transient(f"the feed cannot be parsed ({type(problem).__name__})") from problem


def _alone(match: re.Match[bytes]) -> bytes:
    """An entity made of entities is left out: https://cwe.mitre.org/data/definitions/776.html"""
    return b"" if re.search(rb"&[^#]", match.group(1)) else match.group()


def _mend_references(body: bytes) -> bytes:
    return _REFERENCE.sub(_good_reference, body)


def _good_reference(match: re.Match[bytes]) -> bytes:
    """References to what is no character (a lone surrogate, beyond Unicode) become the replacement character."""
    digits = match.group(1)
    code = int(digits[1:], 16) if digits[:1] == b"x" else int(digits)
    return match.group() if 0 < code < 0xD800 or 0xE000 <= code <= 0x10FFFF else b"&#xFFFD;"


def _as_utf8(body: bytes) -> bytes:
    """The last try: plain UTF-8 without declaration, controls and bad references."""
    wide = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}.get(body[:2], "utf-8")
    text = re.sub(r"<\?xml[^>]*\?>|[\x00-\x08\x0b\x0c\x0e-\x1f]", "", body.decode(wide, "replace"))
    return _mend_references(text.encode("utf-8", "replace"))


def _flat(entry: Any) -> dict[str, Any]:
    """An entry as plain JSON: times as lists of numbers, and what it holds without feedparser's second names, which cost time."""
    return {
        key: value
        if value.__class__ is str
        else _plain(value)
        if value.__class__ is not list
        else [*map(_plain, value)]
        for key, value in dict.items(entry)
    }


def _plain(value: Any) -> Any:
    if isinstance(value, time.struct_time):
        return list(value)
    return dict(dict.items(value)) if isinstance(value, dict) else value


def _looks_like_json(body: bytes) -> bool:
    return body[:200].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")[:1] in (b"{", b"[")


def _json(body: bytes, cut: bool) -> Parsed:
    """JSON Feed 1.0 and 1.1. https://www.jsonfeed.org/version/1.1/"""
    text = body.decode(json.detect_encoding(body), "replace").lstrip("\ufeff")
    warnings: tuple[str, ...] = ()
    try:
        told = json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        told, cut, warnings = _salvage(text), True, ("the feed is broken JSON",)
    if not isinstance(told, dict) or not isinstance(told.get("items"), list):
        raise Transient("this is JSON, but not a feed", advice="Check the address: an API's error?")
    if not (isinstance(told.get("version"), str) and "jsonfeed" in told["version"]) and not told["items"]:
        raise Transient("this is JSON, but not a feed", advice="Check the address: an API's error?")
    head = {"language": told.get("language"), "title": told.get("title"), "link": told.get("home_page_url")}
    head = {name: value for name, value in head.items() if isinstance(value, str)}
    authors = told.get("authors") or [told.get("author")]
    if isinstance(authors, list) and authors and isinstance(authors[0], dict):
        head["author"] = authors[0]
    return Parsed("json", told["items"], head, not cut, warnings)


def _salvage(text: str) -> dict[str, Any] | None:
    """The whole items of a document that breaks off."""
    start = re.search(r'"items"\s*:\s*\[', text)
    if not start:
        return None
    items, at, decoder = [], start.end(), json.JSONDecoder(parse_constant=lambda _: None)
    while True:
        at = len(text) - len(text[at:].lstrip(" \t\r\n,")) if at < len(text) else at
        try:
            item, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        items.append(item)
    head = re.search(r'"language"\s*:\s*"([A-Za-z_-]{2,35})"', text[: start.start()])
    return {"version": "https://jsonfeed.org/version/1.1", "items": items, "language": head.group(1) if head else None}
