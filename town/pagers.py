"""Where people are paged: Slack, PagerDuty Events v2 and a Teams workflow. They refuse what the platforms refuse and keep what they took.

Slack: https://docs.slack.dev/reference/methods/chat.postMessage (HTTP 200 for success and failure, `ok` tells; channel, auth and length
errors by name; one message a second and channel), https://docs.slack.dev/reference/methods/conversations.history (metadata only when asked),
https://api.slack.com/methods/chat.update (channel by id, ts as posted; `message_not_found`; without `blocks` and with `text` the blocks
go, metadata stays when it is not given), https://docs.slack.dev/reference/interaction-payloads/block_actions-payload (a button's press).
PagerDuty: https://developer.pagerduty.com/docs/send-alert-event (202; 400 names the errors; a key of an open alert is the same alert, a late
acknowledge or resolve of none is dropped), https://developer.pagerduty.com/docs/webhooks-overview (what happened to an incident is pushed,
whoever did it; `agent` says who: a user, or the integration an event came by). Teams: https://learn.microsoft.com/en-us/connectors/teams/#microsoft-teams-webhook (202 says
queued; `sig` in the address is the secret; 28 KB).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import urlencode

from town.http import Request, Response, Stand, answer

SEVERITIES = {"critical", "error", "warning", "info"}


def _object(request: Request) -> dict[str, Any] | None:
    try:
        found = json.loads(request.body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


class _Keeps(Stand):
    def keep(self, path: str, body: Any) -> int:
        with self.town.ledger.transaction() as db:
            made = db.execute(
                "INSERT INTO notices (at, path, body) VALUES (?,?,?)", (time.time(), path, json.dumps(body))
            )
            return int(made.lastrowid or 0)


class Slack(_Keeps):
    """`/api/chat.postMessage`, `/api/conversations.history`, and an incoming webhook at `/services/…`."""

    name = "slack"
    keys = {
        "token": "xoxb-northbank-town",
        "signing": "8f742231b10e8888abcd99yyyzzz85a5",
        "hook": "/services/T1/B1/XXXX",
    }
    channels = {"C0ALERTS": True, "C0OLD": False}  # False: archived

    def __init__(self, town: Any) -> None:
        super().__init__(town)
        self.edited: dict[str, dict[str, Any]] = {}  # ts → the message as it reads now

    def press(self, ts: str, user: str) -> tuple[dict[str, str], bytes]:
        """(headers, body) of what Slack sends when somebody presses the first button of a message; KeyError: it has none."""
        blocks = self.shown(ts).get("blocks", [])
        button = {e["action_id"]: e for b in blocks if b["type"] == "actions" for e in b["elements"]}["ack"]
        said = {
            "type": "block_actions",
            "user": {"id": user},
            "container": {"message_ts": ts},
            "actions": [{"action_id": "ack", "value": button["value"]}],
        }
        body = urlencode({"payload": json.dumps(said)}).encode()
        stamp = str(int(time.time()))
        mark = hmac.new(self.keys["signing"].encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
        form = {"content-type": "application/x-www-form-urlencoded"}
        return {**form, "x-slack-request-timestamp": stamp, "x-slack-signature": f"v0={mark}"}, body

    def shown(self, ts: str) -> dict[str, Any]:
        """A message as it reads now; KeyError: there is none."""
        posted = {
            f"{1_790_000_000 + n['id']}.000100": n["body"] for n in self.town.ledger.notices() if n["path"] == "slack"
        }
        return {**posted[ts], **self.edited.get(ts, {})}

    def handle(self, request: Request) -> Response:
        path = request.path
        if path.startswith("/services/"):
            return self._hook(path, request)
        if request.headers.get("authorization") != f"Bearer {self.keys['token']}":
            return answer({"ok": False, "error": "invalid_auth"})
        if path == "/api/chat.postMessage" and request.method == "POST":
            return self._post(_object(request))
        if path == "/api/chat.update" and request.method == "POST":
            return self._update(_object(request))
        if path == "/api/conversations.history":
            return self._history(request)
        return answer({"ok": False, "error": "unknown_method"})

    def _post(self, body: dict[str, Any] | None) -> Response:
        if body is None:
            return answer({"ok": False, "error": "invalid_json"})
        error = self._wrong(body)
        if error:
            return answer({"ok": False, "error": error})
        ts = f"{1_790_000_000 + self.keep('slack', body)}.000100"
        return answer({"ok": True, "channel": body["channel"], "ts": ts, "message": {"text": body.get("text", "")}})

    def _update(self, body: dict[str, Any] | None) -> Response:
        if body is None:
            return answer({"ok": False, "error": "invalid_json"})
        error = self._wrong(body)
        if error:
            return answer({"ok": False, "error": error})
        ts = str(body.get("ts", ""))
        try:
            before = self.shown(ts)
        except KeyError:
            return answer({"ok": False, "error": "message_not_found"})
        if before["channel"] != body["channel"]:
            return answer({"ok": False, "error": "message_not_found"})
        gone = {"blocks": []} if body.get("text") and "blocks" not in body else {}
        self.edited[ts] = {**self.edited.get(ts, {}), **gone, **{k: v for k, v in body.items() if k != "ts"}}
        self.keep("slack-update", body)
        return answer({"ok": True, "channel": body["channel"], "ts": ts, "text": body.get("text", "")})

    def _wrong(self, body: dict[str, Any]) -> str:
        if body.get("channel") not in self.channels:
            return "channel_not_found"
        if not self.channels[body["channel"]]:
            return "is_archived"
        if not body.get("text") and not body.get("blocks"):
            return "no_text"
        if len(str(body.get("text", ""))) > 40_000:
            return "msg_too_long"
        blocks = body.get("blocks") or []
        if not isinstance(blocks, list) or len(blocks) > 50:
            return "invalid_blocks"
        for block in blocks:
            said = (block.get("text") or {}).get("text", "")
            if block.get("type") not in {"section", "actions", "context", "divider", "header"} or len(said) > 3000:
                return "invalid_blocks"
        return ""

    def _history(self, request: Request) -> Response:
        asked = request.query
        found = [
            n
            for n in self.town.ledger.notices()
            if n["path"] == "slack" and n["body"]["channel"] == asked.get("channel")
        ]
        messages = []
        for n in reversed(found):
            ts = f"{1_790_000_000 + n['id']}.000100"
            one = {"type": "message", "ts": ts, "text": {**n["body"], **self.edited.get(ts, {})}.get("text", "")}
            if asked.get("include_all_metadata") == "true" and "metadata" in n["body"]:
                one["metadata"] = n["body"]["metadata"]
            messages.append(one)
        return answer({"ok": True, "messages": messages[:100], "has_more": False})

    def _hook(self, path: str, request: Request) -> Response:
        """https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks: plain text answers."""
        if path != self.keys["hook"]:
            return Response(404, b"no_service", {"Content-Type": "text/plain"})
        body = _object(request)
        if body is None:
            return Response(400, b"invalid_payload", {"Content-Type": "text/plain"})
        if not body.get("text") and not body.get("blocks"):
            return Response(400, b"no_text", {"Content-Type": "text/plain"})
        self.keep("slack-hook", body)
        return Response(200, b"ok", {"Content-Type": "text/plain"})


class PagerDuty(_Keeps):
    """`/v2/enqueue`. `open` says which alerts stand, and whether somebody acknowledged; `pushed` what its webhook would have sent."""

    name = "pagerduty"
    keys = {"routing": "0123456789abcdef0123456789abcdef", "webhook": "pd-webhook-secret"}

    def __init__(self, town: Any) -> None:
        super().__init__(town)
        self.open: dict[str, str] = {}
        self.pushed: list[tuple[dict[str, str], bytes]] = []

    def click(self, key: str, what: str, user: str) -> tuple[dict[str, str], bytes]:
        """Somebody acknowledges or resolves an incident there; (headers, body) of the webhook. KeyError: no such incident stands."""
        self.open[key]
        self._happened(key, what, {"id": user, "type": "user_reference", "summary": "On Call"})
        return self.pushed[-1]

    def _happened(self, key: str, what: str, agent: dict[str, str]) -> None:
        data = {"id": "PINC1", "type": "incident", "incident_key": key, "status": what}
        event = {
            "id": f"01{len(self.pushed)}",
            "event_type": f"incident.{what}",
            "resource_type": "incident",
            "agent": agent,
            "data": data,
        }
        body = json.dumps({"event": event}).encode()
        mark = hmac.new(self.keys["webhook"].encode(), body, hashlib.sha256).hexdigest()
        self.pushed.append(({"content-type": "application/json", "x-pagerduty-signature": f"v1={mark}"}, body))
        if what == "resolved":
            self.open.pop(key)
        else:
            self.open[key] = what

    def handle(self, request: Request) -> Response:
        if request.path != "/v2/enqueue" or request.method != "POST":
            return answer({"status": "not found"}, 404)
        body = _object(request)
        if body is None or len(request.body) > 512_000:
            return self._invalid("Event object failed to parse")
        errors = self._wrong(body)
        if errors:
            return self._invalid(*errors)
        key = body.get("dedup_key") or f"made-{time.time_ns()}"
        action = body["event_action"]
        ours = {"id": "PEVENTS", "type": "inbound_integration_reference", "summary": "Events API v2"}
        if action == "trigger" and key not in self.open:
            self._happened(key, "triggered", ours)
        elif action == "acknowledge" and self.open.get(key) == "triggered":
            self._happened(key, "acknowledged", ours)
        elif action == "resolve" and key in self.open:
            self._happened(key, "resolved", ours)
        self.keep("pagerduty", body)
        return answer({"status": "success", "message": "Event processed", "dedup_key": key}, 202)

    def _wrong(self, body: dict[str, Any]) -> list[str]:
        errors = []
        if body.get("routing_key") != self.keys["routing"]:
            errors.append("'routing_key' is invalid")
        if body.get("event_action") not in {"trigger", "acknowledge", "resolve"}:
            errors.append("'event_action' is missing or invalid")
        if len(str(body.get("dedup_key", ""))) > 255:
            errors.append("'dedup_key' is too long")
        if body.get("event_action") == "trigger":
            payload = body.get("payload") or {}
            errors += [f"'payload.{n}' is missing or blank" for n in ("summary", "source") if not payload.get(n)]
            if payload.get("severity") not in SEVERITIES:
                errors.append("'payload.severity' is invalid (must be one of: critical, warning, error, info)")
            if len(str(payload.get("summary", ""))) > 1024:
                errors.append("'payload.summary' is too long")
        return errors

    def _invalid(self, *errors: str) -> Response:
        return answer({"status": "invalid event", "message": "Event object is invalid", "errors": list(errors)}, 400)


class Teams(_Keeps):
    """A workflow's address. 202 is queued; `shown` tells what the flow could post, `failed` what it could not."""

    name = "teams"
    path = "/workflows/abc/triggers/manual/paths/invoke?api-version=2016-06-01&sig=town-sig"

    def __init__(self, town: Any) -> None:
        super().__init__(town)
        self.failed: list[Any] = []

    def handle(self, request: Request) -> Response:
        if request.query.get("sig") != "town-sig":
            return answer({"error": {"code": "DirectApiAuthorizationRequired"}}, 401)
        if len(request.body) > 28 * 1024:
            return answer({"error": {"code": "RequestEntityTooLarge"}}, 413)
        body = _object(request)
        if body is None:
            return answer({"error": {"code": "InvalidRequestContent"}}, 400)
        card = ((body.get("attachments") or [{}])[0] or {}).get("content") or {}
        good = (
            body.get("type") == "message"
            and card.get("type") == "AdaptiveCard"
            and card.get("body")
            and card.get("version")
        )
        if good:
            self.keep("teams", body)
        else:
            self.failed.append(body)  # queued all the same: the flow fails later, and nobody is told
        return Response(202)


STAND_INS = (Slack, PagerDuty, Teams)
