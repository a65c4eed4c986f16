"""Channel alarms: what calls for one on paper, and one per channel and episode on a real ledger."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

import config
from domain import health
from domain.health import Reading
from storage import channels
from storage.ledger import Ledger, one, rows
from storage.reconcile import reconcile
from workers.health import Health, Memory, look
from workers.upkeep import upkeep

NOW = datetime(2026, 5, 6, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def reading(**more: Any) -> Reading:
    return Reading(**{"interval": MINUTE, "since": NOW - 30 * DAY, "last_success": NOW, **more})


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({}, None),
        ({"error": "401", "error_kind": "auth", "error_at": NOW}, "credential"),
        ({"error": "no such place", "error_kind": "config", "error_at": NOW}, "failing"),
        ({"error": "503", "error_kind": "transient", "failing_since": NOW - 23 * HOUR}, None),
        ({"error": "503", "error_kind": "transient", "failing_since": NOW - 24 * HOUR}, "failing"),
        ({"error": "asked to wait", "error_kind": "rate-limited", "last_success": NOW - 23 * HOUR}, None),
        ({"error": "asked to wait", "error_kind": "rate-limited", "last_success": NOW - 25 * HOUR}, "failing"),
        # a daily channel that was asked to wait once has not failed for a day
        ({"error": "w", "error_kind": "rate-limited", "last_success": NOW - 25 * HOUR, "interval": DAY}, None),
    ],
)
def test_what_calls_for_an_alarm(given: dict[str, Any], kind: str | None) -> None:
    alarm = health.trouble(reading(**given), NOW)
    assert (alarm.kind if alarm else None) == kind
    if alarm:
        assert alarm.text
        assert alarm.advice


def test_a_habit_needs_a_few_pauses_and_forgives_one_outage() -> None:
    even = [NOW - n * 10 * MINUTE for n in range(8)]
    assert health.habit(even, MINUTE) is None
    assert health.habit([*even, NOW - 80 * MINUTE], MINUTE) == HOUR  # never sooner than an hour
    nights = [NOW - d * DAY - h * HOUR for d in range(5) for h in range(15)]  # nine silent hours and one, each night
    limit = health.habit(nights, MINUTE)
    assert limit is not None
    assert 15 * HOUR <= limit <= 16 * HOUR
    outage = [*nights, NOW - 12 * DAY]
    assert health.habit(outage, MINUTE) == limit


def test_silence_is_measured_up_to_the_last_look() -> None:
    silent = reading(last_new=NOW - 10 * HOUR)
    assert health.silence(silent, 9 * HOUR)
    assert health.silence(silent, 11 * HOUR) is None
    assert health.silence(silent, None) is None
    assert health.silence(reading(last_new=NOW - 10 * HOUR, last_success=NOW - 5 * HOUR), 9 * HOUR) is None
    assert health.silence(reading(last_new=NOW - 10 * HOUR, error="503"), 9 * HOUR) is None  # that is another trouble


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    made = Ledger(database_url)
    with made.begin() as connection:
        for table in ("channels", "gaps", "page_counters", "escalations", "outbox", "runs", "targets", "mentions"):
            connection.execute(text(f"TRUNCATE {table} CASCADE"))
        connection.execute(text("INSERT INTO targets (name, kind) VALUES ('hook', 'webhook')"))
    channels_ = [
        {"name": "talk", "kind": "feed", "platform": "feed", "schedule": "every 60", "spec": "1", "enabled": True}
    ]
    made.run(lambda c: channels.sync(c, channels_))
    yield made
    made.close()


def page(ledger: Ledger, *ago: timedelta, new: int) -> None:
    """Pages read that long ago, oldest first, as the poll step leaves them."""
    moments = [datetime.now(UTC) - one_ for one_ in ago]
    with ledger.begin() as connection:
        connection.execute(
            text(
                "WITH p AS (INSERT INTO page_counters (channel_id, seq, at, returned, new) "
                "SELECT c.id, c.seq + m.n, m.at, :new, :new FROM channels c, "
                "unnest(CAST(:ats AS timestamptz[])) WITH ORDINALITY m(at, n) RETURNING id, seq, at) "
                "UPDATE channels SET seq = (SELECT max(seq) FROM p), page_sum = page_sum + (SELECT sum(id) FROM p), "
                "last_success_at = (SELECT max(at) FROM p), failures = 0, error = NULL, error_kind = NULL"
            ),
            {"ats": moments, "new": new},
        )


def fail(ledger: Ledger, kind: str, ago: timedelta = timedelta()) -> None:
    with ledger.begin() as connection:
        connection.execute(
            text(
                "UPDATE channels SET error = 'it said no', error_kind = :kind, error_at = now() - CAST(:ago AS interval), "
                "failures = failures + 1"
            ),
            {"kind": kind, "ago": ago},
        )
        connection.execute(
            text(
                "INSERT INTO gaps (channel_id, page_id, since, reason, noticed_at) "
                "SELECT id, 0, now(), 'x', now() - CAST(:ago AS interval) FROM channels"
            ),
            {"ago": ago},
        )


def see(ledger: Ledger, memory: Memory | None = None) -> list[tuple[str, str]]:
    """A look; what was owed by it."""
    before = ask(ledger, "SELECT count(*) FROM outbox")
    ledger.run(lambda c: look(c, memory or Memory(), ["hook"], "test", "https://c.example", datetime.now(UTC)))
    with ledger.begin() as connection:
        found = rows(
            connection,
            "SELECT o.kind, e.kind AS alarm FROM outbox o JOIN escalations e ON e.id = o.escalation_id "
            "ORDER BY o.created_at, o.id OFFSET :n",
            n=before,
        )
    return [(row["kind"], row["alarm"]) for row in found]


def ask(ledger: Ledger, sql: str) -> Any:
    with ledger.begin() as connection:
        return one(connection, sql)


def test_a_refused_credential_is_told_once_and_closes_by_itself(ledger: Ledger) -> None:
    page(ledger, HOUR, new=1)
    assert see(ledger) == []
    fail(ledger, "auth")
    assert see(ledger) == [("flag.open", "credential")]
    assert see(ledger) == []
    with ledger.begin() as connection:  # resumed by a person, and refused again: the same trouble
        channels.pause(connection, "talk", False)
    assert see(ledger) == []
    fail(ledger, "auth")
    assert see(ledger) == []
    page(ledger, timedelta(), new=0)
    assert see(ledger) == [("flag.close", "credential")]
    fail(ledger, "auth")
    assert see(ledger) == [("flag.open", "credential")]  # a new episode
    with ledger.begin() as connection:
        channels.pause(connection, "talk", True)
    assert see(ledger) == [("flag.close", "credential")]
    notice = ask(ledger, "SELECT notice FROM outbox ORDER BY created_at, id LIMIT 1")
    assert "it said no" in notice
    assert "earmark resume" in notice
    with ledger.read() as connection:
        assert [line for line in reconcile(connection).findings if line.table in ("outbox", "runs")] == []


def test_a_channel_that_fails_for_a_day_is_told_once(ledger: Ledger) -> None:
    page(ledger, 3 * DAY, new=1)
    fail(ledger, "transient", 23 * HOUR)
    assert see(ledger) == []
    with ledger.begin() as connection:
        connection.execute(text("UPDATE gaps SET noticed_at = noticed_at - interval '1 hour'"))
    assert see(ledger) == [("flag.open", "failing")]
    fail(ledger, "transient")
    assert see(ledger) == []
    page(ledger, timedelta(), new=0)
    with ledger.begin() as connection:
        connection.execute(text("UPDATE gaps SET until = now()"))
    assert see(ledger) == [("flag.close", "failing")]
    assert see(ledger) == []


def test_silence_beyond_habit_is_told_once(ledger: Ledger) -> None:
    memory = Memory()
    page(ledger, *(10 * HOUR - n * 10 * MINUTE for n in range(30)), new=1)
    page(ledger, *(5 * HOUR - n * MINUTE for n in range(290)), new=0)
    assert see(ledger, memory) == [("flag.open", "silence")]
    page(ledger, MINUTE, new=0)
    assert see(ledger, memory) == []
    assert see(ledger) == []  # another process remembers nothing and tells nothing
    page(ledger, timedelta(), new=2)
    assert see(ledger, memory) == [("flag.close", "silence")]
    assert see(ledger, memory) == []


def test_a_channel_of_rare_news_is_not_expected_to_speak(ledger: Ledger) -> None:
    page(ledger, *((9 - n) * DAY for n in range(9)), new=1)
    page(ledger, timedelta(), new=0)
    assert see(ledger) == []  # a day, as usual
    with ledger.begin() as connection:
        connection.execute(text("UPDATE page_counters SET at = at - interval '1 day' WHERE new > 0"))
    assert see(ledger) == [("flag.open", "silence")]


def test_processes_that_look_at_once_tell_once(ledger: Ledger) -> None:
    fail(ledger, "auth")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: see(ledger), range(8)))
    assert ask(ledger, "SELECT count(*) FROM escalations") == 1
    assert ask(ledger, "SELECT count(*) FROM outbox") == 1


def test_upkeep_looks_and_names_who_is_owed(ledger: Ledger) -> None:
    hook = {"name": "hook", "kind": "stdout"}
    current = config.load_document({"alerts": [hook, {"name": "off", "kind": "stdout", "enabled": False}]})
    memory = Health()
    assert upkeep(ledger, current, "test", memory) == set()
    fail(ledger, "auth")
    assert upkeep(ledger, current, "test", memory) == {"hook"}
    assert upkeep(ledger, current, "test", memory) == set()
    page(ledger, timedelta(), new=0)
    assert upkeep(ledger, current, "test", memory) == {"hook"}
