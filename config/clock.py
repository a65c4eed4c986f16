"""Cron lines and time zones, judged before the scheduler meets them."""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from config.complaints import nearest

_DAYS = "mon, tue, wed, thu, fri, sat, sun"


@lru_cache(maxsize=512)
def cron_problem(cron: str, timezone: str) -> tuple[str, str]:
    """What is wrong and under which key, or two empty strings."""
    try:
        zone = ZoneInfo(timezone)
    except (ValueError, OSError, KeyError, UnicodeError):
        near = nearest(timezone, available_timezones())
        return f'unknown time zone "{timezone[:40]}"' + (
            f'; did you mean "{near}"?' if near else "; write one such as Europe/Berlin"
        ), "timezone"
    if not cron:
        return "", ""
    return _cron_problem(cron, zone), "cron"


def _cron_problem(cron: str, zone: ZoneInfo) -> str:
    fields = cron.split()
    if len(fields) != 5:
        return f'a cron line has five fields (minute hour day month weekday), such as "0 6 * * mon-fri"; this has {len(fields)}'
    if re.search(r"\d", re.sub(r"/\d+|#\d+", "", fields[4])):
        # cron counts Sunday as 0, APScheduler Monday: https://apscheduler.readthedocs.io/en/3.x/modules/triggers/cron.html
        return f"write the weekday by name ({_DAYS}): numbers mean different days to different programs"
    from apscheduler.triggers.cron import CronTrigger  # type: ignore[import-untyped]  # only a configuration with a cron line pays for the import

    try:
        trigger = CronTrigger.from_crontab(cron, timezone=zone)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        return f"not a cron line: {error}"
    start = datetime(2024, 1, 1, tzinfo=UTC)  # a leap year first, so that 29 February counts as a day that comes
    try:
        if trigger.get_next_fire_time(None, start) is None:
            return "this cron line names a day that never comes"
    except (OverflowError, ValueError):
        return "this cron line names a day that never comes"
    return _skipped(trigger, zone)


def _skipped(trigger: object, zone: ZoneInfo) -> str:
    """A time that a clock change leaves out would not come on that day: better said now than noticed in March."""
    year = datetime.now(zone).year
    for day in (date(year, 1, 1) + timedelta(days=count) for count in range(730)):
        midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
        after = datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(days=1)
        before_offset, after_offset = midnight.utcoffset(), after.utcoffset()
        if before_offset is None or after_offset is None or after_offset <= before_offset:
            continue
        start = midnight.replace(tzinfo=None)
        minutes = [start + timedelta(minutes=count) for count in range(1440)]
        wanted = [at for at in minutes if _fits(trigger, at)]
        if wanted and not any(_exists(at, zone) for at in wanted):
            return f"{wanted[0]:%H:%M} does not exist on {day} in {zone.key}, when the clocks go forward; choose another time or UTC"
    return ""


def _fits(trigger: object, at: datetime) -> bool:
    """Whether the line names this wall-clock minute, asked of each field alone: no zone is involved."""
    for field in trigger.fields:  # type: ignore[attr-defined]
        if field.name in ("second", "year"):
            continue
        value = field.get_next_value(at)
        if value is None or value != field.get_value(at):
            return False
    return True


def _exists(at: datetime, zone: ZoneInfo) -> bool:
    local = at.replace(tzinfo=zone)
    return local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == at
