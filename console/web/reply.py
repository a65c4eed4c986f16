"""What is written on a ticket: public replies and internal notes, by different doors, and their drafts.

Neither door takes what the other is for, and a send that had not seen an entry is stopped (storage/seen.py) with the text kept.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, HTTPException
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from config.base import seconds
from console.web import ticket
from console.web.house import house
from console.web.pages import Id
from console.web.texts import _
from console.web.words import typed
from storage import casework, configurations, drafts, replies, seen
from storage.casework import Refused

router = APIRouter(include_in_schema=False)
HOLD = "10s"  # as config/work.py has it


class NoteForm(BaseModel):
    model_config = {"extra": "forbid"}
    csrf: str = ""
    body: str = ""
    shown: Annotated[str, Field(max_length=20_000)] = ""


class ReplyForm(BaseModel):
    """`way`: as a button names it. `shown` is not optional: a reply from a page that does not say what it showed is no reply."""

    model_config = {"extra": "forbid"}
    csrf: str = ""
    body: str = ""
    way: Annotated[str, Field(max_length=200)] = ""
    shown: Annotated[str, Field(min_length=1, max_length=20_000)]


class DraftForm(BaseModel):
    """The same fields as the form it is saved from."""

    model_config = {"extra": "forbid"}
    csrf: str = ""
    body: str = ""
    way: Annotated[str, Field(max_length=200)] = ""
    shown: Annotated[str, Field(max_length=20_000)] = ""


@router.post("/tickets/{number}/notes")
def note(request: Request, number: Id, form: Annotated[NoteForm, Form()]) -> Response:
    user, body = request.state.session.user, typed(form.body)

    def work(connection: Connection) -> int:
        held = casework.locked(connection, number)
        seen.check(connection, held.id, form.shown)
        entry = casework.note(connection, user, number, body)
        drafts.clear(connection, user, held.id, "note")
        return entry

    return _sent(request, number, "note", body, work, lambda entry: f"said=noted#entry-{entry}")


@router.post("/tickets/{number}/replies")
def reply(request: Request, number: Id, form: Annotated[ReplyForm, Form()], anyway: bool = False) -> Response:
    """`anyway`: the post is not looked at once more before it leaves; who sends it has read why it was stopped."""
    user, body = request.state.session.user, typed(form.body)

    def work(connection: Connection) -> tuple[int, bool]:
        found = ticket.reply_ways(connection, number)
        way = next((way for way in found.ways if way.name == form.way), None)
        if way is None:
            raise Refused(found.why or "Choose a way the reply is to take; the one chosen is there no longer.")
        hold = _hold(connection, number)
        entry, _ = replies.send(connection, user, number, body, way, hold, form.shown, look=not anyway)
        return entry, bool(hold)

    return _sent(
        request, number, "reply", body, work, lambda done: f"said={'leaves' if done[1] else 'sent'}#entry-{done[0]}"
    )


@router.post("/tickets/{number}/replies/{entry_id}/undo")
def take_back(request: Request, number: Id, entry_id: Id) -> Response:
    user = request.state.session.user
    try:
        house(request).ledger.run(lambda c: replies.take_back(c, user, number, entry_id), patience=5)
    except Refused as refused:
        return ticket.show(request, number, status=409, error=_(refused))
    except LookupError:
        raise HTTPException(404, "There is no such ticket.") from None
    return RedirectResponse(f"/tickets/{number}?said=withdrawn#reply", 303)


@router.post("/tickets/{number}/drafts/{kind}")
def draft(request: Request, number: Id, kind: Literal["note", "reply"], form: Annotated[DraftForm, Form()]) -> Response:
    """Keep what is written so far. A script is told when; a form is led back to the page."""
    user, body = request.state.session.user, typed(form.body)
    script = "application/json" in request.headers.get("accept", "")
    try:
        kept = house(request).ledger.run(lambda c: drafts.save(c, user, number, kind, body), patience=5)
    except Refused as refused:
        if script:
            return JSONResponse({"detail": str(refused)}, 422)
        return ticket.show(request, number, status=422, error=_(refused), typed={kind: body})
    except LookupError:
        raise HTTPException(404, "There is no such ticket.") from None
    if script:
        return JSONResponse({"saved": kept.isoformat() if kept else None})
    return RedirectResponse(f"/tickets/{number}?said=draft#{kind}", 303)


def _sent(
    request: Request, number: int, kind: str, body: str, work: Callable[[Connection], Any], then: Callable[[Any], str]
) -> Response:
    """Do it, or show the page again with what was written kept as a draft."""
    ledger, user = house(request).ledger, request.state.session.user
    try:
        done = ledger.run(work, patience=5)
    except Refused as refused:
        if len(body) <= drafts.ROOM and body.strip():
            ledger.run(lambda c: drafts.save(c, user, number, kind, body), patience=5)
        missed = refused.entries if isinstance(refused, seen.Missed) else ()
        status = 409 if isinstance(refused, casework.Unseen) else 422
        return ticket.show(request, number, status=status, error=_(refused), missed=missed, typed={kind: body})
    except LookupError:
        raise HTTPException(404, "There is no such ticket.") from None
    return RedirectResponse(f"/tickets/{number}?{then(done)}", 303)


def _hold(connection: Connection, number: int) -> timedelta:
    """The longest of the channels that found the ticket's posts; where none has its own, the house's."""
    current = configurations.in_force(connection)
    document = current.document if current else {}
    own = {channel["name"]: channel["hold"] for channel in document.get("channels") or () if channel.get("hold")}
    there = replies.channels(connection, number) if own else ()
    lengths = [own[name] for name in there if name in own] or [(document.get("casework") or {}).get("hold", HOLD)]
    return timedelta(seconds=max(seconds(length) if length else 0 for length in lengths))
