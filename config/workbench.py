"""How tickets are worked on, as the domain takes it: service levels with their calendars, routes, automations."""

import hashlib
import json
from collections.abc import Container
from datetime import date
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from config.base import seconds
from config.models import Config
from config.work import DAYS, BusinessHours, span
from domain import automations, routing, sla
from domain.calendar import ALWAYS, Calendar, Hours
from domain.rules import ServiceLevel

DEFAULT_LEVELS = (
    ServiceLevel("urgent", 15, 240),
    ServiceLevel("high", 60, 480),
    ServiceLevel("normal", 240, 1440),
    ServiceLevel("low", 480, 4320),
)


class _FreeDays:
    """Public holidays and further closed days. The library finds a year's holidays when first asked about that year."""

    def __init__(self, wanted: BusinessHours) -> None:
        self._closed = frozenset(wanted.closed)
        self._public: Container[date] = frozenset()
        if wanted.holidays is not None:
            import holidays  # on first use: reading configuration stays light

            self._public = holidays.country_holidays(wanted.holidays.country, subdiv=wanted.holidays.region or None)

    def __contains__(self, day: object) -> bool:
        return day in self._closed or day in self._public


@lru_cache(maxsize=64)
def _calendar(written: str) -> Calendar:
    wanted = BusinessHours.model_validate_json(written)
    week: list[Hours] = [tuple(sorted(span(text) for text in wanted.hours.get(day, ()))) for day in DAYS]  # type: ignore[call-overload]
    free: Any = _FreeDays(wanted) if wanted.holidays or wanted.closed else frozenset()
    return Calendar(wanted.timezone, tuple(week), free, wanted.name)


def holidays_problem(country: str, region: str) -> str:
    """Why the library knows no such holidays; empty when it does."""
    import holidays

    try:
        holidays.country_holidays(country, subdiv=region or None)
    except NotImplementedError:
        return f'the holidays of "{country}{" " + region if region else ""}" are not known; list the days under closed'
    return ""


def calendars(current: Config) -> dict[str, Calendar]:
    """name → calendar; the empty name is around the clock."""
    return {"": ALWAYS} | {one.name: _calendar(one.model_dump_json()) for one in current.calendars}


def levels(current: Config) -> sla.Levels:
    """What is due for a priority and team: the team's own line, else the one for all teams, else the usual."""
    known = calendars(current)
    lines = {(one.priority, one.team): one for one in (*DEFAULT_LEVELS, *current.service_levels)}
    made: dict[tuple[str, str], sla.Level] = {}

    def level(priority: str, team: str) -> sla.Level:
        found = made.get((priority, team))
        if found is None:
            line = lines.get((priority, team)) or lines.get((priority, "")) or lines["normal", ""]  # type: ignore[call-overload]
            found = made[priority, team] = sla.Level(
                line.first * 60, (line.next or line.first) * 60, line.resolve * 60,
                known.get(line.calendar, ALWAYS), current.casework.warn, _level_version(current, line),
            )  # fmt: skip
        return found

    return level


def _level_version(current: Config, line: Any) -> str:
    """Of a line of the service levels with the hours it goes by."""
    hours = [one.model_dump_json() for one in current.calendars if one.name == line.calendar]
    return hashlib.sha256(f"{line!r} {hours} {current.casework.warn}".encode()).hexdigest()[:12]


def routes(current: Config) -> tuple[routing.Route, ...]:
    return tuple(
        routing.Route(
            one.name,
            {str(k): v for k, v in one.when.items()},
            one.team,
            one.priority or "",
            one.skills,
            one.speaks,
            one.method,
            _version(one),
        )
        for one in current.routing
    )


def _version(one: BaseModel) -> str:
    """Twelve digits that change when what is written does; being switched on or off is no other version."""
    document = one.model_dump(mode="json", exclude={"enabled"})
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:12]


def enabled_automations(current: Config, everything: bool = False) -> tuple[automations.Automation, ...]:
    """Those that are on, or with `everything` all, each with a version that changes when it does."""
    found = []
    for one in current.automations:
        if one.enabled or everything:
            then = tuple(
                action.model_dump(mode="json", exclude_defaults=True) | {"do": action.do} for action in one.then
            )
            found.append(automations.Automation(one.name, one.on, dict(one.when), then, one.budget, _version(one)))
    return tuple(found)


def length(text: str) -> int:
    """Seconds of a length of time that validation has let through."""
    return seconds(text)
