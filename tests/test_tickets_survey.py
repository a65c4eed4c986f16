"""A survey from end to end: owed, mailed by the mail desk to the customer alone, answered once on its page without a login."""

import re
from collections.abc import Iterator
from datetime import timedelta
from json import loads
from typing import Any

import httpx2
import pytest

from domain.nouns import Notice
from storage import casework, surveys
from storage.casework import Change, Hand
from storage.ledger import Ledger, rows
from storage.surveys import Ask
from tests import delivering, ledgers, web

HAND = Hand("Ada", "command")


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    found = Ledger(database_url)
    yield found
    found.close()


def owed(ledger: Ledger, who: int) -> dict[str, Any]:
    """A resolved ticket of somebody with an address, and the mail that is owed about it."""
    if who == 1:
        ledgers.add_channel(ledger, "x-one")
        ledgers.targets(ledger)
    ledgers.store(ledger, "x-one", [ledgers.post("x", f"s{who}", "help", ledgers.person(who), context=f"s{who}")])
    ledgers.drain(ledger)

    def work(connection: Any) -> dict[str, Any]:
        ticket = rows(connection, "SELECT number, customer_id FROM tickets ORDER BY number DESC LIMIT 1")[0]
        rows(
            connection,
            "WITH made AS (INSERT INTO identities (kind, native_id) VALUES ('email', :mail) RETURNING id) INSERT INTO customer_identities "
            "(identity_id, customer_id, evidence, confidence, source) SELECT id, :c, 'said so', 1, 'person' FROM made RETURNING 1",
            mail=f"customer{who}@example.org",
            c=ticket["customer_id"],
        )
        casework.change(connection, HAND, ticket["number"], Change(status="resolved"))
        assert surveys.ask(connection, Ask("after", "csat", "mail", after=timedelta(0)), "https://console.example") == 1
        return dict(
            rows(connection, "SELECT key, kind, notice FROM outbox WHERE kind = 'survey.ask' ORDER BY id DESC LIMIT 1")[
                0
            ]
        )

    return ledger.run(work)


def token(found: dict[str, Any]) -> str:
    link = re.search(r"/survey/([\w-]+)", found["notice"])
    assert link
    return link[1]


def test_the_mail_goes_to_the_customer_alone(ledger: Ledger) -> None:
    found = owed(ledger, 1)
    settings = {"host": "127.0.0.1", "port": 1, "tls": False, "sender": "us@example.org", "to": ["team@example.org"]}
    desk: Any = delivering.desk("smtp", settings)
    request = loads(desk.render(Notice(found["kind"], found["key"], loads(found["notice"])), None))
    assert request["to"] == ["customer1@example.org"]
    assert token(found) in request["text"]
    message = desk._message(request)
    assert message["To"] == "customer1@example.org"


def test_the_page_takes_one_answer_and_tells_no_link_from_another(ledger: Ledger, database_url: str) -> None:
    found = owed(ledger, 2)
    path = f"/survey/{token(found)}"
    with web.serve(web.make_app(database_url)) as address, httpx2.Client(base_url=address) as client:
        form = client.get(path)
        assert form.status_code == 200
        assert "How satisfied are you" in form.text
        assert client.post(path, data={"score": "9"}).status_code == 422
        assert (
            client.post(
                path, data={"score": "4", "comment": "quick"}, headers={"origin": "https://evil.example"}
            ).status_code
            == 403
        )
        assert "Thank you" in client.post(path, data={"score": "4", "comment": "quick"}).text
        again = [client.get(path), client.post(path, data={"score": "1"}), client.get("/survey/" + "x" * 43)]
        assert {answer.status_code for answer in again} == {404}
        assert {"does not take an answer" in answer.text for answer in again} == {True}
    with ledger.begin() as connection:
        kept = rows(connection, "SELECT score, comment FROM surveys WHERE answered_at IS NOT NULL")
    assert [(row["score"], row["comment"]) for row in kept] == [(4, "quick")]
