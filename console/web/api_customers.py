"""Customers for programs: look one up, their timeline, interactions in, merges, proposals. Under /api/v1 beside api.py's pages."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse

from config.policies import unlinkable
from console.web import bearer
from console.web.api_lists import Moment, Number, looked
from console.web.api_shape import Body, Route, do, plain, problems, sentence
from console.web.house import house
from console.web.pages import Id
from console.web.summary import Summary, of_ticket
from domain.identity import BadIdentity, normal
from storage import attribution, interactions, lookup, merges, proposals, timeline
from storage.idempotency import Answer
from storage.lookup import Found
from storage.merges import Radius
from storage.timeline import Page

router = APIRouter(prefix="/api/v1", route_class=Route)
MOST = 500  # interactions in one request
NOT_NEW: dict[int | str, dict[str, Any]] = {304: {"description": "You have it already (If-None-Match)."}}
Plain = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]
Region = Annotated[str | None, Field(pattern="^[A-Z]{2}$")]


class MergeAsked(Body):
    loser: Number = Field(description="The customer who becomes part of this one.")
    take: list[Plain] = Field(
        default=[], max_length=100, description="Conflicting fields in which the loser's value goes on."
    )
    stated: bool = Field(default=False, description="The customer said so themselves.")


class SplitAsked(Body):
    identities: list[Number] = Field(min_length=1, max_length=1000)


class IdentityGiven(Body):
    kind: Literal["account", "email", "phone", "number", "order"]
    value: Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00]+$")]
    platform: Plain = ""
    region: Region = None
    stated: bool = False


class InteractionGiven(Body):
    """A touchpoint, and who it was: at least one of phone, email, handle with platform, number, order, or our `customer`."""

    external_id: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
    kind: Literal[interactions.KINDS]  # type: ignore[valid-type]
    happened_at: Moment
    phone: Plain | None = None
    email: Plain | None = None
    handle: Plain | None = None
    platform: Plain | None = None
    number: Plain | None = None
    order: Plain | None = None
    customer: Number | None = None
    direction: Literal["in", "out", "none"] | None = None
    name: Plain | None = None
    subject: Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")] | None = None
    body: Annotated[str, Field(max_length=interactions.LONGEST, pattern=r"^[^\x00]*$")] | None = None
    transcript: (
        Annotated[list[dict[str, Any]], Field(max_length=2000, description="Lines of {from, text}, instead of body.")]
        | None
    ) = None
    url: Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")] | None = None
    conversation: Plain | None = None
    data: dict[str, Any] | None = None


class Interactions(Body):
    interactions: Annotated[list[InteractionGiven], Field(min_length=1, max_length=MOST)]


class InteractionKept(BaseModel):
    external_id: str
    outcome: Literal["new", "known", "suppressed"]
    id: int | None
    customer: int | None
    proposals: int


class InteractionsKept(BaseModel):
    interactions: list[InteractionKept]


class Decision(Body):
    accept: bool
    stated: bool = False


class Waiting(BaseModel):
    proposals: list[dict[str, Any]]
    next: str | None


@router.get(
    "/lookup",
    summary="Who is this? By phone, email, handle (with platform) or order number",
    responses=NOT_NEW | problems(400, 404, 409),
)
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
    looked(request, "lookup", len(ids))
    return [found for found in shown if found]


@router.get(
    "/customers/{customer_id}/timeline",
    summary="Everything that happened with a customer, newest first",
    responses=NOT_NEW | problems(400, 404, 409),
)
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


@router.get(
    "/customers/{customer_id}/merge/{other_id}",
    summary="What a merge of two customers would touch",
    responses=NOT_NEW | problems(400, 404, 409),
)
def preview(request: Request, customer_id: Id, other_id: Id) -> Radius:
    with house(request).ledger.read() as connection:
        try:
            return merges.preview(connection, customer_id, other_id, unlinkable())
        except merges.Refused as refused:
            raise HTTPException(409, sentence(refused)) from None


@router.post(
    "/customers/{customer_id}/merge",
    status_code=201,
    summary="Merge another customer into this one",
    responses=problems(400, 404, 409),
)
async def merge(request: Request, customer_id: Id, wanted: MergeAsked) -> JSONResponse:
    def work(connection: Any) -> Answer:
        bearer.reaches(request, connection, customers=[wanted.loser])
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

    return await do(request, work)


@router.post("/merges/{merge_id}/undo", summary="Take a merge back", responses=problems(400, 404, 409))
async def undo(request: Request, merge_id: Id) -> JSONResponse:
    return await do(request, lambda c: Answer(200, plain(merges.unmerge(c, merge_id, bearer.actor(request)))))


@router.post(
    "/customers/{customer_id}/split",
    status_code=201,
    summary="Make a customer of their own of some identities",
    responses=problems(400, 404, 409),
)
async def split(request: Request, customer_id: Id, wanted: SplitAsked) -> JSONResponse:
    def work(connection: Any) -> Answer:
        bearer.reaches(request, connection, identities=wanted.identities)
        merges.alone(connection)
        try:
            new, settled = attribution.split(connection, customer_id, wanted.identities, bearer.actor(request))
        except ValueError as cannot:
            raise merges.Refused(str(cannot)) from None
        return Answer(201, {"customer": new, **plain(settled)})

    return await do(request, work)


@router.post(
    "/customers/{customer_id}/identities",
    status_code=201,
    summary="Give a customer an account, address or number",
    responses=problems(400, 404, 409),
)
async def give(request: Request, customer_id: Id, wanted: IdentityGiven) -> JSONResponse:
    def work(connection: Any) -> Answer:
        found = normal(wanted.kind, wanted.value, wanted.platform, wanted.region)
        known = proposals.find(connection, found)
        bearer.reaches(request, connection, identities=[known] if known else [])
        id_ = known or proposals.ensure(connection, {**plain(found), "source": "person"})
        evidence = "the customer said so" if wanted.stated else "linked by hand"
        proposals.link(
            connection, id_, customer_id, bearer.actor(request), evidence, 1.0, unlinkable(), stated=wanted.stated
        )
        return Answer(201, {"identity": id_, "customer": customer_id})

    return await do(request, work)


@router.get(
    "/tickets/{number}/summary",
    summary="What the customer said before, with where",
    responses=NOT_NEW | problems(400, 404, 409),
)
def summarised(request: Request, number: Id) -> Summary:
    found = of_ticket(house(request), number)
    if found is None:
        raise HTTPException(404, "There is no such ticket.")
    return found


@router.get(
    "/proposals", summary="Who may be one person, the most certain first", responses=NOT_NEW | problems(400, 404, 409)
)
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


@router.post("/proposals/{proposal_id}", summary="Accept or refuse a proposal", responses=problems(400, 404, 409))
async def decide(request: Request, proposal_id: Id, wanted: Decision) -> JSONResponse:
    def work(connection: Any) -> Answer:
        if wanted.accept:
            return Answer(
                200,
                proposals.accept(connection, proposal_id, bearer.actor(request), unlinkable(), stated=wanted.stated),
            )
        proposals.refuse(connection, proposal_id, bearer.actor(request))
        return Answer(200, {"proposal": proposal_id, "state": "refused"})

    return await do(request, work)


@router.post(
    "/interactions",
    status_code=201,
    response_model=InteractionsKept,
    summary="Tell us of touchpoints: one, or {'interactions': [...]}; each once per external_id",
    responses={200: {"model": InteractionsKept, "description": "All of it was here."}, **problems(400, 404, 409)},
)
async def tell(
    request: Request, wanted: dict[str, Any], region: Annotated[str | None, Query(pattern="^[A-Z]{2}$")] = None
) -> JSONResponse:
    """All or none: 422 names the item and what is wrong. 201 with what became of each; what was here before is `known`."""
    listed = wanted.get("interactions", [wanted])
    if "interactions" in wanted and len(wanted) > 1:
        raise HTTPException(422, "Beside interactions there is no other field.")
    if not isinstance(listed, list) or not 1 <= len(listed) <= MOST:
        raise HTTPException(422, f"interactions is a list of 1 to {MOST} items.")
    now = datetime.now(UTC)
    touches = []
    for n, raw in enumerate(listed):
        try:
            touches.append(interactions.touch(raw if isinstance(raw, dict) else {}, now, region))
            InteractionGiven.model_validate(raw)
        except interactions.BadInteraction as bad:
            raise HTTPException(422, f"Item {n}: {bad}.") from None
        except ValidationError as wrong:
            where = ", ".join(sorted({".".join(map(str, error["loc"])) for error in wrong.errors()}))
            raise HTTPException(422, f"Item {n}: {where[:200]} is unknown or out of bounds.") from None
    here = house(request)

    def work(connection: Any) -> Answer:
        source = bearer.actor(request)
        kept = interactions.record(connection, here.secret, source, touches, unlinkable())
        return Answer(
            201 if any(item.outcome == "new" for item in kept) else 200,
            {"interactions": [plain(item) for item in kept]},
        )

    return await do(request, work)
