"""What happened leads to what follows: clocks, routing, promises, automations, surveys; each once, with receipts, and no loop."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from config.load import load_document
from domain.automations import Automation, Event, would
from storage import (
    automations,
    casework,
    contacts,
    dead,
    events,
    promises,
    routing,
    surveys,
    together,
    turns,
    users,
)
from storage.casework import Change, Hand, Refused
from storage.ledger import Ledger, rows
from storage.reconcile import reconcile
from storage.surveys import Ask
from storage.users import User
from tests import ledgers
from workers import upkeep
from workers.work import Bench, bench, work

HAND = Hand("Ada", "command")
DOCUMENT: dict[str, Any] = {
    "teams": [{"name": "care"}, {"name": "german"}],
    "service_levels": [{"priority": "normal", "first": 60, "resolve": 600}],
}


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    found = Ledger(database_url, pool=24)
    ledgers.add_channel(found, "x-one")
    ledgers.targets(found)
    document = json.dumps(DOCUMENT)
    found.run(
        lambda c: c.execute(
            text("INSERT INTO configurations (hash, document) VALUES ('t', CAST(:d AS jsonb))"), {"d": document}
        )
    )
    yield found
    with found.begin() as connection:
        report = reconcile(connection)
    found.close()
    assert report.good, report.findings


@pytest.fixture(scope="module")
def people(ledger: Ledger) -> list[User]:
    def make(connection: Any) -> list[User]:
        for n in range(3):
            users.add(connection, f"agent{n}@example.org", "correct horse battery staple", "agent", f"Agent {n}")
        return [user for user in users.everybody(connection) if user.role == "agent"]

    return ledger.run(make)


def configured(**more: Any) -> Bench:
    return bench(load_document({**DOCUMENT, **more}))


def ask(ledger: Ledger, sql: str, **values: Any) -> list[Any]:
    with ledger.begin() as connection:
        return [dict(row) for row in rows(connection, sql, **values)]


def tickets(ledger: Ledger, *posts: tuple[str, int]) -> list[int]:
    """File posts (id, author), each its own conversation; their tickets' numbers."""
    ledgers.store(
        ledger, "x-one", [ledgers.post("x", id_, f"help with {id_}", ledgers.person(who)) for id_, who in posts]
    )
    ledgers.drain(ledger)
    found = ask(
        ledger,
        "SELECT m.native_id, t.number FROM mentions m JOIN ticket_mentions l ON l.mention_id = m.id JOIN tickets t ON t.id = l.ticket_id",
    )
    numbers = {row["native_id"]: row["number"] for row in found}
    return [numbers[id_] for id_, _ in posts]


def one(ledger: Ledger, number: int) -> dict[str, Any]:
    return ask(ledger, "SELECT * FROM tickets WHERE number = :n", n=number)[0]


def interact(ledger: Ledger, kind: str, customer: int | None, **more: Any) -> int:
    values = {"source": "test", "external_id": f"{kind}-{datetime.now(UTC).timestamp()}", "kind": kind, "customer_id": customer,
              "happened_at": datetime.now(UTC), "subject": "", "url": None, "data": "{}", "identity_id": None, **more}  # fmt: skip
    names = ", ".join(values)
    return ledger.run(
        lambda c: c.execute(
            text(f"INSERT INTO interactions ({names}) VALUES ({', '.join(':' + n for n in values)}) RETURNING id"),
            values,
        ).scalar_one()
    )


def settle(ledger: Ledger, made: Bench | None = None) -> Any:
    return work(ledger, made or configured(), "tester")


def test_every_entry_and_ticket_is_an_event_in_its_own_transaction(ledger: Ledger) -> None:
    [number] = tickets(ledger, ("e1", 1))
    id_ = one(ledger, number)["id"]
    happened = ask(
        ledger, "SELECT kind, done_at FROM events WHERE subject = 'ticket' AND subject_id = :id ORDER BY id", id=id_
    )
    assert {row["kind"] for row in happened} == {"ticket.created", "ticket.mention"}

    def spoiled(connection: Any) -> None:
        casework.note(connection, HAND, number, "a note that never was")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        ledger.run(spoiled)
    assert len(ask(ledger, "SELECT 1 FROM events WHERE subject_id = :id", id=id_)) == 2
    settle(ledger)
    assert not ask(ledger, "SELECT 1 FROM events WHERE done_at IS NULL")
    assert one(ledger, number)["sla_at"] is not None, "its clocks are set"


