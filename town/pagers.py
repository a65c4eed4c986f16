"""Where people are paged: Slack, PagerDuty Events v2 and a Teams workflow. They refuse what the platforms refuse and keep what they took.

Slack: https://docs.slack.dev/reference/methods/chat.postMessage (HTTP 200 for success and failure, `ok` tells; channel, auth and length
errors by name; one message a second and channel), https://docs.slack.dev/reference/methods/conversations.history (metadata only when asked).
PagerDuty: https://developer.pagerduty.com/docs/send-alert-event (202; 400 names the errors; a key of an open alert is the same alert, a late
acknowledge or resolve of none is dropped). Teams: https://learn.microsoft.com/en-us/connectors/teams/#microsoft-teams-webhook (202 says
queued; `sig` in the address is the secret; 28 KB).
"""

from __future__ import annotations

import json
import time
from typing import Any

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

    def handle(self, request: Request) -> Response:
        path = request.path
        if path.startswith("/services/"):
            return self._hook(path, request)
        if request.headers.get("authorization") != f"Bearer {self.keys['token']}":
            return answer({"ok": False, "error": "invalid_auth"})
        if path == "/api/chat.postMessage" and request.method == "POST":
            return self._post(_object(request))
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
            one = {"type": "message", "ts": f"{1_790_000_000 + n['id']}.000100", "text": n["body"].get("text", "")}
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
    """`/v2/enqueue`. `open` says which alerts stand, and whether somebody acknowledged."""

    name = "pagerduty"
    keys = {"routing": "0123456789abcdef0123456789abcdef", "webhook": "pd-webhook-secret"}

    def __init__(self, town: Any) -> None:
        super().__init__(town)
        self.open: dict[str, str] = {}

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
        if action == "trigger":
            self.open.setdefault(key, "triggered")
        elif action == "acknowledge" and key in self.open:
            self.open[key] = "acknowledged"
        elif action == "resolve":
            self.open.pop(key, None)
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
