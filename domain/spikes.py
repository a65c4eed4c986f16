"""When talk spikes: a streaming detector over counts per minute, and what it says about a stored series. Pure, no look-ahead.

The sum of the last minutes is held against the same sum over the trailing days: how far it stands beyond their 99th percentile,
measured by how far the top percent usually stands beyond it, times how far it stands from the mean in standard deviations.
Talk is bursty, so that standard deviations alone raise flags daily; `benchmarks/spikes.py` measures the choice.
"""

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Literal, NamedTuple

from domain.rules import SpikeRule

VERSION = "tail-1"
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
HOLD = timedelta(hours=24)  # for how long `detect` answers only to what is higher still
FOLD = 5  # minutes between two sums that are remembered
DETAIL = timedelta(days=2)  # how far back a replay looks minute by minute
ENOUGH = 6  # remembered sums that tell a median
HALF = 4.3  # the raw score that is 0.5
SHORT_HALF = 3.5  # the same while the history is short
SEVERE = (0.75, 0.9)

Flag = Literal["open", "update", "close"]
Gap = tuple[datetime, datetime | None]


class Reading(NamedTuple):
    """What one more minute showed. `excess` is the window's sum beyond the threshold, the sum at which a flag would open."""

    score: float
    threshold: float
    baseline: float
    excess: float
    flag: Flag | None


