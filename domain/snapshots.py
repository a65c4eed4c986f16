"""What a restart needs of each watched series, as bytes: written now and then, read once. Pure.

A row holds where the series stands (what is usual, what is held, what was told) and its bins. `thaw` refuses rows of another build by
their length: the caller then begins anew from what is stored.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.live import Live
from domain.series import Past

_BOARD = ("recent", "current", "blind", "partial", "sums", "border", "excess", "mean", "deviation", "ready", "median",
          "known", "quiet")  # fmt: skip
_HOLD = ("peaks", "faded", "told")
_LIVE = ("loud", "rested")


def freeze(live: Live) -> list[bytes]:
    """A row per series, in the order in which they are watched."""
    parts = [np.ascontiguousarray(array).reshape(len(live.watched), -1).view(np.uint8) for _, _, array in _arrays(live)]
    heads = np.concatenate(parts, axis=1)
    return [head.tobytes() + past.pack() for head, past in zip(heads, live.board.pasts, strict=True)]


def thaw(live: Live, bin_: int, states: Sequence[bytes]) -> bool:
    """Set a fresh `live` to what was frozen at this bin; False (and nothing is changed) when the rows do not fit it."""
    width = sum(array[0].nbytes for _, _, array in _arrays(live))
    if len(states) != len(live.watched) or any(len(state) < width for state in states):
        return False
    heads = np.frombuffer(b"".join(state[:width] for state in states), np.uint8).reshape(len(states), width)
    at = 0
    for owner, name, array in _arrays(live):
        size = array[0].nbytes
        cut = np.ascontiguousarray(heads[:, at : at + size])
        setattr(owner, name, cut.view(array.dtype).reshape(array.shape).copy())
        at += size
    live.board.pasts = [Past.unpack(live.board.keep, state[width:]) for state in states]
    live.board.now = bin_
    live.hold.slot = bin_ // live.hold.hour
    live.board.resum()
    return True


def join(live: Live, more: Live) -> None:
    """Watch the series of `more` as well; both stand at the same bin."""
    for (owner, name, array), (_, _, other) in zip(list(_arrays(live)), list(_arrays(more)), strict=True):
        setattr(owner, name, np.concatenate([array, other]))
    live.board.pasts += more.board.pasts
    live.watched += more.watched
    live.floors = np.concatenate([live.floors, more.floors])
    live.thresholds = np.concatenate([live.thresholds, more.thresholds])
    live.board.cold = max(live.board.cold, more.board.cold)


def _arrays(live: Live) -> Iterator[tuple[Any, str, NDArray[Any]]]:
    for owner, names in ((live.board, _BOARD), (live.hold, _HOLD), (live, _LIVE)):
        for name in names:
            yield owner, name, getattr(owner, name)
