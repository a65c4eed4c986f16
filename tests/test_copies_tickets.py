"""An author's copies are one ticket, whoever digests them; another author's near-copy keeps its own and is shown as similar."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from domain.copies import alike, normal
from domain.nouns import Stored, Verdict
from storage import copies, digests, reposts, views_ticket
from storage.ledger import Ledger, one, rows
from storage.reconcile import reconcile
from storage.together import ask
from tests import web
from tests.ledgers import add_channel, desktop, drain, judge, person, post, store, targets
from workers import digest

SAID = "help me please, I have been waiting three weeks for my refund and nobody answers, case {}"


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    made = Ledger(database_url, name="test", pool=6)
    add_channel(made, "x-one")
    targets(made)
    yield made
    with made.read() as connection:
        assert reconcile(connection).good, reconcile(connection).findings
    made.close()


def ticket_of(ledger: Ledger, *natives: str) -> list[int]:
    sql = "SELECT l.ticket_id FROM ticket_mentions l JOIN mentions m ON m.id = l.mention_id WHERE m.native_id = :native"
    with ledger.read() as connection:
        return [one(connection, sql, native=native) for native in natives]


def test_an_authors_copy_joins_the_ticket_and_a_richer_one_becomes_its_headline(ledger: Ledger) -> None:
    said = SAID.format("a")
    store(ledger, "x-one", [post("x", "a1", said, person(1))])
    drain(ledger)
    richer = said + " and now they closed it"
    store(ledger, "x-one", [post("x", "a2", f"{said}!!!", person(1)), post("x", "a3", "help " + said, person(2))])
    store(
        ledger,
        "x-one",
        [
            post("x", "a4", richer, person(1)),
            post("x", "a5", "help me with a thing that is new to all of you", person(1)),
        ],
    )
    drain(ledger)
    first, second, other, third, new = ticket_of(ledger, "a1", "a2", "a3", "a4", "a5")
    assert first == second == third
    assert len({first, other, new}) == 3
    with ledger.read() as connection:
        assert one(connection, "SELECT subject FROM tickets WHERE id = :id", id=first) == richer
        kinds = rows(connection, "SELECT kind FROM entries WHERE ticket_id = :id ORDER BY id", id=first)
        assert [row["kind"] for row in kinds] == ["mention"] * 3
        assert [id_ for id_, _, _ in copies.similar_tickets(connection, first)] == [other]
        assert [id_ for id_, _, _ in copies.similar_tickets(connection, other)] == [first]
        assert copies.similar_tickets(connection, new) == []


def test_a_copy_after_the_ticket_was_closed_opens_a_new_one(ledger: Ledger) -> None:
    store(ledger, "x-one", [post("x", "b1", SAID.format("b"), person(3))])
    drain(ledger)
    (first,) = ticket_of(ledger, "b1")
    with ledger.begin() as connection:
        rows(
            connection,
            "UPDATE ticket_conversations SET open = false WHERE ticket_id = :id RETURNING ticket_id",
            id=first,
        )
        rows(connection, "UPDATE tickets SET status = 'closed' WHERE id = :id RETURNING id", id=first)
    store(ledger, "x-one", [post("x", "b2", SAID.format("b"), person(3))])
    drain(ledger)
    assert ticket_of(ledger, "b2") != [first]


@pytest.mark.parametrize("at_once", [True, False], ids=["one batch", "one after the other"])
def test_what_is_alike_step_by_step_is_one_ticket_however_it_comes(ledger: Ledger, at_once: bool) -> None:
    """The last is no copy of the first, only of what stands between them."""
    author, name = person(40 + at_once), f"chain{at_once}"
    words = f"help me please with {name} I have been waiting three weeks for my refund and nobody answers at all now".split()
    told = []
    for step in range(7):
        told.append(post("x", f"{name}{step}", " ".join(words), author))
        words[4 + step] = f"changed{step}"
    assert not alike(normal(told[0].content), normal(told[-1].content))
    assert all(alike(normal(a.content), normal(b.content)) for a, b in pairwise(told))
    for part in [told] if at_once else [[single] for single in told]:
        store(ledger, "x-one", part)
        drain(ledger)
    assert len({*ticket_of(ledger, *(each.native_id for each in told))}) == 1


def test_two_copies_digested_at_the_same_moment_are_one_ticket(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "BATCH", 1)
    for round_ in range(6):
        said = SAID.format(f"round{round_}")
        names = [f"c{round_}-{n}" for n in range(2)]
        store(ledger, "x-one", [post("x", name, said, person(10 + round_)) for name in names])
        both = threading.Barrier(2, timeout=20)

        def wait(stored: Stored, both: threading.Barrier = both) -> Verdict:
            both.wait()
            return judge(stored)

        desk = replace(desktop(), judge=wait)
        workers = [
            threading.Thread(target=digest.drain, args=(ledger, desk, f"w{n}", lambda: False), daemon=True)
            for n in range(2)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(40)
        assert len({*ticket_of(ledger, *names)}) == 1, round_


def test_near_copies_of_one_author_digested_at_the_same_moment_are_one_ticket(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The unique index knows equal texts only; that these two are alike is seen because one waits for the other."""
    monkeypatch.setattr(digests, "BATCH", 1)
    for round_ in range(6):
        known = round_ % 2 == 0  # an author we know, and one both workers are to make
        said, names = SAID.format(f"near{round_}"), [f"d{round_}-{n}" for n in range(2)]
        author = person(100 + round_)
        if known:
            store(ledger, "x-one", [post("x", f"d{round_}-before", "help with something else altogether, now", author)])
            drain(ledger)
        endings = (" and nobody calls back", " so nobody calls me")
        store(ledger, "x-one", [post("x", name, said + end, author) for name, end in zip(names, endings, strict=True)])
        both, met = threading.Barrier(2, timeout=20), threading.Barrier(2, timeout=20)

        def wait(stored: Stored, both: threading.Barrier = both) -> Verdict:
            both.wait()
            return judge(stored)

        look = copies.again

        def slow(
            *args: Any, met: threading.Barrier = met, look: Any = look
        ) -> Any:  # both have looked before either has filed, if both can look
            found = look(*args)
            with contextlib.suppress(threading.BrokenBarrierError):
                met.wait(0.7)
            return found

        monkeypatch.setattr(copies, "again", slow)
        desk = replace(desktop(), judge=wait)
        workers = [
            threading.Thread(target=digest.drain, args=(ledger, desk, f"w{n}", lambda: False), daemon=True)
            for n in range(2)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(40)
        monkeypatch.setattr(copies, "again", look)
        assert len({*ticket_of(ledger, *names)}) == 1, round_


@pytest.mark.parametrize("order", ["before", "after", "together"])
def test_a_repost_joins_the_ticket_as_amplification(ledger: Ledger, order: str) -> None:
    said = SAID.format(f"passed on {order}")
    author = person(200 + len(order))
    original = post("x", f"e-{order}", said, author)
    repost = post("x", f"e-{order}-again", said, person(300), repost_of=f"e-{order}")
    desk = replace(desktop(), judge=lambda s: judge(s) if not s.mention.repost_of else dismissed(s))
    pages = {"before": [[repost], [original]], "after": [[original], [repost]], "together": [[repost, original]]}
    for page in pages[order]:
        store(ledger, "x-one", page)
        digest.drain(ledger, desk, "tester", lambda: False)
    (ticket,) = ticket_of(ledger, f"e-{order}")
    assert ticket_of(ledger, f"e-{order}-again") == [None]
    with ledger.read() as connection:
        found = ask(connection, reposts.passed_on(ticket))
        assert (found.times, [who for _, who in found.lately]) == (1, ["User 300"])
        owed = rows(connection, "SELECT kind FROM outbox WHERE ticket_id = :id AND kind <> 'ticket.create'", id=ticket)
        assert owed == []
        assert [entry.kind for entry in views_ticket.history(connection, ticket)] == ["mention"]


def dismissed(stored: Stored) -> Verdict:
    return replace(judge(stored), outcome="ignore", reason="repost")


def test_the_page_shows_similar_tickets_and_who_passed_it_on(ledger: Ledger, database_url: str) -> None:
    with ledger.read() as connection:
        number = one(
            connection,
            "SELECT t.number FROM tickets t JOIN ticket_mentions l ON l.ticket_id = t.id JOIN mentions m ON m.id = l.mention_id "
            "WHERE m.native_id = 'a1'",
        )
        passed = one(
            connection,
            "SELECT min(t.number) FROM tickets t JOIN entries e ON e.ticket_id = t.id WHERE e.kind = 'repost'",
        )
    ids = web.people(database_url)
    with web.serve(web.make_app(database_url)) as address, web.enter(ledger, address, ids["agent"]) as client:
        page = client.get(f"/tickets/{number}").text
        assert "Similar tickets" in page
        assert "help help me please" in page
        assert "Passed on 1 time, lately by" in client.get(f"/tickets/{passed}").text
