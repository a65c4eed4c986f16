"""Who is looking at a ticket, and who is replying: a hint, in words, on the ticket and on its row; the guard is storage/seen.py.

Each console process keeps what it heard for SILENCE and forgets it then: a page that closed or crashed is gone by itself.
"""

import json
import threading
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import structlog
from fastapi import APIRouter, Form, HTTPException, Query
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from console.web.house import house
from console.web.pages import Id
from console.web.texts import _, ngettext
from storage import presence, views_ticket

log = structlog.get_logger()
router = APIRouter(include_in_schema=False)

SILENCE = 25.0  # seconds without a sign of life; pages give one every 8
MOST = 10_000  # open pages a process remembers: more are a flood, not colleagues
ASKED = 200  # tickets of one question
STATES = ("looking", "replying", "gone")


class Seats:
    """Open pages by ticket. Told on the event loop, asked from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seats: dict[tuple[int, int, str], tuple[str, str, float]] = {}  # ticket, user, page → name, state, until

    def hear(self, payload: str, now: float) -> set[int]:
        """A sign of life; the tickets it changed something for."""
        try:
            said: dict[str, Any] = json.loads(payload)
            seat = (int(said["ticket"]), int(said["user"]), str(said["page"]))
            name, state = str(said["name"]), str(said["state"])
        except (ValueError, KeyError, TypeError):
            log.warning("presence_not_understood")
            return set()
        with self._lock:
            before = self._seats.get(seat)
            if state == "gone":
                self._seats.pop(seat, None)
            elif before is not None or len(self._seats) < MOST:
                self._seats[seat] = (name, state, now + SILENCE)
            else:
                log.warning("presence_full", most=MOST)
        after = None if state == "gone" else state
        return {seat[0]} if (before[1] if before else None) != after else set()

    def sweep(self, now: float) -> set[int]:
        """Forget who was silent; the tickets they are gone from."""
        with self._lock:
            silent = [seat for seat, (_, _, until) in self._seats.items() if until <= now]
            for seat in silent:
                del self._seats[seat]
        return {seat[0] for seat in silent}

    def of(self, tickets: Iterable[int], but: int) -> dict[int, str]:
        """ticket → who else is there, in words; tickets nobody is at are left out."""
        wanted = frozenset(tickets)
        found: dict[int, dict[int, tuple[str, str]]] = {}
        with self._lock:
            for (ticket, user, _), (name, state, _) in self._seats.items():
                if ticket in wanted and user != but:
                    people = found.setdefault(ticket, {})
                    if user not in people or state == "replying":
                        people[user] = (name, state)
        return {ticket: words(people.values()) for ticket, people in found.items()}


def words(people: Iterable[tuple[str, str]]) -> str:
    """`Bea is replying; Cy and Di are looking at it.`"""
    by: dict[str, list[str]] = {}
    for name, state in sorted(people):
        by.setdefault(state, []).append(name or _("Somebody"))
    parts = []
    if names := by.get("replying"):
        parts.append(
            ngettext("%(names)s is replying", "%(names)s are replying", len(names)) % {"names": _listed(names)}
        )
    if names := by.get("looking"):
        said = ngettext("%(names)s is looking at it", "%(names)s are looking at it", len(names))
        parts.append(said % {"names": _listed(names)})
    return "; ".join(parts)


def _listed(names: list[str]) -> str:
    """`Ann`, `Ann and Bea`, `Ann, Bea and Cy`; of more than three the number of the rest."""
    parts = names if len(names) <= 3 else [*names[:2], _("%(n)s more", n=len(names) - 2)]
    return _("%(names)s and %(last)s", names=", ".join(parts[:-1]), last=parts[-1]) if len(parts) > 1 else parts[0]


class SignForm(BaseModel):
    model_config = {"extra": "forbid"}
    csrf: str = ""
    page: Annotated[str, Field(pattern=r"^[a-z0-9]{1,16}$")]
    state: Literal["looking", "replying", "gone"]


@router.post("/tickets/{number}/presence")
def sign(request: Request, number: Id, form: Annotated[SignForm, Form()]) -> Response:
    """A sign of life of an open page."""
    me = request.state.session.user

    def work(connection: Connection) -> None:
        found = views_ticket.ticket(connection, number)
        if found is None:
            raise HTTPException(404, "There is no such ticket.")
        presence.tell(connection, found.id, me.id, me.name or me.email, form.page, form.state)

    house(request).ledger.run(work, patience=0)
    return Response(status_code=204)


@router.get("/presence")
def present(
    request: Request, ticket: Annotated[list[Annotated[int, Field(ge=1, lt=2**63)]], Query(max_length=ASKED)]
) -> Response:
    """ticket id → who else is there, in words, for the tickets of a page that whoever asks may see."""
    with house(request).ledger.read() as connection:
        visible = views_ticket.known(connection, ticket)
    seats: Seats = request.app.state.live.seats
    found = seats.of(visible, request.state.session.user.id)
    return JSONResponse({"people": {str(id_): said for id_, said in sorted(found.items())}})
