"""Who stands in here: every page of this folder that names its STAND_INS. A new one is a new page and nothing else."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import town
from town.http import Stand


def stand_ins() -> list[type[Stand]]:
    """Their classes, by name. Raises ValueError when two pages stand in under one name."""
    found: dict[str, type[Stand]] = {}
    for page in pkgutil.iter_modules(town.__path__):
        if page.name.startswith("_"):
            continue
        for one in getattr(importlib.import_module(f"town.{page.name}"), "STAND_INS", ()):
            if one.name in found:
                raise ValueError(f"two stand-ins are named {one.name!r}")
            found[one.name] = one
    return [found[name] for name in sorted(found)]


def options() -> dict[str, Any]:
    """Every switch of every stand-in, as it stands unless told otherwise."""
    return {name: value for one in stand_ins() for name, value in one.options.items()}


def rates() -> dict[str, tuple[int, int]]:
    """Requests and seconds of each bucket. Published limits are per account and plan; these are wide, so that only a test that asks
    for a limit meets one."""
    return {name: value for one in stand_ins() for name, value in one.rates.items()}


def keys() -> dict[str, dict[str, str]]:
    """What a client must present, by stand-in. Made up, and good for nothing outside."""
    return {one.name: dict(one.keys) for one in stand_ins() if one.keys}
