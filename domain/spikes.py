"""When a series raises a flag: the detector over `domain/board.py`, with the hold that tells one event once. Pure, no look ahead.

A peak is held: for 24 hours only what is higher still is news, and after a flag that is an update, not a second flag. After a return to
what is usual, half of the held peak is news again: a second crisis of the day is not hidden by the first.
"""

import math
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from domain.board import BIN, DAY, KEEP, MINUTE, Board, Look
from domain.series import Floats
from domain.usual import fraction

VERSION = "tails-3"
HOLD = DAY
HOUR = timedelta(hours=1)
REST = timedelta(minutes=15)  # of a usual sum on the next longer scale
FADE = 0.5
NEVER = -(10**9)


class Hold:
    """The peaks of the last 24 hours of many series on each scale, by the hour, and whether a flag of them was raised."""

    def __init__(self, size: int, scales: int, bin_: timedelta = BIN) -> None:
        self.hour = max(1, HOUR // bin_)  # bins in a slot
        self.slots = max(1, HOLD // (self.hour * bin_))
        self.rest = max(1, REST // bin_)
        self.slot = 0
        self.peaks = np.zeros((size, scales, self.slots), np.float32)
        self.faded = np.zeros((size, scales, self.slots), np.float32)  # what is left of peaks before the last rest
        self.told = np.full((size, scales), NEVER, np.int64)  # the slot of the last flag

    def move(self, to: int, quiet: NDArray[np.int64]) -> None:
        """The clock goes on to bin `to`; `quiet`: for how many bins each series has been usual on each scale."""
        slot = to // self.hour
        for passed in range(max(self.slot + 1, slot - self.slots + 1), slot + 1):
            self.peaks[:, :, passed % self.slots] = self.faded[:, :, passed % self.slots] = 0.0
        self.slot = max(self.slot, slot)
        over = (quiet >= self.rest) & ((self.told != NEVER) | (quiet == self.rest))
        if over.any():
            self.faded[over] = np.maximum(self.faded[over], FADE * self.peaks[over])
            self.peaks[over] = 0.0
            self.told[over] = NEVER

    def news(self, raw: Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """(beats what is held, belongs to an event that was told already), per series and scale; remembers the peaks."""
        held = np.maximum(self.peaks, self.faded).max(axis=2)
        at = self.slot % self.slots
        self.peaks[:, :, at] = np.maximum(self.peaks[:, :, at], raw)
        return raw.astype(np.float32) > held, self.told > self.slot - self.slots

    def tell(self, which: NDArray[np.bool_]) -> None:
        """A flag was raised for these series."""
        self.told[which] = self.slot


def decide(
    look: Look, hold: Hold, threshold: float | Floats, floor: float | Floats
) -> tuple[Floats, NDArray[np.bool_]]:
    """(score, whether to raise a flag) of each series. What does not beat the hold scores 0; what belongs to an event that was told, or
    is below the floor, half."""
    fresh, told = hold.news(look.raw)
    score = np.where(fresh, fraction(look.raw), 0.0)
    low = look.x < np.asarray(floor).reshape(-1, 1)
    strong = (score >= np.asarray(threshold).reshape(-1, 1)) & ~low & ~told
    flags = np.asarray(strong.any(axis=1))
    hold.tell(flags)
    loud = np.where(strong, score, 0.0).max(axis=1)
    return np.where(flags, loud, np.where(told | low, score / 2, score).max(axis=1)), flags


class Reader:
    """One series read row by row from a file, whatever its step from a minute to a day.

    A row that is not later than the one before is not counted and scores 0. One more than fourteen days later than the one before it is
    believed once a second row follows it, and the series begins anew; until then it is taken for a clock that jumped. A step without a
    row, and a value that is no count, are not evaluable: they are neither zero nor usual, and raise nothing.
    """

    def __init__(self, threshold: float = 0.5, floor: float = 1.0) -> None:
        self.threshold, self.floor = threshold, floor
        self._begin()

    def _begin(self) -> None:
        self.first: tuple[datetime, float] | None = None
        self.before: datetime | None = None
        self.leap: datetime | None = None
        self.bin = BIN
        self.board: Board | None = None
        self.hold: Hold | None = None

    def row(self, at: datetime, value: float) -> tuple[float, bool]:
        """(score, flag) of the next row."""
        if not self._believe(at):
            return 0.0, False
        if self.first is None:
            self.first, self.before = (at, value), at
            return 0.0, False
        assert self.before is not None
        step, self.before = at - self.before, at
        if self.board is None:
            self._measure(step)
        elif MINUTE <= step < self.bin / 2 and self.bin > BIN:  # the first rows lied about the step
            self._begin()
            return self.row(at, value)
        return self._judge(at, value)

    def _believe(self, at: datetime) -> bool:
        """Whether the row's time can be true; a leap is, when two rows agree on it."""
        if self.before is None:
            return True
        if at - self.before > KEEP * DAY:
            leapt, self.leap = self.leap, at
            if leapt is None or not leapt < at <= leapt + KEEP * DAY:
                return False
            self._begin()
            return True
        if at > self.before:
            self.leap = None
            return True
        return False

    def _measure(self, step: timedelta) -> None:
        """The second row tells the step."""
        assert self.first is not None
        self.bin = min(max(step, BIN), DAY)
        self.board = Board(1, self.bin, cold=math.inf)
        self.hold = Hold(1, len(self.board.scales), self.bin)
        self.board.add(np.array([self.first[1]]))

    def _judge(self, at: datetime, value: float) -> tuple[float, bool]:
        assert self.first is not None
        board, hold = self.board, self.hold
        assert board is not None
        assert hold is not None
        slack = self.bin / 4 if self.bin > BIN else timedelta(0)  # a day of 23 hours is a day
        before = board.now
        board.move(max(board.now, (at - self.first[0] + slack) // self.bin), listened=False)
        if board.now > before:
            hold.move(board.now, board.quiet)
        board.add(np.array([value]))
        score, flag = decide(board.look(), hold, self.threshold, self.floor)
        return round(float(score[0]), 4), bool(flag[0])


def detect(
    rows: Iterable[tuple[datetime, float]], threshold: float = 0.5, floor: float = 1.0
) -> Iterator[tuple[float, bool]]:
    """(score, flag) for each row of a series with any regular step from a minute to a day, in order, as it comes."""
    reader = Reader(threshold, floor)
    for at, value in rows:
        yield reader.row(at, value)
