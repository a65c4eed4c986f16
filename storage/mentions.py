"""Mentions come in: page by page, each in one transaction, several in the same where they come quickly.

Order of locks, the same in every process: the channel's row, then mentions in key order, then everything that hangs on them.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection

from domain.nouns import Mention
from storage import bulk, runs, suppress
from storage.channels import LEASE_SECONDS
from storage.keys import mention_proof, native
from storage.page_books import counted, gaps, rejects
from storage.page_in import Arrival, Key, LeaseLost, PageCounts, PageIn
from storage.seen_again import content_hash, seen_before
from storage.suppress import ERASURE


def store_page(connection: Connection, secret: bytes, page: PageIn) -> PageCounts:
    """As store_pages, for one."""
    return store_pages(connection, secret, [page])[0]


def store_pages(connection: Connection, secret: bytes, pages: Sequence[PageIn]) -> list[PageCounts]:
    """Store pages that follow each other in a channel's walk, each whole: mentions, sightings, rejects, gaps, counters of its
    own and the channel's next state. Raises LeaseLost."""
    ids, seq, paused, since, at = _advance(connection, pages)
    counts = [PageCounts(len(page.found) + len(page.rejected), paused=paused, since=since, at=at) for page in pages]
    arrived = [
        Arrival(item, id_, count) for page, id_, count in zip(pages, ids, counts, strict=True) for item in page.found
    ]
    blocked = suppress.find(connection, secret, [arrival.item.mention for arrival in arrived])
    waiting = []
    for arrival, hit in zip(arrived, blocked, strict=True):
        if hit:
            arrival.counts.suppressed += 1
        else:
            waiting.append((_key(arrival.item.mention), arrival))
    while waiting:  # an id twice in a walk: the first is stored, the second goes by the rule for edits
        now: dict[Key, Arrival] = {}
        later = [pair for pair in waiting if now.setdefault(*pair) is not pair[1]]
        _store(connection, pages[0].channel_id, now)
        waiting = later
    for page, id_, count in zip(pages, ids, counts, strict=True):
        rejects(connection, page, id_, count)
        gaps(connection, page, id_, count)
    counted(connection, pages, ids, seq, counts)
    return counts


def _advance(connection: Connection, pages: Sequence[PageIn]) -> tuple[list[int], int, bool, datetime, datetime]:
    """The channel's next state, fenced by the lease, which begins anew; takes the ERASURE lock too. A cut page leaves the
    position where it is. Returns the pages' ids, the last one's number in the channel, whether somebody paused the channel, since when
    it is read, and the time of the transaction."""
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
    ids, seq, paused, since, at = found[0]
    return ids, seq, paused, since, at


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
RETURNING pages.ids, seq, paused_at IS NOT NULL AS paused, since, now()
"""


def _key(mention: Mention) -> Key:
    return mention.platform, mention.origin, native(mention.native_id)


def _row(id_: int, key: Key, arrival: Arrival) -> tuple[Any, ...]:
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


def _store(connection: Connection, channel_id: int, items: Mapping[Key, Arrival]) -> None:
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
        counts.fresh.append((id_, arrival.item))
    bulk.copy(connection, "sightings (mention_id, channel_id, topics, page_id)", sightings)
    bulk.copy(connection, "payloads (mention_id, version, body)", payloads)
    bulk.copy(connection, "digests (mention_id, version)", queue)
    seen_before(connection, channel_id, {key: arrival for key, arrival in items.items() if key not in new})


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


def _insert(connection: Connection, fresh: Mapping[Key, Arrival]) -> dict[Key, int]:
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
