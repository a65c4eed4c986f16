"""Mentions come in: page by page, each in one transaction, several in the same where they come quickly.

Order of locks, the same in every process: the channel's row, then mentions in key order, then everything that hangs on them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b, sha256
from operator import attrgetter, itemgetter
from typing import Any

from sqlalchemy import Connection, text

from domain.nouns import Mention
from storage import bulk, erase, runs, suppress
from storage.channels import LEASE_SECONDS
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
    paused: bool = False  # somebody paused the channel meanwhile: no further page

    @property
    def queued(self) -> int:
        return self.new + self.edited + self.deleted


def content_hash(mention: Mention) -> int:
    """63 bits over what an edit can change."""
    rating = "" if mention.rating is None else repr(mention.rating.value)
    raw = f"{mention.kind}\0{mention.name}\0{mention.content}\0{rating}".encode(errors="replace")
    return int.from_bytes(blake2b(raw, digest_size=8).digest(), "big") >> 1


Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Arrival:
    """An item on its way in, with the id and the counts of the page that brought it."""

    item: Found
    page_id: int
    counts: PageCounts


def store_page(connection: Connection, secret: bytes, page: PageIn) -> PageCounts:
    """As store_pages, for one."""
    return store_pages(connection, secret, [page])[0]


def store_pages(connection: Connection, secret: bytes, pages: Sequence[PageIn]) -> list[PageCounts]:
    """Store pages that follow each other in a channel's walk, each whole: mentions, sightings, rejects, gaps, counters of its
    own and the channel's next state. Raises LeaseLost."""
    ids, seq, paused = _advance(connection, pages)
    counts = [PageCounts(returned=len(page.found) + len(page.rejected), paused=paused) for page in pages]
    arrived = [
        _Arrival(item, id_, count) for page, id_, count in zip(pages, ids, counts, strict=True) for item in page.found
    ]
    blocked = suppress.find(connection, secret, [arrival.item.mention for arrival in arrived])
    waiting = []
    for arrival, hit in zip(arrived, blocked, strict=True):
        if hit:
            arrival.counts.suppressed += 1
        else:
            waiting.append((_key(arrival.item.mention), arrival))
    while waiting:  # an id twice in a walk: the first is stored, the second goes by the rule for edits
        now: dict[Key, _Arrival] = {}
        later = [pair for pair in waiting if now.setdefault(*pair) is not pair[1]]
        _store(connection, pages[0].channel_id, now)
        waiting = later
    for page, id_, count in zip(pages, ids, counts, strict=True):
        _reject(connection, page, id_, count)
        _gaps(connection, page, id_, count)
    _count(connection, pages, ids, seq, counts)
    return counts


def _advance(connection: Connection, pages: Sequence[PageIn]) -> tuple[list[int], int, bool]:
    """The channel's next state, fenced by the lease, which begins anew; takes the ERASURE lock too. A cut page leaves the
    position where it is. Returns the pages' ids, the last one's number in the channel, and whether somebody paused the channel."""
    last, whole = pages[-1], [page for page in pages if page.complete]
    values = {
        "id": last.channel_id,
        "n": len(pages),
        "erasure": ERASURE,
        "seconds": LEASE_SECONDS,
        "lease": last.lease,
        "state": bulk.dumps(whole[-1].state) if whole else None,
        "complete": bool(whole),
        "not_before": last.not_before,
        "observed": bulk.dumps({name: value for page in pages for name, value in page.observed.items()}),
        "items": any(page.found for page in pages),
    }
    found = bulk.fetch(connection, _ADVANCE, values)
    if not found:
        raise LeaseLost(f"channel {last.channel_id}")
    ids, seq, paused = found[0]
    return ids, seq, paused


_ADVANCE = """
WITH drawn AS MATERIALIZED (SELECT nextval('page_counters_id_seq') AS id FROM generate_series(1, %(n)s)),
pages AS MATERIALIZED (SELECT array_agg(id ORDER BY id) AS ids, sum(id) AS sum, count(*) AS n FROM drawn),
locked AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(%(erasure)s))
UPDATE channels c SET seq = seq + pages.n, page_sum = page_sum + pages.sum, state_version = state_version + 1,
    lease_until = now() + make_interval(secs => %(seconds)s),
    state = coalesce(CAST(%(state)s AS jsonb), state),
    not_before = %(not_before)s, observed = observed || CAST(%(observed)s AS jsonb), last_poll_at = now(),
    last_success_at = CASE WHEN %(complete)s THEN now() ELSE last_success_at END,
    last_item_at = CASE WHEN %(items)s THEN now() ELSE last_item_at END,
    failures = CASE WHEN %(complete)s THEN 0 ELSE failures END,
    error = CASE WHEN %(complete)s THEN NULL ELSE error END,
    error_kind = CASE WHEN %(complete)s THEN NULL ELSE error_kind END,
    advice = CASE WHEN %(complete)s THEN NULL ELSE advice END
FROM pages, locked WHERE c.id = %(id)s AND lease = CAST(%(lease)s AS uuid) AND lease_until > now()
RETURNING pages.ids, seq, paused_at IS NOT NULL AS paused
"""


