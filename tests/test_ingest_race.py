"""Two channels that find the same posts in the same moment: each post is stored once, whoever was first."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from domain.nouns import Author, Mention
from storage import channels, mentions, page_in, reconcile
from storage.ledger import Ledger, one
from tests.support import wait_until

SECRET = b"a secret of thirty-two characters"


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    made = Ledger(database_url)
    yield made
    made.close()


def _channel(ledger: Ledger, names: list[str]) -> dict[str, channels.Leased]:
    row = {"kind": "x", "platform": "x", "schedule": "every 60", "spec": "s", "enabled": True}
    ledger.run(lambda c: channels.sync(c, [{**row, "name": name} for name in names]))
    leased = {}
    for name in names:
        id_ = ledger.run(lambda c, name=name: channels.want(c, name))
        assert id_ is not None
        found = ledger.run(lambda c, id_=id_: channels.lease(c, id_, "w"))
        assert found is not None
        leased[name] = found
    return leased


def _page(leased: channels.Leased, numbers: range) -> page_in.PageIn:
    found = [
        page_in.Found(
            Mention(
                "x", str(n), datetime(2026, 1, 1, tzinfo=UTC), content=f'No. {n}\t\\N "quoted"\n',
                attributed_to=Author(f"a{n}"), flags=("truncated", 'odd,"flag"\\'),
            ),
            ("bank", 'a "topic", with {signs}\\'),
            "{}",
        )
        for n in numbers
    ]  # fmt: skip
    return page_in.PageIn(leased.id, leased.lease, {}, found, [], done=False)


def test_two_channels_store_the_same_posts_at_once(ledger: Ledger) -> None:
    leased = _channel(ledger, ["one", "two"])
    counts: list[page_in.PageCounts] = []
    with ledger.begin() as first:
        mentions.store_page(first, SECRET, _page(leased["one"], range(5)))
        other = threading.Thread(
            target=lambda: counts.append(
                ledger.run(lambda c: mentions.store_page(c, SECRET, _page(leased["two"], range(3, 9))))
            )
        )
        other.start()
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        # it saw none of the five, and now waits for the first to end; each look is a transaction of its own, which would keep its first answer
        wait_until(lambda: ledger.run(lambda c: one(c, waiting)), message="the second page to wait for the first")
    other.join(10)
    assert [(c.new, c.known, c.sightings) for c in counts] == [(4, 2, 6)]
    with ledger.begin() as connection:
        assert one(connection, "SELECT count(*) FROM mentions") == 9
        assert one(connection, "SELECT count(*) FROM sightings") == 11
        assert one(connection, "SELECT count(*) FROM digests") == 9
        assert one(connection, "SELECT flags[2] FROM mentions WHERE native_id = '4'") == 'odd,"flag"\\'
        assert one(connection, "SELECT topics[2] FROM sightings LIMIT 1") == 'a "topic", with {signs}\\'
        assert one(connection, "SELECT content FROM mentions WHERE native_id = '8'") == 'No. 8\t\\N "quoted"\n'
        assert not reconcile.reconcile(connection).findings


def test_pages_that_share_a_transaction_keep_counters_of_their_own(ledger: Ledger) -> None:
    """What shifted from one page to the next while we read is new in the first and known in the second."""
    leased = _channel(ledger, ["three"])["three"]
    odd = replace(_page(leased, range(105, 106)).found[0], payload='{"a": "\x1e\x1d\x1f"}')  # what parts our blocks
    last = replace(_page(leased, range(103, 105)), found=[*_page(leased, range(103, 105)).found, odd], complete=False)
    pages = [_page(leased, range(100, 104)), last]
    counts = ledger.run(lambda c: mentions.store_pages(c, SECRET, pages))
    assert [(c.returned, c.new, c.known, c.sightings) for c in counts] == [(4, 4, 0, 4), (3, 2, 1, 2)]
    with ledger.read() as connection:
        assert reconcile.reconcile(connection).findings == []
        assert (
            one(
                connection,
                "SELECT string_agg(seq || outcome, ' ' ORDER BY id) FROM page_counters WHERE channel_id = :id",
                id=leased.id,
            )
            == "1page 2cut"
        )
        assert (
            one(connection, "SELECT body FROM payloads WHERE mention_id = (SELECT max(id) FROM mentions)")
            == odd.payload
        )


@pytest.mark.parametrize("again", [False, True])
def test_a_poll_asked_for_while_one_runs_is_run_too(ledger: Ledger, again: bool) -> None:
    name = f"asked twice: {again}"
    leased = _channel(ledger, [name])[name]
    if again:
        assert ledger.run(lambda c: channels.want(c, name)) == leased.id
    ledger.run(lambda c: channels.release(c, leased, satisfied=True))
    assert (leased.id in ledger.run(channels.owed)) == again
