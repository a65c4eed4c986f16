"""When something is due: arithmetic on times that are handed in. No clock, no dice."""

from datetime import UTC, datetime, timedelta

SHORTEST = timedelta(seconds=1)


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
