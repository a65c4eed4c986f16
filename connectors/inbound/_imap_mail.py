"""A mail as data: headers, texts and the names of what is attached. Pure; any bytes whatever make a mail or a reason."""

import codecs
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from email.utils import getaddresses, parsedate_to_datetime
from typing import Any

from connectors import shape
from domain.text import clean, plain

TEXT_LIMIT = 1_000_000
PARTS = 100
HEADERS = {  # what is kept; the rest is transport
    *(
        "message-id",
        "date",
        "from",
        "sender",
        "reply-to",
        "to",
        "cc",
        "subject",
        "in-reply-to",
        "references",
        "return-path",
    ),
    *(
        "auto-submitted",
        "precedence",
        "x-auto-response-suppress",
        "x-autoreply",
        "content-type",
        "list-id",
        "content-language",
    ),
}
_IDS = re.compile(r"<([^<>\s]{1,900})>")
_ADDRESS = re.compile(r"[^@\s<>\"(),:;]{1,64}@[^@\s<>\"(),:;]{1,255}")
# Codecs that are none for text, or take quadratic time.
_ODD = {"punycode", "idna", "unicode_escape", "raw-unicode-escape", "undefined", "mbcs", "oem"}


def taken_apart(source: bytes) -> dict[str, Any]:
    """JSON-ready: what of a mail is kept. `broken` says why nothing could be made of it."""
    try:
        mail = BytesParser(policy=compat32).parsebytes(source)
        parts: list[dict[str, str]] = []
        attached: list[str] = []
        for place, part in enumerate(_leaves(mail)):
            if place >= PARTS:
                break
            if _is_text(part):
                body = part.get_payload(decode=True)
                text = body[:TEXT_LIMIT].decode("latin-1") if isinstance(body, bytes) else ""
                parts.append({"type": part.get_content_type(), "charset": _charset(part), "text": text})
            else:
                attached.append(_name(part))
    except (RecursionError, MessageError, ValueError, LookupError, TypeError, AttributeError) as problem:
        return {"broken": f"its parts cannot be told apart ({type(problem).__name__})", "headers": head(source)}
    return {"headers": head(source), "parts": parts, "attachments": attached}


def head(source: bytes) -> list[list[str]]:
    """The headers that say something about the mail, as they were sent."""
    try:
        mail = BytesParser(policy=compat32).parsebytes(source, headersonly=True)
    except (RecursionError, MessageError, ValueError):
        return []
    kept: list[list[str]] = []
    for name, value in mail.raw_items():
        if name.lower() in HEADERS and len(kept) < PARTS:
            raw = str(value).encode("utf-8", "surrogateescape")[:20_000]
            kept.append([name.lower(), _utf8(raw)])
    return kept


def header(raw: dict[str, Any], name: str) -> str:
    """The first header of this name as readable text, folded lines joined."""
    value = next(
        (shape.words(pair[1]) for pair in shape.items(raw.get("headers")) if _pair(pair) and pair[0] == name), ""
    )
    if "=?" in value:
        try:
            pieces = decode_header(value)
        except (MessageError, ValueError, LookupError):
            pieces = [(value, None)]
        value = "".join(
            piece if isinstance(piece, str) else decoded(piece, charset or "")[0] for piece, charset in pieces
        )
    return " ".join(clean(value, 20_000)[0].split())


def ids(raw: dict[str, Any], name: str) -> list[str]:
    """The message ids of a header, without their brackets."""
    return _IDS.findall(header(raw, name))


def sender(raw: dict[str, Any]) -> tuple[str, str]:
    """(address in lower case, display name) of who wrote it; empty where the header holds no address."""
    for name in ("from", "sender", "reply-to"):
        try:
            found = getaddresses([header(raw, name)])
        except (ValueError, IndexError, TypeError):
            found = []
        for shown, address in found:
            if _ADDRESS.fullmatch(address):
                return address.lower(), shown
    return "", ""


def sent(raw: dict[str, Any]) -> datetime | None:
    try:
        moment = parsedate_to_datetime(header(raw, "date"))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def written(raw: dict[str, Any]) -> tuple[str, bool]:
    """The text people read: the plain one if there is any, else the HTML one's; and whether its charset had to be guessed."""
    texts: dict[str, list[str]] = {"text/plain": [], "text/html": []}
    guessed = False
    for part in map(shape.mapping, shape.items(raw.get("parts"))):
        body = shape.words(part.get("text")).encode("latin-1", "replace")
        text, sure = decoded(body, shape.words(part.get("charset")))
        kind = "text/html" if part.get("type") == "text/html" else "text/plain"
        texts[kind].append(plain(text) if kind == "text/html" else text)
        guessed = guessed or not sure
    best = next((found for found in texts.values() if any(text.strip() for text in found)), [])
    return "\n".join(text.replace("\r\n", "\n").strip() for text in best), guessed


def machine(raw: dict[str, Any]) -> str:
    """Whether no person wrote it: "bounce", "automatic" or empty. https://www.rfc-editor.org/rfc/rfc3834"""
    address, _ = sender(raw)
    returned = next(
        (shape.words(p[1]).strip() for p in shape.items(raw.get("headers")) if _pair(p) and p[0] == "return-path"), ""
    )
    kind = header(raw, "content-type").lower()
    if kind.startswith("multipart/report") or returned == "<>" or address.startswith(("mailer-daemon@", "postmaster@")):
        return "bounce"
    submitted = header(raw, "auto-submitted").lower()
    if (submitted and not submitted.startswith("no")) or header(raw, "x-autoreply").lower() in ("yes", "true"):
        return "automatic"
    return "automatic" if header(raw, "precedence").lower() in ("auto_reply", "junk") else ""


def decoded(body: bytes, charset: str) -> tuple[str, bool]:
    """Text in the charset it claims; else as UTF-8, else as Windows text. The second value: it was what it claimed to be."""
    try:
        codec = codecs.lookup(charset or "us-ascii")
        if codec.name not in _ODD:
            return body.decode(codec.name), True
    except (LookupError, ValueError):
        pass  # a wrong name or wrong bytes: guessed below, and flagged
    text = _utf8(body)
    return text, not charset and text.isascii()


def _utf8(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return body.decode("cp1252", "replace")


def _leaves(part: Message) -> Iterator[Message]:
    """Parts that hold something. A mail inside a mail is an attachment: its words are somebody else's."""
    payload = part.get_payload()
    if part.get_content_maintype() == "multipart" and isinstance(payload, list):
        for child in payload:
            if isinstance(child, Message):
                yield from _leaves(child)
    else:
        yield part


def _is_text(part: Message) -> bool:
    attached = "attachment" in str(part.get("content-disposition", "")).lower()
    return part.get_content_type() in ("text/plain", "text/html") and not attached and not part.get_filename()


def _charset(part: Message) -> str:
    return str(part.get_content_charset() or "")[:60]


def _name(part: Message) -> str:
    try:
        given = part.get_filename() or ""
    except (ValueError, LookupError, TypeError, AttributeError):
        given = ""
    return clean(given, 200)[0].strip() or part.get_content_type()


def _pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2
