"""Nobody waits in a circle: everybody at once on few customers, sessions ended at random, and no deadlock."""

import random
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from storage import desks, digests
from storage import workers as registry
from storage.ledger import Ledger, one
from storage.reconcile import reconcile
from tests import ledgers
from tests.crowding import CHANNELS, Crowd
from tests.support import wait_until


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    made = Ledger(database_url)
    ledgers.add_channel(made, *CHANNELS)
    ledgers.targets(made)
    made.run(lambda c: desks.configure(c, [desks.Listened("desk", "tickets", 1)]))
    yield made
    made.close()


def ask(ledger: Ledger, sql: str) -> int:
    with ledger.begin() as connection:
        return int(one(connection, sql))


def test_what_a_live_process_is_at_is_not_waited_for_and_freed_at_the_next_look(ledger: Ledger):
    """After a restart of PostgreSQL every process looks gone for a moment."""
    ledgers.store(ledger, CHANNELS[0], [ledgers.post("x", f"b{n}", f"talk {n}", None) for n in range(6)])
    claimed = ledger.run(lambda c: digests.claim(c, "worker-0"))
    ledger.run(lambda c: registry.register(c, "worker-0", "worker", "here", 1, "1", 1))
    ledger.run(lambda c: c.execute(text("UPDATE workers SET seen_at = now() - interval '4 seconds'")))
    leased = "SELECT count(*) FROM digests WHERE lease IS NOT NULL"
    with ledger.begin() as working:
        held = [mention for mention, _, _ in claimed.mentions[:2]]
        working.execute(text("SELECT 1 FROM digests WHERE mention_id = ANY(:ids) FOR UPDATE"), {"ids": held})
        with ledger.begin() as other:
            other.execute(text("SET LOCAL lock_timeout = '200ms'"))
            assert registry.bury(other) == []
        assert ask(ledger, leased) == 2
    assert ledger.run(registry.bury) == ["worker-0"]
    assert ask(ledger, leased) == 0
    ledgers.drain(ledger)


def test_a_start_that_a_restart_of_the_database_broke_off_does_not_count(ledger: Ledger):
    ledgers.store(ledger, CHANNELS[0], [ledgers.post("x", f"s{n}", f"talk {n}", None) for n in range(3)])
    counted = []
    for silent in ("now() - interval '4 seconds'", "pg_postmaster_start_time() - interval '1 second'"):
        ledger.run(lambda c: registry.register(c, "worker-1", "worker", "here", 1, "1", 1))
        assert len(ledger.run(lambda c: digests.claim(c, "worker-1")).mentions) == 3
        wait_until(lambda: ask(ledger, "SELECT extract(epoch FROM now() - pg_postmaster_start_time())::int") > 5)
        ledger.run(lambda c, silent=silent: c.execute(text(f"UPDATE workers SET seen_at = {silent}")))
        assert ledger.run(registry.bury) == ["worker-1"]
        counted.append(ask(ledger, "SELECT max(attempts) FROM digests"))
    assert counted == [1, 1], "the first start counts, the second does not"
    ledgers.drain(ledger)


@pytest.mark.parametrize("seconds", [7, pytest.param(60, marks=pytest.mark.soak)])
def test_everybody_at_once_on_few_customers_without_a_deadlock(ledger: Ledger, rng: random.Random, seconds: float):
    crowd = Crowd(ledger.url, rng)
    crowd.run(seconds)
    print(dict(crowd.done))
    assert not crowd.deadlocks, "\n".join(map(str, crowd.deadlocks))
    assert ask(ledger, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0
    assert not crowd.errors, crowd.errors[0]
    for what in ("mentions", "deliveries", "events", "buried", "act", "tend", "terminate"):
        assert crowd.done[what], f"nobody came to {what}"
    ledgers.drain(ledger)
    with ledger.read() as connection:
        assert reconcile(connection).findings == []
