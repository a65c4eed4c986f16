"""Service level clocks: the pure function against a count of minutes, for 10,000 random histories, and against what storage keeps."""

import os
import random
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from config.load import load_document
from config.workbench import levels as configured_levels
from domain.calendar import Calendar
from domain.sla import NAMES, Moment, clocks, next_look
from storage import bulk, sla
from storage.ledger import Ledger, rows

START = datetime(2026, 3, 23, tzinfo=UTC)  # the week Europe's clocks change, after America's did
DAYS = 9
MINUTES = DAYS * 1440
DOCUMENT: dict[str, Any] = {
    "teams": [{"name": "care"}, {"name": "night"}, {"name": "far"}],
    "calendars": [
        {"name": "office", "timezone": "Europe/Berlin", "hours": {d: ["09:00-12:00", "13:00-17:00"] for d in ("mon", "tue", "wed", "thu", "fri")},
         "closed": ["2026-03-25"]},
        {"name": "nights", "timezone": "America/New_York", "hours": {d: ["00:00-06:00", "22:00-24:00"] for d in ("mon", "tue", "thu", "sat", "sun")}},
        {"name": "india", "timezone": "Asia/Kolkata", "hours": {d: ["10:00-18:30"] for d in ("mon", "wed", "fri", "sat")}},
    ],
    "service_levels": [
        {"priority": "urgent", "first": 15, "next": 30, "resolve": 240}, {"priority": "high", "first": 60, "resolve": 480},
        {"priority": "normal", "first": 240, "next": 300, "resolve": 1440}, {"priority": "low", "first": 480, "resolve": 4320},
        *({"priority": p, "first": 20 * n, "next": 15 * n, "resolve": 300 * n, "team": team, "calendar": calendar}
          for n, p in enumerate(("urgent", "high", "normal", "low"), 1)
          for team, calendar in (("care", "office"), ("night", "nights"), ("far", "india"))),
    ],
}  # fmt: skip
LEVELS = configured_levels(load_document(DOCUMENT))
TARGETS = {(line["priority"], line.get("team", "")): line for line in DOCUMENT["service_levels"]}
HOURS = {None: None} | {one["name"]: one for one in DOCUMENT["calendars"]}
PRIORITIES, TEAMS = ("low", "normal", "high", "urgent"), ("", "care", "night", "far")


@dataclass
class Story:
    """A made-up history in whole minutes from START."""

    opened: int
    priority: str
    team: str
    steps: list[tuple[int, str, str]] = field(default_factory=list)  # minute, kind, value
    now: int = 0


def story(rng: random.Random) -> Story:
    made = Story(rng.randrange(2 * 1440), rng.choice(PRIORITIES), rng.choice(TEAMS))
    minute = made.opened
    for _ in range(rng.randrange(12)):
        minute += 1 + int(rng.expovariate(1 / rng.choice((5, 90, 700))))
        kind = rng.choice(("customer", "customer", "answer", "answer", "status", "status", "priority", "team"))
        value = {
            "customer": rng.choice(PRIORITIES), "answer": "", "priority": rng.choice(PRIORITIES), "team": rng.choice(TEAMS),
            "status": rng.choice(("open", "pending", "hold", "resolved", "closed", "muted")),
        }[kind]  # fmt: skip
        made.steps.append((minute, kind, value))
    made.now = min(MINUTES - 1, made.opened + rng.randrange(1, 6 * 1440))
    return made


@lru_cache
def open_minutes(name: str | None) -> Any:
    """Per minute from START whether the calendar is open: by asking the wall clock each minute."""
    if name is None:
        return np.ones(MINUTES, bool)
    one, zone = HOURS[name], ZoneInfo(HOURS[name]["timezone"])
    found = np.zeros(MINUTES, bool)
    for n in range(MINUTES):
        local = (START + timedelta(minutes=n)).astimezone(zone)
        if local.date().isoformat() in one.get("closed", ()):
            continue
        said = f"{local:%H:%M}"
        spans = one["hours"].get(("mon", "tue", "wed", "thu", "fri", "sat", "sun")[local.weekday()], ())
        found[n] = any(span.split("-")[0] <= said < span.split("-")[1] for span in spans)
    return found


