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
import random
import time
import urllib.error
import urllib.request
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from town.http import Request, Response, Stand
from town.posts import Post

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


class Shop(Stand):
    """A shop that tells of every review as it is written or changed: at least once, in order, and again until it is acknowledged
    ([standard] delivery: the same webhook-id each time). What was taken back is not told.
    """

    name = "shop"
    keys = {"secret": "whsec_c2hvcC1vZi10aGUtdG93bi1zZWNyZXQtMDAwMQ=="}
    secrets = {"SHOP_SECRET": keys["secret"]}
    to = ""

    def __init__(self, town: Any) -> None:
        super().__init__(town)
        self.posts: dict[str, Post] = {}
        self.owed: deque[tuple[float, str, dict[str, Any]]] = deque()

    # -- what people do -----------------------------------------------------------------------------------------

    def make(
        self,
        text: str,
        *,
        seq: int,
        created: float,
        visible_from: float,
        author: str = "someone",
        origin: str = "",
        title: str = "",
        malformed: str = "",
        **extra: Any,
    ) -> Post:
        kind, native_id = "review", f"review-{seq}"
        where = (None, native_id, None)
        return Post(
            "shop", "", native_id, kind, author, title, text, created, visible_from, seq, *where, malformed=malformed
        )

    def take(self, post: Post) -> None:
        self.posts[post.native_id] = post
        self._owe(post, post.visible_from)

    def warm(self, post: Post) -> None:
        """Nothing to render ahead."""

    def edit(self, native_id: str, text: str, now: float) -> list[Post]:
        post = self.posts[native_id]
        post.text, post.edited = text, now
        self._owe(post, max(now, post.visible_from))
        return [post]

    def delete(self, native_id: str, shown: bool) -> Post:
        post = self.posts[native_id]
        post.deleted = "gone"
        return post

    # -- telling ------------------------------------------------------------------------------------------------

    def channel(self, page_size: int) -> dict[str, Any]:
        return {"kind": "webhook", "secret_env": "SHOP_SECRET", "page_size": page_size}

    def passes(self, rng: random.Random) -> None:
        """Deliver what is due; what comes to no good end stays owed, and now and then one is told twice."""
        sender = Sender(self.to or "", "generic", self.keys["secret"])
        while self.owed and self.owed[0][0] <= time.time():
            _, ident, told = self.owed[0]
            faults = self.town.faults.pick("shop", "POST", "/")
            spoilt = any(fault.kind == "malformed" for fault in faults)
            lost = any(fault.kind in ("reset", "status", "429") for fault in faults)
            if (
                lost
                or sender.send({"zen": "about nothing"} if spoilt else told, ident=ident + "!" * spoilt).status >= 300
            ):
                return
            if any(fault.kind in ("reset_mid", "truncate") for fault in faults):
                return  # kept over there, but its acknowledgement was lost: told again
            if rng.random() < 0.1:
                sender.send(told, ident=ident)
            if not spoilt:
                self.owed.popleft()

    def rests(self) -> bool:
        return not self.owed

    def handle(self, request: Request) -> Response:
        """Nobody asks here."""
        return self.refuse(404)

    def _owe(self, post: Post, when: float) -> None:
        told = {
            "id": post.native_id,
            "text": post.text,
            "author": post.author,
            "published": datetime.fromtimestamp(post.created, UTC).isoformat(),
        }
        self.owed.append((when, f"msg_{post.native_id}_{self.town.next_seq()}", told))


STAND_INS = (Shop,)
