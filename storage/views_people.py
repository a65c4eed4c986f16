"""Customers as pages show them: the list, one profile, and a timeline over all channels."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from storage.customer_names import CALLED
from storage.ledger import one, rows
from storage.together import Question, together
from storage.views import OPEN, PAGE, ROW, TicketRow
from storage.views_ticket import LATEST, POST, Post


@dataclass(frozen=True, slots=True)
class Identity:
    """An account or address of a customer, and how we know that it is theirs."""

    id: int
    kind: str
    platform: str
    native_id: str
    handle: str
    name: str
    url: str | None
    followers: int | None
    evidence: str
    confidence: float
    source: str
    verified: bool
    linked_at: datetime


@dataclass(frozen=True, slots=True)
class CustomerRow:
    id: int
    name: str
    tier: str
    vip: bool
    identities: int
    platforms: list[str]
    tickets: int
    open: int
    last: datetime | None


@dataclass(frozen=True, slots=True)
class CustomerPage:
    customers: list[CustomerRow]
    total: int
    page: int
    pages: int


@dataclass(frozen=True, slots=True)
class Customer:
    id: int
    name: str
    tier: str
    vip: bool
    attributes: dict[str, Any]
    source: str
    created_at: datetime
    identities: list[Identity]  # the first IDENTITIES of identity_count
    identity_count: int = 0
    merged_into: int | None = None


IDENTITIES = 200  # shown of one customer: a shared kiosk may have thousands

FEW, NEAR = 2000, 3000  # customers looked up one by one; places a list is walked to from the newest ticket


def customers(connection: Connection, q: str = "", page: int = 1) -> CustomerPage:
    """Customers whose name or an identity contains `q`, those with the latest ticket first."""
    where, values = (f"c.merged_into IS NULL AND {CALLED}", {"q": q}) if q else ("c.merged_into IS NULL", {})
    total = one(connection, f"SELECT count(*) FROM customers c WHERE {where}", **values)  # noqa: S608 constants
    pages = max(1, -(-total // PAGE))
    page = min(max(1, page), pages)
    place = {**values, "limit": PAGE, "offset": (page - 1) * PAGE}
    ids: list[int] = []
    if total > FEW and place["offset"] < NEAR:
        ids = [
            row["id"] for row in rows(connection, _WALKED.format(where=where, known=" IS TRUE" if q else ""), **place)
        ]
    if len(ids) < min(PAGE, total - place["offset"]):  # few, far down, or those without a ticket
        last = _ONE_BY_ONE if total <= FEW else _AT_ONCE
        ids = [row["id"] for row in rows(connection, _SORTED.format(where=where, last=last), **place)]
    found = {row["id"]: CustomerRow(**row) for row in rows(connection, _ROWS, ids=ids)}
    return CustomerPage([found[id_] for id_ in ids], total, page, pages)


# Ticket by ticket from the newest, each where it is its customer's last: as far as the page, whatever lies beyond. `known`: a
# condition IS TRUE is no join; the planner would rather join a few thousand of them, and sort all.
_WALKED = """SELECT t.customer_id AS id FROM tickets t WHERE (t.customer_id IN (SELECT c.id FROM customers c WHERE {where})){known}
    AND NOT EXISTS (SELECT 1 FROM tickets n WHERE n.customer_id = t.customer_id AND (n.opened_at, n.id) > (t.opened_at, t.id))
    ORDER BY t.opened_at DESC, t.customer_id DESC LIMIT :limit OFFSET :offset"""
_SORTED = """SELECT c.id FROM customers c LEFT JOIN {last} WHERE {where} ORDER BY t.last DESC NULLS LAST, c.id DESC LIMIT :limit OFFSET :offset"""
_ONE_BY_ONE = "LATERAL (SELECT max(t.opened_at) AS last FROM tickets t WHERE t.customer_id = c.id) t ON true"
_AT_ONCE = "(SELECT t.customer_id, max(t.opened_at) AS last FROM tickets t GROUP BY 1) t ON t.customer_id = c.id"
_ROWS = f"""SELECT c.id, c.name, c.tier, c.vip, t.last, t.n AS tickets, t.open,
    (SELECT count(*) FROM customer_identities ci WHERE ci.customer_id = c.id) AS identities,
    ARRAY(SELECT DISTINCT coalesce(nullif(i.platform, ''), i.kind) FROM customer_identities ci
        JOIN identities i ON i.id = ci.identity_id WHERE ci.customer_id = c.id ORDER BY 1) AS platforms
    FROM customers c CROSS JOIN LATERAL (SELECT max(t.opened_at) AS last, count(*) AS n, count(*) FILTER (WHERE {OPEN}) AS open
        FROM tickets t WHERE t.customer_id = c.id) t WHERE c.id = ANY(:ids)"""  # noqa: S608 a constant


def customer(connection: Connection, customer_id: int) -> Customer | None:
    return profile(**together(connection, **about(customer_id)))


def about(customer_id: int) -> dict[str, Question[list[Any]]]:
    """What `profile` is made of."""
    known = Question(
        "SELECT id, name, tier, vip, attributes, source, created_at, merged_into, (SELECT count(*) FROM customer_identities l "
        "WHERE l.customer_id = c.id) AS identity_count FROM customers c WHERE id = :id",
        {"id": customer_id},
        list,
    )
    identities = Question(
        """SELECT i.id, i.kind, i.platform, i.native_id, i.handle, i.name, i.url, i.followers, ci.evidence, ci.confidence,
            ci.source, ci.verified, ci.linked_at
        FROM customer_identities ci JOIN identities i ON i.id = ci.identity_id
        WHERE ci.customer_id = :id ORDER BY ci.linked_at, i.id LIMIT :limit""",
        {"id": customer_id, "limit": IDENTITIES},
        list,
    )
    return {"known": known, "identities": identities}


def profile(known: list[Any], identities: list[Any]) -> Customer | None:
    """None when there is no such customer."""
    return Customer(**known[0], identities=[Identity(**row) for row in identities]) if known else None


def timeline(customer_id: int, limit: int = 50) -> Question[list[Post]]:
    """The newest posts of all the customer's accounts, with what became of each."""
    return Question(
        f"""SELECT {POST}, t.number AS ticket, coalesce(v.corrected, v.outcome) AS outcome, v.reason
        FROM customer_identities ci JOIN identities i ON i.id = ci.identity_id AND i.kind = 'account'
        JOIN mentions m ON m.platform = i.platform AND m.author_id = i.native_id {LATEST}
        LEFT JOIN ticket_mentions tm ON tm.mention_id = m.id LEFT JOIN tickets t ON t.id = tm.ticket_id
        WHERE ci.customer_id = :id ORDER BY m.published DESC, m.id DESC LIMIT :limit""",  # noqa: S608 constants
        {"id": customer_id, "limit": limit},
        lambda found: [Post(**row) for row in found],
    )


def tickets_of(customer_id: int, limit: int = 50) -> Question[list[TicketRow]]:
    """A customer's tickets, newest first."""
    return Question(
        f"""SELECT {ROW}, NULL AS customer FROM tickets t LEFT JOIN users u ON u.id = t.assignee_id
        WHERE t.customer_id = :id ORDER BY t.opened_at DESC, t.id DESC LIMIT :limit""",  # noqa: S608 a constant
        {"id": customer_id, "limit": limit},
        lambda found: [TicketRow(**row) for row in found],
    )
