"""What is usual of a series on one scale, and how far a sum stands beyond it. Pure; numpy.

    raw = sqrt((x - q99) / (mean excess over q99 + EASE) * (x - mean) / (deviation + EASE))

how far the sum stands beyond the days' 99th percentile, measured by how far the top percent usually stands beyond it, times how far it
stands from the mean in deviations.

One event is one observation, however long it lasted: what stood out by itself is known by its highest sums, at most `PART` of the top
percent, and the rest of it is not usual. Else three hours of outage, which are the whole top percent of fourteen days of ten minutes, are
the border and the spread the next one is held against: one as high then has a raw score of sqrt(1 / (1 - SHARE)) / part**0.75 at most,
3.2 for the whole. With a fifth one half as high is news (5.3), as half of a held peak is. Clusters of exceedances are thinned like that before
a tail is estimated (Coles 2001, An Introduction to Statistical Modeling of Extreme Values, 5.3.2: runs declustering).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.series import Floats

SHARE = 0.99
EASE = 0.25  # what is added below the line, in mentions: no spread is taken for none
LEAN = 0.4  # of the root of the percentile: how far even talk without bursts stands beyond it on average (Poisson)
HALF = 4.6  # the raw score that is 0.5
CALM = 0.25  # deviations above the mean that are still quiet
PART = 0.2  # of the top percent: what one event may be
ASIDE = 1 / 14  # of what is remembered: a day, for all events together; what lasts longer is a new level, and usual


@dataclass(frozen=True, slots=True)
class Usual:
    """Of the sums of a series, or (arrays) of many series on each scale."""

    border: Floats | float
    excess: Floats | float
    mean: Floats | float
    deviation: Floats | float


def raw(x: Floats, usual: Usual) -> Floats:
    """How unusual a sum is; 0: it is not."""
    far = np.maximum(0.0, x - usual.border) / (np.maximum(usual.excess, LEAN * np.sqrt(usual.border)) + EASE)
    off = np.maximum(0.0, x - usual.mean) / (usual.deviation + EASE)
    return np.asarray(np.sqrt(far * off))


def fraction(score: Floats) -> Floats:
    """A raw score as a number from 0 to 1."""
    return np.asarray(score / (score + HALF))


def needed(usual: Usual, score: float) -> float:
    """The sum that has this raw score: the formula solved for x."""
    k = score**2 * (max(usual.excess, LEAN * math.sqrt(usual.border)) + EASE) * (usual.deviation + EASE)
    return float((usual.border + usual.mean + math.sqrt((usual.border - usual.mean) ** 2 + 4 * k)) / 2)


def quiet(x: Floats, mean: Floats | float, deviation: Floats | float) -> NDArray[np.bool_]:
    """Whether sums are back at what is usual."""
    return np.asarray(x <= mean + CALM * deviation)


def learn(sums: Floats) -> Usual:
    """What is usual of these sums, in order of time, at least one; the runs that stand out of the others as events, the highest first,
    are thinned to their highest sums."""
    usual, kept = _of(sums), sums[:0]
    most = max(1, int(PART * (1 - SHARE) * len(sums)))
    left = int(ASIDE * len(sums))
    while True:
        start, end = _run(sums, usual)
        left -= end - start - most
        if end - start <= most or left < 0:
            break
        run = sums[start:end]
        peaks = np.partition(run, len(run) - most)[-most:]
        rest = np.concatenate((sums[:start], sums[end:]))
        less = _of(np.concatenate((rest, kept, peaks)))
        if raw(run.max(), less) < HALF:
            break
        usual, sums, kept = less, rest, np.concatenate((kept, peaks))
    return usual


def _of(sums: Floats) -> Usual:
    at = min(len(sums) - 1, int(SHARE * len(sums)))
    border = ranked(sums, at)
    beyond = len(sums) - 1 - at
    excess = float(np.maximum(sums - border, 0.0).sum()) / beyond if beyond else 0.0
    mean = float(sums.sum()) / len(sums)
    off = sums - mean
    return Usual(border, excess, mean, math.sqrt(float(off @ off) / len(sums)))


def ranked(sums: Floats, at: int) -> float:
    """The sum of this rank, 0 the lowest; most sums of most series are zero, and ties are slow to part."""
    some = sums[sums > 0]
    below = len(sums) - len(some)
    return float(np.partition(some, at - below)[at - below]) if at >= below else 0.0


def _run(sums: Floats, usual: Usual) -> tuple[int, int]:
    """Where the highest sum's run begins and ends: what is around it until it is quiet again."""
    top = int(sums.argmax())
    rests = np.flatnonzero(quiet(sums, usual.mean, usual.deviation))
    at = int(np.searchsorted(rests, top))
    return (int(rests[at - 1]) + 1 if at else 0), (int(rests[at]) if at < len(rests) else len(sums))
