"""The clock: reloads do not restart it, restarts do not lose it, and a standby takes over."""

import os
import signal
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import text

from domain.schedule import next_due as following
from storage import workers as registry
from storage.ledger import Ledger
from tests.support import wait_until
from tests.town_world import World

pytest_plugins = ["tests.town_fixtures"]

DAY = timedelta(days=1)
START = datetime(2026, 3, 20, 5, 17, 3, tzinfo=UTC)


def polls(town_requests: list[dict[str, Any]]) -> list[float]:
    """When listings were asked for."""
    return [r["at"] for r in town_requests if "access_token" not in r["path"]]


@pytest.mark.parametrize("seconds", [22, pytest.param(62, marks=pytest.mark.soak)])
def test_a_reload_each_second_does_not_hold_up_a_channel(world: World, seconds: int):
    channel = world.reddit("talk", every="5s")
    world.configure(channel)
    world.start()
    first = wait_until(lambda: polls(world.town.ledger.requests("reddit")), 20)[0]
    for n in range(seconds):
        time.sleep(max(0.0, first + n + 1 - time.time()))
        world.configure(channel, world.feed("other", max_pages=2 + n % 3), service_levels=level(n))
    asked = polls(world.town.ledger.requests("reddit"))
    accepted = world.ask("SELECT count(*) FROM audit WHERE action = 'configuration.accepted'")
    print(f"{accepted} reloads, {len(asked)} polls, steps {[round(b - a, 1) for a, b in pairwise(asked)]}")
    assert accepted >= seconds * 0.8
    assert seconds // 5 <= len(asked) <= seconds // 5 + 2
    assert all(b - a < 7 for a, b in pairwise(asked))


def level(n: int) -> list[dict[str, Any]]:
    """A difference that makes each reload a real one."""
    return [{"priority": "low", "first": 100 + n, "resolve": 5000}]


def struck(schedule: str, first: datetime, days: int, restart: timedelta, slow: timedelta) -> list[datetime]:
    """The instants a clock strikes that dies and starts anew every `restart`, being away for `slow` each time."""
    due, now, hits = first, first - timedelta(hours=30), []
    end = first + days * DAY
    while now < end:
        life = now + restart
        while due <= life:  # alive: fires when due, or at once when that was while it was away
            hits.append(max(now, due))
            due = following(schedule, due, max(now, due))
        now = life + slow
    return hits


@pytest.mark.parametrize("schedule", ["every 86400", "cron 17 5 * * * UTC", "cron 30 6 * * * Europe/Berlin"])
def test_a_daily_channel_survives_a_restart_each_hour(schedule: str):
    """Ten days; a clock whose due times lived in the process would never strike."""
    first = following(schedule, None if schedule.startswith("cron") else START, START)
    hits = struck(schedule, first, 10, timedelta(hours=1), timedelta(minutes=2))
    dates = [at.date() for at in hits]
    assert dates == [first.date() + n * DAY for n in range(len(dates))]
    assert len(dates) in (10, 11)  # the tenth day ends an hour earlier where the clocks change
    assert all(timedelta(hours=22) < b - a < timedelta(hours=26) for a, b in pairwise(hits))


def test_what_was_missed_is_made_up_for_once_and_in_step():
    due = START
    assert following("every 60", due, due + timedelta(seconds=1)) == due + timedelta(seconds=60)
    assert following("every 60", due, due + timedelta(hours=5, seconds=1)) == due + timedelta(hours=5, seconds=60)
    assert following("every 60", due, due + timedelta(seconds=60)) == due + timedelta(seconds=120)


def test_a_due_time_outlives_the_process_that_set_it(world: World):
    """A daily channel, due in a moment; the scheduler is killed before, and another strikes once, at that time, in step."""
    world.configure(world.reddit("daily", every="24h"))
    first = world.scheduler()
    world.known("daily")
    wait_until(lambda: world.ask("SELECT wanted_at FROM channels WHERE name = 'daily'"))
    due = datetime.now(UTC) + timedelta(seconds=8)
    first.kill()
    with world.ledger.begin() as connection:
        connection.execute(text("UPDATE channels SET wanted_at = NULL, next_due = :due"), {"due": due})
    short = world.scheduler(name="short")
    short.wait_for_log("leading")
    short.kill()
    world.scheduler(name="last")
    wait_until(lambda: world.ask("SELECT wanted_at FROM channels"), 30)
    row = world.rows("SELECT wanted_at, next_due FROM channels")[0]
    late = row["wanted_at"] - due
    print(f"struck {late.total_seconds():.2f} s after its time")
    assert timedelta(0) <= late < timedelta(seconds=15)  # a start on a busy machine
    assert row["next_due"] == due + DAY


def test_a_standby_takes_over_when_the_leader_is_killed(world: World):
    """A paused leader is test_promise_once.py's."""
    world.configure(world.reddit("talk", every="5s"))
    one = world.scheduler(name="one")
    one.wait_for_log("leading")
    two = world.scheduler(name="two")
    wait_until(lambda: world.ask("SELECT count(*) FROM workers WHERE kind = 'scheduler'") == 2)
    time.sleep(2)
    assert "leading" not in two.read_log(), "two leaders"

    os.kill(one.pid, signal.SIGKILL)
    started = time.monotonic()
    two.wait_for_log("leading", 15)
    print(f"took over {time.monotonic() - started:.1f} s after the leader was killed")
    due = world.ask("SELECT next_due FROM channels")
    wait_until(lambda: world.ask("SELECT next_due FROM channels") > due, 15, "the new leader's clock ticks")


def test_only_a_silent_leader_of_our_own_database_is_found(services: Any, database_url: str):
    """Advisory locks are told apart by database. A neighbour's leader, whose rows we do not see, must not be ended by us."""
    ours, theirs = Ledger(database_url, name="test", pool=2), Ledger(services.database_url, name="test", pool=1)
    lock = text(f"SELECT pg_advisory_lock({registry.LEADER}), pg_backend_pid() AS pid")
    with theirs.engine.connect() as neighbour:
        neighbour.execute(lock)
        time.sleep(2.2)  # a session that began just now is given time to show itself
        with ours.begin() as connection:
            assert registry.stale_leader(connection, 1) is None
        with ours.engine.connect() as silent:
            pid = silent.execute(lock).one().pid
            with ours.begin() as connection:
                assert registry.stale_leader(connection, 1) is None, "it was elected a moment ago"
            time.sleep(2.2)
            with ours.begin() as connection:
                assert registry.stale_leader(connection, 1) == pid
                registry.register(connection, "leader-1", "scheduler", "here", 1, "0", 0)
                registry.seen(connection, "leader-1", True)
                assert registry.stale_leader(connection, 1) is None, "it gives signs of life"
    ours.close()
    theirs.close()
