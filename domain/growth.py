"""Which words are said more than before: two shares compared, each word by itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

LEAST = 3  # tickets a word is in, before it can have grown
SURE = 2.0  # standard errors


@dataclass(frozen=True, slots=True)
class Grown:
    """A word in `now` of the texts and in `before` of those of the period before; `score` in standard errors."""

    word: str
    now: int
    before: int
    factor: (
        float  # how many times its share is what it was; half a text is added to both, so that new words have one too
    )
    score: float


def growth(
    now: Mapping[str, int], texts: int, before: Mapping[str, int], texts_before: int, most: int = 12
) -> list[Grown]:
    """Words whose share of texts has risen beyond chance, the surest first.

    The two-proportion z-test with pooled variance (https://www.itl.nist.gov/div898/handbook/prc/section3/prc33.htm). With some thousand
    words tested at once a few of the weakest arise by chance; that is why the order is by score and the list is short.
    """
    if not texts or not texts_before:
        return []
    found = []
    for word, n in now.items():
        was = before.get(word, 0)
        pooled = (n + was) / (texts + texts_before)
        error = sqrt(pooled * (1 - pooled) * (1 / texts + 1 / texts_before))
        score = (n / texts - was / texts_before) / error if error else 0.0
        if n >= LEAST and score >= SURE:
            factor = ((n + 0.5) / (texts + 1)) / ((was + 0.5) / (texts_before + 1))
            found.append(Grown(word, n, was, factor, score))
    return sorted(found, key=lambda grown: (-grown.score, grown.word))[:most]
