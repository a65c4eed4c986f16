"""Which texts say the same: reposts and near-copies. Pure.

The definition: two texts are copies when their normal forms (words without case, links, @ and #, "RT") are at least ALIKE alike by
rapidfuzz's `ratio` (normalized indel similarity, https://rapidfuzz.github.io/RapidFuzz/Usage/fuzz.html#ratio), and exact copies when
they are equal. A cluster is a connected component of that relation, named by its smallest mention id: a property of the texts, so that
the order in which they arrive cannot change it. Texts under LEAST words are nobody's copy: "thanks, that worked" is said by many.

To find candidates without comparing with everything, a text has eight bands, each the least of a mixture of its shingles of three words
(MinHash; Broder 1997, https://doi.org/10.1109/SEQUEN.1997.666900): texts that share j of their shingles share a band with probability
1 - (1 - j)⁸, which is 99 % at j = 0.44, three words of twenty-five being other. A false candidate costs one comparison. A sketch takes about 20 µs; datasketch's MinHash alone took 43 (docs/measurements.md).
"""

import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise

import numpy as np

from domain.text import fold
from domain.words import Reading

ALIKE = 85.0
LEAST = 6
LONGEST = 1_000  # words looked at

_LINK = re.compile(r"https?://\S+")
_PASSED_ON = re.compile(r"^rt @\w+:?|\bvia @\w+")
BANDS = 8
# Eight mixtures of a shingle's number, drawn by a hash: bands are stored, so they are the same with every version of every library.
_DRAWN = [
    int.from_bytes(blake2b(b"earmark copies %d" % n, digest_size=8).digest(), "big") >> 3 for n in range(2 * BANDS)
]
_TIMES = np.array(_DRAWN[:BANDS], np.uint64)[:, None] | np.uint64(1)
_PLUS = np.array(_DRAWN[BANDS:], np.uint64)[:, None]
_SHIFT = np.uint64(32)
_PLACE = (np.arange(BANDS, dtype=np.uint64) + np.uint64(1)) << np.uint64(32)  # a band's number says which one it is


@dataclass(frozen=True, slots=True)
class Sketch:
    """What a text is found by: `bands` are 63-bit numbers, the first of the whole normal form."""

    normal: str
    bands: tuple[int, ...]

    @property
    def exact(self) -> int:
        return self.bands[0]


def normal(text: str) -> str:
    """The words of a text between single spaces, in the form in which copies are compared."""
    return " ".join(_words(text))


def _words(text: str) -> list[str]:
    folded = fold(text).lstrip()
    if "://" in folded:
        folded = _LINK.sub(" ", folded)
    if folded.startswith("rt @") or "via @" in folded:
        folded = _PASSED_ON.sub(" ", folded)
    return Reading(folded).words[:LONGEST]


def sketch(text: str) -> Sketch | None:
    """None for a text too short to be a copy of anything."""
    words = _words(text)
    if len(words) < LEAST:
        return None
    said = " ".join(words)
    crc = zlib.crc32
    shingles = [crc(f"{a} {b} {c}".encode()) for a, b, c in zip(words, words[1:], words[2:], strict=False)]
    least = ((np.array(shingles, np.uint64) * _TIMES + _PLUS) >> _SHIFT).min(axis=1)
    whole = int.from_bytes(blake2b(said.encode(), digest_size=8).digest(), "big") >> 1
    return Sketch(said, (whole, *(least | _PLACE).tolist()))


def alike(one: str, other: str) -> bool:
    """Whether two normal forms are copies."""
    from rapidfuzz import fuzz

    return one == other or fuzz.ratio(one, other, score_cutoff=ALIKE) > 0


def clusters(forms: Mapping[int, str], pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Mention id → its cluster's name, by the candidates among `pairs` that are copies; those in no pair are their own."""
    parents = {id_: id_ for id_ in forms}

    def root(id_: int) -> int:
        while parents[id_] != id_:
            parents[id_] = parents[parents[id_]]
            id_ = parents[id_]
        return id_

    for one, other in pairs:
        first, second = sorted((root(one), root(other)))
        if first != second and alike(forms[one], forms[other]):
            parents[second] = first
    return {id_: root(id_) for id_ in forms}


def candidates(bands: Mapping[int, Iterable[int]]) -> list[tuple[int, int]]:
    """Pairs that share a band, from mention id → bands; enough of them to join all who share one band in a chain."""
    sharing: dict[int, list[int]] = {}
    for id_ in sorted(bands):
        for band in bands[id_]:
            sharing.setdefault(band, []).append(id_)
    return sorted({pair for ids in sharing.values() for pair in pairwise(ids)})
