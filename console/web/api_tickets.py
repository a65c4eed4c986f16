"""Tickets for programs: open one, read one, change one, write on one. What a person does on the page, by the same functions."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from console.web import bearer
from console.web.api_lists import Moment, Number, Word
from console.web.api_shape import VERSION, Body, Route, do, matches, problems, shown
from console.web.house import house
from console.web.pages import Id
from console.web.ticket import load
from domain.lifecycle import DONE, STATUSES
from storage import casework, opening, turns, views_ticket
from storage.casework import Change
from storage.idempotency import Answer
from storage.views_people import Customer
from storage.views_ticket import Delivery, Entry, Reason, Ticket

router = APIRouter(prefix="/api/v1", route_class=Route)
Status = Literal[STATUSES]  # type: ignore[valid-type]
Priority = Literal["low", "normal", "high", "urgent"]
Text = Annotated[str, Field(min_length=1, max_length=casework.LONGEST_NOTE, pattern=r"^[^\x00]*\S[^\x00]*$")]
Tag = Annotated[str, Field(min_length=1, max_length=casework.LONGEST_TAG, pattern=r"^[^\x00]*\S[^\x00]*$")]
Tags = Annotated[list[Tag], Field(max_length=casework.MOST_TAGS)]
Name = Annotated[str, Field(max_length=100, pattern=r"^[^\x00]*$")]


class TicketDetail(BaseModel):
    ticket: Ticket
    history: list[Entry]
    reasons: list[Reason]
    deliveries: list[Delivery]
    customer: Customer | None


class TicketOpened(Body):
    subject: Annotated[str, Field(min_length=1, max_length=opening.LONGEST_SUBJECT, pattern=r"^[^\x00]*\S[^\x00]*$")]
    text: Annotated[
        str, Field(max_length=casework.LONGEST_NOTE, pattern=r"^[^\x00]*$", description="The first note.")
    ] = ""
    customer: Number | None = None
    team: Name = ""
    topic: Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")] = ""
    priority: Priority = "normal"
    tags: Tags = Field(default=[])


class TicketChange(Body):
    """What is left out stays. `assignee` 0 takes the owner away, `snoozed_until` null wakes."""

    status: Status | None = None
    priority: Priority | None = None
    team: Name | None = None
    assignee: Annotated[int, Field(ge=0, le=2**53 - 1)] | None = None
    snoozed_until: Moment | None = None
    fields: (
        Annotated[dict[Word, Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")]], Field(max_length=100)]
        | None
    ) = None
    why: Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")] = ""


class NoteGiven(Body):
    body: Text
    kind: Literal["note", "answer"] = "note"


class TagsGiven(Body):
    add: Tags = Field(default=[])
    remove: Tags = Field(default=[])


class TicketState(BaseModel):
    """What a write leaves: the number and the version to hold the next one against."""

    number: int
    version: int
    changed: bool
    entry: int | None = None


@router.post(
    "/tickets", status_code=201, response_model=TicketState, summary="Open a ticket", responses=problems(400, 409)
)
async def open_ticket(request: Request, wanted: TicketOpened) -> JSONResponse:
    given = opening.Wanted(
        wanted.subject, wanted.text, wanted.customer, wanted.team, wanted.topic, wanted.priority, wanted.tags
    )

    def work(connection: Connection) -> Answer:
        bearer.reaches(request, connection, customers=[wanted.customer] if wanted.customer else [])
        bearer.inside(request, wanted.team, wanted.topic)
        number = opening.open_ticket(connection, bearer.person(request), given, house(request).base_url)
        return Answer(201, {"number": number, "version": 1, "changed": True, "entry": None})

    return await do(request, work)


@router.get("/tickets/{number}", summary="One ticket with its history, reasons and deliveries", response_model=TicketDetail,
            responses={304: {"description": "You have it already (If-None-Match)."}, **problems(404)})  # fmt: skip
def ticket(request: Request, number: Id) -> Response:
    here = house(request)
    with here.ledger.read() as connection:
        values = load(connection, here.force.document(connection), request.state.session.user.id, number)
    detail = TicketDetail(**{name: values[name] for name in TicketDetail.model_fields})
    return shown(detail.model_dump(mode="json"), {VERSION: str(detail.ticket.version)})


@router.patch("/tickets/{number}", response_model=TicketState, summary="Change status, priority, team, owner, snooze or fields",
              responses=problems(400, 404, 409, 412))  # fmt: skip
async def change(request: Request, number: Id, wanted: TicketChange) -> JSONResponse:
    """`If-Match` with the version or entity tag you read: 412 when it went on since."""
    given = wanted.model_fields_set

    def work(connection: Connection) -> Answer:
        held = casework.locked(connection, number, children=wanted.status in DONE)
        person = bearer.person(request)
        matches(request, held.version)
        bearer.inside(request, wanted.team if wanted.team is not None else held.team, None)
        asked = Change(wanted.status, wanted.priority, wanted.team, wanted.assignee, wanted.why)
        done = casework.change(connection, person, number, asked, held.version)
        if wanted.fields:
            done = casework.fill(connection, person, number, wanted.fields) or done
        if "snoozed_until" in given and wanted.snoozed_until != held.snoozed_until:
            turns.snooze(connection, person, number, wanted.snoozed_until)
            done = True
        return Answer(200, _state(connection, number, done))

    return await do(request, work)


@router.post("/tickets/{number}/notes", status_code=201, response_model=TicketState, summary="Write an internal note, or that an answer was given",
             responses=problems(400, 404, 409))  # fmt: skip
async def note(request: Request, number: Id, wanted: NoteGiven) -> JSONResponse:
    """A note is seen by colleagues only. `answer` writes down what was said to the customer elsewhere; nothing is sent."""

    def work(connection: Connection) -> Answer:
        write = casework.note if wanted.kind == "note" else casework.answered
        entry = write(connection, bearer.person(request), number, wanted.body)
        return Answer(201, _state(connection, number, True, entry))

    return await do(request, work)


@router.post(
    "/tickets/{number}/tags",
    response_model=TicketState,
    summary="Add tags and take tags away",
    responses=problems(400, 404, 409, 412),
)
async def tags(request: Request, number: Id, wanted: TagsGiven) -> JSONResponse:
    def work(connection: Connection) -> Answer:
        matches(request, casework.locked(connection, number).version)
        done = casework.tag(connection, bearer.person(request), number, wanted.add, wanted.remove)
        return Answer(200, _state(connection, number, done))

    return await do(request, work)


def _state(connection: Connection, number: int, changed: bool, entry: int | None = None) -> dict[str, Any]:
    found = views_ticket.ticket(connection, number)
    if found is None:
        raise HTTPException(404, "There is no such ticket.")
    return {"number": number, "version": found.version, "changed": changed, "entry": entry}
