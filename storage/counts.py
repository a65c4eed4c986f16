"""Series: what was said per minute of publication, and when a channel could not hear it."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from storage import suppress
from storage.ledger import rows


def series(connection: Connection, topic: str, measure: str, since: datetime) -> dict[datetime, int]:
    """minute → count over all platforms of a topic, as it was said while we listened; `:before` asks for the backfill."""
    found = rows(
        connection,
        "SELECT minute, sum(n)::int AS n FROM counts WHERE topic = :topic AND measure = :measure AND minute >= :since "
        "GROUP BY minute HAVING sum(n) <> 0 ORDER BY minute",
        topic=topic,
        measure=measure,
        since=since,
    )
    return {row["minute"]: row["n"] for row in found}


def usual(connection: Connection, topic: str, measure: str, since: datetime, armed: datetime) -> dict[datetime, int]:
    """The series with what was published before `armed` (a whole minute) filled in: from there on only what we heard live."""
    live = series(connection, topic, measure, since)
    for minute, n in series(connection, topic, f"{measure}:before", since).items():
        if minute < armed:
            live[minute] = live.get(minute, 0) + n
    return live


def newest(connection: Connection) -> tuple[datetime | None, int]:
    """Cheap sign that something was counted: newest minute and the total of the last hour."""
    row = rows(
        connection,
        "SELECT max(minute) AS minute, coalesce(sum(n), 0)::bigint AS n FROM counts "
        "WHERE minute > now() - interval '1 hour'",
    )[0]
    return row["minute"], int(row["n"])


def armed_since(connection: Connection) -> datetime | None:
    """When the newest channel began to be read (or to be read differently): what was published before is backfill."""
    return rows(connection, "SELECT max(since) AS since FROM channels WHERE enabled")[0]["since"]


def gaps(connection: Connection, since: datetime) -> list[Any]:
    """Intervals some channel could not read and that were not read later: (channel, since, until or None, reason)."""
    return rows(
        connection,
        "SELECT c.name AS channel, g.since, g.until, g.reason FROM gaps g JOIN channels c ON c.id = g.channel_id "
        "WHERE g.filled_at IS NULL AND c.enabled AND coalesce(g.until, now()) >= :since ORDER BY g.since",
        since=since,
    )


def samples(connection: Connection, topic: str, negative: bool, since: datetime, until: datetime, n: int) -> list[Any]:
    """Mentions behind a window: the newest, one per author first. An erasure waits until what is made of them is committed."""
    suppress.share(connection)
    return rows(
        connection,
        """SELECT id, platform, url, author, text, published FROM (
            SELECT m.id, m.platform, m.url, coalesce(m.author_name, m.author_handle, '') AS author,
                left(m.name || ' ' || m.content, 280) AS text, m.published,
                row_number() OVER (PARTITION BY m.platform, m.author_id ORDER BY m.published DESC) AS nth
            FROM mentions m JOIN verdicts v ON v.mention_id = m.id AND v.version = m.version
            JOIN sightings s ON s.mention_id = m.id AND :topic = ANY(s.topics)
            WHERE m.published >= :since AND m.published < :until AND m.deleted_at IS NULL
              AND v.reason NOT IN ('own-account', 'repost') AND (NOT :negative OR v.label = 'negative')
        ) q ORDER BY nth, published DESC LIMIT :n""",
        topic=topic,
        negative=negative,
        since=since,
        until=until,
        n=n,
    )
