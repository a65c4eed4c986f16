"""Events told by signed webhooks: once per event and subscription, in order per ticket, tried again, dead letters, replayed; guarded like all."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from config import load_document
from connectors.contract import Context
from connectors.errors import ConnectorError
from connectors.outbound import webhook
from domain.nouns import Notice
from storage import casework, dead_effects, targets
from storage.casework import Change, Hand
from storage.ledger import Ledger, rows
from storage.reconcile import reconcile
from tests import delivering, ledgers, web
from tests.delivering import go, hurry
from town.senders import signed
from town.server import Town
from workers.bootstrap import target_rows
from workers.work import bench, work

HAND = Hand("Ada", "command")
HERE = {"teams": [{"name": "cards"}, {"name": "loans"}], "topics": [{"name": "northbank", "query": "northbank"}]}


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with Town(seed=11) as town:
        yield town


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    found = Ledger(database_url, pool=8)
    ledgers.add_channel(found, "x-one")
    yield found
    with found.begin() as connection:
        report = reconcile(connection)
    found.close()
    assert report.good, report.findings


def hook(town: Town, **more: Any) -> dict[str, Any]:
    return {"name": "crm", "url": town.urls["listener"] + "/events/crm", "secret_env": "LISTENER", **more}


@pytest.fixture
def desk(town: Town, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setitem(delivering.SECRETS, "LISTENER", town.accounts["listener"]["secret"])
    town.faults.clear()
    listener = town.stands["listener"]
    listener.taken.clear()
    listener.refused.clear()
    settings = {"url": town.urls["listener"] + "/events/crm", "secret_env": "LISTENER"}
    return delivering.desk("webhook", settings)


def settle(ledger: Ledger, *hooks: dict[str, Any]) -> set[str]:
    """Work events off under these subscriptions; returns who is owed something."""
    current = load_document({**HERE, "events": list(hooks), "settings": {"console_url": "http://console.invalid"}})
    ledger.run(lambda c: targets.sync_targets(c, target_rows(current)))
    return work(ledger, bench(current), "tester").targets


def ticket(ledger: Ledger, id_: str, who: int) -> int:
    ledgers.store(ledger, "x-one", [ledgers.post("x", id_, f"help with {id_}", ledgers.person(who))])
    ledgers.drain(ledger)
    with ledger.begin() as connection:
        sql = "SELECT t.number FROM mentions m JOIN ticket_mentions l ON l.mention_id = m.id JOIN tickets t ON t.id = l.ticket_id WHERE m.native_id = :id"
        return int(rows(connection, sql, id=id_)[0]["number"])


def test_each_event_is_told_once_in_order_with_ids_and_no_words(ledger: Ledger, town: Town, desk: Any) -> None:
    number = ticket(ledger, "secret-words", 1)
    ledger.run(lambda c: casework.note(c, HAND, number, "a note nobody outside reads"))
    ledger.run(lambda c: casework.change(c, HAND, number, Change(status="pending")))
    assert settle(ledger, hook(town)) == {"crm"}
    assert settle(ledger, hook(town)) == set()  # worked off: nothing is owed twice
    town.faults.add("listener", "error_after", nth=[1])
    go(ledger, "crm", desk)
    time.sleep(1.1)  # a retry is signed anew, in a second of its own
    hurry(ledger, "crm")
    go(ledger, "crm", desk)
    taken = town.stands["listener"].taken
    kinds = [event["type"] for event in taken]
    assert kinds[0] == "ticket.created"
    assert {"ticket.created", "ticket.mention", "ticket.note", "ticket.status"} <= set(kinds)
    assert len(kinds) == len({event["id"] for event in taken})
    assert [e["sequence"] for e in taken] == sorted(e["sequence"] for e in taken)
    said = json.dumps(taken)
    assert "nobody outside" not in said
    assert "help with" not in said
    assert taken[-1]["data"]["ticket"] == number
    assert taken[-1]["data"]["url"] == f"http://console.invalid/tickets/{number}"
    assert datetime.fromisoformat(taken[0]["timestamp"]) <= datetime.now(UTC)


def test_a_subscription_hears_what_it_asked_for(ledger: Ledger, town: Town, desk: Any) -> None:
    number = ticket(ledger, "chosen", 2)
    ledger.run(lambda c: casework.note(c, HAND, number, "x"))
    with ledger.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO escalations (rule, series, window_start, severity, run_id) VALUES ('spike', 'northbank/negative', now(), 7, 1)"
            )
        )
    settle(
        ledger,
        hook(town, name="crm", kinds=["flag.*"], topics=["northbank"]),
        hook(town, name="other", kinds=["ticket.note"]),
        hook(town, name="elsewhere", kinds=["ticket.*"], teams=["loans"]),
    )
    go(ledger, "crm", desk)
    [told] = town.stands["listener"].taken
    assert (told["type"], told["data"]["topic"], told["data"]["severity"]) == ("flag.opened", "northbank", 7)
    with ledger.begin() as connection:
        owed = rows(
            connection,
            "SELECT target, CAST(notice AS json) ->> 'type' AS type FROM outbox WHERE kind = 'event' AND target <> 'crm'",
        )
    assert [(row["target"], row["type"]) for row in owed] == [("other", "ticket.note")]


def test_what_is_refused_for_good_is_a_dead_letter_and_is_told_after_a_retry(
    ledger: Ledger, town: Town, desk: Any
) -> None:
    number = ticket(ledger, "refused", 3)
    settle(ledger, hook(town, kinds=["ticket.created"]))
    town.options["closed"] = True
    go(ledger, "crm", desk)
    town.options["closed"] = False
    with ledger.begin() as connection:
        state = rows(connection, "SELECT blocked FROM targets WHERE name = 'crm'")[0]["blocked"]
    assert "410" in state  # the receiver asked to stop: nothing is dropped, a person looks
    ledger.run(lambda c: targets.resume(c, "crm"))
    go(ledger, "crm", desk)
    assert [event["data"]["ticket"] for event in town.stands["listener"].taken] == [number]


def test_a_replay_is_the_same_event_under_the_same_id(ledger: Ledger, town: Town, desk: Any, database_url: str) -> None:
    ticket(ledger, "again", 4)
    settle(ledger, hook(town, kinds=["ticket.created"]))
    go(ledger, "crm", desk)
    with ledger.begin() as connection:
        [row] = rows(
            connection,
            "SELECT id, key, request FROM outbox WHERE target = 'crm' AND state = 'done' ORDER BY id DESC LIMIT 1",
        )
        [other] = rows(connection, "SELECT id FROM outbox WHERE target = 'other' LIMIT 1")
    ids = web.people(database_url)
    with web.serve(web.make_app(database_url)) as address, web.enter(ledger, address, ids["lead"]) as lead:
        time.sleep(1.1)  # a new second: the same one would be a replay attack to the letter
        answer = lead.post(f"/api/v1/deliveries/{row['id']}/replay")
        assert (answer.status_code, answer.json()) == (202, {"id": row["id"], "state": "retry"})
        assert lead.post(f"/api/v1/deliveries/{other['id']}/replay").status_code == 409  # still on its way
        assert lead.post("/api/v1/deliveries/987654/replay").status_code == 404
    go(ledger, "crm", desk)
    listener = town.stands["listener"]
    assert len(listener.seen[row["key"]]) == 2
    assert len([event for event in listener.taken if event["id"] == row["key"]]) == 1
    assert listener.refused == []
    with pytest.raises(dead_effects.CannotReplay):
        ledger.run(lambda c: dead_effects.replay(c, other["id"], "command"))


def test_the_receiver_refuses_forgeries_and_replays(town: Town) -> None:
    url, secret = town.urls["listener"] + "/events/crm", town.accounts["listener"]["secret"]
    body = json.dumps({"type": "ticket.created", "timestamp": "2026-01-01T00:00:00Z", "data": {}}).encode()
    now = int(time.time())
    good = signed("generic", secret, body, at=now, ident="msg-1")
    assert httpx2.post(url, content=body, headers=good).status_code == 204
    assert httpx2.post(url, content=body, headers=good).status_code == 409
    assert (
        httpx2.post(url, content=body, headers=signed("generic", secret, body, at=now - 1, ident="msg-1")).status_code
        == 200
    )
    for wrong in (
        signed("generic", secret, body + b" ", at=now, ident="msg-2"),
        signed("generic", secret, body, at=now - 400, ident="msg-2"),
        signed("generic", "whsec_" + "A" * 44, body, at=now, ident="msg-2"),
        {},
    ):
        assert httpx2.post(url, content=body, headers=wrong).status_code == 401


def test_a_private_address_is_refused_unless_it_is_allowed_by_name(town: Town) -> None:
    context = Context(now=delivering.now, secret=lambda name: town.accounts["listener"]["secret"])
    for url in (
        town.urls["listener"] + "/events/crm",
        "http://169.254.169.254/latest",
        "http://[::ffff:127.0.0.1]/",
        "http://2130706433/",
    ):
        made = webhook.Desk(webhook.Settings(url=url, secret_env="LISTENER"), context)
        notice = Notice("event", "em-ev1-crm", {"type": "ticket.created", "timestamp": "x", "data": {}})
        with pytest.raises(ConnectorError):
            made.deliver(notice, made.render(notice, None), None)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kinds": ["mail.sent"]}, "no kind of event"),
        ({"kinds": ["ticket"]}, "no kind of event"),
        ({"url": "ftp://example.org"}, "url"),
        ({"teams": ["nobody"]}, "nobody"),
    ],
)
def test_a_slip_in_a_subscription_is_named(town: Town, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(Exception, match=said):
        load_document({**HERE, "events": [hook(town, **wrong)]})
