"""A desk that speaks back: what agents do there arrives here once, what we did comes back and is known, both sides end alike."""

import json
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from config import load_document
from storage import casework, configurations, desks, runs, users
from storage import entries as desk_entries
from storage.casework import Change, Hand
from storage.ledger import Ledger, one, rows
from storage.reconcile import reconcile
from tests import ledgers, syncing, web
from tests.delivering import SECRETS, desk
from tests.support import run_earmark, spawn, wait_until
from tests.syncing import go, hurry, listening, remote, settings
from tests.test_tickets_events import DOCUMENT
from town.server import Town
from workers.sync import resync, sync
from workers.work import bench, work

HAND = Hand("Ada", "command")
PASSWORD = "correct horse battery staple"
OPTIONS = {"zendesk_export_lag": 1.0}
RATES = {"zendesk_export": (100_000, 60)}


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    made = Ledger(database_url, pool=4)
    ledgers.add_channel(made, "x-one")
    for n in range(3):
        made.run(lambda c, n=n: users.add(c, f"agent{n}@example.org", PASSWORD, "agent", f"Agent {n}"))
    yield made
    with made.begin() as connection:
        report = reconcile(connection)
    made.close()
    assert report.good, report.findings


@pytest.fixture
def town() -> Iterator[Town]:
    with Town(seed=5, options=OPTIONS, rates=RATES) as made:
        yield made


def hire(town: Town) -> list[int]:
    return [town.stands["zendesk"].hire(f"Agent {n}", f"agent{n}@example.org") for n in range(3)]


def begun(ledger: Ledger, town: Town, n: int = 1) -> tuple[str, Any, list[int], dict[int, int]]:
    """A target, its desk, and tickets that are there already."""
    target = listening(ledger)
    made = desk("zendesk", settings(town))
    numbers = syncing.file(ledger, target, *((f"{target}-{i}", i) for i in range(n)))
    go(ledger, target, made, pull=False)
    return target, made, numbers, remote(ledger, target)


def read(ledger: Ledger, target: str, made: Any, *numbers: int) -> Any:
    """A hint for each ticket, then a round."""
    names = remote(ledger, target)
    ledger.run(lambda c: desks.heard(c, target, [str(names[n]) for n in numbers]))
    return sync(ledger, target, made, "tester")


def ticket(ledger: Ledger, number: int) -> dict[str, Any]:
    sql = "SELECT t.status, t.priority, coalesce(u.email, '') AS owner FROM tickets t LEFT JOIN users u ON u.id = t.assignee_id WHERE number = :n"
    with ledger.begin() as connection:
        return dict(rows(connection, sql, n=number)[0])


def entries(ledger: Ledger, number: int, *kinds: str) -> list[str]:
    sql = "SELECT e.body FROM entries e JOIN tickets t ON t.id = e.ticket_id WHERE t.number = :n AND e.kind = ANY(:k) ORDER BY e.at, e.id"
    with ledger.begin() as connection:
        return [row["body"] for row in rows(connection, sql, n=number, k=list(kinds))]


def owed(ledger: Ledger, target: str) -> int:
    with ledger.begin() as connection:
        return int(one(connection, "SELECT count(*) FROM outbox WHERE target = :t", t=target))


def test_an_agent_s_status_owner_comments_and_close_arrive_once(ledger: Ledger, town: Town) -> None:
    target, made, [number], names = begun(ledger, town)
    zoe, yan, _ = hire(town)
    there, before = town.stands["zendesk"], owed(ledger, target)
    there.edit(
        names[number],
        zoe,
        status="pending",
        assignee_id=yan,
        priority="urgent",
        comment={"body": "Looking", "public": False},
    )
    there.edit(names[number], zoe, comment={"body": "We are on it.", "public": True})
    assert read(ledger, target, made, number).outcomes == {"applied": 1}
    assert ticket(ledger, number) == {"status": "pending", "priority": "urgent", "owner": "agent1@example.org"}
    assert (entries(ledger, number, "note"), entries(ledger, number, "reply")) == (["Looking"], ["We are on it."])
    assert read(ledger, target, made, number).outcomes == {"same": 1}
    there.edit(names[number], yan, status="closed")
    assert read(ledger, target, made, number).outcomes == {"applied": 1}
    assert ticket(ledger, number)["status"] == "closed"
    assert owed(ledger, target) == before  # nothing of it went back to where it came from
    assert len(entries(ledger, number, "note", "reply")) == 2


