"""Whose clock a page goes by: the zone the browser said in a cookie of its own, UTC before it did."""

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from starlette.requests import Request

COOKIE = "earmark-zone"


def zone(request: Request) -> tzinfo:
    return _known(request.cookies.get(COOKIE, "")[:64])


@lru_cache(maxsize=512)
def _known(name: str) -> tzinfo:
    try:
        return ZoneInfo(name) if name else UTC
    except (ValueError, OSError, LookupError):  # a name this machine does not know
        return UTC


def morning(now: datetime, where: tzinfo, days: int = 1) -> datetime:
    """Eight o'clock there, that many days on."""
    day = (now.astimezone(where) + timedelta(days=days)).date()
    return datetime(day.year, day.month, day.day, 8, tzinfo=where).astimezone(UTC)


def monday(now: datetime, where: tzinfo) -> datetime:
    """Eight o'clock of the Monday to come."""
    return morning(now, where, 7 - now.astimezone(where).weekday())
