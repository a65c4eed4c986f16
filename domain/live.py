"""Many series watched on one clock: begun from what is stored, moved on minute by minute. Pure: time and counts are arguments.

`begin` reads the last day bin by bin, so that what is held and what was told is known; a restart goes on from `domain/snapshots.py`.
`tick` takes the last hour anew each time, `late` what is older, so that late news corrects the past.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import overload

import numpy as np
from numpy.typing import NDArray

from domain.board import BIN, REFRESH, SCALES, Board
from domain.series import NAN, Floats, filled
from domain.spikes import Hold, decide
from domain.usual import HALF, Usual, fraction, needed

AGAIN = 13  # bins that are read anew at each tick
RECENT = 2  # bins that a beginning leaves to the first tick: what just happened is still news
DAYBINS = 288
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Bins = Mapping[int, float]


def bin_of(at: datetime) -> int:
    """The number of the five minutes a moment lies in."""
    return (at - EPOCH) // BIN


def begins(bin_: int) -> datetime:
    return EPOCH + bin_ * BIN


@dataclass(frozen=True, slots=True)
class Watched:
    """One series under one rule."""

    rule: str
    series: str
    threshold: float
    floor: float


@dataclass(frozen=True, slots=True)
class Heard:
    """What is stored of a series: `live` as it was said while we listened, `usual` with what was published before, `dark` bins of gaps."""

    live: Bins
    usual: Bins
    dark: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a series stands at the bin that is being filled. `scale`: minutes that were summed; `baseline`: the usual sum of as many;
    `border`: the sum at which the score reaches the threshold; `calm`: for how long each scale has been below half of the threshold."""

    at: datetime
    flag: bool
    score: float
    scale: int
    count: float
    baseline: float
    border: float
    rested: datetime | None
    calm: tuple[timedelta, ...]
    counts: tuple[float, ...]


