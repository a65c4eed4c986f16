"""The pagers of the town refuse what the platforms' documentation refuses; driven here by plain requests, not by our connectors."""

import json

import pytest
import requests

from town.server import Town


@pytest.fixture(scope="module")
def town():
    with Town() as town:
        yield town


def slack(town, token="xoxb-northbank-town", **body):
    url = f"{town.urls['slack']}/api/chat.postMessage"
    return requests.post(url, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=5)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"channel": "C0ALERTS", "text": "hi", "token": "xoxb-no"}, "invalid_auth"),
        ({"channel": "C9", "text": "hi"}, "channel_not_found"),
        ({"channel": "C0OLD", "text": "hi"}, "is_archived"),
        ({"channel": "C0ALERTS"}, "no_text"),
        ({"channel": "C0ALERTS", "text": "x" * 40_001}, "msg_too_long"),
        ({"channel": "C0ALERTS", "blocks": [{"type": "section", "text": {"text": "x" * 3001}}]}, "invalid_blocks"),
    ],
)
def test_slack_says_no_with_200(town, body, error):
    answer = slack(town, **body)
    assert (answer.status_code, answer.json()) == (200, {"ok": False, "error": error})


def test_slack_shows_metadata_only_when_asked(town):
    sent = slack(town, channel="C0ALERTS", text="hi", metadata={"event_type": "e", "event_payload": {"id": "1"}}).json()
    url = f"{town.urls['slack']}/api/conversations.history?channel=C0ALERTS"
    headers = {"Authorization": "Bearer xoxb-northbank-town"}
    assert "metadata" not in requests.get(url, headers=headers, timeout=5).json()["messages"][0]
    found = requests.get(url + "&include_all_metadata=true", headers=headers, timeout=5).json()["messages"][0]
    assert (found["ts"], found["metadata"]["event_payload"]) == (sent["ts"], {"id": "1"})


def test_slack_updates_what_it_holds_and_the_button_is_gone_with_its_block(town):
    button = {"type": "button", "action_id": "ack", "value": "7", "text": {"type": "plain_text", "text": "Ack"}}
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "hi"}}, {"type": "actions", "elements": [button]}]
    ts = slack(town, channel="C0ALERTS", text="hi", blocks=blocks).json()["ts"]
    url = f"{town.urls['slack']}/api/chat.update"
    headers = {"Authorization": "Bearer xoxb-northbank-town"}

    def update(**body):
        return requests.post(url, json=body, headers=headers, timeout=5).json().get("error", "")

    assert update(channel="C0ALERTS", ts="1.1", text="no") == "message_not_found"
    assert update(channel="C9", ts=ts, text="no") == "channel_not_found"
    assert update(channel="C0ALERTS", ts=ts) == "no_text"
    assert b"block_actions" in town.stands["slack"].press(ts, "U1")[1]
    assert update(channel="C0ALERTS", ts=ts, text="taken") == ""
    assert town.stands["slack"].shown(ts)["text"] == "taken"
    with pytest.raises(KeyError):
        town.stands["slack"].press(ts, "U1")


def test_pagerduty_pushes_who_acknowledged(town):
    url, stand = f"{town.urls['pagerduty']}/v2/enqueue", town.stands["pagerduty"]
    event = {"routing_key": stand.keys["routing"], "event_action": "trigger", "dedup_key": "w",
             "payload": {"summary": "s", "source": "x", "severity": "info"}}  # fmt: skip
    requests.post(url, json=event, timeout=5)
    with pytest.raises(KeyError):
        stand.click("nothing", "acknowledged", "PU1")
    assert json.loads(stand.click("w", "acknowledged", "PU1")[1])["event"]["agent"]["id"] == "PU1"
    before = len(stand.pushed)
    requests.post(url, json={**event, "event_action": "acknowledge"}, timeout=5)
    assert len(stand.pushed) == before  # it is acknowledged already: nothing happened
    requests.post(url, json={**event, "event_action": "resolve"}, timeout=5)
    assert json.loads(stand.pushed[-1][1])["event"]["agent"]["type"] == "inbound_integration_reference"


def test_pagerduty_holds_one_alert_per_key_and_drops_a_late_acknowledge(town):
    url, routing = f"{town.urls['pagerduty']}/v2/enqueue", town.stands["pagerduty"].keys["routing"]
    event = {"routing_key": routing, "event_action": "trigger", "dedup_key": "k",
             "payload": {"summary": "s", "source": "x", "severity": "critical"}}  # fmt: skip
    assert [requests.post(url, json=event, timeout=5).status_code for _ in range(2)] == [202, 202]
    assert town.stands["pagerduty"].open == {"k": "triggered"}
    for action, stands in (("acknowledge", {"k": "acknowledged"}), ("resolve", {}), ("acknowledge", {})):
        requests.post(url, json={**event, "event_action": action}, timeout=5)
        assert town.stands["pagerduty"].open == stands
    bad = requests.post(url, json={**event, "payload": {"severity": "loud"}}, timeout=5)
    assert bad.status_code == 400
    assert len(bad.json()["errors"]) == 3


def test_teams_queues_what_it_will_not_show(town):
    url = town.urls["teams"]
    assert requests.post(url, json={"text": "old card"}, timeout=5).status_code == 202
    assert len(town.stands["teams"].failed) == 1
    assert requests.post(url.replace("town-sig", "x"), json={}, timeout=5).status_code == 401
    assert requests.post(url, data=b"x" * 30_000, timeout=5).status_code == 413
