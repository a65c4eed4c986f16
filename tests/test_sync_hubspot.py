"""HubSpot by the town: tickets and activities once each whatever happens, contacts read back, people merged on either side."""

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from connectors.errors import AuthError, ConfigError, RateLimited
from connectors.outbound import _hubspot_shapes as shapes
from connectors.outbound import hubspot
from domain.nouns import Notice
from storage import casework, desks, erase, merges, proposals
from storage.casework import Change, Hand
from storage.desks import Listened
from storage.ledger import Ledger, one, rows
from storage.reconcile import reconcile
from tests import ledgers
from tests.delivering import SECRETS, desk, hurry, name, now, states
from tests.ledgers import SECRET
from tests.support import run_earmark, spawn, wait_until
from tests.syncing import file
from town.accounts import ACCOUNTS
from town.server import Town
from workers.deliver import deliver
from workers.sync import resync, sync

HAND = Hand("Ann Agent", "test:ann", "console")
SECRETS |= {"NARROW": ACCOUNTS["hubspot"]["narrow"], "NOBODY": "pat-none"}


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    made = Ledger(database_url, pool=4)
    ledgers.add_channel(made, "x-one")
    yield made
    with made.begin() as connection:
        report = reconcile(connection)
    made.close()
    assert report.good, report.findings


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with Town(seed=5) as town:
        yield town


@pytest.fixture(autouse=True)
def clear(town: Town) -> Iterator[None]:
    yield
    town.faults.clear()
    town.rates["hubspot"], town.rates["hubspot_daily"] = (100_000, 10), (1_000_000, 86_400)
    town.options["hubspot_search_lag"], town.options["hubspot_conflict"] = 0.0, 409


def settings(town: Town, **more: Any) -> dict[str, Any]:
    return {
        "base_url": town.urls["hubspot"],
        "token_env": "HUBSPOT",
        "quiet": 0.3,
        "lookback": 0,
        "contacts": 10,
        **more,
    }


def begun(ledger: Ledger, town: Town, posts: int = 1, **more: Any) -> tuple[str, Any, list[int]]:
    """A portal, and tickets of so many people that are there already."""
    target = name(ledger, "hubspot")
    ledger.run(lambda c: desks.configure(c, [Listened(target, "contacts", 1)]))
    made = desk("hubspot", settings(town, **more))
    numbers = file(ledger, target, *[(f"{target}{n}", random.randrange(1 << 40)) for n in range(posts)])
    go(ledger, target, made)
    return target, made, numbers


def go(ledger: Ledger, target: str, made: Any) -> Any:
    return deliver(ledger, target, made, "tester", lambda: False, now)


def there(town: Town, target: str) -> dict[str, dict[str, Any]]:
    """Our key → what the portal holds of the ticket: its properties, contacts, and the reference of each note."""
    notes = {one["id"]: one for one in town.ledger.objects("hubspot", "notes")}
    found = {}
    for one_ in town.ledger.objects("hubspot", "tickets"):
        key = one_["properties"].get("earmark_key") or ""
        if key.endswith(target):
            mine = [notes[n] for n in one_["near"].get("notes", ())]
            refs = Counter(line for note in mine for line in note["properties"]["hs_note_body"].split("<p>")[-1:])
            found[key] = {**one_, "notes": mine, "refs": refs}
    return found


def owner(ledger: Ledger, number: int) -> int:
    with ledger.begin() as c:
        return int(one(c, "SELECT customer_id FROM tickets WHERE number = :n", n=number))


def contact_of(ledger: Ledger, customer: int, target: str) -> list[str]:
    sql = ("SELECT i.native_id FROM customer_identities l JOIN identities i ON i.id = l.identity_id WHERE l.customer_id = :c "
           "AND i.kind = 'number' AND i.platform = :t ORDER BY l.linked_at, i.id")  # fmt: skip
    with ledger.begin() as c:
        return [row["native_id"] for row in rows(c, sql, c=customer, t=target)]


