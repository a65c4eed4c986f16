"""Mentions come in: one page, one transaction.

Order of locks, the same in every process: the channel's row, then mentions in key order, then everything that hangs on them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b, sha256
from typing import Any

from sqlalchemy import Connection, text

from domain.nouns import Mention
from storage import bulk, erase, suppress
from storage.keys import mention_proof, native, reject_proof
from storage.suppress import ERASURE


class LeaseLost(Exception):
    """Another worker owns this channel now: nothing of this page is stored here; its owner reads it again."""


@dataclass(frozen=True, slots=True)
class Found:
    """An item that could be read, with the topics it matches and its raw form."""

    mention: Mention
    topics: tuple[str, ...]
    payload: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """An item that could not be read."""

    reason: str
    payload: str
    native_id: str | None = None

    @property
    def item_hash(self) -> bytes:
        return sha256(self.payload.encode()).digest()


@dataclass(frozen=True, slots=True)
class PageIn:
    """What is known of one page before its transaction."""

    channel_id: int
    lease: str
    state: dict[str, Any]
    found: Sequence[Found]
    rejected: Sequence[Rejected]
    gaps: Sequence[tuple[datetime | None, datetime | None, str]] = ()
    complete: bool = True
    done: bool = True
    not_before: datetime | None = None
    observed: dict[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    bytes: int = 0
    ms: int = 0


@dataclass(slots=True)
class PageCounts:
    """Where each item of the page went; the seven add up to `returned`."""

    returned: int = 0
    new: int = 0
    edited: int = 0
    deleted: int = 0
    known: int = 0
    not_matching: int = 0
    suppressed: int = 0
    rejected: int = 0
    sightings: int = 0
    gaps: int = 0
    mention_sum: int = 0
    sighting_sum: int = 0
    reject_sum: int = 0
    gap_sum: int = 0

    @property
    def queued(self) -> int:
        return self.new + self.edited + self.deleted


def content_hash(mention: Mention) -> int:
    """63 bits over what an edit can change."""
    rating = "" if mention.rating is None else repr(mention.rating.value)
    raw = f"{mention.kind}\0{mention.name}\0{mention.content}\0{rating}".encode(errors="replace")
    return int.from_bytes(blake2b(raw, digest_size=8).digest(), "big") >> 1


def store_page(connection: Connection, secret: bytes, page: PageIn) -> PageCounts:
    """Store a page whole: mentions, sightings, rejects, gaps, counters and the channel's next state. Raises LeaseLost."""
    page_id = connection.execute(text("SELECT nextval('page_counters_id_seq')")).scalar_one()
    seq = _advance(connection, page, page_id)
    connection.execute(text("SELECT pg_advisory_xact_lock_shared(:k)"), {"k": ERASURE})
    counts = PageCounts(returned=len(page.found) + len(page.rejected))
    blocked = suppress.find(connection, secret, [item.mention for item in page.found])
    counts.suppressed = sum(blocked)
    waiting = [item for item, hit in zip(page.found, blocked, strict=True) if not hit]
    while waiting:  # an id twice in one page: the first is stored, the second goes by the rule for edits
        seen: set[tuple[str, str, str]] = set()
        now, later = [], []
        for item in waiting:
            key = (item.mention.platform, item.mention.origin, native(item.mention.native_id))
            (later if key in seen else now).append(item)
            seen.add(key)
        _store(connection, page, page_id, now, counts)
        waiting = later
    _reject(connection, page, page_id, counts)
    _gaps(connection, page, page_id, counts)
    outcome = "page" if page.complete else "cut"
    _count(connection, page, page_id, seq, counts, outcome, "; ".join(page.warnings)[:2000] or None)
    return counts


def _advance(connection: Connection, page: PageIn, page_id: int) -> int:
    """The channel's next state, fenced by the lease. A cut page leaves the position where it is."""
    values = {
        "id": page.channel_id,
        "page_id": page_id,
        "lease": page.lease,
        "state": bulk.dumps(page.state),
        "complete": page.complete,
        "not_before": page.not_before,
        "observed": bulk.dumps(page.observed),
        "items": bool(page.found),
    }
    seq = connection.execute(text(_ADVANCE), values).scalar()
    if seq is None:
        raise LeaseLost(f"channel {page.channel_id}")
    return int(seq)


_ADVANCE = """
UPDATE channels SET seq = seq + 1, page_sum = page_sum + :page_id, state_version = state_version + 1,
    state = CASE WHEN :complete THEN CAST(:state AS jsonb) ELSE state END,
    not_before = :not_before, observed = observed || CAST(:observed AS jsonb), last_poll_at = now(),
    last_success_at = CASE WHEN :complete THEN now() ELSE last_success_at END,
    last_item_at = CASE WHEN :items THEN now() ELSE last_item_at END,
    failures = CASE WHEN :complete THEN 0 ELSE failures END,
    error = CASE WHEN :complete THEN NULL ELSE error END,
    error_kind = CASE WHEN :complete THEN NULL ELSE error_kind END,
    advice = CASE WHEN :complete THEN NULL ELSE advice END
WHERE id = :id AND lease = CAST(:lease AS uuid) AND lease_until > now()
RETURNING seq
"""


