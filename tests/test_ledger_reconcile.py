"""Reconcile is green on a whole ledger and finds any one row that is deleted, added or moved by hand."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from storage.ledger import Ledger, rows
from storage.reconcile import reconcile
from tests.ledgers import world

KEYS = {
    "mentions": ("id", "platform", "origin", "native_id", "version", "page_id"),
    "sightings": ("mention_id", "channel_id", "page_id"),
    "digests": ("mention_id", "version"),
    "verdicts": ("mention_id", "version", "outcome", "identity_id", "run_id"),
    "ticket_mentions": ("mention_id", "ticket_id", "run_id"),
    "ticket_conversations": ("ticket_id", "customer_id", "conversation", "open"),
    "entries": ("id", "ticket_id", "mention_id", "version", "run_id"),
    "outbox": ("id", "target", "key", "ticket_id", "entry_id", "escalation_id", "run_id"),
    "rejects": ("id", "channel_id", "page_id", "item_hash"),
    "gaps": ("id", "channel_id", "page_id"),
    "page_counters": ("id", "channel_id", "seq"),
    "tickets": ("id", "number", "customer_id", "run_id"),
}


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    made = world(database_url)
    yield made
    made.close()


def test_a_whole_ledger_is_green(ledger: Ledger) -> None:
    with ledger.read() as connection:
        report = reconcile(connection)
    assert not report.findings, "\n".join(map(str, report.findings))
    assert report.good
    assert len(report.gaps) == 2
    figures = {line.name: line.figures for line in report.lines}
    assert figures["mentions = digested + pending + dead"] == {"mentions": 27, "digested": 23, "pending": 3, "dead": 1}
    for table in KEYS:
        with ledger.read() as connection:
            assert rows(connection, f"SELECT 1 FROM {table} LIMIT 1"), f"the test's ledger has no {table}"


@pytest.mark.parametrize("table", KEYS)
def test_one_row_deleted_added_or_moved_is_found(ledger: Ledger, table: str, rng: random.Random) -> None:
    missed = [f"{what} {row}" for what, row, change in _changes(ledger, table, rng) if not _found(ledger, change)]
    assert not missed, "\n".join(missed)
    with ledger.read() as connection:
        assert reconcile(connection).good


def _found(ledger: Ledger, change: tuple[str, dict[str, Any]]) -> bool:
    with ledger.engine.connect() as connection:
        transaction = connection.begin()
        try:
            try:
                assert connection.execute(text(change[0]), change[1]).rowcount == 1, change
            except IntegrityError:
                assert not change[0].startswith(("INSERT", "DELETE")), change
                return True  # the table itself refuses to have it there
            report = reconcile(connection)
            return bool(report.findings) and not report.good
        finally:
            transaction.rollback()


def _changes(ledger: Ledger, table: str, rng: random.Random) -> Iterator[tuple[str, str, tuple[str, dict[str, Any]]]]:
    with ledger.begin() as connection:
        there = list(connection.execute(text(f"SELECT ctid::text AS place, t.* FROM {table} t")).mappings())
        other = {column: _others(column, there) for column in KEYS[table]}
        columns = [column for column in there[0] if column != "place"]
    for row in rng.sample(there, min(3, len(there))):
        here = {"place": row["place"]}
        yield "deleted", str(row), (f"DELETE FROM {table} WHERE ctid = CAST(:place AS tid)", here)
        for column in KEYS[table]:
            for value in other[column](rng, row):
                moved = f"UPDATE {table} SET {column} = :value WHERE ctid = CAST(:place AS tid)"
                yield f"moved {column} to {value!r}", str(row), (moved, {**here, "value": value})
        copy = _copy(table, row, rng)
        names = ", ".join(columns)
        values = ", ".join(f":{name}" if name in copy else name for name in columns)
        added = f"INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE SELECT {values} FROM {table} WHERE ctid = CAST(:place AS tid)"
        yield f"added {copy}", str(row), (added, {**copy, **here})


def _others(column: str, there: list[Any]) -> Any:
    """New values for a column: two that stand in other rows, and two that stand nowhere."""
    seen = sorted({row[column] for row in there if row[column] is not None}, key=str)

    def choose(rng: random.Random, row: Any) -> list[Any]:
        now = row[column]
        if column == "outcome":
            return [value for value in ("ticket", "review", "ignore") if value != now][:1]
        if isinstance(now, bool):
            return [not now]
        fresh: Any = (
            bytes(range(32))
            if isinstance(seen[0], bytes | memoryview)
            else f"{now}x"
            if isinstance(seen[0], str)
            else 987_654
        )
        near = (
            []
            if isinstance(fresh, bytes) or now is None
            else [f"{now}y"]
            if isinstance(fresh, str)
            else [now + 100_000]
        )
        taken = [value for value in seen if value != now]
        return [fresh, *near, *rng.sample(taken, min(2, len(taken)))]

    return choose


def _copy(table: str, row: Any, rng: random.Random) -> dict[str, Any]:
    """What must differ for a second row like this one to be let in."""
    fresh = rng.randrange(10**6, 10**7)
    return {
        "mentions": {"id": fresh, "native_id": f"new{fresh}"},
        "sightings": {"mention_id": fresh},
        "digests": {"mention_id": rng.choice([1, 2, 3])},
        "verdicts": {"version": 7},
        "ticket_mentions": {"mention_id": fresh},
        "ticket_conversations": {"conversation": f"x||new{fresh}"},
        "entries": {"id": fresh, "remote_key": None},
        "outbox": {"id": fresh, "key": f"{row.get('key')}{fresh}"},
        "rejects": {"id": fresh, "item_hash": fresh.to_bytes(32, "big")},
        "gaps": {"id": fresh},
        "page_counters": {"id": fresh, "seq": (row.get("seq") or 0) + 40},
        "tickets": {"id": fresh, "number": fresh},
    }[table]