def counted(made: Story) -> dict[str, dict[str, int | None]]:
    """The same clocks by filling in each minute what held in it, and counting. Knows nothing of segments or calendars' arithmetic."""
    end, span = made.now, slice(made.opened, made.now)
    status, priority, team, answered = "new", made.priority, made.team, False
    active = {name: np.zeros(MINUTES, np.int32) for name in NAMES}  # 0: not, else which wait it is
    running, open_, target = np.zeros(MINUTES, bool), np.zeros(MINUTES, bool), {n: np.zeros(MINUTES) for n in NAMES}
    on = {"first": 1, "next": 0, "resolve": 1}
    waits = 0
    edges = [(made.opened, "", ""), *[s for s in made.steps if s[0] <= end], (end, "end", "")]
    for (at, kind, value), (until, _, _) in pairwise(edges):
        if kind == "priority":
            priority = value
        elif kind == "team":
            team = value
        elif kind == "answer":
            answered, on["first"], on["next"] = True, 0, 0
        elif kind == "customer":
            if status in ("pending", "hold") or (status == "muted" and value in ("high", "urgent")):
                status = "open"
            elif status == "resolved" or status == "closed":
                status = "open"
                on["resolve"] = 1
            if answered and not on["next"]:
                waits += 1
                on["next"] = waits
        elif kind == "status":
            if value in ("resolved", "closed") and status not in ("resolved", "closed"):
                answered, on["first"], on["next"], on["resolve"] = True, 0, 0, 0
            elif value not in ("resolved", "closed") and status in ("resolved", "closed"):
                on["resolve"] = 1
            status = value
        part = slice(at, until)
        line = TARGETS[priority, team]
        running[part] = status in ("new", "open")
        open_[part] = open_minutes(line.get("calendar"))[part]
        for name in NAMES:
            active[name][part] = on[name]
            target[name][part] = line.get(name) or line["first"]
    result = {}
    for name in NAMES:
        wait = (
            waits if name == "next" else 1
        )  # the newest, also one that begins at the very end and has counted nothing
        mine = active[name] == wait if wait else np.zeros(MINUTES, bool)
        total = np.cumsum((mine & running & open_)[span])
        before = np.concatenate(([0], total))[:-1]
        result[name] = {
            "elapsed": int(total[-1]) if len(total) else 0,
            "breached": _first(made.opened, mine[span], before, total, target[name][span]),
            "warned": _first(made.opened, mine[span], before, total, target[name][span] * 0.8),
        }
    return result


def _first(opened: int, mine: Any, before: Any, total: Any, mark: Any) -> int | None:
    """The first minute whose beginning or end finds the count at its mark."""
    hit = mine & ((before >= mark) | (total >= mark))
    if not hit.any():
        return None
    n = int(np.argmax(hit))
    return opened + n + (0 if before[n] >= mark[n] else 1)


def at(minute: int | None) -> datetime | None:
    return None if minute is None else START + timedelta(minutes=minute)


def moments(made: Story) -> list[Moment]:
    return [Moment(START + timedelta(minutes=m), kind, value) for m, kind, value in made.steps]


@pytest.fixture(scope="module")
def stories() -> list[Story]:
    seed = int(os.environ.get("EARMARK_SEED") or secrets.randbits(32))
    print(f"EARMARK_SEED={seed}")
    rng = random.Random(seed)
    return [story(rng) for _ in range(10_000)]


@pytest.fixture(scope="module")
def minutes(stories: list[Story]) -> list[dict[str, dict[str, int | None]]]:
    return [counted(made) for made in stories]


def test_ten_thousand_histories_agree_with_a_count_of_minutes(stories: list[Story], minutes: list[Any]) -> None:
    late = warned = 0
    for made, expected in zip(stories, minutes, strict=True):
        found = clocks(START + timedelta(minutes=made.opened), made.priority, made.team, moments(made), LEVELS, START + timedelta(minutes=made.now))  # fmt: skip
        for clock in found:
            wanted = expected[clock.name]
            assert clock.elapsed == wanted["elapsed"] * 60, (made, clock)  # type: ignore[operator]
            assert clock.breached == at(wanted["breached"]), (made, clock)
            assert clock.warned == at(wanted["warned"]), (made, clock)
            late += clock.breached is not None
            warned += clock.warned is not None
    assert warned > late > 3000, "the histories are of all kinds"


def test_a_due_time_is_when_it_would_be_late(stories: list[Story]) -> None:
    """Let a quiet ticket alone until `due`: a second before it is not late, at that moment it is."""
    seen = 0
    for made in stories[:1500]:
        args = (START + timedelta(minutes=made.opened), made.priority, made.team, [m for m in moments(made) if m.at <= at(made.now)], LEVELS)  # type: ignore[operator]  # fmt: skip
        now = clocks(*args, at(made.now))  # type: ignore[arg-type]
        for n, clock in enumerate(now):
            if clock.due:
                seen += 1
                assert clocks(*args, clock.due - timedelta(seconds=1))[n].breached is None
                assert clocks(*args, clock.due)[n].breached == clock.due
        look = next_look(now)
        assert look is None or look >= at(made.now)  # type: ignore[operator]
    assert seen > 200


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    found = Ledger(database_url)
    yield found
    found.close()


