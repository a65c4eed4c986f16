"""What else is done to a ticket from its page: macros, fields, watching, snoozing, handing over, merging, splitting, linking.

Each is a form of its own that works without script; what can be taken back says so (`storage/acts.py`, or its own way back).
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, HTTPException
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from config.base import seconds
from console.web import bearer, ticket
from console.web.house import house
from console.web.pages import Id, page
from console.web.texts import _
from console.web.words import typed
from console.web.zone import monday, morning, zone
from storage import acts, casework, gathering, macros, seen, turns, views_ticket
from storage.casework import Refused

router = APIRouter(include_in_schema=False)
Number = Annotated[int, Field(ge=1, lt=2**63)]
Shown = Annotated[str, Field(max_length=20_000)]


class Named(BaseModel):
    model_config = {"extra": "forbid"}
    csrf: str = ""
    name: Annotated[str, Field(max_length=100)]
    shown: Shown = ""


class Switch(BaseModel):
    model_config = {"extra": "forbid"}
    csrf: str = ""
    on: bool = True


class SnoozeForm(BaseModel):
    """`at`: a moment on the clock of who asks, as a browser's field writes it."""

    model_config = {"extra": "forbid"}
    csrf: str = ""
    until: Literal["", "1h", "4h", "tomorrow", "monday", "wake"] = ""
    at: Annotated[str, Field(max_length=30)] = ""


class HandOff(BaseModel):
    model_config = {"extra": "forbid"}
    csrf: str = ""
    body: str = ""
    team: Annotated[str, Field(max_length=100)] = ""
    assignee: Annotated[int, Field(ge=0, lt=2**63)] = 0
    shown: Shown = ""


class Other(BaseModel):
    model_config = {"extra": "forbid"}
    csrf: str = ""
    other: Number
    kind: Literal["related", "duplicates", "blocks", "child"] = "related"
    on: bool = True


class SplitForm(BaseModel):
    model_config = {"extra": "forbid"}
    csrf: str = ""
    post: Annotated[list[Number], Field(max_length=1000)] = []
    subject: Annotated[str, Field(max_length=200)] = ""


class Nothing(BaseModel):
    model_config = {"extra": "forbid"}
    csrf: str = ""


@router.post("/tickets/{number}/macro")
def macro(request: Request, number: Id, form: Annotated[Named, Form()]) -> Response:
    """All of a macro or nothing of it; what changed can be taken back, its note stays."""
    me = request.state.session.user

    def work(connection: Connection) -> int | None:
        seen.check(connection, casework.locked(connection, number, children=True).id, form.shown)
        wanted = macros.named(connection, form.name)
        macros.apply(connection, me, number, form.name, seconds(wanted["snooze"]) if wanted.get("snooze") else 0)
        return acts.remember(connection, me, "macro", [number])

    return _do(request, number, work)


@router.post("/tickets/{number}/fields")
async def fields(request: Request, number: Id) -> Response:
    """Custom fields as their types in the configuration say; an empty one is cleared."""
    from starlette.concurrency import run_in_threadpool

    form = await request.form()
    values = {
        name.removeprefix("field."): typed(value)
        for name, value in form.items()
        if name.startswith("field.") and isinstance(value, str)
    }
    me = request.state.session.user
    return await run_in_threadpool(_do, request, number, lambda c: _none(casework.fill(c, me, number, values)))


@router.post("/tickets/{number}/watch")
def watch(request: Request, number: Id, form: Annotated[Switch, Form()]) -> Response:
    me = request.state.session.user
    return _do(request, number, lambda c: _none(casework.watch(c, me, number, me.id, form.on)))


@router.post("/tickets/{number}/snooze")
def snooze(request: Request, number: Id, form: Annotated[SnoozeForm, Form()]) -> Response:
    me, now, where = request.state.session.user, datetime.now(UTC), zone(request)
    presets = {
        "1h": now + timedelta(hours=1),
        "4h": now + timedelta(hours=4),
        "tomorrow": morning(now, where),
        "monday": monday(now, where),
    }

    def work(connection: Connection) -> int | None:
        until = presets.get(form.until)
        if form.at:
            try:
                until = datetime.fromisoformat(form.at).replace(tzinfo=where).astimezone(UTC)
            except (ValueError, OverflowError):
                raise Refused("Say a date and a time, such as 2026-03-01T09:00.") from None
        if until is None and form.until != "wake":
            raise Refused("Say until when.")
        turns.snooze(connection, me, number, until)
        return acts.remember(connection, me, "snooze", [number])

    return _do(request, number, work)


