"""The work queue: a row per mention that waits for its verdict."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, text

from domain.nouns import Author, Mention, Rating, Stored
from storage import bulk
from storage.ledger import one
from storage.runs import Run

BATCH = 400
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


_LOAD = """
SELECT m.id, m.version, m.platform, m.native_id, m.published, m.origin, m.kind, m.name, m.content, m.url, m.language_hint,
    m.updated, m.in_reply_to, m.context, m.repost_of, m.flags, m.author_id, m.author_handle, m.author_name, m.author_url,
    m.followers, m.rating, m.rating_best, m.rating_worst, s.topics, m.published < c.since
FROM mentions m LEFT JOIN sightings s ON s.mention_id = m.id LEFT JOIN channels c ON c.id = s.channel_id
WHERE m.id = ANY(%s)
"""


def load(connection: Connection, ids: Sequence[int]) -> dict[int, Stored]:
    """The mentions to judge, with the topics their sightings found (unordered: configuration gives the order).

    Backfill is what was said before any of the channels that saw it was listening.
    """
    found: dict[int, Stored] = {}
    for row in bulk.raw(connection).execute(_LOAD, (list(ids),)):
        before = found.get(row[0])
        topics, backfill = tuple(row[24] or ()), bool(row[25])
        if before is None:
            found[row[0]] = Stored(row[0], row[1], _mention(row), topics, backfill)
        else:
            more = tuple(topic for topic in topics if topic not in before.topics)
            found[row[0]] = replace(before, topics=before.topics + more, backfill=before.backfill and backfill)
    return found


def _mention(row: Sequence[Any]) -> Mention:
    """The first columns of _LOAD as the noun that travels."""
    (_, _, platform, native_id, published, origin, kind, name, content, url, language, updated, reply, context, repost,
     flags, author_id, handle, called, home, followers, rating, best, worst, *_) = row  # fmt: skip
    return Mention(
        platform=platform,
        native_id=native_id,
        published=published,
        origin=origin,
        kind=kind,
        name=name,
        content=content,
        url=url,
        language=language,
        updated=updated,
        in_reply_to=reply,
        context=context,
        attributed_to=None if author_id is None else Author(author_id, handle or "", called or "", home, followers),
        rating=None if rating is None else Rating(rating, best or 5.0, worst or 1.0),
        repost_of=repost,
        flags=tuple(flags),
    )


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
