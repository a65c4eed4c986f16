"""A second look at texts of a language the lexicon reads: how far the learned pieces are to be trusted, how far VADER. Pure.

Stacked generalisation (Wolpert, Neural Networks 5, 1992): a small logistic model over what the first model says of texts it did not learn
from, what VADER makes of them, and the manner of the text, since the same compound says more of somebody's own talk than of a
headline with a link. Everything is a sum, so that the receipt's shares still add up.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from domain.pieces import HANDLE, LINK, NUMBER, TAG

HINTS = (
    *("compound", "up", "down", "any", "strength", "sign", "hits"),
    *("first", "last", "last says", "strongest", "strongest says", "ups", "downs", "dense"),
)
MANNERS = (
    *("(length)", LINK, TAG, HANDLE, "!", "?", NUMBER, "i", "you"),
    *("(names)", "(a name)", "(dates)", "(no capitals)", "(short)", "but"),
)
BORDER = 0.05  # of VADER's labels
_I = frozenset(("i", "i'm", "im", "my", "me", "we", "our", "i've", "i'll", "i'd"))
_YOU = frozenset(("you", "u", "your", "ur", "you're"))
_ENDS = frozenset(".!?:\u2026\"'\u201d)")  # of a word: what comes after it has its capital from there
_DATES = frozenset(
    (
        *("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
        *("mon", "tue", "wed", "thu", "fri", "sat", "sun", "yesterday", "tonight", "tomorrow"),
        *("january", "february", "march", "april", "june", "july", "august", "september", "october", "november"),
        *("december", "jan", "feb", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec"),
    )
)
_SHORT = 6  # words

Pair = tuple[float, float]
# Towards negative and towards positive, both against neutral, and towards positive against negative.
Weights = tuple[float, float, float]


class Look(NamedTuple):
    """Both sums, and what their difference is of: (feature of VADER's reading or manner, what it adds to positive less negative)."""

    negative: float
    positive: float
    hints: Sequence[tuple[str, float]]
    manners: Sequence[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Second:
    """`mix` turns the first model's two sums into three; `manners` have weights of their own, times the compound and times its sign.

    The first two say how likely an opinion is, the third which: people differ about what is neutral, less about what is good.
    """

    mix: tuple[Pair, Pair, Pair]
    bias: Weights
    hints: Mapping[str, Weights]
    manners: Mapping[str, tuple[Weights, Weights, Weights]]

    @property
    def turn(self) -> Pair:
        """What a piece's (negative, positive) add to positive less negative."""
        return self.mix[2]

    def look(
        self, negative: float, positive: float, compound: float, read: Mapping[str, float], manners: Mapping[str, float]
    ) -> Look:
        """`read` is what `reading` makes of VADER's answer, `manners` what `manner` sees in the text."""
        (nn, np), (pn, pp), (wn, wp) = self.mix
        n = nn * negative + np * positive + self.bias[0]
        p = pn * negative + pp * positive + self.bias[1]
        which = wn * negative + wp * positive + self.bias[2]
        hints, told, by_compound, sign = [], [], 0.0, read.get("sign", 0.0)
        for name, value in read.items():
            down, up, turn = self.hints[name]
            n += down * value
            p += up * value
            which += turn * value
            hints.append((name, turn * value))
        for name, value in manners.items():
            own, times, signed = self.manners[name]
            n += value * (own[0] + times[0] * compound + signed[0] * sign)
            p += value * (own[1] + times[1] * compound + signed[1] * sign)
            turn = value * (times[2] * compound + signed[2] * sign)
            which += value * own[2] + turn
            by_compound += turn
            told.append((name, value * own[2]))
        opinion = _either(n, p)
        return Look(
            opinion - _either(0.0, which), opinion - _either(0.0, -which), (*hints, ("compound", by_compound)), told
        )


def _either(one: float, other: float) -> float:
    """The logarithm of the sum of both exponentials."""
    top = max(one, other)
    return top + math.log(math.exp(one - top) + math.exp(other - top))


def second(given: Mapping[str, Any]) -> Second:
    """From a model file's header. Raises ValueError where it weighs other features than we see."""
    if {*given["hints"]} != {*HINTS} or {*given["manners"]} != {*MANNERS}:
        raise ValueError("other features")
    hints = {name: _three(weights) for name, weights in given["hints"].items()}
    manners = {name: (_three(w[:3]), _three(w[3:6]), _three(w[6:])) for name, w in given["manners"].items()}
    (nn, np), (pn, pp), (wn, wp) = given["mix"]
    return Second(((nn, np), (pn, pp), (wn, wp)), _three(given["bias"]), hints, manners)


def _three(given: Sequence[float]) -> Weights:
    negative, positive, which = given
    return float(negative), float(positive), float(which)


def reading(compound: float, words: Sequence[tuple[str, float]], size: int) -> dict[str, float]:
    """VADER's answer as features; none where it knew no word. `words` in the order of the text, which has `size` pieces.

    The last word often is what a text comes to, and one that is stronger than the others together says more than their sum.
    """
    if not words:
        return {}
    values = [value for _, value in words]
    up, down, ups, downs = 0.0, 0.0, 0, 0
    for value in values:
        if value > 0:
            up += value
            ups += 1
        elif value < 0:
            down -= value
            downs += 1
    sign = max(-BORDER, min(BORDER, compound)) / BORDER
    last, high, low = values[-1], max(values), min(values)
    strongest = high if high >= -low else low
    hits = min(len(values), 5) / 5
    found = (
        *(compound, up / (up + 3), down / (down + 3), 1.0, abs(compound), sign, hits),
        *(_sign(values[0]), _sign(last), last / 4, strongest / 4, _sign(strongest), min(ups, 4) / 4, min(downs, 4) / 4),
        10 * hits / max(size, 1),
    )
    return dict(zip(HINTS, found, strict=True))


def _sign(value: float) -> float:
    return 1.0 if value > 0 else -1.0 if value < 0 else 0.0


def manner(text: str, found: list[str]) -> dict[str, float]:
    """How a text speaks, by its capitals and its pieces: what is not there is left out.

    Names and dates tell news and talk about something known from talk about oneself.
    """
    words = i = you = loud = dates = 0
    out: dict[str, float] = {}
    for piece in found:
        if piece[0].isalpha():  # `is_word`, without a call for each
            words += 1
            i += piece in _I
            you += piece in _YOU
            dates += piece in _DATES
        elif piece in _MARKS:
            out[piece] = 1.0
        elif piece[0] in "!?":
            loud += piece.count("!")
            if "?" in piece:
                out["?"] = 1.0
    out["(length)"] = min(words, 30) / 30
    if words < _SHORT:
        out["(short)"] = 1.0
    if called := _names(text):
        out["(names)"] = min(called, 4) / 4
        out["(a name)"] = 1.0
    elif text.islower():
        out["(no capitals)"] = 1.0
    if "but" in found:
        out["but"] = 1.0
    for name, count in (("!", loud), ("i", i), ("you", you), ("(dates)", dates)):
        if count:
            out[name] = min(count, 2) / 2
    return out


def _names(text: str) -> int:
    """Words with a capital and small letters that do not begin a sentence, nor follow a handle, a hashtag or a link."""
    found, before = 0, "."
    for word in text.split():
        if word[0].isupper() and word[1:2].islower() and before[-1] not in _ENDS:
            found += before[0] not in "@#" and not before.startswith("http")
        before = word
    return found


_MARKS = frozenset((LINK, TAG, HANDLE, NUMBER))
