"""Customers as pages show them: the list, one profile, and a timeline over all channels."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from storage.ledger import one, rows
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

SEARCH = """(c.name ILIKE :like OR EXISTS (SELECT 1 FROM customer_identities ci JOIN identities i ON i.id = ci.identity_id
    WHERE ci.customer_id = c.id AND (i.handle ILIKE :like OR i.native_id ILIKE :like OR i.name ILIKE :like)))"""


def customers(connection: Connection, q: str = "", page: int = 1) -> CustomerPage:
    """Customers whose name or an identity contains `q`, those with the latest ticket first."""
    like = "%" + q.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    where = f"c.merged_into IS NULL AND {SEARCH}" if q else "c.merged_into IS NULL"
    values = {"like": like} if q else {}
    total = one(connection, f"SELECT count(*) FROM customers c WHERE {where}", **values)  # noqa: S608 constants
    pages = max(1, -(-total // PAGE))
    page = min(max(1, page), pages)
    found = rows(
        connection,
        f"""SELECT c.id, c.name, c.tier, c.vip, t.last, coalesce(t.n, 0) AS tickets, coalesce(t.open, 0) AS open,
            (SELECT count(*) FROM customer_identities ci WHERE ci.customer_id = c.id) AS identities,
            ARRAY(SELECT DISTINCT coalesce(nullif(i.platform, ''), i.kind) FROM customer_identities ci
                JOIN identities i ON i.id = ci.identity_id WHERE ci.customer_id = c.id ORDER BY 1) AS platforms
        FROM customers c LEFT JOIN (SELECT t.customer_id, max(t.opened_at) AS last, count(*) AS n,
            count(*) FILTER (WHERE {OPEN}) AS open FROM tickets t GROUP BY 1) t ON t.customer_id = c.id
        WHERE {where} ORDER BY t.last DESC NULLS LAST, c.id DESC LIMIT :limit OFFSET :offset""",  # noqa: S608 constants
        **values,
        limit=PAGE,
        offset=(page - 1) * PAGE,
    )
    return CustomerPage([CustomerRow(**row) for row in found], total, page, pages)


def customer(connection: Connection, customer_id: int) -> Customer | None:
    found = rows(
        connection,
        "SELECT id, name, tier, vip, attributes, source, created_at, merged_into, (SELECT count(*) FROM customer_identities l "
        "WHERE l.customer_id = c.id) AS identity_count FROM customers c WHERE id = :id",
        id=customer_id,
    )
    if not found:
        return None
    identities = rows(
        connection,
        """SELECT i.id, i.kind, i.platform, i.native_id, i.handle, i.name, i.url, i.followers, ci.evidence, ci.confidence,
            ci.source, ci.verified, ci.linked_at
        FROM customer_identities ci JOIN identities i ON i.id = ci.identity_id
        WHERE ci.customer_id = :id ORDER BY ci.linked_at, i.id LIMIT :limit""",
        id=customer_id,
        limit=IDENTITIES,
    )
    return Customer(**found[0], identities=[Identity(**row) for row in identities])


def timeline(connection: Connection, customer_id: int, limit: int = 50) -> list[Post]:
    """The newest posts of all the customer's accounts, with what became of each."""
    found = rows(
        connection,
        f"""SELECT {POST}, t.number AS ticket, coalesce(v.corrected, v.outcome) AS outcome, v.reason
        FROM customer_identities ci JOIN identities i ON i.id = ci.identity_id AND i.kind = 'account'
        JOIN mentions m ON m.platform = i.platform AND m.author_id = i.native_id {LATEST}
        LEFT JOIN ticket_mentions tm ON tm.mention_id = m.id LEFT JOIN tickets t ON t.id = tm.ticket_id
        WHERE ci.customer_id = :id ORDER BY m.published DESC, m.id DESC LIMIT :limit""",  # noqa: S608 constants
        id=customer_id,
        limit=limit,
    )
    return [Post(**row) for row in found]


def tickets_of(connection: Connection, customer_id: int, limit: int = 50) -> list[TicketRow]:
    """A customer's tickets, newest first."""
    found = rows(
        connection,
        f"""SELECT {ROW}, NULL AS customer FROM tickets t LEFT JOIN users u ON u.id = t.assignee_id
        WHERE t.customer_id = :id ORDER BY t.opened_at DESC, t.id DESC LIMIT :limit""",  # noqa: S608 a constant
        id=customer_id,
        limit=limit,
    )
    return [TicketRow(**row) for row in found]
