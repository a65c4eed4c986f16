"""Figures about the whole: what runs, what waits and what is stuck."""

from typing import Any

from sqlalchemy import Connection

from storage.ledger import one, rows

_COUNTS = {
    "mentions": "SELECT count(*) FROM mentions",
    "tickets_open": "SELECT count(*) FROM tickets WHERE status NOT IN ('resolved', 'closed')",
    "in_review": "SELECT count(*) FROM verdicts WHERE outcome = 'review' AND corrected IS NULL",
    "flags_open": "SELECT count(*) FROM escalations WHERE state = 'open'",
    "dead": "SELECT count(*) FROM dead_letters WHERE state = 'open'",
    "rejected": "SELECT count(*) FROM rejects WHERE state = 'open'",
    "channels_failing": "SELECT count(*) FROM channels WHERE enabled AND error IS NOT NULL",
}


def counts(connection: Connection) -> dict[str, int]:
    """One number for each thing an operator asks first."""
    return {name: int(one(connection, query)) for name, query in _COUNTS.items()}


def targets(connection: Connection) -> list[dict[str, Any]]:
    """Desks and alert routes with their breakers."""
    found = rows(connection, "SELECT name, kind, enabled, failures, open_until, blocked FROM targets")
    return [dict(row) for row in found]


def receipt(connection: Connection, mention_id: int) -> Any | None:
    """The newest verdict of a mention with its receipt: outcome, reason, version, body (JSON)."""
    found = rows(
        connection,
        "SELECT v.outcome, v.reason, v.version, r.body FROM verdicts v JOIN receipts r USING (mention_id, version) "
        "WHERE mention_id = :id ORDER BY version DESC LIMIT 1",
        id=mention_id,
    )
    return found[0] if found else None
