"""Answers from the console: by which way they leave, what takes them back, what stops them, and drafts that nothing loses."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from storage import casework, configurations, gathering, reconcile, users
from storage.casework import Change
from storage.ledger import Ledger, one, rows
from tests import web
from tests.delivering import desk, go
from tests.web_fixtures import address, client, ids
from town.server import Town

__all__ = ["address", "client", "ids"]  # fixtures

MAIL = "Ann.Bell@example.org"
POST = {
    "name": "post",
    "kind": "smtp",
    "host": "mail.example.org",
    "sender": "care@example.org",
    "to": ["care@example.org"],
}


@pytest.fixture(scope="module")
def ledger(database_url: str, ids: dict[str, int]) -> Iterator[Ledger]:
    found = Ledger(database_url)
    with found.begin() as connection:
        connection.execute(text("INSERT INTO targets (name, kind) VALUES ('helpdesk', 'zendesk'), ('post', 'smtp')"))
        configurations.accept(connection, "r", {"casework": {"reply_by": "post", "hold": "1h"}, "desks": [POST]})
    yield found
    found.close()


@pytest.fixture
def number(ledger: Ledger, request: pytest.FixtureRequest) -> int:
    """A ticket of a customer of its own."""
    return opened(ledger, request.node.name)


def opened(ledger: Ledger, key: str, **more: Any) -> int:
    return web.ticket(
        ledger, web.mention(ledger, key, f"declined {key}", author=key), f"About {key}", f"reddit|x|{key}", key, **more
    )


def user(ledger: Ledger, role: str) -> users.User:
    with ledger.begin() as connection:
        found = users.by_email(connection, f"{role}@example.org")
    assert found
    return found


def with_address(ledger: Ledger, number: int, mail: str = MAIL) -> int:
    """The ticket's customer gets an e-mail address; returns the identity."""
    with ledger.begin() as connection:
        id_ = one(
            connection,
            "INSERT INTO identities (kind, platform, origin, native_id) VALUES ('email', '', '', :m) "
            "ON CONFLICT DO NOTHING RETURNING id",
            m=f"{number}.{mail}".lower(),
        )
        connection.execute(
            text(
                "INSERT INTO customer_identities (identity_id, customer_id, evidence, confidence, source) "
                "SELECT :i, customer_id, 'import', 1, 'import' FROM tickets WHERE number = :n"
            ),
            {"i": id_, "n": number},
        )
    return int(id_)


def shown(client: httpx2.Client, number: int) -> str:
    page = client.get(f"/tickets/{number}").text
    return page.split('name="shown" value="')[1].split('"')[0]


def owed(ledger: Ledger, number: int, kind: str = "ticket.reply") -> list[dict[str, Any]]:
    with ledger.begin() as connection:
        return [dict(row) for row in rows(
            connection,
            "SELECT o.id, o.target, o.key, o.state, o.notice, o.due > now() AS waits, o.entry_id FROM outbox o JOIN tickets t "
            "ON t.id = o.ticket_id WHERE t.number = :n AND o.kind = :k ORDER BY o.id", n=number, k=kind)]  # fmt: skip


def drafts_of(ledger: Ledger, number: int) -> dict[str, str]:
    with ledger.begin() as connection:
        return {row["kind"]: row["body"] for row in rows(
            connection, "SELECT d.kind, d.body FROM drafts d JOIN tickets t ON t.id = d.ticket_id WHERE t.number = :n", n=number)}  # fmt: skip


def test_a_reply_leaves_by_the_desk_and_the_button_says_so(client: httpx2.Client, ledger: Ledger, number: int) -> None:
    page = client.get(f"/tickets/{number}").text
    assert "Send through Zendesk" in page
    assert "Send by e-mail" not in page  # no address is known
    form = {"body": "We are <b>sorry</b>.", "way": "helpdesk", "shown": shown(client, number)}
    assert "said=leaves" in client.post(f"/tickets/{number}/replies", data=form).headers["location"]
    [row] = owed(ledger, number)
    assert (row["target"], row["state"], row["waits"]) == ("helpdesk", "new", True)
    assert json.loads(row["notice"])["text"] == "We are <b>sorry</b>."
    page = client.get(f"/tickets/{number}").text
    assert "We are &lt;b&gt;sorry&lt;/b&gt;." in page
    assert "through Zendesk" in page
    assert (
        web.value(ledger, "SELECT status || (first_at IS NOT NULL) FROM tickets WHERE number = :n", n=number)
        == "opentrue"
    )


