"""The ticket page: what was said and done, why it was opened, who it is about; and its small forms."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from connectors import outbound
from console.web import thread
from console.web.house import house
from console.web.pages import Id, PageNumber, page
from console.web.summary import asks_a_model
from console.web.words import typed
from domain import summary
from domain.lifecycle import DONE, STATUSES
from storage import (
    acts,
    casework,
    configurations,
    copies,
    custom_fields,
    drafts,
    lookup,
    macros,
    promises,
    replies,
    reposts,
    seen,
    turns,
    unread,
    users,
    views,
    views_people,
    views_ticket,
)
from storage.casework import Change, Refused

router = APIRouter(include_in_schema=False)
SIMILAR = 10  # tickets a page names


class ChangeForm(BaseModel):
    model_config = {"extra": "forbid"}
    csrf: str = ""
    seen: int | None = None
    shown: Annotated[str, Field(max_length=20_000)] = ""  # storage/seen.py
    status: str | None = None
    priority: str | None = None
    team: str | None = None
    assignee: Annotated[int, Field(ge=0, lt=2**63)] | None = None


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
def ticket(request: Request, number: Id, part: PageNumber) -> Response:
    me = request.state.session.user
    house(request).ledger.run(lambda c: unread.seen(c, me.id, number), patience=1)
    return show(request, number, part=part)


@router.post("/tickets/{number}/change")
def change(request: Request, number: Id, form: Annotated[ChangeForm, Form()]) -> Response:
    wanted = Change(
        status=form.status,
        priority=form.priority,
        team=None if form.team is None else typed(form.team)[:100],
        assignee=form.assignee,
    )
    user = request.state.session.user

    def work(connection: Connection) -> tuple[bool, int | None]:
        if form.status in DONE:
            seen.check(connection, casework.locked(connection, number).id, form.shown)
        changed = casework.change(connection, user, number, wanted, None if form.shown else form.seen)
        return changed, acts.remember(connection, user, "change", [number]) if changed else None

    try:
        changed, act = house(request).ledger.run(work, patience=5)
    except seen.Missed as missed:
        return show(request, number, status=409, error=str(missed), missed=missed.entries)
    except Refused as refused:
        return show(request, number, status=409, error=str(refused))
    except LookupError:
        raise HTTPException(404, "There is no such ticket.") from None
    undo = f"act={act}&" if act else ""
    return RedirectResponse(f"/tickets/{number}?{undo}said={'saved' if changed else 'same'}", 303)


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
        return show(request, number, status=422, error=str(refused))
    except LookupError:
        raise HTTPException(404, "There is no such ticket or promise.") from None
    return RedirectResponse(f"/tickets/{number}?said=saved", 303)


@router.post("/tickets/{number}/tags")
def tags(request: Request, number: Id, form: Annotated[TagForm, Form()]) -> Response:
    """The tags as they are to be, parted by commas."""
    user = request.state.session.user
    wanted = [name for name in (part.strip() for part in typed(form.tags)[:2000].split(",")) if name]

    def work(connection: Connection) -> int | None:
        known = casework.locked(connection, number).tags
        casework.tag(connection, user, number, wanted, [name for name in known if name not in wanted])
        return acts.remember(connection, user, "tags", [number])

    try:
        act = house(request).ledger.run(work, patience=5)
    except Refused as refused:
        return show(request, number, status=422, error=str(refused))
    except LookupError:
        raise HTTPException(404, "There is no such ticket.") from None
    return RedirectResponse(f"/tickets/{number}?{f'act={act}&' if act else ''}said=saved", 303)


def load(connection: Connection, number: int, part: int = 1) -> dict[str, Any]:
    """Everything the page shows, in one snapshot. `part`: of the history, 1 the newest."""
    found = views_ticket.ticket(connection, number)
    if found is None:
        raise HTTPException(404, "There is no such ticket.")
    parts = views_ticket.history_pages(connection, found.id)
    part = min(max(1, part), parts)
    history = views_ticket.history(connection, found.id, part)
    mentions = sorted({entry.post.id for entry in history if entry.post})
    customer = views_people.customer(connection, found.customer_id) if found.customer_id else None
    return {
        "ticket": found,
        "history": history,
        "part": part,
        "parts": parts,
        "shown": seen.stamp(connection, found.id),
        "sent": replies.sent(connection, found.id),
        "reasons": [r for r in views_ticket.reasons(connection, mentions) if r.outcome == "ticket"],
        "deliveries": views_ticket.deliveries(connection, found.id),
        "customer": customer,
        "promises": promises.of_customer(connection, customer.id)
        if customer
        else promises.of_ticket(connection, found.id),
        "related": views_ticket.related(connection, found.id),
        "similar": copies.similar_tickets(connection, found.id, SIMILAR),
        "passed_on": reposts.passed_on(connection, found.id),
        "macros": [(m["name"], m.get("label") or m["name"], macros.effects(m)) for m in macros.known(connection)],
        "fields": list(custom_fields.known(connection).values()),
        "summary": _summary(connection, found.customer_id, number),
        "asks_a_model": asks_a_model(connection),
        "timeline": views_people.timeline(connection, customer.id, 6) if customer else [],
        "others": [t for t in views_people.tickets_of(connection, customer.id, 6) if t.number != number]
        if customer
        else [],
    }


def show(
    request: Request,
    number: int,
    *,
    status: int = 200,
    error: str = "",
    missed: Sequence[int] = (),
    typed: Mapping[str, str] | None = None,
    part: int = 1,
) -> Response:
    """The page. `missed`: entries a stopped send had not seen; `typed`: what was being sent, kind by kind."""
    me, here = request.state.session.user, house(request)
    with here.ledger.read() as connection:
        values = load(connection, number, part)
        values["why"] = here.why.sentences(connection, [r.mention_id for r in values["reasons"]])
        values["ways"] = reply_ways(connection, number)
        kept = drafts.of(connection, values["ticket"].id, me.id)
        values["claim"] = turns.claimed(connection, me.id, values["ticket"].id)
        people = [user for user in users.everybody(connection) if user.role in ("agent", "lead", "admin")]
        teams = views.teams(connection)
    return page(
        request,
        "ticket.html",
        code=status,
        error=error,
        present=request.app.state.live.seats.of([values["ticket"].id], me.id).get(values["ticket"].id, ""),
        lines=thread.lines(values["history"], missed),
        note_before=thread.last_word(values["history"], me.id) if values["part"] == 1 else None,
        missed=frozenset(missed),
        drafts=kept,
        texts={
            kind: (typed or {}).get(kind) or (kept[kind].body if kind in kept else "")
            for kind in (*drafts.KINDS, "handoff")
        },
        people=people,
        teams=teams,
        statuses=STATUSES,
        priorities=casework.PRIORITIES,
        most_similar=SIMILAR,
        **values,
    )


def _summary(connection: Connection, customer_id: int | None, number: int) -> list[summary.Line]:
    """What was said before, each line with its source; a configured model's is asked for by the page (static/ticket.js)."""
    return summary.extract(summary.of(*lookup.history(connection, customer_id), but=number)) if customer_id else []


def reply_ways(connection: Connection, number: int) -> replies.Ways:
    """How an answer from this ticket can reach the customer, as the configuration in force and what is known of them have it."""
    current = configurations.in_force(connection)
    by = ((current.document if current else {}).get("casework") or {}).get("reply_by") or ""
    return replies.ways(connection, number, by, _takes)


def _takes(kind: str) -> str:
    """How a kind of target passes answers on: as a desk, to an address, or not at all."""
    return str(getattr(outbound.load(kind), "REPLIES", "")) if kind in outbound.kinds() else ""
