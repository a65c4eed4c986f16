"""Text as it came from outside, made safe to store, read and match. Pure; knows no platform."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from html import unescape
from urllib.parse import urljoin, urlsplit

LIMIT = 65_536  # bytes of UTF-8 kept of one text
HTML_LIMIT = 1_000_000  # characters of markup read for one text

_LINE_ENDS = re.compile(r"\r\n?|[\u2028\u2029\x85]")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f]")
_NOT_A_WORD_RUN = re.compile(r"[^\w\s\x00-\u02ff]{31,}")
_EXTENDERS = frozenset("\u200c\u200d\u034f") | {chr(c) for c in (*range(0x1F3FB, 0x1F400), *range(0xE0020, 0xE0080))}
_ODD = str.maketrans(
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u02bc": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u00ad": "",
        "\u200b": "",
        "\ufeff": "",
    }
)
_ODD_ONE = re.compile(r"[\u2018\u2019\u02bc\u201c\u201d\u00ad\u200b\ufeff]")


def clean(value: object, limit: int = LIMIT) -> tuple[str, bool]:
    """Text that a database, a log and a screen can take: NFC, no controls but newline and tab, at most `limit` bytes.

    The second value says whether something was cut off. The cut never splits a character a reader sees as one.
    """
    text = value if isinstance(value, str) else "" if value is None else str(value)
    if len(text) * 4 <= limit and text.isprintable() and _is_clean(text):  # most texts are good as they are
        return text, False
    cut = len(text) > 2 * limit
    if cut:  # composing never shortens text to less than half, so what follows cannot be kept
        text = text[: 2 * limit]
    if text.isascii():
        text = _CONTROLS.sub("", _LINE_ENDS.sub("\n", text))
    else:
        # A pair of surrogates is one character, a lone one is none; UTF-16 tells them apart.
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        text = _CONTROLS.sub("", _LINE_ENDS.sub("\n", text))
        text = unicodedata.normalize("NFC", _stream_safe(text))
    kept = _cap(text, limit)
    return kept, cut or len(kept) < len(text)


def _is_clean(text: str) -> bool:
    """Whether a printable text (no controls, no line ends, no surrogates) needs nothing done to it."""
    return text.isascii() or (not _NOT_A_WORD_RUN.search(text) and unicodedata.is_normalized("NFC", text))


def plain(html: object) -> str:
    """Readable text of a piece of HTML: entities decoded, scripts and styles left out, blocks on their own lines."""
    source = html if isinstance(html, str) else "" if html is None else str(html)
    if "<" not in source and "&" not in source:
        return source.strip()
    return _lines(_pieces(_NUMBER.sub("\ufffd", source[:HTML_LIMIT].replace("\x00", ""))))


def fold(text: str) -> str:
    """The form in which words are compared: case folded, typographic quotes straight, invisible characters gone."""
    if text.isascii():
        return text.lower()
    if _ODD_ONE.search(text):
        text = text.translate(_ODD)
    return unicodedata.normalize("NFKC", text[:LIMIT]).casefold()


def safe_url(url: object, base: str | None = None) -> str | None:
    """The absolute address if a person may click it (http or https with a host), else None."""
    if not isinstance(url, str):
        return None
    if base is None and len(url) <= 4096 and _PLAIN_URL.fullmatch(url):
        return url
    address = _CONTROLS.sub("", url).strip().replace("\n", "").replace("\t", "")
    if not address or len(address) > 4096:
        return None
    try:
        address = urljoin(base, address) if base else address
        parts = urlsplit(address)
        good = parts.scheme.lower() in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return None
    return address.encode("utf-8", "ignore").decode() if good and "\\" not in address and " " not in address else None


# Nothing to decode, join or refuse: a host by name, then printable ASCII without space and backslash.
_PLAIN_URL = re.compile(r"https?://[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?:/[!-\[\]-~]*)?")

# One tag with its attributes; quotes may hide a ">".
_TAG = re.compile(r"""</?([a-zA-Z][^\s/>]*)((?:"[^"]*"|'[^']*'|[^'">])*)>""")
_LOOSE_TAG = re.compile(r"</?([a-zA-Z][^\s/>]*)([^>]*)>")
_ALT = re.compile(r"""\balt\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_NUMBER = re.compile(r"&#(?:[0-9]{8,}|[xX][0-9a-fA-F]{7,});?")
_RAW = frozenset(("script", "style", "template", "noscript", "iframe", "object", "textarea"))
_SILENT = _RAW | {"head", "svg"}
_LINES = frozenset(
    (
        *(
            "address",
            "article",
            "aside",
            "blockquote",
            "br",
            "dd",
            "div",
            "dl",
            "dt",
            "fieldset",
            "figcaption",
            "figure",
        ),
        *(
            "footer",
            "form",
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "header",
            "hr",
            "li",
            "main",
            "nav",
            "ol",
            "option",
            "p",
        ),
        *("pre", "section", "table", "td", "th", "tr", "ul"),
    )
)


