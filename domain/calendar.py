"""Business hours: when a team is there, and how much of a span falls into that. Pure; zones are the IANA ones of the standard library.

A day's hours begin when the clock first shows their start and end when it first shows their end; a start that a clock change leaves
out is the moment of the change. 24:00 is the next day's 00:00, so a whole day has 23 or 25 hours when the clock is changed.
"""

from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

Hours = tuple[tuple[int, int], ...]  # (from, to) in minutes of the local day, in order, not overlapping
WHOLE_DAY: Hours = ((0, 1440),)
FARTHEST_DAYS = 3660  # a calendar that never opens again within ten years has no due time


@dataclass(frozen=True)
class Calendar:
    """Hours per weekday (Monday first) in a zone, and days without any. `holidays` answers `day in holidays`."""

    zone: str = "UTC"
    week: tuple[Hours, ...] = (WHOLE_DAY,) * 7
    holidays: Container[date] = frozenset()
    name: str = ""
    _days: dict[date, tuple[tuple[datetime, datetime], ...]] = field(
        default_factory=dict, compare=False, repr=False, hash=False
    )

    @cached_property
    def always(self) -> bool:
        """Open around the clock: time is time."""
        return self.week == (WHOLE_DAY,) * 7 and self.holidays == frozenset()

    def between(self, start: datetime, end: datetime) -> float:
        """Open seconds in [start, end)."""
        if end <= start:
            return 0.0
        if self.always:
            return (end - start).total_seconds()
        total = 0.0
        for opens, shuts in self._spans(start, end):
            total += max(0.0, (min(shuts, end) - max(opens, start)).total_seconds())
        return total

    def add(self, start: datetime, seconds: float) -> datetime | None:
        """The first moment by which that many open seconds have passed; None when it does not come within ten years."""
        if seconds <= 0:
            return start
        if self.always:
            return start + timedelta(seconds=seconds)
        left = seconds
        for opens, shuts in self._spans(start, start + timedelta(days=FARTHEST_DAYS)):
            begin = max(opens, start)
            length = (shuts - begin).total_seconds()
            if length >= left:
                return begin + timedelta(seconds=left)
            left -= max(0.0, length)
        return None

    def _spans(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Open spans that touch [start, end), in order, in UTC."""
        zone = ZoneInfo(self.zone)
        day, last = start.astimezone(zone).date(), end.astimezone(zone).date()
        while day <= last:
            for opens, shuts in self._of(day, zone):
                if shuts > start and opens < end:
                    yield opens, shuts
            day += timedelta(days=1)

    def _of(self, day: date, zone: ZoneInfo) -> tuple[tuple[datetime, datetime], ...]:
        found = self._days.get(day)
        if found is None:
            hours = () if day in self.holidays else self.week[day.weekday()]
            found = tuple((_moment(day, begin, zone), _moment(day, end, zone)) for begin, end in hours)
            self._days[day] = found
        return found


def _moment(day: date, minute: int, zone: ZoneInfo) -> datetime:
    if minute == 1440:
        day, minute = day + timedelta(days=1), 0
    local = datetime.combine(day, time(minute // 60, minute % 60), tzinfo=zone)
    moment = local.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return moment
    before, after = local.replace(fold=1).astimezone(UTC), moment  # the clock jumps over this time, between these two
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        same = middle.astimezone(zone).utcoffset() == before.astimezone(zone).utcoffset()
        before, after = (middle, after) if same else (before, middle)
    return after.replace(microsecond=0)


ALWAYS = Calendar()