def _row(item: Found) -> dict[str, Any]:
    mention, author, rating = item.mention, item.mention.attributed_to, item.mention.rating
    key = native(mention.native_id)
    return {
        "platform": mention.platform,
        "origin": mention.origin,
        "native_id": key,
        "kind": mention.kind,
        "url": mention.url,
        "name": mention.name,
        "content": mention.content,
        "language_hint": mention.language,
        "published": mention.published,
        "published_raw": mention.published_raw,
        "updated": mention.updated,
        "in_reply_to": mention.in_reply_to,
        "context": native(mention.context or mention.native_id),
        "author_id": native(author.native_id) if author else None,
        "author_handle": author.handle if author else None,
        "author_name": author.name if author else None,
        "author_url": author.url if author else None,
        "followers": author.followers if author else None,
        "rating": rating.value if rating else None,
        "rating_best": rating.best if rating else None,
        "rating_worst": rating.worst if rating else None,
        "repost_of": mention.repost_of,
        "metrics": bulk.dumps(dict(mention.metrics)) if mention.metrics else None,
        "flags": list(mention.flags),
        "content_hash": content_hash(mention),
        "deleted_at": mention.published if mention.deleted else None,
    }


_COLUMNS = (
    "platform, origin, native_id, kind, url, name, content, language_hint, published, published_raw, updated, "
    "in_reply_to, context, author_id, author_handle, author_name, author_url, followers, rating, rating_best, "
    "rating_worst, repost_of, metrics, flags, content_hash, deleted_at"
)
_TYPES = (
    "platform text, origin text, native_id text, kind text, url text, name text, content text, language_hint text, "
    "published timestamptz, published_raw text, updated timestamptz, in_reply_to text, context text, author_id text, "
    "author_handle text, author_name text, author_url text, followers bigint, rating float8, rating_best float8, "
    "rating_worst float8, repost_of text, metrics text, flags text[], content_hash bigint, deleted_at timestamptz"
)

_INSERT = f"""
INSERT INTO mentions ({_COLUMNS}, page_id)
SELECT {_COLUMNS}, :page_id FROM json_to_recordset(CAST(:rows AS json)) AS r({_TYPES})
ORDER BY platform, origin, native_id
ON CONFLICT (platform, origin, native_id) DO NOTHING
RETURNING id, platform, origin, native_id
"""  # noqa: S608 our own column names

_KNOWN = """
SELECT m.id, m.platform, m.origin, m.native_id, m.version, m.content_hash, m.deleted_at IS NOT NULL AS deleted,
    ARRAY(SELECT DISTINCT unnest(s.topics) FROM sightings s WHERE s.mention_id = m.id) AS topics
FROM mentions m JOIN json_to_recordset(CAST(:rows AS json)) AS r(platform text, origin text, native_id text)
    USING (platform, origin, native_id)
ORDER BY m.platform, m.origin, m.native_id
FOR UPDATE OF m
"""


def _store(connection: Connection, page: PageIn, page_id: int, items: Sequence[Found], counts: PageCounts) -> None:
    """Distinct items: new ones in, known ones compared."""
    by_key: dict[tuple[str, str, str], tuple[Found, dict[str, Any]]] = {}
    for item in items:
        row = _row(item)
        by_key[row["platform"], row["origin"], row["native_id"]] = (item, row)
    # a deleted post we never saw has no text left to match
    matching = [row for item, row in by_key.values() if item.topics and not item.mention.deleted]
    new = {
        (r.platform, r.origin, r.native_id): r.id for r in bulk.execute(connection, _INSERT, matching, page_id=page_id)
    }
    asked = [{"platform": key[0], "origin": key[1], "native_id": key[2]} for key in sorted(by_key) if key not in new]
    known = {(r.platform, r.origin, r.native_id): r for r in bulk.execute(connection, _KNOWN, asked)}
    counts.not_matching += len(asked) - len(known)

    sightings = [{"mention_id": new[key], "topics": list(by_key[key][0].topics)} for key in sorted(new)]
    queue = [{"mention_id": id_, "version": 1} for id_ in sorted(new.values())]
    payloads = [{"mention_id": id_, "version": 1, "body": by_key[key][0].payload} for key, id_ in new.items()]
    counts.new += len(new)
    counts.mention_sum += sum(mention_proof(id_, *key) for key, id_ in new.items())
    for key, old in known.items():
        item, row = by_key[key]
        if item.topics and not item.mention.deleted:
            sightings.append({"mention_id": old.id, "topics": list(item.topics)})
        version = _change(connection, page_id, old, item, row, counts)
        if version:
            queue.append({"mention_id": old.id, "version": version})
            if not item.mention.deleted:
                payloads.append({"mention_id": old.id, "version": version, "body": item.payload})
    _sight(connection, page, page_id, sightings, counts)
    bulk.execute(connection, _PAYLOADS, payloads)
    bulk.execute(connection, _QUEUE, sorted(queue, key=lambda row: row["mention_id"]))


