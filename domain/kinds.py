"""Flags that are not spikes: a share that turned, a talker that fell silent, a week that drifts from its month. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

DAY = 288  # bins
TWO_HOURS = 24
WEEK = 7 * DAY
LEAST = 72  # bins of silence: six hours
Bins = Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Sign:
    """What stands out: how much there is, how much is usual, and why in words."""

    count: float
    baseline: float
    threshold: float
    score: float
    text: str


def total(bins: Bins, since: int, until: int) -> float:
    if until - since < len(bins):
        return sum(bins.get(b, 0.0) for b in range(since, until))
    return sum(n for b, n in bins.items() if since <= b < until)


def share(negative: Bins, everything: Bins, now: int, least: float, floor: int) -> Sign | None:
    """The negative share of two hours, or of a day where there are fewer than `floor` in two hours: at least `least`, and by its 95 %
    bound (Wilson 1927) half as much again as the share of the days before."""
    for width in (TWO_HOURS, DAY):
        n = total(everything, now + 1 - width, now + 1)
        if n < max(1, floor):
            continue
        bad = min(n, total(negative, now + 1 - width, now + 1))
        before = total(everything, now + 1 - 14 * DAY, now + 1 - width)
        usual = (total(negative, now + 1 - 14 * DAY, now + 1 - width) + 1) / (before + 4)
        lower = wilson(bad, n)
        if bad / n >= least and lower >= 1.5 * usual:
            span = "two hours" if width == TWO_HOURS else "a day"
            said = f"{bad / n:.0%} of {n:.0f} mentions in {span} are negative; usual are {usual:.0%}."
            return Sign(bad, usual * n, least * n, min(0.99, lower / (lower + usual)), said)
        return None
    return None


def wilson(hits: float, n: float, z: float = 1.96) -> float:
    """The lower bound of a share."""
    p = hits / n
    middle, spread = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, (middle - spread) / (1 + z * z / n))


def silence(everything: Bins, dark: frozenset[int], now: int, times: float) -> Sign | None:
    """Nothing for `times` its longest usual pause (the 99th percentile of two weeks), six hours at least. Gaps are not silence."""
    if any(everything.get(b, 0) > 0 for b in range(now - LEAST, now + 1)):
        return None
    said = sorted(b for b, n in everything.items() if n > 0 and b <= now)
    if len(said) < 100 or now - said[0] < WEEK:
        return None
    pauses = sorted(b - a - sum(1 for d in range(a + 1, b) if d in dark) for a, b in pairwise(said))
    usual = pauses[int(0.99 * (len(pauses) - 1))]
    since = sum(1 for b in range(said[-1] + 1, now) if b not in dark)
    least = max(times * usual, LEAST)
    if since < least:
        return None
    text = f"Nothing for {since * 5 / 60:.1f} hours; the longest usual pause is {usual * 5 / 60:.1f}. Check the channels that feed it."
    return Sign(0.0, float(usual), float(least), min(0.99, since / (since + least)), text)


@dataclass(frozen=True, slots=True)
class Mood:
    """How many mentions of a time were negative, of how many."""

    bad: float
    n: float


def drift(week: Mood, before: Mood, floor: int) -> Sign | None:
    """The week's negative share is, by its 95 % bound, half as much again as that of the four weeks `before` it."""
    if week.n < max(30, floor) or before.n < max(30, floor):
        return None
    bad = min(week.n, week.bad)
    usual = (before.bad + 1) / (before.n + 4)
    lower = wilson(bad, week.n)
    if lower < 1.5 * usual:
        return None
    return Sign(
        bad,
        usual * week.n,
        1.5 * usual * week.n,
        min(0.99, lower / (lower + usual)),
        f"{bad / week.n:.0%} of the week's mentions are negative; of the four weeks before were {usual:.0%}.",
    )
