"""What programs read that is no plain list: the review queue, a customer, an escalation, the state of all. And the description of all of it."""

import json
from datetime import UTC, datetime
from functools import cache
from typing import Any

from fastapi import APIRouter, HTTPException
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from console.web import acks, api_customers, api_lists, api_tickets, api_work
from console.web.api_examples import described
from console.web.api_lists import looked
from console.web.api_shape import Route, problems, shown
from console.web.house import house
from console.web.pages import Id, PageNumber
from storage import review, views_flags, views_health, views_people
from storage.review import ReviewPage
from storage.together import ask
from storage.views import TicketRow
from storage.views_flags import Flag, Series
from storage.views_health import Status
from storage.views_people import Customer
from storage.views_ticket import Post

router = APIRouter(prefix="/api/v1", route_class=Route)
NOT_NEW: dict[int | str, dict[str, Any]] = {304: {"description": "You have it already (If-None-Match)."}}


class CustomerDetail(BaseModel):
    customer: Customer
    tickets: list[TicketRow]
    timeline: list[Post]


class FlagDetail(BaseModel):
    flag: Flag
    series: Series
    samples: list[Post]


@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request) -> Response:
    return Response(document(request.app.version), media_type="application/json")


@cache
def document(version: str) -> str:
    """The description, made once: it takes a second of work."""
    routers = (api_tickets.router, api_lists.router, router, api_work.router, api_customers.router, acks.router)
    routes = [route for one in routers for route in one.routes if getattr(route, "include_in_schema", False)]
    return json.dumps(described(get_openapi(title="Earmark", version=version, routes=routes)))


@router.get(
    "/review",
    summary="What waits for a person's decision, oldest first",
    response_model=ReviewPage,
    responses={**NOT_NEW, **problems()},
)
def waiting(request: Request, page: PageNumber) -> Response:
    with house(request).ledger.read() as connection:
        return shown(review.waiting(connection, page))


@router.get("/customers/{customer_id}", summary="One customer with identities, tickets and timeline", response_model=CustomerDetail,
            responses={**NOT_NEW, **problems(404)})  # fmt: skip
def customer(request: Request, customer_id: Id) -> Response:
    with house(request).ledger.read() as connection:
        found = views_people.customer(connection, customer_id)
        if found is None:
            raise HTTPException(404, "There is no such customer.")
        tickets, timeline = (
            ask(connection, views_people.tickets_of(customer_id)),
            ask(connection, views_people.timeline(customer_id)),
        )
    looked(request, "customers", 1, customer_id)
    return shown({"customer": found, "tickets": tickets, "timeline": timeline})


@router.get("/escalations/{flag_id}", summary="One escalation with its series and samples", response_model=FlagDetail,
            responses={**NOT_NEW, **problems(404)})  # fmt: skip
def escalation(request: Request, flag_id: Id) -> Response:
    with house(request).ledger.read() as connection:
        found = views_flags.flag(connection, flag_id)
        if found is None:
            raise HTTPException(404, "There is no such escalation.")
        series = views_flags.series(connection, found, datetime.now(UTC))
        return shown({"flag": found, "series": series, "samples": views_flags.samples(connection, found)})


@router.get(
    "/status",
    summary="Queues, workers, targets and dead letters",
    response_model=Status,
    responses={**NOT_NEW, **problems()},
)
def status(request: Request) -> Response:
    with house(request).ledger.read() as connection:
        return shown(views_health.status(connection))