class Live:
    """The watched series and where they stand."""

    def __init__(self, watched: Sequence[Watched]) -> None:
        self.watched = list(watched)
        size = len(watched)
        self.board = Board(size)
        self.board.spread = True
        self.hold = Hold(size, len(self.board.scales))
        self.floors = np.array([w.floor for w in watched])
        self.thresholds = np.array([w.threshold for w in watched])
        self.loud = np.full((size, len(self.board.scales)), -(10**9), np.int64)  # bin in which a scale last was
        self.rested = np.full(size, -1, np.int64)
        self.board.cold = max([3.0, *(w.floor / 3 for w in watched)])

    def begin(self, heard: Sequence[Heard], now: datetime) -> list[tuple[int, int]]:
        """Start anew from what is stored, reading the last day; returns the (row, bin) of flags it would have raised before now."""
        board, end = self.board, bin_of(now) - RECENT
        start = end - DAYBINS
        board.now = self.hold.slot = start
        self.hold.slot = start // self.hold.hour
        for i, one in enumerate(heard):
            dark = {b: NAN for b in one.dark if b < start}
            past = {b: n for b, n in one.usual.items() if b < start}
            board.pasts[i] = filled(board.keep, {**past, **dark}.items())
            if board.pasts[i].first is not None:
                board.pasts[i].newest = start - 1
        board.recall(np.array([[one.live.get(b, 0.0) for b in range(start - DAYBINS, start)] for one in heard]))
        board.refresh(range(len(heard)))
        found = []
        board.seldom, board.spread = True, False
        for bin_ in range(start, end):
            flags = self._at(bin_, heard)[1]
            found += [(int(i), bin_) for i in np.flatnonzero(flags)]
        board.seldom, board.spread = False, True
        board.refresh(range(len(heard)))
        return found

    def tick(self, heard: Sequence[Heard], now: datetime) -> "Standings":
        """The clock is at `now`: take the last hour anew and say where each series stands. Bins the clock has jumped over are read one by
        one, and what they would have raised is raised now."""
        end = bin_of(now)
        for bin_ in range(min(end, self.board.now) - AGAIN, self.board.now):
            self.board.amend(bin_, *self._column(bin_, heard))
        self.board.resum()
        rose = np.zeros(len(heard), bool)
        for bin_ in range(self.board.now, end):
            rose |= self._at(bin_, heard)[1]
        score, flags, raw, x = self._at(end, heard)
        self.board.flush(-(-len(heard) // (3 * REFRESH)))  # a third of a bin's turn: done well before the next bin
        return Standings(self, end, score, flags | rose, raw, x)

    def late(self, heard: Mapping[int, Heard], start: int, end: int) -> None:
        """What the bins from `start` until before `end` hold by now, per row; a row that is not named holds nothing. For bins older than
        those that `tick` reads anew."""
        day = max(start, self.board.now - DAYBINS + 1)
        nothing = Heard({}, {})
        for i, past in enumerate(self.board.pasts):
            new, old = heard.get(i, nothing).usual, past.between(start, min(end, day))
            for bin_ in {*new, *old} & set(range(start, min(end, day))):
                before, n = old.get(bin_, 0.0), float(np.float32(new.get(bin_, 0.0)))
                if before != n and not math.isnan(before):  # what could not be read stays so
                    past.put(bin_, n)
        everyone = [heard.get(i, nothing) for i in range(len(self.watched))] if day < end else []
        for bin_ in range(day, end):
            self.board.amend(bin_, *self._column(bin_, everyone))

    def _column(self, bin_: int, heard: Sequence[Heard]) -> tuple[Floats, Floats]:
        live = np.array([one.live.get(bin_, 0.0) for one in heard])
        return live, np.array([one.usual.get(bin_, 0.0) for one in heard])

    def _at(self, bin_: int, heard: Sequence[Heard]) -> tuple[Floats, NDArray[np.bool_], Floats, Floats]:
        board = self.board
        if bin_ > board.now:
            board.move(bin_)
            self.hold.move(bin_, board.quiet)
            self.rested[board.quiet[:, 0] == self.hold.rest] = bin_
        live, usual = self._column(bin_, heard)
        board.current = live
        for i in np.flatnonzero(usual > live):
            board.pasts[i].put(bin_, float(usual[i]))
        board.partial = np.array([bin_ in one.dark for one in heard], bool)
        look = board.look()
        score, flags = decide(look, self.hold, self.thresholds, self.floors)
        self.loud[fraction(look.raw) >= self.thresholds[:, None] / 2] = bin_
        return score, flags, look.raw, look.x

    def standing(self, i: int, bin_: int, score: float, flag: bool, raw: Floats, x: Floats) -> Standing:
        board = self.board
        strong = np.flatnonzero((fraction(raw[i]) >= self.thresholds[i]) & (x[i] >= self.floors[i]))
        j = int(strong[0]) if len(strong) else int(raw[i].argmax())  # the shortest that tells: it closes soonest
        calm = tuple(timedelta(minutes=5) * int(min(10**6, bin_ - b)) for b in self.loud[i])
        rested = begins(int(self.rested[i])) if self.rested[i] >= 0 else None
        return Standing(
            begins(bin_), flag, round(float(fraction(raw[i, j])), 4), SCALES[j], float(x[i, j]),
            round(float(board.mean[i, j]), 2), round(self._border(i, j), 1), rested, calm, tuple(map(float, x[i])),
        )  # fmt: skip

    def _border(self, i: int, j: int) -> float:
        """The sum at which the score reaches the threshold: the formula solved for x."""
        board, t = self.board, float(self.thresholds[i])
        wanted = t / (1 - t) * HALF if t < 1 else 1e9
        if not board.ready[i, j]:
            return max(float(self.floors[i]), wanted / HALF * 3.5 * (max(float(board.median[i]), board.cold) + 3) - 1)
        usual = Usual(*(float(of[i, j]) for of in (board.border, board.excess, board.mean, board.deviation)))
        return max(float(self.floors[i]), needed(usual, wanted))


class Standings(Sequence[Standing]):
    """Where each series stands at one moment; each is worked out when it is asked for, `raised` are the rows that raise a flag."""

    def __init__(self, live: Live, bin_: int, score: Floats, flags: NDArray[np.bool_], raw: Floats, x: Floats) -> None:
        self._live, self._bin, self._score, self._flags, self._raw, self._x = live, bin_, score, flags, raw, x
        self.raised = {int(i) for i in np.flatnonzero(flags)}

    def __len__(self) -> int:
        return len(self._flags)

    @overload
    def __getitem__(self, i: int) -> Standing: ...
    @overload
    def __getitem__(self, i: slice) -> list[Standing]: ...
    def __getitem__(self, i: int | slice) -> Standing | list[Standing]:
        if isinstance(i, slice):
            return [self[n] for n in range(*i.indices(len(self)))]
        return self._live.standing(i, self._bin, float(self._score[i]), bool(self._flags[i]), self._raw, self._x)
