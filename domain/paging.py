"""Who is told of a flag, and why somebody is not. Pure: time is an argument; nothing is dropped without a line that says so."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Action = Literal["sent", "digest", "held"]
_STRICT = {"extra": "forbid"}  # read by pydantic when config validates these shapes


@dataclass(frozen=True, slots=True)
class PageRoute:
    """Which flags go where: the first route that fits decides. `hours` is `08:00-18:00` in `timezone`, over midnight too; empty: always.

    `then` are told when nobody acknowledged `after` so many minutes.
    """

    alerts: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    severity: int = 1
    hours: str = ""
    timezone: str = "UTC"
    then: tuple[str, ...] = ()
    after: int = 15
    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours in which nobody is woken, but by one of `kinds`, one of `signals` (a mention that must not wait) or such a `severity`."""

    hours: str = ""
    timezone: str = "UTC"
    kinds: tuple[str, ...] = ()
    signals: tuple[str, ...] = ("risk",)
    severity: int = 9
    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class Paging:
    """With restraint. `cool_down`: minutes in which a rule and series page once, unless what comes is more severe; `digest_below`:
    severities that wait for the digest at `digest_at` (quiet hours' time zone)."""

    routes: tuple[PageRoute, ...] = ()
    quiet: Quiet = Quiet()
    cool_down: int = 60
    digest_below: int = 1
    digest_at: str = "08:00"
    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class Raised:
    """What is known of a flag when somebody may be told of it."""

    topic: str
    kind: str
    severity: int
    what: Literal["flag.open", "flag.update", "flag.close"] = "flag.open"
    signal: str = ""
    acknowledged: bool = False
    snoozed_until: datetime | None = None
    late: bool = False  # of a past that was read only now
    last_sent: datetime | None = None  # of this rule and series
    last_severity: int = 0
    told: tuple[str, ...] = ()  # targets that were sent this flag


@dataclass(frozen=True, slots=True)
class Page:
    """One decision: a target, or nobody, and why."""

    target: str
    action: Action
    reason: str = ""
    level: int = 0
    next_at: datetime | None = None


def decide(paging: Paging, flag: Raised, fallback: Sequence[str], now: datetime) -> list[Page]:
    """Who is told now. `fallback`: the alerts of the rule, for a house without routes."""
    route = next((r for r in paging.routes if _fits(r, flag, now)), None)
    targets = list(route.alerts) if route else list(fallback) if not paging.routes else []
    if flag.what == "flag.close":  # whoever was told it began is told it is over, and nobody else
        return [Page(t, "sent") for t in flag.told] or [Page("", "held", "nobody was told that it began")]
    if not targets:
        return [Page("", "held", "no route fits" if paging.routes else "the rule names no alert")]
    reason = _held(paging, flag, now)
    if reason:
        return [Page(t, "held", reason) for t in targets]
    if flag.severity < paging.digest_below:
        at = _next(paging.digest_at, paging.quiet.timezone, now)
        return [Page(t, "digest", f"severity {flag.severity} waits for the digest", 0, at) for t in targets]
    next_at = now + timedelta(minutes=route.after) if route and route.then and flag.what == "flag.open" else None
    return [Page(t, "sent", "", 0, next_at if n == 0 else None) for n, t in enumerate(targets)]


def climb(paging: Paging, flag: Raised, now: datetime) -> list[Page]:
    """Nobody acknowledged in time: the next level, or why not."""
    if flag.acknowledged:
        return [Page("", "held", "acknowledged", 1)]
    route = next((r for r in paging.routes if _fits(r, flag, now, any_hour=True)), None)
    targets = route.then if route else ()
    return [Page(t, "sent", "nobody acknowledged", 1) for t in targets] or [Page("", "held", "no next level", 1)]


def _held(paging: Paging, flag: Raised, now: datetime) -> str:
    if flag.late:
        return "the past was read late"
    if flag.snoozed_until and now < flag.snoozed_until:
        return f"snoozed until {flag.snoozed_until:%Y-%m-%d %H:%M} UTC"
    if flag.acknowledged and flag.what == "flag.update":
        return "acknowledged"
    quiet = paging.quiet
    awake = flag.kind in quiet.kinds or flag.signal in quiet.signals or flag.severity >= quiet.severity
    if quiet.hours and within(quiet.hours, quiet.timezone, now) and not awake:
        return f"quiet hours {quiet.hours} {quiet.timezone}"
    cool = flag.last_sent is not None and now < flag.last_sent + timedelta(minutes=paging.cool_down)
    if cool and flag.severity <= flag.last_severity and flag.what == "flag.open" and not flag.signal:
        return f"cool-down of {paging.cool_down} minutes"
    return ""


def _fits(route: PageRoute, flag: Raised, now: datetime, any_hour: bool = False) -> bool:
    return (
        (not route.topics or flag.topic in route.topics)
        and (not route.kinds or flag.kind in route.kinds)
        and flag.severity >= route.severity
        and (any_hour or not route.hours or within(route.hours, route.timezone, now))
    )


def hours_of(text: str) -> tuple[time, time]:
    """`22:00-07:00` as two times of day; raises ValueError with what to write instead."""
    try:
        first, _, last = text.partition("-")
        return time.fromisoformat(first.strip()), time.fromisoformat(last.strip())
    except ValueError:
        raise ValueError(f'"{text[:40]}" are no hours; write 22:00-07:00') from None


def within(hours: str, zone: str, now: datetime) -> bool:
    """Whether a moment lies in hours of the day; from later to earlier goes over midnight."""
    first, last = hours_of(hours)
    at = now.astimezone(ZoneInfo(zone)).time()
    return first <= at < last if first <= last else at >= first or at < last


def _next(at: str, zone: str, now: datetime) -> datetime:
    local = now.astimezone(ZoneInfo(zone))
    wanted = time.fromisoformat(at)
    moment = local.replace(hour=wanted.hour, minute=wanted.minute, second=0, microsecond=0)
    return moment if moment > local else moment + timedelta(days=1)