def _key(mention: Mention) -> Key:
    return mention.platform, mention.origin, native(mention.native_id)


def _row(id_: int, key: Key, arrival: _Arrival) -> tuple[Any, ...]:
    """A mention as its table holds it, in the order of _COLUMNS."""
    mention = arrival.item.mention
    author, rating = mention.attributed_to, mention.rating
    who = (native(author.native_id), author.handle, author.name, author.url, author.followers) if author else _NOBODY
    return (
        id_,
        *key,
        mention.kind,
        mention.url,
        mention.name,
        mention.content,
        mention.language,
        mention.published,
        mention.published_raw,
        mention.updated,
        mention.in_reply_to,
        native(mention.context or mention.native_id),
        *who,
        *((rating.value, rating.best, rating.worst) if rating else _UNRATED),
        mention.repost_of,
        bulk.dumps(mention.metrics) if mention.metrics else None,
        bulk.array(mention.flags) if mention.flags else "{}",
        content_hash(mention),
        mention.published if mention.deleted else None,
        arrival.page_id,
    )


_NOBODY = (None,) * 5
_UNRATED = (None,) * 3
_COLUMNS = (
    "id, platform, origin, native_id, kind, url, name, content, language_hint, published, published_raw, updated, "
    "in_reply_to, context, author_id, author_handle, author_name, author_url, followers, rating, rating_best, "
    "rating_worst, repost_of, metrics, flags, content_hash, deleted_at, page_id"
)
_MARKS = ", ".join(["%s"] * (_COLUMNS.count(",") + 1))

_PROBE = """
SELECT native_id FROM mentions WHERE platform = %s AND origin = %s AND native_id = ANY(%s)
"""

_KNOWN = """
SELECT m.id, m.platform, m.origin, m.native_id, m.version, m.content_hash, m.deleted_at IS NOT NULL AS deleted,
    ARRAY(SELECT DISTINCT unnest(s.topics) FROM sightings s WHERE s.mention_id = m.id) AS topics
FROM mentions m JOIN json_to_recordset(CAST(:rows AS json)) AS r(platform text, origin text, native_id text)
    USING (platform, origin, native_id)
ORDER BY m.platform, m.origin, m.native_id
FOR UPDATE OF m
"""


def _store(connection: Connection, channel_id: int, items: Mapping[Key, _Arrival]) -> None:
    """Distinct items: new ones in, known ones compared."""
    known = _probe(connection, items)
    # a deleted post we never saw has no text left to match
    fresh = {
        key: arrival
        for key, arrival in sorted(items.items(), key=_by_key)
        if key not in known and arrival.item.topics and not arrival.item.mention.deleted
    }
    new = _insert(connection, fresh)
    sightings, payloads, queue = [], [], []
    for key, id_ in new.items():
        arrival = fresh[key]
        counts = arrival.counts
        counts.new += 1
        counts.sightings += 1
        counts.sighting_sum += id_
        counts.mention_sum += mention_proof(id_, *key)
        sightings.append((id_, channel_id, _topics(arrival.item.topics), arrival.page_id))
        payloads.append((id_, 1, arrival.item.payload))
        queue.append((id_, 1))
    bulk.copy(connection, "sightings (mention_id, channel_id, topics, page_id)", sightings)
    bulk.copy(connection, "payloads (mention_id, version, body)", payloads)
    bulk.copy(connection, "digests (mention_id, version)", queue)
    _seen_before(connection, channel_id, {key: arrival for key, arrival in items.items() if key not in new})


_by_key = itemgetter(0)
_topics = lru_cache(maxsize=1024)(bulk.array)


def _probe(connection: Connection, keys: Iterable[Key]) -> set[Key]:
    """Which of them are stored already; without locks, so one may be stored by somebody else a moment later."""
    places: dict[tuple[str, str], list[str]] = {}
    for platform, origin, id_ in keys:
        places.setdefault((platform, origin), []).append(id_)
    return {
        (platform, origin, id_)
        for (platform, origin), ids in places.items()
        for (id_,) in bulk.fetch(connection, _PROBE, (platform, origin, bulk.array(ids)))
    }


def _insert(connection: Connection, fresh: Mapping[Key, _Arrival]) -> dict[Key, int]:
    """Write new mentions, in key order; what somebody else stored meanwhile is left out. Returns key → id."""
    if not fresh:
        return {}
    ids = runs.ids(connection, "mentions", len(fresh))
    rows = [_row(id_, key, arrival) for id_, (key, arrival) in zip(ids, fresh.items(), strict=True)]
    if bulk.copied(connection, f"mentions ({_COLUMNS})", rows):
        return dict(zip(fresh, ids, strict=True))
    return _insert_rest(connection, rows)


