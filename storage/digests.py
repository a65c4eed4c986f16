"""The work queue: a row per mention that waits for its verdict."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, text

from domain.nouns import Author, Mention, Rating, Stored
from storage import bulk
from storage.keys import SHORT
from storage.ledger import one
from storage.page_in import PageCounts
from storage.runs import Run

BATCH = 1600  # what they share, some 45 statements, is by then no more than a twentieth of their filing
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
    values = {"lease": token, "worker": worker, "seconds": LEASE_SECONDS, "limit": 1 if suspects else BATCH}
    return Claimed(token, tuple(sorted(bulk.fetch(connection, _CLAIM_SUSPECT if suspects else _CLAIM, values))))


_CLAIM = """
UPDATE digests SET attempts = attempts + 1, lease = CAST(%(lease)s AS uuid), worker = %(worker)s,
    lease_until = now() + make_interval(secs => %(seconds)s)
WHERE mention_id = ANY(ARRAY(SELECT mention_id FROM digests
    WHERE due <= now() AND (lease_until IS NULL OR lease_until < now()) AND attempts < 2
    ORDER BY mention_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
RETURNING mention_id, version, attempts
"""
_CLAIM_SUSPECT = _CLAIM.replace("attempts < 2", "attempts >= 2")


def give_back(connection: Connection, lease: str) -> None:
    """The database, not a mention, was the trouble: the start does not count."""
    connection.execute(
        text(
            "UPDATE digests SET attempts = greatest(attempts - 1, 0), lease = NULL, lease_until = NULL, worker = NULL "
            "WHERE mention_id = ANY(ARRAY(SELECT mention_id FROM digests WHERE lease = CAST(:lease AS uuid) ORDER BY mention_id FOR UPDATE))"
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


# Each table is asked by its own key: a join lets the planner, who knows nothing of a young table, read it whole for every batch.
_LOAD = """
SELECT id, version, platform, native_id, published, origin, kind, name, content, url, language_hint, updated, in_reply_to,
    context, repost_of, flags, author_id, author_handle, author_name, author_url, followers, rating, rating_best, rating_worst, first_seen
FROM mentions WHERE id = ANY(%s)
"""
_SEEN = """
SELECT s.mention_id, s.topics, c.since FROM sightings s JOIN channels c ON c.id = s.channel_id WHERE s.mention_id = ANY(%s)
"""


def load(connection: Connection, ids: Sequence[int]) -> dict[int, Stored]:
    """The mentions to judge, with the topics their sightings found (unordered: configuration gives the order).

    Backfill is what was said before any of the channels that saw it was listening.
    """
    driver, wanted = bulk.raw(connection), (bulk.numbers(ids),)
    topics: dict[int, tuple[str, ...]] = {}
    since: dict[int, datetime] = {}
    for id_, found, began in driver.execute(_SEEN, wanted).fetchall():
        if id_ in topics:
            topics[id_] += tuple(topic for topic in found if topic not in topics[id_])
            since[id_] = min(since[id_], began)
        else:
            topics[id_], since[id_] = tuple(found), began
    loaded = {
        row[0]: Stored(
            row[0],
            row[1],
            _mention(row),
            topics.get(row[0], ()),
            row[0] in since and row[4] < since[row[0]],
            age=_age(row[4], row[-1]),
        )
        for row in driver.execute(_LOAD, wanted).fetchall()
    }
    for id_ in _settled(connection, [stored.id for stored in loaded.values() if stored.version > 1]):
        loaded[id_] = replace(loaded[id_], settled="ticket")
    return loaded


def remembered(page: PageCounts) -> list[Stored]:
    """What a page brought that is new, as `load` would read it, for whoever has just stored it; without what is written otherwise than it
    came (ids too long for a key)."""
    if page.since is None or page.at is None:
        return []
    return [
        Stored(
            id_,
            1,
            item.mention,
            item.topics,
            item.mention.published < page.since,
            age=_age(item.mention.published, page.at),
        )
        for id_, item in page.fresh
        if _as_written(item.mention)
    ]


def _as_written(mention: Mention) -> bool:
    author = mention.attributed_to
    return max(len(mention.native_id), len(mention.context), len(author.native_id) if author else 0) <= SHORT


def _age(published: datetime, seen: datetime) -> float:
    """Hours from publication to our first sight of it."""
    return max(0.0, round((seen - published).total_seconds() / 3600, 2))


def _settled(connection: Connection, ids: Sequence[int]) -> list[int]:
    """Which of these a person decided to be a ticket; an ignored one that was edited is judged anew."""
    if not ids:
        return []
    asked = "SELECT DISTINCT mention_id FROM verdicts WHERE mention_id = ANY(:ids) AND corrected = 'ticket'"
    return list(connection.execute(text(asked), {"ids": list(ids)}).scalars())


def _mention(row: Sequence[Any]) -> Mention:
    """A row of _LOAD as the noun that travels."""
    (_, _, platform, native_id, published, origin, kind, name, content, url, language, updated, reply, context, repost,
     flags, author_id, handle, called, home, followers, rating, best, worst, _) = row  # fmt: skip
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
        rating=None
        if rating is None
        else Rating(rating, 5.0 if best is None else best, 1.0 if worst is None else worst),
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
