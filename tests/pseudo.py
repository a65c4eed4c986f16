"""A language nobody speaks, for tests: every text and every formatted number of it stands between ⟦ and ⟧, so that a page shows what is not."""

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from babel import Locale

from console.web import spoken
from console.web.spoken import Language

OPEN, CLOSE = "⟦", "⟧"
SHOWN = ("title", "aria-label", "placeholder", "alt", "aria-description")  # attributes somebody reads or hears
SILENT = frozenset({"code", "pre", "kbd", "script", "style", "textarea"})  # commands, files, keys: the same everywhere
VOID = frozenset({"input", "br", "meta", "link", "hr", "img", "path", "rect", "line", "circle"})


@dataclass(frozen=True)
class Pseudo(Language):
    def text(self, message: str, context: str = "") -> str:
        return f"{OPEN}{message}{CLOSE}"

    def texts(self, one: str, many: str, n: int) -> str:
        return f"{OPEN}{one if n == 1 else many}{CLOSE}"

    def mark(self, text: str) -> str:
        return f"{OPEN}{text}{CLOSE}"


def language() -> Language:
    """Its scripts say what German ones say, in brackets."""
    german = spoken.languages()["de"]
    both = {key: (key, key) if isinstance(german.messages[key], tuple) else key for key in german.scripted}
    wrapped: dict[Any, Any] = {
        key: tuple(f"{OPEN}{one}{CLOSE}" for one in value) if isinstance(value, tuple) else f"{OPEN}{value}{CLOSE}"
        for key, value in both.items()
    }
    return Pseudo("xx", "Pseudo", Locale.parse("en_GB"), wrapped, scripted=german.scripted)


class Naked(HTMLParser):
    """Texts of a page that stand in no brackets; left out is what is marked as English (lang="en": stored sentences) or as somebody's own
    words (dir="auto"), and what stands in `SILENT`."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.stack: list[tuple[str, bool]] = []
        self.depth = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        quiet = (
            bool(self.stack and self.stack[-1][1])
            or tag in SILENT
            or given.get("lang") in ("en", "de")
            or given.get("dir") == "auto"
        )
        if not quiet:
            for name in SHOWN:
                self.found += bare(given.get(name) or "")
            if tag == "input" and given.get("type") in ("submit", "button"):
                self.found += bare(given.get("value") or "")
        if tag not in VOID:
            self.stack.append((tag, quiet and tag != "html"))

    def handle_endtag(self, tag: str) -> None:
        while self.stack:
            if self.stack.pop()[0] == tag:
                break

    def handle_data(self, data: str) -> None:
        quiet = bool(self.stack and self.stack[-1][1])
        piece = ""
        for letter in data:
            if letter == OPEN:
                self.depth += 1
            elif letter == CLOSE:
                self.depth -= 1
            if not self.depth and letter != CLOSE and not quiet:
                piece += letter
            else:
                self._piece(piece)
                piece = ""
        self._piece(piece)

    def _piece(self, piece: str) -> None:
        if worded(piece):
            self.found.append(tidy(piece))


def bare(text: str) -> list[str]:
    """What of an attribute stands outside all brackets."""
    while (shorter := re.sub(f"{OPEN}[^{OPEN}{CLOSE}]*{CLOSE}", "\0", text)) != text:
        text = shorter
    return [tidy(piece) for piece in text.split("\0") if worded(piece)]


def worded(text: str) -> bool:
    return re.search(r"[^\W\d_]{2,}", text) is not None


def tidy(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip(" ,.;:·–()#→")


def leaves(value: Any) -> list[str]:
    """The strings a JSON value holds; names of its members are ours, not data."""
    if isinstance(value, dict):
        return [leaf for one in value.values() for leaf in leaves(one)]
    if isinstance(value, list):
        return [leaf for one in value for leaf in leaves(one)]
    return [value] if isinstance(value, str) else []
