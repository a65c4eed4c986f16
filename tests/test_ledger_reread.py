"""A rejected item that has become readable is stored after all, as a page of its own."""

import json
from collections.abc import Iterator

import pytest

import config
from storage import dead
from storage.ledger import Ledger, one, rows
from storage.page_in import Rejected
from storage.reconcile import reconcile
from tests.ledgers import SECRET, add_channel, store
from tests.support import ROOT
from workers.reread import reread

GOOD = {
    "post": {"id": "1900000000000000001", "text": "my northbank card does not work", "created_at": "2026-03-01T12:00:00.000Z", "author_id": "7"},
    "author": {"id": "7", "username": "ada", "name": "Ada"},
}  # fmt: skip


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    made = Ledger(database_url, name="test", pool=2)
    add_channel(made, "x")
    rejected = [
        Rejected("an older reader's fault", json.dumps(GOOD), "1900000000000000001"),
        Rejected("no id", '{"post": {}}'),
    ]
    store(made, "x", [], rejected)
    yield made
    made.close()


def test_a_reject_that_can_be_read_now_is_stored(ledger: Ledger) -> None:
    current = config.load(ROOT / "config")
    with ledger.begin() as c:
        good, bad = [row["id"] for row in rows(c, "SELECT id FROM rejects ORDER BY native_id NULLS LAST")]
        before = one(c, "SELECT state FROM channels")
    assert reread(ledger, current, SECRET, good, "command") == "new"
    with ledger.begin() as c:
        assert one(c, "SELECT author_handle FROM mentions") == "ada"
        assert one(c, "SELECT state FROM rejects WHERE id = :id", id=good) == "stored"
        assert one(c, "SELECT state FROM channels") == before, "the channel's position did not move"
        assert one(c, "SELECT lease FROM channels") is None
    with pytest.raises(dead.CannotRetry, match="already"):
        reread(ledger, current, SECRET, good, "command")
    with pytest.raises(dead.CannotRetry, match="still cannot be read"):
        reread(ledger, current, SECRET, bad, "command")
    with pytest.raises(LookupError):
        reread(ledger, current, SECRET, 10**9, "command")
    with ledger.read() as connection:
        report = reconcile(connection)
    assert report.good, report.findings
