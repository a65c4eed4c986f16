"""Service level clocks, computed from what happened to a ticket: a pure function of its entries, the targets and the calendars.

Three clocks. *first*: from opening to the first answer (a reply, or resolving). *next*: from a customer's message after an answer to
the next answer; each such wait is a clock of its own. *resolve*: all the time the ticket was not done, over reopenings.

A clock counts open seconds of its team's calendar, and none while the ticket is pending, on hold or muted. Its target is that of the
priority and team in force at the moment, for all the time counted so far: raising the priority can make a clock late at once.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.calendar import ALWAYS, Calendar
from domain.lifecycle import DONE, PAUSED, arrival

NAMES = ("first", "next", "resolve")
WARN = 0.8  # of the target


@dataclass(frozen=True, slots=True)
class Level:
    """Seconds until each answer is due (0: no target), in which calendar, and from which share of them on a warning is given."""

    first: float
    next: float
    resolve: float
    calendar: Calendar = ALWAYS
    warn: float = WARN
    version: str = ""  # of the line of the configuration this is

    def target(self, name: str) -> float:
        return float(getattr(self, name))


Levels = Callable[[str, str], Level]  # (priority, team) → what holds


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened. kind: customer (they wrote), answer (we did), status, priority, team (the new value), arrived (an urgent
    or other post: `value` is its priority)."""

    at: datetime
    kind: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Clock:
    """Where one clock stands at a moment. Times are None where there is none; `elapsed` and `target` are open seconds.

    `due` and `warn_at`: when it will be late and when to warn, should nothing happen; None while it stands still, after it stopped,
    and when it is past. `missed`: how many waits were late so far (only `next` has more than one).
    """

    name: str
    started: datetime | None = None
    stopped: datetime | None = None
    elapsed: float = 0.0
    target: float = 0.0
    due: datetime | None = None
    warn_at: datetime | None = None
    warned: datetime | None = None
    breached: datetime | None = None
    missed: int = 0
    running: bool = False


@dataclass(slots=True)
class _Hand:
    """One clock while the history is walked."""

    name: str
    started: datetime | None = None
    stopped: datetime | None = None
    elapsed: float = 0.0
    warned: datetime | None = None
    breached: datetime | None = None
    missed: int = 0

    @property
    def active(self) -> bool:
        return self.started is not None and self.stopped is None

    def start(self, at: datetime) -> None:
        self.started, self.stopped, self.elapsed, self.warned, self.breached = at, None, 0.0, None, None

    def walk(self, since: datetime, until: datetime, level: Level, running: bool) -> None:
        """Let [since, until) pass."""
        target = level.target(self.name)
        if not self.active or until <= since:
            return
        gained = level.calendar.between(since, until) if running else 0.0
        if target > 0:
            if self.breached is None and (late := self._reached(since, target, gained, level)):
                self.breached = late
                self.missed += 1
            if self.warned is None and (soon := self._reached(since, target * level.warn, gained, level)):
                self.warned = soon
        self.elapsed += gained

    def _reached(self, since: datetime, mark: float, gained: float, level: Level) -> datetime | None:
        if self.elapsed >= mark:
            return since
        if gained and self.elapsed + gained >= mark:
            return level.calendar.add(since, mark - self.elapsed)
        return None

    def shown(self, now: datetime, level: Level, running: bool) -> Clock:
        target = level.target(self.name)
        running = running and self.active
        due = warn = None
        if running and target > 0:
            due = level.calendar.add(now, target - self.elapsed) if self.breached is None else None
            warn = level.calendar.add(now, target * level.warn - self.elapsed) if self.warned is None else None
        return Clock(
            self.name, self.started, self.stopped, self.elapsed, target, due, warn, self.warned, self.breached,
            self.missed, running,
        )  # fmt: skip


@dataclass(slots=True)
class Walk:
    """The state of a ticket while its history is walked, with its three clocks."""

    at: datetime
    status: str = "new"
    priority: str = "normal"
    team: str = ""
    answered: bool = False
    hands: dict[str, _Hand] = field(default_factory=lambda: {name: _Hand(name) for name in NAMES})

    @property
    def running(self) -> bool:
        return self.status not in PAUSED and self.status not in DONE

    def pass_until(self, at: datetime, levels: Levels) -> None:
        level = levels(self.priority, self.team)
        for hand in self.hands.values():
            hand.walk(self.at, at, level, self.running)
        self.at = at

    def happen(self, moment: Moment) -> None:
        if moment.kind == "priority":
            self.priority = moment.value
        elif moment.kind == "team":
            self.team = moment.value
        elif moment.kind == "answer":
            self._answer()
        elif moment.kind == "customer":
            after = arrival(self.status, moment.value, timedelta(0)).status  # filed here, so it was not too late
            self._become(after or "open")
            if self.answered and not self.hands["next"].active:
                self.hands["next"].start(self.at)
        elif moment.kind == "status":
            self._become(moment.value)

    def _become(self, status: str) -> None:
        before, self.status = self.status, status
        resolve = self.hands["resolve"]
        if status in DONE and before not in DONE:
            self._answer()
            resolve.stopped = self.at
        elif status not in DONE and before in DONE:
            resolve.stopped = None

    def _answer(self) -> None:
        self.answered = True
        for name in ("first", "next"):
            if self.hands[name].active:
                self.hands[name].stopped = self.at


def clocks(
    opened: datetime, priority: str, team: str, moments: Iterable[Moment], levels: Levels, now: datetime
) -> tuple[Clock, ...]:
    """The three clocks of a ticket at `now`. `priority` and `team` are those it was opened with."""
    walk = walked(opened, priority, team, moments, levels, now)
    level = levels(walk.priority, walk.team)
    return tuple(walk.hands[name].shown(now, level, walk.running) for name in NAMES)


def walked(
    opened: datetime, priority: str, team: str, moments: Iterable[Moment], levels: Levels, now: datetime
) -> Walk:
    """The same walk, for who needs the state as well."""
    walk = Walk(opened, "new", priority, team)
    walk.hands["first"].start(opened)
    walk.hands["resolve"].start(opened)
    for moment in sorted(moments, key=lambda m: m.at):
        if moment.at > now:
            break
        walk.pass_until(max(moment.at, walk.at), levels)
        walk.happen(moment)
    walk.pass_until(max(now, walk.at), levels)
    return walk


def next_look(found: Sequence[Clock]) -> datetime | None:
    """When the first of these clocks has something to say."""
    wanted = [at for clock in found for at in (clock.due, clock.warn_at) if at is not None]
    return min(wanted, default=None)