def test_a_ticket_its_posts_and_its_outcome_stand_on_the_contact(ledger: Ledger, town: Town) -> None:
    target, made, [number] = begun(ledger, town)
    ledger.run(lambda c: casework.note(c, HAND, number, "called <b>back</b>\n\n& more"))
    ledger.run(lambda c: casework.change(c, HAND, number, Change(status="resolved")))
    go(ledger, target, made)
    [ticket] = there(town, target).values()
    customer = owner(ledger, number)
    [contact] = ticket["near"]["contacts"]
    assert contact_of(ledger, customer, target) == [str(contact)]
    held = {one_["id"]: one_ for one_ in town.ledger.objects("hubspot", "contacts")}[contact]["properties"]
    assert held["earmark_customer"] == str(customer)
    assert (ticket["properties"]["hs_pipeline_stage"], ticket["properties"]["hs_pipeline"]) == ("4", "0")
    said = [note["properties"]["hs_note_body"] for note in ticket["notes"]]
    assert "help with" in said[0]
    assert "called &lt;b&gt;back&lt;/b&gt;</p><p>&amp; more</p>" in said[1]
    assert f"Ticket {number}: resolved" in said[2]
    assert all(note["near"] == {"contacts": [contact], "tickets": [ticket["id"]]} for note in ticket["notes"])
    assert states(ledger, target) == {"done": 3}


@pytest.mark.parametrize("conflict", [409, 400])
def test_nothing_is_doubled_when_answers_are_lost(ledger: Ledger, town: Town, conflict: int) -> None:
    town.options["hubspot_conflict"] = conflict
    target = name(ledger, "hubspot")
    made = desk("hubspot", settings(town))
    for path in ("/tickets", "/notes", "/contacts"):  # each write is accepted, and its first answer is not heard
        town.faults.add("hubspot", "reset_after", path=path, method="POST", nth=1)
    [number] = file(ledger, target, (target, random.randrange(1 << 40)))
    for _ in range(6):
        hurry(ledger, target)
        go(ledger, target, made)
    ledger.run(lambda c: casework.change(c, HAND, number, Change(status="pending")))
    town.faults.add("hubspot", "reset_after", path="/tickets", method="PATCH", nth=1)
    go(ledger, target, made)
    [ticket] = there(town, target).values()
    town.stands["hubspot"].change(
        "tickets", ticket["id"], {"hs_pipeline_stage": "3"}
    )  # somebody there goes on meanwhile
    for _ in range(3):
        hurry(ledger, target)
        go(ledger, target, made)
    [ticket] = there(town, target).values()
    assert states(ledger, target) == {"done": 2}
    assert (len(ticket["notes"]), max(ticket["refs"].values())) == (2, 1)
    assert ticket["properties"]["hs_pipeline_stage"] == "3"
    assert len(ticket["near"]["contacts"]) == 1


def test_a_contact_is_known_by_our_number_then_by_the_address_and_keeps_what_is_theirs(
    ledger: Ledger, town: Town
) -> None:
    _property(town, "level")
    target, made, [number] = begun(ledger, town, push={"tier": "level"})
    theirs = town.stands["hubspot"].person(email=f"{target}@x.org", firstname="Ada", lastname="King")
    taken = sync(ledger, target, made, "tester", pull=True, secret=SECRET).people
    assert taken["created"] >= 1
    with ledger.begin() as c:
        ada = one(c, "SELECT customer_id FROM identities i JOIN customer_identities l ON l.identity_id = i.id WHERE native_id = :e",
                  e=f"{target}@x.org")  # fmt: skip
        customers_name = one(c, "SELECT name FROM customers WHERE id = :id", id=ada)
        c.execute(text("UPDATE tickets SET customer_id = :ada WHERE number = :n"), {"ada": ada, "n": number})
        c.execute(text("UPDATE ticket_conversations SET customer_id = :ada WHERE ticket_id = (SELECT id FROM tickets WHERE number = :n)"),
                  {"ada": ada, "n": number})  # fmt: skip
        c.execute(text("UPDATE customers SET tier = 'gold', name = 'A. King' WHERE id = :id"), {"id": ada})
    assert customers_name == "Ada King"
    ledger.run(lambda c: casework.note(c, HAND, number, "hello"))
    go(ledger, target, made)
    held = {one_["id"]: one_ for one_ in town.ledger.objects("hubspot", "contacts")}[theirs]
    assert (held["properties"]["level"], held["properties"]["lastname"], len(held["near"]["notes"])) == (
        "gold",
        "King",
        1,
    )


def _property(town: Town, name_: str, kind: str = "contacts") -> None:
    made = {"name": name_, "label": name_, "type": "string", "options": [], "hasUniqueValue": False,
            "modificationMetadata": {"readOnlyValue": False}}  # fmt: skip
    with town.ledger.transaction() as db:
        db.execute("INSERT OR IGNORE INTO properties VALUES ('hubspot', ?, ?, ?)", (kind, name_, json.dumps(made)))


