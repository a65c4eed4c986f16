"""Finding many words and phrases in one text at once, at word borders, whatever the case. Pure; knows no intent or topic."""

import re
from collections.abc import Iterable, Sequence
from functools import cached_property

from domain.text import fold

_WORD = re.compile(r"\w+")
_PLAIN = re.compile(r"[\w\s'\-]*")
# Scripts written without spaces have no word borders to look for: Thai, Lao, Burmese, Khmer, kana, Han.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003134f]")


class Reading:
    """A text as the finders read it; made once, read by many."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def folded(self) -> str:
        return fold(self.text)

    @cached_property
    def words(self) -> list[str]:
        return _WORD.findall(self.folded)


class Finder:
    """Which of the terms stand in a text, in the order they occur.

    A term is a word or a phrase. Between its words any punctuation or space may stand; an apostrophe may be missing. What
    else it is made of (`@`, `#`, `.`, `&`) must be there as written.
    """

    def __init__(self, terms: Iterable[str]) -> None:
        self._starts: dict[str, list[tuple[tuple[str, ...], str, re.Pattern[str] | None]]] = {}
        self._loose: list[tuple[str, str]] = []
        for term in dict.fromkeys(terms):
            folded = fold(term).strip()
            if _UNSPACED.search(folded):
                self._loose.append((folded, term))
                continue
            for form in dict.fromkeys((folded, folded.replace("'", ""))):
                self._add(form, term)
        for candidates in self._starts.values():
            candidates.sort(key=lambda candidate: -len(candidate[0]))

    def _add(self, form: str, term: str) -> None:
        words = tuple(_WORD.findall(form))
        if words:
            exact = None if _PLAIN.fullmatch(form) else _exact(form)
            self._starts.setdefault(words[0], []).append((words[1:], term, exact))
        elif form:
            self._loose.append((form, term))

    def find(self, reading: Reading) -> list[str]:
        """The terms found, each once."""
        found: dict[str, None] = {}
        words, starts = reading.words, self._starts
        for at, word in enumerate(words):
            if word in starts:
                for rest, term, exact in starts[word]:
                    if rest and not _follows(words, at + 1, rest):
                        continue
                    if exact is None or exact.search(reading.folded):
                        found[term] = None
        for form, term in self._loose:
            if form in reading.folded:
                found[term] = None
        return list(found)


def _follows(words: Sequence[str], at: int, rest: tuple[str, ...]) -> bool:
    return len(words) - at >= len(rest) and all(words[at + step] == word for step, word in enumerate(rest))


def _exact(form: str) -> re.Pattern[str]:
    before = r"(?<!\w)" if form[0] in "@#" or form[0].isalnum() else ""
    after = r"(?!\w)" if form[-1].isalnum() or form[-1] == "_" else ""
    return re.compile(before + r"\s+".join(re.escape(part) for part in form.split()) + after)
