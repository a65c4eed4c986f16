"""Small careful readings of values from outside, shared by the connectors. Pure; nothing here trusts a type."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.text import clean

EARLIEST = datetime(2005, 1, 1, tzinfo=UTC)
AHEAD = timedelta(minutes=5)


def when(value: object) -> datetime | None:
    """A moment from an epoch (number or text) or an ISO time; None when it is neither."""
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    try:
        if isinstance(value, str) and ("T" in value or not _numeric(value)):
            moment = datetime.fromisoformat(value.strip())
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        if isinstance(value, (int, float, str)) and not isinstance(value, bool):
            number = float(value)
            return datetime.fromtimestamp(number, UTC) if math.isfinite(number) else None
    except (ValueError, OverflowError, OSError):
        return None
    return None


def clamp(moment: datetime | None, raw: object, now: datetime) -> tuple[datetime, str | None, tuple[str, ...]]:
    """`published` as it can be true, the original where it was not, and the flag that says so."""
    if moment is not None and EARLIEST <= moment <= now + AHEAD:
        return moment, None, ()
    original = None if raw is None else clean(raw, 100)[0]
    if moment is None:
        return now, original or "", ("undated",)
    if moment < EARLIEST:
        return EARLIEST, original, ("date-clamped",)
    return now, original, ("date-clamped",)


def words(value: object) -> str:
    """Text of a field that should be text: numbers become digits, null and containers nothing."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else ""


def ident(value: object) -> str:
    """An id as text; ids above 2^53 arrive as numbers or strings and must not change."""
    if value.__class__ is str and value.isascii() and value.isprintable() and " " not in value:
        return value  # as nearly all are
    text = words(value).strip()
    return text.encode("utf-8", "replace").decode().replace("\0", "")


def count(value: object) -> int | None:
    """A whole number a bigint column can hold, or None."""
    if isinstance(value, bool):
        return None
    try:
        number = int(value) if isinstance(value, (int, float, str)) else None
    except (ValueError, OverflowError):
        return None
    return number if number is not None and abs(number) < 2**63 else None


def counts(source: object, names: dict[str, str]) -> dict[str, int]:
    """The counters of `source` under our names, without those it does not have."""
    fields: dict[str, Any] = source if isinstance(source, dict) else {}
    found = {}
    for theirs, ours in names.items():
        number = count(fields.get(theirs))
        if number is not None:
            found[ours] = number
    return found


def mapping(value: object) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def deep(value: object, limit: int) -> bool:
    """Whether containers are nested more than `limit` levels; looks at one level after the other, so no depth is too much."""
    level = [value]
    for _ in range(limit + 1):
        level = [
            child
            for holder in level
            if holder.__class__ is dict or holder.__class__ is list
            for child in (holder.values() if isinstance(holder, dict) else holder)
            if child.__class__ is dict or child.__class__ is list
        ]
        if not level:
            return False
    return True


def _numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return len(text.strip()) != 8  # 20261121 is a date
