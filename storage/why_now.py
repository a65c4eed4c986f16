"""Why a ticket is worked on now, in one line: the rule that opened it, in which version, and what it saw."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from storage.ledger import rows


@dataclass(frozen=True, slots=True)
class WhyNow:
    """`mention`: whose receipt says so, 0 where a person or a flag opened it."""

    mention: int
    rule: str
    version: str
    said: str


def lines(connection: Connection, ticket_ids: Sequence[int]) -> dict[int, WhyNow]:
    """ticket id → its line: of the first post that asked for a ticket; without one, what its first entry says."""
    if not ticket_ids:
        return {}
    found = rows(
        connection,
        """SELECT t.id, coalesce(w.mention_id, 0) AS mention, coalesce(w.rule, '') AS rule, coalesce(w.version, '') AS version,
            coalesce(w.said, (SELECT e.body FROM entries e WHERE e.ticket_id = t.id AND e.body <> '' AND e.kind IN ('system', 'status', 'automation')
                ORDER BY e.id LIMIT 1), '') AS said
        FROM unnest(CAST(:ids AS bigint[])) t(id) LEFT JOIN LATERAL (
            SELECT l.mention_id, coalesce(b.body #>> '{rule,name}', b.body ->> 'rule', v.reason) AS rule,
                coalesce(b.body #>> '{versions,rules}', '') AS version, coalesce(b.body #>> '{reasons,0}', v.reason) AS said
            FROM ticket_mentions l JOIN verdicts v ON v.mention_id = l.mention_id AND v.outcome = 'ticket'
            LEFT JOIN receipts r ON r.mention_id = v.mention_id AND r.version = v.version
            CROSS JOIN LATERAL (SELECT CAST(r.body AS jsonb) AS body) b
            WHERE l.ticket_id = t.id ORDER BY l.mention_id, v.version LIMIT 1) w ON true""",
        ids=list(ticket_ids),
    )
    return {row["id"]: WhyNow(row["mention"], row["rule"], row["version"], row["said"]) for row in found}