@dataclass(slots=True)
class History:
    """The sums remembered: in order of age, and sorted. Bounded."""

    keep: int
    aged: deque[float] = field(default_factory=deque)
    ranked: list[float] = field(default_factory=list)
    total: float = 0.0
    squares: float = 0.0
    tail: tuple[float, float] | None = None

    def add(self, value: float) -> None:
        if len(self.aged) >= self.keep:
            old = self.aged.popleft()
            del self.ranked[bisect_left(self.ranked, old)]
            self.total -= old
            self.squares -= old * old
        self.aged.append(value)
        insort(self.ranked, value)
        self.total += value
        self.squares += value * value
        self.tail = None

    def fill(self, values: Sequence[float]) -> None:
        """Remember many at once, instead of what was."""
        self.aged = deque(values[-self.keep :])
        self.ranked = sorted(self.aged)
        self.total, self.squares, self.tail = sum(self.ranked), sum(v * v for v in self.ranked), None

    def __len__(self) -> int:
        return len(self.aged)

    @property
    def median(self) -> float:
        return self.ranked[len(self.ranked) // 2] if self.ranked else 0.0

    def tail_of(self, share: float = 0.99) -> tuple[float, float]:
        """(the percentile, the mean excess of what lies beyond it)."""
        if self.tail is None:
            at = min(len(self.ranked) - 1, int(share * len(self.ranked)))
            border, beyond = self.ranked[at], self.ranked[at + 1 :]
            self.tail = border, sum(beyond) / len(beyond) - border if beyond else 0.0
        return self.tail

    def spread(self) -> tuple[float, float]:
        mean = self.total / len(self.aged)
        return mean, math.sqrt(max(0.0, self.squares / len(self.aged) - mean * mean))


class Spikes:
    """One series under one rule. Feed it each minute in order; it keeps a window, a history and whether a flag stands."""

    def __init__(self, rule: SpikeRule, step: timedelta = MINUTE) -> None:
        self.rule = rule
        self.window = max(1, round(rule.window * MINUTE / step))
        self.fold = max(1, round(FOLD * MINUTE / step))
        day = max(1, round(DAY / step / self.fold))
        self.history = History(max(rule.baseline * day, 400))
        self.mature = max(day, 100)
        self.recent: deque[tuple[int, bool]] = deque(maxlen=self.window)
        self.sum = 0
        self.blind = 0  # minutes in the window that do not count
        self.seen = 0
        self.open = False
        self.calm = 0
        self.peak = 0

    def update(self, minute: datetime, count: int, evaluable: bool = True, whole: bool = True) -> Reading:
        """One more minute. One that is not evaluable neither feeds the baseline nor raises a flag.

        One that is not whole, since some channel could not be read, may still raise: its count is a lower bound. The minute
        itself is not looked at; minutes come in order.
        """
        score, flag = self.step(count, evaluable, whole)
        border = self.border()
        return Reading(score, border, self.history.median, self.sum - border, flag)

    def step(self, count: int, evaluable: bool = True, whole: bool = True) -> tuple[float, Flag | None]:
        """The same without the threshold, which takes a search."""
        self._push(count if evaluable else 0, evaluable and whole)
        score = round(self._score(self.sum), 4) if evaluable else 0.0
        flag = self._flag(score) if evaluable else None
        self.seen += 1
        if self.seen % self.fold == 0 and not self.blind:
            self.history.add(self.sum)
        return score, flag

    def _push(self, count: int, usable: bool) -> None:
        if len(self.recent) == self.window:
            old, old_usable = self.recent[0]
            self.sum -= old
            self.blind -= not old_usable
        self.recent.append((count, usable))
        self.sum += count
        self.blind += not usable

    def _score(self, value: float) -> float:
        """0 to 1; below the rule's floor nothing is unusual."""
        history = self.history
        if len(history) < self.mature:
            usual = history.median if len(history) >= ENOUGH else max(history.median, self.rule.floor / 3)
            ratio = (value + 1) / (usual + 3)
            return ratio / (ratio + SHORT_HALF) if value > usual else 0.0
        border, beyond = history.tail_of()
        if value <= border:
            return 0.0
        mean, deviation = history.spread()
        raw = math.sqrt((value - border) / (beyond + 1) * (value - mean) / (deviation + 1))
        return raw / (raw + HALF)

    def border(self) -> float:
        """The sum at which a flag opens, found by halving: the score grows with the sum."""
        low, high = 0.0, float(max(self.rule.floor, 1))
        while self._score(high) < self.rule.threshold and high < 1e9:
            low, high = high, high * 2
        if low == 0.0 or high >= 1e9:
            return high
        for _ in range(12):
            middle = (low + high) / 2
            low, high = (middle, high) if self._score(middle) < self.rule.threshold else (low, middle)
        return round(high, 2)

    def forget(self) -> None:
        """Empty the window, keeping what is usual: what comes next is judged by itself."""
        self.recent.clear()
        self.sum = self.blind = self.calm = 0
        self.open = False

    def _flag(self, score: float) -> Flag | None:
        if not self.open:
            if score >= self.rule.threshold and self.sum >= self.rule.floor:
                self.open, self.calm, self.peak = True, 0, self.sum
                return "open"
            return None
        self.calm = self.calm + 1 if score < self.rule.threshold / 2 else 0
        if self.calm >= 2 * self.window:
            self.open = False
            return "close"
        if self.sum >= 1.5 * self.peak:
            self.peak = self.sum
            return "update"
        return None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a series stands at its last whole minute `at`: since when a flag is open, if one is, and the numbers behind it."""

    at: datetime
    opened: datetime | None
    count: int
    baseline: float
    threshold: float
    score: float
    severity: int


def replay(
    rule: SpikeRule,
    seen: Mapping[datetime, int],
    now: datetime,
    gaps: Sequence[Gap] = (),
    armed: datetime | None = None,
) -> Standing:
    """Run the detector over stored counts up to the last whole minute before `now`.

    Minutes in a gap are known in part: they may raise a flag and do not count as quiet. What was published before `armed`
    is backfill: it tells what is usual and raises nothing. Only the last two days are looked at minute by minute.
    """
    end = now.replace(second=0, microsecond=0)
    counted = [minute for minute, count in seen.items() if count and minute < end]
    first = min(counted, default=end - MINUTE)
    start = max(first, end - DETAIL)
    blind = _minutes_of(gaps, first, end)
    spikes = Spikes(rule)
    spikes.history.fill(_sums(seen, first, start, blind, spikes.window))
    opened: datetime | None = None
    score, ticks = 0.0, (end - start) // MINUTE
    for tick in range(ticks):
        minute = start + tick * MINUTE
        whole = minute not in blind
        if armed is not None and minute < armed:
            _remember(spikes, seen.get(minute, 0), whole)
            continue
        if armed is not None and minute - MINUTE < armed:
            spikes.forget()
        score, flag = spikes.step(seen.get(minute, 0), whole=whole)
        if flag == "open":
            opened = minute
        elif flag == "close":
            opened = None
    severity = 1 + sum(score >= border for border in SEVERE)
    return Standing(end - MINUTE, opened, spikes.sum, spikes.history.median, spikes.border(), score, severity)


def _remember(spikes: Spikes, count: int, whole: bool) -> None:
    """A minute that only tells what is usual."""
    spikes.step(count, whole=whole)
    spikes.open = False


def _minutes_of(gaps: Sequence[Gap], first: datetime, end: datetime) -> frozenset[datetime]:
    """The minutes between `first` and `end` that lie in a gap; a gap without an end goes on."""
    found: set[datetime] = set()
    for since, until in gaps:
        minute = max(since.replace(second=0, microsecond=0), first)
        stop = min(until or end, end)
        while minute < stop:
            found.add(minute)
            minute += MINUTE
    return frozenset(found)


def _sums(
    seen: Mapping[datetime, int], first: datetime, start: datetime, blind: frozenset[datetime], window: int
) -> list[float]:
    """The window's sum each few minutes from `first` until `start`, without those that touch a gap."""
    minutes = [first + tick * MINUTE for tick in range(max(0, (start - first) // MINUTE))]
    counts = [0, *accumulate(seen.get(minute, 0) for minute in minutes)]
    dark = [0, *accumulate(minute in blind for minute in minutes)]
    ends = range(window, len(counts), FOLD)
    return [float(counts[end] - counts[end - window]) for end in ends if dark[end] == dark[end - window]]


def detect(rows: Iterable[tuple[datetime, float]], rule: SpikeRule | None = None) -> Iterator[tuple[float, bool]]:
    """(score, flag) for each row of a series with any regular step from a minute to a day, in order, as it comes.

    After a peak, only what is higher still scores for a day, and after a flag it scores half: one event is told once.
    """
    rule = rule or SpikeRule("detect", floor=1)
    spikes: Spikes | None = None
    held: deque[tuple[datetime, float]] = deque()
    before: datetime | None = None
    for at, value in rows:
        if spikes is None and before is not None and at > before:
            spikes = Spikes(rule, min(max(at - before, MINUTE), DAY))
        before = at
        if spikes is None:
            yield 0.0, False
            continue
        while held and held[0][0] <= at - HOLD:
            held.popleft()
        usable = math.isfinite(value)
        score, _ = spikes.step(max(0, round(value)) if usable else 0, evaluable=usable)
        if score <= 0 or len(spikes.history) < ENOUGH or any(peak >= score for _, peak in held):
            yield 0.0, False
            continue
        told = any(peak >= rule.threshold for _, peak in held)
        while held and held[-1][1] <= score:
            held.pop()
        held.append((at, score))
        yield (score / 2, False) if told else (score, score >= rule.threshold and spikes.sum >= rule.floor)
