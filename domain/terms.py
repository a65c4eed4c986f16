"""Terms that grew: a topic's own words now against its words before, in any language. Pure.

Complaints use other little words than praise does ("my", "not"), so that what is merely said oftener is no term. A word counts when
chance would do it once in a thousand times (log-likelihood ratio of its 2 x 2 table, Dunning 1993,
https://aclanthology.org/J93-1003/) and its share of texts has doubled; the order is by that ratio times how rare the word was
(inverse document frequency, Spärck Jones 1972). No list of stop words: a topic's own talk says which words are common, in each
language by itself. Where a language is new to a topic its little words would all be new; so none of its words is a term, and `unheard`
says that it is new.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

CHANCE = 10.83  # of chi squared with one degree of freedom: one in a thousand
GREW = 2.0  # times its share of texts

KNOWN = 5  # texts before, from which on a language's common words have been heard

Said = tuple[str, str]  # (language, text)
_WORD = re.compile(r"[^\W\d_][\w'’-]{2,30}")


class Grown(NamedTuple):
    """A word: how typical of now, in how many texts now, in how many of as many usually."""

    word: str
    weight: float
    now: int
    usual: float

    def with_(self, other: "Grown") -> "Grown":
        """The same word in another language: tables of their own, whose ratios add up."""
        return Grown(self.word, self.weight + other.weight, self.now + other.now, self.usual + other.usual)


def counted(texts: Iterable[str]) -> Counter[str]:
    """In how many texts each word stands, once a text."""
    found: Counter[str] = Counter()
    for text in texts:
        bare = re.sub(r"https?://\S+|@\w+", " ", text.lower())
        found.update(set(_WORD.findall(bare)))
    return found


def grew(now: Iterable[Said], before: Iterable[Said], most: int = 8) -> list[dict[str, float | str]]:
    """The words most typical of now, at most so many. A word said once is nobody's trend; without a before nothing grew."""
    new, old = _by_language(now), _by_language(before)
    found: dict[str, Grown] = {}
    for language in new.keys() & old.keys():
        if len(old[language]) >= KNOWN:
            for one in _grew(new[language], old[language]):
                found[one.word] = found[one.word].with_(one) if one.word in found else one
    best = sorted(found.values(), key=lambda one: (-one.weight, one.word))[:most]
    return [{"word": one.word, "now": one.now, "usual": round(one.usual, 2)} for one in best]


def unheard(now: Iterable[Said], before: Iterable[Said]) -> dict[str, int]:
    """Languages of now that were hardly heard before, with their texts: what grew in them cannot be told."""
    new, old = _by_language(now), _by_language(before)
    known = {language for language, texts in old.items() if len(texts) >= KNOWN}
    return {language: len(new[language]) for language in sorted(new.keys() - known)} if known else {}


def _by_language(said: Iterable[Said]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for language, text in said:
        found.setdefault(language, []).append(text)
    return found


def _grew(new_texts: Sequence[str], old_texts: Sequence[str]) -> Iterable[Grown]:
    new, old = counted(new_texts), counted(old_texts)
    n, m = len(new_texts), len(old_texts)
    for word, count in new.items():
        if count < 2 or count * m < GREW * old[word] * n:
            continue
        ratio = likelihood(count, n, old[word], m)
        if ratio >= CHANCE:
            yield Grown(word, ratio * math.log((m + 1) / (old[word] + 0.5)), count, old[word] * n / m)


def likelihood(a: int, n: int, b: int, m: int) -> float:
    """Twice the log-likelihood ratio of one share, `a` of `n` and `b` of `m`, against two."""
    share = (a + b) / (n + m)
    cells = ((a, n * share), (n - a, n * (1 - share)), (b, m * share), (m - b, m * (1 - share)))
    return 2 * sum(seen * math.log(seen / expected) for seen, expected in cells if seen)
