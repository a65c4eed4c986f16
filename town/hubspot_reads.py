"""The reading half of the portal: records by id or unique property, lists, associations, and a search that is behind.

[search] https://developers.hubspot.com/docs/api-reference/2026-03/crm/search-the-crm
"""

from __future__ import annotations

import json
import time
from typing import Any

from town import hubspot_forms as forms
from town.http import Request, Response, Stand, answer

CEILING = 10_000  # rows one search can reach, on however many pages


class Reads(Stand):
    """Everything that changes nothing; single records and associations from the primary store, search from a late index."""

    def limited(self, policy: str, seconds: int | None = None) -> Response:
        raise NotImplementedError

    def known(self, kind: str) -> dict[str, dict[str, Any]]:
        """The properties of a type: HubSpot's and those made here."""
        made = self.town.ledger.ask("SELECT data FROM properties WHERE desk = 'hubspot' AND type = ?", kind)
        return {one["name"]: one for one in [*forms.OWN[kind], *(json.loads(row["data"]) for row in made)]}

    def row(self, number: int) -> dict[str, Any] | None:
        """A record, or the one it was merged into: an old id leads to the new one."""
        rows = self.town.ledger.ask("SELECT * FROM objects WHERE desk = 'hubspot' AND id = ?", number)
        if rows and rows[0]["archived"] == 2:
            later = self.town.ledger.ask(
                "SELECT * FROM objects WHERE desk = 'hubspot' AND archived < 2 "
                "AND ';' || json_extract(data, '$.hs_merged_object_ids') || ';' LIKE '%;' || ? || ';%'",
                str(number),
            )
            return later[0] if later else None
        return rows[0] if rows else None

    def _find(self, kind: str, ident: str, by: str | None, *, archived: bool = False) -> int:
        """The number of a record that is there. `by`: a unique property instead of the id."""
        gone = forms.Refused(forms.error(404, "resource not found", "OBJECT_NOT_FOUND"))
        if by and by != "hs_object_id":
            if not self.known(kind).get(by, {}).get("hasUniqueValue"):
                raise forms.invalid(f"Property {by} is not a unique property of {kind}")
            rows = self.town.ledger.ask(
                "SELECT * FROM objects WHERE desk = 'hubspot' AND type = ? AND archived = 0 "
                f"AND lower(json_extract(data, '$.{by}')) = lower(?)",
                kind,
                ident,
            )
            found = rows[0] if rows else None
        else:
            found = self.row(int(ident)) if ident.isdigit() else None
        if found is None or found["type"] != kind or bool(found["archived"]) != archived:
            raise gone
        return int(found["id"])

    def _shown(self, kind: str, number: int, wanted: list[str]) -> dict[str, Any]:
        found = self.town.ledger.ask("SELECT * FROM objects WHERE id = ?", number)[0]
        return forms.record(number, kind, json.loads(found["data"]), wanted, bool(found["archived"]))

    def _show(self, request: Request, kind: str, ident: str) -> Response:
        archived = request.query.get("archived") == "true"
        number = self._find(kind, ident, request.query.get("idProperty"), archived=archived)
        return answer(self._shown(kind, number, _names(request)))

    def _list(self, request: Request, kind: str) -> Response:
        """[objects] ascending by id; `after` is the id to go on behind, `limit` at most 100."""
        size = min(int(request.query.get("limit") or 10), 100)
        after = request.query.get("after") or "0"
        if not after.isdigit():
            raise forms.invalid("Invalid after")
        rows = self.town.ledger.ask(
            "SELECT id FROM objects WHERE desk = 'hubspot' AND type = ? AND archived = 0 AND id > ? ORDER BY id LIMIT ?",
            kind,
            int(after),
            size + 1,
        )
        shown = [self._shown(kind, row["id"], _names(request)) for row in rows[:size]]
        more = {"paging": {"next": {"after": shown[-1]["id"]}}} if len(rows) > size else {}
        return answer({"results": shown, **more})

    def _batch_read(self, request: Request, kind: str) -> Response:
        """At most 100; what is not there is told beside what is (207)."""
        asked = request.json()
        inputs = asked.get("inputs") or []
        if not 0 < len(inputs) <= 100:
            raise forms.invalid("inputs must have 1 to 100 entries")
        done, errors = [], []
        for one in inputs:
            try:
                number = self._find(kind, str(one["id"]), asked.get("idProperty"))
                done.append(self._shown(kind, number, asked.get("properties") or []))
            except forms.Refused as refused:
                errors.append(json.loads(refused.response.body) | {"context": {"ids": [one["id"]]}})
        told = {"status": "COMPLETE", "results": done}
        return answer(told | {"numErrors": len(errors), "errors": errors}, 207) if errors else answer(told)

    def _associated(self, request: Request, kind: str, ident: str, other_type: str) -> Response:
        """[associations] ascending, at most 500 a page."""
        number = self._find(kind, ident, None)
        size, after = min(int(request.query.get("limit") or 500), 500), request.query.get("after") or "0"
        rows = self.town.ledger.ask(
            "SELECT DISTINCT a.other, a.kind FROM associations a JOIN objects o ON o.id = a.other AND NOT o.archived "
            "WHERE a.desk = 'hubspot' AND a.one = ? AND a.other_type = ? AND a.other > ? ORDER BY a.other LIMIT ?",
            number,
            other_type,
            int(after),
            size + 1,
        )
        shown = [
            {
                "toObjectId": row["other"],
                "associationTypes": [{"category": "HUBSPOT_DEFINED", "typeId": row["kind"], "label": None}],
            }
            for row in rows[:size]
        ]
        more = {"paging": {"next": {"after": str(rows[size - 1]["other"])}}} if len(rows) > size else {}
        return answer({"results": shown, **more})

    def _search(self, request: Request, kind: str) -> Response:
        limit, used, _, _ = self.spend("search", "hubspot_search")
        if used > limit:
            return self.limited("SECONDLY")
        asked = request.json()
        groups = asked.get("filterGroups") or []
        size, after = int(asked.get("limit") or 10), str(asked.get("after") or "0")
        if len(groups) > 5 or any(len(one.get("filters") or []) > 6 for one in groups):
            raise forms.invalid("There are too many filters")
        if not 0 < size <= 200:
            raise forms.invalid("limit must be between 1 and 200")
        if not after.isdigit() or int(after) + size > CEILING:
            raise forms.invalid("The query result set is limited to 10,000 rows")
        known, at = self.known(kind), int(after)
        found = [
            one for one in self._indexed(kind)
            if not groups or any(forms.fits(one, group.get("filters") or [], known) for group in groups)
        ]  # fmt: skip
        for sort in (asked.get("sorts") or [{"propertyName": "hs_object_id", "direction": "ASCENDING"}])[:1]:
            name = sort["propertyName"]
            if name not in known:
                raise forms.invalid(f"There was a problem with the request. Unknown property {name}")
            number = name == "hs_object_id"
            found.sort(
                key=lambda one: int(one[name]) if number else (one.get(name) or ""),
                reverse=sort.get("direction") == "DESCENDING",
            )
        shown = [
            forms.record(int(one["hs_object_id"]), kind, one, asked.get("properties") or [], False)
            for one in found[at : at + size]
        ]
        more = {"paging": {"next": {"after": str(at + size)}}} if len(found) > at + size else {}
        return answer({"total": len(found), "results": shown, **more})

    def _indexed(self, kind: str) -> list[dict[str, Any]]:
        """Records as the index knows them: what changed within the lag is there as it was before, or not at all."""
        with self.town.ledger.transaction() as db:
            seen = self.age(db)
        rows = self.town.ledger.ask(
            "SELECT indexed FROM objects WHERE desk = 'hubspot' AND type = ? AND indexed IS NOT NULL AND (NOT archived OR at > ?) ORDER BY id",
            kind,
            seen,
        )
        return [json.loads(row["indexed"]) for row in rows]

    def age(self, db: Any) -> float:
        """The index takes in what is old enough; asked before every change, so that it has what stood there until then."""
        seen = time.time() - float(self.town.options["hubspot_search_lag"])
        db.execute(
            "UPDATE objects SET indexed = data WHERE desk = 'hubspot' AND at <= ? AND indexed IS NOT data", (seen,)
        )
        return seen

    def _properties(self, request: Request, kind: str) -> Response:
        return answer({"results": list(self.known(kind).values())})

    def _property(self, request: Request, kind: str, name: str) -> Response:
        found = self.known(kind).get(name)
        if found is None:
            raise forms.Refused(forms.error(404, f"Property {name} of {kind} does not exist", "OBJECT_NOT_FOUND"))
        return answer(found)

    def _pipelines(self, request: Request) -> Response:
        stages = [
            {"id": ident, "label": label, "displayOrder": n} for n, (ident, label) in enumerate(forms.STAGES.items())
        ]
        return answer({"results": [{"id": "0", "label": "Support Pipeline", "displayOrder": 0, "stages": stages}]})

    def _account(self, request: Request) -> Response:
        return answer(
            {
                "portalId": 4711,
                "accountType": "STANDARD",
                "timeZone": "Europe/Berlin",
                "uiDomain": "app-eu1.hubspot.com",
            }
        )


def _names(request: Request) -> list[str]:
    return [name for name in request.query.get("properties", "").split(",") if name]
