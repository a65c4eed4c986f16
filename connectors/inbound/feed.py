"""Feeds: RSS, Atom and JSON Feed, by conditional GET.

A feed is a window that slides: what came and went between two polls is lost to us, and when nothing of the last window is left, a gap
says so. There is no cursor and dates are the publisher's, so everything in the window is offered each time it changes. Deletions cannot
be seen: an entry also leaves a feed by growing old.
"""

import base64
import calendar
import copy
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b, sha256
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, urljoin, urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from connectors import shape
from connectors.contract import Context, GapFound, Page, Policy, State
from connectors.errors import MalformedItem
from connectors.inbound import _feed_read
from domain.nouns import Author, Mention
from domain.text import clean, plain, safe_url

if TYPE_CHECKING:
    from connectors.http import Answer, Client

PLATFORM = "feed"
POLICY = Policy(source="https://www.rssboard.org/rss-specification")
ACCEPT = "application/atom+xml, application/rss+xml, application/feed+json, application/xml;q=0.9, application/json;q=0.8, */*;q=0.5"
RING = 1000
SHARED = 200
# Only what is HTML for certain: in "Vec<T> or a < b" nothing is.
_MARKUP = re.compile(
    r"</?(?:a|abbr|b|big|blockquote|body|br|center|cite|code|del|div|em|embed|font|form|h[1-6]|head|hr|html|i|iframe|img|input|ins|li|"
    r"link|marquee|meta|object|ol|p|pre|q|s|script|small|span|strike|strong|style|sub|sup|svg|table|td|th|tr|tt|u|ul|video)"
    r"(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")


class Settings(BaseModel):
    """A feed channel: one address."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(description="Address of the feed", max_length=2000)
    identity: Literal["auto", "guid", "link", "content"] = Field(
        default="auto",
        description="What tells entries apart; `link` or `content` where a feed makes up new guids each time",
    )
    origin: str = Field(
        default="", description="Name its entries are kept under; keep the old one when the feed moves", max_length=200
    )
    username: str = Field(default="", description="For feeds behind a password")
    password_env: str = Field(default="", description="Environment variable with that password")
    cache_limit: int = Field(default=1440, ge=0, description="Minutes to obey the publisher's cache time at most")
    base_url: str = Field(default="", description="Ask this address instead of the url's host (a proxy or stand-in)")

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        parts = urlsplit(url.strip())
        if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
            raise ValueError("a feed's address begins with http:// or https://")
        if parts.username or parts.password:
            raise ValueError("put the user name into username and name the password's variable in password_env")
        return url.strip()


def describe(settings: Settings) -> str:
    """What is read; a change of it is another series of numbers."""
    return f"feed {settings.url}"


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of any format, as text that is still to be cleaned."""

    id: str
    link: str
    title: str
    body: str
    published: datetime | None
    dated: object
    updated: datetime | None
    author: dict[str, str]
    language: str
    parent: str
    replies: int | None


