"""Zendesk Support: tickets, comments, audits, users and search, as far as a desk connector needs them.

[tickets] https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/
[intro] https://developer.zendesk.com/api-reference/ticketing/introduction/ (idempotency, rate limits, errors)
[comments] …/tickets/ticket_comments/  [search] …/ticket-management/search/  [users] …/users/users/
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable
from typing import Any

from town import zendesk_forms as forms
from town.faults import Fault
from town.http import Request, Response, answer
from town.zendesk_agents import HOOK_SECRET, Agents
from town.zendesk_reads import AGENT, Refused, invalid


class Zendesk(Agents):
    """The desk. A write is committed before the answer is written, so a lost answer is a real ambiguity."""

    name = "zendesk"
    keys = {"email": "agent@northbank.example", "token": "town-zendesk-token", "oauth": "town-zendesk-oauth"}
    keys |= {"hook": HOOK_SECRET}
    rates = {"zendesk": (100_000, 60), "zendesk_ticket": (100_000, 600), "zendesk_export": (10, 60)}
    options = {"zendesk_search_lag": 30.0, "zendesk_key_ttl": 7200.0, "zendesk_export_lag": 60.0}

    def handle(self, request: Request) -> Response:
        if request.path == "/oauth/tokens" and request.method == "POST":
            return self._oauth(request)
        if not self._authorised(request.headers.get("Authorization", "")):
            return self.refuse(401)
        limit, used, left, _ = self.spend()
        headers = {
            "X-Rate-Limit": str(limit),
            "X-Rate-Limit-Remaining": str(max(0, limit - used)),
            "ratelimit-limit": str(limit),
            "ratelimit-remaining": str(max(0, limit - used)),
            "ratelimit-reset": str(left),
        }
        if used > limit:
            response = self.refuse(429)
            response.headers["Retry-After"] = str(left)  # [intro] 429 carries Retry-After in seconds
        else:
            try:
                response = self._route(request)
            except Refused as refused:
                response = refused.response
        response.headers = headers | response.headers
        return response

    def _route(self, request: Request) -> Response:
        path = request.path.rstrip("/").removesuffix(".json")
        routes: list[tuple[str, str, Callable[..., Response]]] = [
            ("POST", r"/api/v2/tickets", self._create),
            ("GET", r"/api/v2/tickets", self._list),
            ("GET", r"/api/v2/tickets/show_many", self._list),
            ("GET", r"/api/v2/tickets/(\d+)", self._show),
            ("PUT", r"/api/v2/tickets/(\d+)", self._update),
            ("GET", r"/api/v2/tickets/(\d+)/comments", self._comments),
            ("GET", r"/api/v2/tickets/(\d+)/audits", self._audits),
            ("GET", r"/api/v2/incremental/tickets/cursor", self._export),
            ("GET", r"/api/v2/search", self._search),
            ("GET", r"/api/v2/users/show_many", self._users),
            ("POST", r"/api/v2/users/create_or_update", self._user),
            ("GET", r"/api/v2/users/me", self._me),
        ]
        for method, pattern, handler in routes:
            if method == request.method and (match := re.fullmatch(pattern, path)):
                return handler(request, *map(int, match.groups()))
        return answer({"error": "InvalidEndpoint", "description": "Not found"}, 404)

    def refuse(self, status: int, fault: Fault | None = None) -> Response:
        bodies: dict[int, Any] = {
            401: {"error": "Couldn't authenticate you"},
            403: {"error": {"title": "Forbidden", "message": "You do not have access to this page."}},
            404: {"error": "RecordNotFound", "description": "Not found"},
            409: {"error": "Conflict", "description": "The resource is being changed by another request"},
            422: {
                "error": "RecordInvalid",
                "description": "Record validation errors",
                "details": {
                    "base": [
                        {
                            "description": "Type: is required when solving a ticket",
                            "ticket_field_id": 24002,
                            "ticket_field_type": "FieldTicketType",
                        }
                    ]
                },
            },
            429: {"error": "APIRateLimitExceeded", "description": "Number of allowed API requests per minute exceeded"},
        }
        return answer(bodies.get(status, {"error": f"status {status}"}), status)

    def _authorised(self, header: str) -> bool:
        """Basic of email/token:api_token, or an OAuth bearer."""
        own = self.town.accounts["zendesk"]
        basic = base64.b64encode(f"{own['email']}/token:{own['token']}".encode()).decode()
        return header in (f"Basic {basic}", f"Bearer {own['oauth']}")

    def _oauth(self, request: Request) -> Response:
        """client_credentials gives no refresh token (support.zendesk.com/hc/en-us/articles/9182123625370)."""
        form = _body(request, None)
        own = self.town.accounts["zendesk"]
        given = (form.get("grant_type"), form.get("client_id"), form.get("client_secret"))
        if given != ("client_credentials", "town-zendesk-client", own["token"]):
            return answer({"error": "invalid_client", "error_description": "Client authentication failed"}, 401)
        return answer({"access_token": own["oauth"], "token_type": "bearer", "scope": "read write", "expires_in": 1800})

    # -- writing ------------------------------------------------------------------------------------------------

    def _create(self, request: Request) -> Response:
        """[intro] Idempotency-Key: up to 255 characters, kept two hours, for the creation of tickets."""
        key = request.headers.get("Idempotency-Key")
        if key and len(key) > 255:
            return answer({"error": "IdempotentRequestError", "description": "Idempotency key is too long"}, 400)
        wanted = _body(request, "ticket")
        now, body = time.time(), json.dumps(wanted, sort_keys=True)
        base = self.town.urls["zendesk"]
        with self.town.ledger.transaction() as db:
            kept = db.execute(
                "SELECT * FROM idempotency WHERE desk = 'zendesk' AND key = ? AND at > ?",
                (key, now - float(self.town.options["zendesk_key_ttl"])),
            ).fetchone()
            if kept and kept["body"] != body:
                raise Refused(
                    answer(
                        {
                            "error": "IdempotentRequestError",
                            "description": "Request parameters don't match the given idempotency key",
                        },
                        400,
                    )
                )
            if kept:
                return _created(json.loads(kept["answer"]), "hit", base)
            self._check(wanted, creating=True)
            comment = self._comment(wanted.get("comment"), required=True)
            requester = self._requester(db, wanted)
            cursor = db.execute(
                "INSERT INTO tickets (desk, external_id, at, data) VALUES ('zendesk', ?, ?, '{}')",
                (wanted.get("external_id"), now),
            )
            ticket = forms.ticket(cursor.lastrowid or 0, wanted, comment["body"], requester, now, base)
            custom = self._metadata(wanted)
            audit = self._note(db, ticket["id"], comment, forms.creation(ticket), now, first=True, custom=custom)
            self._keep(db, ticket)
            data = {"ticket": ticket, "audit": audit}
            if key:
                db.execute(
                    "INSERT OR REPLACE INTO idempotency VALUES ('zendesk', ?, ?, ?, ?)",
                    (key, body, now, json.dumps(data)),
                )
        self.tell(ticket, audit)
        return _created(data, "miss" if key else "", base)

    def _update(self, request: Request, number: int) -> Response:
        limit, used, left, _ = self.spend(f"ticket {number}", "zendesk_ticket")
        if used > limit:
            # 30 updates per 10 minutes, user and ticket (support.zendesk.com/hc/en-us/articles/8638126078234)
            response = self.refuse(429)
            response.headers["Retry-After"] = str(left)
            raise Refused(response)
        ticket, audit = self.change(number, _body(request, "ticket"), AGENT, "api")
        return answer({"ticket": ticket, "audit": audit})

    def change(
        self, number: int, wanted: dict[str, Any], by: int, channel: str, rel: str | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the API and the agents' web interface share; one transaction, then the event goes out."""
        now = time.time()
        with self.town.ledger.transaction() as db:
            ticket = self._ticket(number)
            if ticket["status"] == "closed":  # final: github.com/facetoe/zenpy/issues/114 shows the body
                raise invalid("status", "Status: closed prevents ticket update")
            if "description" in wanted:  # read-only: github.com/Speedygeek/ZendeskApi_v2/issues/63
                raise invalid("description", "Description: cannot be changed")
            if wanted.get("safe_update") and wanted.get("updated_stamp") != ticket["updated_at"]:
                # [tickets] "Protecting against ticket update collisions"
                raise Refused(
                    answer(
                        {
                            "error": "UpdateConflict",
                            "description": "Safe Update prevented the update due to outdated ticket "
                            "data. Please fetch the latest ticket data and try again.",
                        },
                        409,
                    )
                )
            self._check(wanted, creating=False)
            wanted = self._assigned(wanted)
            events = forms.apply(ticket, wanted, now)
            comment = self._comment(wanted["comment"], required=False) if wanted.get("comment") else None
            audit = self._note(db, number, comment, events, now, first=False, custom=self._metadata(wanted), by=by,
                               channel=channel, rel=rel)  # fmt: skip
            self._keep(db, ticket)
        self.tell(ticket, audit)
        return ticket, audit

    def _assigned(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """[tickets] assignee_email is write only; an assignee is an agent of the account."""
        if "assignee_email" not in wanted and wanted.get("assignee_id") is None:
            return wanted
        rows = self.town.ledger.ask("SELECT id, email, data FROM users WHERE desk = 'zendesk'")
        agents = {r["id"]: r["email"] for r in rows if json.loads(r["data"]).get("role") == "agent"} | {AGENT: ""}
        email = str(wanted.get("assignee_email") or "").lower()
        found = [i for i in agents if (i == wanted.get("assignee_id") if not email else agents[i] == email)]
        if not found:
            raise invalid("assignee", "Assignee: is invalid", error="InvalidValue")
        return {**{k: v for k, v in wanted.items() if k != "assignee_email"}, "assignee_id": found[0]}

    def _metadata(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """[tickets] "Setting metadata": up to one kilobyte, shown as metadata.custom of the audit this update makes."""
        custom = wanted.get("metadata") or {}
        if not isinstance(custom, dict) or len(json.dumps(custom).encode()) > 1024:
            raise invalid("metadata", "Metadata: is too large (maximum is 1 kilobyte)")
        return custom

    def _check(self, wanted: dict[str, Any], *, creating: bool) -> None:
        statuses = forms.STATUSES - ({"closed"} if creating else set())
        for field, known in (("priority", forms.PRIORITIES), ("status", statuses), ("type", forms.TYPES)):
            if wanted.get(field) is not None and wanted[field] not in known:
                label = field.capitalize()
                raise invalid(field, f"{label}: {wanted[field]} is not valid", error="InvalidValue")
        for field in ("tags", "additional_tags", "remove_tags"):
            tags = wanted.get(field) or []
            if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
                raise invalid("tags", "Tags: is invalid", error="InvalidValue")
        given = wanted.get("custom_fields") or []
        if not isinstance(given, list) or not all(
            isinstance(one, dict) and str(one.get("id", "")).isdigit() for one in given
        ):
            raise invalid("custom_fields", "Custom fields: is invalid", error="InvalidValue")
        if wanted.get("external_id") is not None and len(str(wanted["external_id"])) > 255:
            raise invalid("external_id", "External ID: is too long (maximum is 255 characters)")

    def _comment(self, comment: Any, *, required: bool) -> dict[str, Any]:
        """The first comment is the description; a blank one is github.com/zendesk/zendesk_api_client_php/issues/306."""
        comment = {"body": comment} if isinstance(comment, str) else comment
        body = str((comment or {}).get("body") or (comment or {}).get("html_body") or "")
        if not body.strip():
            label = "Description: cannot be blank" if required else "Comment: cannot be blank"
            raise invalid("base" if required else "comment", label, error="BlankValue")
        cut = body.encode()[: 64 * 1024].decode("utf-8", "ignore")  # silently: github.com/xorbitsai/xagent/issues/2015
        return {"body": cut, "public": bool(comment.get("public", True)), "author_id": comment.get("author_id", AGENT)}

    def _requester(self, db: Any, wanted: dict[str, Any]) -> int:
        """Inline requester: a new user needs a name (github.com/Speedygeek/ZendeskApi_v2/issues/95)."""
        given = wanted.get("requester")
        if not given:
            asked = wanted.get("requester_id")
            known = asked in (None, AGENT) or db.execute("SELECT 1 FROM users WHERE id = ?", (asked,)).fetchone()
            if not known:
                raise invalid("requester", "Requester: is invalid")
            return int(asked or AGENT)
        return int(self._save_user(db, given, "requester", "Requester: ", update=False)[0]["id"])

    def _save_user(self, db: Any, given: Any, field: str, label: str, *, update: bool) -> tuple[dict[str, Any], bool]:
        """The user with this e-mail address or external id, made when new; true in second place when made."""
        email, name = str(given.get("email") or "").lower(), str(given.get("name") or "").strip()
        outside = given.get("external_id")
        if email and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s.]+", email):
            raise invalid(field, f"{label}Email: {email} is not properly formatted", error="InvalidValue")
        if len(name) > 255:
            raise invalid(field, f"{label}Name: is too long (maximum is 255 characters)")
        row = db.execute(
            "SELECT * FROM users WHERE desk = 'zendesk' AND ((? <> '' AND email = ?) OR"
            " (? IS NOT NULL AND lower(external_id) = lower(?)))",
            (email, email, outside, outside),
        ).fetchone()
        if row is None and not name:
            raise invalid(field, f"{label}Name: is too short (minimum is 1 character)")
        if row is None:
            cursor = db.execute(
                "INSERT INTO users (id, desk, email, external_id, data) VALUES"
                " ((SELECT coalesce(max(id), 900) + 1 FROM users), 'zendesk', ?, ?, '{}')",
                (email, outside),
            )
            user = {"id": cursor.lastrowid, "created_at": forms.stamp(time.time()), "role": "end-user", "active": True}
        else:
            user = json.loads(row["data"])
        if row is None or update:
            user |= {k: given[k] for k in ("name", "phone", "external_id", "notes", "tags") if given.get(k)}
            user |= {"email": email or user.get("email"), "updated_at": forms.stamp(time.time())}
            user["url"] = f"{self.town.urls['zendesk']}/api/v2/users/{user['id']}.json"
            db.execute(
                "UPDATE users SET data = ?, external_id = ?, email = ? WHERE id = ?",
                (json.dumps(user), user.get("external_id"), user["email"] or "", user["id"]),
            )
        return user, row is None

    def _note(
        self,
        db: Any,
        number: int,
        comment: dict[str, Any] | None,
        events: list[dict[str, Any]],
        now: float,
        *,
        first: bool,
        custom: dict[str, Any],
        by: int = AGENT,
        channel: str = "api",
        rel: str | None = None,
    ) -> dict[str, Any]:
        """One audit per change; a comment is an event of it."""
        cursor = db.execute(
            "INSERT INTO comments (desk, ticket, first, at, body, data, audit) VALUES (?, ?, ?, ?, ?, '', '')",
            ("zendesk" if comment else "zendesk-audit", number, int(first), now, (comment or {}).get("body", "")),
        )
        ident = int(cursor.lastrowid or 0)
        if comment and by != AGENT:
            comment = {**comment, "author_id": by}
        whole = forms.comment(ident, comment, now) if comment else None
        audit = forms.audit(ident, number, whole, events, now, by)
        audit["metadata"]["custom"] = custom
        audit["via"] = {"channel": channel, "source": {"rel": rel}}
        db.execute(
            "UPDATE comments SET data = ?, audit = ? WHERE id = ?", (json.dumps(whole), json.dumps(audit), ident)
        )
        return audit

    def _keep(self, db: Any, ticket: dict[str, Any]) -> None:
        db.execute(
            "UPDATE tickets SET data = ?, external_id = ? WHERE id = ?",
            (json.dumps(ticket), ticket["external_id"], ticket["id"]),
        )

    def _user(self, request: Request) -> Response:
        """[users] create or update: 201 with Location when new, 200 when there."""
        given = _body(request, "user")
        with self.town.ledger.transaction() as db:
            user, new = self._save_user(db, given, "name", "", update=True)
        return answer({"user": user}, 201 if new else 200, Location=user["url"])


def _created(data: dict[str, Any], lookup: str, base: str) -> Response:
    headers = {"Location": f"{base}/api/v2/tickets/{data['ticket']['id']}.json"}
    if lookup:
        headers["x-idempotency-lookup"] = lookup
    return answer(data, 201, **headers)


def _body(request: Request, name: str | None) -> dict[str, Any]:
    """The object under its name; without a JSON content type the body is not read as JSON and counts as missing."""
    missing = answer(
        {
            "error": {
                "title": "Invalid attribute",
                "message": f"You passed an invalid value for the {name} "
                "attribute. Invalid parameter: it must be an object",
            }
        },
        400,
    )
    if "json" not in request.headers.get("Content-Type", ""):
        raise Refused(missing)
    try:
        data = request.json()
    except ValueError as bad:
        raise Refused(answer({"error": "Unprocessable Entity", "message": "Server could not parse JSON"}, 422)) from bad
    found = data.get(name) if name and isinstance(data, dict) else data
    if not isinstance(found, dict):
        raise Refused(missing)
    return found


STAND_INS = (Zendesk,)
