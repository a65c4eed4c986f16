"""HubSpot's CRM: contacts, tickets and notes, as far as a desk that writes activities back needs them.

[objects] https://developers.hubspot.com/docs/api-reference/crm-contacts-v3/guide, …/crm-tickets-v3/guide, …/crm-notes-v3/guide
[search] https://developers.hubspot.com/docs/api-reference/2026-03/crm/search-the-crm (200 a page, 10,000 in all, a late index)
[associations] https://developers.hubspot.com/docs/api-reference/crm-associations-v4/guide
[properties] https://developers.hubspot.com/docs/api-reference/crm-properties-v3/guide
[usage] https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines (limits, their headers, the two kinds of 429)
Paths exist by version (`/crm/v3/objects/…`) and by date (`/crm/objects/2026-03/…`); both are taken.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

from town import hubspot_forms as forms
from town.faults import Fault
from town.http import Request, Response, answer
from town.hubspot_reads import Reads

NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
_TYPE = "(contacts|tickets|notes)"


class HubSpot(Reads):
    """The portal. A write is committed before the answer is written, so a lost answer is a real ambiguity.

    `hubspot_search_lag`: seconds the search index is behind ("wait 10 to 60 seconds", help.okta.com/wf on this API). `hubspot_conflict`:
    the status of a second record with one value of a unique property, which no page documents for others than contacts (409).
    """

    name = "hubspot"
    keys = {"token": "pat-eu1-town-hubspot", "narrow": "pat-eu1-town-narrow"}
    rates = {"hubspot": (100_000, 10), "hubspot_daily": (1_000_000, 86_400), "hubspot_search": (100_000, 1)}
    options = {"hubspot_search_lag": 0.0, "hubspot_conflict": 409}

    def handle(self, request: Request) -> Response:
        given = request.headers.get("Authorization", "")
        own = self.town.accounts["hubspot"]
        if given not in (f"Bearer {own['token']}", f"Bearer {own['narrow']}"):
            return self.refuse(401)
        limit, used, left, _ = self.spend()
        most, today, _, _ = self.spend("day", "hubspot_daily")
        headers = {  # [usage] none of them on search answers
            "X-HubSpot-RateLimit-Max": str(limit),
            "X-HubSpot-RateLimit-Remaining": str(max(0, limit - used)),
            "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
            "X-HubSpot-RateLimit-Daily": str(most),
            "X-HubSpot-RateLimit-Daily-Remaining": str(max(0, most - today)),
        }
        if today > most:
            return self.limited("DAILY")
        if used > limit:
            return self.limited("TEN_SECONDLY_ROLLING", left)
        if "/properties/" in request.path and request.method == "POST" and given == f"Bearer {own['narrow']}":
            return forms.error(
                403, "This app hasn't been granted all required scopes to make this call.", "MISSING_SCOPES"
            )
        try:
            response = self._route(request)
        except forms.Refused as refused:
            response = refused.response
        if not request.path.endswith("/search"):
            response.headers = headers | response.headers
        return response

    def limited(self, policy: str, seconds: int | None = None) -> Response:
        """[usage] two kinds of 429: of ten seconds and of the day; Retry-After comes only sometimes."""
        said = {"DAILY": "You have reached your daily limit.", "SECONDLY": "You have reached your secondly limit."}
        message = said.get(policy, "You have reached your ten_secondly_rolling limit.")
        response = forms.error(429, message, "RATE_LIMITS", errorType="RATE_LIMIT", policyName=policy)
        if seconds is not None:
            response.headers["Retry-After"] = str(seconds)
        return response

    def refuse(self, status: int, fault: Fault | None = None) -> Response:
        if status == 429:
            return self.limited(str((fault.options if fault else {}).get("policy", "TEN_SECONDLY_ROLLING")))
        said = {
            401: (
                "Authentication credentials not found. This API supports OAuth 2.0 authentication.",
                "INVALID_AUTHENTICATION",
            ),
            403: ("This app hasn't been granted all required scopes to make this call.", "MISSING_SCOPES"),
            404: ("resource not found", "OBJECT_NOT_FOUND"),
            423: ("This record is locked by another request.", "LOCKED"),
        }
        return forms.error(status, *said.get(status, ("internal error", "ERROR")))

    def _route(self, request: Request) -> Response:
        path = re.sub(
            r"/crm/(objects|properties|pipelines|associations)/20\d\d-\d\d/", r"/crm/v3/\1/", request.path.rstrip("/")
        )
        path = path.replace("/crm/v4/", "/crm/v3/")
        routes: list[tuple[str, str, Callable[..., Response]]] = [
            ("POST", rf"/crm/v3/objects/{_TYPE}", self._create),
            ("GET", rf"/crm/v3/objects/{_TYPE}", self._list),
            ("POST", rf"/crm/v3/objects/{_TYPE}/search", self._search),
            ("POST", rf"/crm/v3/objects/{_TYPE}/batch/read", self._batch_read),
            ("POST", rf"/crm/v3/objects/{_TYPE}/batch/upsert", self._upsert),
            ("GET", rf"/crm/v3/objects/{_TYPE}/([^/]+)", self._show),
            ("PATCH", rf"/crm/v3/objects/{_TYPE}/([^/]+)", self._update),
            ("DELETE", rf"/crm/v3/objects/{_TYPE}/([^/]+)", self._archive),
            ("GET", rf"/crm/v3/objects/{_TYPE}/([^/]+)/associations/{_TYPE}", self._associated),
            ("PUT", rf"/crm/v3/objects/{_TYPE}/([^/]+)/associations/default/{_TYPE}/([^/]+)", self._associate),
            ("GET", rf"/crm/v3/properties/{_TYPE}", self._properties),
            ("POST", rf"/crm/v3/properties/{_TYPE}", self._make_property),
            ("GET", rf"/crm/v3/properties/{_TYPE}/([^/]+)", self._property),
            ("GET", r"/crm/v3/pipelines/tickets", self._pipelines),
            ("GET", r"/account-info/v3/details", self._account),
        ]
        for method, pattern, handler in routes:
            if method == request.method and (match := re.fullmatch(pattern, path)):
                return handler(request, *match.groups())
        return self.refuse(404)

    # -- writing ------------------------------------------------------------------------------------------------

    def _create(self, request: Request, kind: str) -> Response:
        """[objects] a record with its associations, in one."""
        given = _body(request)
        with self.town.ledger.transaction() as db:
            number = self._make(db, kind, given.get("properties"), given.get("associations") or [])
        return answer(self._shown(kind, number, []), 201)

    def _make(self, db: Any, kind: str, given: Any, near: list[Any]) -> int:
        known = self.known(kind)
        values = forms.checked(known, given or {})
        if kind == "tickets":
            values.setdefault("hs_pipeline", "0")
        missing = [name for name in forms.REQUIRED[kind] if not values.get(name)]
        if missing:
            raise forms.invalid(
                f"Error creating {kind[:-1].upper()}. Some required properties were not set.",
                context={"properties": missing},
            )
        links = [self._link(kind, one) for one in near]
        self._unique(db, kind, values, None)
        now = forms.stamp(time.time())
        born = "hs_createdate" if kind == "notes" else "createdate"
        cursor = db.execute(
            "INSERT INTO objects (desk, type, at, archived, data) VALUES ('hubspot', ?, ?, 0, '{}')",
            (kind, time.time()),
        )
        number = int(cursor.lastrowid or 0)
        values |= {"hs_object_id": str(number), born: now, forms.MODIFIED[kind]: now}
        db.execute("UPDATE objects SET data = ? WHERE id = ?", (json.dumps(values), number))
        for other_type, other in links:
            self._join(db, kind, number, other_type, other)
        return number

    def _unique(self, db: Any, kind: str, values: dict[str, str | None], number: int | None) -> None:
        for name, found in self.known(kind).items():
            value = values.get(name)
            if not found["hasUniqueValue"] or not value:
                continue
            held = db.execute(
                "SELECT id FROM objects WHERE desk = 'hubspot' AND type = ? AND NOT archived AND id IS NOT ? "
                f"AND lower(json_extract(data, '$.{name}')) = lower(?)",
                (kind, number, value),
            ).fetchone()
            if held:
                message = f"{kind[:-1].capitalize()} already exists. Existing ID: {held['id']}"
                status = 409 if kind == "contacts" else int(self.town.options["hubspot_conflict"])
                code = {409: "CONFLICT"}.get(status, "VALIDATION_ERROR")
                raise forms.Refused(forms.error(status, message, code))

    def _link(self, kind: str, given: Any) -> tuple[str, int]:
        """[associations] the target must exist and the type id must be one of this pair of types."""
        wrong = forms.invalid("One or more associations are not valid", errors=[{"message": f"{given} is not valid"}])
        try:
            other, types = int(given["to"]["id"]), given["types"]
            numbers = {
                int(one["associationTypeId"]) for one in types if one["associationCategory"] == "HUBSPOT_DEFINED"
            }
        except (KeyError, TypeError, ValueError) as bad:
            raise wrong from bad
        found = self.row(other)
        if found is None or found["archived"] or numbers != {forms.KINDS.get((kind, found["type"]))}:
            raise wrong
        return found["type"], int(found["id"])

    def _join(self, db: Any, kind: str, number: int, other_type: str, other: int) -> None:
        """Both ways, once."""
        for row in (
            (number, other_type, other, forms.KINDS[kind, other_type]),
            (other, kind, number, forms.KINDS[other_type, kind]),
        ):
            db.execute("INSERT OR IGNORE INTO associations VALUES ('hubspot', ?, ?, ?, ?)", row)

    def _update(self, request: Request, kind: str, ident: str) -> Response:
        found = self._find(kind, ident, request.query.get("idProperty"))
        self.change(kind, found, _body(request).get("properties"))
        return answer(self._shown(kind, found, []))

    def change(self, kind: str, number: int, given: Any) -> None:
        """What the API and people in the web interface share."""
        values = forms.checked(self.known(kind), given or {})
        with self.town.ledger.transaction() as db:
            self.age(db)
            held = json.loads(db.execute("SELECT data FROM objects WHERE id = ?", (number,)).fetchone()["data"])
            self._unique(db, kind, values, number)
            now = time.time()
            held |= values | {forms.MODIFIED[kind]: forms.stamp(now)}
            db.execute("UPDATE objects SET data = ?, at = ? WHERE id = ?", (json.dumps(held), now, number))

    def _upsert(self, request: Request, kind: str) -> Response:
        """[objects] batch upsert: by a unique property, 100 at a time; what failed is told beside what did not (207)."""
        inputs = _body(request).get("inputs")
        if not isinstance(inputs, list) or not inputs or len(inputs) > 100:
            raise forms.invalid("inputs must have 1 to 100 entries")
        done, errors = [], []
        for one in inputs:
            name = one.get("idProperty")
            if not name or not self.known(kind).get(name, {}).get("hasUniqueValue"):
                raise forms.invalid(
                    f"Unable to perform update/upsert by non-unique {forms.TYPES[kind]} property {name}"
                )
            try:
                done.append(self._upserted(kind, name, one))
            except forms.Refused as refused:
                errors.append(json.loads(refused.response.body) | {"context": {"ids": [one.get("id")]}})
        status = {"status": "COMPLETE", "results": done}
        return answer(status | {"numErrors": len(errors), "errors": errors}, 207) if errors else answer(status)

    def _upserted(self, kind: str, name: str, one: dict[str, Any]) -> dict[str, Any]:
        given = {**(one.get("properties") or {}), name: one.get("id")}
        try:
            number, new = self._find(kind, str(one.get("id")), name), False
            self.change(kind, number, given)
        except forms.Refused as refused:
            if refused.response.status != 404:
                raise
            with self.town.ledger.transaction() as db:
                number, new = self._make(db, kind, given, []), True
        return {**self._shown(kind, number, []), "new": new}

    def _archive(self, request: Request, kind: str, ident: str) -> Response:
        number = self._find(kind, ident, None)
        with self.town.ledger.transaction() as db:
            self.age(db)
            db.execute("UPDATE objects SET archived = 1, at = ? WHERE id = ?", (time.time(), number))
        return Response(204)

    def _associate(self, request: Request, kind: str, ident: str, other_type: str, other: str) -> Response:
        one, two = self._find(kind, ident, None), self._find(other_type, other, None)
        if (kind, other_type) not in forms.KINDS:
            raise forms.invalid(f"No default association between {kind} and {other_type}")
        with self.town.ledger.transaction() as db:
            self._join(db, kind, one, other_type, two)
        return answer({"status": "COMPLETE", "results": [{"from": {"id": str(one)}, "to": {"id": str(two)}}]})

    def _make_property(self, request: Request, kind: str) -> Response:
        """[properties] names are lower case; a unique one is so from the beginning, at most ten of a type."""
        given = _body(request)
        name = str(given.get("name") or "")
        if (
            not NAME.fullmatch(name)
            or not given.get("label")
            or given.get("type") not in ("string", "number", "enumeration", "datetime", "bool")
        ):
            raise forms.invalid("Invalid property definition")
        known = self.known(kind)
        if name in known:
            raise forms.Refused(forms.error(409, f'A property named "{name}" already exists.', "OBJECT_ALREADY_EXISTS"))
        if given.get("hasUniqueValue") and sum(one["hasUniqueValue"] for one in known.values()) >= 11:
            raise forms.invalid("The limit of unique properties is reached")
        made = {"options": [], "hasUniqueValue": False, "groupName": f"{kind[:-1]}information", **given}
        made["modificationMetadata"] = {"readOnlyValue": False}
        with self.town.ledger.transaction() as db:
            db.execute("INSERT INTO properties VALUES ('hubspot', ?, ?, ?)", (kind, name, json.dumps(made)))
        return answer(made, 201)

    # -- what people do there -----------------------------------------------------------------------------------

    def person(self, **values: Any) -> int:
        """Somebody adds a contact by hand."""
        with self.town.ledger.transaction() as db:
            return self._make(db, "contacts", values, [])

    def merge(self, primary: int, other: int) -> int:
        """Two contacts become one under a NEW id; the old ids lead to it, `hs_merged_object_ids` names them (changelog, 2025)."""
        now = time.time()
        with self.town.ledger.transaction() as db:
            rows = {r["id"]: json.loads(r["data"]) for r in
                    db.execute("SELECT id, data FROM objects WHERE id IN (?, ?)", (primary, other)).fetchall()}  # fmt: skip
            held = {**rows[other], **{k: v for k, v in rows[primary].items() if v is not None}}
            cursor = db.execute(
                "INSERT INTO objects (desk, type, at, archived, data) VALUES ('hubspot', 'contacts', ?, 0, '{}')",
                (now,),
            )
            new = int(cursor.lastrowid or 0)
            was = [str(one) for one in (primary, other)] + [
                one for row in rows.values() for one in (row.get("hs_merged_object_ids") or "").split(";") if one
            ]
            held |= {
                "hs_object_id": str(new),
                "lastmodifieddate": forms.stamp(now),
                "hs_merged_object_ids": ";".join(was),
            }
            db.execute("UPDATE objects SET data = ? WHERE id = ?", (json.dumps(held), new))
            db.execute("UPDATE objects SET archived = 2, at = ? WHERE id IN (?, ?)", (now, primary, other))
            for old in (primary, other):
                for column in ("one", "other"):
                    db.execute(
                        f"UPDATE OR IGNORE associations SET {column} = ? WHERE desk = 'hubspot' AND {column} = ?",
                        (new, old),
                    )
        return new


def _body(request: Request) -> dict[str, Any]:
    if "json" not in request.headers.get("Content-Type", ""):
        raise forms.Refused(forms.error(415, "Unsupported Media Type", "VALIDATION_ERROR"))
    try:
        data = request.json()
    except ValueError as bad:
        raise forms.invalid("Invalid input JSON on line 1, column 1") from bad
    if not isinstance(data, dict):
        raise forms.invalid("Invalid input JSON on line 1, column 1")
    return data


STAND_INS = (HubSpot,)
