"""Finding many words and phrases in one text at once, at word borders, whatever the case. Pure; knows no intent or topic."""

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import compress, count
from typing import Any, NamedTuple

from domain.text import fold

_WORD = re.compile(r"\w+")
_ASCII = bytes(
    ord(char.lower()) if (char := chr(code)).isalnum() or char == "_" else 32 for code in range(128)
) + bytes(128)
_PLAIN = re.compile(r"[\w\s'\-]*")
# Scripts written without spaces have no word borders to look for: Thai, Lao, Burmese, Khmer, kana, Han.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003134f]")


def unspaced(text: str) -> bool:
    """Whether a folded term is of a script in which words are found inside of others."""
    return bool(_UNSPACED.search(text))


class Reading:
    """A text as the finders read it; made once, read by many."""

    __slots__ = ("folded", "text", "words")

    def __init__(self, text: str) -> None:
        self.text = text
        self.folded = fold(text)
        plain = self.folded.isascii()  # the same words at a third of the cost of the pattern
        self.words: list[str] = (
            self.folded.encode().translate(_ASCII).decode().split() if plain else _WORD.findall(self.folded)
        )


@lru_cache(maxsize=16)
def reading(text: str) -> Reading:
    """The reading of a text, of which several finders ask shortly after one another."""
    return Reading(text)


class _Phrase(NamedTuple):
    """One form of a term: its words, which of them it is looked up by, and the exact form where words are not enough."""

    anchor: int
    words: list[str]
    term: str
    exact: re.Pattern[str] | None
    literal: str  # a part of the exact form, looked for first: most texts do not have it


class _Anchor(NamedTuple):
    """What is looked up by one word: the term that is just this word, and phrases by the word after it, before it, or by none."""

    term: str | None
    after: dict[str, list[_Phrase]]
    before: dict[str, list[_Phrase]]
    alone: list[_Phrase]


def _anchor(phrases: Iterable[_Phrase]) -> str | _Anchor:
    made = _Anchor(next((phrase.term for phrase in phrases if _is_word(phrase)), None), {}, {}, [])
    for phrase in phrases:
        at, words = phrase.anchor, phrase.words
        if at + 1 < len(words):
            made.after.setdefault(words[at + 1], []).append(phrase)
        elif at:
            made.before.setdefault(words[at - 1], []).append(phrase)
        elif phrase.exact or phrase.term != made.term:
            made.alone.append(phrase)
    return made.term if made.term is not None and not any(made[1:]) else made


class Finder:
    """Which of the terms stand in a text, in the order they occur.

    A term is a word or a phrase. Between its words any punctuation or space may stand; an apostrophe may be missing. What
    else it is made of (`@`, `#`, `.`, `&`) must be there as written. A phrase is looked up by its longest word, which is
    likely its rarest.
    """

    def __init__(self, terms: Iterable[str]) -> None:
        self._phrases: dict[str, list[_Phrase]] = {}
        self._loose: list[tuple[str, str]] = []
        for term in dict.fromkeys(terms):
            folded = fold(term).strip()
            if _UNSPACED.search(folded):
                self._loose.append((folded, term))
                continue
            for form in dict.fromkeys((folded, folded.replace("'", ""))):
                self._add(form, term)
        self._index = {word: _anchor(phrases) for word, phrases in self._phrases.items()}

    def _add(self, form: str, term: str) -> None:
        words = _WORD.findall(form)
        if words:
            anchor = max(range(len(words)), key=lambda at: len(words[at]))
            exact = None if _PLAIN.fullmatch(form) else _exact(form)
            literal = max(form.split(), key=len)
            self._phrases.setdefault(words[anchor], []).append(_Phrase(anchor, words, term, exact, literal))
        elif form:
            self._loose.append((form, term))

    def find(self, reading: Reading) -> list[str]:
        """The terms found, each once."""
        found: dict[str, None] = {}
        words = reading.words
        index: list[Any] = [*map(self._index.get, words)]
        for at in compress(count(), index):
            known = index[at]
            if isinstance(known, str):
                found[known] = None
                continue
            term, after, before, alone = known
            if term is not None:
                found[term] = None
            if after and at + 1 < len(words) and words[at + 1] in after:
                _look(reading, at, after[words[at + 1]], found)
            if before and at and words[at - 1] in before:
                _look(reading, at, before[words[at - 1]], found)
            if alone:
                _look(reading, at, alone, found)
        for form, term in self._loose:
            if form in reading.folded:
                found[term] = None
        return list(found)


def _look(reading: Reading, at: int, phrases: list[_Phrase], found: dict[str, None]) -> None:
    words = reading.words
    for anchor, phrase, term, exact, literal in phrases:
        start = at - anchor
        if (
            start >= 0
            and words[start : start + len(phrase)] == phrase
            and (exact is None or (literal in reading.folded and exact.search(reading.folded)))
        ):
            found[term] = None


def _is_word(phrase: _Phrase) -> bool:
    return len(phrase.words) == 1 and phrase.exact is None


def _exact(form: str) -> re.Pattern[str]:
    before = r"(?<!\w)" if form[0] in "@#" or form[0].isalnum() else ""
    after = r"(?!\w)" if form[-1].isalnum() or form[-1] == "_" else ""
    return re.compile(before + r"\s+".join(re.escape(part) for part in form.split()) + after)
