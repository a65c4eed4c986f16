"""Customers for programs: look one up, their timeline, interactions in, merges, proposals. Under /api/v1 beside api.py's pages."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse

from config.policies import unlinkable
from console.web import bearer
from console.web.house import house
from console.web.pages import Id
from console.web.summary import Summary, of_ticket
from domain.identity import BadIdentity, normal
from storage import attribution, interactions, lookup, merges, proposals, timeline
from storage.idempotency import Answer
from storage.lookup import Found
from storage.merges import Radius
from storage.timeline import Page

router = APIRouter(prefix="/api/v1")
MOST = 500  # interactions in one request


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class MergeAsked(_Body):
    loser: int = Field(ge=1, lt=2**63, description="The customer who becomes part of this one.")
    take: list[str] = Field(
        default=[], max_length=100, description="Conflicting fields in which the loser's value goes on."
    )
    stated: bool = Field(default=False, description="The customer said so themselves.")


class SplitAsked(_Body):
    identities: list[int] = Field(min_length=1, max_length=1000)


class IdentityGiven(_Body):
    kind: str
    value: str = Field(max_length=2000)
    platform: str = ""
    region: str | None = None
    stated: bool = False


class Decision(_Body):
    accept: bool
    stated: bool = False


class Waiting(BaseModel):
    proposals: list[dict[str, Any]]
    next: str | None


@router.get("/lookup", summary="Who is this? By phone, email, handle (with platform) or order number")
def look_up(
    request: Request, phone: str = "", email: str = "", handle: str = "", order: str = "", number: str = "", platform: str = "",
    region: Annotated[str | None, Query(pattern="^[A-Z]{2}$")] = None,
) -> list[Found]:  # fmt: skip
    """Customers who go by it, at most ten; an empty list when nobody does. 400 for what cannot be an address or a number."""
    given = [
        (kind, value)
        for kind, value in (
            ("phone", phone),
            ("email", email),
            ("account", handle),
            ("order", order),
            ("number", number),
        )
        if value
    ]
    if len(given) != 1:
        raise HTTPException(400, "Give exactly one of phone, email, handle, order, number.")
    kind, value = given[0]
    try:
        identity = normal(
            kind,
            value.strip() if kind != "phone" or not value.startswith(" ") else f"+{value.strip()}",
            platform or ("*" if kind == "account" else ""),
            region,
        )
    except BadIdentity as bad:
        raise HTTPException(400, str(bad)) from None
    if identity.platform == "*":
        identity = type(identity)("account", "", identity.native_id, handle=identity.handle)
    now = datetime.now(UTC)
    with house(request).ledger.read() as connection:
        ids = lookup.by_identity(connection, identity)
        shown = [
            lookup.show(connection, id_, now, [{"kind": kind, "value": identity.handle or identity.native_id}])
            for id_ in ids
        ]
    return [found for found in shown if found]


@router.get("/customers/{customer_id}/timeline", summary="Everything that happened with a customer, newest first")
def events(
    request: Request,
    customer_id: Id,
    cursor: str = "",
    limit: Annotated[int, Query(ge=1, le=timeline.LARGEST)] = timeline.PAGE,
) -> Page:
    with house(request).ledger.read() as connection:
        try:
            return timeline.read(connection, customer_id, cursor, limit)
        except timeline.BadCursor as bad:
            raise HTTPException(400, str(bad).capitalize() + ".") from None


@router.get("/customers/{customer_id}/merge/{other_id}", summary="What a merge of two customers would touch")
def preview(request: Request, customer_id: Id, other_id: Id) -> Radius:
    with house(request).ledger.read() as connection:
        try:
            return merges.preview(connection, customer_id, other_id, unlinkable())
        except merges.Refused as refused:
            raise HTTPException(409, _sentence(refused)) from None


@router.post("/customers/{customer_id}/merge", summary="Merge another customer into this one")
async def merge(request: Request, customer_id: Id, wanted: MergeAsked) -> JSONResponse:
    def work(connection: Any) -> Answer:
        id_ = merges.merge(
            connection,
            customer_id,
            wanted.loser,
            bearer.actor(request),
            take=frozenset(wanted.take),
            stated=wanted.stated,
            unlinkable=unlinkable(),
        )
        return Answer(201, {"merge": id_, "winner": customer_id, "loser": wanted.loser})

    return await _do(request, work)


@router.post("/merges/{merge_id}/undo", summary="Take a merge back")
async def undo(request: Request, merge_id: Id) -> JSONResponse:
    return await _do(request, lambda c: Answer(200, _plain(merges.unmerge(c, merge_id, bearer.actor(request)))))


@router.post("/customers/{customer_id}/split", summary="Make a customer of their own of some identities")
async def split(request: Request, customer_id: Id, wanted: SplitAsked) -> JSONResponse:
    def work(connection: Any) -> Answer:
        merges.alone(connection)
        new, settled = attribution.split(connection, customer_id, wanted.identities, bearer.actor(request))
        return Answer(201, {"customer": new, **_plain(settled)})

    return await _do(request, work)


@router.post("/customers/{customer_id}/identities", summary="Give a customer an account, address or number")
async def give(request: Request, customer_id: Id, wanted: IdentityGiven) -> JSONResponse:
    def work(connection: Any) -> Answer:
        found = normal(wanted.kind, wanted.value, wanted.platform, wanted.region)
        id_ = proposals.find(connection, found) or proposals.ensure(connection, {**_plain(found), "source": "person"})
        evidence = "the customer said so" if wanted.stated else "linked by hand"
        proposals.link(
            connection, id_, customer_id, bearer.actor(request), evidence, 1.0, unlinkable(), stated=wanted.stated
        )
        return Answer(201, {"identity": id_, "customer": customer_id})

    return await _do(request, work)


@router.get("/tickets/{number}/summary", summary="What the customer said before, with where")
def summarised(request: Request, number: Id) -> Summary:
    found = of_ticket(house(request), number)
    if found is None:
        raise HTTPException(404, "There is no such ticket.")
    return found


@router.get("/proposals", summary="Who may be one person, the most certain first")
def waiting(
    request: Request, customer: int | None = None, cursor: str = "", limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> Waiting:
    below, _, after = cursor.partition("~")
    try:
        bounds = (float(below), int(after)) if cursor else (2.0, 0)
    except ValueError:
        raise HTTPException(400, "The cursor is none of ours.") from None
    with house(request).ledger.read() as connection:
        found = proposals.waiting(connection, customer, limit + 1, *bounds)
    last = found[limit - 1] if len(found) > limit else None
    return Waiting(proposals=found[:limit], next=f"{last['confidence']!r}~{last['id']}" if last else None)


@router.post("/proposals/{proposal_id}", summary="Accept or refuse a proposal")
async def decide(request: Request, proposal_id: Id, wanted: Decision) -> JSONResponse:
    def work(connection: Any) -> Answer:
        if wanted.accept:
            return Answer(
                200,
                proposals.accept(connection, proposal_id, bearer.actor(request), unlinkable(), stated=wanted.stated),
            )
        proposals.refuse(connection, proposal_id, bearer.actor(request))
        return Answer(200, {"proposal": proposal_id, "state": "refused"})

    return await _do(request, work)


@router.post(
    "/interactions", summary="Tell us of touchpoints: one, or {'interactions': [...]}; each once per external_id"
)
async def tell(
    request: Request, wanted: dict[str, Any], region: Annotated[str | None, Query(pattern="^[A-Z]{2}$")] = None
) -> JSONResponse:
    """All or none: 422 names the item and what is wrong. 201 with what became of each; what was here before is `known`."""
    listed = wanted.get("interactions", [wanted])
    if not isinstance(listed, list) or not 1 <= len(listed) <= MOST:
        raise HTTPException(422, f"interactions is a list of 1 to {MOST} items.")
    now = datetime.now(UTC)
    touches = []
    for n, raw in enumerate(listed):
        try:
            touches.append(interactions.touch(raw if isinstance(raw, dict) else {}, now, region))
        except interactions.BadInteraction as bad:
            raise HTTPException(422, f"Item {n}: {bad}.") from None
    here = house(request)

    def work(connection: Any) -> Answer:
        source = bearer.actor(request)
        kept = interactions.record(connection, here.secret, source, touches, unlinkable())
        return Answer(
            201 if any(item.outcome == "new" for item in kept) else 200,
            {"interactions": [_plain(item) for item in kept]},
        )

    return await _do(request, work)


async def _do(request: Request, work: Any) -> JSONResponse:
    """The work with its refusals as problems: 409 for what cannot be now, 422 for what can never be."""
    body = await request.body()
    try:
        return await run_in_threadpool(bearer.once, request, body, work)
    except merges.Refused as refused:
        raise HTTPException(409, _sentence(refused)) from None
    except (BadIdentity, interactions.BadInteraction, ValueError) as wrong:
        if isinstance(wrong, ValidationError):
            raise
        raise HTTPException(422, _sentence(wrong)) from None


def _sentence(error: Exception) -> str:
    said = str(error)
    return f"{said[:1].upper()}{said[1:]}."


def _plain(value: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(value)
