"""The ticket page: what was said and done, why it was opened, who it is about; and the two forms that work on it."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.web.house import house
from console.web.pages import Id, page
from console.web.words import typed
from domain.lifecycle import STATUSES
from storage import casework, copies, promises, reposts, users, views, views_people, views_ticket
from storage.casework import Change, Refused

router = APIRouter(include_in_schema=False)
SIMILAR = 10  # tickets a page names


class ChangeForm(BaseModel):
    model_config = {"extra": "forbid"}
    csrf: str = ""
    seen: int | None = None
    status: str | None = None
    priority: str | None = None
    team: str | None = None
    assignee: Annotated[int, Field(ge=0, lt=2**63)] | None = None


class NoteForm(BaseModel):
    model_config = {"extra": "forbid"}
    csrf: str = ""
    body: str = ""


class PromiseForm(BaseModel):
    model_config = {"extra": "forbid"}
    csrf: str = ""
    what: str = ""
    hours: Annotated[int, Field(ge=1, le=24 * 366)] = 24
    settle: Annotated[int, Field(ge=0, lt=2**63)] = 0
    state: str = ""


class TagForm(BaseModel):
    model_config = {"extra": "forbid"}
    csrf: str = ""
    tags: str = ""


@router.get("/tickets/{number}")
def ticket(request: Request, number: Id) -> Response:
    return _show(request, number)


@router.post("/tickets/{number}/change")
def change(request: Request, number: Id, form: Annotated[ChangeForm, Form()]) -> Response:
    wanted = Change(
        status=form.status,
        priority=form.priority,
        team=None if form.team is None else typed(form.team)[:100],
        assignee=form.assignee,
    )
    user = request.state.session.user
    try:
        changed = house(request).ledger.run(lambda c: casework.change(c, user, number, wanted, form.seen), patience=5)
    except Refused as refused:
        return _show(request, number, status=409, error=str(refused))
    except LookupError:
        raise HTTPException(404, "There is no such ticket.") from None
    return RedirectResponse(f"/tickets/{number}?said={'saved' if changed else 'same'}", 303)


@router.post("/tickets/{number}/notes")
def note(request: Request, number: Id, form: Annotated[NoteForm, Form()]) -> Response:
    user, body = request.state.session.user, typed(form.body)
    try:
        entry = house(request).ledger.run(lambda c: casework.note(c, user, number, body), patience=5)
    except Refused as refused:
        return _show(request, number, status=422, error=str(refused), draft=body)
    except LookupError:
        raise HTTPException(404, "There is no such ticket.") from None
    return RedirectResponse(f"/tickets/{number}?said=noted#entry-{entry}", 303)


@router.post("/tickets/{number}/promises")
def promise(request: Request, number: Id, form: Annotated[PromiseForm, Form()]) -> Response:
    """Write a promise down, or say how one ended."""
    user, what = request.state.session.user, typed(form.what)

    def work(connection: Connection) -> None:
        if form.settle:
            promises.settle(connection, user, form.settle, form.state)
        else:
            promises.make(connection, user, number, what, datetime.now(UTC) + timedelta(hours=form.hours))

    try:
        house(request).ledger.run(work, patience=5)
    except Refused as refused:
        return _show(request, number, status=422, error=str(refused))
    except LookupError:
        raise HTTPException(404, "There is no such ticket or promise.") from None
    return RedirectResponse(f"/tickets/{number}?said=saved", 303)


@router.post("/tickets/{number}/tags")
def tags(request: Request, number: Id, form: Annotated[TagForm, Form()]) -> Response:
    """The tags as they are to be, parted by commas."""
    user = request.state.session.user
    wanted = [name for name in (part.strip() for part in typed(form.tags)[:2000].split(",")) if name]

    def work(connection: Connection) -> bool:
        known = casework.locked(connection, number).tags
        return casework.tag(connection, user, number, wanted, [name for name in known if name not in wanted])

    try:
        house(request).ledger.run(work, patience=5)
    except Refused as refused:
        return _show(request, number, status=422, error=str(refused))
    except LookupError:
        raise HTTPException(404, "There is no such ticket.") from None
    return RedirectResponse(f"/tickets/{number}?said=saved", 303)


def load(connection: Connection, number: int) -> dict[str, Any]:
    """Everything the page shows, in one snapshot."""
    found = views_ticket.ticket(connection, number)
    if found is None:
        raise HTTPException(404, "There is no such ticket.")
    history = views_ticket.history(connection, found.id)
    mentions = sorted({entry.post.id for entry in history if entry.post})
    customer = views_people.customer(connection, found.customer_id) if found.customer_id else None
    return {
        "ticket": found,
        "history": history,
        "reasons": [r for r in views_ticket.reasons(connection, mentions) if r.outcome == "ticket"],
        "deliveries": views_ticket.deliveries(connection, found.id),
        "customer": customer,
        "promises": promises.of_customer(connection, customer.id)
        if customer
        else promises.of_ticket(connection, found.id),
        "related": views_ticket.related(connection, found.id),
        "similar": copies.similar_tickets(connection, found.id, SIMILAR),
        "passed_on": reposts.passed_on(connection, found.id),
        "timeline": views_people.timeline(connection, customer.id, 6) if customer else [],
        "others": [t for t in views_people.tickets_of(connection, customer.id, 6) if t.number != number]
        if customer
        else [],
    }


def _show(request: Request, number: int, *, status: int = 200, error: str = "", draft: str = "") -> Response:
    with house(request).ledger.read() as connection:
        values = load(connection, number)
        values["why"] = house(request).why.sentences(connection, [r.mention_id for r in values["reasons"]])
        people = [user for user in users.everybody(connection) if user.role in ("agent", "lead", "admin")]
        teams = views.teams(connection)
    return page(
        request,
        "ticket.html",
        code=status,
        error=error,
        draft=draft,
        people=people,
        teams=teams,
        statuses=STATUSES,
        priorities=casework.PRIORITIES,
        most_similar=SIMILAR,
        **values,
    )
