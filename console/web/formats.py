"""Numbers, shares and times as the reader's language writes them; times on the reader's clock. Days are told with 24 hours everywhere."""

from datetime import UTC, date, datetime, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING

from console.web.spoken import current

if TYPE_CHECKING:
    from babel import Locale


def number(n: float) -> str:
    """`1,234`; of a fraction at most three digits."""
    language = current()
    return language.mark(_number(language.locale, n))


@lru_cache(maxsize=4096)  # a page says the same few numbers and days again and again
def _number(locale: "Locale", n: float) -> str:
    from babel.numbers import format_decimal

    return format_decimal(n, locale=locale)


def decimal(n: float, digits: int = 1, *, sign: bool = False) -> str:
    """With exactly so many digits after the point; with `sign`, also a plus is written."""
    from babel.numbers import format_decimal

    pattern = "#,##0" + ("." + "0" * digits if digits else "")
    return current().mark(format_decimal(n, f"+{pattern};-{pattern}" if sign else pattern, locale=current().locale))


def digits(n: float, most: int = 3) -> str:
    """So many digits that count: 0.0321, 12.5, 1,230."""
    return number(float(f"{n:.{most}g}"))


def percent(share: float, digits: int = 0, *, sign: bool = False) -> str:
    from babel.numbers import format_percent

    plain = str(current().locale.percent_formats[None].pattern)  # "#,##0%", or with the space some languages leave
    pattern = plain.replace("0", "0." + "0" * digits, 1) if digits else plain
    pattern = f"+{pattern};-{pattern}" if sign else pattern
    return current().mark(format_percent(share, pattern, locale=current().locale))


def short(n: int) -> str:
    """Where there is little room: 940, 1.2k, 38k, 4.1M."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if n >= size:
            value = n / size
            return current().mark(f"{decimal(value, 0) if value >= 10 else number(round(value, 1))}{letter}")
    return number(n)


def exact(moment: datetime, where: tzinfo = UTC) -> str:
    """`Sun, 22 Nov 2026, 11:04:41 GMT`."""
    return _told(moment, "yMMMEd", "HH:mm:ss", where)


def at(moment: datetime, where: tzinfo = UTC) -> str:
    """`22 Nov, 11:04 GMT`."""
    return _told(moment, "MMMd", "HH:mm", where)


def minute(moment: datetime, where: tzinfo = UTC) -> str:
    """With the year, for a row of a table: `22 Nov 2026, 11:04`; the table's head names the zone."""
    there = moment.astimezone(where)
    return current().mark(f"{_pattern(there, 'yMMMd')}, {there:%H:%M}")


def day(moment: datetime, where: tzinfo = UTC, *, year: bool = True) -> str:
    return current().mark(_pattern(moment.astimezone(where), "yMMMd" if year else "MMMd"))


def clock(moment: datetime, where: tzinfo = UTC) -> str:
    return current().mark(f"{moment.astimezone(where):%H:%M}")


def weekdays() -> tuple[str, ...]:
    """Monday first, as short as a chart's margin is."""
    names = current().locale.days["stand-alone"]["abbreviated"]
    return tuple(current().mark(names[n]) for n in range(7))


def zone_name(where: tzinfo) -> str:
    """As people know it: `Europe/Berlin`, `UTC`."""
    return str(getattr(where, "key", "UTC"))


def _told(moment: datetime, skeleton: str, time: str, where: tzinfo) -> str:
    there = moment.astimezone(where)
    clock = f"{there:%H:%M:%S}" if time.endswith("ss") else f"{there:%H:%M}"
    return current().mark(f"{_pattern(there, skeleton)}, {clock} {there.tzname() or ''}".rstrip())


def _pattern(there: datetime, skeleton: str) -> str:
    return _date(current().locale, there.date(), skeleton)


@lru_cache(maxsize=4096)
def _date(locale: "Locale", day: date, skeleton: str) -> str:
    from babel.dates import format_date

    return format_date(day, str(locale.datetime_skeletons[skeleton]), locale=locale)
