"""The same pages for programs: read-only JSON under /api/v1, described with api_customers.py in /api/v1/openapi.json."""

from datetime import UTC, datetime

from fastapi import APIRouter, HTTPException
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from starlette.requests import Request

from console.web import acks, api_customers
from console.web import flags as flag_pages
from console.web.house import house
from console.web.inbox import Wanted
from console.web.pages import Id, PageNumber
from console.web.ticket import load
from console.web.words import typed
from storage import review, views, views_flags, views_health, views_people
from storage.review import ReviewPage
from storage.views import TicketPage, TicketRow
from storage.views_flags import Flag, FlagPage, Series
from storage.views_health import Channel, Status
from storage.views_people import Customer, CustomerPage
from storage.views_ticket import Delivery, Entry, Post, Reason, Ticket

router = APIRouter(prefix="/api/v1")


class TicketDetail(BaseModel):
    ticket: Ticket
    history: list[Entry]
    reasons: list[Reason]
    deliveries: list[Delivery]
    customer: Customer | None


class CustomerDetail(BaseModel):
    customer: Customer
    tickets: list[TicketRow]
    timeline: list[Post]


class FlagDetail(BaseModel):
    flag: Flag
    series: Series
    samples: list[Post]


@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request) -> dict[str, object]:
    every = [*router.routes, *api_customers.router.routes, *acks.router.routes]
    routes = [route for route in every if getattr(route, "include_in_schema", False)]
    return get_openapi(title="Earmark", version=request.app.version, routes=routes)


@router.get("/tickets", summary="The inbox, by the same filters as its page")
def tickets(request: Request, wanted: Wanted) -> TicketPage:
    with house(request).ledger.read() as connection:
        return views.tickets(connection, wanted, request.state.session.user.id)


@router.get("/tickets/{number}", summary="One ticket with its history, reasons and deliveries")
def ticket(request: Request, number: Id) -> TicketDetail:
    with house(request).ledger.read() as connection:
        values = load(connection, number)
    return TicketDetail(**{name: values[name] for name in TicketDetail.model_fields})


@router.get("/review", summary="What waits for a person's decision, oldest first")
def waiting(request: Request, page: PageNumber) -> ReviewPage:
    with house(request).ledger.read() as connection:
        return review.waiting(connection, page)


@router.get("/customers", summary="Customers by name or identity")
def customers(request: Request, page: PageNumber, q: str = "") -> CustomerPage:
    with house(request).ledger.read() as connection:
        return views_people.customers(connection, typed(q)[:200], page)


@router.get("/customers/{customer_id}", summary="One customer with identities, tickets and timeline")
def customer(request: Request, customer_id: Id) -> CustomerDetail:
    with house(request).ledger.read() as connection:
        found = views_people.customer(connection, customer_id)
        if found is None:
            raise HTTPException(404, "There is no such customer.")
        return CustomerDetail(
            customer=found,
            tickets=views_people.tickets_of(connection, customer_id),
            timeline=views_people.timeline(connection, customer_id),
        )


@router.get("/flags", summary="Escalation flags, open ones first")
def flags(request: Request, page: PageNumber, state: str = "") -> FlagPage:
    with house(request).ledger.read() as connection:
        return views_flags.flags(connection, state if state in flag_pages.STATES else "", page)


@router.get("/flags/{flag_id}", summary="One flag with its series and samples")
def flag(request: Request, flag_id: Id) -> FlagDetail:
    with house(request).ledger.read() as connection:
        found = views_flags.flag(connection, flag_id)
        if found is None:
            raise HTTPException(404, "There is no such flag.")
        series = views_flags.series(connection, found, datetime.now(UTC))
        return FlagDetail(flag=found, series=series, samples=views_flags.samples(connection, found))


@router.get("/channels", summary="Health of each channel, counters of the last 24 hours")
def channels(request: Request) -> list[Channel]:
    with house(request).ledger.read() as connection:
        return views_health.channels(connection)


@router.get("/status", summary="Queues, workers, targets and dead letters")
def status(request: Request) -> Status:
    with house(request).ledger.read() as connection:
        return views_health.status(connection)
