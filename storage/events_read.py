"""The log of what happened, as a live page reads it: by transaction, so that what commits late is not missed."""

from dataclasses import dataclass
from typing import Any

import psycopg

from storage import presence

MOST = 2000  # events told one by one; more is told as "read everything anew"
WINDOW = "10 minutes"  # how long after a cut a reader can go on where it was


@dataclass(frozen=True, slots=True)
class Event:
    id: int
    xid: int
    kind: str
    subject: str
    subject_id: int


@dataclass(frozen=True, slots=True)
class Found:
    """`place`: the oldest transaction still open when this was read. `whole`: false when there was too much to list."""

    place: int
    events: list[Event]
    whole: bool


# the place of what is about to be read: a stream from here tells all that commits afterwards
PLACE = "CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)"


async def listen(connection: psycopg.AsyncConnection[Any]) -> None:
    """Be told of commits from now on, where what is told is only that there is something to read, and of who looks at what."""
    await connection.execute("LISTEN earmark")
    await connection.execute(f"LISTEN {presence.CHANNEL}")


async def place(connection: psycopg.AsyncConnection[Any]) -> int:
    """Here and now."""
    cursor = await connection.execute(f"SELECT {PLACE}")
    row = await cursor.fetchone()
    assert row
    return int(row[0])


async def since(connection: psycopg.AsyncConnection[Any], place: int) -> Found:
    """Committed events of transactions from `place` on; some may have been told before. One statement: one snapshot."""
    cursor = await connection.execute(
        f"""WITH now AS MATERIALIZED (SELECT {PLACE} AS place)
        SELECT now.place, e.id, e.xid, e.kind, e.subject, e.subject_id,
            (SELECT min(xid) FROM events WHERE at > clock_timestamp() - CAST(%s AS interval) AND xid >= %s) AS oldest
        FROM now LEFT JOIN LATERAL (SELECT * FROM events WHERE xid >= %s ORDER BY xid, id LIMIT %s) e ON true""",  # noqa: S608 our own text
        (WINDOW, place, place, MOST + 1),
    )
    found = await cursor.fetchall()
    events = [Event(*row[1:6]) for row in found if row[1] is not None]
    too_old = bool(events) and found[0][6] != events[0].xid
    return Found(int(found[0][0]), events[:MOST], len(events) <= MOST and not too_old)
