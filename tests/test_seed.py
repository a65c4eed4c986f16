"""`earmark seed`: what it makes agrees with itself, is the same each time, and keeps out of a ledger that is in use."""

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from storage import seed
from storage.ledger import Ledger, one, rows
from storage.migrate import upgrade
from storage.provision import create_database, drop_database
from storage.reconcile import reconcile
from tests.support import run_earmark
from workers.services import Services


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    found = Ledger(database_url)
    fill(found)
    yield found
    found.close()


def fill(ledger: Ledger, number: int = 7) -> seed.Plan:
    plan = ledger.run(lambda c: seed.plan(c, 3000, 300, number))
    for _ in seed.fill(ledger, plan):
        pass
    return plan


def told(connection: Connection) -> str:
    """Everything said, relative to the first post: ids and the time of day do not matter."""
    return str(one(connection, "SELECT md5(string_agg(content || outcome || v.label || v.topic, '' ORDER BY m.id)) "
                               "FROM mentions m JOIN verdicts v ON v.mention_id = m.id"))  # fmt: skip


def test_what_is_made_agrees_with_itself(ledger: Ledger) -> None:
    with ledger.read() as connection:
        report = reconcile(connection)
        assert report.good, report.findings
        counts = rows(
            connection,
            "SELECT (SELECT count(*) FROM mentions) AS mentions, (SELECT count(*) FROM tickets) AS tickets, "
            "(SELECT count(*) FROM tickets WHERE status NOT IN ('resolved', 'closed')) AS open, "
            "(SELECT count(*) FROM events) AS events, (SELECT sum(n) FROM talk) AS talk, (SELECT count(DISTINCT status) FROM tickets) AS states, "
            "(SELECT count(*) FROM mentions WHERE published > now()) AS early",
        )[0]
    assert (counts["mentions"], counts["tickets"], counts["talk"]) == (3000, 300, 3000)
    assert counts["open"] > 0
    assert counts["states"] >= 4
    assert (counts["events"], counts["early"]) == (0, 0)  # it happened to nobody, and nothing of it is to come


def test_the_same_number_says_the_same(ledger: Ledger, services: Services) -> None:
    with ledger.read() as connection:
        here = told(connection)
    found = []
    for number in (7, 8):
        url = create_database(services.database_url, f"test_seed_{number}")
        upgrade(url)
        other = Ledger(url)
        fill(other, number)
        with other.read() as connection:
            found.append(told(connection))
        other.close()
        drop_database(services.database_url, f"test_seed_{number}")
    assert found[0] == here != found[1]


def test_a_ledger_in_use_is_refused_unless_forced(ledger: Ledger, database_url: str, redis_url: str) -> None:
    env = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    refused = run_earmark(["seed", "--mentions", "1200", "--tickets", "120"], env)
    assert refused.returncode == 1
    assert "in use: 3,000 mentions" in refused.stderr
    forced = run_earmark(["seed", "--mentions", "1200", "--tickets", "120", "--force", "--json"], env)
    assert forced.returncode == 0, forced.stderr
    assert json.loads(forced.stdout)["mentions"] == 1200
    with ledger.read() as connection:
        assert one(connection, "SELECT count(*) FROM mentions") == 4200
        assert reconcile(connection).good


def test_figures_that_do_not_go_together_are_refused(ledger: Ledger) -> None:
    for mentions, tickets in ((3000, 3000), (100, 10), (3_000_000, 10)):
        with pytest.raises(ValueError, match="a ticket needs"):
            ledger.run(lambda c, m=mentions, t=tickets: seed.plan(c, m, t, 1))  # type: ignore[misc]
