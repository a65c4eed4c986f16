"""What is usual of many series at once, and how far each stands from it now. Pure; numpy; no look ahead.

A series is looked at on four scales: what was said in the last ten minutes, hour, six hours and day, each against the same sums of the
trailing fourteen days by `domain/usual.py`. Talk is bursty: deviations alone raise flags daily. The short scale finds the burst at once, the long
ones what is slow, lasting, or a handful a day. `benchmarks/spikes.py` measures the choice on labelled series.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.series import NAN, Floats, Past
from domain.usual import HALF, Usual, learn, quiet, ranked, raw

MINUTE = timedelta(minutes=1)
BIN = timedelta(minutes=5)
DAY = timedelta(days=1)
SCALES = (10, 60, 360, 1440)  # minutes that are summed
FOLDS = (5, 10, 30, 120)  # minutes between two sums that are remembered
RIPE = (1, 2, 3, 5)  # days of history a scale needs before it speaks
KEEP = 14  # days of history
LEAST = 400  # bins of history at least, where a bin is hours or a day
REFRESH = 12  # bins between two looks at the history
SELDOM = 96  # the same while a past day is read: what is usual leaves out the last eight hours anyway
LAG = 480  # minutes that are not yet usual, or a crisis would hide the next one of the same day
SHORT_HALF = 3.5  # the same, as a ratio to what is known, while the history is short
ENOUGH = 6  # bins that tell a median


@dataclass(frozen=True, slots=True)
class Look:
    """What one moment showed, per series and scale: `x` the sum, `raw` how unusual it is (0: it is not)."""

    x: Floats
    raw: Floats


class Board:
    """Many series on one clock. Move the clock, add what was said, look; bounded: at most 16 KB of bins a series and 2 KB beside them.

    Bins are numbered from any origin the caller likes. `cold` is what counts as usual in ten minutes of a series of which nothing
    is known yet; endless: it raises nothing until something is.
    """

    def __init__(self, size: int, bin_: timedelta = BIN, cold: float = 3.0) -> None:
        minutes = max(1, round(bin_ / MINUTE))
        per_day = max(1, 1440 // minutes)
        scales = sorted({max(1, m // minutes): i for i, m in reversed(list(enumerate(SCALES)))}.items())
        self.scales = [k for k, _ in scales]
        self.folds = [max(1, FOLDS[i] // minutes) for _, i in scales]
        self.ripe = [max(RIPE[i] * per_day, ENOUGH if i else 100 if minutes >= 60 else 1) for _, i in scales]
        self.keep = max(KEEP * per_day, LEAST)
        self.cold = cold
        self.lag = LAG // minutes
        self.spread = False  # looks at the history are spread over the ticks of a bin, by `flush`
        self.owed: list[int] = []
        self.seldom = False  # a past day is being read
        self.now = 0  # the bin that is being filled
        self.pasts = [Past(self.keep) for _ in range(size)]
        n, width = len(self.scales), max(self.scales)
        self.recent = np.zeros((size, width), np.float32)
        self.current = np.zeros(size)
        self.blind = np.zeros(size, bool)  # not evaluable
        self.partial = np.zeros(
            size, bool
        )  # some of it could not be read: a lower bound, which may raise and is not usual
        self.sums = np.zeros((size, n))  # of the whole bins a scale still holds beside the current one
        self.border = np.zeros((size, n))
        self.excess, self.mean, self.deviation = np.zeros((size, n)), np.zeros((size, n)), np.zeros((size, n))
        self.ready = np.zeros((size, n), bool)
        self.median = np.zeros(size)
        self.known = np.zeros(size, np.int64)  # bins of history
        self.quiet = np.zeros((size, n), np.int64)  # for how many whole bins each sum was usual

    def add(self, counts: Floats) -> None:
        """More was said in the current bin; NaN, negative and endless counts make the bin of that series not evaluable."""
        bad = ~(np.isfinite(counts) & (counts >= 0))
        self.blind |= bad
        self.current += np.where(bad, 0.0, counts)

    def move(self, to: int, listened: bool = True) -> None:
        """The clock goes on to bin `to`. Bins that were jumped over are empty ones, or not evaluable when nobody `listened`."""
        while self.now < to:
            self._close()
            self.now += 1
            self.current[:] = 0.0
            self.partial[:] = False
            self.blind[:] = not listened and self.now < to
            due = [i for i, past in enumerate(self.pasts) if (self.now + i) % REFRESH == 0 or past.newest < 0]
            if self.seldom:
                due = [i for i in due if (self.now + i) % SELDOM == 0 or self._young_past(self.pasts[i])]
            self.flush()
            self.owed = due
            if not self.spread:
                self.flush()

    def flush(self, most: int | None = None) -> None:
        """Look at the history of (at most so many of) the series whose turn it is."""
        turn, self.owed = self.owed[:most], self.owed[most:] if most is not None else []
        self.refresh(turn)

    def _close(self) -> None:
        """File the current bin: into the past and into the sums, and see who is quiet."""
        width = self.recent.shape[1]
        own = quiet(self.current[:, None] + self.sums, self.mean, self.deviation)
        usual = np.roll(
            own, -1, axis=1
        )  # the ten minutes rest when the hour is usual too, the hour when the six hours are
        usual[:, -1] = True
        usual &= own
        usual &= ~(self.blind | self.partial)[:, None]
        self.quiet = np.where(usual, self.quiet + 1, 0)
        self.recent[:, self.now % width] = self.current
        for j, k in enumerate(self.scales):
            self.sums[:, j] += self.current - self.recent[:, (self.now - k + 1) % width]
        dark = self.blind | self.partial
        for i in np.flatnonzero((self.current > 0) | dark):
            self.pasts[i].put(self.now, NAN if dark[i] else float(self.current[i]))

    def recall(self, heard: Floats) -> None:
        """Begin at `now` with what was `heard` in the bins before it: a row per series, the newest bin last, as many as the widest scale."""
        width = self.recent.shape[1]
        self.recent[:] = 0.0
        n = min(width, heard.shape[1])
        for back in range(1, n + 1):
            self.recent[:, (self.now - back) % width] = heard[:, -back]
        self.resum()

    def amend(self, bin_: int, heard: Floats, usual: Floats) -> None:
        """Late news: what an earlier bin of the last day holds, as it was heard and for what is usual. No flag comes of it by itself."""
        width = self.recent.shape[1]
        old = self.recent[:, bin_ % width]
        for i in np.flatnonzero(old != heard.astype(np.float32)):
            if not math.isnan(self.pasts[i].get(bin_)):
                self.pasts[i].put(bin_, float(usual[i]))
        self.recent[:, bin_ % width] = heard

    def resum(self) -> None:
        """The sums anew, after amendments."""
        width = self.recent.shape[1]
        for j, k in enumerate(self.scales):
            held = [(self.now - back) % width for back in range(1, k)]
            self.sums[:, j] = self.recent[:, held].sum(axis=1)

    def refresh(self, which: Iterable[int]) -> None:
        """Read what is usual of these series anew from their pasts."""
        for i in which:
            past = self.pasts[i]
            past.trim()
            end = self.now if self._young_past(past) else self.now - self.lag
            values = past.window(end)
            self.known[i] = len(values)
            if not len(values):
                continue
            dark = np.isnan(values)
            total = np.concatenate(([0.0], np.cumsum(np.where(dark, 0.0, values))))
            lost = np.concatenate(([0], np.cumsum(dark)))
            for j, (k, fold) in enumerate(zip(self.scales, self.folds, strict=True)):
                sums = _sums(total, lost, k, fold, end)
                self.ready[i, j] = len(sums) * fold >= self.ripe[j] - k
                if len(sums):
                    found = learn(sums)
                    self.border[i, j], self.excess[i, j] = found.border, found.excess
                    self.mean[i, j], self.deviation[i, j] = found.mean, found.deviation
                    if j == 0:
                        self.median[i] = ranked(sums, len(sums) // 2)

    def _young_past(self, past: Past) -> bool:
        """Whether so little is known that the last hours are usual as well."""
        return past.first is None or self.now - past.first < 3 * self.lag

    def _young(self, x: Floats) -> Floats:
        """The raw score without enough history: by how many times the last minutes outdo what is known, or a few."""
        usual = np.where(self.known >= ENOUGH, self.median, np.maximum(self.median, self.cold))
        ratio = (x + 1) / (usual + 3)
        return np.where(x > usual, ratio * HALF / SHORT_HALF, 0.0)

    def look(self) -> Look:
        """Where each series stands now."""
        x = self.sums + self.current[:, None]
        score = np.where(self.ready, raw(x, Usual(self.border, self.excess, self.mean, self.deviation)), 0.0)
        score[:, 0] = np.where(self.ready[:, 0], score[:, 0], self._young(x[:, 0]))
        score[self.blind] = 0.0
        return Look(x, score)


def _sums(total: Floats, lost: NDArray[Any], k: int, fold: int, end: int) -> Floats:
    """The sums of `k` bins that ended on every `fold`th bin, without those that touch a bin not evaluable."""
    newest = len(total) - 1 - end % fold
    ends = slice(newest, k - 1 if k else None, -fold)
    starts = slice(newest - k, None, -fold)
    if newest < k:
        return np.zeros(0)
    sums = total[ends] - total[starts]
    return np.asarray(sums[lost[ends] == lost[starts]] if lost[-1] else sums)