def test_workers_take_an_event_once_between_them(ledger: Ledger) -> None:
    rule = [{"name": "tag-all", "enabled": True, "on": ["ticket.created"], "then": [{"do": "log", "text": "seen"}]}]
    made = configured(automations=rule)
    numbers = tickets(ledger, *[(f"w{n}", 200 + n) for n in range(40)])
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: settle(ledger, made), range(4)))
    logged = ask(ledger, "SELECT ticket_id, count(*) AS n FROM entries WHERE kind = 'automation' GROUP BY 1")
    assert len(logged) == len(numbers)
    assert {row["n"] for row in logged} == {1}


def test_what_spoils_a_batch_is_given_up_alone_and_seen(ledger: Ledger) -> None:
    [number] = tickets(ledger, ("bad", 3))
    settle(ledger)
    made = configured()

    def broken(priority: str, team: str) -> Any:
        raise ArithmeticError("a level nobody can compute")

    casework_id = one(ledger, number)["id"]
    ledger.run(lambda c: casework.note(c, HAND, number, "spoils"))
    for _ in range(events.TRIES + 1):
        work(ledger, replace(made, levels=broken), "tester")
    kept = ask(
        ledger,
        "SELECT attempts, error, done_at FROM events WHERE subject_id = :id AND error IS NOT NULL",
        id=casework_id,
    )
    assert [row["attempts"] for row in kept] == [events.TRIES]
    assert "ArithmeticError" in kept[0]["error"]
    assert kept[0]["done_at"] is not None
    [letter] = [row for row in ledger.run(dead.everything) if row["kind"] == "event"]
    ledger.run(lambda c: dead.retry(c, dead.name(letter["name"]), "command"))
    assert settle(ledger).events == 1


def test_routing_by_language_skill_and_load_with_the_reason(ledger: Ledger, people: list[User]) -> None:
    for user, languages, capacity in zip(people, (["de"], ["en", "fr"], ["en"]), (5, 2, 5), strict=True):
        ledger.run(
            lambda c, u=user, s=languages, n=capacity: routing.set_agent(
                c, u, "command", languages=s, capacity=n, teams=["care"]
            )
        )
    made = configured(routing=[{"name": "by-language", "speaks": True, "method": "least_loaded"}])
    numbers = tickets(ledger, *[(f"r{n}", 300 + n) for n in range(8)])
    settle(ledger, made)
    owners = [one(ledger, number)["assignee_id"] for number in numbers]
    assert owners.count(people[0].id) == 0, "nobody who does not speak English"
    assert (owners.count(people[1].id), owners.count(people[2].id)) == (2, 5), "each to what they can take"
    assert owners.count(None) == 1
    said = ask(ledger, "SELECT e.body FROM entries e JOIN tickets t ON t.id = e.ticket_id WHERE t.number = ANY(:n) AND e.detail ? 'route'", n=numbers)  # fmt: skip
    assert sum("least to do" in row["body"] for row in said) == 7
    assert sum("full" in row["body"] for row in said) == 1


def test_what_lies_untouched_goes_to_the_next_who_has_not_had_it(ledger: Ledger, people: list[User]) -> None:
    ask(ledger, "UPDATE tickets SET assignee_id = NULL, hand_back_at = NULL RETURNING 1")
    for user in people[1:]:
        ledger.run(lambda c, u=user: routing.set_agent(c, u, "command", languages=["en"], capacity=5))
    made = configured(routing=[{"name": "turns", "speaks": True, "method": "round_robin"}])
    touched, idle = tickets(ledger, ("t1", 320), ("t2", 321))
    settle(ledger, made)
    first = {number: one(ledger, number)["assignee_id"] for number in (touched, idle)}
    assert set(first.values()) == {people[1].id, people[2].id}, "in turn"
    owner = next(user for user in people if user.id == first[touched])
    ledger.run(lambda c: casework.note(c, owner, touched, "I am on it."))
    ask(
        ledger,
        "UPDATE tickets SET hand_back_at = now() - interval '1 second' WHERE hand_back_at IS NOT NULL RETURNING 1",
    )
    ledger.run(lambda c: upkeep.hand_back(c, made, "tester"))
    assert one(ledger, touched)["assignee_id"] == owner.id
    second = one(ledger, idle)["assignee_id"]
    assert {first[idle], second} == {people[1].id, people[2].id}
    ask(
        ledger,
        "UPDATE tickets SET hand_back_at = now() - interval '1 second' WHERE hand_back_at IS NOT NULL RETURNING 1",
    )
    ledger.run(lambda c: upkeep.hand_back(c, made, "tester"))
    assert one(ledger, idle)["assignee_id"] is None, "whoever can has had it"


