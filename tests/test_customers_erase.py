"""Erasing a customer with contacts, proposals and merges: nothing of them is left in any table, and the sources cannot bring them back."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from storage import erase, interactions, merges, proposals, roll
from storage.interactions import touch
from storage.ledger import Ledger, one, rows
from storage.reconcile import reconcile
from tests.ledgers import SECRET, world

NOW = datetime.now(UTC)


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    made = world(database_url)
    yield made
    made.close()


def test_nothing_of_an_erased_customer_is_left(ledger: Ledger) -> None:
    lines = [
        "customer_number,name,email,phone\n",
        "S-1,Sentinel One,sentinel@example.org,+4915112340001\n",
        "S-2,Sentinel Two,sentinel2@example.org,\n",
    ]
    ledger.run(lambda c: roll.bring(c, SECRET, roll.read([*lines, "S-3,Sentinelle,third@example.org,\n"])))
    with ledger.begin() as c:
        ids = {row["name"]: row["id"] for row in rows(c, "SELECT id, name FROM customers WHERE name LIKE 'Sentinel%'")}
    first, second = ids["Sentinel One"], ids["Sentinel Two"]
    told = [
        touch({"external_id": f"sentinel-{n}", "kind": "email", "happened_at": (NOW - timedelta(days=n)).isoformat(), "email": "sentinel@example.org",
               "order": f"A-1000{n}", "subject": "sentinelwords", "body": "sentinelwords too"}, NOW)
        for n in range(3)
    ]  # fmt: skip
    ledger.run(lambda c: interactions.record(c, SECRET, "crm", told))
    with ledger.begin() as c:  # the receipt of an automation that answered one of them
        rows(
            c,
            "INSERT INTO automation_runs (automation, event_id, kind, subject, subject_id, outcome, matched) "
            "SELECT 'form-filled', id, 'interaction.email', 'interaction', id, 'done', jsonb_build_object('subject', 'sentinelwords') "
            "FROM interactions RETURNING id",
        )
    ledger.run(lambda c: interactions.aside(c, "hook:crm", [(1, "bad", '{"email": "sentinel@example.org"}')]))
    ledger.run(lambda c: proposals.look(c))
    ledger.run(lambda c: merges.merge(c, first, second, "command"))
    done = ledger.run(lambda c: erase.erase(c, SECRET, second, "command"))  # the one merged away names the same person
    assert (done.interactions, sorted(done.customers)) == (3, sorted([first, second]))
    with ledger.begin() as c:
        names = [row["tablename"] for row in rows(c, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        pattern = "sentinel(words|@|2| one| two|-)|4915112340001"
        left = {name: one(c, f"SELECT count(*) FROM {name} t WHERE t::text ~* :p", p=pattern) for name in names}
    assert {name: n for name, n in left.items() if n} == {}
    again = ledger.run(lambda c: interactions.record(c, SECRET, "crm", told))
    assert {item.outcome for item in again} == {"suppressed"}
    with ledger.read() as c:
        assert reconcile(c).good
