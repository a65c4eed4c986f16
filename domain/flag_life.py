"""The life of a flag of a series: when it goes up, grows, closes, and when what follows it is the same event or a new one. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from domain.board import MINUTE, SCALES
from domain.live import Standing

GROWTH = 1.5  # a flag that stands tells again when it grew by half; one that was closed and is outdone by as much is a new one
Act = Literal["open", "update", "sharper", "close", "same", "over", ""]


@dataclass(frozen=True, slots=True)
class Last:
    """The newest flag of a rule and series: whether it stands, the minutes its scale sums, the highest such sum, when its window began."""

    open: bool
    scale: int
    peak: float
    since: datetime

    def now(self, standing: Standing) -> float:
        """The sum on this flag's scale."""
        return standing.counts[min(self._at(), len(standing.counts) - 1)]

    def calm(self, standing: Standing) -> timedelta:
        """For how long it has been calm on this flag's scale."""
        return standing.calm[min(self._at(), len(standing.calm) - 1)]

    def _at(self) -> int:
        return SCALES.index(self.scale) if self.scale in SCALES else 0


def act(standing: Standing, last: Last | None, waiting: bool, threshold: float, floor: float) -> Act:
    """What to do. `waiting`: a flag is held back before it was raised. `sharper`: the flag that stands is of a slow scale, and now a
    shorter one raises. `same`: raised again, and it is the last flag's event. `over`: what was held back is."""
    still = standing.score >= threshold and standing.count >= floor
    if last is not None and last.open:
        if last.calm(standing) >= max(timedelta(minutes=20), MINUTE * min(2 * last.scale, 240)):
            return "close"
        if standing.flag and standing.scale < last.scale:
            return "sharper"
        return "update" if last.now(standing) >= GROWTH * last.peak else ""
    if last is not None and still and last.now(standing) >= GROWTH * last.peak:
        return "open"
    if waiting and not standing.flag and not still:
        return "over"
    if not standing.flag and not waiting:
        return ""
    if last is not None and (standing.rested is None or last.since >= standing.rested):
        return "same"
    return "open"