def test_what_we_did_comes_back_and_is_known(ledger: Ledger, town: Town) -> None:
    target, made, [number], _ = begun(ledger, town)
    ledger.run(lambda c: casework.note(c, HAND, number, "a note of ours"))
    ledger.run(lambda c: casework.change(c, HAND, number, Change(status="pending", priority="high", assignee=2)))
    yan = hire(town)[1]
    assert go(ledger, target, made, pull=False).outcomes == {}
    before = entries(ledger, number, "note", "status", "system")
    assert read(ledger, target, made, number).outcomes == {"same": 1}
    assert entries(ledger, number, "note", "status", "system") == before
    [there] = [t["data"] for t in town.ledger.tickets() if t["data"]["id"] == remote(ledger, target)[number]]
    assert (there["status"], there["priority"], there["assignee_id"]) == ("pending", "high", yan)


def test_colleagues_at_the_desk_are_told_who_it_is(ledger: Ledger, town: Town) -> None:
    target, made, [number], names = begun(ledger, town)
    work(ledger, bench(load_document(DOCUMENT)), "tester")
    work(ledger, bench(load_document(DOCUMENT)), "tester")
    go(ledger, target, made, pull=False)
    told = [c["body"] for c in town.ledger.comments() if c["ticket"] == names[number] and not c["first"]]
    assert len(told) == 1
    assert told[0].startswith("Customer: User 0")
    assert read(ledger, target, made, number).outcomes == {"same": 1}


def test_the_desk_s_order_decides_while_ours_is_on_its_way(ledger: Ledger, town: Town) -> None:
    target, made, [number], names = begun(ledger, town)
    zoe = hire(town)[0]
    ledger.run(lambda c: casework.change(c, HAND, number, Change(status="hold")))  # owed, not sent yet
    town.stands["zendesk"].edit(names[number], zoe, status="pending")
    read(ledger, target, made, number)
    assert ticket(ledger, number)["status"] == "hold"
    assert "set status pending" in entries(ledger, number, "system")[-1]  # the losing value leaves a trace
    go(ledger, target, made, pull=False)
    read(ledger, target, made, number)
    assert (ticket(ledger, number)["status"], town.ledger.tickets()[0]["data"]["status"]) == ("hold", "hold")


def test_what_the_desk_refuses_of_ours_gives_way_to_theirs(ledger: Ledger, town: Town) -> None:
    target, made, [number], names = begun(ledger, town)
    zoe = hire(town)[0]
    ledger.run(lambda c: casework.change(c, HAND, number, Change(status="hold")))
    town.stands["zendesk"].edit(names[number], zoe, status="closed")  # final: ours will be refused
    read(ledger, target, made, number)
    assert ticket(ledger, number)["status"] == "hold"
    go(ledger, target, made, pull=False)
    assert ticket(ledger, number)["status"] == "closed"


def test_a_status_sent_into_silence_is_looked_up_and_undoes_no_agent_s_change(ledger: Ledger, town: Town) -> None:
    target, made, [number], names = begun(ledger, town)
    zoe = hire(town)[0]
    town.faults.add("zendesk", "reset_after", method="PUT", nth=1)
    ledger.run(lambda c: casework.change(c, HAND, number, Change(status="hold")))
    go(ledger, target, made, pull=False)
    town.stands["zendesk"].edit(names[number], zoe, status="open")
    time.sleep(0.4)
    hurry(ledger, target)
    go(ledger, target, made, pull=False)
    read(ledger, target, made, number)
    assert (ticket(ledger, number)["status"], town.ledger.tickets()[0]["data"]["status"]) == ("open", "open")


