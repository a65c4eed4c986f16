"""Tickets after they were filed: what the clock does to them."""

from typing import Any

from sqlalchemy import Connection, text


def overdue(connection: Connection, limit: int = 500) -> list[dict[str, Any]]:
    """Mark tickets whose due time passed, once each; returns their ids and what was missed."""
    first = connection.execute(
        text(
            "UPDATE tickets SET breached_first = now(), version = version + 1 WHERE id IN (SELECT id FROM tickets "
            "WHERE status NOT IN ('resolved', 'closed') AND first_at IS NULL AND breached_first IS NULL "
            "AND first_due < now() ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED) RETURNING id"
        ),
        {"limit": limit},
    )
    late = [{"id": row.id, "what": "The first answer is overdue."} for row in first]
    resolve = connection.execute(
        text(
            "UPDATE tickets SET breached_resolve = now(), version = version + 1 WHERE id IN (SELECT id FROM tickets "
            "WHERE status NOT IN ('resolved', 'closed') AND breached_resolve IS NULL "
            "AND resolve_due < now() ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED) RETURNING id"
        ),
        {"limit": limit},
    )
    return late + [{"id": row.id, "what": "The resolution is overdue."} for row in resolve]
