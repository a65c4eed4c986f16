"""What the demo shows and compares: figures and ids of the ledger, per platform as the model town names them."""

from collections import defaultdict
from typing import Any

from sqlalchemy import Connection

from storage.ledger import one, rows


def progress(connection: Connection) -> Any:
    """One line's worth of figures."""
    return rows(
        connection,
        "SELECT (SELECT count(*) FROM mentions) AS mentions, (SELECT count(*) FROM verdicts) AS verdicts, "
        "(SELECT count(*) FROM tickets) AS tickets, (SELECT count(*) FROM customers) AS customers, "
        "(SELECT count(*) FROM escalations) AS flags, (SELECT count(*) FROM outbox) AS owed, "
        "(SELECT count(*) FROM outbox WHERE state = 'done') AS delivered",
    )[0]


def quiet(connection: Connection) -> bool:
    """Nothing is being read, waits for a verdict or is owed."""
    return not one(
        connection,
        "SELECT EXISTS (SELECT 1 FROM channels WHERE lease_until > now()) OR EXISTS (SELECT 1 FROM digests) "
        "OR EXISTS (SELECT 1 FROM outbox WHERE state NOT IN ('done', 'dead'))",
    )


def holdings(connection: Connection) -> dict[str, Any]:
    """Distinct ids and counts, by platform and by desk; feeds go by the town's word for them."""
    stored = defaultdict(list)
    for row in rows(connection, "SELECT platform, native_id FROM mentions"):
        stored[_town_name(row["platform"])].append(row["native_id"])
    rejected = rows(
        connection,
        "SELECT c.platform, count(*) AS n FROM rejects r JOIN channels c ON c.id = r.channel_id GROUP BY 1",
    )
    suppressed = rows(
        connection,
        "SELECT c.platform, sum(p.suppressed)::int AS n FROM page_counters p JOIN channels c ON c.id = p.channel_id "
        "GROUP BY 1",
    )
    deliveries = rows(
        connection,
        "SELECT target, count(*) AS owed, count(*) FILTER (WHERE state = 'done') AS done, "
        "count(*) FILTER (WHERE state = 'dead') AS dead, "
        "count(*) FILTER (WHERE state = 'done' AND kind = 'ticket.create') AS created, "
        "count(*) FILTER (WHERE state = 'done' AND kind = 'ticket.comment') AS comments FROM outbox GROUP BY 1",
    )
    return {
        "stored": stored,
        "rejected": {_town_name(row["platform"]): row["n"] for row in rejected},
        "suppressed": {_town_name(row["platform"]): row["n"] for row in suppressed},
        "deliveries": {
            row["target"]: {k: row[k] for k in ("owed", "done", "dead", "created", "comments")} for row in deliveries
        },
        "mentions": one(connection, "SELECT count(*) FROM mentions"),
        "tickets": one(connection, "SELECT count(*) FROM tickets"),
        "customers": one(connection, "SELECT count(*) FROM customers"),
        "flags": one(connection, "SELECT count(*) FROM escalations"),
    }


def _town_name(platform: str) -> str:
    return "feeds" if platform in ("feed", "web") else platform
