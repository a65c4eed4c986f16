"""Alerts to a Slack channel, with a button that acknowledges. As documented, not tried live.

https://docs.slack.dev/reference/methods/chat.postMessage: HTTP 200 whether it worked or not, `ok` tells. There is no idempotency key: after
a lost answer the channel's history is searched for our metadata (https://docs.slack.dev/reference/methods/conversations.history).
A message whose flag somebody looks after is written anew (https://api.slack.com/methods/chat.update): twice is the same as once.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field

from connectors.contract import Context, Delivered
from connectors.errors import AuthError, ConfigError, RateLimited, Refused, Transient
from connectors.outbound._text import canonical, clean, cut
from connectors.outbound._wire import Wire, fields
from connectors.outbound._words import headline, plain
from domain.nouns import Notice

LABEL = "Slack"
KINDS = ("flag.open", "flag.update", "flag.close", "flag.ack")
ACKNOWLEDGES = "message"  # every message that asks says who answered
GUARANTEE = (
    "exactly once while the channel's last 100 messages hold ours: a lost answer is looked up by the effect's key"
)
BLOCK = 2_900  # of 3,000 characters
_AUTH = {"invalid_auth", "token_revoked", "account_inactive", "not_authed", "token_expired", "missing_scope"}
_ROUTE = {"channel_not_found", "is_archived", "not_in_channel"}


class Settings(BaseModel):
    """A Slack channel, posted to by a bot."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channel: str = Field(pattern=r"^[CGD][A-Z0-9]+$", description="The channel's id, such as C0123ABCD.")
    token_env: str = Field(
        description="Variable that holds the bot token (xoxb-…; scopes chat:write, channels:history)."
    )
    signing_env: str = Field(
        default="", description="Variable that holds the app's signing secret: buttons then acknowledge."
    )
    base_url: str = Field(default="https://slack.com", pattern=r"^https?://", description="Slack's address.")


class Desk:
    """One channel."""

    looks_up = True
    quiet = timedelta(seconds=5)

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self.wire = Wire("Slack", context, [settings.base_url])
        self._context = context

    def render(self, notice: Notice, remote: str | None) -> str:
        said = escape(headline(notice))
        text = cut(escape(plain(notice)), BLOCK, "[cut: the whole text is in Earmark]")
        blocks: list[dict[str, Any]] = [{"type": "section", "text": {"type": "mrkdwn", "text": text}}]
        if notice.kind == "flag.ack":
            ts = str(notice.body.get("message", ""))
            return canonical({"channel": self.settings.channel, "ts": ts, "text": said, "blocks": blocks})
        if notice.kind != "flag.close" and self.settings.signing_env:
            button = {"type": "button", "action_id": "ack", "value": str(notice.body.get("id", "")),
                      "text": {"type": "plain_text", "text": "Acknowledge"}}  # fmt: skip
            blocks.append({"type": "actions", "elements": [button]})
        metadata = {"event_type": "earmark", "event_payload": {"id": notice.key}}
        return canonical({"channel": self.settings.channel, "text": said, "blocks": blocks, "metadata": metadata})

    def deliver(self, notice: Notice, request: str, remote: str | None) -> Delivered:
        method = "chat.update" if notice.kind == "flag.ack" else "chat.postMessage"
        found = self._call("POST", f"/api/{method}", request)
        return Delivered(remote_id=str(found.get("ts", "")))

    def find(self, notice: Notice, request: str, remote: str | None) -> Delivered | None:
        if notice.kind == "flag.ack":
            return None
        asked = urlencode({"channel": self.settings.channel, "include_all_metadata": "true", "limit": 100})
        found = self._call("GET", f"/api/conversations.history?{asked}", None)
        for message in found.get("messages") or []:
            payload = fields(fields(message, "metadata"), "event_payload")
            if payload.get("id") == notice.key:
                return Delivered(remote_id=str(message.get("ts", "")))
        return None

    def _call(self, method: str, path: str, body: str | None) -> Mapping[str, Any]:
        headers = {"Authorization": f"Bearer {self._context.secret(self.settings.token_env)}"}
        if body is not None:
            headers["Content-Type"] = "application/json; charset=utf-8"
        found = self.wire.expect(self.wire.send(method, self.settings.base_url.rstrip("/") + path, headers, body))
        if found.get("ok") is True:
            return found
        error = clean(str(found.get("error", "unknown")))[:100]
        if error in _AUTH:
            raise AuthError(f"Slack refuses the token ({error}).", advice="Renew the bot token and check its scopes.")
        if error in _ROUTE:
            raise ConfigError(f"Slack does not post there ({error}).", advice="Check `channel`, and invite the bot.")
        if error == "ratelimited":
            raise RateLimited("Slack asks to slow down.", reset_at=self._context.now() + timedelta(seconds=30))
        if error in ("internal_error", "fatal_error", "service_unavailable", "request_timeout"):
            raise Transient(f"Slack has trouble ({error})", sent=True)
        raise Refused(f"Slack refused this message ({error}).")


def escape(text: str) -> str:
    """Exactly these three (https://docs.slack.dev/messaging/formatting-message-text#escaping): also no <!channel> out of a customer's words."""
    return clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
