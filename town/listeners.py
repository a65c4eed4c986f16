"""Who listens to events: a receiver as the Standard Webhooks ask for one.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md ("Verifying webhook authenticity": HMAC-SHA256 over
id.timestamp.body; "Webhook Security Considerations": a timestamp off by more than the tolerance is refused, so that an attack cannot
replay an old delivery; the id is the same for every try of one event, and is how a receiver takes it once). A delivery to the letter as it
came before, with its timestamp, is a replay: 409. The same id signed anew is the sender's retry: 200, and not taken twice.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

from town.faults import Fault
from town.http import Request, Response, Stand, answer

TOLERANCE = 300  # seconds either way


class Listener(Stand):
    """POST /events/…: 204 taken, 200 known already, 401 forged or old, 409 replayed, 400 no event, 410 where `closed` is on."""

    name = "listener"
    keys = {"secret": "whsec_" + base64.b64encode(b"northbank-listener-secret-01").decode()}
    options: dict[str, Any] = {"closed": False}

    def __init__(self, town: Any) -> None:
        super().__init__(town)
        self.taken: list[dict[str, Any]] = []  # bodies in the order they were taken
        self.seen: dict[str, set[str]] = {}  # id → timestamps it came with
        self.refused: list[int] = []

    def handle(self, request: Request) -> Response:
        status, said = self._judge(request)
        if status >= 400:
            self.refused.append(status)
        return Response(204) if status == 204 else answer({"said": said}, status)

    def refuse(self, status: int, fault: Fault | None = None) -> Response:
        return answer({"error": f"status {status}"}, status)

    def _judge(self, request: Request) -> tuple[int, str]:
        if not request.path.startswith("/events/") or request.method != "POST":
            return 404, "there is nothing here"
        if self.town.options.get("closed"):
            return 410, "this endpoint is closed"
        ident, stamp = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "")
        if not ident or not stamp.isdigit() or abs(time.time() - int(stamp)) > TOLERANCE:
            return 401, "no id, or a time too old or too new"
        key = base64.b64decode(self.town.accounts["listener"]["secret"].removeprefix("whsec_"))
        made = hmac.new(key, f"{ident}.{stamp}.".encode() + request.body, hashlib.sha256).digest()
        wanted = "v1," + base64.b64encode(made).decode()
        given = request.headers.get("webhook-signature", "").split(" ")
        if not any(hmac.compare_digest(wanted.encode(), one.encode()) for one in given):
            return 401, "no signature fits"
        return self._take(ident, stamp, request.body)

    def _take(self, ident: str, stamp: str, raw: bytes) -> tuple[int, str]:
        try:
            body = json.loads(raw)
            complete = isinstance(body["type"], str) and isinstance(body["data"], dict) and body["timestamp"]
        except (ValueError, TypeError, KeyError):
            complete = False
        if not complete:
            return 400, "an event has type, timestamp and data"
        if ident in self.seen:
            if stamp in self.seen[ident]:
                return 409, "this very delivery was here before"
            self.seen[ident].add(stamp)
            return 200, "known"
        self.seen[ident] = {stamp}
        self.taken.append(body)
        return 204, ""


STAND_INS = (Listener,)