def test_a_reply_goes_to_the_address_and_the_desk_is_told_by_a_note(
    client: httpx2.Client, ledger: Ledger, number: int
) -> None:
    identity = with_address(ledger, number)
    page = client.get(f"/tickets/{number}").text
    assert f"Send by e-mail to {number}.{MAIL.lower()}" in page
    form = {"body": "Done.", "way": f"post:{identity}", "shown": shown(client, number)}
    client.post(f"/tickets/{number}/replies", data=form)
    [row] = owed(ledger, number)
    assert (row["target"], json.loads(row["notice"])["to"]) == ("post", f"{number}.{MAIL.lower()}")
    [told] = owed(ledger, number, "ticket.comment")
    assert json.loads(told["notice"]) == {"number": number, "text": "Agent answered: Done.", "public": False}
    stored = web.value(ledger, "SELECT detail::text FROM entries WHERE id = :e", e=row["entry_id"])
    assert "@" not in stored  # the address stands with the identity, which an erasure takes


def test_without_a_way_the_form_says_why_and_nothing_is_sent(client: httpx2.Client, ledger: Ledger) -> None:
    number = opened(ledger, "no-way", targets=[])
    page = client.get(f"/tickets/{number}").text
    assert "No e-mail address of this customer is known, and no helpdesk has this ticket." in page
    form = {"body": "Lost?", "way": "helpdesk", "shown": shown(client, number)}
    answer = client.post(f"/tickets/{number}/replies", data=form)
    assert answer.status_code == 422
    assert "Lost?" in answer.text
    assert owed(ledger, number) == []
    assert drafts_of(ledger, number) == {"reply": "Lost?"}


def test_a_way_of_another_customer_is_no_way(client: httpx2.Client, ledger: Ledger, number: int) -> None:
    other = with_address(ledger, opened(ledger, "somebody-else"))
    form = {"body": "Private things.", "way": f"post:{other}", "shown": shown(client, number)}
    assert client.post(f"/tickets/{number}/replies", data=form).status_code == 422
    assert owed(ledger, number) == []


def test_the_two_doors_are_different(client: httpx2.Client, ledger: Ledger, number: int) -> None:
    """A note's form has no way and a reply's has one: what is posted to the wrong door is refused or stays inside."""
    stamp = shown(client, number)
    assert (
        client.post(f"/tickets/{number}/notes", data={"body": "x", "way": "helpdesk", "shown": stamp}).status_code
        == 422
    )
    assert client.post(f"/tickets/{number}/replies", data={"body": "x", "shown": stamp}).status_code == 422
    assert client.post(f"/tickets/{number}/replies", data={"body": "x", "way": "helpdesk"}).status_code == 422
    assert owed(ledger, number) == []


def test_a_colleagues_note_before_a_reply_is_pointed_out(client: httpx2.Client, ledger: Ledger, number: int) -> None:
    assert "What you write here is public" not in client.get(f"/tickets/{number}").text
    with ledger.begin() as connection:
        casework.note(connection, user(ledger, "lead"), number, "Is he a VIP?")
    assert "internal note by Lead. What you write here is public" in client.get(f"/tickets/{number}").text
    client.post(f"/tickets/{number}/notes", data={"body": "Yes."})
    assert "What you write here is public" not in client.get(f"/tickets/{number}").text


def test_taking_back_restores_the_words_and_leaves_no_answer(
    client: httpx2.Client, ledger: Ledger, number: int
) -> None:
    with_address(ledger, number)
    client.post(f"/tickets/{number}/drafts/reply", data={"body": "first words"})
    form = {"body": "Sent words.", "way": "helpdesk", "shown": shown(client, number)}
    client.post(f"/tickets/{number}/replies", data=form)
    assert drafts_of(ledger, number) == {}
    client.post(f"/tickets/{number}/drafts/reply", data={"body": "begun since"})
    [row] = owed(ledger, number)
    answer = client.post(f"/tickets/{number}/replies/{row['entry_id']}/undo")
    assert answer.headers["location"] == f"/tickets/{number}?said=withdrawn#reply"
    assert owed(ledger, number) == owed(ledger, number, "ticket.comment") == []
    assert drafts_of(ledger, number) == {"reply": "Sent words.\n\nbegun since"}
    assert (
        web.value(ledger, "SELECT status || (first_at IS NULL) FROM tickets WHERE number = :n", n=number) == "newtrue"
    )
    assert "taken back before it left" in client.get(f"/tickets/{number}").text
    again = client.post(f"/tickets/{number}/replies/{row['entry_id']}/undo")
    assert again.status_code == 409
    assert _sums(ledger) == []