def test_a_reading_from_before_our_write_landed_is_thrown_away(ledger: Ledger, town: Town) -> None:
    target, made, [number], names = begun(ledger, town)
    zoe = hire(town)[0]
    town.stands["zendesk"].edit(names[number], zoe, status="pending")
    ledger.run(lambda c: desks.heard(c, target, [str(names[number])]))
    link = ledger.run(lambda c: desks.claim(c, target, 60))
    old = made.changes(link.remote_id)
    ledger.run(lambda c: casework.change(c, HAND, number, Change(status="hold")))
    syncing.deliver(ledger, target, made, "tester", lambda: False, syncing.now)
    assert ledger.run(lambda c: desks.apply(c, link, old, "tester")) == "stale"
    assert ledger.run(lambda c: desks.apply(c, link, old, "tester")) == "lost"
    assert sync(ledger, target, made, "tester").outcomes == {"applied": 1}
    assert ticket(ledger, number)["status"] == "hold"


def test_the_pull_finds_what_no_hint_told_and_starts_where_it_ended(ledger: Ledger, town: Town) -> None:
    target, made, numbers, names = begun(ledger, town, 3)
    zoe = hire(town)[0]
    for number in numbers:
        town.stands["zendesk"].edit(names[number], zoe, comment={"body": f"for {number}", "public": True})
    time.sleep(2.1)
    assert sync(ledger, target, made, "tester", pull=True).outcomes == {"applied": 3}
    assert [entries(ledger, number, "reply") for number in numbers] == [[f"for {number}"] for number in numbers]
    town.stands["zendesk"].stir(names[numbers[0]])
    time.sleep(2.1)
    assert sync(ledger, target, made, "tester", pull=True).outcomes == {"same": 1}


def test_a_cursor_the_desk_no_longer_takes_costs_a_repeat_and_no_ticket(ledger: Ledger, town: Town) -> None:
    target, made, [number], names = begun(ledger, town)
    time.sleep(2.1)
    sync(ledger, target, made, "tester", pull=True)
    town.stands["zendesk"].edit(names[number], hire(town)[0], comment={"body": "after", "public": True})
    with ledger.begin() as connection:
        connection.execute(
            text('UPDATE desk_syncs SET state = state || \'{"cursor": "gone"}\' WHERE target = :t'), {"t": target}
        )
    time.sleep(2.1)
    assert sync(ledger, target, made, "tester", pull=True).error == ""
    assert entries(ledger, number, "reply") == ["after"]


def test_a_comment_beyond_a_note_s_length_is_kept_whole(ledger: Ledger, town: Town) -> None:
    target, made, [number], names = begun(ledger, town)
    long = "".join(chr(97 + i % 26) for i in range(45_000))
    town.stands["zendesk"].edit(names[number], hire(town)[0], comment={"body": long, "public": False})
    read(ledger, target, made, number)
    assert "".join(entries(ledger, number, "note")) == long


def test_a_deleted_ticket_is_believed_at_the_second_sight(ledger: Ledger, town: Town) -> None:
    target, made, [number], names = begun(ledger, town)
    town.stands["zendesk"].remove(names[number])
    assert read(ledger, target, made, number).outcomes == {"gone": 1}
    assert entries(ledger, number, "system") == []
    with ledger.begin() as connection:
        connection.execute(
            text(
                "UPDATE desk_links SET missing_at = now() - interval '61 minutes', wanted_at = now() WHERE target = :t"
            ),
            {"t": target},
        )
    assert sync(ledger, target, made, "tester").outcomes == {"gone": 1}
    assert "no longer has this ticket" in entries(ledger, number, "system")[0]


