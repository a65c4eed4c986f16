"""Items that were stored before: what an edit, a deletion or one more topic changes. A version to judge goes to the queue."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from sqlalchemy import Connection, text

from domain.nouns import Mention
from storage import bulk, erase
from storage.page_in import Arrival, Found, Key, PageCounts


def content_hash(mention: Mention) -> int:
    """63 bits over what an edit can change."""
    rating = "" if mention.rating is None else repr(mention.rating.value)
    raw = f"{mention.kind}\0{mention.name}\0{mention.content}\0{rating}".encode(errors="replace")
    return int.from_bytes(blake2b(raw, digest_size=8).digest(), "big") >> 1


_KNOWN = """
SELECT m.id, m.platform, m.origin, m.native_id, m.version, m.content_hash, m.deleted_at IS NOT NULL AS deleted,
    ARRAY(SELECT DISTINCT unnest(s.topics) FROM sightings s WHERE s.mention_id = m.id) AS topics
FROM mentions m JOIN json_to_recordset(CAST(:rows AS json)) AS r(platform text, origin text, native_id text)
    USING (platform, origin, native_id)
ORDER BY m.platform, m.origin, m.native_id
FOR UPDATE OF m
"""


def seen_before(connection: Connection, channel_id: int, items: Mapping[Key, Arrival]) -> None:
    """Items that were stored before, and items nobody asked for."""
    asked = [{"platform": key[0], "origin": key[1], "native_id": key[2]} for key in sorted(items)]
    known = {(r.platform, r.origin, r.native_id): r for r in bulk.execute(connection, _KNOWN, asked)}
    for key, arrival in items.items():
        arrival.counts.not_matching += key not in known
    gone = [old.id for key, old in known.items() if items[key].item.mention.deleted and not old.deleted]
    if gone:  # their tickets are locked with them: the queue comes first, all of it
        connection.execute(text(_HOLD), {"ids": [old.id for old in known.values()]})
        erase.forget_posts(connection, gone)
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


_HOLD = "SELECT 1 FROM digests WHERE mention_id = ANY(:ids) ORDER BY mention_id FOR UPDATE"


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