def test_a_reply_on_its_way_is_not_taken_back_and_the_page_says_so(
    client: httpx2.Client, ledger: Ledger, number: int
) -> None:
    form = {"body": "Too late.", "way": "helpdesk", "shown": shown(client, number)}
    client.post(f"/tickets/{number}/replies", data=form)
    [row] = owed(ledger, number)
    web.value(ledger, "UPDATE outbox SET state = 'sending', attempts = 1 WHERE id = :id RETURNING 1", id=row["id"])
    answer = client.post(f"/tickets/{number}/replies/{row['entry_id']}/undo")
    assert answer.status_code == 409
    assert "It was not taken back" in answer.text
    assert len(owed(ledger, number)) == 1
    assert drafts_of(ledger, number) == {}


def test_nobody_takes_back_a_colleagues_reply(
    client: httpx2.Client, ledger: Ledger, number: int, address: str, ids: dict[str, int]
) -> None:
    client.post(f"/tickets/{number}/replies", data={"body": "Mine.", "way": "helpdesk", "shown": shown(client, number)})
    [row] = owed(ledger, number)
    with web.enter(ledger, address, ids["lead"]) as other:
        assert "Take back" not in other.get(f"/tickets/{number}").text
        assert other.post(f"/tickets/{number}/replies/{row['entry_id']}/undo").status_code == 409
    assert len(owed(ledger, number)) == 1


@pytest.mark.parametrize("door", ["replies", "notes", "change"])
def test_a_send_that_missed_an_entry_is_stopped_with_the_text_kept(
    client: httpx2.Client, ledger: Ledger, address: str, ids: dict[str, int], door: str
) -> None:
    number = opened(ledger, f"missed-{door}")
    stamp = shown(client, number)
    with web.enter(ledger, address, ids["lead"]) as other:
        other.post(f"/tickets/{number}/notes", data={"body": "I called them already."})
    form = {
        "replies": {"body": "My words.", "way": "helpdesk"},
        "notes": {"body": "My words."},
        "change": {"status": "resolved"},
    }[door]
    answer = client.post(f"/tickets/{number}/{door}", data={**form, "shown": stamp})
    assert answer.status_code == 409
    assert "New since your page was read" in answer.text
    assert "I called them already." in answer.text
    assert owed(ledger, number) == []
    assert web.value(ledger, "SELECT status FROM tickets WHERE number = :n", n=number) == "new"
    if door != "change":
        assert ">My words.</textarea>" in answer.text
        assert drafts_of(ledger, number) == {"reply" if door == "replies" else "note": "My words."}
    fresh = answer.text.split('name="shown" value="')[1].split('"')[0]
    assert client.post(f"/tickets/{number}/{door}", data={**form, "shown": fresh}).status_code == 303
    assert drafts_of(ledger, number) == {}


def test_an_entry_that_began_before_the_page_and_came_after_it_was_missed(
    client: httpx2.Client, ledger: Ledger, number: int
) -> None:
    """Its time and its id are older than what the page showed: neither a clock nor a highest id would find it."""
    slow = ledger.engine.connect()
    began = slow.begin()
    drawn = slow.execute(
        text(
            "INSERT INTO entries (ticket_id, kind, body, run_id) SELECT id, 'system', 'slow', 1 FROM tickets WHERE number = :n RETURNING id"
        ),
        {"n": number},
    ).scalar()
    client.post(f"/tickets/{number}/notes", data={"body": "quick"})
    stamp = shown(client, number)
    began.commit()
    slow.close()
    answer = client.post(f"/tickets/{number}/notes", data={"body": "late", "shown": stamp})
    assert answer.status_code == 409
    web.value(ledger, "DELETE FROM entries WHERE id = :id RETURNING 1", id=drawn)


@pytest.mark.parametrize("stamp", ["x", "1.", "99999999999999999", "1.zzzzzzzzzzzzz", "1.0.0"])
def test_a_made_up_stamp_has_seen_nothing(client: httpx2.Client, ledger: Ledger, number: int, stamp: str) -> None:
    answer = client.post(f"/tickets/{number}/notes", data={"body": "words", "shown": stamp})
    assert answer.status_code in (303, 409)
    if stamp != "99999999999999999":  # who claims to have read tomorrow has only fooled themselves
        assert answer.status_code == 409