def test_a_ticket_merged_there_is_closed_here_and_what_comes_after_goes_on_in_a_follow_up(
    ledger: Ledger, town: Town
) -> None:
    target, made, (gone, stays), names = begun(ledger, town, 2)
    zoe, *_ = hire(town)
    town.stands["zendesk"].merge(names[gone], names[stays], zoe)
    assert read(ledger, target, made, gone, stays).outcomes == {"applied": 2}
    assert (ticket(ledger, gone)["status"], ticket(ledger, stays)["status"]) == ("closed", "new")
    assert entries(ledger, gone, "note") == [f"This request was closed and merged into request #{names[stays]}."]
    assert entries(ledger, stays, "note") == [f"Request #{names[gone]} was closed and merged into this request."]
    assert read(ledger, target, made, gone, stays).outcomes == {"same": 2}
    ledger.run(lambda c: casework.note(c, HAND, gone, "we also wrote to them by post"))
    go(ledger, target, made, pull=False)
    after = remote(ledger, target)[gone]
    assert after not in (names[gone], names[stays])  # closed is final: a ticket that names the one it follows


def test_a_re_sync_goes_on_where_it_was_left(ledger: Ledger, town: Town) -> None:
    target, made, numbers, names = begun(ledger, town, 3)
    zoe = hire(town)[0]
    for number in numbers:
        town.stands["zendesk"].edit(names[number], zoe, comment={"body": f"old {number}", "public": True})
    time.sleep(2.1)
    since, asked = int(time.time()) - 3600, []
    town.faults.add("zendesk", "status", path="/incremental", nth=1, status=500)
    with pytest.raises(Exception, match="500"):
        resync(ledger, target, made, since, "tester")
    with ledger.begin() as connection:
        assert desks.standing(connection, target)["history"]["since"] == since
    done = resync(ledger, target, made, since, "tester", asked.append)
    assert (done["tickets"], done["read"]) == ({"told": 3, "ours": 3}, {"applied": 3})
    assert asked[0] == 3
    with ledger.begin() as connection:
        assert desks.standing(connection, target)["history"] is None


def test_the_command_reads_history_again_and_says_what_it_did(
    ledger: Ledger, town: Town, database_url: str, tmp_path: Path
) -> None:
    target, _, [number], names = begun(ledger, town)
    town.stands["zendesk"].edit(names[number], hire(town)[0], comment={"body": "by command", "public": True})
    time.sleep(2.1)
    written = {"desks": [{"name": target, "kind": "zendesk", **settings(town)}], "settings": {"allow_hosts": ["127.0.0.1"]},
               "teams": [{"name": "care", "label": "Care"}], "default_team": "care"}  # fmt: skip
    (tmp_path / "earmark.yaml").write_text(json.dumps(written))
    env = {"DATABASE_URL": database_url, "REDIS_URL": "redis://127.0.0.1:1/0", "EARMARK_SECRET": "s" * 32}
    env |= {name: SECRETS[name] for name in ("ZENDESK_TOKEN", "ZENDESK_HOOK")}
    call = ["sync", target, "--config", str(tmp_path), "--json", "--since"]
    said = run_earmark([*call, "2020-01-01"], env)
    assert said.returncode == 0, said.stderr
    done = json.loads(said.stdout)
    assert (done["tickets"]["ours"], done["read"], done["standing"]["waiting"]) == (1, {"applied": 1}, 0)
    assert entries(ledger, number, "reply") == ["by command"]
    town.faults.add("zendesk", "status", path="/incremental", status=500)
    assert run_earmark([*call, "2020-01-02"], env).returncode == 1
    assert run_earmark(["sync", "other", "--config", str(tmp_path)], env).returncode == 2


def test_webhooks_are_believed_by_their_signature_alone(ledger: Ledger, town: Town, database_url: str) -> None:
    target, made, [number], names = begun(ledger, town)
    zoe, there = hire(town)[0], town.stands["zendesk"]
    os.environ["ZENDESK_HOOK"] = there.keys["hook"]
    ledger.run(
        lambda c: configurations.accept(c, target, {"desks": [{"name": target, "kind": "zendesk", **settings(town)}]})
    )
    with web.serve(web.make_app(database_url)) as address:
        there.to = f"{address}/hooks/desks/{target}"
        there.edit(names[number], zoe, comment={"body": "told", "public": True})
        [event] = [one.event for one in there.owed]
        assert there._push(event, forged=True) == 401
        assert there._push(event, late=400) == 401
        assert there._push({"detail": {"id": "x"}}) == 400
        assert sync(ledger, target, made, "tester").outcomes == {}
        assert [there._push(event) for _ in range(3)] == [202] * 3
        assert sync(ledger, target, made, "tester").outcomes == {"applied": 1}
        assert entries(ledger, number, "reply") == ["told"]
        there.to = f"{address}/hooks/desks/other"
        assert there._push(event) == 404


