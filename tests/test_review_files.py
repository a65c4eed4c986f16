"""From the review list to a ticket: a person's decision goes through the same filing step, and no rule overrules it."""

from collections.abc import Iterator

import pytest

import config
from config.bench import bench
from domain.triage import overruled
from storage import review, users
from storage.ledger import Ledger, one, rows
from storage.reconcile import reconcile
from tests import ledgers
from workers import digest, file


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    made = Ledger(database_url)
    yield made
    made.close()


def test_a_reviewed_post_becomes_a_ticket(ledger: Ledger) -> None:
    current = config.load_document({"topics": [{"name": "acme"}], "settings": {"language": "en"}})
    judge = bench(current).judge
    desktop = file.Desktop(judge, ("acme",), ledgers.desktop().levels)
    ledgers.add_channel(ledger, "x")
    ledgers.store(ledger, "x", [ledgers.post("x", "1", "lol great, another outage", ledgers.person(1))])
    digest.drain(ledger, desktop, "tester", lambda: False)
    with ledger.begin() as connection:
        user_id = users.add(connection, "a@example.org", "correct horse battery", "agent", "A")
        user = next(user for user in users.everybody(connection) if user.id == user_id)
        waiting = review.waiting(connection).items
        assert len(waiting) == 1
        assert review.decide(connection, user, waiting[0].post.id, waiting[0].version, "ticket")
    digest.drain(ledger, desktop, "tester", lambda: False)
    with ledger.begin() as connection:
        found = rows(connection, "SELECT outcome, reason FROM verdicts ORDER BY version")
        assert [(row["outcome"], row["reason"]) for row in found][1] == ("ticket", "person")
        assert one(connection, "SELECT count(*) FROM tickets") == 1
        assert '"overruled"' in one(connection, "SELECT body FROM receipts ORDER BY version DESC LIMIT 1")
        assert review.waiting(connection).total == 0
        assert one(connection, "SELECT sum(n) FROM counts WHERE measure LIKE 'all%'") == 1  # counted once
        assert reconcile(connection).findings == []


def test_the_same_outcome_needs_no_overruling() -> None:
    verdict = ledgers.judge(ledgers_stored())
    assert overruled(verdict, verdict.outcome) is verdict


def ledgers_stored() -> "ledgers.Stored":
    return ledgers.Stored(1, 2, ledgers.post("x", "1", "help me", None), ("acme",))