def test_contacts_come_in_pages_are_mapped_and_change_nothing_when_told_again(ledger: Ledger, town: Town) -> None:
    for each in ("plan", "club"):
        _property(town, each)
    target = name(ledger, "hubspot")
    ledger.run(lambda c: desks.configure(c, [Listened(target, "contacts", 1)]))
    made = desk("hubspot", settings(town, fields={"plan": "tier", "club": "club", "company": "customer_number"}))
    portal = town.stands["hubspot"]
    before = len(town.ledger.objects("hubspot", "contacts"))
    people = [portal.person(email=f"p{n}@{target}.org", firstname="Pia", lastname=f"Nr{n}", plan="gold", club="b", company=f"{target}-{n}",
                            phone="0151 1" if n == 7 else f"+49151{n:08}") for n in range(250)]  # fmt: skip
    with town.ledger.transaction() as db:  # 120 of them share one moment, as after an import
        stamp = "2026-01-01T00:00:00.000Z"
        for number in people[:120]:
            db.execute(
                "UPDATE objects SET data = json_set(data, '$.lastmodifieddate', ?), indexed = NULL WHERE id = ?",
                (stamp, number),
            )
    done = sync(ledger, target, made, "tester", pull=True, secret=SECRET)
    assert done.people["created"] + done.people["updated"] + done.people["unchanged"] >= 250
    with ledger.begin() as c:
        found = rows(c, "SELECT c.* FROM customers c WHERE source = :t AND name LIKE 'Pia%'", t=target)
        keys = rows(c, "SELECT i.kind, i.native_id FROM identities i JOIN customer_identities l ON l.identity_id = i.id WHERE l.customer_id = "
                       "(SELECT customer_id FROM customer_identities k JOIN identities j ON j.id = k.identity_id WHERE j.native_id = :e)",
                    e=f"p7@{target}.org")  # fmt: skip
        asides = rows(c, "SELECT reason FROM asides WHERE source = :s", s=f"crm:{target}")
    assert len(found) == 250
    assert {(row["tier"], row["attributes"]["club"]) for row in found} == {("gold", "b")}
    assert {(row["kind"], row["native_id"]) for row in keys} == {
        ("email", f"p7@{target}.org"),
        ("number", str(people[7])),
        ("number", f"{target}-7"),
    }
    assert any("phone" in row["reason"] for row in asides)
    again = sync(ledger, target, made, "tester", pull=True, secret=SECRET)
    assert again.people["created"] + again.people["updated"] == 0
    portal.change("contacts", people[9], {"lastname": "Other", "plan": "silver"})
    changed = sync(ledger, target, made, "tester", pull=True, secret=SECRET)
    assert changed.people["updated"] == 1
    assert before + 250 >= changed.people["unchanged"] + 1
    seen: list[int] = []
    whole = resync(ledger, target, made, 0, "tester", seen.append, SECRET)
    assert whole["contacts"]["told"] >= 250
    assert max(seen) == whole["contacts"]["told"]
    assert whole["people"].get("created", 0) == 0


def test_a_late_index_is_read_again_behind_the_last_one(ledger: Ledger, town: Town) -> None:
    target = name(ledger, "hubspot")
    ledger.run(lambda c: desks.configure(c, [Listened(target, "contacts", 1)]))
    made = desk("hubspot", settings(town, lookback=60))
    portal = town.stands["hubspot"]
    sync(ledger, target, made, "tester", pull=True, secret=SECRET)
    town.options["hubspot_search_lag"] = 0.6
    portal.person(email=f"a@{target}.org", firstname="late")
    time.sleep(0.3)
    portal.person(email=f"b@{target}.org", firstname="later")
    town.options["hubspot_search_lag"] = 0.0  # the later one is shown first: its part of the index was quicker
    with town.ledger.transaction() as db:
        db.execute("UPDATE objects SET at = at + 3600 WHERE json_extract(data, '$.email') = ?", (f"a@{target}.org",))
    sync(ledger, target, made, "tester", pull=True, secret=SECRET)
    with town.ledger.transaction() as db:
        db.execute("UPDATE objects SET at = at - 3600 WHERE json_extract(data, '$.email') = ?", (f"a@{target}.org",))
    sync(ledger, target, made, "tester", pull=True, secret=SECRET)
    with ledger.begin() as c:
        assert (
            one(
                c, "SELECT count(*) FROM identities WHERE native_id = ANY(:e)", e=[f"a@{target}.org", f"b@{target}.org"]
            )
            == 2
        )