def _change(
    connection: Connection, page_id: int, old: Any, item: Found, row: dict[str, Any], counts: PageCounts
) -> int | None:
    """What a known mention's new sighting changes: the version to judge, or None. A deleted post never comes back."""
    if old.deleted:
        counts.known += 1
        return None
    if item.mention.deleted:
        counts.deleted += 1
        erase.forget_posts(connection, [old.id])
        connection.execute(text("UPDATE mentions SET version = version + 1 WHERE id = :id"), {"id": old.id})
        return int(old.version) + 1
    if old.content_hash != row["content_hash"]:
        counts.edited += 1
        connection.execute(text(_VERSION), {"id": old.id, "page_id": page_id})
        bulk.execute(connection, _EDIT, [row], id=old.id)
        return int(old.version) + 1
    counts.known += 1
    if set(item.topics) - set(old.topics):  # found for one more topic: judged and counted anew
        connection.execute(text("UPDATE mentions SET version = version + 1 WHERE id = :id"), {"id": old.id})
        return int(old.version) + 1
    return None


_VERSION = """
INSERT INTO versions (mention_id, version, name, content, rating, content_hash, page_id)
SELECT id, version, name, content, rating, content_hash, :page_id FROM mentions WHERE id = :id
"""

_EDIT = f"""
UPDATE mentions m SET kind = r.kind, name = r.name, content = r.content, rating = r.rating, url = r.url,
    updated = coalesce(r.updated, now()), content_hash = r.content_hash, metrics = r.metrics, flags = r.flags,
    version = version + 1
FROM json_to_recordset(CAST(:rows AS json)) AS r({_TYPES}) WHERE m.id = :id
"""  # noqa: S608 our own column names

_QUEUE = """
INSERT INTO digests (mention_id, version)
SELECT mention_id, version FROM json_to_recordset(CAST(:rows AS json)) AS r(mention_id bigint, version int)
ORDER BY mention_id
ON CONFLICT (mention_id) DO UPDATE SET version = EXCLUDED.version, attempts = 0, due = now(), lease = NULL,
    lease_until = NULL, worker = NULL, error = NULL
"""

_PAYLOADS = """
INSERT INTO payloads (mention_id, version, body)
SELECT mention_id, version, body
FROM json_to_recordset(CAST(:rows AS json)) AS r(mention_id bigint, version int, body text)
ON CONFLICT DO NOTHING
"""

_SIGHT = """
INSERT INTO sightings AS s (mention_id, channel_id, topics, page_id)
SELECT mention_id, :channel_id, topics, :page_id
FROM json_to_recordset(CAST(:rows AS json)) AS r(mention_id bigint, topics text[])
ORDER BY mention_id
ON CONFLICT (mention_id, channel_id) DO UPDATE
    SET topics = ARRAY(SELECT DISTINCT unnest(s.topics || EXCLUDED.topics))
    WHERE NOT s.topics @> EXCLUDED.topics
RETURNING mention_id, xmax = 0 AS fresh
"""


def _sight(connection: Connection, page: PageIn, page_id: int, rows: list[dict[str, Any]], counts: PageCounts) -> None:
    rows.sort(key=lambda row: row["mention_id"])
    for seen in bulk.execute(connection, _SIGHT, rows, channel_id=page.channel_id, page_id=page_id):
        if seen.fresh:
            counts.sightings += 1
            counts.sighting_sum += seen.mention_id


def _reject(connection: Connection, page: PageIn, page_id: int, counts: PageCounts) -> None:
    """An item that cannot be read is kept once, however often its page is read again."""
    rows = {item.item_hash.hex(): item for item in page.rejected}
    stored = bulk.execute(
        connection,
        """INSERT INTO rejects (channel_id, page_id, item_hash, native_id, reason, payload)
        SELECT :channel_id, :page_id, decode(hash, 'hex'), native_id, reason, payload
        FROM json_to_recordset(CAST(:rows AS json)) AS r(hash text, native_id text, reason text, payload text)
        ORDER BY hash ON CONFLICT DO NOTHING RETURNING id, item_hash""",
        [
            {"hash": hash_, "native_id": item.native_id, "reason": item.reason, "payload": item.payload}
            for hash_, item in rows.items()
        ],
        channel_id=page.channel_id,
        page_id=page_id,
    )
    counts.rejected += len(stored)
    counts.reject_sum += sum(reject_proof(row.id, bytes(row.item_hash)) for row in stored)
    counts.known += len(page.rejected) - len(stored)


