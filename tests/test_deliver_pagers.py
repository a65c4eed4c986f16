"""Slack, PagerDuty and Teams against the town: what is sent, what a customer's words become, what an answer means."""

from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.contract import Context
from connectors.errors import AuthError, ConfigError, Refused
from connectors.outbound import load
from domain.nouns import Notice
from town.server import Town

BODY = {"id": 9, "rule": "negative-spike", "series": "bank/negative", "severity": 8, "count": 60, "baseline": 1.0,
        "samples": [{"text": "<!channel> [click](http://evil) & *help*"}], "url": "https://console.example/flags/9"}  # fmt: skip
OPEN = Notice("flag.open", "em-f9-1-x", BODY)


@pytest.fixture(scope="module")
def town():
    with Town() as town:
        yield town


def desk(town: Town, kind: str, secrets: dict[str, str] | None = None, **settings: Any) -> Any:
    known = {
        "SLACK": "xoxb-northbank-town",
        "KEY": town.stands["pagerduty"].keys["routing"],
        "TEAMS": town.urls["teams"],
    }
    module = load(kind)
    context = Context(lambda: datetime.now(UTC), {**known, **(secrets or {})}.__getitem__, frozenset({"127.0.0.1"}))
    return module.Desk(module.Settings(**settings), context)


def slack(town: Town, channel: str = "C0ALERTS", **more: Any) -> Any:
    return desk(town, "slack", channel=channel, token_env="SLACK", signing_env="S", base_url=town.urls["slack"], **more)


def test_slack_posts_once_and_finds_it_again(town):
    one = slack(town)
    request = one.render(OPEN, None)
    assert one.find(OPEN, request, None) is None
    sent = one.deliver(OPEN, request, None)
    assert one.find(OPEN, request, None) == sent
    body = [n["body"] for n in town.ledger.notices() if n["path"] == "slack"][-1]
    assert "<!channel>" not in str(body)
    assert body["blocks"][1]["elements"][0]["value"] == "9"


@pytest.mark.parametrize(
    ("channel", "token", "error"), [("C9", "", ConfigError), ("C0OLD", "", ConfigError), ("C0ALERTS", "no", AuthError)]
)
def test_slack_says_what_a_person_must_do(town, channel, token, error):
    one = slack(town, channel, secrets={"SLACK": token} if token else None)
    with pytest.raises(error):
        one.deliver(OPEN, one.render(OPEN, None), None)


def test_a_flag_is_one_pagerduty_alert_from_trigger_to_resolve(town):
    one = desk(town, "pagerduty", routing_key_env="KEY", base_url=town.urls["pagerduty"])
    stand = town.stands["pagerduty"]
    for kind, stands in (
        ("flag.open", "triggered"),
        ("flag.open", "triggered"),
        ("flag.ack", "acknowledged"),
        ("flag.close", None),
    ):
        notice = Notice(kind, "k", BODY)
        assert one.deliver(notice, one.render(notice, None), None).remote_id == "earmark:9"
        assert stand.open.get("earmark:9") == stands
    assert "routing_key" not in one.render(OPEN, None)


def test_pagerduty_refuses_another_key(town):
    one = desk(town, "pagerduty", {"KEY": "x" * 32}, routing_key_env="KEY", base_url=town.urls["pagerduty"])
    with pytest.raises(Refused):
        one.deliver(OPEN, one.render(OPEN, None), None)


def test_teams_shows_the_card_and_a_link_stays_text(town):
    one = desk(town, "teams", url_env="TEAMS")
    one.deliver(OPEN, one.render(OPEN, None), None)
    assert town.stands["teams"].failed == []
    shown = str([n["body"] for n in town.ledger.notices() if n["path"] == "teams"][-1])
    assert "[click](http" not in shown
