"""What else a ticket's page does: macros, fields, watching, snoozing, handing over, merging, splitting, linking; and their way back."""

import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from storage import configurations
from storage.ledger import Ledger
from tests import web
from tests.web_fixtures import address, client, ids

__all__ = ["address", "client", "ids"]  # fixtures

DOCUMENT = {
    "teams": [{"name": "cards"}, {"name": "care"}],
    "macros": [
        {
            "name": "outage",
            "label": "Known outage",
            "status": "hold",
            "tags": ["outage"],
            "note": "Part of it, {customer}.",
        }
    ],
    "fields": [
        {"name": "cause", "label": "Cause", "type": "choice", "choices": ["app", "card"], "required": True},
        {"name": "amount", "type": "number"},
    ],
}


@pytest.fixture(scope="module")
def ledger(database_url: str, ids: dict[str, int]) -> Iterator[Ledger]:
    found = Ledger(database_url)
    with found.begin() as connection:
        configurations.accept(connection, "h", DOCUMENT)
    yield found
    found.close()


def opened(ledger: Ledger, key: str, author: str = "ann") -> int:
    post = web.mention(ledger, key, f"declined {key}", author=author)
    return web.ticket(ledger, post, f"About {key}", f"reddit|northbank|{key}", author)


@pytest.fixture
def number(ledger: Ledger, request: pytest.FixtureRequest) -> int:
    return opened(ledger, request.node.name)


def of(ledger: Ledger, number: int, column: str) -> Any:
    return web.value(ledger, f"SELECT {column} FROM tickets WHERE number = :n", n=number)


def act_of(answer: httpx2.Response) -> str:
    found = re.search(r"act=(\d+)", answer.headers["location"])
    assert found, answer.headers
    return found[1]


def test_a_macro_says_what_it_would_do_and_can_be_taken_back(
    client: httpx2.Client, ledger: Ledger, number: int
) -> None:
    page = client.get(f"/tickets/{number}").text
    for effect in ("status → hold", "tag outage", "note: Part of it, {customer}."):
        assert effect in page
    answer = client.post(f"/tickets/{number}/macro", data={"name": "outage"})
    assert (of(ledger, number, "status"), of(ledger, number, "tags")) == ("hold", ["outage"])
    assert "Part of it, ann." in client.get(f"/tickets/{number}").text
    back = client.post(f"/undo/{act_of(answer)}", data={"ticket": str(number)})
    assert back.headers["location"].startswith(f"/tickets/{number}?said=undone")
    assert (of(ledger, number, "status"), of(ledger, number, "tags")) == ("new", [])
    page = client.get(f"/tickets/{number}").text
    assert "Part of it, ann." not in page, "its note goes with it"
    assert "An internal note was taken back." in page
    told = web.value(
        ledger, "SELECT count(*) FROM outbox o JOIN tickets t ON t.id = o.ticket_id WHERE t.number = :n AND o.notice LIKE '%Part of it%'", n=number
    )  # fmt: skip
    assert told == 0, "no desk hears of a note that was taken back before it left"
    assert client.post(f"/tickets/{number}/macro", data={"name": "none such"}).status_code == 409


def test_fields_are_read_by_their_types_and_a_missing_one_keeps_a_ticket_open(
    client: httpx2.Client, ledger: Ledger, number: int
) -> None:
    stopped = client.post(f"/tickets/{number}/change", data={"status": "resolved"})
    assert stopped.status_code == 409
    assert "Fill in Cause" in stopped.text
    assert client.post(f"/tickets/{number}/fields", data={"field.amount": "many"}).status_code == 409
    client.post(f"/tickets/{number}/fields", data={"field.amount": "12", "field.cause": "app"})
    assert of(ledger, number, "fields") == {"amount": 12, "cause": "app"}
    assert client.post(f"/tickets/{number}/change", data={"status": "resolved"}).status_code == 303


def test_watching_and_no_longer(client: httpx2.Client, ledger: Ledger, number: int, ids: dict[str, int]) -> None:
    client.post(f"/tickets/{number}/watch", data={"on": "true"})
    assert of(ledger, number, "watchers") == [ids["agent"]]
    assert "Stop watching" in client.get(f"/tickets/{number}").text
    client.post(f"/tickets/{number}/watch", data={"on": "false"})
    assert of(ledger, number, "watchers") == []


def test_snoozing_by_preset_and_by_the_askers_clock(client: httpx2.Client, ledger: Ledger, number: int) -> None:
    answer = client.post(f"/tickets/{number}/snooze", data={"until": "4h"})
    assert of(ledger, number, "round(extract(epoch FROM snoozed_until - now()) / 3600)") == 4
    client.post(f"/undo/{act_of(answer)}", data={"ticket": str(number)})
    assert of(ledger, number, "snoozed_until") is None
    client.cookies.set("earmark-zone", "Europe/Berlin")
    client.post(f"/tickets/{number}/snooze", data={"at": "2031-07-01T09:00"})
    client.cookies.delete("earmark-zone")
    assert of(ledger, number, "to_char(snoozed_until AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')") == "2031-07-01 07:00"
    for form in ({"until": ""}, {"at": "soon"}, {"at": "2001-01-01T00:00"}):
        assert client.post(f"/tickets/{number}/snooze", data=form).status_code == 409


def test_a_hand_off_needs_words_and_keeps_them_when_it_is_stopped(
    client: httpx2.Client, ledger: Ledger, number: int
) -> None:
    assert client.post(f"/tickets/{number}/handoff", data={"team": "care", "body": " "}).status_code == 409
    stopped = client.post(f"/tickets/{number}/handoff", data={"body": "Ask for the date."})
    assert stopped.status_code == 409
    assert ">Ask for the date.</textarea>" in stopped.text
    client.post(f"/tickets/{number}/handoff", data={"team": "care", "body": "Ask for the date."})
    assert of(ledger, number, "team") == "care"
    assert "Ask for the date." in client.get(f"/tickets/{number}").text


