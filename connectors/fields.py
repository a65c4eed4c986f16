"""Where the parts of a mention stand in somebody else's row or delivery: dotted paths, and values read with care. Pure."""

import json
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from typing import Any

from connectors import shape
from domain.nouns import Rating


def value_at(item: Any, path: str) -> Any:
    """The first plain value at `a.b|c`, None when there is none."""
    for part in path.split("|") if path else ():
        for found in walk(item, part.split(".")):
            if found is not None and found != "" and not isinstance(found, dict | list):
                return found
    return None


def walk(item: Any, steps: list[str]) -> Iterator[Any]:
    """What stands at the end of the steps; a number counts in a list, `*` takes every member."""
    if not steps:
        yield item
    elif steps[0] == "*":
        for child in shape.items(item):
            yield from walk(child, steps[1:])
    elif isinstance(item, list) and steps[0].isdigit():
        for child in item[int(steps[0]) : int(steps[0]) + 1]:
            yield from walk(child, steps[1:])
    elif isinstance(item, dict) and steps[0] in item:
        yield from walk(item[steps[0]], steps[1:])


def stars(value: Any, best: float) -> Rating | None:
    """A rating from a number or its digits; None for what cannot be one."""
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else -1.0
    except (ValueError, OverflowError):
        return None
    return Rating(number, best, min(1.0, best / 2)) if 0 <= number <= best else None


def moment(value: Any) -> datetime | None:
    """Epochs of thirteen digits are milliseconds."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 1e11 < abs(value) < 1e15:
        value /= 1000
    return shape.when(value)


def content_hash(item: Any) -> str:
    return sha256(json.dumps(item, sort_keys=True, default=str).encode("utf-8", "replace")).hexdigest()
