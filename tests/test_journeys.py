"""Journeys over several channels, through the real ingest, digest and work steps: one record, one conversation, nothing asked twice."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from config import load_document
from domain.identity import normal
from storage import casework, interactions, lookup, merges, promises, roll
from storage.casework import Change, Hand
from storage.ledger import Ledger, rows
from storage.reconcile import reconcile
from tests import ledgers
from tests.test_tickets_events import DOCUMENT
from workers import digest
from workers.work import bench, work

HAND = Hand("Ada", "command")
CALLS = "desk-phone"


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    made = Ledger(database_url, pool=4)
    ledgers.add_channel(made, "x-one", "shop-one")
    ledgers.targets(made)
    lines = ["customer_number,name,email,phone,x_handle,shop_handle\n"]
    for n, name in (
        (41, "Ann Tweeter"),
        (42, "Ben Reviewer"),
        (43, "Cleo Chatter"),
        (44, "Sam Smith"),
        (45, "Sam Smith"),
    ):
        lines.append(f"C-{n},{name},c{n}@example.org,+49151000000{n},user{n},user{n}\n")
    made.run(lambda c: roll.bring(c, ledgers.SECRET, roll.read(lines)))
    yield made
    with made.begin() as connection:
        report = reconcile(connection)
    made.close()
    assert report.good, report.findings


def ask(ledger: Ledger, sql: str, **values: Any) -> list[dict[str, Any]]:
    with ledger.begin() as connection:
        return [dict(row) for row in rows(connection, sql, **values)]


def says(ledger: Ledger, channel: str, id_: str, who: int, **more: Any) -> int:
    """Somebody posts; the number of the ticket it is on."""
    post = ledgers.post(channel.split("-")[0], id_, f"help with {id_}", ledgers.person(who), **more)
    ledgers.store(ledger, channel, [post])
    desktop = replace(ledgers.desktop(), linkable=frozenset({"x", "shop"}))
    digest.drain(ledger, desktop, "tester", lambda: False)
    settle(ledger)
    sql = "SELECT t.number FROM ticket_mentions l JOIN mentions m ON m.id = l.mention_id JOIN tickets t ON t.id = l.ticket_id WHERE m.native_id = :id"
    return int(ask(ledger, sql, id=id_)[0]["number"])


def contacts(ledger: Ledger, kind: str, ident: str, **said: Any) -> int | None:
    """Another system tells of a contact, as the API takes it; then it is worked off. Returns whose it is."""
    now = datetime.now(UTC)
    raw: Mapping[str, Any] = {"external_id": ident, "kind": kind, "happened_at": now.isoformat(), **said}
    [kept] = ledger.run(lambda c: interactions.record(c, ledgers.SECRET, CALLS, [interactions.touch(raw, now, "DE")]))
    settle(ledger)
    return kept.customer


def settle(ledger: Ledger) -> None:
    work(ledger, bench(load_document(DOCUMENT)), "tester")


def popped(ledger: Ledger, **by: str) -> lookup.Found:
    """The screen before the call is picked up."""
    [(kind, value)] = by.items()
    with ledger.begin() as connection:
        [customer] = lookup.by_identity(connection, normal(kind, value, region="DE"))
        found = lookup.show(connection, customer, datetime.now(UTC))
    assert found is not None
    return found


def touched(ledger: Ledger, number: int) -> list[str]:
    sql = "SELECT e.body FROM entries e JOIN tickets t ON t.id = e.ticket_id WHERE t.number = :n AND e.kind = 'contact' ORDER BY e.id"
    return [row["body"] for row in ask(ledger, sql, n=number)]


def test_a_tweet_then_a_call_the_next_day(ledger: Ledger) -> None:
    number = says(ledger, "x-one", "tweet-1", 41)
    ask(
        ledger, "UPDATE mentions SET first_seen = first_seen - interval '1 day' WHERE native_id = 'tweet-1' RETURNING 1"
    )
    seen = popped(ledger, phone="+4915100000041")
    assert seen.customer["name"] == "Ann Tweeter"
    assert [(m["text"], m["ticket"]) for m in seen.mentions] == [("help with tweet-1", number)]
    assert [t["number"] for t in seen.tickets] == [number]
    caller = contacts(ledger, "call", "call-1", phone="0151 00000041", subject="about my card")
    assert caller == seen.customer["id"]
    assert touched(ledger, number) == ["call “about my card”"]
    assert [t["number"] for t in popped(ledger, phone="+4915100000041").tickets] == [number]


def test_a_review_then_an_e_mail_then_a_bot_chat_are_one_ticket(ledger: Ledger) -> None:
    number = says(ledger, "shop-one", "review-1", 42)
    first = contacts(
        ledger, "email", "mail-1", email="C42@example.org", subject="Order 7 is broken", body="It came broken."
    )
    transcript = [
        {"from": "bot", "text": "What is it about?"},
        {"from": "customer", "text": "I have told you: order 7, it came broken"},
        {"from": "bot", "text": "I see your review and your e-mail about order 7. A colleague takes over."},
    ]
    second = contacts(ledger, "bot_chat", "chat-1", email="c42@example.org", transcript=transcript)
    assert first == second
    assert touched(ledger, number) == ["email “Order 7 is broken”", "bot chat"]
    mine = ask(ledger, "SELECT number FROM tickets WHERE customer_id = :c", c=first)
    assert mine == [{"number": number}]
    seen = popped(ledger, email="c42@example.org")  # what whoever takes over sees: nothing has to be asked again
    assert [m["text"] for m in seen.mentions] == ["help with review-1"]
    said = " ".join(touch["text"] for touch in seen.interactions)
    assert "It came broken." in said
    assert "I have told you: order 7" in said
    assert (
        contacts(ledger, "bot_chat", "chat-1", email="c42@example.org", transcript=transcript) is None
    )  # told again: known
    assert len(touched(ledger, number)) == 2


def test_a_refund_promised_on_chat_and_an_angry_post_a_week_later(ledger: Ledger) -> None:
    number = says(ledger, "x-one", "tweet-3", 43)
    customer = contacts(ledger, "chat", "chat-3", email="c43@example.org", subject="refund")
    due = datetime.now(UTC) + timedelta(days=3)
    ledger.run(lambda c: promises.make(c, HAND, number, "Refund of 12 euros by Friday", due))
    assert [p["what"] for p in popped(ledger, email="c43@example.org").promises] == ["Refund of 12 euros by Friday"]
    ledger.run(lambda c: casework.change(c, HAND, number, Change(status="resolved")))
    ask(ledger, "UPDATE promises SET due = now() - interval '4 days' RETURNING 1")  # a week goes by
    ask(ledger, "UPDATE tickets SET resolved_at = now() - interval '8 days' WHERE number = :n RETURNING 1", n=number)
    ledger.run(promises.passed)
    later = says(ledger, "x-one", "tweet-4", 43)
    row = ask(ledger, "SELECT customer_id, priority FROM tickets WHERE number = :n", n=later)[0]
    assert row == {"customer_id": customer, "priority": "high"}
    told = ask(
        ledger,
        "SELECT e.body FROM entries e JOIN tickets t ON t.id = e.ticket_id WHERE t.number = :n AND e.detail ? 'reminded'",
        n=later,
    )
    assert ["Refund of 12 euros" in line["body"] for line in told] == [True]
    [shown] = popped(ledger, phone="+4915100000043").promises
    assert (shown["what"], shown["passed"]) == ("Refund of 12 euros by Friday", True)


def test_two_people_merged_by_mistake_and_un_merged(ledger: Ledger) -> None:
    mine, theirs = says(ledger, "x-one", "sam-a", 44), says(ledger, "x-one", "sam-b", 45)
    one_, other = (popped(ledger, email=f"c{n}@example.org").customer["id"] for n in (44, 45))
    before = whole(ledger, one_, other)
    merge = ledger.run(lambda c: merges.merge(c, one_, other, "user:1"))
    assert {t["number"] for t in popped(ledger, phone="+4915100000045").tickets} == {mine, theirs}
    contacts(ledger, "call", "call-sam-b", phone="+4915100000045", subject="from the second Sam")
    new = says(ledger, "x-one", "sam-b-2", 45, context="sam-b-2")
    ledger.run(lambda c: merges.unmerge(c, merge, "user:1"))
    after = whole(ledger, one_, other)
    assert after["identities"] == before["identities"]
    assert after["customers"] == before["customers"]
    first, second = popped(ledger, email="c44@example.org"), popped(ledger, email="c45@example.org")
    assert {t["number"] for t in first.tickets} == {mine}
    assert theirs in {t["number"] for t in second.tickets}
    assert [m["text"] for m in first.mentions] == ["help with sam-a"]
    assert sorted(m["text"] for m in second.mentions) == [
        "help with sam-b",
        "help with sam-b-2",
    ]  # what came since is with who wrote it
    assert [touch["subject"] for touch in second.interactions] == ["from the second Sam"]
    assert first.interactions == []
    assert ask(ledger, "SELECT customer_id FROM tickets WHERE number = :n", n=new)[0]["customer_id"] == other


def whole(ledger: Ledger, *customers: int) -> dict[str, Any]:
    """Who holds what, row by row."""
    ids = list(customers)
    return {
        "identities": ask(
            ledger,
            "SELECT identity_id, customer_id FROM customer_identities WHERE customer_id = ANY(:c) ORDER BY 1",
            c=ids,
        ),
        "customers": ask(ledger, "SELECT * FROM customers WHERE id = ANY(:c) ORDER BY id", c=ids),
    }
