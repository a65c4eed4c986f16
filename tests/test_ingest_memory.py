"""What a process remembers of a page it stored is what the ledger would have told it, and only as long as that is true."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from domain.nouns import Author, Mention, Rating, Stored
from storage import digests
from storage.ledger import Ledger
from tests import ledgers
from tests.ledgers import NOON, add_channel, person, post
from workers import digest
from workers.fresh import MOST, SECONDS, Fresh


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    made = Ledger(database_url, name="test", pool=2)
    add_channel(made, "x-news", "x-other")
    yield made
    made.close()


LONG = "i" * 51
ODD = [
    Mention("x", "1", NOON - timedelta(days=4000), content="help, backfill", published_raw="long ago", metrics={"likes": 3}),
    Mention("x", "2", NOON.replace(microsecond=123457), kind="Review", name="A title", content="text", rating=Rating(3.7, 10.0, 0.0)),
    Mention("x", "3", NOON, content="maybe", attributed_to=Author("u", "h", "N\n\\", "https://x.example/u", 10**12), flags=("undated", "own")),
    Mention("x", "4", NOON, content="\\ tab\tline\n“é” 🙂", url="https://x.example/4", language="pt-BR", updated=NOON, in_reply_to="1"),
    Mention("x", "5", NOON, content="again", context="1", repost_of="1", attributed_to=Author("only-an-id")),
]  # fmt: skip


def _plain(stored: Stored) -> Stored:
    """Without what nobody reads back: counters, the date as it came; a root post is its own context."""
    mention = replace(stored.mention, metrics={}, published_raw=None)
    return replace(stored, mention=replace(mention, context=mention.context or mention.native_id))


def test_what_is_remembered_is_what_would_be_read(ledger: Ledger) -> None:
    page = ledgers.store(ledger, "x-news", ODD)
    remembered = digests.remembered(page)
    with ledger.begin() as connection:
        loaded = digests.load(connection, [one.id for one in remembered])
    assert len(remembered) == len(ODD)
    assert [_plain(one) for one in remembered] == [loaded[one.id] for one in remembered]
    assert [one.backfill for one in remembered] == [True] * len(ODD)
    ledgers.drain(ledger)


def test_ids_that_are_written_otherwise_are_read_back(ledger: Ledger) -> None:
    odd = [
        post("x", LONG, "long id", person(1)),
        post("x", "6", "long author", Author(LONG)),
        post("x", "7", "-", None, LONG),
    ]
    page = ledgers.store(ledger, "x-news", odd)
    assert page.new == 3
    assert digests.remembered(page) == []
    ledgers.drain(ledger)


def _digested(ledger: Ledger, memory: Fresh) -> list[str]:
    """The texts that were judged."""
    seen = []
    desktop = ledgers.desktop()

    def judge(stored: Stored):  # type: ignore[no-untyped-def]
        seen.append(stored.mention.content)
        return ledgers.judge(stored)

    digest.drain(ledger, replace(desktop, judge=judge), "tester", lambda: False, memory)
    return seen


def test_remembered_mentions_are_judged_without_being_read(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    page = ledgers.store(
        ledger, "x-news", [post("x", "8", "help from memory", person(8)), post("x", "9", "maybe", person(9))]
    )
    memory = Fresh()
    memory.keep(digests.remembered(page))
    monkeypatch.setattr(digests, "load", lambda *_: pytest.fail("read back"))
    assert _digested(ledger, memory) == ["help from memory", "maybe"]
    with ledger.begin() as connection:
        told = "SELECT v.outcome FROM verdicts v JOIN mentions m ON m.id = v.mention_id WHERE m.native_id IN ('8', '9') ORDER BY m.id"
        assert list(connection.execute(text(told)).scalars()) == ["ticket", "review"]
    assert memory.take([(id_, 1) for id_, _ in page.fresh]) == {}, "given out once"


def test_an_edit_is_judged_by_its_own_text(ledger: Ledger) -> None:
    first = post("x", "10", "help", person(10))
    memory = Fresh()
    memory.keep(digests.remembered(ledgers.store(ledger, "x-news", [first])))
    ledgers.store(ledger, "x-other", [replace(first, content="never mind")])
    assert _digested(ledger, memory) == ["never mind"]


def test_what_was_erased_meanwhile_is_not_judged(ledger: Ledger) -> None:
    page = ledgers.store(
        ledger, "x-news", [post("x", "11", "help me", person(11)), post("x", "12", "stays", person(12))]
    )
    memory = Fresh()
    memory.keep(digests.remembered(page))
    ledger.run(lambda c: c.execute(text("DELETE FROM digests WHERE mention_id = :id"), {"id": page.fresh[0][0]}))
    assert _digested(ledger, memory) == ["stays"]


def test_memory_is_bounded_and_short(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("workers.fresh.time.monotonic", lambda: clock[0])
    one = Stored(1, 1, ODD[0])
    memory = Fresh()
    memory.keep([replace(one, id=n) for n in range(MOST + 10)])
    memory.keep([replace(one, id=n) for n in range(MOST + 10, MOST + 15)])
    assert sorted(memory.take([(n, 1) for n in range(MOST + 20)])) == list(range(15, MOST + 15))
    memory.keep([replace(one, id=1)])
    clock[0] += SECONDS + 1
    memory.keep([replace(one, id=2)])
    assert list(memory.take([(1, 1), (2, 1)])) == [2]
    memory.keep([one])
    assert memory.take([(1, 2)]) == {}, "another version"
