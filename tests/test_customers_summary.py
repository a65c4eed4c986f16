"""Health and summaries: figures of a table, sentences with their sources, a model that is redacted to, cited, late or wrong."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from domain import summary
from domain.customer_health import Contact, judge
from domain.summary import Said
from storage import configurations, interactions
from storage.ledger import Ledger, one
from tests import web

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def ago(days: float, compound: float | None = 0.0, complaint: bool = False) -> Contact:
    return Contact(NOW - timedelta(days=days), compound, complaint)


@pytest.mark.parametrize(
    ("contacts", "urgent", "state", "trend", "third"),
    [
        ([], False, "calm", "unknown", False),
        ([ago(1), ago(2), ago(3)], False, "hot", "unknown", False),
        ([ago(1), ago(2)], True, "hot", "unknown", False),
        ([ago(61)], False, "silent", "unknown", False),
        ([ago(59)], False, "calm", "unknown", False),
        ([ago(5, -0.6), ago(50, 0.3)], False, "calm", "worse", False),
        ([ago(5, 0.6), ago(50, -0.3)], False, "calm", "better", False),
        ([ago(5, 0.1), ago(50, 0.2)], False, "calm", "steady", False),
        ([ago(10, 0, True), ago(40, 0, True), ago(89, 0, True)], False, "calm", "steady", True),
        ([ago(10, 0, True), ago(40, 0, True), ago(91, 0, True)], False, "calm", "steady", False),
        ([ago(-3), ago(-2), ago(-1)], False, "calm", "unknown", False),
    ],
)
def test_health(contacts: list[Contact], urgent: bool, state: str, trend: str, third: bool) -> None:
    found = judge(contacts, NOW, urgent=urgent)
    assert (found.state, found.trend, found.third_complaint) == (state, trend, third)


SAID = [
    Said(
        "mention:1",
        "x",
        NOW,
        "Thanks for the new app. My refund is still missing! Ada Lovelace, ada@example.org, +49 151 12345678",
        -0.5,
        7,
    ),
    Said("interaction:2", "call", NOW - timedelta(days=2), "Asked about opening hours.", 0.1),
]


def test_sentences_are_the_customers_own_with_their_source() -> None:
    lines = summary.extract(SAID)
    assert [(line.text, line.sources, line.ticket) for line in lines] == [
        ("Asked about opening hours.", ("interaction:2",), None),
        ("My refund is still missing!", ("mention:1",), 7),
    ]


def test_what_leaves_the_house_names_nobody() -> None:
    sent = json.dumps(summary.ask(SAID, ["Ada Lovelace"]))
    assert not any(secret in sent for secret in ("Ada", "Lovelace", "ada@", "12345678"))
    assert "refund is still missing" in sent


class Model(BaseHTTPRequestHandler):
    answers: list[Any] = []  # noqa: RUF012 the server's own
    seen: list[Any] = []  # noqa: RUF012

    def do_POST(self) -> None:
        self.seen.append((self.headers["authorization"], self.rfile.read(int(self.headers["content-length"])).decode()))
        answer = self.answers.pop(0)
        if isinstance(answer, float):
            time.sleep(answer)
            answer = "late [1]"
        body = json.dumps({"choices": [{"message": {"content": answer}}]} if answer else {"odd": 1}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None: ...


@pytest.fixture
def model() -> Iterator[str]:
    Model.answers.clear()
    Model.seen.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Model) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def test_a_model_is_heard_only_where_it_cites_and_in_time(
    database_url: str, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUMMARY_KEY", "k-1")
    ledger = Ledger(database_url, pool=2)
    number = web.ticket(ledger, web.mention(ledger, "s1", "It is declined again"), "Declined", "reddit|northbank|s1")
    customer = web.value(ledger, "SELECT customer_id FROM tickets WHERE number = :n", n=number)
    told = {
        "external_id": "1",
        "kind": "call",
        "happened_at": "2026-05-01T10:00:00Z",
        "customer": customer,
        "body": "My refund is still missing. Call ann: 0151 1234567",
    }
    ledger.run(lambda c: interactions.record(c, web.SECRET, "pbx", [interactions.touch(told, datetime.now(UTC))]))
    document = {
        "settings": {
            "summary": {"url": model, "model": "m", "key_env": "SUMMARY_KEY", "seconds": 1.0},
            "allow_hosts": ["127.0.0.1"],
        }
    }
    ids = web.people(database_url)
    with web.serve(web.make_app(database_url)) as address, web.enter(ledger, address, ids["viewer"]) as client:

        def asked() -> dict[str, Any]:
            return client.get(f"/api/v1/tickets/{number}/summary").json()

        plain = asked()
        assert (plain["by"], plain["lines"][0]["text"], plain["lines"][0]["sources"][0].split(":")[0]) == (
            "extractive",
            "My refund is still missing.",
            "interaction",
        )
        ledger.run(lambda c: configurations.accept(c, "h2", document))
        Model.answers[:] = [
            "They wait for a refund. [1]\nThey are a prince. [9]\nNo source here.",
            "Nothing cited.",
            "",
            3.0,
        ]
        good = asked()
        assert (good["by"], [line["text"] for line in good["lines"]]) == ("m", ["They wait for a refund."])
        assert good["lines"][0]["sources"] == plain["lines"][0]["sources"]
        assert Model.seen[0][0] == "Bearer k-1"
        assert "1234567" not in Model.seen[0][1]
        for _ in range(3):
            fallen = asked()
            assert (fallen["by"], fallen["lines"], bool(fallen["note"])) == ("extractive", plain["lines"], True)
        assert client.get("/api/v1/tickets/99999999/summary").status_code == 404
    with ledger.begin() as c:
        assert one(c, "SELECT count(*) FROM interactions") == 1
    ledger.close()
