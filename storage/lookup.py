"""Who is calling: from an address, number or handle to the profile, before the call is picked up. Every query is one look into an index."""

from dataclasses import dataclass
from datetime import datetime
from itertools import starmap
from typing import Any

from sqlalchemy import Connection

from domain.customer_health import Contact, Health, judge
from domain.identity import Identity
from storage.ledger import one, rows
from storage.together import Question, ask

SHOWN = 5
WATCHED = 200  # newest contacts health is judged by


@dataclass(frozen=True, slots=True)
class Found:
    """A customer as a colleague needs them at once. `by`: the identities that led here. Lists hold the newest SHOWN."""

    customer: dict[str, Any]
    by: list[dict[str, Any]]
    tickets: list[dict[str, Any]]
    mentions: list[dict[str, Any]]
    interactions: list[dict[str, Any]]
    promises: list[dict[str, Any]]
    health: Health


def by_identity(connection: Connection, identity: Identity) -> list[int]:
    """Customers who go by this, at most ten: a handle without a platform may be several people's."""
    if identity.kind == "account" and not identity.platform:
        found = rows(
            connection,
            "SELECT DISTINCT l.customer_id FROM (SELECT id FROM identities WHERE lower(handle) = :h LIMIT 50) i "
            "JOIN customer_identities l ON l.identity_id = i.id ORDER BY 1 LIMIT 10",
            h=identity.handle,
        )
    else:
        found = rows(
            connection,
            "SELECT DISTINCT l.customer_id FROM (SELECT id FROM identities WHERE kind = :kind AND platform = :platform AND native_id = :n "
            "AND origin = '' UNION SELECT id FROM identities WHERE :kind = 'account' AND lower(handle) = :h AND platform = :platform) i "
            "JOIN customer_identities l ON l.identity_id = i.id ORDER BY 1 LIMIT 10",
            kind=identity.kind,
            platform=identity.platform,
            n=identity.native_id,
            h=identity.handle,
        )
    return [row["customer_id"] for row in found]


def show(
    connection: Connection, customer_id: int, now: datetime, by: list[dict[str, Any]] | None = None
) -> Found | None:
    """One customer at a glance; None when there is none."""
    return ask(connection, glance(customer_id, now, by))


def glance(customer_id: int, now: datetime, by: list[dict[str, Any]] | None = None) -> Question[Found | None]:
    values = {"id": customer_id, "n": WATCHED, "shown": SHOWN}
    return Question(_ALL, values, lambda found: _found(found, now, by or []))


def _found(found: list[Any], now: datetime, by: list[dict[str, Any]]) -> Found | None:
    if not found or found[0]["profile"] is None:
        return None
    row = found[0]["profile"]
    tickets, promises, mentions, touches = (found[0][name] for name in ("tickets", "promises", "mentions", "touches"))
    for told, name in [*((one_, "at") for one_ in (*mentions, *touches)), *((one_, "due") for one_ in promises)]:
        told[name] = datetime.fromisoformat(told[name])
    contacts = [
        *(
            Contact(m["at"], m["compound"], m["label"] == "negative" or m["intent"] in ("complaint", "risk", "cancel"))
            for m in mentions
        ),
        *(Contact(t["at"], t["compound"], t["label"] == "negative") for t in touches if t["direction"] == "in"),
    ]
    health = judge(
        contacts,
        now,
        row["tier"],
        _number(row["attributes"].get("lifetime_value")),
        any(t["priority"] == "urgent" for t in tickets),
    )
    return Found(row, by, tickets, mentions[:SHOWN], touches[:SHOWN], promises, health)


def history(customer_id: int | None) -> dict[str, Question[list[dict[str, Any]]]]:
    """The newest `mentions` and `interactions` of a customer, WATCHED of each; without one there are none."""
    values = {"id": customer_id, "n": WATCHED}
    asked = (("mentions", _MENTIONS), ("interactions", _TOUCHES))
    return {name: Question(sql, values, lambda found: [dict(row) for row in found]) for name, sql in asked}