def sets(ledger: Ledger, number: int) -> tuple[list[str], dict[str, Any]]:
    with ledger.begin() as connection:
        found = rows(connection, "SELECT tags, fields FROM tickets WHERE number = :n", n=number)[0]
    return found["tags"], found["fields"]


def at_the_desk(town: Town, number: int) -> dict[str, Any]:
    return next(t["data"] for t in town.ledger.tickets() if t["data"]["id"] == number)


def sharing(ledger: Ledger, town: Town) -> tuple[str, Any, int, int]:
    """A ticket at a desk that has two of our custom fields too."""
    target = listening(ledger, "product", "amount")
    wanted = settings(town, fields={"product": 71, "amount": 72})
    made = desk("zendesk", wanted)
    known = [{"name": "product", "label": "Product"}, {"name": "amount", "label": "Amount", "type": "number"}]
    ledger.run(lambda c: configurations.accept(c, target, {"fields": known}))
    [number] = syncing.file(ledger, target, (target, random.randrange(1 << 40)))
    go(ledger, target, made)
    return target, made, number, remote(ledger, target)[number]


def test_tags_set_on_both_sides_at_once_are_all_kept(ledger: Ledger, town: Town) -> None:
    target, made, number, there = sharing(ledger, town)
    zoe, desk_ = hire(town)[0], town.stands["zendesk"]
    before = sets(ledger, number)[0]
    ledger.run(lambda c: casework.tag(c, HAND, number, ["ours", "two words"]))
    desk_.edit(there, zoe, tags=["earmark", "theirs", "gone"])
    desk_.edit(there, zoe, remove_tags=["gone"])
    go(ledger, target, made)
    read(ledger, target, made, number)
    assert set(sets(ledger, number)[0]) == {*before, "ours", "two words", "theirs"}
    assert set(at_the_desk(town, there)["tags"]) >= {"earmark", "ours", "two_words", "theirs"}
    desk_.edit(there, zoe, remove_tags=["two_words"])
    ledger.run(lambda c: casework.tag(c, HAND, number, [], ["theirs"]))
    for _ in range(2):
        go(ledger, target, made)
        read(ledger, target, made, number)
    assert set(sets(ledger, number)[0]) == {*before, "ours"}
    assert set(at_the_desk(town, there)["tags"]) == {"earmark", "ours", *(tag.replace(" ", "_") for tag in before)}
    assert read(ledger, target, made, number).outcomes == {"same": 1}


def test_custom_fields_are_the_desk_s_order_and_what_does_not_fit_is_said(ledger: Ledger, town: Town) -> None:
    target, made, number, there = sharing(ledger, town)
    zoe, desk_ = hire(town)[0], town.stands["zendesk"]
    ledger.run(lambda c: casework.fill(c, HAND, number, {"product": "card", "amount": "12"}))
    go(ledger, target, made)
    assert at_the_desk(town, there)["custom_fields"] == [{"id": 71, "value": "card"}, {"id": 72, "value": "12"}]
    read(ledger, target, made, number)
    desk_.edit(
        there, zoe, custom_fields=[{"id": 71, "value": "loan"}, {"id": 72, "value": "a lot"}, {"id": 99, "value": "x"}]
    )
    read(ledger, target, made, number)
    assert sets(ledger, number)[1] == {"product": "loan", "amount": 12}
    assert any("a lot" in line and "a number" in line for line in entries(ledger, number, "system"))
    ledger.run(lambda c: casework.fill(c, HAND, number, {"product": "mortgage"}))
    for _ in range(2):
        go(ledger, target, made)
        read(ledger, target, made, number)
    assert {one_["id"]: one_["value"] for one_ in at_the_desk(town, there)["custom_fields"]}[71] == "mortgage"


