"""Erased people and posts, remembered as keyed hashes only, and checked inside the transaction that stores a page.

Without the secret a hash says nothing, and a list of guessed names cannot be tried against it (https://www.rfc-editor.org/rfc/rfc2104).
"""

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, text

from domain.nouns import Mention
from storage import bulk
from storage.keys import native

ERASURE = 0x6561726D65  # advisory lock: ingest and filing share it, an erasure takes it alone


_encode = json.JSONEncoder(ensure_ascii=False).encode


def key(secret: bytes, kind: str, platform: str, origin: str, id: str) -> bytes:
    """The hash of a post, an author, a handle, an e-mail address or a phone number."""
    message = _encode(["suppress", kind, platform, origin, _normal(kind, id)])
    return hmac.digest(secret, message.encode(errors="surrogatepass"), hashlib.sha256)


def _normal(kind: str, id: str) -> str:
    if kind == "handle":
        return id.removeprefix("@").lower()
    return id.lower() if kind == "email" else native(id)


def keys_for(secret: bytes, mention: Mention) -> list[bytes]:
    """The post's key and its author's: by native id, by handle in lower case, and by address where the id is one."""
    platform, origin, author = mention.platform, mention.origin, mention.attributed_to
    keys = [key(secret, "post", platform, origin, mention.native_id)]
    if author and author.native_id:
        keys.append(key(secret, "author", platform, origin, author.native_id))
        if "@" in author.native_id:
            keys.append(key(secret, "email", "", "", author.native_id))
    if author and author.handle:
        keys.append(key(secret, "handle", platform, origin, author.handle))
    return keys


def share(connection: Connection) -> None:
    """Before reading what people wrote, in a transaction that writes something made of it: an erasure waits for its end."""
    connection.execute(text("SELECT pg_advisory_xact_lock_shared(:k)"), {"k": ERASURE})


def suppressed(connection: Connection, hashes: Iterable[bytes]) -> set[bytes]:
    """Which of these are suppressed."""
    wanted = list(set(hashes))
    if not wanted:
        return set()
    statement = text("SELECT hash FROM suppressions WHERE hash = ANY(CAST(:hashes AS bytea[]))")
    return {bytes(hash_) for hash_ in connection.execute(statement, {"hashes": wanted}).scalars()}


def find(connection: Connection, secret: bytes, mentions: Sequence[Mention]) -> list[bool]:
    """For each mention whether it or its author was erased; each hit is counted.

    The caller holds the ERASURE lock shared, so that an erasure is either seen here or waits for this transaction.
    """
    if not bulk.fetch(connection, "SELECT 1 FROM suppressions LIMIT 1"):
        return [False] * len(mentions)
    keys = [keys_for(secret, mention) for mention in mentions]
    found = suppressed(connection, (hash_ for group in keys for hash_ in group))
    if found:
        hit(
            connection,
            Counter(next(hash_ for hash_ in group if hash_ in found) for group in keys if found & set(group)),
        )
    return [bool(found.intersection(group)) for group in keys]


def hit(connection: Connection, hits: Mapping[bytes, int]) -> None:
    """Count what was kept out."""
    order = sorted(hits)
    connection.execute(
        text(
            "WITH seen AS (SELECT s.hash, h.n FROM suppressions s JOIN unnest(CAST(:hashes AS bytea[]), CAST(:n AS int[]))"
            " AS h(hash, n) USING (hash) ORDER BY s.hash FOR UPDATE OF s)"
            " UPDATE suppressions s SET hits = hits + seen.n FROM seen WHERE s.hash = seen.hash"
        ),
        {"hashes": order, "n": [hits[hash_] for hash_ in order]},
    )


def add(connection: Connection, hashes: Mapping[bytes, str], reason: str) -> int:
    """Remember hash → kind. Returns how many were new."""
    order = sorted(hashes)
    statement = text(
        "INSERT INTO suppressions (hash, kind, reason) SELECT hash, kind, :reason"
        " FROM unnest(CAST(:hashes AS bytea[]), CAST(:kinds AS text[])) AS r(hash, kind) ON CONFLICT DO NOTHING"
    )
    values = {"hashes": order, "kinds": [hashes[hash_] for hash_ in order], "reason": reason}
    return connection.execute(statement, values).rowcount