def test_limits_tokens_and_properties_say_what_to_do(ledger: Ledger, town: Town) -> None:
    made = desk("hubspot", settings(town))
    town.rates["hubspot_daily"] = (0, 86_400)
    with pytest.raises(RateLimited) as day:
        made.people({"since": 0})
    assert (day.value.quota, 3000 < (day.value.reset_at - datetime.now(UTC)).total_seconds() < 4000) == (True, True)
    town.rates["hubspot_daily"], town.rates["hubspot"] = (1_000_000, 86_400), (0, 10)
    with pytest.raises(RateLimited) as short:
        made.people({"since": 0})
    assert (short.value.quota, (short.value.reset_at - datetime.now(UTC)).total_seconds() < 12) == (False, True)
    town.rates["hubspot"] = (100_000, 10)
    with pytest.raises(AuthError):
        desk("hubspot", settings(town, token_env="NOBODY")).people({"since": 0})
    narrow = desk("hubspot", settings(town, token_env="NARROW", prefix="other"))
    opened = Notice("ticket.create", "em-1-x-create", {"number": 1, "subject": "s", "text": "t"})
    with pytest.raises(ConfigError, match="does not let us make the property other_key"):
        narrow.deliver(opened, narrow.render(opened, None), None)
    with pytest.raises(ConfigError, match="no property no_such"):
        desk("hubspot", settings(town, fields={"no_such": "tier"})).people({"since": 0})
    target, _, _ = begun(ledger, town)
    renamed = desk("hubspot", settings(town, push={"name": "no_such_property"}))
    file(ledger, target, (f"{target}x", random.randrange(1 << 40)))
    go(ledger, target, renamed)
    with ledger.begin() as c:
        why = one(c, "SELECT error FROM outbox WHERE target = :t AND state <> 'done'", t=target)
    assert "no_such_property" in why
    assert states(ledger, target).get("dead") is None  # it waits for a person, nothing is lost


def test_merged_there_is_proposed_here_and_erased_people_do_not_come_back(ledger: Ledger, town: Town) -> None:
    target, made, numbers = begun(ledger, town, 2)
    first, second = (owner(ledger, number) for number in numbers)
    ids = [int(contact_of(ledger, customer, target)[0]) for customer in (first, second)]
    new = town.stands["hubspot"].merge(*ids)
    sync(ledger, target, made, "tester", pull=True, secret=SECRET)
    with ledger.begin() as c:
        wanted = [
            p
            for p in proposals.waiting(c, first)
            if p["other_id"] == max(first, second) or p["customer_id"] == min(first, second)
        ]
    assert wanted
    ledger.run(lambda c: merges.merge(c, first, second, "tester", stated=True))
    ledger.run(lambda c: casework.note(c, HAND, numbers[1], "to the one they are now"))
    go(ledger, target, made)
    held = {one_["id"]: one_ for one_ in town.ledger.objects("hubspot", "contacts")}[new]
    assert len(held["near"]["notes"]) == 3
    sync(ledger, target, made, "tester", pull=True, secret=SECRET)
    town.stands["hubspot"].change("contacts", new, {"email": f"{target}@gone.org"})
    sync(ledger, target, made, "tester", pull=True, secret=SECRET)
    erased = ledger.run(lambda c: erase.erase(c, SECRET, first, "tester"))
    assert erased.identities >= 3
    town.stands["hubspot"].change("contacts", new, {"lastname": "Again"})
    assert sync(ledger, target, made, "tester", pull=True, secret=SECRET).people["erased"] == 1
    with ledger.begin() as c:
        assert one(c, "SELECT count(*) FROM identities WHERE native_id = :e", e=f"{target}@gone.org") == 0
        assert (
            one(c, "SELECT count(*) FROM asides WHERE source = :s AND reason LIKE '%gone.org%'", s=f"crm:{target}") == 0
        )


def test_a_cut_note_keeps_its_reference_and_where_the_whole_is() -> None:
    notice = Notice(
        "ticket.comment", "em-e7-hub", {"number": 7, "text": "ä<&" * 30_000, "url": "https://e.example/7?a=1&b=2"}
    )
    body = shapes.note(shapes.said(notice), notice)
    assert len(body) <= shapes.LONGEST
    assert shapes.bears(body, "em-e7-hub")
    assert not shapes.bears(body, "em-e7-hu")
    assert "[cut: the whole text is in Earmark]" in body
    assert 'href="https://e.example/7?a=1&amp;b=2"' in body