def test_a_change_here_that_owed_the_desk_nothing_reaches_it(ledger: Ledger, town: Town) -> None:
    """A rule gives the ticket to somebody, and a new post makes a waiting one open again: neither is an effect of its own."""
    target, made, [number], names = begun(ledger, town)
    yan = hire(town)[1]
    ledger.run(lambda c: casework.change(c, HAND, number, Change(status="pending")))
    go(ledger, target, made)
    read(ledger, target, made, number)
    with ledger.begin() as connection:
        before = owed(ledger, target)
        connection.execute(
            text("UPDATE desk_links SET read_at = now() - interval '5 minutes', wanted_at = NULL WHERE target = :t"),
            {"t": target},
        )
        connection.execute(
            text(
                "UPDATE tickets SET status = 'open', assignee_id = (SELECT id FROM users WHERE email = 'agent1@example.org') WHERE number = :n"
            ),
            {"n": number},
        )
        run = runs.start(connection, "work", "tester")
        ticket_id = one(connection, "SELECT id FROM tickets WHERE number = :n", n=number)
        detail = {"assignee_id": [None, 2]}
        desk_entries.write(
            connection, run, [{"ticket_id": ticket_id, "kind": "system", "body": "given by a rule", "detail": detail}]
        )
        runs.finish(connection, run)
    assert owed(ledger, target) == before
    work(ledger, bench(load_document(DOCUMENT)), "tester")
    assert go(ledger, target, made, pull=False).outcomes == {"applied": 1}
    go(ledger, target, made, pull=False)
    held = at_the_desk(town, names[number])
    assert (held["status"], held["assignee_id"]) == ("open", yan)


def random_edit(
    rng: random.Random, n: int, ledger: Ledger, town: Town, numbers: list[int], names: dict[int, int], agents: list[int]
) -> None:
    """Somebody on one side does something."""
    number = rng.choice(numbers)
    what = rng.choice(("comment", "status", "priority", "assignee", "tag"))
    value = {
        "comment": f"edit {n}",
        "status": rng.choice(("open", "pending", "hold")),
        "priority": rng.choice(("low", "normal", "high", "urgent")),
        "assignee": rng.randrange(3),
        "tag": f"t{rng.randrange(4)}",
    }[what]
    on = rng.random() < 0.6
    if rng.random() < 0.5:
        there = {
            "comment": {"body": value, "public": bool(n % 2)},
            "assignee_id": agents[int(value)] if what == "assignee" else None,
        }
        tags = {"additional_tags" if on else "remove_tags": [value]}
        wanted = tags if what == "tag" else {what: value} if what in ("status", "priority") else {"comment": there["comment"]} if what == "comment" else {
            "assignee_id": there["assignee_id"]}  # fmt: skip
        town.stands["zendesk"].edit(names[number], agents[n % 3], **wanted)
    elif what == "tag":
        ledger.run(lambda c: casework.tag(c, HAND, number, [str(value)] if on else [], [] if on else [str(value)]))
    elif what == "comment":
        ledger.run(lambda c: casework.note(c, HAND, number, str(value)))
    else:
        ids = {
            row["email"]: row["id"]
            for row in ledger.run(lambda c: [dict(r) for r in rows(c, "SELECT id, email FROM users")])
        }
        told = ids[f"agent{value}@example.org"] if what == "assignee" else value
        ledger.run(lambda c: casework.change(c, HAND, number, Change(**{what: told}, back=True)))


