"""A signed webhook for anything that listens.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from connectors.contract import Context, Delivered
from connectors.errors import ConfigError
from connectors.outbound._text import canonical, cut
from connectors.outbound._wire import Wire
from domain.nouns import Notice

LABEL = "Signed webhook"
KINDS = (
    "ticket.create", "ticket.comment", "ticket.status", "flag.open", "flag.update", "flag.close", "automation.alert", "automation.event",
    "event",
)  # fmt: skip
GUARANTEE = (
    "at least once with the effect's key as webhook-id, the same on every repeat: remember the ids you have seen"
)
TEXT_LIMIT = 4_000  # the specification advises bodies under 20 kB


class Settings(BaseModel):
    """A receiver of signed webhooks (Standard Webhooks)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(
        pattern=r"^https?://", description="Address that takes the POST; private ones must be allowed by name."
    )
    secret_env: str = Field(description="Variable that holds the signing secret: whsec_ and 24 to 64 bytes in base64.")


class Desk:
    """Posts each effect; the receiver tells repeats by webhook-id."""

    looks_up = False
    quiet = timedelta(0)

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self.wire = Wire("The webhook's receiver", context, [settings.url])
        self._context = context

    def render(self, notice: Notice, remote: str | None) -> str:
        if notice.kind == "event":  # its own body is the whole message: type, timestamp, sequence, data
            return canonical({"id": notice.key, **notice.body})
        return canonical({"type": notice.kind, "id": notice.key, "data": _trimmed(dict(notice.body))})

    def deliver(self, notice: Notice, request: str, remote: str | None) -> Delivered:
        stamp = str(int(self._context.now().timestamp()))
        headers = {
            "Content-Type": "application/json",
            "webhook-id": notice.key,
            "webhook-timestamp": stamp,
            "webhook-signature": sign(self._context.secret(self.settings.secret_env), notice.key, stamp, request),
        }
        answer = self.wire.send("POST", self.settings.url, headers, request)
        if answer.status == 410:  # "the endpoint is disabled": the specification asks to stop, not to drop one item
            raise ConfigError("The receiver has closed this webhook (410).", advice="Ask its owner.", status=410)
        if answer.status == 404:
            raise ConfigError("There is no receiver at this address (404).", advice="Check `url`.", status=404)
        self.wire.accept(answer)
        return Delivered(remote_id=notice.key)

    def find(self, notice: Notice, request: str, remote: str | None) -> Delivered | None:
        return None


def sign(secret: str, ident: str, stamp: str, body: str) -> str:
    """`v1,` and the base64 of HMAC-SHA256 over id.timestamp.body."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not 24 <= len(key) <= 64:
        raise ConfigError(
            "The webhook's secret is not whsec_ and 24 to 64 bytes in base64.", advice="Renew the secret."
        )
    digest = hmac.new(key, f"{ident}.{stamp}.{body}".encode(), hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def _trimmed(value: Any) -> Any:
    """The same with every text cut to what a webhook should carry; a cut is said."""
    if isinstance(value, str):
        return cut(value, TEXT_LIMIT)
    if isinstance(value, dict):
        return {k: _trimmed(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_trimmed(v) for v in value]
    return value
