"""Mentions out, one JSON-ready object each, in the order of their ids, so that what was stored can be held against any outside record."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, text

CHUNK = 1000

_MENTIONS = """
SELECT m.platform, m.origin, m.native_id, m.url, m.author_id, m.author_handle, m.author_name, m.name, m.content, m.published,
    m.in_reply_to, m.context, m.rating, m.rating_best, m.rating_worst, v.mention_id IS NOT NULL AS judged,
    coalesce(v.language, m.language_hint) AS language, v.label, v.compound, v.scorer,
    coalesce(v.corrected, v.outcome) AS outcome, t.number
FROM mentions m
LEFT JOIN verdicts v ON v.mention_id = m.id AND v.version = m.version
LEFT JOIN ticket_mentions l ON l.mention_id = m.id LEFT JOIN tickets t ON t.id = l.ticket_id
WHERE m.id > :after ORDER BY m.id
"""


def mentions(
    connection: Connection, withheld: frozenset[str] = frozenset(), after: int = 0
) -> Iterator[dict[str, Any]]:
    """Every mention, streamed from a server-side cursor. `withheld`: platforms whose terms keep the text in."""
    stream = connection.execute(text(_MENTIONS), {"after": after}, execution_options={"yield_per": CHUNK})
    for row in stream:
        yield _one(row, row.platform in withheld)


def count(connection: Connection, after: int = 0) -> int:
    """How many there will be."""
    return int(
        connection.execute(text("SELECT count(*) FROM mentions WHERE id > :after"), {"after": after}).scalar_one()
    )


def _one(row: Any, withhold: bool) -> dict[str, Any]:
    said = f"{row.name}\n{row.content}" if row.name and row.content else row.name or row.content
    author = None
    if row.author_id is not None:
        author = {"native_id": row.author_id, "handle": row.author_handle or "", "name": row.author_name or ""}
    rating = None
    if row.rating is not None:
        rating = {"value": row.rating, "best": row.rating_best, "worst": row.rating_worst}
    sentiment = {"label": row.label, "compound": row.compound, "scorer": row.scorer} if row.judged else None
    return {
        "platform": row.platform,
        "origin": row.origin,
        "native_id": row.native_id,
        "url": row.url,
        "author": author,
        "text": None if withhold else said,
        "published": row.published.isoformat(),
        "in_reply_to": row.in_reply_to,
        "context": row.context,
        "rating": rating,
        "language": row.language or None,
        "sentiment": sentiment,
        "outcome": row.outcome,
        "ticket": row.number,
    }


CUSTOMER = (
    "id",
    "name",
    "tier",
    "vip",
    "customer_number",
    "email",
    "phone",
    "order",
    "declared_handle",
    "source",
    "created_at",
    "tickets",
    "open_tickets",
)

_CUSTOMERS = """
SELECT c.id, c.name, c.tier, c.vip, c.attributes, c.source, c.created_at,
    (SELECT count(*) FROM tickets t WHERE t.customer_id = c.id) AS tickets,
    (SELECT count(*) FROM tickets t WHERE t.customer_id = c.id AND t.status NOT IN ('resolved', 'closed')) AS open_tickets,
    ARRAY(SELECT ARRAY[i.kind, i.platform, coalesce(nullif(i.handle, ''), i.native_id)] FROM customer_identities l
        JOIN identities i ON i.id = l.identity_id WHERE l.customer_id = c.id AND NOT i.platform = ANY(:withheld) ORDER BY i.id) AS identities
FROM customers c WHERE c.id > :after AND c.merged_into IS NULL ORDER BY c.id
"""


def customers(
    connection: Connection, withheld: frozenset[str] = frozenset(), after: int = 0
) -> Iterator[dict[str, Any]]:
    """Every customer in the columns an import reads, several values of one kind separated by a blank, then the attributes."""
    stream = connection.execute(
        text(_CUSTOMERS), {"after": after, "withheld": sorted(withheld)}, execution_options={"yield_per": CHUNK}
    )
    for row in stream:
        held: dict[str, list[str]] = {"number": [], "email": [], "phone": [], "order": [], "account": []}
        for kind, platform, value in row.identities:
            held[kind].append(f"{platform}:{value.removeprefix('@')}" if kind == "account" else value)
        yield {
            "id": row.id, "name": row.name, "tier": row.tier, "vip": "yes" if row.vip else "no",
            "customer_number": " ".join(held["number"]), "email": " ".join(held["email"]), "phone": " ".join(held["phone"]),
            "order": " ".join(held["order"]), "declared_handle": " ".join(held["account"]), "source": row.source,
            "created_at": row.created_at.isoformat(), "tickets": row.tickets, "open_tickets": row.open_tickets, "attributes": row.attributes,
        }  # fmt: skip


def attribute_names(connection: Connection) -> list[str]:
    """The attributes customers have, for the columns of a table."""
    statement = text("SELECT DISTINCT jsonb_object_keys(attributes) AS name FROM customers ORDER BY 1 LIMIT 500")
    return [row.name for row in connection.execute(statement) if row.name not in CUSTOMER]
