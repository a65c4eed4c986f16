"""Zendesk's other side: its agents' edits, the incremental export that tells of them, and the webhooks that hint at them.

[export] https://developer.zendesk.com/documentation/ticketing/managing-tickets/using-the-incremental-export-api/
[hooks] https://developer.zendesk.com/api-reference/webhooks/event-types/ticket-events/
[signing] https://developer.zendesk.com/documentation/webhooks/verifying/
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import random
import threading
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass
from typing import Any

from town import zendesk_forms as forms
from town.http import Request, Response, answer
from town.zendesk_reads import Reads, Refused

TRIES = 4  # a first call and three repeats ([hooks] as DESKS tells: on 409, 429 and 503)
HOOK_SECRET = "town-zendesk-webhook-secret"


def signed(secret: str, stamp: str, body: bytes) -> str:
    """[signing] base64(HMAC-SHA256(secret, timestamp + body)), over the bytes as they are sent."""
    return base64.b64encode(hmac.new(secret.encode(), stamp.encode() + body, hashlib.sha256).digest()).decode()


@dataclass
class Owed:
    """One event and how often its delivery was tried."""

    event: dict[str, Any]
    tries: int = 0


class Agents(Reads):
    """People at the desk, and how the outside hears of what they do."""

    def __init__(self, town: Any) -> None:
        super().__init__(town)
        self.owed: list[Owed] = []
        self.lost: list[dict[str, Any]] = []
        self._mouth = threading.Lock()

    # -- what agents do -----------------------------------------------------------------------------------------

    def hire(self, name: str, email: str) -> int:
        """An agent with an account; ids of users are one sequence."""
        with self.town.ledger.transaction() as db:
            cursor = db.execute(
                "INSERT INTO users (id, desk, email, external_id, data) VALUES"
                " ((SELECT coalesce(max(id), 900) + 1 FROM users), 'zendesk', ?, NULL, '{}')",
                (email.lower(),),
            )
            ident = int(cursor.lastrowid or 0)
            user = {"id": ident, "name": name, "email": email.lower(), "role": "agent", "active": True}
            db.execute("UPDATE users SET data = ? WHERE id = ?", (json.dumps(user), ident))
        return ident

    def edit(self, number: int, by: int, **wanted: Any) -> dict[str, Any]:
        """An agent changes a ticket in the web interface; raises Refused as the interface would."""
        ticket, audit = self.change(number, wanted, by, "web")
        return {"ticket": ticket, "audit": audit}

    def change(
        self, number: int, wanted: dict[str, Any], by: int, channel: str, rel: str | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        raise NotImplementedError

    def merge(self, source: int, target: int, by: int) -> None:
        """One request goes on in another. The source is closed with a comment; no field says where it went, only the audits' `rel`
        (developer.zendesk.com/api-reference/ticketing/tickets/tickets/#merge-tickets-into-target-ticket).
        """
        gone = f"This request was closed and merged into request #{target}."
        come = f"Request #{source} was closed and merged into this request."
        self.change(source, {"status": "closed", "comment": {"body": gone, "public": False}}, by, "web", "merge")
        self.change(target, {"comment": {"body": come, "public": False}}, by, "web", "merge")

    def remove(self, number: int) -> None:
        """Soft: gone from every reading at once, told by the export with the status `deleted`."""
        with self.town.ledger.transaction() as db:
            ticket = self._ticket(number) | {"status": "deleted", "generated_timestamp": int(time.time())}
            db.execute("UPDATE tickets SET data = ? WHERE id = ?", (json.dumps(ticket), number))

    def stir(self, number: int) -> None:
        """A change by the system: generated_timestamp moves, updated_at does not (github.com/airbytehq/airbyte/issues/28774)."""
        with self.town.ledger.transaction() as db:
            ticket = self._ticket(number) | {"generated_timestamp": int(time.time())}
            db.execute("UPDATE tickets SET data = ? WHERE id = ?", (json.dumps(ticket), number))

    # -- the export ---------------------------------------------------------------------------------------------

    def _export(self, request: Request) -> Response:
        """[export] cursor-based: in the order of (generated_timestamp, id), nothing of the most recent minute."""
        limit, used, left, _ = self.spend("export", "zendesk_export")
        if used > limit:
            response = self.refuse(429)
            response.headers["Retry-After"] = str(left)
            return response
        lag, now = float(self.town.options["zendesk_export_lag"]), int(time.time())
        size = min(int(request.query.get("per_page") or 1000), 1000)
        given = request.query.get("cursor", "")
        after = _cursor(given) if given else self._start(request.query.get("start_time", ""), now - lag)
        rows = [json.loads(r["data"]) for r in self.town.ledger.ask("SELECT data FROM tickets WHERE desk = 'zendesk'")]
        rows.sort(key=lambda t: (t["generated_timestamp"], t["id"]))
        found = [
            t for t in rows if after < (t["generated_timestamp"], t["id"]) and t["generated_timestamp"] < now - lag
        ]
        part, more = found[:size], len(found) > size
        last = (part[-1]["generated_timestamp"], part[-1]["id"]) if part else None
        cursor = base64.b64encode(f"{last[0]}.0||{last[1]}".encode()).decode() if last else given or None
        url = f"{self.town.urls['zendesk']}/api/v2/incremental/tickets/cursor.json?cursor={cursor}" if cursor else None
        return answer(
            {"tickets": part, "after_url": url, "after_cursor": cursor, "before_url": None, "before_cursor": None,
             "end_of_stream": not more}
        )  # fmt: skip

    def _start(self, given: str, newest: float) -> tuple[int, int]:
        if not given.isdigit():
            raise Refused(answer({"error": "InvalidValue", "description": "start_time is missing or invalid"}, 400))
        if int(given) > newest:  # "start_time must be over 1 minute old"
            said = "Too recent start_time. Use a start_time older than 60 seconds"
            raise Refused(answer({"error": "StartTimeTooRecent", "description": said}, 422))
        return int(given), 0

    # -- webhooks -----------------------------------------------------------------------------------------------

    def tell(self, ticket: dict[str, Any], audit: dict[str, Any]) -> None:
        """[hooks] one event per kind of change, once somebody subscribed."""
        if self.to is None:
            return
        for event in forms.hook_events(ticket, audit):
            self.owed.append(Owed({"id": str(uuid.uuid4()), **event}))

    def passes(self, rng: random.Random) -> None:
        """Deliver what is owed: order is not guaranteed, some come twice, a refused one is tried again and then given up."""
        with self._mouth:
            owed, self.owed = self.owed, []
            rng.shuffle(owed)
            for one in owed:
                mishaps = {fault.kind for fault in self.town.faults.pick("zendesk", "POST", "/webhooks")}
                if mishaps & {"reset", "status", "429"}:
                    self.lost.append(one.event)
                    continue
                one.tries += 1
                status = self._push(one.event, forged="malformed" in mishaps)
                if mishaps & {"duplicate", "reset_after"} and status < 300:
                    self._push(one.event)
                if status in (409, 429, 503) and one.tries < TRIES:
                    self.owed.append(one)
                elif status >= 300:
                    self.lost.append(one.event)

    def rests(self) -> bool:
        return not self.owed

    def _push(self, event: dict[str, Any], *, forged: bool = False, late: float = 0) -> int:
        body, stamp = json.dumps(event).encode(), forms.stamp(time.time() - late)
        made = signed("somebody else's" if forged else HOOK_SECRET, stamp, body)
        headers = {
            "Content-Type": "application/json",
            "X-Zendesk-Webhook-Signature": made,
            "X-Zendesk-Webhook-Signature-Timestamp": stamp,
            "X-Zendesk-Webhook-Id": "01TOWN",
            "X-Zendesk-Webhook-Invocation-Id": str(uuid.uuid4()),
        }
        request = urllib.request.Request(self.to or "", body, headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=10) as said:
                return int(said.status)
        except urllib.error.HTTPError as refused:
            return int(refused.code)
        except OSError:
            return 503


def _cursor(given: str) -> tuple[int, int]:
    try:
        stamp, _, ident = base64.b64decode(given, validate=True).decode().partition(".0||")
        return int(stamp), int(ident)
    except (binascii.Error, ValueError) as bad:
        raise Refused(answer({"error": "InvalidCursor", "description": "The cursor is invalid"}, 400)) from bad