def test_storage_keeps_what_the_entries_say(ledger: Ledger, stories: list[Story], minutes: list[Any]) -> None:
    """10,000 tickets with their entries, their clocks computed by storage, against the count of minutes."""
    lines, ends = [], []
    for n, made in enumerate(stories, 1):
        before = {"status": "new", "priority": made.priority, "team": made.team}
        for minute, kind, value in made.steps:
            if minute > made.now:
                break
            detail = {"arrived": value} if kind == "customer" else None
            if kind in before:
                detail, before[kind] = {kind: [before[kind], value]}, value  # type: ignore[dict-item]
            name = {"customer": "contact", "answer": "reply"}.get(kind, "status")
            lines.append((n, name, bulk.dumps(detail) if detail else None, at(minute), 1))
        ends.append((n, n, before["status"], before["priority"], before["team"], at(made.opened), 1))

    def fill(connection: Any) -> None:
        bulk.copy(connection, "tickets (id, number, status, priority, team, opened_at, run_id)", ends)
        bulk.copy(connection, "entries (ticket_id, kind, detail, at, run_id)", lines)

    def compute(connection: Any) -> None:
        found = sla.histories(connection, range(1, len(stories) + 1))
        made = {
            n: clocks(h.opened, h.priority, h.team, h.moments, LEVELS, START + timedelta(minutes=stories[n - 1].now))
            for n, h in found.items()
        }
        sla.store(connection, made)

    ledger.run(fill)
    ledger.run(compute)
    with ledger.begin() as connection:
        kept = {row["id"]: row for row in rows(connection, "SELECT * FROM tickets ORDER BY id")}
    assert len(kept) == 10_000
    for n, made in enumerate(stories, 1):
        expected, row = minutes[n - 1], kept[n]
        assert row["breached_first"] == at(expected["first"]["breached"]), made
        assert row["breached_resolve"] == at(expected["resolve"]["breached"]), made
        if row["breached_next"]:
            assert row["breached_next"] == at(expected["next"]["breached"]), made
        ahead = [due for name in NAMES if (due := row[f"{name}_due"])]
        assert all(due >= at(made.now) for due in ahead), made  # type: ignore[operator]
        assert row["sla_at"] is None or row["sla_at"] <= min(ahead, default=row["sla_at"]), made


def test_upkeep_warns_once_and_flags_once(ledger: Ledger) -> None:
    def made(connection: Any, n: int, minutes: int) -> None:
        connection.exec_driver_sql(
            "INSERT INTO tickets (id, number, priority, team, opened_at, sla_at, run_id) VALUES "
            f"({n}, {n}, 'urgent', '', now() - interval '{minutes} minutes', now(), 1)"
        )

    ledger.run(lambda c: made(c, 20_001, 13))
    ledger.run(lambda c: made(c, 20_002, 16))

    def look(connection: Any) -> tuple[int, int]:
        found = sla.refresh(connection, [id_ for id_ in sla.due(connection, 5000) if id_ > 20_000], LEVELS)
        return found.warned, found.breached

    assert ledger.run(look) == (1, 1)
    assert ledger.run(lambda c: (lambda f: (f.warned, f.breached))(sla.refresh(c, [20_001, 20_002], LEVELS))) == (0, 0)
    with ledger.begin() as connection:
        said = {
            row["ticket_id"]: row["detail"]["event"]
            for row in rows(connection, "SELECT * FROM entries WHERE ticket_id > 20000")
        }
        happened = [row["kind"] for row in rows(connection, "SELECT kind FROM events WHERE subject_id > 20000 AND kind NOT LIKE '%created' ORDER BY kind")]  # fmt: skip
    assert said == {20_001: "warned", 20_002: "breached"}
    assert happened == ["ticket.breached", "ticket.warned"]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"])
def test_hours_follow_the_wall_clock_over_its_changes(zone: str, rng: random.Random) -> None:
    """Open seconds of random spans over a year against a walk minute by minute of the wall clock."""
    calendar = Calendar(zone, (((540, 1020),),) * 5 + ((), ((0, 1440),)), frozenset({date(2026, 5, 1)}))
    tz = ZoneInfo(zone)
    for _ in range(6):
        since = datetime(
            2026, rng.choice((3, 4, 10, 11)), rng.randrange(1, 28), rng.randrange(24), rng.randrange(60), tzinfo=UTC
        )
        until = since + timedelta(minutes=rng.randrange(10_000))
        walked, moment = 0, since
        while moment < until:
            local = moment.astimezone(tz)
            spans = () if local.date() == date(2026, 5, 1) else calendar.week[local.weekday()]
            walked += any(a <= local.hour * 60 + local.minute < b for a, b in spans)
            moment += timedelta(minutes=1)
        assert calendar.between(since, until) == walked * 60
        if walked:
            reached = calendar.add(since, walked * 60)
            assert reached is not None
            assert calendar.between(since, reached) == walked * 60
            assert reached <= until
