"""The reading half of the desk: tickets, comments, audits, search, and the shape of its refusals.

[tickets] https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/
[search] https://developer.zendesk.com/api-reference/ticketing/ticket-management/search/
"""

from __future__ import annotations

import base64
import json
import time
from typing import Any

from town import zendesk_forms as forms
from town.http import Request, Response, Stand, answer

AGENT = 1  # the user every call is made as


class Refused(Exception):
    """An answer other than the wanted one; rolls the transaction back."""

    def __init__(self, response: Response) -> None:
        self.response = response


def invalid(field: str, description: str, **more: Any) -> Refused:
    """422 RecordInvalid, the shape of github.com/facetoe/zenpy/issues/287 and #114."""
    details = {field: [{"description": description, **more}]}
    return Refused(
        answer({"error": "RecordInvalid", "description": "Record validation errors", "details": details}, 422)
    )


class Reads(Stand):
    """Everything a GET asks for; tickets and comments from the primary store, search from a late index."""

    def _ticket(self, number: int) -> dict[str, Any]:
        rows = self.town.ledger.ask("SELECT data FROM tickets WHERE desk = 'zendesk' AND id = ?", number)
        if not rows:
            raise Refused(self.refuse(404))
        found = dict(json.loads(rows[0]["data"]))
        if found["status"] == "deleted":  # soft, and no longer to be read by its number
            raise Refused(self.refuse(404))
        return found

    def _users(self, request: Request) -> Response:
        """[users] show many: at most 100 ids; who is not there is left out."""
        numbers = [int(n) for n in request.query.get("ids", "").split(",") if n.isdigit()][:100]
        rows = self.town.ledger.ask("SELECT id, data FROM users WHERE desk = 'zendesk' ORDER BY id")
        found = [json.loads(r["data"]) for r in rows if r["id"] in numbers]
        if AGENT in numbers:
            found.insert(0, {"id": AGENT, "name": "Town agent", "email": self.town.accounts["zendesk"]["email"],
                             "role": "admin", "active": True})  # fmt: skip
        return answer({"users": found, "count": len(found), "next_page": None, "previous_page": None})

    def _show(self, request: Request, number: int) -> Response:
        return answer({"ticket": self._ticket(number)})

    def _list(self, request: Request) -> Response:
        """[tickets] list by external_id, from the primary store; ids are not unique, so several may come."""
        if "ids" in request.query:
            numbers = [n for n in request.query["ids"].split(",") if n.isdigit()][:100]
            marks = ",".join("?" * len(numbers))
            rows = self.town.ledger.ask(
                f"SELECT data FROM tickets WHERE desk = 'zendesk' AND id IN ({marks})", *numbers
            )
        else:
            outside = request.query.get("external_id")
            rows = self.town.ledger.ask(
                "SELECT data FROM tickets WHERE desk = 'zendesk' AND (? IS NULL OR external_id = ?) ORDER BY id",
                outside,
                outside,
            )
        return self._paged("tickets", [json.loads(r["data"]) for r in rows], request)

    def _comments(self, request: Request, number: int) -> Response:
        self._ticket(number)
        rows = self.town.ledger.ask(
            "SELECT data FROM comments WHERE desk = 'zendesk' AND ticket = ? ORDER BY id", number
        )
        return self._paged("comments", [json.loads(r["data"]) for r in rows], request)

    def _audits(self, request: Request, number: int) -> Response:
        self._ticket(number)
        rows = self.town.ledger.ask("SELECT audit FROM comments WHERE ticket = ? ORDER BY id", number)
        return self._paged("audits", [json.loads(r["audit"]) for r in rows], request)

    def _search(self, request: Request) -> Response:
        """[search] the index is behind: "a few minutes"; here `zendesk_search_lag` seconds."""
        query = request.query.get("query", "")
        if not query:
            return answer({"error": "Invalid search", "description": "Query cannot be blank"}, 422)
        newest = time.time() - float(self.town.options["zendesk_search_lag"])
        rows = self.town.ledger.ask(
            "SELECT data FROM tickets WHERE desk = 'zendesk' AND at <= ? ORDER BY id DESC", newest
        )
        found = [t for t in (json.loads(r["data"]) for r in rows) if forms.fits(t, query)]
        return self._paged("results", [{**t, "result_type": "ticket"} for t in found], request)

    def _paged(self, name: str, rows: list[Any], request: Request) -> Response:
        """Offset paging ends at 100 pages; cursor paging (page[size]) has meta and links (introduction, Pagination)."""
        query = request.query
        if "page[size]" in query:
            size = min(int(query["page[size]"] or 100), 100)
            after = query.get("page[after]", "")
            at = int(base64.b64decode(after).decode()) if after else 0
            more = at + size < len(rows)
            cursor = base64.b64encode(str(at + size).encode()).decode()
            link = f"{self.town.urls['zendesk']}{request.path}?page[size]={size}&page[after]={cursor}" if more else None
            return answer(
                {
                    name: rows[at : at + size],
                    "links": {"next": link, "prev": None},
                    "meta": {"has_more": more, "after_cursor": cursor if more else None},
                }
            )
        page, size = int(query.get("page") or 1), min(int(query.get("per_page") or 100), 100)
        if page > 100:
            return answer({"error": "InvalidPaginationDepth", "description": "Maximum page is 100"}, 400)
        part = rows[(page - 1) * size : page * size]
        link = f"{self.town.urls['zendesk']}{request.path}?page={page + 1}" if page * size < len(rows) else None
        return answer({name: part, "count": len(rows), "next_page": link, "previous_page": None})

    def _me(self, request: Request) -> Response:
        return answer(
            {
                "user": {
                    "id": AGENT,
                    "name": "Town agent",
                    "role": "admin",
                    "active": True,
                    "email": self.town.accounts["zendesk"]["email"],
                }
            }
        )