def test_a_draft_survives_reassignment_merge_and_logout(
    client: httpx2.Client, ledger: Ledger, number: int, address: str, ids: dict[str, int]
) -> None:
    target = web.ticket(
        ledger, web.mention(ledger, f"d2{number}", "x", author="d"), "Other", f"reddit|x|d2{number}", "d"
    )
    with ledger.begin() as connection:  # one customer's, so that they merge
        connection.execute(
            text(
                "UPDATE tickets SET customer_id = (SELECT customer_id FROM tickets WHERE number = :a) WHERE number = :b"
            ),
            {"a": number, "b": target},
        )
    for kind in ("note", "reply"):
        saved = client.post(
            f"/tickets/{number}/drafts/{kind}", data={"body": f"my {kind}"}, headers={"accept": "application/json"}
        )
        assert saved.json()["saved"]
    lead = user(ledger, "lead")
    with ledger.begin() as connection:
        casework.change(connection, lead, number, Change(assignee=ids["lead"], team="cards"))
        gathering.merge(connection, lead, number, target)
    with web.enter(ledger, address, ids["agent"]) as again:  # another session: the first is over
        page = again.get(f"/tickets/{target}").text
        assert ">my note</textarea>" in page
        assert ">my reply</textarea>" in page
        assert f'begun on <a href="/tickets/{number}">' in page
        assert again.post(f"/tickets/{target}/notes", data={"body": "my note, ended"}).status_code == 303
    assert drafts_of(ledger, number) == {"reply": "my reply"}
    with web.enter(ledger, address, ids["lead"]) as other:
        assert "my reply" not in other.get(f"/tickets/{target}").text  # a draft is its writer's


def test_drafts_are_bounded_and_emptying_ends_one(client: httpx2.Client, ledger: Ledger, number: int) -> None:
    script = {"accept": "application/json"}
    assert client.post(f"/tickets/{number}/drafts/note", data={"body": "x" * 40_001}, headers=script).status_code == 422
    assert client.post(f"/tickets/{number}/drafts/letter", data={"body": "x"}).status_code == 422
    assert client.post("/tickets/99999999/drafts/note", data={"body": "x"}).status_code == 404
    client.post(f"/tickets/{number}/drafts/note", data={"body": "x"}, headers=script)
    assert client.post(f"/tickets/{number}/drafts/note", data={"body": "  "}, headers=script).json() == {"saved": None}
    assert drafts_of(ledger, number) == {}


def test_a_reply_arrives_once_as_a_public_comment_and_its_lost_answer_is_looked_up(
    client: httpx2.Client, ledger: Ledger, number: int
) -> None:
    web.value(ledger, "UPDATE outbox SET state = 'done' WHERE state = 'new' RETURNING 1")  # of the tests before
    with Town(seed=3) as town:
        made = desk(
            "zendesk",
            {
                "base_url": town.urls["zendesk"],
                "quiet": 0.1,
                "email": "agent@northbank.example",
                "token_env": "ZENDESK_TOKEN",
            },
        )
        remote = _at_zendesk(ledger, made, number)
        client.post(
            f"/tickets/{number}/replies", data={"body": "Dear Ann.", "way": "helpdesk", "shown": shown(client, number)}
        )
        [row] = owed(ledger, number)
        assert go(ledger, "helpdesk", made).outcomes == {}  # held
        web.value(ledger, "UPDATE outbox SET due = now() WHERE id = :id RETURNING 1", id=row["id"])
        assert go(ledger, "helpdesk", made).outcomes.get("done", 0) >= 1
        comments = [c for c in _comments(made, remote) if c["public"]]
        assert [c["body"] for c in comments] == ["Dear Ann."]  # the customer reads no reference of ours
        web.value(
            ledger,
            "UPDATE outbox SET state = 'unknown', due = now(), done_at = NULL WHERE id = :id RETURNING 1",
            id=row["id"],
        )
        assert go(ledger, "helpdesk", made).outcomes == {"found": 1}
        assert len([c for c in _comments(made, remote) if c["public"]]) == 1


def _at_zendesk(ledger: Ledger, made: Any, number: int) -> str:
    """The ticket's counterpart there; returns its id."""
    from domain.nouns import Notice
    from tests.delivering import ticket_body

    notice = Notice("ticket.create", f"em-{number}-helpdesk-create", ticket_body(number))
    remote = made.deliver(notice, made.render(notice, None), None).remote_id
    web.value(
        ledger,
        "INSERT INTO desk_links (ticket_id, target, remote_id) SELECT id, 'helpdesk', :r FROM tickets WHERE number = :n RETURNING 1",
        r=remote,
        n=number,
    )
    return str(remote)


def _comments(made: Any, remote: str) -> list[dict[str, Any]]:
    return list(made._comments(remote))


def _sums(ledger: Ledger) -> list[str]:
    """What the ledger's own proof says about entries and what is owed."""
    with ledger.read() as connection:
        found = reconcile.reconcile(connection).findings
    return [str(one_) for one_ in found if one_.table in ("entries", "outbox") and "creation" not in one_.problem]
