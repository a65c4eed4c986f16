"""Parts of a training file for cross-validation that keep retweets and near-copies together, so that nothing is tested on its own copy."""

import hashlib
import re
from collections.abc import Sequence

import numpy as np

_LEFT_OUT = re.compile(r"https?://\S+|@\w+|\brt\b")
_WORD = re.compile(r"[^\W\d_]+")
RUN = 6  # words in a row that make two posts kin: their first, their last, and those after the third


def kin(texts: Sequence[str]) -> list[int]:
    """For each text the place of the first of its kin."""
    parent, first = [*range(len(texts))], dict[tuple[str, ...], int]()

    def find(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = parent[at]
        return at

    for at, text in enumerate(texts):
        for run in _runs(text):
            one, other = find(at), find(first.setdefault(run, at))
            parent[max(one, other)] = min(one, other)
    return [find(at) for at in range(len(texts))]


def _runs(text: str) -> list[tuple[str, ...]]:
    words = tuple(_WORD.findall(_LEFT_OUT.sub(" ", text.lower())))
    if len(words) <= RUN:
        return [words] if words else []
    return [words[:RUN], words[-RUN:], *([words[3 : 3 + RUN]] if len(words) >= 2 * RUN else [])]


def parts(texts: Sequence[str], count: int) -> np.ndarray:
    """The part (0 to count - 1) of each text, by a hash of the first of its kin."""
    digests = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8] for text in texts]
    return np.array([int(digests[at], 16) % count for at in kin(texts)])
