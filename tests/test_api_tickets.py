"""Tickets by program: opened, changed under If-Match, written on, once per key; and acting on the machinery."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from storage import tokens
from storage.ledger import Ledger, rows
from storage.reconcile import reconcile
from tests import web

DOCUMENT = (
    '{"teams": [{"name": "cards"}, {"name": "loans"}], "desks": [{"name": "helpdesk", "kind": "stdout", "enabled": true, "teams": ["cards"]}, '
    '{"name": "off", "kind": "stdout", "enabled": false}]}'
)


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    made = Ledger(database_url, name="test", pool=4)
    with made.begin() as connection:
        connection.execute(
            text("INSERT INTO configurations (hash, document) VALUES ('t', CAST(:d AS jsonb))"), {"d": DOCUMENT}
        )
        connection.execute(text("INSERT INTO channels (name, kind, platform) VALUES ('r', 'reddit', 'reddit')"))
        connection.execute(text("INSERT INTO targets (name, kind) VALUES ('helpdesk', 'stdout')"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def api(ledger: Ledger, database_url: str) -> Iterator[httpx2.Client]:
    value = ledger.run(lambda c: tokens.add(c, "crm", tokens.SCOPES, 1, "command"))[1]
    with (
        web.serve(web.make_app(database_url)) as address,
        httpx2.Client(base_url=f"{address}/api/v1", headers={"authorization": f"Bearer {value}"}) as client,
    ):
        yield client


def ask(ledger: Ledger, sql: str, **values: Any) -> list[dict[str, Any]]:
    with ledger.begin() as connection:
        return [dict(row) for row in rows(connection, sql, **values)]


def test_a_ticket_opened_by_program_is_whole(api: httpx2.Client, ledger: Ledger) -> None:
    made = api.post(
        "/tickets",
        json={"subject": "Lost card", "text": "in Lisbon", "team": "cards", "priority": "high", "tags": ["Travel"]},
    )
    assert made.status_code == 201
    number = made.json()["number"]
    found = api.get(f"/tickets/{number}").json()
    assert (found["ticket"]["subject"], found["ticket"]["tags"], found["ticket"]["priority"]) == (
        "Lost card",
        ["travel"],
        "high",
    )
    assert [entry["body"] for entry in found["history"]] == ["in Lisbon"]
    assert [(d["target"], d["kind"]) for d in found["deliveries"]] == [("helpdesk", "ticket.create")]
    [audit] = ask(ledger, "SELECT actor FROM audit WHERE action = 'ticket.open' AND object = :o", o=f"ticket:{number}")
    assert audit["actor"].startswith("token:")
    assert ask(ledger, "SELECT 1 FROM events WHERE kind = 'ticket.created'")
    elsewhere = api.post("/tickets", json={"subject": "x", "team": "loans"}).json()["number"]
    assert api.get(f"/tickets/{elsewhere}").json()["deliveries"] == []  # the desk wants other teams'
    for wrong in ({"subject": "x", "team": "nobody"}, {"subject": "x", "customer": 987654}):
        assert api.post("/tickets", json=wrong).status_code == 409
    for wrong in (
        {"subject": " "},
        {"subject": "x" * 201},
        {"subject": "x", "priority": "king"},
        {"subject": "x", "status": "closed"},
    ):
        assert api.post("/tickets", json=wrong).status_code == 422, wrong


def test_a_change_holds_against_what_was_read(api: httpx2.Client) -> None:
    number = api.post("/tickets", json={"subject": "Change me", "team": "cards"}).json()["number"]
    tag = api.get(f"/tickets/{number}").headers["etag"]
    done = api.patch(f"/tickets/{number}", json={"priority": "urgent"}, headers={"if-match": tag})
    assert (done.status_code, done.json()["changed"]) == (200, True)
    stale = api.patch(f"/tickets/{number}", json={"priority": "low"}, headers={"if-match": tag})
    assert (stale.status_code, stale.headers["content-type"]) == (412, "application/problem+json")
    assert (
        api.patch(
            f"/tickets/{number}", json={"priority": "low"}, headers={"if-match": f'"{done.json()["version"]}"'}
        ).status_code
        == 200
    )
    assert api.patch(f"/tickets/{number}", json={"status": "new"}).status_code in (200, 409)
    assert api.patch(f"/tickets/{number}", json={"team": "nobody"}).status_code == 409
    asleep = api.patch(f"/tickets/{number}", json={"snoozed_until": "2100-01-01T00:00:00Z"}).json()
    assert asleep["changed"]
    assert api.get(f"/tickets/{number}").json()["ticket"]["snoozed_until"].startswith("2100-01-01")
    assert api.patch(f"/tickets/{number}", json={"snoozed_until": None}).json()["changed"]
    assert api.get("/tickets", params={"view": "snoozed"}).json()["items"] == []
    same = api.patch(f"/tickets/{number}", json={"priority": "low"}).json()
    assert same["changed"] is False
    assert api.patch("/tickets/987654", json={"priority": "low"}).status_code == 404


def test_notes_answers_and_tags(api: httpx2.Client) -> None:
    number = api.post("/tickets", json={"subject": "Write on me"}).json()["number"]
    assert api.post(f"/tickets/{number}/notes", json={"body": "looked into it"}).status_code == 201
    assert api.get(f"/tickets/{number}").json()["ticket"]["first_at"] is None
    assert api.post(f"/tickets/{number}/notes", json={"body": "told them", "kind": "answer"}).status_code == 201
    assert api.get(f"/tickets/{number}").json()["ticket"]["first_at"] is not None
    tagged = api.post(f"/tickets/{number}/tags", json={"add": ["A b", "c"]}).json()
    assert tagged["changed"]
    api.post(f"/tickets/{number}/tags", json={"remove": ["c"]})
    assert api.get(f"/tickets/{number}").json()["ticket"]["tags"] == ["a b"]
    for wrong in ({"body": " "}, {"body": "x" * 20_001}, {"body": "x", "public": True}, {}):
        assert api.post(f"/tickets/{number}/notes", json=wrong).status_code == 422, str(wrong)[:50]


WRITES = [
    ("post", "/tickets", {"subject": "once"}),
    ("post", "/tickets/{n}/notes", {"body": "once"}),
    ("post", "/tickets/{n}/tags", {"add": ["once"]}),
    ("patch", "/tickets/{n}", {"priority": "urgent"}),
    ("post", "/corrections", {"mention": 1, "sentiment": "neutral"}),
    ("post", "/channels/1/pause", None),
]


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_each_write_is_done_once_per_key(api: httpx2.Client, ledger: Ledger, method: str, path: str, body: Any) -> None:
    if not ask(ledger, "SELECT 1 FROM mentions WHERE id = 1"):
        web.ticket(ledger, web.mention(ledger, "w1", "declined"), "Declined", "k1", targets=[])
    number = api.post("/tickets", json={"subject": "for keys"}).json()["number"]
    headers = {"idempotency-key": f"key {method} {path}"}
    first = api.request(method, path.format(n=number), json=body, headers=headers)
    count = "SELECT (SELECT count(*) FROM tickets) + (SELECT count(*) FROM entries) + (SELECT count(*) FROM corrections) + (SELECT count(*) FROM audit) AS n"
    before = ask(ledger, count)
    again = api.request(method, path.format(n=number), json=body, headers=headers)
    assert first.status_code in (200, 201), first.text
    assert (again.status_code, again.json(), again.headers["idempotency-replayed"]) == (
        first.status_code,
        first.json(),
        "true",
    )
    assert ask(ledger, count) == before
    other = api.request(method, path.format(n=number) + "?", json={"subject": "another"}, headers=headers)
    assert other.status_code == 422
    assert (
        api.request(method, path.format(n=number), json=body, headers={"idempotency-key": "x" * 256}).status_code == 400
    )


def test_the_machinery_by_program(api: httpx2.Client, ledger: Ledger) -> None:
    assert api.post("/channels/1/poll").json() == {"id": 1, "state": "wanted"}
    assert ask(ledger, "SELECT wanted_at FROM channels")[0]["wanted_at"] is not None
    assert api.post("/channels/1/pause").json()["state"] == "paused"
    assert api.get("/channels/1", params={"fields": "state"}).json() == {"state": "paused"}
    assert api.post("/channels/1/resume").json()["state"] == "resumed"
    assert api.post("/channels/987/pause").status_code == 404
    mention = web.mention(ledger, "dead", "poison")
    letter = ask(
        ledger,
        "INSERT INTO dead_letters (kind, ref_id, version, reason) VALUES ('digest', :m, 1, 'crashed') RETURNING id",
        m=mention,
    )[0]["id"]
    assert api.post(f"/dead-letters/{letter}/retry").json() == {"id": letter, "state": "retried"}
    assert ask(ledger, "SELECT 1 FROM digests WHERE mention_id = :m", m=mention)
    refused = api.post(f"/dead-letters/{letter}/drop")
    assert (refused.status_code, refused.headers["content-type"]) == (409, "application/problem+json")
    figures = api.get("/reports").json()["figures"]
    assert {"first_response", "backlog"} <= {figure["name"] for figure in figures}
    page = api.get("/reports/tickets", params={"limit": 2}).json()
    assert len(page["items"]) == 2
    rest = api.get("/reports/tickets", params={"limit": 200, "cursor": page["next"]}).json()["items"]
    assert {row["ticket_id"] for row in page["items"]} & {row["ticket_id"] for row in rest} == set()


def test_what_programs_did_reconciles(api: httpx2.Client, ledger: Ledger) -> None:
    api.post("/tickets", json={"subject": "for the proof", "team": "cards"})
    with ledger.begin() as connection:
        findings = [f for f in reconcile(connection).findings if f.table in ("tickets", "entries", "outbox")]
    assert findings == []