@pytest.mark.timeout(240)
@pytest.mark.parametrize("edits", [40, pytest.param(200, marks=pytest.mark.soak)])
def test_both_ledgers_end_alike_whatever_happens(
    ledger: Ledger, town: Town, database_url: str, rng: random.Random, edits: int
) -> None:
    """30 % faults, processes killed with SIGKILL, hints lost, doubled, forged and out of order; then field by field."""
    target, _, numbers, names = begun(ledger, town, 4)
    agents, there = hire(town), town.stands["zendesk"]
    os.environ["ZENDESK_HOOK"] = there.keys["hook"]
    config = settings(town)
    ledger.run(lambda c: configurations.accept(c, target, {"desks": [{"name": target, "kind": "zendesk", **config}]}))
    town.faults.seed = rng.randrange(1 << 30)
    for method in ("PUT", "GET"):
        town.faults.add("zendesk", "reset_after", path="/api", method=method, probability=0.12)
        town.faults.add("zendesk", "status", path="/api", method=method, probability=0.1, status=503)
        town.faults.add("zendesk", "error_after", path="/api", method=method, probability=0.1)
    for kind in ("status", "duplicate", "malformed"):
        town.faults.add("zendesk", kind, path="/webhooks", probability=0.15)
    command = [sys.executable, "-m", "tests.syncing", database_url, target, json.dumps(config)]
    done = kills = 0

    def quiet() -> bool:
        hurry(ledger, target)
        with ledger.begin() as connection:
            left = one(
                connection, "SELECT count(*) FROM outbox WHERE target = :t AND state NOT IN ('done', 'dead')", t=target
            )
            waits = desks.standing(connection, target)
        return left == 0 and waits is not None and waits["waiting"] == 0

    with web.serve(web.make_app(database_url)) as address:
        there.to = f"{address}/hooks/desks/{target}"
        while done < edits:
            with spawn(command, name="sync") as worker:
                worker.wait_for_log("listening", 30)
                for _ in range(min(max(10, edits // 6), edits - done)):
                    random_edit(rng, done, ledger, town, numbers, names, agents)
                    done += 1
                    there.passes(rng)
                    hurry(ledger, target)
                    time.sleep(rng.uniform(0, 0.1))
                worker.kill()
                kills += 1
        played = sum(fault.applied for fault in town.faults._faults)
        town.faults.clear()
        made = desk("zendesk", config)
        with ledger.begin() as connection:  # the killed one's leases
            connection.execute(
                text("UPDATE outbox SET lease_until = now() WHERE target = :t AND state = 'sending'"), {"t": target}
            )
            connection.execute(text("UPDATE desk_links SET lease_until = now() WHERE target = :t"), {"t": target})
        time.sleep(2.1)
        wait_until(
            lambda: (go(ledger, target, made), quiet())[1],
            60,
            lambda: str(ledger.run(lambda c: desks.standing(c, target))),
        )
        time.sleep(2.1)
        wait_until(lambda: (go(ledger, target, made), quiet())[1], 60)
    print(f"{done} edits, {kills} kills, {played} faults")
    assert played >= edits // 4
    alike(ledger, town, target, numbers, names, agents)


def alike(
    ledger: Ledger, town: Town, target: str, numbers: list[int], names: dict[int, int], agents: list[int]
) -> None:
    """Every ticket: status, priority, owner, and the comments of both sides, each once in both places."""
    held = {t["data"]["id"]: t["data"] for t in town.ledger.tickets()}
    said = town.ledger.comments()
    with ledger.begin() as connection:
        assert one(connection, "SELECT count(*) FROM outbox WHERE target = :t AND state = 'dead'", t=target) == 0
    for number in numbers:
        there, here = held[names[number]], ticket(ledger, number)
        owner = f"agent{agents.index(there['assignee_id'])}@example.org" if there["assignee_id"] else ""
        assert here == {"status": there["status"], "priority": there["priority"], "owner": owner}, number
        assert {*there["tags"]} - {"earmark"} == {casework.desk_tag(tag) for tag in sets(ledger, number)[0]}, number
        theirs = sorted(line.split(": ")[-1].split("\n")[0] for c in said if c["ticket"] == names[number] and not c["first"]
                        for line in [c["body"]])  # fmt: skip
        ours = sorted(entries(ledger, number, "note", "reply"))
        assert theirs == ours, number
        assert len(set(ours)) == len(ours)
