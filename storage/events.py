"""The log of what happened, taken as a queue: claimed, worked off and marked done in one transaction.

Rows are written by triggers (migration 0005) in the transaction of what they tell, so that none is lost and none is early. Whatever an
event leads to is written in the transaction that marks it done: it happens once, however often a worker dies.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from storage import bulk
from storage.ledger import one, rows

BATCH = 200
TRIES = 5


@dataclass(frozen=True, slots=True)
class Happened:
    """One event, taken."""

    id: int
    kind: str
    subject: str
    subject_id: int
    body: Mapping[str, Any]
    depth: int
    cause: int | None
    at: datetime | None = None


def take(connection: Connection, limit: int = BATCH, only: int | None = None) -> list[Happened]:
    """Events that wait, in order, locked until this transaction ends. One that failed before is taken alone (`only`)."""
    found = rows(
        connection,
        "SELECT id, kind, subject, subject_id, body, depth, cause, at FROM events WHERE done_at IS NULL "
        "AND (attempts = 0 AND CAST(:only AS bigint) IS NULL OR id = :only) ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED",
        limit=limit,
        only=only,
    )
    return [Happened(**row) for row in found]


def suspects(connection: Connection, limit: int = 50) -> list[int]:
    """Events that failed before and are to be tried again, each in a transaction of its own."""
    found = rows(
        connection,
        "SELECT id FROM events WHERE done_at IS NULL AND attempts > 0 ORDER BY id LIMIT :limit",
        limit=limit,
    )
    return [row["id"] for row in found]


def finish(connection: Connection, ids: Sequence[int]) -> None:
    connection.execute(text("UPDATE events SET done_at = now(), error = NULL WHERE id = ANY(:ids)"), {"ids": list(ids)})


def failed(connection: Connection, ids: Sequence[int], error: str) -> list[int]:
    """Count a failure; those that failed too often are given up, a dead letter each. Returns the ids given up."""
    found = rows(
        connection,
        "UPDATE events SET attempts = attempts + 1, error = :error, done_at = CASE WHEN attempts + 1 >= :tries THEN now() END "
        "WHERE id = ANY(:ids) RETURNING id, done_at",
        ids=list(ids),
        error=error[:2000],
        tries=TRIES,
    )
    given_up = [row["id"] for row in found if row["done_at"]]
    connection.execute(
        text(
            "INSERT INTO dead_letters (kind, ref_id, reason, error) SELECT 'event', id, 'working it off raised an error each time', "
            ":error FROM unnest(CAST(:ids AS bigint[])) AS e(id)"
        ),
        {"ids": given_up, "error": error[:2000]},
    )
    return given_up


def again(connection: Connection, id_: int) -> bool:
    """Work an event off anew, that was given up."""
    return bool(
        one(
            connection,
            "UPDATE events SET attempts = 0, error = NULL, done_at = NULL WHERE id = :id AND error IS NOT NULL RETURNING 1",
            id=id_,
        )
    )


def waiting(connection: Connection) -> bool:
    return bool(one(connection, "SELECT 1 FROM events WHERE done_at IS NULL LIMIT 1"))


def emit(connection: Connection, made: Sequence[Mapping[str, Any]]) -> int:
    """Note what no row of its own tells (kind, subject, subject_id, and body, key): once per key. Returns how many were new."""
    if not made:
        return 0
    found = bulk.execute(
        connection,
        """INSERT INTO events (kind, subject, subject_id, body, key, depth, cause, xid)
        SELECT kind, subject, subject_id, coalesce(body, '{}'), key,
            coalesce(CAST(nullif(current_setting('earmark.depth', true), '') AS smallint), 0),
            CAST(nullif(current_setting('earmark.cause', true), '') AS bigint), CAST(CAST(pg_current_xact_id() AS text) AS bigint)
        FROM json_to_recordset(CAST(:rows AS json)) AS r(kind text, subject text, subject_id bigint, body jsonb, key text)
        ORDER BY key, subject_id ON CONFLICT (key) WHERE key IS NOT NULL DO NOTHING RETURNING id""",
        list(made),
    )
    if found:
        connection.execute(text("SELECT pg_notify('earmark', 'work')"))
    return len(found)


def caused_by(connection: Connection, depth: int, run: int | None) -> None:
    """What this transaction writes from here on was done by an automation (0, None: no longer)."""
    connection.execute(
        text("SELECT set_config('earmark.depth', :depth, true), set_config('earmark.cause', :cause, true)"),
        {"depth": str(depth) if depth else "", "cause": str(run) if run else ""},
    )


def purge(connection: Connection, days: int, limit: int = 20_000) -> int:
    """Forget events that were done so long ago, the oldest first, at most `limit` at a time."""
    return connection.execute(
        text(
            "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE id < coalesce((SELECT min(id) FROM events "
            "WHERE done_at IS NULL), 9223372036854775807) ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED) AND done_at IS NOT NULL "
            "AND at < now() - make_interval(days => :days)"
        ),
        {"limit": limit, "days": days},
    ).rowcount


def recent(connection: Connection, kind: str = "", failed_only: bool = False, limit: int = 50) -> list[dict[str, Any]]:
    """What happened last, newest first."""
    found = rows(
        connection,
        "SELECT id, kind, subject, subject_id, body, depth, cause, at, done_at, attempts, error FROM events "
        "WHERE (:kind = '' OR kind LIKE replace(:kind, '*', '%')) AND (NOT :failed OR error IS NOT NULL) ORDER BY id DESC LIMIT :limit",
        kind=kind,
        failed=failed_only,
        limit=limit,
    )
    return [dict(row) for row in found]


def facts(connection: Connection, happened: Sequence[Happened]) -> dict[int, dict[str, Any]]:
    """event id → what conditions and texts may name: of its ticket, its customer, and what its sender said."""
    tickets = _by_id(connection, _TICKETS, [e.subject_id for e in happened if e.subject == "ticket"])
    interactions = _by_id(connection, _INTERACTIONS, [e.subject_id for e in happened if e.subject == "interaction"])
    customers = _by_id(connection, _CUSTOMERS, [e.subject_id for e in happened if e.subject == "customer"])
    made: dict[int, dict[str, Any]] = {}
    for event in happened:
        known = {"ticket": tickets, "interaction": interactions, "customer": customers}.get(event.subject, {})
        row = dict(known.get(event.subject_id, {}))
        row.pop("id", None)
        data = row.pop("data", None) or {}
        plain = {name: value for name, value in data.items() if isinstance(value, str | int | float | bool)}
        made[event.id] = {**plain, **event.body, **row, "event": event.kind}
    return made


def tickets(connection: Connection, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """ticket id → its facts."""
    return {id_: dict(row) for id_, row in _by_id(connection, _TICKETS, ids).items()}


def _by_id(connection: Connection, sql: str, ids: Sequence[int]) -> dict[int, Any]:
    return {row["id"]: row for row in rows(connection, sql, ids=bulk.unique(ids))} if ids else {}


# The first post of each ticket is found first: asked for one by one, a planner who does not know the young tables reads them whole.
_TICKETS = """WITH first AS MATERIALIZED (
        SELECT ticket_id, min(mention_id) AS mention_id FROM ticket_mentions WHERE ticket_id = ANY(:ids) GROUP BY ticket_id)
    SELECT t.id, t.number, t.status, t.priority, t.team, t.topic, t.intent, t.platform, t.label AS sentiment, t.tags AS tag,
    t.subject, t.customer_id, c.name AS customer, c.tier, c.vip, t.assignee_id,
    (SELECT v.language FROM verdicts v WHERE v.mention_id = f.mention_id ORDER BY v.version DESC LIMIT 1) AS language
    FROM tickets t LEFT JOIN first f ON f.ticket_id = t.id LEFT JOIN customers c ON c.id = t.customer_id WHERE t.id = ANY(:ids)"""

_INTERACTIONS = """SELECT i.id, i.kind, i.direction, i.subject, i.url AS page, i.label AS sentiment, i.source, i.data,
    coalesce(l.customer_id, i.customer_id) AS customer_id, c.name AS customer, c.tier, c.vip, i.identity_id
    FROM interactions i LEFT JOIN customer_identities l ON l.identity_id = i.identity_id
    LEFT JOIN customers c ON c.id = coalesce(l.customer_id, i.customer_id) WHERE i.id = ANY(:ids)"""

_CUSTOMERS = (
    "SELECT c.id, c.id AS customer_id, c.name AS customer, c.tier, c.vip FROM customers c WHERE c.id = ANY(:ids)"
)
