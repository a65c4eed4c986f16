"""The watch step on a real ledger: a flag opens, updates and closes; gaps, backfill and late items raise no second one."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, text

from domain.rules import SpikeRule
from storage.ledger import Ledger, one, rows
from storage.reconcile import reconcile
from workers import watch

RULE = SpikeRule("negative-spike", floor=10, threshold=0.5)
NOW = datetime(2026, 5, 4, 12, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    made = Ledger(database_url)
    with made.begin() as connection:
        for table in ("counts", "channels", "gaps", "page_counters", "escalations", "outbox", "runs"):
            connection.execute(text(f"TRUNCATE {table}"))
        connection.execute(
            text("INSERT INTO channels (name, kind, platform, since) VALUES ('talk', 'feed', 'feed', :since)"),
            {"since": NOW - timedelta(days=10)},
        )
    yield made
    made.close()


def say(connection: Connection, at: datetime, n: int, measure: str = "negative") -> None:
    connection.execute(
        text(
            "INSERT INTO counts (topic, platform, measure, minute, n) VALUES ('bank', 'feed', :measure, :minute, :n) "
            "ON CONFLICT (topic, platform, measure, minute) DO UPDATE SET n = counts.n + EXCLUDED.n"
        ),
        {"measure": measure, "minute": at.replace(second=0, microsecond=0), "n": n},
    )


def quiet(connection: Connection, days: int = 9) -> None:
    """One negative mention each half hour."""
    for half_hours in range(2, days * 48):
        say(connection, NOW - timedelta(minutes=30 * half_hours), 1)


def look(ledger: Ledger, now: datetime) -> list[str]:
    """One look at the series; what was owed by it."""
    with ledger.begin() as connection:
        before = one(connection, "SELECT count(*) FROM outbox")
        watch.look(connection, RULE, "bank", ["hook"], now, "test", "https://console.example")
        found = rows(connection, "SELECT kind FROM outbox ORDER BY created_at, id OFFSET :n", n=before)
        return [row["kind"] for row in found]


def flags(ledger: Ledger) -> list[tuple[str, int]]:
    with ledger.begin() as connection:
        return [
            (row["state"], int(row["peak"]))
            for row in rows(connection, "SELECT state, peak FROM escalations ORDER BY id")
        ]


def test_a_flag_opens_grows_and_closes(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        quiet(connection)
    assert look(ledger, NOW) == []
    with ledger.begin() as connection:
        say(connection, NOW - MINUTE, 60)
    assert look(ledger, NOW) == ["flag.open"]
    assert look(ledger, NOW + timedelta(seconds=10)) == []  # told once
    with ledger.begin() as connection:
        say(connection, NOW, 20)  # 80 in the window: not half as much again
    assert look(ledger, NOW + MINUTE) == []
    with ledger.begin() as connection:
        say(connection, NOW + MINUTE, 30)  # 110: it is
    assert look(ledger, NOW + 2 * MINUTE) == ["flag.update"]
    assert look(ledger, NOW + 10 * MINUTE) == []
    assert look(ledger, NOW + timedelta(hours=2)) == ["flag.close"]
    assert look(ledger, NOW + timedelta(hours=2, minutes=1)) == []
    assert flags(ledger) == [("closed", 110)]
    with ledger.begin() as connection:
        assert reconcile(connection).findings == []


def test_the_evidence_carries_the_numbers(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        quiet(connection)
        say(connection, NOW - MINUTE, 60)
    look(ledger, NOW)
    with ledger.begin() as connection:
        evidence = rows(connection, "SELECT evidence FROM escalations")[0]["evidence"]
    assert evidence["count"] == 60
    assert evidence["threshold"] >= RULE.floor
    assert evidence["detector"]
    assert evidence["window"]["to"] == NOW.replace(second=0).isoformat()


def test_backfill_raises_nothing(ledger: Ledger) -> None:
    """A channel that was added a moment ago brings an old storm with it."""
    with ledger.begin() as connection:
        connection.execute(text("UPDATE channels SET since = :now"), {"now": NOW - timedelta(seconds=20)})
        quiet(connection)
        say(connection, NOW - MINUTE, 90, "negative:before")
        say(connection, NOW - 3 * MINUTE, 90, "negative:before")
    assert look(ledger, NOW) == []
    assert look(ledger, NOW + 5 * MINUTE) == []
    with ledger.begin() as connection:
        say(connection, NOW, 90)  # the same, heard live
    assert look(ledger, NOW + MINUTE) == ["flag.open"]


def test_a_gap_is_not_calm(ledger: Ledger) -> None:
    """Hours without a channel do not make ordinary talk look loud afterwards."""
    with ledger.begin() as connection:
        for minutes in range(60, 9 * 1440, 2):  # a lively topic: 5 in ten minutes all day
            say(connection, NOW - timedelta(minutes=minutes), 1)
        since, until = NOW - timedelta(days=8), NOW - timedelta(hours=3)
        connection.execute(
            text("DELETE FROM counts WHERE minute >= :since AND minute < :until"), {"since": since, "until": until}
        )
        channel = one(connection, "SELECT id FROM channels")
        connection.execute(
            text("INSERT INTO gaps (channel_id, page_id, since, until, reason) VALUES (:c, 0, :since, :until, 'down')"),
            {"c": channel, "since": since, "until": until},
        )
        for minutes in range(1, 10):
            say(connection, NOW - timedelta(minutes=minutes), 1)
    assert look(ledger, NOW) == []


def test_late_items_raise_no_second_flag(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        quiet(connection)
        say(connection, NOW - MINUTE, 60)
    look(ledger, NOW)
    look(ledger, NOW + timedelta(hours=2))
    assert flags(ledger) == [("closed", 60)]
    with ledger.begin() as connection:
        say(connection, NOW - 2 * MINUTE, 40)  # found only now; it belongs to the storm that is over
    assert look(ledger, NOW + timedelta(hours=2, minutes=5)) == []
    assert flags(ledger) == [("closed", 60)]


def test_two_watchers_raise_one_flag(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        quiet(connection)
        say(connection, NOW - MINUTE, 60)
    with ledger.begin() as first:
        watch.look(first, RULE, "bank", ["hook"], NOW, "a", "")
        with ledger.engine.connect() as second:  # began before the first committed
            second.execute(text("SET lock_timeout = '300ms'"))
            with pytest.raises(Exception, match="lock timeout"):
                watch.look(second, RULE, "bank", ["hook"], NOW, "b", "")
    with ledger.begin() as connection:
        watch.look(connection, RULE, "bank", ["hook"], NOW, "b", "")
    assert len(flags(ledger)) == 1
