"""A post joins a ticket where it should, and opens one only where it must: held by the database, under four workers at once."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from storage import casework, merges
from storage.casework import Change, Hand
from storage.ledger import Ledger, rows
from storage.reconcile import reconcile
from tests import ledgers
from workers import digest

HAND = Hand("Ada", "command")
DESKTOP = replace(ledgers.desktop(), same_case=3 * 86_400.0, reopen=7 * 86_400.0)


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    found = Ledger(database_url, pool=12)
    ledgers.add_channel(found, "x-one")
    ledgers.targets(found)
    yield found
    with found.begin() as connection:
        report = reconcile(connection)
    found.close()
    assert report.good, report.findings


def ask(ledger: Ledger, sql: str, **values: Any) -> list[Any]:
    with ledger.begin() as connection:
        return [dict(row) for row in rows(connection, sql, **values)]


def post(ledger: Ledger, id_: str, who: int, conversation: str) -> int:
    """Store and file one post; the number of its ticket."""
    ledgers.store(ledger, "x-one", [ledgers.post("x", id_, f"help {id_}", ledgers.person(who), context=conversation)])
    digest.drain(ledger, DESKTOP, "tester", lambda: False)
    return int(
        ask(
            ledger,
            "SELECT t.number FROM tickets t JOIN ticket_mentions l ON l.ticket_id = t.id JOIN mentions m ON m.id = l.mention_id "
            "WHERE m.native_id = :id",
            id=id_,
        )[0]["number"]
    )


def test_the_same_matter_in_another_thread_joins_and_another_person_does_not(ledger: Ledger) -> None:
    first = post(ledger, "a1", 1, "thread one")
    assert post(ledger, "a2", 1, "thread two") == first
    assert post(ledger, "a3", 2, "thread two") != first
    assert post(ledger, "a4", 1, "thread two") == first, "its conversation is its own by now"


def test_a_ticket_that_is_reopened_leaves_a_conversation_another_one_holds_by_now(ledger: Ledger) -> None:
    """Two people turn out to be one, each with a ticket in the same thread; the one that was resolved comes back by its other thread."""
    old = post(ledger, "y1", 61, "yield one")
    assert post(ledger, "y2", 61, "yield two") == old
    ledger.run(lambda c: casework.change(c, HAND, old, Change(status="resolved")))
    new = post(ledger, "y3", 62, "yield two")
    people = "SELECT number, customer_id FROM tickets WHERE number = ANY(:numbers)"
    who = {row["number"]: row["customer_id"] for row in ask(ledger, people, numbers=[old, new])}
    ledger.run(lambda c: merges.merge(c, who[old], who[new], "command"))
    assert post(ledger, "y4", 61, "yield one") == old, "it comes back"
    assert post(ledger, "y5", 61, "yield two") == new, "where the thread went on"
    with ledger.read() as connection:
        assert reconcile(connection).findings == []


def test_outside_the_window_it_is_another_case(ledger: Ledger) -> None:
    first = post(ledger, "w1", 10, "w thread one")
    ask(ledger, "UPDATE tickets SET updated_at = now() - interval '4 days' WHERE number = :n RETURNING 1", n=first)
    second = post(ledger, "w2", 10, "w thread two")
    assert second != first
    assert post(ledger, "w3", 10, "w thread three") == second, "the case is the new ticket's"
    assert post(ledger, "w4", 10, "w thread one") == first, "the old one keeps its conversation"


def test_soon_after_resolving_it_is_opened_again_later_not(ledger: Ledger) -> None:
    number = post(ledger, "r1", 20, "r thread")
    ledger.run(lambda c: casework.change(c, HAND, number, Change(status="resolved")))
    assert post(ledger, "r2", 20, "r thread") == number
    found = ask(ledger, "SELECT status, resolved_at FROM tickets WHERE number = :n", n=number)
    assert found == [{"status": "open", "resolved_at": None}]
    said = ask(ledger, "SELECT e.detail FROM entries e JOIN tickets t ON t.id = e.ticket_id WHERE t.number = :n AND e.detail ->> 'event' = 'reopened'", n=number)  # fmt: skip
    assert [row["detail"]["status"] for row in said] == [["resolved", "open"]]
    ledger.run(lambda c: casework.change(c, HAND, number, Change(status="resolved")))
    ask(ledger, "UPDATE tickets SET resolved_at = now() - interval '8 days' WHERE number = :n RETURNING 1", n=number)
    assert post(ledger, "r3", 20, "r thread") != number


def test_a_closed_ticket_stays_closed(ledger: Ledger) -> None:
    number = post(ledger, "c1", 30, "c thread")
    ledger.run(lambda c: casework.change(c, HAND, number, Change(status="closed")))
    assert post(ledger, "c2", 30, "c thread") != number


def test_a_muted_ticket_is_woken_by_what_is_grave_only(ledger: Ledger) -> None:
    number = post(ledger, "m1", 40, "m thread")
    ledger.run(lambda c: casework.change(c, HAND, number, Change(status="muted")))
    assert post(ledger, "m2", 40, "m thread") == number
    assert ask(ledger, "SELECT status FROM tickets WHERE number = :n", n=number) == [{"status": "muted"}]
    judged = DESKTOP.judge
    grave = replace(DESKTOP, judge=lambda stored: replace(judged(stored), priority="urgent"))
    ledgers.store(ledger, "x-one", [ledgers.post("x", "m3", "help now", ledgers.person(40), context="m thread")])
    digest.drain(ledger, grave, "tester", lambda: False)
    assert ask(ledger, "SELECT status FROM tickets WHERE number = :n", n=number) == [{"status": "open"}]


def test_four_workers_make_one_ticket_per_person_and_matter(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """120 posts of six people, each in a thread of its own, claimed in small batches by four workers at the same time."""
    monkeypatch.setattr(digest.digests, "BATCH", 5)
    people, each = 6, 20
    ledgers.store(ledger, "x-one", [
        ledgers.post("x", f"four-{who}-{n}", "help at once", ledgers.person(100 + who), context=f"four-{who}-{n}")
        for n in range(each) for who in range(people)
    ])  # fmt: skip
    start = threading.Barrier(4)

    def drain(n: int) -> int:
        start.wait()
        return digest.drain(ledger, DESKTOP, f"worker {n}", lambda: False).tickets

    with ThreadPoolExecutor(4) as pool:
        made = sum(pool.map(drain, range(4)))
    digest.drain(ledger, DESKTOP, "last", lambda: False)
    found = ask(
        ledger,
        "SELECT m.author_id, count(DISTINCT l.ticket_id) AS tickets, count(*) AS posts FROM ticket_mentions l "
        "JOIN mentions m ON m.id = l.mention_id WHERE m.native_id LIKE 'four-%' GROUP BY 1",
    )
    assert {row["posts"] for row in found} == {each}
    assert {row["tickets"] for row in found} == {1}
    assert made <= people
    busy = ask(
        ledger, "SELECT worker, count(*) AS runs FROM runs WHERE worker LIKE 'worker %' AND verdicts > 0 GROUP BY 1"
    )
    assert len(busy) > 1, "several were at it"
    assert ask(ledger, "SELECT count(*) AS n FROM dead_letters") == [{"n": 0}]