@router.post("/tickets/{number}/handoff")
def hand_off(request: Request, number: Id, form: Annotated[HandOff, Form()]) -> Response:
    """To another team or person, with what they need to know; the note is not optional."""
    me = request.state.session.user

    def work(connection: Connection) -> None:
        seen.check(connection, casework.locked(connection, number).id, form.shown)
        casework.hand_off(
            connection, me, number, typed(form.body), team=form.team or None, assignee=form.assignee or None
        )

    return _do(request, number, work, {"handoff": typed(form.body)})


@router.get("/tickets/{number}/merge")
def preview(request: Request, number: Id, other: str = "") -> Response:
    """What merging would do, before it is done."""
    if not other.isdecimal() or len(other) > 18:
        raise HTTPException(422, "Name the other ticket by its number.")
    with house(request).ledger.read() as connection:
        found, target = (views_ticket.ticket(connection, one) for one in (number, int(other)))
        if found is None or target is None:
            raise HTTPException(404, "There is no such ticket.")
        why = gathering.obstacle(connection, number, int(other))
        posts = {one.id: views_ticket.posts(connection, one.id) for one in (found, target)}
    return page(request, "merge_ticket.html", ticket=found, target=target, why=why, posts=posts)


@router.post("/tickets/{number}/merge")
def merge(request: Request, number: Id, form: Annotated[Other, Form()]) -> Response:
    me = request.state.session.user

    def work(connection: Connection) -> None:
        bearer.reaches(request, connection, numbers=[form.other])
        gathering.merge(connection, me, number, form.other)

    return _do(request, number, work)


@router.post("/tickets/{number}/unmerge")
def unmerge(request: Request, number: Id, form: Annotated[Nothing, Form()]) -> Response:
    me = request.state.session.user
    return _do(request, number, lambda c: _none(gathering.unmerge(c, me, number)))


@router.post("/tickets/{number}/split")
def split(request: Request, number: Id, form: Annotated[SplitForm, Form()]) -> Response:
    """Leads to the ticket that was made."""
    me, made = request.state.session.user, list[int]()
    answer = _do(request, number, lambda c: made.append(gathering.split(c, me, number, form.post, typed(form.subject))))
    if answer.status_code == 303:
        answer.headers["location"] = f"/tickets/{made[-1]}?said=split"
    return answer


@router.post("/tickets/{number}/unsplit")
def unsplit(request: Request, number: Id, form: Annotated[Nothing, Form()]) -> Response:
    me = request.state.session.user
    return _do(request, number, lambda c: _none(gathering.unsplit(c, me, number)))


@router.post("/tickets/{number}/links")
def links(request: Request, number: Id, form: Annotated[Other, Form()]) -> Response:
    """Say how this ticket belongs to another, or take it back. `child`: the other is a child of this one."""
    me = request.state.session.user

    def work(connection: Connection) -> None:
        bearer.reaches(request, connection, numbers=[form.other])
        if form.kind == "child":
            gathering.adopt(connection, me, number, [form.other], form.on)
        else:
            gathering.link(connection, me, number, form.other, form.kind, form.on)

    return _do(request, number, work)


def _do(
    request: Request, number: int, work: Callable[[Connection], int | None], said: Mapping[str, str] | None = None
) -> Response:
    """Do it and lead back to the page, with an undo where `work` returns an act; a refusal is said on the page with what was written."""
    try:
        act = house(request).ledger.run(work, patience=5)
    except Refused as refused:
        missed = refused.entries if isinstance(refused, seen.Missed) else ()
        return ticket.show(request, number, status=409, error=_(refused), missed=missed, typed=said)
    except LookupError:
        raise HTTPException(404, "There is no such ticket.") from None
    return RedirectResponse(f"/tickets/{number}?said=saved{f'&act={act}' if act else ''}", 303)


def _none(_: Any) -> None:
    return None
