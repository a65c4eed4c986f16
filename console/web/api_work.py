"""Acting on the machinery by program: channels, dead letters, deliveries, corrections, and the figures of reports."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from console.web import bearer
from console.web.api_lists import Moment, Number
from console.web.api_shape import Body, Route, cursor, do, place, problems, shown
from console.web.house import house
from console.web.pages import Id
from domain.nouns import INTENTS
from storage import audit, channels, dead, dead_effects, learning, metrics, views_channels
from storage.idempotency import Answer

router = APIRouter(prefix="/api/v1", route_class=Route)
NOT_NEW: dict[int | str, dict[str, Any]] = {304: {"description": "You have it already (If-None-Match)."}}
LONGEST_SPAN = timedelta(days=366)


class Done(BaseModel):
    """What was acted on, and what it is now."""

    id: int
    state: str


class CorrectionGiven(Body):
    """At least one of outcome, intent, sentiment."""

    mention: Number
    outcome: Literal["ticket", "review", "ignore"] | None = None
    intent: Literal[INTENTS] | None = None  # type: ignore[valid-type]
    sentiment: Literal["negative", "neutral", "positive"] | None = None


class Corrected(BaseModel):
    mention: int
    opens: bool  # a ticket opens in a moment


class Figure(BaseModel):
    name: str
    label: str
    value: float | None
    p90: float | None
    unit: str
    facts: int
    formula: str


class Report(BaseModel):
    since: datetime
    until: datetime
    figures: list[Figure]


class Facts(BaseModel):
    since: datetime
    until: datetime
    items: list[dict[str, Any]]
    next: str | None


class Span(BaseModel):
    model_config = ConfigDict(extra="forbid")
    since: Annotated[Moment | None, Field(description="Left out: 30 days before `until`.")] = None
    until: Annotated[Moment | None, Field(description="Left out: now.")] = None


class FactsAsked(Span):
    cursor: Annotated[str, Field(max_length=200)] = ""
    limit: Annotated[int, Field(ge=1, le=200)] = 50


@router.post(
    "/channels/{id}/poll",
    response_model=Done,
    status_code=202,
    summary="Read a channel now",
    responses=problems(400, 404, 409),
)
async def poll(request: Request, id: Id) -> JSONResponse:
    def ask(connection: Connection, name: str) -> str:
        house(request).ledger.notify(connection, f"poll:{id}")
        if channels.want(connection, name) is None:
            raise dead.CannotRetry("the channel is switched off in the configuration")
        return "wanted"

    return await _channel(request, id, "poll", 202, ask)


@router.post(
    "/channels/{id}/pause",
    response_model=Done,
    summary="Read a channel no more until it is resumed",
    responses=problems(400, 404, 409),
)
async def pause(request: Request, id: Id) -> JSONResponse:
    return await _channel(request, id, "pause", 200, lambda c, name: _set(request, c, name, True))


@router.post(
    "/channels/{id}/resume",
    response_model=Done,
    summary="Read a paused channel again",
    responses=problems(400, 404, 409),
)
async def resume(request: Request, id: Id) -> JSONResponse:
    return await _channel(request, id, "resume", 200, lambda c, name: _set(request, c, name, False))


@router.post("/dead-letters/{id}/retry", response_model=Done, summary="Try it again", responses=problems(400, 404, 409))
async def retry(request: Request, id: Id) -> JSONResponse:
    return await _letter(request, id, dead.retry, "retried")


@router.post(
    "/dead-letters/{id}/drop",
    response_model=Done,
    summary="Give it up; it stays listed as dropped",
    responses=problems(400, 404, 409),
)
async def drop(request: Request, id: Id) -> JSONResponse:
    return await _letter(request, id, dead.drop, "dropped")


@router.post("/deliveries/{id}/replay", response_model=Done, status_code=202, summary="Send a delivered event or a dead one again",
             responses=problems(400, 404, 409))  # fmt: skip
async def replay(request: Request, id: Id) -> JSONResponse:
    """The same `webhook-id` and body: a receiver that had it knows it. Only event webhooks are sent twice; others refuse."""

    def work(connection: Connection) -> Answer:
        dead_effects.replay(connection, id, bearer.actor(request))
        return Answer(202, {"id": id, "state": "retry"})

    return await _act(request, work)


@router.post(
    "/corrections",
    response_model=Corrected,
    status_code=201,
    summary="Say what a verdict should have been",
    responses=problems(400, 404),
)
async def correct(request: Request, wanted: CorrectionGiven) -> JSONResponse:
    said = {"outcome": wanted.outcome, "intent": wanted.intent, "label": wanted.sentiment}
    if not any(said.values()):
        raise HTTPException(400, "Say at least one of outcome, intent, sentiment.")

    def work(connection: Connection) -> Answer:
        bearer.reaches(request, connection, mentions=[wanted.mention])
        try:
            opens = learning.correct(connection, bearer.actor(request), wanted.mention, **said)  # type: ignore[arg-type]
        except learning.NoMention:
            raise LookupError(wanted.mention) from None
        return Answer(201, {"mention": wanted.mention, "opens": opens})

    return await do(request, work)


@router.get(
    "/reports",
    response_model=Report,
    summary="Journey metrics of a span, with their formulas",
    responses={**NOT_NEW, **problems(400)},
)
def report(request: Request, asked: Annotated[Span, Query()]) -> Response:
    since, until = _span(asked)
    with house(request).ledger.read() as connection:
        return shown({"since": since, "until": until, "figures": metrics.figures(connection, since, until)})


@router.get(
    "/reports/{name}",
    response_model=Facts,
    summary="The facts behind figures, in time order",
    responses={**NOT_NEW, **problems(400, 404)},
)
def facts(request: Request, name: Literal[tuple(metrics.SERIES)], asked: Annotated[FactsAsked, Query()]) -> Response:  # type: ignore[valid-type]
    """A cursor goes on after as many facts of the same span: give `since` and `until` as the first page said them."""
    since, until = _span(asked)
    filters = {"report": name, "since": asked.since and since, "until": asked.until and until}
    done = place(asked.cursor, filters) or 0
    if not 0 <= done <= 100_000:
        raise HTTPException(400, "The cursor is none of ours.")
    with house(request).ledger.read() as connection:
        found, _ = metrics.series(connection, name, since, until, done + asked.limit + 1)
    items = found[done : done + asked.limit]
    following = cursor(done + asked.limit, filters) if len(found) > done + asked.limit else None
    return shown({"since": since, "until": until, "items": items, "next": following})


def _span(asked: Span) -> tuple[datetime, datetime]:
    until = asked.until or datetime.now(UTC)
    since = asked.since or until - timedelta(days=30)
    if not since < until <= since + LONGEST_SPAN:
        raise HTTPException(400, "`since` lies before `until`, at most 366 days.")
    return since, until


def _set(request: Request, connection: Connection, name: str, paused: bool) -> str:
    house(request).ledger.notify(connection, "config")
    if not channels.pause(connection, name, paused):
        raise dead.CannotRetry("the channel is switched off in the configuration")
    return "paused" if paused else "resumed"


async def _channel(
    request: Request, id_: int, action: str, status: int, act: Callable[[Connection, str], str]
) -> JSONResponse:
    def work(connection: Connection) -> Answer:
        name = views_channels.channel_name(connection, id_)
        if name is None:
            raise LookupError(id_)
        state = act(connection, name)
        audit.append(connection, bearer.actor(request), f"channel.{action}", f"channel:{id_}")
        return Answer(status, {"id": id_, "state": state})

    return await _act(request, work)


async def _letter(
    request: Request, id_: int, act: Callable[[Connection, dead.Name, str], None], state: str
) -> JSONResponse:
    def work(connection: Connection) -> Answer:
        act(connection, ("letter", id_), bearer.actor(request))
        return Answer(200, {"id": id_, "state": state})

    return await _act(request, work)


async def _act(request: Request, work: Callable[[Connection], Answer]) -> JSONResponse:
    try:
        return await do(request, work)
    except (dead.CannotRetry, dead_effects.CannotReplay) as refused:
        raise HTTPException(409, f"{str(refused)[:1].upper()}{str(refused)[1:]}.") from None
