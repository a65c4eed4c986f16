"""What a series remembers: fourteen days of five-minute bins, by bin number, sparse while most of them are empty. Pure.

A bin that could not be read is NaN: neither zero nor usual. At most 16 KB a series in either form.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NAN = float("nan")


class Past:
    """The last `keep` bins of one series; a bin it was not told of, from `first` on, is an empty one."""

    __slots__ = ("_at", "_n", "_ring", "first", "keep", "newest")

    def __init__(self, keep: int, first: int | None = None) -> None:
        self.keep = keep
        self.first = first  # the first bin that was listened to; None: nothing yet
        self.newest = -1
        self._at: array[int] = array("I")
        self._n: array[float] = array("f")
        self._ring: array[float] | None = None  # dense form: bin number modulo keep

    def put(self, bin_: int, n: float) -> None:
        """Say what a bin holds, a new one or (late news) an old one; what is older than `keep` is let go."""
        if bin_ <= self.newest - self.keep:
            return
        if self.first is None or bin_ < self.first:
            self.first = bin_
        if self._ring is not None:
            self._clear(self.newest + 1, bin_)
            self._ring[bin_ % self.keep] = n
        elif bin_ > self.newest:
            if n != 0:
                self._at.append(bin_)
                self._n.append(n)
        else:
            where = bisect_left(self._at, bin_)
            if where < len(self._at) and self._at[where] == bin_:
                self._n[where] = n
            elif n != 0:
                self._at.insert(where, bin_)
                self._n.insert(where, n)
        self.newest = max(self.newest, bin_)
        if self._ring is None and len(self._at) > self.keep // 2:
            self._settle()

    def get(self, bin_: int) -> float:
        if self._ring is not None:
            return self._ring[bin_ % self.keep] if self.newest - self.keep < bin_ <= self.newest else 0.0
        where = bisect_left(self._at, bin_)
        return self._n[where] if where < len(self._at) and self._at[where] == bin_ else 0.0

    def window(self, end: int) -> Floats:
        """The bins from the first that is remembered until before `end`, the newest last."""
        if self.first is None:
            return np.zeros(0)
        start = max(self.first, end - self.keep)
        found = np.zeros(max(0, end - start))
        at, n = self.pairs()
        inside = (at >= start) & (at < end)
        found[at[inside] - start] = n[inside]
        return found

    def pairs(self) -> tuple[NDArray[np.int64], Floats]:
        """(bin numbers, what they hold), in order, without the empty ones."""
        if self._ring is None:
            return np.array(self._at, dtype=np.int64), np.array(self._n, dtype=np.float64)
        at = np.arange(max(0, self.newest - self.keep + 1), self.newest + 1, dtype=np.int64)
        n = np.array(self._ring, dtype=np.float64)[at % self.keep]
        told = n != 0
        return at[told], n[told]

    def pack(self) -> bytes:
        """A snapshot; `unpack` reads it."""
        at, n = self.pairs()
        head = np.array([-1 if self.first is None else self.first, self.newest, len(at)], dtype="<i8")
        return head.tobytes() + at.astype("<u4").tobytes() + n.astype("<f4").tobytes()

    @classmethod
    def unpack(cls, keep: int, data: bytes) -> "Past":
        first, newest, size = (int(v) for v in np.frombuffer(data, "<i8", 3))
        past = cls(keep, None if first < 0 else first)
        past.newest = newest
        past._at.frombytes(np.frombuffer(data, "<u4", size, 24).astype(np.uint32).tobytes())
        past._n.frombytes(np.frombuffer(data, "<f4", size, 24 + 4 * size).astype(np.float32).tobytes())
        if size > keep // 2:
            past._settle()
        return past

    def between(self, start: int, end: int) -> dict[int, float]:
        """What the bins from `start` until before `end` hold, without the empty ones."""
        if self._ring is not None:
            bins = range(max(start, self.newest - self.keep + 1), min(end, self.newest + 1))
            return {b: n for b in bins if (n := self._ring[b % self.keep]) != 0}
        low, high = bisect_left(self._at, start), bisect_left(self._at, end)
        return dict(zip(self._at[low:high], self._n[low:high], strict=True))

    @property
    def nbytes(self) -> int:
        """Memory of what is remembered."""
        return 4 * (len(self._ring) if self._ring is not None else 2 * len(self._at))

    def trim(self) -> None:
        """Let go of what is too old, and choose the smaller form."""
        if self._ring is None:
            cut = bisect_left(self._at, max(0, self.newest - self.keep + 1))
            if cut:
                del self._at[:cut], self._n[:cut]
        self._settle()

    def _settle(self) -> None:
        """Dense when more than half of the bins hold something, sparse again below a quarter."""
        at, n = self.pairs()
        inside = at > self.newest - self.keep
        at, n = at[inside], n[inside]
        if self._ring is None and len(at) > self.keep // 2:
            ring = np.zeros(self.keep, dtype=np.float32)
            ring[at % self.keep] = n
            self._ring, self._at, self._n = array("f", ring.tobytes()), array("I"), array("f")
        elif self._ring is not None and len(at) < self.keep // 4:
            self._ring, self._at, self._n = None, array("I", at.tolist()), array("f", n.tolist())

    def _clear(self, start: int, end: int) -> None:
        """Empty bins that passed unsaid."""
        assert self._ring is not None
        for bin_ in range(max(start, end - self.keep + 1), end):
            self._ring[bin_ % self.keep] = 0.0


def filled(keep: int, bins: Iterable[tuple[int, float]], first: int | None = None) -> Past:
    """A past made of (bin number, count) in any order."""
    past = Past(keep, first)
    for bin_, n in sorted(bins):
        past.put(bin_, n)
    return past
