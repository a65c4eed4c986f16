"""Whose turn it is, in the console: take the next ticket, give one back with a reason, mark one unread; and views people keep."""

from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import parse_qsl

from fastapi import APIRouter, Form, HTTPException
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from config.base import seconds
from console.web import ticket
from console.web.house import house
from console.web.inbox import filter_of, link, show
from console.web.pages import Id
from console.web.texts import _
from console.web.words import typed
from storage import casework, saved_views, seen, turns, unread
from storage.casework import Change, Refused

router = APIRouter(include_in_schema=False)


class NextForm(BaseModel):
    """`resolve`: this one first, as the person saw it (`shown`: storage/seen.py)."""

    model_config = {"extra": "forbid"}
    csrf: str = ""
    resolve: Annotated[int, Field(ge=0, lt=2**63)] = 0
    shown: Annotated[str, Field(max_length=20_000)] = ""


class SkipForm(BaseModel):
    model_config = {"extra": "forbid"}
    csrf: str = ""
    reason: str = ""
    then: Literal["", "next"] = ""


class ViewForm(BaseModel):
    model_config = {"extra": "forbid"}
    csrf: str = ""
    name: Annotated[str, Field(max_length=200)]
    address: Annotated[str, Field(max_length=4000)] = ""
    shared: bool = False


class ViewChange(BaseModel):
    model_config = {"extra": "forbid"}
    csrf: str = ""
    do: Literal["rename", "share", "keep", "drop"]
    name: Annotated[str, Field(max_length=200)] = ""
    address: Annotated[str, Field(max_length=4000)] = ""


@router.post("/inbox/next")
def next_(request: Request, form: Annotated[NextForm, Form()]) -> Response:
    """Claim the ticket that should be worked on now and open it. With `resolve`, finish that one in the same transaction."""
    me, here = request.state.session.user, house(request)

    def work(connection: Connection) -> int | None:
        if form.resolve:
            seen.check(connection, casework.locked(connection, form.resolve, children=True).id, form.shown)
            casework.change(connection, me, form.resolve, Change(status="resolved"))
        return take(request, connection)

    try:
        number = here.ledger.run(work, patience=5)
    except seen.Missed as missed:
        return ticket.show(request, form.resolve, status=409, error=_(missed), missed=missed.entries)
    except Refused as refused:
        return ticket.show(request, form.resolve, status=409, error=_(refused))
    except LookupError:
        raise HTTPException(404, "There is no such ticket.") from None
    return RedirectResponse(f"/tickets/{number}?said=taken" if number else "/inbox?said=nothing", 303)


def take(request: Request, connection: Connection) -> int | None:
    lease = house(request).force.config(connection).casework.claim
    return turns.take_next(connection, request.state.session.user, timedelta(seconds=seconds(lease)))


@router.post("/tickets/{number}/skip")
def skip(request: Request, number: Id, form: Annotated[SkipForm, Form()]) -> Response:
    """Put it back and say why."""
    me, here = request.state.session.user, house(request)

    def work(connection: Connection) -> int | None:
        turns.skip(connection, me, number, typed(form.reason))
        return take(request, connection) if form.then == "next" else None

    try:
        following = here.ledger.run(work, patience=5)
    except Refused:
        raise HTTPException(422, "Say why you skip it; the reasons show what should not be offered.") from None
    except LookupError:
        raise HTTPException(404, "There is no such ticket.") from None
    return RedirectResponse(f"/tickets/{following}?said=taken" if following else "/inbox?said=skipped", 303)


@router.post("/tickets/{number}/keep")
def keep(request: Request, number: Id) -> Response:
    """It stays with who looks at it, before it would go back to the others."""
    me = request.state.session.user
    try:
        kept = house(request).ledger.run(lambda c: turns.keep(c, me, number), patience=5)
    except LookupError:
        raise HTTPException(404, "There is no such ticket.") from None
    return RedirectResponse(f"/tickets/{number}?said={'stays' if kept else 'same'}", 303)


@router.post("/tickets/{number}/unread")
def mark_unread(request: Request, number: Id) -> Response:
    """For oneself alone, and back to the list."""
    me = request.state.session.user
    if not house(request).ledger.run(lambda c: unread.forget(c, me.id, number), patience=5):
        raise HTTPException(404, "There is no such ticket.")
    return RedirectResponse("/inbox?said=unread", 303)


@router.post("/inbox/views")
def save(request: Request, form: Annotated[ViewForm, Form()]) -> Response:
    """Keep the filter of an address under a name."""
    me, wanted = request.state.session.user, filter_of(parse_qsl(form.address))
    query = link(wanted).partition("?")[2]
    try:
        house(request).ledger.run(lambda c: saved_views.save(c, me, typed(form.name), query, form.shared), patience=5)
    except Refused as refused:
        return show(request, wanted, status=422, error=_(refused))
    return _back(query, "kept")


@router.post("/inbox/views/{view_id}")
def change(request: Request, view_id: Id, form: Annotated[ViewChange, Form()]) -> Response:
    me, wanted = request.state.session.user, filter_of(parse_qsl(form.address))

    def work(connection: Connection) -> bool:
        if form.do == "drop":
            return saved_views.drop(connection, me, view_id)
        if form.do == "rename":
            return saved_views.change(connection, me, view_id, name=typed(form.name))
        return saved_views.change(connection, me, view_id, shared=form.do == "share")

    try:
        done = house(request).ledger.run(work, patience=5)
    except Refused as refused:
        return show(request, wanted, status=422, error=_(refused))
    if not done:
        raise HTTPException(404, "You have no such view.")
    return _back(link(wanted).partition("?")[2], "kept" if form.do != "drop" else "dropped")


def _back(query: str, said: str) -> Response:
    return RedirectResponse(f"/inbox?{query}{'&' if query else ''}said={said}", 303)
