"""When something is due: arithmetic on times that are handed in. No clock, no dice."""

import re
from datetime import UTC, datetime, timedelta

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_EVERY = re.compile(r"(\d{1,9})\s*([smhd])")
SHORTEST = timedelta(seconds=1)
LONGEST = timedelta(days=366)


def parse(text: str) -> timedelta:
    """`60s`, `15m`, `1h` or `1d` as a length of time. Raises ValueError with what would be right."""
    found = _EVERY.fullmatch(text.strip().lower())
    if not found:
        raise ValueError(
            f"{text!r} is not a length of time; write a number and s, m, h or d, such as 60s, 15m, 1h or 1d"
        )
    length = timedelta(seconds=int(found[1]) * _UNITS[found[2]])
    if not SHORTEST <= length <= LONGEST:
        raise ValueError(f"{text!r} is out of range; a length of time is between 1s and 366d")
    return length


def next_due(schedule: str, last_due: datetime | None, now: datetime) -> datetime:
    """The first due time after `now` of `every SECONDS` or `cron FIELDS ZONE`, in step with the last one.

    However many were missed, they are made up for by one: the next is always in the future.
    """
    kind, _, rest = schedule.partition(" ")
    if kind == "every":
        return _in_step(timedelta(seconds=float(rest)), last_due, now)
    if kind == "cron":
        return _cron(rest, now)
    raise ValueError(f"{schedule!r} is neither `every SECONDS` nor `cron FIELDS ZONE`")


def _in_step(every: timedelta, last_due: datetime | None, now: datetime) -> datetime:
    if every < SHORTEST:
        raise ValueError(f"every {every.total_seconds():g} seconds is too often")
    if last_due is None:
        return now
    return last_due + max(1, (now - last_due) // every + 1) * every


def _cron(rest: str, now: datetime) -> datetime:
    from apscheduler.triggers.cron import CronTrigger  # type: ignore[import-untyped]  # only a cron line pays for the import

    fields, _, zone = rest.rpartition(" ")
    found = CronTrigger.from_crontab(fields, timezone=zone).get_next_fire_time(None, now + timedelta(microseconds=1))
    if found is None:
        raise ValueError(f"{rest!r} names a time that never comes")
    due: datetime = found.astimezone(UTC)
    return due


def back_off(failures: int, roll: float, base: timedelta, cap: timedelta) -> timedelta:
    """How long to wait after this many failures in a row: full jitter, `roll` in 0..1 being the dice.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    if failures <= 0:
        return timedelta(0)
    longest: timedelta = min(cap, base * 2 ** min(failures - 1, 30))
    return longest * min(1.0, max(0.0, roll))
