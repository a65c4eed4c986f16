"""The operations pages: what is owed and why it waits, what stopped for good, edits tried on history, and all of it without a broker."""

import re
from collections.abc import Iterator

import httpx2
import pytest
from sqlalchemy import text

import config
from storage import configurations, dead, errands, owed, posting, runs
from storage.ledger import Ledger
from storage.outbox import Effect, owe_many
from tests import web
from tests.web_fixtures import ids
from workers import errands as worker

__all__ = ["ids"]  # fixtures

BASE = """
topics:
  - name: northbank
    query: card OR northbank
"""
EDIT = """
rules:
  - name: cards
    when: {words: [declined]}
    then: {outcome: ticket, priority: high}
    why: A card does not work.
"""


def _down() -> bool:
    raise ConnectionError("no broker")


@pytest.fixture(scope="module")
def ledger(database_url: str, ids: dict[str, int]) -> Iterator[Ledger]:
    found = Ledger(database_url)
    with found.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO targets (name, kind) VALUES ('helpdesk', 'zendesk'), ('pager', 'slack'), ('shut', 'webhook')"
            )
        )
        connection.execute(text("UPDATE targets SET blocked = 'the token was refused' WHERE name = 'shut'"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def clients(ledger: Ledger, database_url: str, ids: dict[str, int]) -> Iterator[dict[str, httpx2.Client]]:
    with web.serve(web.make_app(database_url, redis_ping=_down)) as address:
        found = {role: web.enter(ledger, address, ids[role]) for role in web.ROLES}
        yield found
        for client in found.values():
            client.close()


def owe(ledger: Ledger, key: str, target: str = "helpdesk", kind: str = "ticket.comment", **more: int) -> int:
    with ledger.begin() as connection:
        run = runs.start(connection, "console", "test")
        [id_] = owe_many(connection, run, [Effect(target, kind, key, {"text": key}, **more)])
        runs.finish(connection, run)
    return id_


def test_without_a_broker_pages_say_so_and_reads_and_writes_work(
    clients: dict[str, httpx2.Client], ledger: Ledger
) -> None:
    number = web.ticket(ledger, web.mention(ledger, "b1", "declined"), "Declined", "b1")
    for role, client in clients.items():
        page = client.get(f"/tickets/{number}")
        assert page.status_code == 200
        assert "The message broker does not answer" in page.text, role
    noted = clients["agent"].post(f"/tickets/{number}/notes", data={"body": "kept without a broker"})
    assert noted.status_code == 303
    assert "kept without a broker" in clients["viewer"].get(f"/tickets/{number}").text
    status = clients["lead"].get("/status").text
    assert "No worker works" in status
    assert "The broker does not answer" in status
    assert clients["agent"].get("/status").status_code == 403


def test_each_row_of_the_outbox_says_why_it_waits(clients: dict[str, httpx2.Client], ledger: Ledger) -> None:
    made = {
        "waiting": owe(ledger, "w"), "scheduled": owe(ledger, "s"), "sending": owe(ledger, "g"), "failed": owe(ledger, "f"),
        "unknown": owe(ledger, "u"), "blocked": owe(ledger, "b", "shut"), "dead": owe(ledger, "d"), "done": owe(ledger, "o"),
    }  # fmt: skip
    first = owe(ledger, "h1", "pager", ticket_id=1)
    made["held"] = owe(ledger, "h2", "pager", ticket_id=1)
    made["stopped"] = owe(ledger, "p", kind="ticket.reply")
    ledger.run(lambda c: posting.stop(c, "user:1", "Lead", ""))
    sets = {
        "scheduled": "due = now() + interval '1 h'", "sending": "state = 'sending', lease_until = now() + interval '1 h'",
        "failed": "state = 'retry', due = now() + interval '1 h', error = 'busy there'", "unknown": "state = 'unknown'",
        "dead": "state = 'dead'", "done": "state = 'done'",
    }  # fmt: skip
    for word, change in sets.items():
        web.value(ledger, f"UPDATE outbox SET {change} WHERE id = :id RETURNING 1", id=made[word])
    assert set(made) == set(owed.WORDS)
    for word, id_ in made.items():
        page = clients["lead"].get(f"/status/outbox?word={word}").text
        assert f'<td class="num">{id_}</td>' in page, word
        others = {other for name, other in made.items() if name != word}
        assert not [other for other in others if f'<td class="num">{other}</td>' in page], word
    with ledger.begin() as connection:
        counted = owed.backlog(connection)
        for word, n in counted.items():
            assert len(owed.listed(connection, word).rows) == n, word
    ledger.run(lambda c: posting.resume(c, "user:1"))
    assert clients["auditor"].post(f"/status/outbox/{made['failed']}/now").status_code == 403
    assert clients["lead"].post(f"/status/outbox/{made['failed']}/now").headers["location"].endswith("said=now")
    assert web.value(ledger, "SELECT due <= now() FROM outbox WHERE id = :id", id=made["failed"])
    assert clients["lead"].post(f"/status/outbox/{made['done']}/now").headers["location"].endswith("said=same")
    assert clients["lead"].post("/status/targets", data={"target": "shut"}).status_code == 303
    assert web.value(ledger, "SELECT blocked FROM targets WHERE name = 'shut'") is None
    assert clients["lead"].post("/status/targets", data={"target": "nobody"}).status_code == 404
    assert first


def test_a_dead_letter_is_retried_dropped_and_taken_back(clients: dict[str, httpx2.Client], ledger: Ledger) -> None:
    lead = clients["lead"]
    create = owe(ledger, "c1", "pager", "ticket.create", ticket_id=77)
    behind = owe(ledger, "c2", "pager", ticket_id=77)
    web.value(ledger, "UPDATE outbox SET state = 'dead' WHERE id = :id RETURNING 1", id=create)
    letter = web.value(
        ledger, "INSERT INTO dead_letters (kind, ref_id, reason, error) VALUES ('outbox', :id, 'refused', '422 no') RETURNING id", id=create
    )  # fmt: skip
    assert f"/status/dead/letter:{letter}" in lead.get("/status/dead").text
    assert "422 no" in lead.get(f"/status/dead/letter:{letter}").text
    act = f"/status/dead/letter:{letter}"

    def states() -> list[str]:
        return [web.value(ledger, "SELECT state FROM outbox WHERE id = :id", id=id_) for id_ in (create, behind)]

    assert lead.post(act, data={"do": "drop"}).status_code == 303
    assert states() == ["dead", "dead"]
    assert f"letter:{letter}" not in lead.get("/status/dead").text
    assert lead.post(act, data={"do": "drop"}).status_code == 409
    assert lead.post(act, data={"do": "reopen"}).status_code == 303
    assert states() == ["dead", "new"]
    assert lead.post(act, data={"do": "retry"}).status_code == 303
    assert states() == ["retry", "new"]
    assert lead.post(act, data={"do": "reopen"}).status_code == 409
    assert lead.get("/status/dead/letter:999999").status_code == 404
    assert lead.get("/status/dead/nonsense").status_code == 404


def test_a_rejected_item_is_read_again_by_a_worker_and_the_page_says_how_that_went(
    clients: dict[str, httpx2.Client], ledger: Ledger
) -> None:
    lead = clients["lead"]
    channel = web.value(
        ledger, "INSERT INTO channels (name, kind, platform) VALUES ('gone', 'feed', 'feeds') RETURNING id"
    )
    id_ = web.value(
        ledger,
        "INSERT INTO rejects (channel_id, page_id, item_hash, native_id, reason, payload) VALUES (:c, 1, '\\x01', 'n', 'no date', "
        '\'{"a": "<script>alert(1)</script>"}\') RETURNING id',
        c=channel,
    )
    page = f"/status/dead/reject:{id_}"
    assert "&lt;script&gt;" in lead.get(page).text
    assert lead.post(page, data={"do": "retry"}).status_code == 303
    assert "waits for a worker" in lead.get(page).text
    assert worker.run(ledger, config.Config(), b"0" * 32) == 1
    assert "its channel gone is not configured any more" in lead.get(page).text
    assert lead.post(page, data={"do": "drop"}).status_code == 303
    assert lead.post(page, data={"do": "retry"}).status_code == 409
    assert lead.post(page, data={"do": "reopen"}).status_code == 303
    assert web.value(ledger, "SELECT state FROM rejects WHERE id = :id", id=id_) == "open"


def test_an_edit_is_checked_at_once_and_tried_on_history(clients: dict[str, httpx2.Client], ledger: Ledger) -> None:
    lead = clients["lead"]
    base = config.load_edit({}, BASE)
    with ledger.begin() as connection:
        configurations.accept(connection, base.hash, base.document())
        configurations.refuse(connection, "bad", 'topics.yaml:3:5: error: query: "or" is searched for as a word')
    page = lead.get("/status/configuration").text
    assert "topics.yaml:3:5: error" in page
    assert "northbank" in page
    refused = lead.post("/status/configuration", data={"text": "rulez:\n  - name: x\n", "days": "7"})
    assert refused.status_code == 422
    assert "edit.yaml:1:1: error" in refused.text
    assert "did you mean &#34;rules&#34;" in refused.text
    assert "rulez:" in refused.text  # what was typed is kept
    assert web.value(ledger, "SELECT count(*) FROM errands WHERE kind = 'plan'") == 0
    web.mention(ledger, "p1", "my northbank card was declined secretword", outcome="ignore")
    assert lead.post("/status/configuration", data={"text": EDIT, "days": "7"}).status_code == 303
    assert "Waits for a worker" in lead.get("/status/configuration").text
    assert worker.run(ledger, base, b"0" * 32) == 1
    page = lead.get("/status/configuration").text
    assert re.search(r"rules: <b>cards</b> added", page)
    assert re.search(r"(would appear|another priority)</td><td class=\"num\">[1-9]", page)
    report = web.value(ledger, "SELECT report::text FROM errands WHERE kind = 'plan'")
    assert "secretword" not in report
    with ledger.begin() as connection:
        current = configurations.in_force(connection)
    assert current
    assert current.hash == base.hash  # nothing came into force


def test_an_errand_whose_worker_is_lost_is_taken_up_again_three_times(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        id_ = errands.ask(connection, "reread", {"reject": 1}, "test")
    for _ in range(errands.TRIES):
        with ledger.begin() as connection:
            taken = errands.take(connection)
            assert taken
            assert taken.id == id_
            assert errands.take(connection) is None
            connection.execute(text("UPDATE errands SET started_at = now() - interval '6 min'"))
    with ledger.begin() as connection:
        assert errands.take(connection) is None
        assert errands.recent(connection, "reread", 1)[0].given_up
        connection.execute(text("DELETE FROM errands WHERE id = :id"), {"id": id_})


def test_what_was_erased_does_not_come_back_by_reopening(ledger: Ledger) -> None:
    id_ = web.value(
        ledger,
        "INSERT INTO dead_letters (kind, ref_id, reason, state) VALUES ('digest', 1, 'erased', 'dropped') RETURNING id",
    )
    with pytest.raises(dead.CannotRetry), ledger.begin() as connection:
        dead.reopen(connection, ("letter", id_), "test")