def _insert_rest(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> dict[Key, int]:
    """As _insert, for when two channels found the same at once."""
    new = {}
    insert = f"INSERT INTO mentions ({_COLUMNS}) VALUES ({_MARKS}) ON CONFLICT DO NOTHING"  # noqa: S608
    with bulk.raw(connection).cursor() as cursor:
        for row in rows:
            if cursor.execute(insert, row).rowcount:
                new[row[1], row[2], row[3]] = row[0]
    return new


def _seen_before(connection: Connection, channel_id: int, items: Mapping[Key, _Arrival]) -> None:
    """Items that were stored before, and items nobody asked for."""
    asked = [{"platform": key[0], "origin": key[1], "native_id": key[2]} for key in sorted(items)]
    known = {(r.platform, r.origin, r.native_id): r for r in bulk.execute(connection, _KNOWN, asked)}
    for key, arrival in items.items():
        arrival.counts.not_matching += key not in known
    sightings, queue, payloads = [], [], []
    for key, old in known.items():
        item, counts = items[key].item, items[key].counts
        if item.topics and not item.mention.deleted:
            sightings.append({"mention_id": old.id, "topics": list(item.topics), "page_id": items[key].page_id})
        version = _change(connection, items[key].page_id, old, item, counts)
        if version:
            queue.append({"mention_id": old.id, "version": version})
            if not item.mention.deleted:
                payloads.append({"mention_id": old.id, "version": version, "body": item.payload})
    by_id = {old.id: items[key].counts for key, old in known.items()}
    _sight(connection, channel_id, sightings, by_id)
    bulk.execute(connection, _PAYLOADS, payloads)
    bulk.execute(connection, _QUEUE, sorted(queue, key=lambda row: row["mention_id"]))


def _change(connection: Connection, page_id: int, old: Any, item: Found, counts: PageCounts) -> int | None:
    """What a known mention's new sighting changes: the version to judge, or None. A deleted post never comes back."""
    if old.deleted:
        counts.known += 1
        return None
    if item.mention.deleted:
        counts.deleted += 1
        erase.forget_posts(connection, [old.id])
        connection.execute(text("UPDATE mentions SET version = version + 1 WHERE id = :id"), {"id": old.id})
        return int(old.version) + 1
    if old.content_hash != content_hash(item.mention):
        counts.edited += 1
        connection.execute(text(_VERSION), {"id": old.id, "page_id": page_id})
        connection.execute(text(_EDIT), {"id": old.id, **_edited(item.mention)})
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

_EDIT = """
UPDATE mentions SET kind = :kind, name = :name, content = :content, rating = :rating, url = :url,
    updated = coalesce(CAST(:updated AS timestamptz), now()), content_hash = :content_hash, metrics = :metrics,
    flags = :flags, version = version + 1
WHERE id = :id
"""


def _edited(mention: Mention) -> dict[str, Any]:
    """What an edit may change."""
    return {
        "kind": mention.kind,
        "name": mention.name,
        "content": mention.content,
        "rating": mention.rating.value if mention.rating else None,
        "url": mention.url,
        "updated": mention.updated,
        "content_hash": content_hash(mention),
        "metrics": bulk.dumps(mention.metrics) if mention.metrics else None,
        "flags": list(mention.flags),
    }


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
SELECT mention_id, :channel_id, topics, page_id
FROM json_to_recordset(CAST(:rows AS json)) AS r(mention_id bigint, topics text[], page_id bigint)
ORDER BY mention_id
ON CONFLICT (mention_id, channel_id) DO UPDATE
    SET topics = ARRAY(SELECT DISTINCT unnest(s.topics || EXCLUDED.topics))
    WHERE NOT s.topics @> EXCLUDED.topics
RETURNING mention_id, xmax = 0 AS fresh
"""


def _sight(
    connection: Connection, channel_id: int, rows: list[dict[str, Any]], counts: Mapping[int, PageCounts]
) -> None:
    rows.sort(key=lambda row: row["mention_id"])
    for seen in bulk.execute(connection, _SIGHT, rows, channel_id=channel_id):
        if seen.fresh:
            counts[seen.mention_id].sightings += 1
            counts[seen.mention_id].sighting_sum += seen.mention_id


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


_COUNTED = tuple(name for name in PageCounts.__dataclass_fields__ if name != "paused")
_counted = attrgetter(*_COUNTED)


def _count(
    connection: Connection, pages: Sequence[PageIn], ids: Sequence[int], seq: int, counts: Sequence[PageCounts]
) -> None:
    """A row of counters for each page; `seq` is the last one's number."""
    rows = [
        (
            id_,
            page.channel_id,
            seq - len(pages) + n,
            "page" if page.complete else "cut",
            page.bytes,
            page.ms,
            "; ".join(page.warnings)[:2000] or None,
            *_counted(count),
        )
        for n, (page, id_, count) in enumerate(zip(pages, ids, counts, strict=True), 1)
    ]
    bulk.copy(
        connection, f"page_counters (id, channel_id, seq, outcome, bytes, ms, detail, {', '.join(_COUNTED)})", rows
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
