"""A flag is acknowledged by a signed link, Slack's button and PagerDuty's webhook, and by nothing that is not signed."""

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
from sqlalchemy import text

from domain.act_links import link
from domain.paging import Page
from storage import pages
from storage.ledger import Ledger, one
from tests import web

KEY = b"k" * 32


@pytest.fixture
def flag(database_url: str) -> Iterator[tuple[Ledger, int]]:
    ledger = Ledger(database_url)
    document = {"alerts": [{"name": "chat", "kind": "slack", "channel": "C1", "token_env": "T", "signing_env": "SLACK_SIGN"},
                           {"name": "duty", "kind": "pagerduty", "routing_key_env": "K", "signing_env": "DUTY_SIGN"}]}  # fmt: skip
    with ledger.begin() as c:
        c.execute(text("TRUNCATE escalations"))
        c.execute(
            text("INSERT INTO configurations (hash, document) VALUES ('h', CAST(:d AS jsonb))"),
            {"d": json.dumps(document)},
        )
        made = one(
            c, "INSERT INTO escalations (rule, series, window_start, run_id) VALUES ('r', 's', now(), 1) RETURNING id"
        )
    yield ledger, int(made)
    ledger.close()


@pytest.fixture
def client(flag: Any, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx2.Client]:
    monkeypatch.setenv("SLACK_SIGN", "8f742231b10e8888abcd99yyyzzz85a5")
    monkeypatch.setenv("DUTY_SIGN", "pd-webhook-secret")
    app = web.make_app(database_url)
    with web.serve(app) as address, httpx2.Client(base_url=address) as found:
        found.headers["x-key"] = app.state.house.secret.hex()
        yield found


def acked(flag: tuple[Ledger, int]) -> str:
    with flag[0].begin() as c:
        return str(one(c, "SELECT acked_by FROM escalations WHERE id = :i", i=flag[1]))


def test_a_link_does_its_one_thing_and_looking_does_nothing(client: httpx2.Client, flag: tuple[Ledger, int]) -> None:
    path = link(bytes.fromhex(client.headers["x-key"]), "", flag[1], "ack", time.time())
    assert client.get(path).status_code == 200
    assert acked(flag) == ""
    assert client.post(path.replace(".ack.", ".noise.")).status_code == 404
    assert client.post(link(bytes.fromhex(client.headers["x-key"]), "", flag[1], "ack", 0)).status_code == 404
    assert client.post(path).status_code == 200
    assert acked(flag) == "link"


def test_slack_acknowledges(client: httpx2.Client, flag: tuple[Ledger, int]) -> None:
    said = {"type": "block_actions", "user": {"id": "U7"}, "actions": [{"action_id": "ack", "value": str(flag[1])}]}
    body = urlencode({"payload": json.dumps(said)}).encode()
    stamp = str(int(time.time()))
    mark = hmac.new(b"8f742231b10e8888abcd99yyyzzz85a5", f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    headers = {"x-slack-request-timestamp": stamp, "content-type": "application/x-www-form-urlencoded"}
    bad = client.post("/hooks/alerts/chat", content=body, headers={**headers, "x-slack-signature": "v0=" + "0" * 64})
    assert (bad.status_code, acked(flag)) == (401, "")
    good = client.post("/hooks/alerts/chat", content=body, headers={**headers, "x-slack-signature": f"v0={mark}"})
    assert (good.status_code, acked(flag)) == (200, "chat:U7")


def test_pagerduty_acknowledges(client: httpx2.Client, flag: tuple[Ledger, int]) -> None:
    data = {"id": "P1", "incident_key": f"earmark:{flag[1]}"}
    body = json.dumps(
        {
            "event": {
                "event_type": "incident.acknowledged",
                "agent": {"id": "PU1", "type": "user_reference"},
                "data": data,
            }
        }
    ).encode()
    mark = "v1=" + hmac.new(b"pd-webhook-secret", body, hashlib.sha256).hexdigest()
    assert (
        client.post("/hooks/alerts/duty", content=body, headers={"x-pagerduty-signature": "v1=00"}).status_code == 401
    )
    answer = client.post("/hooks/alerts/duty", content=body, headers={"x-pagerduty-signature": f"v1=00,{mark}"})
    assert (answer.status_code, acked(flag)) == (200, "duty:PU1")
    assert client.post("/hooks/alerts/nobody", content=body).status_code == 404


def test_the_pages_say_who_was_told_and_what_was_held_back(
    client: httpx2.Client, flag: tuple[Ledger, int], database_url: str
) -> None:
    ledger, flag_id = flag
    with ledger.begin() as c:
        c.execute(text("TRUNCATE pages"))
        pages.keep(c, flag_id, "flag.open", [Page("chat", "held", "quiet hours 22:00-07:00 UTC")], datetime.now(UTC))
        pages.wait(c, "slow", "bank/negative", "too few authors: 2, and the rule asks for 3", datetime.now(UTC))
        known = one(c, "SELECT min(id) FROM users")
    agent = known or web.people(database_url)["agent"]
    with web.enter(ledger, str(client.base_url).rstrip("/"), agent) as person:
        assert "quiet hours 22:00-07:00 UTC" in person.get(f"/flags/{flag_id}").text
        shown = person.get("/flags").text
        assert "too few authors: 2" in shown
        assert "1 of 1" in shown