def _gaps(connection: Connection, page: PageIn, page_id: int, counts: PageCounts) -> None:
    for since, until, reason in page.gaps:
        counts.gaps += 1
        counts.gap_sum += connection.execute(
            text(
                "INSERT INTO gaps (channel_id, page_id, since, until, reason) "
                "VALUES (:channel, :page, :since, coalesce(CAST(:until AS timestamptz), now()), :reason) RETURNING id"
            ),
            {"channel": page.channel_id, "page": page_id, "since": since, "until": until, "reason": reason},
        ).scalar_one()
    if page.complete and page.done:  # the walk is whole again: what a failing channel left open is read by now
        connection.execute(
            text("UPDATE gaps SET until = now(), filled_at = now() WHERE channel_id = :channel AND until IS NULL"),
            {"channel": page.channel_id},
        )


def _count(
    connection: Connection,
    page: PageIn,
    page_id: int,
    seq: int,
    counts: PageCounts,
    outcome: str,
    detail: str | None,
) -> None:
    values = {name: getattr(counts, name) for name in PageCounts.__dataclass_fields__}
    connection.execute(
        text(
            "INSERT INTO page_counters (id, channel_id, seq, outcome, returned, new, edited, deleted, known, "
            "not_matching, suppressed, rejected, sightings, gaps, mention_sum, sighting_sum, reject_sum, gap_sum, bytes, ms, detail) "
            "OVERRIDING SYSTEM VALUE VALUES (:id, :channel_id, :seq, :outcome, :returned, :new, :edited, :deleted, "
            ":known, :not_matching, :suppressed, :rejected, :sightings, :gaps, :mention_sum, :sighting_sum, "
            ":reject_sum, :gap_sum, :bytes, "
            ":ms, :detail)"
        ),
        {
            "id": page_id,
            "channel_id": page.channel_id,
            "seq": seq,
            "outcome": outcome,
            "bytes": page.bytes,
            "ms": page.ms,
            "detail": detail,
            **values,
        },
    )


def fail_page(
    connection: Connection,
    channel_id: int,
    lease: str,
    *,
    kind: str,
    message: str,
    advice: str,
    not_before: datetime | None,
    state: dict[str, Any] | None = None,
    counts_as_failure: bool = True,
    ms: int = 0,
) -> None:
    """A request that brought nothing: counted as a page of its own, with an open gap from the last success on.

    Being asked to wait is no failure (`counts_as_failure=False`): no gap, no breaker. Raises LeaseLost.
    """
    page_id = connection.execute(text("SELECT nextval('page_counters_id_seq')")).scalar_one()
    channel = connection.execute(
        text(
            "UPDATE channels SET seq = seq + 1, page_sum = page_sum + :page, failures = failures + :failed, error = :message, error_kind = :kind, "
            "advice = :advice, error_at = now(), last_poll_at = now(), not_before = :not_before, "
            "state = coalesce(CAST(:state AS jsonb), state), state_version = state_version + 1 "
            "WHERE id = :id AND lease = CAST(:lease AS uuid) RETURNING seq, last_success_at, since"
        ),
        {
            "id": channel_id,
            "page": page_id,
            "lease": lease,
            "failed": int(counts_as_failure),
            "message": message,
            "kind": kind,
            "advice": advice or None,
            "not_before": not_before,
            "state": None if state is None else json.dumps(state),
        },
    ).one_or_none()
    if channel is None:
        raise LeaseLost(f"channel {channel_id}")
    opened = None
    if counts_as_failure:
        opened = connection.execute(
            text(
                "INSERT INTO gaps (channel_id, page_id, since, until, reason) SELECT :channel, :page, "
                "coalesce(CAST(:since AS timestamptz), now()), NULL, :reason "
                "WHERE NOT EXISTS (SELECT 1 FROM gaps WHERE channel_id = :channel AND until IS NULL) RETURNING id"
            ),
            {
                "channel": channel_id,
                "page": page_id,
                "since": channel.last_success_at,
                "reason": f"{kind}: {message}"[:500],
            },
        ).scalar()
    connection.execute(
        text(
            "INSERT INTO page_counters (id, channel_id, seq, outcome, gaps, gap_sum, ms, detail) OVERRIDING SYSTEM VALUE "
            "VALUES (:id, :channel, :seq, 'failed', :gaps, :gap_sum, :ms, :detail)"
        ),
        {
            "id": page_id,
            "channel": channel_id,
            "seq": channel.seq,
            "gaps": int(opened is not None),
            "gap_sum": opened or 0,
            "ms": ms,
            "detail": f"{kind}: {message}"[:2000],
        },
    )
