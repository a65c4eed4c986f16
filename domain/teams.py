"""Which team a text is for, taught by example sentences. Pure; small enough to be made anew whenever the examples change.

Words (without the emptiest), pairs of words and parts of words, weighted by rarity (tf-idf), go into a multinomial logistic regression
with a ridge, fitted in the space of the examples: a few hundred sentences, so a second at most. How sure it is
counts only as far as the text's words are among the examples: what nobody taught goes to the default team. With ten examples for
each of 77 intents of bank customers three in four texts go right (docs/measurements.md).
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from domain.text import fold
from domain.thesaurus import GROUPS

_WORD = re.compile(r"\w+")
_EMPTY = frozenset(
    part
    for part in re.split(
        r"\s+",
        """
    i an a the to of is it in on for with and or my me do does did be been was were are have has had that this there at as so if would could
    will can s m t ve re ll am im you your we our us they them their hi hello hey please thanks thank what how why when where just get got
    der die das und ich ein eine ist es in zu den mit für auf mein meine wie was el la los las un una de que y en mi me es por con como
    le les des une du et je mon ma est ce dans pour sur avec o os da do em um uma il lo gli di che e per
""",
    )
    if part
)
_MEANT: dict[str, list[tuple[tuple[str, ...], str]]] = {}
for _at, _group in enumerate(GROUPS):
    for _term in _group:
        _first, *_rest = _WORD.findall(fold(_term))
        _MEANT.setdefault(_first, []).append((tuple(_rest), f"w~{_group[0]}"))
LONGEST = 400  # characters of a text that are read
MANY = 12  # groups of the thesaurus that make pairs
RIDGE = 0.1
STEPS = 150
KNOWN = 0.5  # of a text's words, by rarity: with fewer known ones, confidence falls
TIMES = 3.0  # a team this many times as likely as the others on average is half sure, however many teams there are


@dataclass(frozen=True, slots=True)
class Routed:
    """The likeliest team, how sure (0..1), and the words that spoke for it."""

    team: str
    confidence: float
    words: tuple[str, ...] = ()


class Router:
    """Teams by example. Says nothing (None) without examples of at least two teams."""

    def __init__(self, teams: Sequence[tuple[str, Sequence[str]]]) -> None:
        taught = [(name, text) for name, texts in teams for text in texts if text.strip()]
        self.teams = list(dict.fromkeys(name for name, _ in taught))
        self._index: dict[str, int] = {}
        if len(self.teams) < 2:
            return
        docs = [_counted(text) for _, text in taught]
        seen: dict[str, int] = {}
        for doc in docs:
            for part in doc:
                seen[part] = seen.get(part, 0) + 1
        self._index = {part: at for at, part in enumerate(seen)}
        self._idf = [math.log((1 + len(docs)) / (1 + n)) + 1 for n in seen.values()]
        self._unknown = math.log(1 + len(docs)) + 1
        known = np.zeros((len(docs), len(seen)), dtype=np.float32)
        for row, doc in enumerate(docs):
            ids, weights = self._vector(doc)
            known[row, ids] = weights
        wanted = np.zeros((len(docs), len(self.teams)), dtype=np.float32)
        wanted[np.arange(len(docs)), [self.teams.index(name) for name, _ in taught]] = 1.0
        self._weights = known.T @ _fit(known @ known.T, wanted)

    def __bool__(self) -> bool:
        return bool(self._index)

    def route(self, text: str) -> Routed | None:
        """The likeliest team for a text."""
        if not self._index:
            return None
        doc = _counted(text)
        ids, weights = self._vector(doc)
        if not ids:
            return None
        shares = self._weights[ids] * np.asarray(weights, dtype=np.float32)[:, None]
        odds = shares.sum(axis=0)
        odds = np.exp(odds - odds.max())
        best = int(odds.argmax())
        sure = float(odds[best] / odds.sum()) * min(1.0, self._coverage(doc) / KNOWN)
        times = sure * (len(self.teams) - 1) / max(1e-9, 1 - sure)
        return Routed(self.teams[best], round(times / (times + TIMES), 3), self._because(doc, shares[:, best]))

    def _coverage(self, doc: dict[str, int]) -> float:
        known = total = 0.0
        for part in doc:
            if part[0] == "w":
                at = self._index.get(part)
                known += 0.0 if at is None else self._idf[at]
                total += self._unknown if at is None else self._idf[at]
        return known / total if total else 0.0

    def _because(self, doc: dict[str, int], shares: np.ndarray) -> tuple[str, ...]:
        parts = [part for part in doc if part in self._index]
        told = sorted(zip(parts, shares.tolist(), strict=True), key=lambda pair: -pair[1])
        return tuple(part[1:] for part, share in told if part[0] == "w" and share > 0)[:4]

    def _vector(self, doc: dict[str, int]) -> tuple[list[int], list[float]]:
        """Ids and weights of the known parts; words and parts of words are normalised apart, then together."""
        ids: list[int] = []
        weights: list[float] = []
        sizes = {"w": 0.0, "b": 0.0, "c": 0.0}
        for part, n in doc.items():
            at = self._index.get(part)
            if at is not None:
                weight = (1 + math.log(n)) * self._idf[at] if n > 1 else self._idf[at]
                sizes[part[0]] += weight * weight
                ids.append(at)
                weights.append(weight)
        words = math.sqrt(sizes["w"] + sizes["b"])
        scale = {"w": words, "b": words, "c": math.sqrt(sizes["c"])}
        both = math.sqrt(sum(1 for size in (words, scale["c"]) if size)) or 1.0
        known = (part for part in doc if part in self._index)
        return ids, [weight / (scale[part[0]] * both) for part, weight in zip(known, weights, strict=True)]


def _counted(text: str) -> dict[str, int]:
    """Parts of a text and how often they stand in it: `w` words that say something, `b` pairs of neighbours, `c` parts of words."""
    found: dict[str, int] = {}
    words = _WORD.findall(fold(text[:LONGEST]))
    for part in _parts(words):
        found[part] = found.get(part, 0) + 1
    return found


def _parts(words: list[str]) -> Iterator[str]:
    stems = [_stem(word) for word in words]
    meant = _meant(words)
    yield from meant
    told = sorted(meant[:MANY])
    for at, left in enumerate(told):
        for right in told[at + 1 :]:
            yield f"b{left}|{right}"
    for word, stem in zip(words, stems, strict=True):
        if word not in _EMPTY:
            yield "w" + stem
    for left, right in pairwise(stems):
        yield f"b{left} {right}"
    for word in words:
        padded = f" {word} "
        for size in (3, 4):
            for at in range(max(1, len(padded) - size + 1)):
                yield "c" + padded[at : at + size]
                if size >= len(padded):
                    break


def _meant(words: list[str]) -> list[str]:
    """The groups of the thesaurus some word or phrase of which stands here, each once, as `w` parts."""
    found: dict[str, None] = {}
    for at, word in enumerate(words):
        for phrase, group in _MEANT.get(word, ()):
            if not phrase or tuple(words[at + 1 : at + 1 + len(phrase)]) == phrase:
                found[group] = None
    return list(found)


def _stem(word: str) -> str:
    for end in ("ing", "ed", "es", "s", "ly"):
        if word.endswith(end) and len(word) - len(end) >= 3:
            return word[: -len(end)]
    return word


def _fit(kernel: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Coefficients of the examples: kernel logistic regression by accelerated gradient steps (Nesterov 1983), fixed in number."""
    rate = 1.0 / (0.5 * float(np.linalg.norm(kernel, 2)) + RIDGE)
    alpha = ahead = np.zeros_like(wanted)
    pace = 1.0
    for _ in range(STEPS):
        odds = kernel @ ahead
        chances = np.exp(odds - odds.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        step = ahead - rate * ((chances - wanted) + RIDGE * ahead)
        quicker = (1 + math.sqrt(1 + 4 * pace * pace)) / 2
        ahead = step + ((pace - 1) / quicker) * (step - alpha)
        alpha, pace = step, quicker
    return alpha
