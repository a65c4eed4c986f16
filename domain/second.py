"""A second look at texts of a language the lexicon reads: how far the learned pieces are to be trusted, how far VADER. Pure.

Stacked generalisation (Wolpert, Neural Networks 5, 1992): a small logistic model over what the first model says of texts it did not learn
from, what VADER makes of them, and the manner of the text, since the same compound says more of somebody's own talk than of a
headline with a link. Everything is a sum, so that the receipt's shares still add up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from domain.pieces import HANDLE, LINK, NUMBER, TAG

HINTS = ("compound", "up", "down", "any", "strength", "sign", "hits")
MANNERS = ("(length)", LINK, TAG, HANDLE, "!", "?", NUMBER, "i", "you")
BORDER = 0.05  # of VADER's labels
_I = frozenset(("i", "i'm", "im", "my", "me", "we", "our", "i've", "i'll", "i'd"))
_YOU = frozenset(("you", "u", "your", "ur", "you're"))

Pair = tuple[float, float]


class Look(NamedTuple):
    """Both sums, and what they are of: (feature of VADER's reading or manner, what it adds to positive less negative)."""

    negative: float
    positive: float
    hints: Sequence[tuple[str, float]]
    manners: Sequence[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Second:
    """`mix` turns the first model's two sums into the second's; `manners` have weights of their own, and times the compound."""

    mix: tuple[Pair, Pair]
    bias: Pair
    hints: Mapping[str, Pair]
    manners: Mapping[str, tuple[Pair, Pair]]

    @property
    def turn(self) -> Pair:
        """What a piece's (negative, positive) add to positive less negative."""
        (nn, np), (pn, pp) = self.mix
        return pn - nn, pp - np

    def look(
        self, negative: float, positive: float, compound: float, read: Mapping[str, float], found: list[str]
    ) -> Look:
        """`read` is what `reading` makes of VADER's answer, `found` the pieces of the text."""
        (nn, np), (pn, pp) = self.mix
        n = nn * negative + np * positive + self.bias[0]
        p = pn * negative + pp * positive + self.bias[1]
        hints, manners, by_compound = [], [], 0.0
        for name, value in read.items():
            weight = self.hints[name]
            n += weight[0] * value
            p += weight[1] * value
            hints.append((name, (weight[1] - weight[0]) * value))
        for name, value in manner(found).items():
            own, times = self.manners[name]
            n += value * (own[0] + times[0] * compound)
            p += value * (own[1] + times[1] * compound)
            manners.append((name, value * (own[1] - own[0])))
            by_compound += value * (times[1] - times[0]) * compound
        return Look(n, p, (*hints, ("compound", by_compound)), manners)


def second(given: Mapping[str, Any]) -> Second:
    """From a model file's header."""
    hints = {name: _pair(both) for name, both in given["hints"].items()}
    manners = {name: (_pair(four[:2]), _pair(four[2:])) for name, four in given["manners"].items()}
    return Second((_pair(given["mix"][0]), _pair(given["mix"][1])), _pair(given["bias"]), hints, manners)


def _pair(given: Sequence[float]) -> Pair:
    negative, positive = given
    return float(negative), float(positive)


def reading(compound: float, words: Sequence[tuple[str, float]]) -> dict[str, float]:
    """VADER's answer as features; none where it knew no word."""
    if not words:
        return {}
    up = sum(value for _, value in words if value > 0)
    down = -sum(value for _, value in words if value < 0)
    sign = max(-BORDER, min(BORDER, compound)) / BORDER
    values = (compound, up / (up + 3), down / (down + 3), 1.0, abs(compound), sign, min(len(words), 5) / 5)
    return dict(zip(HINTS, values, strict=True))


def manner(found: list[str]) -> dict[str, float]:
    """How a text speaks, by its pieces: what is not there is left out."""
    words = i = you = loud = 0
    out: dict[str, float] = {}
    for piece in found:
        if piece[0].isalpha():  # `is_word`, without a call for each
            words += 1
            i += piece in _I
            you += piece in _YOU
        elif piece in _MARKS:
            out[piece] = 1.0
        elif piece[0] in "!?":
            loud += piece.count("!")
            if "?" in piece:
                out["?"] = 1.0
    out["(length)"] = min(words, 30) / 30
    for name, count in (("!", loud), ("i", i), ("you", you)):
        if count:
            out[name] = min(count, 2) / 2
    return out


_MARKS = frozenset((LINK, TAG, HANDLE, NUMBER))
