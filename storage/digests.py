"""The work queue: a row per mention that waits for its verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, text

from domain.nouns import Author, Mention, Rating, Stored
from storage.ledger import one, rows
from storage.runs import Run

BATCH = 200
LEASE_SECONDS = 60
STARTS = 3  # a mention that was started three times and never finished is a dead letter


@dataclass(frozen=True, slots=True)
class Claimed:
    """Mentions one worker may judge now. `attempts` counts starts, this one included."""

    lease: str
    mentions: tuple[tuple[int, int, int], ...]  # mention id, version, attempts


def claim(connection: Connection, worker: str, *, suspects: bool = False) -> Claimed:
    """Take a batch, or one suspect (a mention that was started twice goes alone). Stamps attempt, worker and lease."""
    token = str(uuid4())
    taken = connection.execute(
        text(_CLAIM_SUSPECT if suspects else _CLAIM),
        {"lease": token, "worker": worker, "seconds": LEASE_SECONDS, "limit": 1 if suspects else BATCH},
    )
    return Claimed(token, tuple(sorted((r.mention_id, r.version, r.attempts) for r in taken)))


_CLAIM = """
UPDATE digests d SET attempts = d.attempts + 1, lease = CAST(:lease AS uuid), worker = :worker,
    lease_until = now() + make_interval(secs => :seconds)
FROM (SELECT mention_id FROM digests
    WHERE due <= now() AND (lease_until IS NULL OR lease_until < now()) AND attempts < 2
    ORDER BY mention_id LIMIT :limit FOR UPDATE SKIP LOCKED) c
WHERE d.mention_id = c.mention_id RETURNING d.mention_id, d.version, d.attempts
"""
_CLAIM_SUSPECT = _CLAIM.replace("attempts < 2", "attempts >= 2")


def give_back(connection: Connection, lease: str) -> None:
    """The database, not a mention, was the trouble: the start does not count."""
    connection.execute(
        text(
            "UPDATE digests SET attempts = greatest(attempts - 1, 0), lease = NULL, lease_until = NULL, worker = NULL "
            "WHERE lease = CAST(:lease AS uuid)"
        ),
        {"lease": lease},
    )


def put_off(connection: Connection, lease: str, mention_id: int, seconds: float, error: str) -> None:
    """One mention raised: try it again later, alone."""
    connection.execute(
        text(
            "UPDATE digests SET lease = NULL, lease_until = NULL, worker = NULL, error = :error, "
            "attempts = greatest(attempts, 2), due = now() + make_interval(secs => :seconds) "
            "WHERE lease = CAST(:lease AS uuid) AND mention_id = :id"
        ),
        {"lease": lease, "id": mention_id, "seconds": seconds, "error": error[:2000]},
    )


def bury(connection: Connection, run: Run, lease: str, mention_id: int, reason: str, error: str | None) -> None:
    """A mention stops for good: a dead letter, inspectable and retryable."""
    gone = connection.execute(
        text(
            "DELETE FROM digests WHERE lease = CAST(:lease AS uuid) AND mention_id = :id "
            "RETURNING version, coalesce(:error, error) AS error"
        ),
        {"lease": lease, "id": mention_id, "error": error},
    ).one_or_none()
    if gone is None:
        return
    connection.execute(
        text(
            "INSERT INTO dead_letters (kind, ref_id, version, reason, error) "
            "VALUES ('digest', :id, :version, :reason, :error)"
        ),
        {"id": mention_id, "version": gone.version, "reason": reason, "error": (gone.error or "")[:2000] or None},
    )
    run.dead += 1


def load(connection: Connection, ids: Sequence[int]) -> dict[int, Stored]:
    """The mentions to judge, with the topics their sightings found (unordered: configuration gives the order)."""
    found = rows(
        connection,
        "SELECT m.*, ARRAY(SELECT DISTINCT unnest(s.topics) FROM sightings s WHERE s.mention_id = m.id) AS topics, "
        "m.published < (SELECT min(c.since) FROM sightings s JOIN channels c ON c.id = s.channel_id "
        "WHERE s.mention_id = m.id) AS backfill, d.corrected FROM mentions m LEFT JOIN LATERAL (SELECT corrected FROM verdicts v WHERE v.mention_id = m.id "
        "AND corrected IS NOT NULL ORDER BY version DESC LIMIT 1) d ON m.version > 1 WHERE m.id = ANY(:ids)",
        ids=list(ids),
    )
    return {row["id"]: stored(row) for row in found}


def stored(row: Any) -> Stored:
    """A row of `mentions` (with topics) as the noun that travels."""
    author = None
    if row["author_id"] is not None:
        author = Author(
            row["author_id"], row["author_handle"] or "", row["author_name"] or "", row["author_url"], row["followers"]
        )
    rating = None
    if row["rating"] is not None:
        rating = Rating(row["rating"], row["rating_best"] or 5.0, row["rating_worst"] or 1.0)
    mention = Mention(
        platform=row["platform"],
        native_id=row["native_id"],
        published=row["published"],
        origin=row["origin"],
        kind=row["kind"],
        name=row["name"],
        content=row["content"],
        url=row["url"],
        language=row["language_hint"],
        updated=row["updated"],
        in_reply_to=row["in_reply_to"],
        context=row["context"],
        attributed_to=author,
        rating=rating,
        repost_of=row["repost_of"],
        flags=tuple(row["flags"]),
    )
    return Stored(row["id"], row["version"], mention, tuple(row["topics"]), bool(row["backfill"]))


def backlog(connection: Connection) -> tuple[int, datetime | None]:
    """(how many wait, since when the oldest does)."""
    row = connection.execute(text("SELECT count(*) AS n, min(queued_at) AS oldest FROM digests")).one()
    return row.n, row.oldest


def claimable(connection: Connection, limit: int = 1000) -> int:
    """How many could be claimed now, counted up to `limit`."""
    return int(
        one(
            connection,
            "SELECT count(*) FROM (SELECT 1 FROM digests WHERE due <= now() "
            "AND (lease_until IS NULL OR lease_until < now()) LIMIT :limit) q",
            limit=limit,
        )
    )
