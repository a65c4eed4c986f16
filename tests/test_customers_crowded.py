"""One person with ten thousand identities, as a shared kiosk has them: found, shown, merged and parted, and nothing is cut unseen."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from domain.identity import normal
from storage import customers, lookup, merges
from storage.ledger import Ledger, one

MANY = 10_000


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    made = Ledger(database_url, pool=2)
    yield made
    made.close()


@pytest.fixture(scope="module")
def kiosk(ledger: Ledger) -> int:
    """A customer with so many addresses and accounts."""
    with ledger.begin() as c:
        kiosk = int(one(c, "INSERT INTO customers (name, source) VALUES ('Kiosk', 'import') RETURNING id"))
        c.execute(
            text(
                "WITH made AS (INSERT INTO identities (kind, platform, native_id, source) SELECT CASE WHEN n % 2 = 0 THEN 'email' ELSE 'account' END, "
                "CASE WHEN n % 2 = 0 THEN '' ELSE 'x' END, CASE WHEN n % 2 = 0 THEN 'guest' || n || '@kiosk.example' ELSE '@guest' || n END, 'import' "
                "FROM generate_series(1, :many) n RETURNING id) INSERT INTO customer_identities (identity_id, customer_id, evidence, confidence, source) "
                "SELECT id, :kiosk, 'imported', 1.0, 'import' FROM made"
            ),
            {"many": MANY, "kiosk": kiosk},
        )
        c.execute(text("ANALYZE identities, customer_identities"))
    return kiosk


def test_it_is_found_and_shown_within_bounds_that_are_said(ledger: Ledger, kiosk: int) -> None:
    with ledger.begin() as c:
        assert lookup.by_identity(c, normal("email", "guest4000@kiosk.example")) == [kiosk]
        seen = lookup.show(c, kiosk, datetime.now(UTC))
        assert seen is not None
        shown = customers.show(c, kiosk)
    assert shown is not None
    assert len(shown["identities"]) == 1000
    assert shown["identities_total"] == MANY


def test_it_is_merged_and_parted_whole(ledger: Ledger, kiosk: int) -> None:
    with ledger.begin() as c:
        other = int(one(c, "INSERT INTO customers (name, source) VALUES ('Ada', 'import') RETURNING id"))
    id_ = ledger.run(lambda c: merges.merge(c, other, kiosk, "tester", stated=True))
    with ledger.begin() as c:
        assert one(c, "SELECT count(*) FROM customer_identities WHERE customer_id = :c", c=other) == MANY
    assert ledger.run(lambda c: merges.unmerge(c, id_, "tester")).identities == MANY


def test_a_list_names_some_and_says_how_many_more(ledger: Ledger, kiosk: int) -> None:
    with ledger.begin() as c:
        found = customers.search(c, "Kiosk")
    assert found[0]["id"] == kiosk
    assert found[0]["identities"].endswith(f"and {MANY - 20:d} more")
    assert found[0]["identities"].count(",") == 19