class Connector:
    """State: {"v": 1, "etag", "modified", "seen": ring of short hashes, "shared": guids that name several entries, "at"}."""

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings, self.context = settings, context
        self.host = (urlsplit(settings.url).hostname or "").lower()
        self.address = _address(settings)
        self._http: Client | None = None

    def fetch_page(self, state: State) -> Page:
        """One request: the window as it is now, or nothing if it did not change."""
        from connectors.http import check

        state = copy.deepcopy(state) if state.get("v") == 1 else {"v": 1}
        now = self.context.now()
        answer = self._client().get(self.address, self._headers(state), partial=True)
        check(answer, now)
        later = _cache_end(answer, now, timedelta(minutes=self.settings.cache_limit))
        moved = (f"the feed has moved for good to {answer.moved}: change its url",) if answer.moved else ()
        if answer.status == 304:
            return Page([], {**state, "at": now.timestamp()}, True, not_before=later, warnings=moved)
        parsed = _feed_read.read(answer.body, answer.headers, answer.cut)
        warnings = (
            *moved,
            *parsed.warnings,
            *(() if parsed.whole else ("the feed broke off; its rest is read next time",)),
        )
        base = {"kind": parsed.kind, "head": parsed.head, "base": self._base(answer)}
        raws = [{**base, "entry": entry} for entry in parsed.entries]
        raws = self._mark_shared(state, raws)
        seen = [mark for raw in raws for mark in self._marks(raw)]
        gaps = self._slid(state, seen, now)
        state |= {"seen": list(dict.fromkeys(seen))[:RING], "at": now.timestamp()}
        state |= {"etag": answer.headers.get("etag"), "modified": answer.headers.get("last-modified")}
        return Page(raws, state, True, parsed.whole, later, gaps, warnings, bytes=len(answer.body))

    def normalise(self, raw: Any) -> Mention:
        """One entry. The last of a feed that breaks off may hold nothing at all."""
        whole = shape.mapping(raw)
        entry, base = _entry(whole), shape.words(whole.get("base")) or self.settings.url
        title, cut = clean(entry.title)
        content, cut_too = clean(entry.body)
        link = _unwrapped(safe_url(entry.link, base))
        native_id = self._identity(entry, link, title, content, bool(whole.get("shared")))
        published, published_raw, flags = shape.clamp(entry.published or entry.updated, entry.dated, self.context.now())
        updated = entry.updated if entry.updated and entry.published and entry.updated > entry.published else None
        return Mention(
            PLATFORM,
            native_id,
            published,
            origin=self._origin(native_id),
            kind="Article",
            name=title,
            content=content,
            url=link or safe_url(entry.id),
            language=_language(entry.language),
            updated=updated,
            published_raw=published_raw,
            in_reply_to=entry.parent or None,
            context=entry.parent or native_id,
            attributed_to=self._author(entry.author, base),
            metrics={} if entry.replies is None else {"replies": entry.replies},
            flags=flags + (("truncated",) if cut or cut_too else ()),
        )

    # -- asking -----------------------------------------------------------------------------------------------------

    def _client(self) -> "Client":
        if self._http is None:
            from connectors.http import Client

            self._http = Client(self.context, [self.address])
        return self._http

    def _headers(self, state: State) -> dict[str, str]:
        headers = {"accept": ACCEPT}
        if state.get("etag"):
            headers["if-none-match"] = state["etag"]
        if state.get("modified"):
            headers["if-modified-since"] = state["modified"]
        if self.settings.password_env:
            pair = f"{self.settings.username}:{self.context.secret(self.settings.password_env)}"
            headers["authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        return headers

    def _base(self, answer: "Answer") -> str:
        """What relative links are relative to: the public address, unless we were sent elsewhere."""
        return self.settings.url if answer.url == self.address else answer.url

    # -- telling entries apart --------------------------------------------------------------------------------------

    def _identity(self, entry: _Entry, link: str | None, title: str, content: str, shared: bool) -> str:
        by = self.settings.identity
        found = entry.id if by in ("auto", "guid") else ""
        if found and shared:
            return f"{found}#{_short(link or title or content)}"
        if not found and by != "content":
            found = link or entry.id
        if not found:
            text = f"{title}\n{entry.dated or ''}\n{content}"
            if not text.strip():
                raise MalformedItem("an entry without id, link, title and text")
            found = "sha256:" + sha256(text.encode("utf-8", "replace")).hexdigest()
        return found

    def _origin(self, native_id: str) -> str:
        """The site; for ids that only mean something within one feed (1, 2, 3), the feed."""
        if self.settings.origin:
            return self.settings.origin
        if len(native_id) >= 16 and not native_id.isdigit():
            return self.host
        parts = urlsplit(self.settings.url)
        return f"{self.host}/{_short(parts.path + '?' + parts.query)}"

    def _mark_shared(self, state: State, raws: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Some feeds give one guid to entries that are different articles; those are told apart by link from then on."""
        links: dict[str, set[str]] = {}
        for raw in raws:
            native_id, link, title = _keys(raw)
            if native_id:
                links.setdefault(_short(native_id), set()).add(link or title)
        double = [mark for mark, different in links.items() if len(different) > 1]
        state["shared"] = list(dict.fromkeys([*double, *state.get("shared", ())]))[:SHARED]
        shared = set(state["shared"])
        return [{**raw, "shared": True} if _short(_keys(raw)[0]) in shared else raw for raw in raws] if shared else raws

    def _marks(self, raw: dict[str, Any]) -> Sequence[str]:
        native_id, link, title = _keys(raw)
        return [_short(value) for value in (native_id, link) if value] or [_short(title)]

    def _slid(self, state: State, seen: list[str], now: datetime) -> tuple[GapFound, ...]:
        before = set(state.get("seen") or ())
        if not before or not seen or before & set(seen):
            return ()
        return (
            GapFound(
                shape.when(state.get("at")), now, "no entry of the last window is left: some may have come and gone"
            ),
        )

    def _author(self, told: dict[str, str], base: str) -> Author | None:
        name = clean(plain(told.get("name", "")), 500)[0]
        email = clean(told.get("email", ""), 320)[0]
        link = safe_url(told.get("href"), base)
        if not (name or email or link):
            return None
        return Author(link or email or f"{self.host}/{name}", name or email, name, link)


def _keys(raw: dict[str, Any]) -> tuple[str, str, str]:
    """Id, link and title as they came, without reading the rest."""
    entry = shape.mapping(raw.get("entry"))
    link = shape.words(entry.get("url") or entry.get("external_url")) if raw.get("kind") == "json" else _href(entry)
    return shape.ident(entry.get("id")), link, shape.words(entry.get("title"))


def _entry(raw: dict[str, Any]) -> _Entry:
    entry, head = raw.get("entry"), shape.mapping(raw.get("head"))
    if not isinstance(entry, dict):
        return _Entry("", "", "", "", None, None, None, {}, "", "", None)
    return _from_json(entry, head) if raw.get("kind") == "json" else _from_xml(entry, head)


def _from_xml(entry: dict[str, Any], head: dict[str, Any]) -> _Entry:
    detail = shape.mapping(entry.get("title_detail"))
    pieces = [*map(shape.mapping, shape.items(entry.get("content"))), shape.mapping(entry.get("summary_detail"))]
    body = next((piece for piece in pieces if _is_text(piece) and shape.words(piece.get("value")).strip()), {})
    published = next((name for name in ("published", "created", "updated") if entry.get(f"{name}_parsed")), "")
    author = shape.mapping(entry.get("author_detail")) or {"name": entry.get("author") or ""}
    author = author if any(author.values()) else shape.mapping(head.get("author_detail"))
    reply = shape.mapping(entry.get("thr_in-reply-to"))
    return _Entry(
        id=shape.ident(entry.get("id")),
        link=_href(entry),
        title=_readable(shape.words(entry.get("title")), shape.words(detail.get("type"))),
        body=_readable(
            shape.words(body.get("value")) or shape.words(entry.get("summary")), shape.words(body.get("type"))
        ),
        published=_moment(entry.get(f"{published}_parsed")) if published else None,
        dated=next((entry[name] for name in ("published", "created", "updated") if entry.get(name)), None),
        updated=_moment(entry.get("updated_parsed")),
        author={name: shape.words(value) for name, value in author.items()},
        language=shape.words(body.get("language") or detail.get("language") or head.get("language")),
        parent=shape.ident(reply.get("ref")),
        replies=shape.count(entry.get("slash_comments")),
    )


def _from_json(item: dict[str, Any], head: dict[str, Any]) -> _Entry:
    authors = [found for found in [*shape.items(item.get("authors")), item.get("author")] if isinstance(found, dict)]
    author = authors[0] if authors else shape.mapping(head.get("author"))
    text = shape.words(item.get("content_text")) or plain(shape.words(item.get("content_html")))
    return _Entry(
        id=shape.ident(item.get("id")),
        link=shape.words(item.get("url")) or shape.words(item.get("external_url")),
        title=_readable(shape.words(item.get("title")), "text/plain"),
        body=text or shape.words(item.get("summary")),
        published=_iso(item.get("date_published")),
        dated=item.get("date_published") or item.get("date_modified"),
        updated=_iso(item.get("date_modified")),
        author={"name": shape.words(author.get("name")), "href": shape.words(author.get("url"))},
        language=shape.words(item.get("language") or head.get("language")),
        parent="",
        replies=None,
    )


def _is_text(piece: dict[str, Any]) -> bool:
    kind = shape.words(piece.get("type"))
    return not kind or kind.startswith("text/") or kind.endswith(("xml", "html"))


def _readable(value: str, kind: str) -> str:
    """Plain text. A field said to be plain is taken at its word unless it holds what can only be HTML."""
    if kind and kind != "text/plain":
        return plain(value)
    if _MARKUP.search(value):
        return plain(value)
    return html.unescape(value) if "&" in value else value


def _href(entry: dict[str, Any]) -> str:
    link = shape.words(entry.get("link"))
    links = [shape.mapping(found) for found in shape.items(entry.get("links"))]
    return link or next((shape.words(found.get("href")) for found in links if found.get("rel") == "alternate"), "")


def _moment(parsed: object) -> datetime | None:
    """feedparser's nine numbers, in UTC."""
    if not isinstance(parsed, (list, tuple)) or len(parsed) < 6:
        return None
    try:
        return datetime.fromtimestamp(calendar.timegm(tuple(parsed)), UTC)
    except (ValueError, OverflowError, OSError, TypeError):
        return None


def _iso(value: object) -> datetime | None:
    return shape.when(value) if isinstance(value, str) else None


def _language(value: str) -> str | None:
    tag = value.strip().replace("_", "-")
    return tag if _LANGUAGE.fullmatch(tag) else None


def _unwrapped(link: str | None) -> str | None:
    """Google Alerts wraps every link: https://www.google.com/url?…&url=…"""
    if not link or "google." not in link:
        return link
    parts = urlsplit(link)
    if parts.path != "/url" or not re.fullmatch(r"(?:www\.)?google\.[a-z.]{2,6}", parts.hostname or ""):
        return link
    asked = parse_qs(parts.query)
    return safe_url((asked.get("url") or asked.get("q") or [""])[0]) or link


def _cache_end(answer: "Answer", now: datetime, limit: timedelta) -> datetime | None:
    """Until when the publisher says its answer stays as it is."""
    from connectors.resets import http_date

    age = re.search(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,9})", answer.headers.get("cache-control", ""))
    if age:
        fresh = timedelta(seconds=int(age.group(1)) - (shape.count(answer.headers.get("age")) or 0))
    else:
        end = http_date(answer.headers.get("expires"))
        fresh = end - (http_date(answer.headers.get("date")) or now) if end else timedelta(0)
    return now + min(fresh, limit) if fresh > timedelta(0) and limit else None


def _address(settings: Settings) -> str:
    if not settings.base_url:
        return settings.url
    parts = urlsplit(settings.url)
    return urljoin(settings.base_url, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))


def _short(text: str) -> str:
    return blake2b(text.encode("utf-8", "replace"), digest_size=6).hexdigest()