def test_a_promise_that_passes_raises_the_priority_and_is_shown_at_the_next_contact(ledger: Ledger) -> None:
    [number] = tickets(ledger, ("p1", 400))
    with pytest.raises(Refused):
        ledger.run(lambda c: promises.make(c, HAND, number, "a refund", datetime(2020, 1, 1, tzinfo=UTC)))
    id_ = ledger.run(
        lambda c: promises.make(c, HAND, number, "Refund of 12 euros", datetime.now(UTC) + timedelta(days=3))
    )
    ledger.run(lambda c: casework.change(c, HAND, number, Change(status="resolved")))
    ask(ledger, "UPDATE promises SET due = now() - interval '1 day' RETURNING 1")
    assert ledger.run(promises.passed) == 1
    assert ledger.run(promises.passed) == 0, "once"
    assert one(ledger, number)["priority"] == "normal", "what is done is not raised"
    [later] = tickets(ledger, ("p2", 400))  # the angry post a week later
    settle(ledger)
    assert one(ledger, later)["priority"] == "high"
    said = ask(
        ledger, "SELECT body FROM entries WHERE ticket_id = :id AND detail ? 'reminded'", id=one(ledger, later)["id"]
    )
    assert len(said) == 1
    assert "Refund of 12 euros" in said[0]["body"]
    customer = one(ledger, later)["customer_id"]
    owed = ledger.run(lambda c: together.ask(c, promises.of_customer(customer)))
    assert [(p.id, p.late, p.state) for p in owed] == [(id_, True, "open")]
    ledger.run(lambda c: promises.settle(c, HAND, id_, "kept"))
    assert ledger.run(lambda c: together.ask(c, promises.of_customer(customer))) == []
    with pytest.raises(Refused, match="settled already"):
        ledger.run(lambda c: promises.settle(c, HAND, id_, "broken"))


def test_a_call_joins_the_open_ticket_and_wakes_it(ledger: Ledger) -> None:
    [number] = tickets(ledger, ("c1", 410))
    ledger.run(lambda c: casework.change(c, HAND, number, Change(status="pending")))
    ledger.run(lambda c: turns.snooze(c, HAND, number, datetime.now(UTC) + timedelta(days=1)))
    ticket = one(ledger, number)
    call = interact(ledger, "call", ticket["customer_id"], subject="about my card")
    settle(ledger)
    after = one(ledger, number)
    assert (after["status"], after["snoozed_until"]) == ("open", None)
    found = ask(ledger, "SELECT body, detail FROM entries WHERE ticket_id = :id AND kind = 'contact'", id=ticket["id"])
    assert [(row["body"], row["detail"]["interaction"]) for row in found] == [("call “about my card”", call)]
    assert ledger.run(lambda c: contacts.join(c, [call])) == {}, "once"


def test_the_six_examples_do_what_they_say(ledger: Ledger) -> None:
    from pathlib import Path

    import config

    shipped = config.load(Path(__file__).parent.parent / "config")
    assert [one_.name for one_ in shipped.automations] == [
        "mail-opened", "call-ended", "form-filled", "ticket-created", "thirty-days-silent", "pricing-page",
    ]  # fmt: skip
    assert not any(one_.enabled for one_ in shipped.automations), "they ship off"
    on = [
        one_.model_copy(update={"enabled": True}).model_dump(mode="json", exclude_none=True)
        for one_ in shipped.automations
    ]
    made = configured(automations=on, alerts=[{"name": "chat", "kind": "stdout"}])
    first, second = tickets(ledger, ("x1", 420), ("x2", 420))
    customer = one(ledger, first)["customer_id"]
    interact(ledger, "email_opened", customer, subject="Your refund")
    interact(ledger, "call_ended", customer)
    interact(ledger, "form", None, data='{"name": "Jo Form", "email": "jo@example.org"}')
    interact(ledger, "page_visit", customer, url="https://shop.example/pricing?x=1")
    interact(ledger, "page_visit", customer, url="https://shop.example/help")
    ledger.run(lambda c: events.emit(c, [{"kind": "customer.silent", "subject": "customer", "subject_id": customer, "body": {"days": 30}, "key": "silent:test"}]))  # fmt: skip
    done = settle(ledger, made)
    assert done.targets == {"chat"}
    receipts = {row["automation"]: row for row in ledger.run(automations.receipts)}
    assert {
        name: row["outcome"] for name, row in receipts.items() if name in {one_.name for one_ in shipped.automations}
    } == {one_.name: "done" for one_ in shipped.automations}
    assert "opened the mail “Your refund”" in receipts["mail-opened"]["actions"][0]["did"]
    assert [row["what"].split(" ")[0] for row in ledger.run(contacts.tasks)] == ["Call", "Follow"]
    assert ask(ledger, "SELECT name, source FROM customers WHERE source = 'form'") == [
        {"name": "Jo Form", "source": "form"}
    ]
    pair = sorted((one(ledger, first)["id"], one(ledger, second)["id"]))
    assert {"a": pair[0], "b": pair[1], "kind": "related"} in ask(ledger, "SELECT a, b, kind FROM ticket_links")
    assert receipts["pricing-page"]["matched"] == {"page": "https://shop.example/pricing?x=1"}
    flag = ask(ledger, "SELECT series, evidence FROM escalations WHERE rule = 'pricing-page'")
    assert [row["series"] for row in flag] == [f"customer/{customer}"]
    assert ask(ledger, "SELECT kind, notice FROM outbox WHERE target = 'chat'")[0]["kind"] == "automation.alert"


