"""Authors become identities: two workers that meet the same new author make one, and neither loses the others of its batch."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from storage import filing
from storage.ledger import Ledger, one
from tests.support import wait_until


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    made = Ledger(database_url, name="test", pool=3)
    yield made
    made.close()


def person(name: str) -> dict[str, Any]:
    who = {"platform": "x", "origin": "", "native_id": name, "handle": name}
    return {**who, "name": name.title(), "url": None, "followers": 3}


def test_one_of_a_batch_made_by_somebody_else_meanwhile(ledger: Ledger) -> None:
    fresh: set[int] = set()
    batch = [person(name) for name in ("ann", "ben", "cem")]
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with ThreadPoolExecutor(1) as pool:
        with ledger.begin() as first:
            taken = filing.identities(first, [person("ben")])
            second = pool.submit(ledger.run, lambda c: filing.identities(c, batch, fresh))
            wait_until(lambda: ledger.run(lambda c: one(c, waiting)), 20, "the second to wait for the first")
        found = second.result(20)
    ben = taken["x", "", "ben"]
    assert found["x", "", "ben"] == ben
    assert len(set(found.values())) == 3
    assert fresh == set(found.values()) - {ben}, "whoever somebody else made is no stranger"
    assert ledger.run(lambda c: one(c, "SELECT count(*) FROM identities")) == 3
    assert filing_again(ledger, batch) == (found, set())


def filing_again(ledger: Ledger, batch: list[dict[str, Any]]) -> tuple[dict[filing.Key, int], set[int]]:
    fresh: set[int] = set()
    return ledger.run(lambda c: filing.identities(c, batch, fresh)), fresh
