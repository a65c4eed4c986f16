"""Those who push: each signs its deliveries as its documentation says, and posts them to whoever asked.

[standard] https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
[github] https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
[slack] https://docs.slack.dev/authentication/verifying-requests-from-slack
[meta] https://developers.facebook.com/docs/graph-api/webhooks/getting-started
[stripe] https://docs.stripe.com/webhooks#verify-manually
[discourse] https://meta.discourse.org/t/configure-webhooks-that-trigger-on-discourse-events/49045
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

PRESETS = ("generic", "github", "slack", "meta", "stripe", "discourse")


def signed(preset: str, secret: str, body: bytes, *, at: int, ident: str = "msg_1") -> dict[str, str]:
    """The headers of one delivery."""
    if (
        preset == "generic"
    ):  # [standard] "whsec_" and base64; id.timestamp.body; several signatures may stand side by side
        key = base64.b64decode(secret.removeprefix("whsec_"))
        made = base64.b64encode(hmac.new(key, f"{ident}.{at}.".encode() + body, hashlib.sha256).digest()).decode()
        return {"webhook-id": ident, "webhook-timestamp": str(at), "webhook-signature": f"v1,bm90aGluZw== v1,{made}"}
    key = secret.encode()
    if preset == "slack":  # [slack] v0:timestamp:body
        made = hmac.new(key, f"v0:{at}:".encode() + body, hashlib.sha256).hexdigest()
        return {"X-Slack-Request-Timestamp": str(at), "X-Slack-Signature": f"v0={made}"}
    if preset == "stripe":  # [stripe] timestamp.body; an old scheme v0 and rolled secrets stand beside it
        made = hmac.new(key, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        return {"Stripe-Signature": f"t={at},v1={'0' * 64},v1={made},v0={made[::-1]}"}
    made = "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()  # the rest sign the body alone: no time in it
    if preset == "discourse":
        return {"X-Discourse-Event-Signature": made, "X-Discourse-Event-Id": ident, "X-Discourse-Event": "post_created"}
    extra = {"X-GitHub-Delivery": ident, "X-GitHub-Event": "issues"} if preset == "github" else {}
    return {"X-Hub-Signature-256": made, **extra}


@dataclass
class Answered:
    status: int
    body: str


@dataclass
class Sender:
    """One provider with one subscriber."""

    url: str
    preset: str
    secret: str

    def send(
        self, payload: Any, *, ident: str = "msg_1", late: float = 0, headers: dict[str, str] | None = None
    ) -> Answered:
        """Deliver. `late` shifts the clock; `headers` replace the signed ones; a payload in bytes goes as it is."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        made = (
            headers
            if headers is not None
            else signed(self.preset, self.secret, body, at=int(time.time() + late), ident=ident)
        )
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json", **made}, method="POST")
        return self._ask(request)

    def subscribe(self, token: str, challenge: str) -> Answered:
        """[meta] the handshake of a subscription: the challenge is to come back as it is."""
        query = f"?hub.mode=subscribe&hub.verify_token={token}&hub.challenge={challenge}"
        return self._ask(urllib.request.Request(self.url + query))

    def _ask(self, request: urllib.request.Request) -> Answered:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return Answered(answer.status, answer.read().decode())
        except urllib.error.HTTPError as refused:
            return Answered(refused.code, refused.read().decode())