def test_two_automations_that_call_each_other_stop_at_the_depth_and_say_so(ledger: Ledger) -> None:
    rules = [
        {"name": "ping", "enabled": True, "on": ["ticket.tagged"], "then": [{"do": "log", "text": "ping"}]},
        {"name": "pong", "enabled": True, "on": ["ticket.logged"], "then": [{"do": "tag", "tags": ["a"]}, {"do": "tag", "untag": ["a"]}]},
    ]  # fmt: skip
    [number] = tickets(ledger, ("l1", 430))
    settle(ledger)
    made = configured(automations=rules)
    ledger.run(lambda c: casework.tag(c, HAND, number, ["start"]))
    for _ in range(12):
        if not settle(ledger, made).events:
            break
    else:
        raise AssertionError("it goes on for ever")
    runs = ask(
        ledger,
        "SELECT outcome, depth, count(*) AS n FROM automation_runs WHERE automation IN ('ping', 'pong') GROUP BY 1, 2 ORDER BY 2",
    )
    assert [(row["outcome"], row["depth"]) for row in runs] == [("done", 0), ("done", 1), ("done", 2), ("depth", 3)]


def test_a_budget_stops_a_flood_and_says_so() -> None:
    rule = Automation(
        "one", ("ticket.*",), {"priority": ["high", "urgent"], "score_at_least": 3}, ({"do": "log"},), budget=2
    )
    event = Event(1, "ticket.note", "ticket", 1, 0, {"priority": "high", "score": 4})
    assert [p.outcome for p in would([rule], event, {"one": 1})] == ["do"]
    assert [p.outcome for p in would([rule], event, {"one": 2})] == ["budget"]
    assert would([rule], replace(event, facts={"priority": "low", "score": 4})) == []
    assert would([rule], replace(event, facts={"priority": "high"})) == [], "a fact that is not there fits nothing"
    assert would([replace(rule, when={"team": "none"})], event)[0].matched == {"team": None}


def test_a_refused_action_is_on_the_receipt_and_the_others_are_done(ledger: Ledger) -> None:
    rules = [{"name": "clumsy", "enabled": True, "on": ["ticket.note"], "then": [
        {"do": "assign", "team": "care"}, {"do": "tag", "tags": ["noted"]}, {"do": "priority", "priority": "urgent"}]}]  # fmt: skip
    made = configured(automations=rules)
    rule = replace(made.automations[0], then=({"do": "assign", "team": "nowhere"}, *made.automations[0].then[1:]))
    [number] = tickets(ledger, ("f1", 440))
    settle(ledger)
    ledger.run(lambda c: casework.note(c, HAND, number, "look"))
    settle(ledger, replace(made, automations=(rule,)))
    receipt = ledger.run(lambda c: automations.receipts(c, "clumsy"))[0]
    assert receipt["outcome"] == "failed"
    assert ["refused" in line for line in receipt["actions"]] == [True, False, False]
    assert (one(ledger, number)["tags"], one(ledger, number)["priority"]) == (["noted"], "urgent")


