"""The ticket page: what was said and done, why it was opened, who it is about; and its small forms."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from config.base import seconds
from connectors import outbound
from console.web import thread
from console.web.house import house
from console.web.pages import Id, PageNumber, page
from console.web.summary import asks_a_model
from console.web.texts import _
from console.web.words import typed
from domain import summary
from domain.lifecycle import DONE, STATUSES
from storage import (
    acts,
    casework,
    configurations,
    copies,
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
from storage.together import Question, ask, together

router = APIRouter(include_in_schema=False)
SIMILAR = 10  # tickets a page names
WARN = timedelta(minutes=2)  # before a claim ends, or a tenth of it where that is more


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
            seen.check(connection, casework.locked(connection, number, children=True).id, form.shown)
        changed = casework.change(connection, user, number, wanted, None if form.shown else form.seen)
        return changed, acts.remember(connection, user, "change", [number]) if changed else None

    try:
        changed, act = house(request).ledger.run(work, patience=5)
    except seen.Missed as missed:
        return show(request, number, status=409, error=_(missed), missed=missed.entries)
    except Refused as refused:
        return show(request, number, status=409, error=_(refused))
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
        return show(request, number, status=422, error=_(refused))
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
        return show(request, number, status=422, error=_(refused))
    except LookupError:
        raise HTTPException(404, "There is no such ticket.") from None
    return RedirectResponse(f"/tickets/{number}?{f'act={act}&' if act else ''}said=saved", 303)


def load(connection: Connection, document: Mapping[str, Any], me: int, number: int, part: int = 1) -> dict[str, Any]:
    """Everything the page shows, in one snapshot and three ways to the database: the ticket, what hangs on it, the posts in it.

    `document`: the configuration in force; `part`: of the history, 1 the newest.
    """
    found = views_ticket.ticket(connection, number)
    if found is None:
        raise HTTPException(404, "There is no such ticket.")
    got = together(connection, **_hanging(found, document, me, part))
    if part > got["parts"]:
        part, got["lines"] = got["parts"], ask(connection, views_ticket.lines(found.id, got["parts"]))
    ids = views_ticket.told(got["lines"])
    posts = together(connection, reasons=views_ticket.reasons(ids), **views_ticket.about(ids))
    reasons = posts.pop("reasons")
    return {
        "ticket": found,
        "history": views_ticket.entries(got["lines"], **posts),
        "part": max(1, part),
        "reasons": [reason for reason in reasons if reason.outcome == "ticket"],
        "customer": views_people.profile(got["known"], got["identities"]),
        "summary": summary.extract(summary.of(got["mentions"], got["interactions"], but=number)),
        "others": [ticket for ticket in got["others"] if ticket.number != number],
        "similar": copies.similar_tickets(connection, found.id, SIMILAR),
        "macros": [(m["name"], m.get("label") or m["name"], macros.effects(m)) for m in document.get("macros", ())],
        "fields": list(document.get("fields", ())),
        "asks_a_model": asks_a_model(document),
        **{name: got[name] for name in _AS_THEY_ARE},
    }


_AS_THEY_ARE = (
    "parts", "shown", "sent", "deliveries", "promises", "related", "passed_on", "timeline", "ways", "drafts", "claim", "people", "teams",
)  # fmt: skip


def _hanging(found: views_ticket.Ticket, document: Mapping[str, Any], me: int, part: int) -> dict[str, Question[Any]]:
    """What a page asks once it knows the ticket; a ticket without a customer asks for nobody's."""
    whose = found.customer_id or 0
    return {
        "parts": views_ticket.history_pages(found.id),
        "lines": views_ticket.lines(found.id, part),
        "shown": seen.stamp(found.id),
        "sent": replies.sent(found.id),
        "deliveries": views_ticket.deliveries(found.id),
        "promises": promises.of_customer(whose) if whose else promises.of_ticket(found.id),
        "related": views_ticket.related(found.id),
        "passed_on": reposts.passed_on(found.id),
        **views_people.about(whose),
        **lookup.history(whose),
        "timeline": views_people.timeline(whose, 6),
        "others": views_people.tickets_of(whose, 6),
        "ways": _ways(document, found.number),
        "drafts": drafts.of(found.id, me),
        "claim": turns.claimed(me, found.id),
        "people": users.WORKING,
        "teams": views.TEAMS,
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
        values = load(connection, here.force.document(connection), me.id, number, part)
        rules = here.force.config(connection).casework
        values["why"] = here.why.sentences(connection, [r.mention_id for r in values["reasons"]])
    kept = values["drafts"]
    return page(
        request,
        "ticket.html",
        code=status,
        error=error,
        present=request.app.state.live.seats.of([values["ticket"].id], me.id).get(values["ticket"].id, ""),
        lines=thread.lines(values["history"], missed),
        ends_soon=ends_soon(
            values["claim"], timedelta(seconds=seconds(rules.claim)), timedelta(seconds=seconds(rules.hand_back))
        ),
        held_back=thread.held_back(values["history"], me.id),
        note_before=thread.last_word(values["history"], me.id) if values["part"] == 1 else None,
        missed=frozenset(missed),
        texts={
            kind: (typed or {}).get(kind) or (kept[kind].body if kind in kept else "")
            for kind in (*drafts.KINDS, "handoff")
        },
        statuses=STATUSES,
        priorities=casework.PRIORITIES,
        most_similar=SIMILAR,
        **values,
    )


def ends_soon(claim: turns.Claim | None, next_: timedelta, given: timedelta) -> datetime | None:
    """From when on a page warns that the ticket leaves its owner: two minutes before, or a tenth of the time they had where that is
    more; never before half of it is over. `next_`, `given`: how long they have for one they took, and for one a route gave them."""
    if claim is None:
        return None
    had = next_ if claim.taken else given
    return claim.until - min(max(WARN, had / 10), had / 2)


def reply_ways(connection: Connection, number: int) -> replies.Ways:
    """How an answer from this ticket can reach the customer, as the configuration in force and what is known of them have it."""
    current = configurations.in_force(connection)
    return ask(connection, _ways(current.document if current else {}, number))


def _ways(document: Mapping[str, Any], number: int) -> Question[replies.Ways]:
    return replies.ways(number, (document.get("casework") or {}).get("reply_by") or "", _takes)


def _takes(kind: str) -> str:
    """How a kind of target passes answers on: as a desk, to an address, or not at all."""
    return str(getattr(outbound.load(kind), "REPLIES", "")) if kind in outbound.kinds() else ""
