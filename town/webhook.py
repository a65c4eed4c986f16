"""A receiver of signed webhooks: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

It keeps every delivery, so that a second one with the same webhook-id can be seen; a real receiver would drop it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time

from town.faults import Fault
from town.http import Request, Response, Stand, answer

TOLERANCE = 300  # seconds each way, the spec's example and the reference libraries' value


class Webhook(Stand):
    """POST /hooks/…: 401 unless the signature and the time are good, 204 when kept."""

    name = "webhook"
    path = "/hooks/earmark"
    keys = {
        "secret": "whsec_bm9ydGhiYW5rLXRvd24td2ViaG9vay1zZWNyZXQtMDE="
    }  # Standard Webhooks: 24 to 64 bytes in base64

    def handle(self, request: Request) -> Response:
        if not request.path.startswith("/hooks/"):
            return self.refuse(404)
        if request.method != "POST":
            return self.refuse(405)
        wrong = self._wrong(request)
        status = 401 if wrong else 204
        with self.town.ledger.transaction() as db:
            db.execute(
                "INSERT INTO deliveries (webhook_id, at, status, body) VALUES (?,?,?,?)",
                (request.headers.get("webhook-id"), time.time(), status, request.body.decode("utf-8", "replace")),
            )
        return answer({"error": wrong}, 401) if wrong else Response(204)

    def refuse(self, status: int, fault: Fault | None = None) -> Response:
        return answer({"error": f"status {status}"}, status)

    def _wrong(self, request: Request) -> str:
        """Signed text is id.timestamp.body; several signatures may stand in the header, for key rotation."""
        ident, stamp = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "")
        if not ident or not stamp.isdigit():
            return "missing required headers"
        if abs(time.time() - int(stamp)) > TOLERANCE:
            return "message timestamp too old or too new"
        key = base64.b64decode(self.town.accounts["webhook"]["secret"].removeprefix("whsec_"))
        signed = f"{ident}.{stamp}.".encode() + request.body
        wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        given = request.headers.get("webhook-signature", "").split(" ")
        return "" if any(hmac.compare_digest(wanted.encode(), g.encode()) for g in given) else "no matching signature"


class Receiver(Stand):
    """Takes any JSON object, as chat systems and notification services do: 200 with a short JSON answer, 400 for anything else."""

    name = "notify"

    def handle(self, request: Request) -> Response:
        if request.method != "POST":
            return self.refuse(405)
        try:
            body = json.loads(request.body)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return answer({"error": "not a JSON object"}, 400)
        with self.town.ledger.transaction() as db:
            db.execute(
                "INSERT INTO notices (at, path, body) VALUES (?,?,?)", (time.time(), request.path, json.dumps(body))
            )
        return answer({"ok": True})


STAND_INS = (Webhook, Receiver)