def test_a_replay_counts_and_does_nothing(ledger: Ledger) -> None:
    rule = Automation("would", ("ticket.created",), {}, ({"do": "tag", "tags": ["never"]},))
    told = ask(ledger, "SELECT count(*) AS n FROM events WHERE kind = 'ticket.created'")[0]["n"]
    found = ledger.run(lambda c: automations.replay(c, [rule], 7, 3))
    assert found["automations"]["would"]["times"] == told > 0
    assert not ask(ledger, "SELECT 1 FROM tickets WHERE 'never' = ANY(tags)")
    assert not ask(ledger, "SELECT 1 FROM automation_runs WHERE automation = 'would'")


def test_what_comes_in_about_an_incident_is_its_child_and_is_finished_with_it(ledger: Ledger) -> None:
    [incident] = tickets(ledger, ("i0", 470))
    ledger.run(lambda c: casework.tag(c, HAND, incident, ["incident"]))
    children = tickets(ledger, ("i1", 471), ("i2", 472))
    settle(ledger)
    parent = one(ledger, incident)
    assert [one(ledger, number)["parent_id"] for number in children] == [parent["id"]] * 2
    ledger.run(lambda c: casework.change(c, HAND, incident, Change(status="resolved")))
    assert [one(ledger, number)["status"] for number in children] == ["resolved"] * 2
    [later] = tickets(ledger, ("i3", 473))
    settle(ledger)
    assert one(ledger, later)["parent_id"] is None


def test_silence_is_noted_once(ledger: Ledger) -> None:
    [number] = tickets(ledger, ("s1", 450))
    settle(ledger)
    customer = one(ledger, number)["customer_id"]
    ask(
        ledger,
        "UPDATE tickets SET updated_at = now() - interval '30 days 2 hours' WHERE number = :n RETURNING 1",
        n=number,
    )
    noted = [ledger.run(lambda c: contacts.silent(c, 30 * 86_400)) for _ in range(2)]
    assert noted == [1, 0]
    assert ask(ledger, "SELECT subject_id FROM events WHERE kind = 'customer.silent' AND key LIKE 'silent:%-%'") == [
        {"subject_id": customer}
    ]


def test_a_survey_is_asked_once_and_answered_once(ledger: Ledger) -> None:
    first, second = tickets(ledger, ("v1", 460), ("v2", 460))
    customer = one(ledger, first)["customer_id"]
    ask(
        ledger,
        "WITH made AS (INSERT INTO identities (kind, native_id) VALUES ('email', 'ann@example.org') RETURNING id) INSERT INTO "
        "customer_identities (identity_id, customer_id, evidence, confidence, source) SELECT id, :c, 'said so', 1, 'person' FROM made RETURNING 1",
        c=customer,
    )
    for number in (first, second):
        ledger.run(lambda c, n=number: casework.change(c, HAND, n, Change(status="resolved")))
    csat = Ask("after", "csat", "mail", after=timedelta(0))
    with ThreadPoolExecutor(4) as pool:
        asked = list(
            pool.map(lambda _: ledger.run(lambda c: surveys.ask(c, csat, "https://console.example")), range(4))
        )
    assert sum(asked) == 1, "one customer, one mail, by whichever worker"
    [owed] = ask(ledger, "SELECT notice, ticket_id FROM outbox WHERE kind = 'survey.ask'")
    notice = json.loads(owed["notice"])
    token = notice["text"].split("/survey/")[1].split()[0]
    assert notice["to"] == "ann@example.org"
    assert not ask(ledger, "SELECT 1 FROM surveys WHERE position(convert_to(:t, 'UTF8') IN token_hash) > 0", t=token)
    with pytest.raises(ValueError, match="scale"):
        ledger.run(lambda c: surveys.answer(c, token, 6))
    with ThreadPoolExecutor(4) as pool:
        kept = list(pool.map(lambda n: ledger.run(lambda c: surveys.answer(c, token, n, "fine")), (5, 4, 3, 5)))
    assert sum(kept) == 1
    assert ledger.run(lambda c: surveys.answer(c, "x" * 43, 5)) is False
    assert (
        len(ask(ledger, "SELECT 1 FROM entries WHERE kind = 'survey' AND ticket_id = :id", id=owed["ticket_id"])) == 1
    )
    ask(
        ledger,
        "UPDATE outbox SET state = 'done', done_at = now() - interval '1 hour' WHERE kind = 'survey.ask' RETURNING 1",
    )
    ask(
        ledger,
        "INSERT INTO attempts (outbox_id, n, outcome) SELECT id, 1, 'done' FROM outbox WHERE kind = 'survey.ask' RETURNING 1",
    )
    assert ledger.run(surveys.forget_links) == 1
    assert token not in str(ask(ledger, "SELECT notice, request FROM outbox WHERE kind = 'survey.ask'"))