def test_the_command_reads_contacts_with_progress_and_says_what_came_of_it(
    ledger: Ledger, town: Town, database_url: str, tmp_path: Path
) -> None:
    target, _, _ = begun(ledger, town)
    written = {"desks": [{"name": target, "kind": "hubspot", **settings(town)}], "settings": {"allow_hosts": ["127.0.0.1"]},
               "teams": [{"name": "care", "label": "Care"}], "default_team": "care"}  # fmt: skip
    (tmp_path / "earmark.yaml").write_text(json.dumps(written))
    env = {
        "DATABASE_URL": database_url,
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "EARMARK_SECRET": "s" * 32,
        "HUBSPOT": SECRETS["HUBSPOT"],
    }
    said = run_earmark(["sync", target, "--config", str(tmp_path), "--json", "--since", "2020-01-01"], env)
    assert said.returncode == 0, said.stderr
    done = json.loads(said.stdout)
    assert done["contacts"]["told"] >= len(town.ledger.objects("hubspot", "contacts"))
    assert done["standing"]["pulls"]["contacts"]["error"] is None
    town.faults.add("hubspot", "status", path="/search", status=500)
    assert run_earmark(["sync", target, "--config", str(tmp_path)], env).returncode == 1


@pytest.mark.timeout(240)
@pytest.mark.parametrize("acts", [24, pytest.param(160, marks=pytest.mark.soak)])
def test_both_ledgers_end_alike_whatever_happens(
    ledger: Ledger, town: Town, database_url: str, rng: random.Random, acts: int
) -> None:
    """30 % of writes accepted and not answered, refusals of both limits, processes killed with SIGKILL; then field by field."""
    target, _, numbers = begun(ledger, town, 3)
    town.faults.seed = rng.randrange(1 << 30)
    for method in ("POST", "PATCH", "GET"):
        town.faults.add("hubspot", "reset_after", path="/crm", method=method, probability=0.3)
        town.faults.add(
            "hubspot", "429", path="/crm", method=method, probability=0.05, seconds=1, reset="none", policy="SECONDLY"
        )
        town.faults.add("hubspot", "status", path="/crm", method=method, probability=0.05, status=503)
    command = [
        sys.executable,
        "-m",
        "tests.delivering",
        database_url,
        target,
        "hubspot",
        json.dumps(settings(town)),
        "3",
    ]
    done = kills = 0
    while done < acts:
        with spawn(command, name="deliver") as worker:
            worker.wait_for_log("delivering", 30)
            for _ in range(min(8, acts - done)):
                number, n = rng.choice(numbers), done
                if rng.random() < 0.5:
                    ledger.run(lambda c, at=number, k=n: casework.note(c, HAND, at, f"act {k}"))  # type: ignore[misc]
                else:
                    status = rng.choice(("open", "pending", "hold"))
                    ledger.run(lambda c, at=number, s=status: casework.change(c, HAND, at, Change(status=s, back=True)))  # type: ignore[misc]
                done += 1
                hurry(ledger, target)
                time.sleep(rng.uniform(0, 0.1))
            worker.kill()
            kills += 1
    played = sum(fault.applied for fault in town.faults._faults)
    town.faults.clear()
    with ledger.begin() as connection:
        connection.execute(
            text("UPDATE outbox SET lease_until = now() WHERE target = :t AND state = 'sending'"), {"t": target}
        )
    made = desk("hubspot", settings(town))

    def quiet() -> bool:
        hurry(ledger, target)
        go(ledger, target, made)
        return set(states(ledger, target)) == {"done"}

    wait_until(quiet, 60, lambda: str(states(ledger, target)))
    print(f"{done} acts, {kills} kills, {played} faults")
    held = there(town, target)
    with ledger.begin() as c:
        owed = rows(c, "SELECT o.key, o.kind, t.number, t.status, t.priority, t.subject, t.customer_id FROM outbox o JOIN tickets t ON t.id = o.ticket_id "
                       "WHERE o.target = :t", t=target)  # fmt: skip
    assert set(held) == {f"em-{number}-{target}" for number in numbers}
    for number in numbers:
        ticket = held[f"em-{number}-{target}"]
        mine = [row for row in owed if row["number"] == number]
        refs = {
            shapes.bears(note["properties"]["hs_note_body"], row["key"]) and row["key"]
            for note in ticket["notes"]
            for row in mine
        }
        assert refs - {False} == {row["key"] for row in mine}
        assert len(ticket["notes"]) == len(mine), "one note for each effect"
        status = mine[0]["status"]
        assert ticket["properties"]["hs_pipeline_stage"] == hubspot.STAGES[status]
        assert ticket["properties"]["subject"] == mine[0]["subject"]
        assert [str(n) for n in ticket["near"]["contacts"]] == contact_of(ledger, mine[0]["customer_id"], target)