def test_merging_is_shown_first_and_undone_after(client: httpx2.Client, ledger: Ledger, number: int) -> None:
    other = opened(ledger, f"other-{number}")
    page = client.get(f"/tickets/{number}/merge", params={"other": str(other)}).text
    assert f"Merge #{number} into #{other}" in page
    assert "Nothing is moved" in page
    assert of(ledger, number, "merged_into") is None
    client.post(f"/tickets/{number}/merge", data={"other": str(other)})
    assert of(ledger, number, "merged_into") == of(ledger, other, "id")
    assert "merged into this" in client.get(f"/tickets/{other}").text
    assert "Undo the merge" in client.get(f"/tickets/{number}").text
    client.post(f"/tickets/{number}/unmerge")
    assert (of(ledger, number, "merged_into"), of(ledger, number, "status")) == (None, "new")
    stranger = opened(ledger, f"stranger-{number}", "zoe")
    assert "two customers" in client.get(f"/tickets/{number}/merge", params={"other": str(stranger)}).text
    assert client.post(f"/tickets/{number}/merge", data={"other": str(stranger)}).status_code == 409
    assert client.get(f"/tickets/{number}/merge", params={"other": "x"}).status_code == 422


def test_posts_are_split_off_and_given_back(client: httpx2.Client, ledger: Ledger, number: int) -> None:
    post = web.mention(ledger, f"second-{number}", "And my app is slow.")
    with ledger.begin() as connection:
        from storage import filing, runs

        run = runs.start(connection, "digest", "test")
        id_ = connection.execute(text("SELECT id FROM tickets WHERE number = :n"), {"n": number}).scalar_one()
        filing.link(connection, run, [(id_, post)])
        filing.enter(connection, run, [{"ticket_id": id_, "kind": "mention", "mention_id": post, "version": 1}])
        runs.finish(connection, run)
    assert "And my app is slow." in client.get(f"/tickets/{number}").text
    answer = client.post(f"/tickets/{number}/split", data={"post": [str(post)], "subject": "The app"})
    made = int(re.search(r"/tickets/(\d+)\?said=split", answer.headers["location"])[1])  # type: ignore[index]
    page = client.get(f"/tickets/{made}").text
    assert "And my app is slow." in page
    assert f"Give its posts back to #{number}" in page
    client.post(f"/tickets/{made}/unsplit")
    assert "And my app is slow." in client.get(f"/tickets/{number}").text
    assert client.post(f"/tickets/{made}/unmerge").status_code == 409
    assert client.post(f"/tickets/{number}/split", data={"post": ["999999999"]}).status_code == 409


@pytest.mark.parametrize(("kind", "here", "there"), [
    ("related", "related", "related"), ("blocks", "waits for this", "must be settled before"), ("child", "child", "child of"),
])  # fmt: skip
def test_links_are_said_on_both_sides_and_undone_from_either(
    client: httpx2.Client, ledger: Ledger, kind: str, here: str, there: str
) -> None:
    a, b = opened(ledger, f"a-{kind}"), opened(ledger, f"b-{kind}")
    client.post(f"/tickets/{a}/links", data={"other": str(b), "kind": kind})
    assert f'{here}: <a href="/tickets/{b}">' in client.get(f"/tickets/{a}").text
    assert there in client.get(f"/tickets/{b}").text
    client.post(f"/tickets/{a}/links", data={"other": str(b), "kind": kind, "on": "false"})
    assert f'{here}: <a href="/tickets/{b}">' not in client.get(f"/tickets/{a}").text


def test_runs_of_what_merely_happened_are_one_line_and_a_long_history_has_parts(
    client: httpx2.Client, ledger: Ledger, number: int
) -> None:
    for priority in ("high", "low", "urgent"):
        client.post(f"/tickets/{number}/change", data={"priority": priority})
    assert "3 changes by Agent" in client.get(f"/tickets/{number}").text
    web.value(
        ledger,
        "INSERT INTO entries (ticket_id, kind, body, run_id) SELECT t.id, 'note', 'n' || g, 1 FROM tickets t, generate_series(1, 450) g "
        "WHERE number = :n RETURNING 1",
        n=number,
    )
    newest, oldest = client.get(f"/tickets/{number}").text, client.get(f"/tickets/{number}?page=3").text
    assert "Part 3 of 3" in newest
    assert "declined" not in newest.split('id="thread"')[1].split("</ol>")[0]
    assert "declined" in oldest.split('id="thread"')[1]
    web.value(ledger, "DELETE FROM entries WHERE run_id = 1 AND kind = 'note' RETURNING 1")


def test_what_was_said_before_stands_above_with_its_sources(client: httpx2.Client, ledger: Ledger, number: int) -> None:
    assert 'id="summary"' not in client.get(f"/tickets/{number}").text
    customer = of(ledger, number, "customer_id")
    web.value(
        ledger,
        "INSERT INTO interactions (source, external_id, kind, direction, customer_id, happened_at, subject, body) "
        "VALUES ('pbx', 'c1', 'call', 'in', :c, now() - interval '1 day', 'Refund', 'I am still waiting for the refund.') RETURNING 1",
        c=customer,
    )
    before = client.get(f"/tickets/{number}").text.split('id="summary"')[1].split("</ul>")[0]
    assert "I am still waiting for the refund." in before
    assert f'href="/customers/{customer}?what=interaction"' in before
