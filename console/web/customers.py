"""Customers: the list, and one profile with its identities, tickets and timeline over all channels."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, HTTPException, Query
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from config.policies import terms, unlinkable
from console.web import bearer
from console.web import customer_mood as mood_over_time
from console.web.api_lists import looked
from console.web.formats import zone_name
from console.web.house import house
from console.web.pages import Id, PageNumber, page
from console.web.words import sentence, typed
from console.web.zone import zone
from storage import customer_mood, lookup, merges, proposals, timeline, views_people
from storage.together import Question, together

router = APIRouter(include_in_schema=False)
SHOWN = 100  # proposals on the page


@router.get("/customers")
def customers(request: Request, number: PageNumber, q: str = "") -> Response:
    q = typed(q).strip()[:200]
    with house(request).ledger.read() as connection:
        found = views_people.customers(connection, q, number)
    return page(request, "customers.html", found=found, q=q)


@router.get("/customers/{customer_id}")
def customer(
    request: Request,
    customer_id: Id,
    what: Annotated[list[str] | None, Query(max_length=10)] = None,
    platform: Annotated[str, Query(max_length=100)] = "",
    cursor: Annotated[str, Query(max_length=300)] = "",
) -> Response:
    """The profile; `what`, `platform` and `cursor` narrow its timeline and turn its pages."""
    now, where = datetime.now(UTC), zone(request)
    kinds = [kind for kind in timeline.KINDS if kind in (what or timeline.KINDS)]
    with house(request).ledger.read() as connection:
        values = together(
            connection,
            **views_people.about(customer_id),
            glance=lookup.glance(customer_id, now),
            timeline=_timeline(customer_id, cursor, kinds, typed(platform)),
            mood_weeks=customer_mood.weeks(customer_id, zone=zone_name(where)),
            tickets=views_people.tickets_of(customer_id),
            merges=merges.history(customer_id),
            proposals=proposals.proposed(customer_id, 20),
            decided=proposals.decided(customer_id, 10),
        )
    found = views_people.profile(values.pop("known"), values.pop("identities"))
    if found is None:
        raise HTTPException(404, "There is no such customer.")
    glance = values.pop("glance")
    values |= {"health": glance.health, "promises": glance.promises, "contacts": glance.interactions}
    looked(request, "customers", 1, customer_id)
    values["weeks_behind"] = mood_over_time.lists(customer_id, values["mood_weeks"], where)
    values["chart"] = mood_over_time.draw(values["mood_weeks"], where, values["weeks_behind"])
    narrowed = urlencode([*(("what", kind) for kind in what or ()), *([("platform", platform)] if platform else [])])
    values |= {"kinds": timeline.KINDS, "chosen": kinds, "platform_only": platform, "narrowed": narrowed}
    closed = sorted({i.platform for i in found.identities if i.platform in unlinkable()})
    return page(request, "customer.html", customer=found, closed=closed, terms=terms(), **values)


def _timeline(customer_id: int, cursor: str, kinds: list[str], platform: str) -> Question[timeline.Page]:
    try:
        return timeline.part(customer_id, typed(cursor), kinds=kinds, platform=platform)
    except timeline.BadCursor as bad:
        raise HTTPException(422, sentence(bad)) from None


@router.get("/proposals")
def waiting(request: Request) -> Response:
    with house(request).ledger.read() as connection:
        found = proposals.waiting(connection, None, SHOWN + 1)
    return page(request, "proposals.html", proposals=found[:SHOWN], more=len(found) > SHOWN)


@router.post("/proposals/{proposal_id}")
def decide(
    request: Request,
    proposal_id: Id,
    decision: Annotated[Literal["accept", "refuse", "undo"], Form()],
    stated: Annotated[bool, Form()] = False,
    customer: Annotated[int, Form(ge=0, lt=2**63)] = 0,
) -> Response:
    """`customer`: whose page it was decided on, which is shown again; 0: the list."""
    actor = request.state.session.user.actor

    def work(connection: Connection) -> None:
        if decision == "accept":
            proposals.accept(connection, proposal_id, actor, unlinkable(), stated=stated)
        elif decision == "refuse":
            proposals.refuse(connection, proposal_id, actor)
        else:
            proposals.take_back(connection, proposal_id, actor)

    return _done(request, work, f"/customers/{customer}#proposals" if customer else "/proposals")


@router.get("/customers/{customer_id}/merge")
def preview(request: Request, customer_id: Id, other: str = "") -> Response:
    if not other.isdecimal() or len(other) > 18:
        raise HTTPException(422, "Name the other customer by number.")
    with house(request).ledger.read() as connection:
        try:
            radius = merges.preview(connection, customer_id, int(other), unlinkable())
        except merges.Refused as refused:
            raise HTTPException(409, sentence(refused)) from None
    return page(request, "merge.html", radius=radius)


@router.post("/customers/{customer_id}/merge")
def merge(
    request: Request,
    customer_id: Id,
    loser: Annotated[int, Form(ge=1, lt=2**63)],
    take: Annotated[list[str] | None, Form()] = None,
    stated: Annotated[bool, Form()] = False,
) -> Response:
    actor = request.state.session.user.actor
    options = {"take": frozenset(take or ()), "stated": stated, "unlinkable": unlinkable()}
    return _done(
        request,
        lambda c: (
            bearer.reaches(request, c, customers=[loser]),
            merges.merge(c, customer_id, loser, actor, **options),
        ),
        f"/customers/{customer_id}",  # type: ignore[arg-type]
    )


@router.post("/merges/{merge_id}/undo")
def undo(request: Request, merge_id: Id) -> Response:
    actor = request.state.session.user.actor
    done: list[merges.Undone] = []
    answer = _done(request, lambda c: done.append(merges.unmerge(c, merge_id, actor)), "")
    answer.headers["location"] = f"/customers/{done[-1].winner}"
    return answer


def _done(request: Request, work: Callable[[Connection], object], then: str) -> Response:
    try:
        house(request).ledger.run(work)
    except LookupError:
        raise HTTPException(404, "There is no such customer.") from None
    except merges.Refused as refused:
        raise HTTPException(409, sentence(refused)) from None
    return RedirectResponse(then or "/customers", 303)