def of_ticket(connection: Connection, number: int) -> tuple[int | None, str] | None:
    """(customer id, name) of a ticket; None when there is no such ticket. A ticket may have no customer."""
    found = rows(
        connection,
        "SELECT t.customer_id, c.name FROM tickets t LEFT JOIN customers c ON c.id = t.customer_id WHERE t.number = :n",
        n=number,
    )
    return (found[0]["customer_id"], found[0]["name"] or "") if found else None


def _number(value: Any) -> float | None:
    try:
        return float(str(value).replace(",", "")) if value not in (None, "") else None
    except ValueError:
        return None


def places(connection: Connection) -> int:
    """How many customers there are, as the planner believes: for benchmarks and pages that need no exact figure."""
    return int(one(connection, "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE relname = 'customers'") or 0)


# For each account the newest of its own index, then the newest of all: a crowd of identities costs a bounded look.
_MENTIONS = """
SELECT m.id, m.platform, m.url, left(m.content, 280) AS text, m.published AS at, v.label, v.compound, v.intent, t.number AS ticket
FROM (SELECT i.platform, i.origin, i.native_id FROM customer_identities l JOIN identities i ON i.id = l.identity_id
        WHERE l.customer_id = :id AND i.kind = 'account' AND i.native_id NOT LIKE '@%' ORDER BY i.id DESC LIMIT 200) a
CROSS JOIN LATERAL (SELECT * FROM mentions m WHERE m.author_id = a.native_id AND m.platform = a.platform AND m.origin = a.origin
    AND m.deleted_at IS NULL ORDER BY m.id DESC LIMIT :n) m
LEFT JOIN LATERAL (SELECT label, compound, intent FROM verdicts v WHERE v.mention_id = m.id ORDER BY v.version DESC LIMIT 1) v ON true
LEFT JOIN ticket_mentions x ON x.mention_id = m.id LEFT JOIN tickets t ON t.id = x.ticket_id
ORDER BY m.published DESC, m.id DESC LIMIT :n"""

_TOUCHES = """
SELECT q.id, q.kind, q.direction, q.happened_at AS at, q.subject, left(q.body, 280) AS text, q.label, q.compound FROM (
    (SELECT n.* FROM (SELECT identity_id FROM customer_identities WHERE customer_id = :id ORDER BY identity_id DESC LIMIT 200) l
        CROSS JOIN LATERAL (SELECT * FROM interactions n WHERE n.identity_id = l.identity_id ORDER BY n.happened_at DESC LIMIT :n) n)
    UNION ALL (SELECT * FROM interactions n WHERE n.customer_id = :id AND n.identity_id IS NULL ORDER BY happened_at DESC LIMIT :n)) q
ORDER BY q.happened_at DESC, q.id DESC LIMIT :n"""

_PROFILE = """SELECT id, name, tier, vip, attributes, source, created_at, (SELECT count(*) FROM customer_identities l
    WHERE l.customer_id = c.id) AS identities FROM customers c WHERE id = :id"""

_TICKETS = """SELECT number, subject, status, priority, team, topic, intent, opened_at, updated_at FROM tickets WHERE customer_id = :id
    AND status NOT IN ('resolved', 'closed') AND merged_into IS NULL ORDER BY updated_at DESC, id DESC LIMIT :shown"""

_PROMISES = """SELECT p.what, p.due, p.due < now() AS passed, t.number AS ticket FROM tickets t JOIN promises p ON p.ticket_id = t.id
    AND p.state = 'open' WHERE t.customer_id = :id ORDER BY p.due LIMIT :shown"""


def _list(select: str, name: str) -> str:
    return f"(SELECT coalesce(json_agg(q), '[]') FROM ({select}) q) AS {name}"  # noqa: S608 our own text


# One way to the database and back: on a busy host each costs more than all the looks together.
_PARTS = ((_TICKETS, "tickets"), (_PROMISES, "promises"), (_MENTIONS, "mentions"), (_TOUCHES, "touches"))
_ALL = f"SELECT (SELECT to_json(q) FROM ({_PROFILE}) q) AS profile, " + ", ".join(starmap(_list, _PARTS))  # noqa: S608
