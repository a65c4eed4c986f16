"""Known customers: found by exact account, address or declared handle; shown, listed, brought in (storage/roll.py reads the CSV).

Nothing here guesses: a proposal from likeness is another page's work and a person's decision.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from storage import bulk
from storage.customer_names import CALLED
from storage.ledger import one, rows

Key = tuple[str, str, str]  # platform, origin, native id


@dataclass(frozen=True, slots=True)
class Who:
    """An author to look up. `link` is the platform's policy: may the account be matched with identifiers from elsewhere."""

    platform: str
    origin: str
    native_id: str
    handle: str = ""
    link: bool = True

    @property
    def key(self) -> Key:
        return self.platform, self.origin, self.native_id


@dataclass(frozen=True, slots=True)
class Match:
    """A customer this author certainly is, and how we know."""

    customer_id: int
    evidence: str
    confidence: float = 1.0


def match(connection: Connection, authors: Iterable[Who]) -> dict[Key, Match]:
    """Authors who are known customers. Where policy forbids linking, only a customer known on that platform alone is one.

    Exact account first, then an exact e-mail address (platforms whose ids are addresses), then a handle the customer declared.
    """
    asked = [
        {
            "p": who.platform,
            "o": who.origin,
            "n": who.native_id,
            "h": who.handle.removeprefix("@").lower(),
            "l": who.link,
        }
        for who in {who.key: who for who in authors}.values()
    ]
    found: dict[Key, Match] = {}
    for row in bulk.execute(connection, _MATCH, asked):
        found.setdefault((row.p, row.o, row.n), Match(row.customer_id, row.evidence))
    return found


# A declared handle is an identity without a native id ("@handle"); its origin is empty unless the import knew it.
# Lateral with OFFSET: one look into the index for each author, whatever the planner thinks of a young table.
_MATCH = """
WITH asked AS MATERIALIZED (
    SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r(p text, o text, n text, h text, l boolean)
), hits AS (
    SELECT a.*, i.id, 1 AS rank, 'known account' AS evidence FROM asked a, LATERAL (SELECT id FROM identities
        WHERE kind = 'account' AND platform = a.p AND origin = a.o AND native_id = a.n OFFSET 0) i
    UNION ALL
    SELECT a.*, i.id, 2, 'exact e-mail address' FROM asked a, LATERAL (SELECT id FROM identities
        WHERE kind = 'email' AND platform = '' AND origin = '' AND native_id = lower(a.n) AND mark = '' OFFSET 0) i WHERE a.n LIKE '%@%'
    UNION ALL
    SELECT a.*, i.id, 3, 'declared handle' FROM asked a, LATERAL (SELECT id FROM identities
        WHERE kind = 'account' AND platform = a.p AND origin IN ('', a.o) AND native_id = '@' || a.h AND mark = '' OFFSET 0) i
    WHERE a.h <> ''
)
SELECT h.p, h.o, h.n, c.customer_id, h.evidence FROM hits h JOIN customer_identities c ON c.identity_id = h.id
WHERE h.rank = 1 OR h.l OR NOT EXISTS (
    SELECT 1 FROM customer_identities x JOIN identities y ON y.id = x.identity_id
    WHERE x.customer_id = c.customer_id AND NOT (y.kind = 'account' AND y.platform = h.p))
ORDER BY h.p, h.o, h.n, h.rank, h.id
"""


def show(connection: Connection, customer_id: int) -> dict[str, Any] | None:
    """A customer with identities (at most 1,000; `identities_total` says how many there are) and tickets, or None."""
    found = rows(connection, "SELECT * FROM customers WHERE id = :id", id=customer_id)
    if not found:
        return None
    identities = rows(
        connection,
        "SELECT i.id, i.kind, i.platform, i.origin, i.native_id, i.handle, i.name, c.evidence, c.confidence, c.source, c.linked_at "
        "FROM customer_identities c JOIN identities i ON i.id = c.identity_id WHERE c.customer_id = :id "
        "ORDER BY i.kind, i.platform, i.id LIMIT 1000",
        id=customer_id,
    )
    tickets = rows(
        connection,
        "SELECT number, subject, status, priority, opened_at FROM tickets WHERE customer_id = :id ORDER BY number",
        id=customer_id,
    )
    total = (
        len(identities)
        if len(identities) < 1000
        else one(connection, "SELECT count(*) FROM customer_identities WHERE customer_id = :id", id=customer_id)
    )
    listed = {"identities": [dict(i) for i in identities], "identities_total": total}
    return {**found[0], **listed, "tickets": [dict(t) for t in tickets]}


def search(connection: Connection, wanted: str = "", limit: int = 50, after: int = 0) -> list[dict[str, Any]]:
    """Customers by id whose name or one of whose identities contains `wanted`."""
    found = rows(
        connection,
        "SELECT c.id, c.name, c.tier, c.vip, c.source, (SELECT string_agg(said, ', ' ORDER BY id) || CASE WHEN max(n) > 20 "  # noqa: S608 our own text
        "THEN ' and ' || (max(n) - 20) || ' more' ELSE '' END FROM (SELECT i.id, count(*) OVER () AS n, concat_ws(':', nullif(i.platform, ''), "
        "i.kind, coalesce(nullif(i.handle, ''), i.native_id)) AS said FROM customer_identities l JOIN identities i ON i.id = l.identity_id "
        "WHERE l.customer_id = c.id ORDER BY i.id LIMIT 20) few) AS identities, "
        "(SELECT count(*) FROM tickets t WHERE t.customer_id = c.id) AS tickets FROM customers c "
        f"WHERE c.id > :after AND c.merged_into IS NULL {f'AND {CALLED} ' if wanted else ''}ORDER BY c.id LIMIT :limit",
        **({"q": wanted} if wanted else {}),
        limit=limit,
        after=after,
    )
    return [dict(row) for row in found]


def owners(connection: Connection, keys: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], int | None]:
    """(kind, platform, native id) → customer id, None where the identity is known and belongs to nobody; missing: not known."""
    found = bulk.execute(
        connection,
        "SELECT i.kind, i.platform, i.native_id, c.customer_id FROM identities i "
        "JOIN json_to_recordset(CAST(:rows AS json)) AS r(k text, p text, n text) "
        "ON i.kind = r.k AND i.platform = r.p AND i.origin = '' AND i.native_id = r.n "
        "LEFT JOIN customer_identities c ON c.identity_id = i.id",
        [{"k": kind, "p": platform, "n": native_id} for kind, platform, native_id in sorted(set(keys))],
    )
    return {(row.kind, row.platform, row.native_id): row.customer_id for row in found}


def lock(connection: Connection) -> None:
    """One import at a time: two of the same file at once would make each customer twice."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('customers import'))"))