def _pieces(source: str) -> Iterator[str]:
    """The readable pieces in order, NUL where a block begins or ends.

    A scanner of our own in time linear in the text: html.parser of the Pythons we support takes minutes for 100 kB of
    unclosed tags (https://github.com/python/cpython/issues/135462). It reads what feeds hold; it does not sanitise.
    """
    at, size, tag, unclosed = 0, len(source), _TAG, set[str]()
    while at < size:
        start = source.find("<", at)
        if start < 0:
            break
        yield unescape(source[at:start])
        if source[start + 1 : start + 2] in ("!", "?"):
            closing = "-->" if source.startswith("<!--", start) else ">"
            end = source.find(closing, start + 2)
            if end < 0:
                return
            at = end + len(closing)
            continue
        match = tag.match(source, start) if source[start + 1 : start + 2].strip() else None
        if match is None and tag is _TAG and source[start + 1 : start + 2].isalpha():
            tag = _LOOSE_TAG  # a quote that never ends; looking again for its end at each tag would take quadratic time
            match = tag.match(source, start)
        if match is None:
            if source.find(">", start) < 0:
                at = start
                break
            yield "<"
            at = start + 1
            continue
        at, name = match.end(), match.group(1).lower()
        if source[start + 1] != "/" and name in _SILENT and name not in unclosed:
            end = _closing(source, name, at)
            if end >= 0:
                at = end
            elif name in _RAW:
                return
            else:
                unclosed.add(name)
        elif name in _LINES:
            yield "\x00"
        elif name == "img" and (alt := _ALT.search(match.group(2))):
            yield unescape(alt.group(1) or alt.group(2) or alt.group(3) or "")
    yield unescape(source[at:])


def _closing(source: str, name: str, at: int) -> int:
    """Where the element's end tag ends. Two searches, because one for the whole tag takes quadratic time on half tags."""
    match = re.compile(f"</{name}", re.IGNORECASE).search(source, at)
    return source.find(">", match.end()) + 1 or -1 if match else -1


def _lines(pieces: Iterable[str]) -> str:
    """Source line ends are spaces where the markup has lines of its own, and kept where it has none."""
    joined = "".join(pieces)
    lines = joined.split("\x00") if "\x00" in joined else joined.splitlines()
    return "\n".join(line for line in (" ".join(line.split()) for line in lines) if line)


def _stream_safe(text: str) -> str:
    """At most 30 combining marks in a row, since sorting longer runs takes quadratic time.

    https://www.unicode.org/reports/tr15/#Stream_Safe_Text_Format
    """
    return _NOT_A_WORD_RUN.sub(_break_marks, text) if _NOT_A_WORD_RUN.search(text) else text


def _break_marks(match: re.Match[str]) -> str:
    out, run = [], 0
    for char in match.group():
        run = run + 1 if unicodedata.combining(char) else 0
        if run > 30:
            out.append("\u034f")
            run = 1
        out.append(char)
    return "".join(out)


def _cap(text: str, limit: int) -> str:
    if len(text) * 4 <= limit:
        return text
    data = text.encode("utf-8")
    if len(data) <= limit:
        return text
    end = len(data[:limit].decode("utf-8", "ignore"))
    for _ in range(64):
        if end <= 0 or not _joins(text, end):
            break
        end -= 1
    return text[:end]


def _joins(text: str, at: int) -> bool:
    """Whether the character at `at` belongs to the one before it (combining marks, joined emoji, flags).

    The common part of https://www.unicode.org/reports/tr29/#Grapheme_Cluster_Boundary_Rules
    """
    char, before = text[at], text[at - 1]
    if before == "\u200d" or char in _EXTENDERS or unicodedata.category(char) in ("Mn", "Mc", "Me"):
        return True
    if not _flag_letter(char):
        return False
    start = at
    while start > 0 and _flag_letter(text[start - 1]):
        start -= 1
    return (at - start) % 2 == 1


def _flag_letter(char: str) -> bool:
    return 0x1F1E6 <= ord(char) <= 0x1F1FF
