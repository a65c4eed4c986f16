"""Alerts to PagerDuty by Events v2: a flag is one alert from trigger to resolve. As documented, not tried live.

https://developer.pagerduty.com/docs/send-alert-event: the same dedup_key is the same alert while it is open, so a repeat does no harm.
"""

import json
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from connectors.contract import Context, Delivered
from connectors.outbound._text import canonical, cut
from connectors.outbound._wire import Wire
from connectors.outbound._words import headline, plain
from domain.nouns import Notice

LABEL = "PagerDuty"
KINDS = ("flag.open", "flag.update", "flag.close", "flag.ack")
GUARANTEE = (
    "exactly once while the alert is open, by dedup_key; a trigger repeated after it was resolved opens it again"
)
ACKNOWLEDGES = "alert"  # one for all that was sent of a flag, and none for what was acknowledged there
_ACTION = {"flag.open": "trigger", "flag.update": "trigger", "flag.ack": "acknowledge", "flag.close": "resolve"}


class Settings(BaseModel):
    """A PagerDuty service, by its Events API v2 integration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    routing_key_env: str = Field(description="Variable that holds the integration key (32 characters).")
    signing_env: str = Field(
        default="",
        description="Variable that holds the webhook's secret: what people acknowledge there is then known here.",
    )
    base_url: str = Field(
        default="https://events.pagerduty.com",
        pattern=r"^https?://",
        description="In the EU: https://events.eu.pagerduty.com.",
    )


class Desk:
    """One service."""

    looks_up = False
    quiet = timedelta(0)

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self.wire = Wire("PagerDuty", context, [settings.base_url])
        self._context = context

    def render(self, notice: Notice, remote: str | None) -> str:
        body = notice.body
        event: dict[str, Any] = {"event_action": _ACTION[notice.kind], "dedup_key": f"earmark:{body.get('id')}"}
        if event["event_action"] == "trigger":
            event["payload"] = {
                "summary": cut(headline(notice), 1000, "…"),
                "source": "earmark",
                "severity": grade(int(body.get("severity") or 1)),
                "custom_details": {"text": cut(plain(notice), 8000, "[cut: the whole text is in Earmark]")},
            }
            if str(body.get("url", "")).startswith("http"):
                event["links"] = [{"href": body["url"], "text": "In Earmark"}]
        return canonical(event)

    def deliver(self, notice: Notice, request: str, remote: str | None) -> Delivered:
        event = {**json.loads(request), "routing_key": self._context.secret(self.settings.routing_key_env)}
        url = f"{self.settings.base_url.rstrip('/')}/v2/enqueue"
        found = self.wire.expect(
            self.wire.send("POST", url, {"Content-Type": "application/json"}, canonical(event)), 202
        )
        return Delivered(remote_id=str(found.get("dedup_key", "")))

    def find(self, notice: Notice, request: str, remote: str | None) -> Delivered | None:
        return None


def grade(severity: int) -> str:
    """Our 1 to 10 in PagerDuty's four words."""
    return "critical" if severity >= 8 else "error" if severity >= 6 else "warning" if severity >= 3 else "info"
