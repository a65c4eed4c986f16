"""What people do with tickets, on a real ledger made by the real steps; after each, `reconcile` finds nothing."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from storage import casework, gathering, skips, turns, users
from storage.casework import Change, Hand, Refused
from storage.ledger import Ledger, rows
from storage.reconcile import reconcile
from storage.users import User
from tests import ledgers

HAND = Hand("Ada", "command")
PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    found = Ledger(database_url, pool=24)
    ledgers.add_channel(found, "x-one")
    ledgers.targets(found)
    yield found
    with found.begin() as connection:
        report = reconcile(connection)
    found.close()
    assert report.good, report.findings


@pytest.fixture(scope="module")
def agents(ledger: Ledger) -> list[User]:
    def work(connection: Any) -> list[User]:
        for n in range(4):
            users.add(connection, f"agent{n}@example.org", PASSWORD, "agent", f"Agent {n}")
        return [user for user in users.everybody(connection) if user.role == "agent"]

    return ledger.run(work)


def tickets(ledger: Ledger, *posts: tuple[str, int, str]) -> list[int]:
    """Store and file posts (id, author, conversation); the numbers of their tickets, in order."""
    ledgers.store(ledger, "x-one", [
        ledgers.post("x", id_, f"help with {id_}", ledgers.person(who), context=conversation) for id_, who, conversation in posts
    ])  # fmt: skip
    ledgers.drain(ledger)
    with ledger.begin() as connection:
        found = rows(
            connection,
            "SELECT m.native_id, t.number FROM mentions m JOIN ticket_mentions l ON l.mention_id = m.id JOIN tickets t "
            "ON t.id = l.ticket_id WHERE m.native_id = ANY(:ids)",
            ids=[post[0] for post in posts],
        )
    numbers = {row["native_id"]: row["number"] for row in found}
    return [numbers[post[0]] for post in posts]


def ask(ledger: Ledger, sql: str, **values: Any) -> list[Any]:
    with ledger.begin() as connection:
        return [dict(row) for row in rows(connection, sql, **values)]


def whole(ledger: Ledger, number: int) -> dict[str, Any]:
    """All rows of a ticket, but what a later act on it always moves."""
    ticket = ask(ledger, "SELECT * FROM tickets WHERE number = :n", n=number)[0]
    later = ("version", "updated_at", "sla_at")
    return {
        "ticket": {name: value for name, value in ticket.items() if name not in later},
        "mentions": ask(ledger, "SELECT mention_id FROM ticket_mentions WHERE ticket_id = :id ORDER BY 1", id=ticket["id"]),
        "conversations": ask(ledger, "SELECT * FROM ticket_conversations WHERE ticket_id = :id ORDER BY conversation", id=ticket["id"]),
        "entries": ask(ledger, "SELECT id, kind, mention_id, body FROM entries WHERE ticket_id = :id AND kind NOT IN ('merge', 'split') ORDER BY id", id=ticket["id"]),
    }  # fmt: skip


def test_a_ticket_keeps_to_the_moves(ledger: Ledger) -> None:
    [number] = tickets(ledger, ("m1", 1, "moves"))
    assert ledger.run(lambda c: casework.change(c, HAND, number, Change(status="pending", why="asked for the number")))
    with pytest.raises(Refused, match="cannot become new"):
        ledger.run(lambda c: casework.change(c, HAND, number, Change(status="new")))
    ledger.run(lambda c: casework.change(c, HAND, number, Change(status="closed")))
    with pytest.raises(Refused, match="it can become open"):
        ledger.run(lambda c: casework.change(c, HAND, number, Change(status="hold")))
    entry = ask(ledger, "SELECT detail, body FROM entries WHERE detail -> 'status' = '[\"new\", \"pending\"]'")[0]
    assert "asked for the number" in entry["body"]


def test_a_muted_ticket_holds_its_conversation_and_is_in_no_list_of_work(ledger: Ledger) -> None:
    [number] = tickets(ledger, ("mu1", 21, "muted"))
    ledger.run(lambda c: casework.change(c, HAND, number, Change(status="muted")))
    assert tickets(ledger, ("mu2", 21, "muted")) == [number]
    assert ask(ledger, "SELECT status FROM tickets WHERE number = :n", n=number) == [{"status": "muted"}]


def test_twenty_at_once_get_ten_tickets_once_each(ledger: Ledger, agents: list[User]) -> None:
    ask(
        ledger,
        "UPDATE tickets SET assignee_id = NULL, claimed_by = NULL, snoozed_until = now() + interval '1 day' RETURNING 1",
    )
    wanted = set(tickets(ledger, *[(f"n{n}", 30 + n, f"next {n}") for n in range(10)]))
    crowd = [User(user.id + 1000 * n, user.email, user.name, "agent") for n in range(5) for user in agents]

    with ThreadPoolExecutor(20) as pool:
        got = list(pool.map(lambda user: ledger.run(lambda c: turns.take_next(c, user)), crowd))
    given = [number for number in got if number]
    assert len(given) == 10
    assert set(given) == wanted, "each ticket to one person"
    owners = ask(ledger, "SELECT number, assignee_id, claimed_by, status FROM tickets WHERE number = ANY(:n)", n=given)
    assert all(row["assignee_id"] == row["claimed_by"] and row["status"] == "open" for row in owners)
    again = {user.id: ledger.run(lambda c, user=user: turns.take_next(c, user)) for user in crowd}
    assert again == {user.id: number for user, number in zip(crowd, got, strict=True)}, "who has one keeps it"
    ask(
        ledger,
        "UPDATE tickets SET assignee_id = NULL, claimed_by = NULL, claimed_until = NULL, hand_back_at = NULL RETURNING 1",
    )


def test_a_skip_needs_a_reason_and_is_not_offered_again(ledger: Ledger, agents: list[User]) -> None:
    ask(ledger, "UPDATE tickets SET snoozed_until = now() + interval '1 day' RETURNING 1")
    numbers = tickets(ledger, ("s1", 50, "skip 1"), ("s2", 51, "skip 2"))
    first = ledger.run(lambda c: turns.take_next(c, agents[0]))
    assert first in numbers
    with pytest.raises(Refused):
        ledger.run(lambda c: turns.skip(c, agents[0], first, "  "))
    ledger.run(lambda c: turns.skip(c, agents[0], first, "needs a lawyer"))
    assert ledger.run(lambda c: turns.take_next(c, agents[0])) == (set(numbers) - {first}).pop()
    assert ledger.run(lambda c: turns.take_next(c, agents[1])) == first, "somebody else gets it"
    assert ledger.run(skips.by_rule)[0]["reason"] == "needs a lawyer"


def test_snooze_hides_until_its_time_and_clears(ledger: Ledger) -> None:
    [number] = tickets(ledger, ("z1", 60, "snooze"))
    with pytest.raises(Refused):
        ledger.run(lambda c: turns.snooze(c, HAND, number, datetime(2020, 1, 1, tzinfo=UTC)))
    ledger.run(lambda c: turns.snooze(c, HAND, number, datetime.now(UTC) + timedelta(days=1)))
    from storage.views import Filter
    from storage.views import tickets as listed

    def shown(view: str) -> set[int]:
        with ledger.begin() as connection:
            return {row.number for row in listed(connection, Filter(view=view, q=f"#{number}")).tickets}

    assert (number in shown("open"), number in shown("snoozed")) == (False, True)
    ask(
        ledger, "UPDATE tickets SET snoozed_until = now() - interval '1 second' WHERE number = :n RETURNING 1", n=number
    )
    assert ledger.run(turns.wake) == 1
    assert (number in shown("open"), number in shown("snoozed")) == (True, False)


def test_bulk_counts_what_it_did_and_what_refused(ledger: Ledger) -> None:
    numbers = tickets(ledger, ("b1", 70, "bulk 1"), ("b2", 71, "bulk 2"), ("b3", 72, "bulk 3"))
    ledger.run(lambda c: casework.change(c, HAND, numbers[0], Change(status="closed")))
    ledger.run(lambda c: casework.change(c, HAND, numbers[1], Change(priority="high")))
    done = ledger.run(
        lambda c: turns.bulk(
            c, HAND, [*numbers, 999_999_999], Change(status="pending", priority="high"), tags=["Storm"]
        )
    )
    assert done.counts() == {"changed": 2, "same": 0, "refused": 2}
    assert "cannot become pending" in done.refused[numbers[0]]
    assert 999_999_999 in done.refused
    assert ask(ledger, "SELECT tags, priority FROM tickets WHERE number = :n", n=numbers[0]) == [
        {"tags": [], "priority": "normal"}
    ]
    assert ask(ledger, "SELECT tags FROM tickets WHERE number = :n", n=numbers[1]) == [{"tags": ["storm"]}]


def test_a_merge_is_taken_back_row_by_row_and_what_came_since_goes_home(ledger: Ledger) -> None:
    one, two = tickets(ledger, ("g1", 80, "merge a"), ("g2", 80, "merge b"))
    before = whole(ledger, one)
    ledger.run(lambda c: gathering.merge(c, HAND, one, two))
    with pytest.raises(Refused, match="merged already"):
        ledger.run(lambda c: gathering.merge(c, HAND, two, one))
    assert tickets(ledger, ("g3", 80, "merge a")) == [two], "the conversation goes on in the other"
    with ledger.begin() as connection:
        assert reconcile(connection).good
    assert ledger.run(lambda c: gathering.unmerge(c, HAND, one)) == 1
    after = whole(ledger, one)
    late = [row["mention_id"] for row in after["mentions"] if row not in before["mentions"]]
    assert len(late) == 1
    after["mentions"] = [row for row in after["mentions"] if row["mention_id"] not in late]
    after["entries"] = [row for row in after["entries"] if row["mention_id"] not in late]
    assert after == before | {"ticket": after["ticket"]}
    changed = {name for name in before["ticket"] if before["ticket"][name] != after["ticket"][name]}
    assert changed <= {"first_at"}, changed  # it was finished once: an answer is not taken back
    assert tickets(ledger, ("g4", 80, "merge a"), ("g5", 80, "merge b")) == [one, two]


def test_two_customers_tickets_do_not_merge(ledger: Ledger) -> None:
    one, two = tickets(ledger, ("h1", 90, "not a"), ("h2", 91, "not b"))
    with pytest.raises(Refused, match="two customers"):
        ledger.run(lambda c: gathering.merge(c, HAND, one, two))
    assert ledger.run(lambda c: gathering.link(c, HAND, one, two, "duplicates"))
    assert not ledger.run(lambda c: gathering.link(c, HAND, one, two, "duplicates"))


def test_a_split_moves_posts_with_their_entries_and_comes_back(ledger: Ledger) -> None:
    [number, *_] = tickets(ledger, ("p1", 100, "split"), ("p2", 100, "split"), ("p3", 100, "split"))
    before = whole(ledger, number)
    mention = before["mentions"][-1]["mention_id"]
    with pytest.raises(Refused, match="at least one"):
        ledger.run(lambda c: gathering.split(c, HAND, number, [m["mention_id"] for m in before["mentions"]]))
    new = ledger.run(lambda c: gathering.split(c, HAND, number, [mention], "Another matter"))
    assert whole(ledger, new)["mentions"] == [{"mention_id": mention}]
    assert whole(ledger, new)["ticket"]["subject"] == "Another matter"
    assert tickets(ledger, ("p4", 100, "split")) == [number], "the conversation goes on where it was"
    with ledger.begin() as connection:
        assert reconcile(connection).good
    ledger.run(lambda c: casework.change(c, HAND, new, Change(status="resolved")))
    ledger.run(lambda c: casework.change(c, HAND, new, Change(status="open")))
    assert ledger.run(lambda c: gathering.unsplit(c, HAND, new)) == number
    after = whole(ledger, number)
    assert [row for row in after["mentions"] if row in before["mentions"]] == before["mentions"]
    assert [row for row in after["entries"] if row in before["entries"]] == before["entries"], "ids and all"
    assert after["conversations"] == before["conversations"]


def test_children_are_finished_with_their_parent(ledger: Ledger) -> None:
    parent, a, b = tickets(ledger, ("c0", 110, "fam 0"), ("c1", 111, "fam 1"), ("c2", 112, "fam 2"))
    assert ledger.run(lambda c: gathering.adopt(c, HAND, parent, [a, b])) == 2
    with pytest.raises(Refused, match="two generations"):
        ledger.run(lambda c: gathering.adopt(c, HAND, a, [parent]))
    ledger.run(lambda c: casework.change(c, HAND, b, Change(status="closed")))
    ledger.run(lambda c: casework.change(c, HAND, parent, Change(status="resolved")))
    found = ask(ledger, "SELECT number, status FROM tickets WHERE number = ANY(:n) ORDER BY number", n=[a, b])
    assert found == [{"number": a, "status": "resolved"}, {"number": b, "status": "closed"}]


def test_fields_are_typed_and_some_must_be_filled(ledger: Ledger) -> None:
    document = (
        '{"fields": [{"name": "order", "type": "text", "required": true}, {"name": "amount", "type": "number"}, '
        '{"name": "kind", "type": "choice", "choices": ["refund", "repair"]}]}'
    )
    ledger.run(
        lambda c: c.execute(
            text("INSERT INTO configurations (hash, document) VALUES ('f', CAST(:d AS jsonb))"), {"d": document}
        )
    )
    try:
        [number] = tickets(ledger, ("f1", 120, "fields"))
        with pytest.raises(Refused, match="order"):
            ledger.run(lambda c: casework.change(c, HAND, number, Change(status="resolved")))
        with pytest.raises(Refused, match="one of refund, repair"):
            ledger.run(lambda c: casework.fill(c, HAND, number, {"kind": "gift"}))
        with pytest.raises(Refused, match="a number"):
            ledger.run(lambda c: casework.fill(c, HAND, number, {"amount": "nan"}))
        assert ledger.run(
            lambda c: casework.fill(c, HAND, number, {"order": "A-1", "amount": "12.5", "kind": "refund"})
        )
        assert ask(ledger, "SELECT fields FROM tickets WHERE number = :n", n=number) == [
            {"fields": {"order": "A-1", "amount": 12.5, "kind": "refund"}}
        ]
        assert ledger.run(lambda c: casework.change(c, HAND, number, Change(status="resolved")))
    finally:
        ledger.run(lambda c: c.execute(text("DELETE FROM configurations WHERE hash = 'f'")))


def test_a_hand_off_carries_its_note(ledger: Ledger, agents: list[User]) -> None:
    [number] = tickets(ledger, ("o1", 130, "handoff"))
    with pytest.raises(Refused):
        ledger.run(lambda c: casework.hand_off(c, agents[0], number, "", assignee=agents[1].id))
    ledger.run(
        lambda c: casework.hand_off(c, agents[0], number, "They want the money on Friday.", assignee=agents[1].id)
    )
    found = ask(ledger, "SELECT e.kind, e.body, t.assignee_id FROM tickets t JOIN entries e ON e.ticket_id = t.id WHERE number = :n ORDER BY e.at DESC, e.id DESC LIMIT 1", n=number)  # fmt: skip
    assert found == [{"kind": "handoff", "body": "They want the money on Friday.", "assignee_id": agents[1].id}]
    assert ask(ledger, "SELECT count(*) AS n FROM outbox o JOIN tickets t ON t.id = o.ticket_id WHERE t.number = :n AND o.notice LIKE '%Friday%'", n=number) == [{"n": 2}]  # fmt: skip
