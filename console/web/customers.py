"""Customers: the list, and one profile with its identities, tickets and timeline over all channels."""

from fastapi import APIRouter, HTTPException
from starlette.requests import Request
from starlette.responses import Response

from console.web.house import house
from console.web.pages import Id, PageNumber, page
from console.web.words import typed
from storage import views_people

router = APIRouter(include_in_schema=False)


@router.get("/customers")
def customers(request: Request, number: PageNumber, q: str = "") -> Response:
    q = typed(q).strip()[:200]
    with house(request).ledger.read() as connection:
        found = views_people.customers(connection, q, number)
    return page(request, "customers.html", found=found, q=q)


@router.get("/customers/{customer_id}")
def customer(request: Request, customer_id: Id) -> Response:
    with house(request).ledger.read() as connection:
        found = views_people.customer(connection, customer_id)
        if found is None:
            raise HTTPException(404, "There is no such customer.")
        timeline = views_people.timeline(connection, customer_id)
        tickets = views_people.tickets_of(connection, customer_id)
    return page(request, "customer.html", customer=found, timeline=timeline, tickets=tickets)
