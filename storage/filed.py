"""What was judged since the last look, by the runs that filed it.

Run ids are drawn when a transaction starts and seen when it commits, so they come out of order: the mark moves past an id only when its
run was seen, or is older than a digest's lease and so will never be.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from domain.urgency import Filed
from storage import suppress
from storage.ledger import rows

MARK = "watched_runs"
PATIENCE = timedelta(minutes=15)
RUNS = 1_000  # at one look; the rest at the next
PART = 2_000  # mentions read by one statement


def since_last(connection: Connection, now: datetime) -> list[int]:
    """Runs of the digest that were committed since the last call, at most `RUNS` at a look, and marks them as seen. The first call
    sees nothing old."""
    kept = rows(connection, "SELECT value FROM meta WHERE key = :k", k=MARK)
    if not kept:
        newest = rows(connection, "SELECT coalesce(max(id), 0) AS id FROM runs")[0]["id"]
        _mark(connection, newest, [])
        return []
    mark = json.loads(kept[0]["value"])
    low, seen = int(mark["low"]), set(mark["seen"])
    found = rows(
        connection, "SELECT id, kind, at FROM runs WHERE id > :low AND NOT id = ANY(:seen) ORDER BY id LIMIT :most",
        low=low, seen=sorted(seen), most=RUNS,
    )  # fmt: skip
    _move(connection, low, seen, found, now)
    return [row["id"] for row in found if row["kind"] == "digest"]


def mentions(connection: Connection, runs: Sequence[int]) -> Iterator[Filed]:
    """Negative or risky mentions judged by these runs, in order, a part at a time."""
    after = 0
    while runs and (part := _mentions(connection, runs, after)):
        yield from part
        after = part[-1].mention_id


def _move(connection: Connection, low: int, seen: set[int], found: list, now: datetime) -> None:  # type: ignore[type-arg]
    ids = [row["id"] for row in found]
    old = [row["id"] for row in found if row["at"] < now - PATIENCE]
    floor = max(old, default=low)
    known = {*seen, *ids}
    while low + 1 in known or low < floor:
        low += 1
    _mark(connection, low, sorted(i for i in {*seen, *ids} if i > low))


def _mark(connection: Connection, low: int, seen: list[int]) -> None:
    connection.execute(
        text("INSERT INTO meta (key, value) VALUES (:k, :v) ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value"),
        {"k": MARK, "v": json.dumps({"low": low, "seen": seen})},
    )


def _mentions(connection: Connection, runs: Sequence[int], after: int) -> list[Filed]:
    """Negative or risky ones with what is known of who wrote them. An erasure waits until what is made of them is committed."""
    suppress.share(connection)
    found = rows(
        connection,
        """WITH new AS (SELECT v.mention_id, v.topic, v.intent, v.label, v.identity_id FROM verdicts v
            WHERE v.run_id BETWEEN :low AND :high AND v.run_id = ANY(:runs) AND v.version = 1
            AND (v.label = 'negative' OR v.intent = 'risk') AND v.reason NOT IN ('own-account', 'repost', 'deleted')
            AND v.mention_id > :after ORDER BY v.mention_id LIMIT :most)
        SELECT m.id AS mention_id, n.topic, m.platform, m.url, coalesce(m.author_name, m.author_handle, '') AS author,
            left(m.name || ' ' || m.content, 280) AS text, m.published, n.intent, n.label,
            coalesce(i.followers, 0)::bigint AS followers, coalesce(c.vip, false) AS vip,
            h.complaints, h.pleased,
            EXISTS (SELECT 1 FROM tickets t WHERE t.customer_id = c.id AND t.status NOT IN ('resolved', 'closed')
                AND coalesce(t.breached_first, t.breached_resolve) IS NOT NULL) AS promise,
            NOT EXISTS (SELECT 1 FROM sightings s JOIN channels ch ON ch.id = s.channel_id
                WHERE s.mention_id = m.id AND ch.since <= m.published) AS backfill
        FROM new n JOIN mentions m ON m.id = n.mention_id AND m.deleted_at IS NULL
        LEFT JOIN identities i ON i.id = n.identity_id
        LEFT JOIN customer_identities ci ON ci.identity_id = n.identity_id LEFT JOIN customers c ON c.id = ci.customer_id
        CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE hv.label = 'negative' AND hm.published > m.published - interval '30 days')::int AS complaints,
                count(*) FILTER (WHERE hv.label = 'positive' AND hm.published > m.published - interval '90 days')::int AS pleased
            FROM mentions hm JOIN verdicts hv ON hv.mention_id = hm.id AND hv.version = hm.version
            WHERE hm.author_id = m.author_id AND hm.platform = m.platform AND hm.published <= m.published
            AND hv.reason NOT IN ('own-account', 'repost')) h
        ORDER BY m.id""",
        low=min(runs),
        high=max(runs),
        runs=list(runs),
        after=after,
        most=PART,
    )
    return [Filed(**row) for row in found]
