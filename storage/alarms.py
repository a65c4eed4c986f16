"""What the health step asks of the ledger: how each channel does, when new items came, and which alarms are open."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from domain.health import Reading
from storage.ledger import rows

SERIES = "channel/"
HISTORY = "14 days"


@dataclass(frozen=True, slots=True)
class Newest:
    """When a channel last brought something new, as of its page number `seq`."""

    seq: int
    at: datetime | None


def readings(connection: Connection, known: Mapping[int, Newest]) -> dict[str, tuple[int, Reading, Newest]]:
    """name → (id, reading, newest arrival) of every channel that is on and not paused.

    New items are looked for from the newest page back to where `known` ends, at most 20,000 pages (two weeks of one each minute).
    """
    ids = sorted(known)
    found = rows(
        connection,
        """SELECT c.id, c.name, c.schedule, c.since, c.seq, coalesce(c.error, '') AS error, coalesce(c.error_kind, '') AS error_kind,
            c.error_at, g.noticed_at AS failing_since, c.last_success_at, n.at AS last_new
        FROM channels c
        LEFT JOIN unnest(CAST(:ids AS bigint[]), CAST(:seqs AS bigint[])) k(id, seq) ON k.id = c.id
        LEFT JOIN LATERAL (SELECT noticed_at FROM gaps WHERE channel_id = c.id AND until IS NULL AND c.failures > 0
            ORDER BY noticed_at LIMIT 1) g ON true
        LEFT JOIN LATERAL (SELECT at FROM page_counters p WHERE p.channel_id = c.id AND p.new > 0
            AND p.seq > greatest(c.seq - 20000, k.seq) ORDER BY p.seq DESC LIMIT 1) n ON true
        WHERE c.enabled AND c.paused_at IS NULL""",
        ids=ids,
        seqs=[known[id_].seq for id_ in ids],
    )
    out = {}
    for row in found:
        before = known.get(row["id"])
        newest = Newest(row["seq"], row["last_new"] or (before.at if before else None))
        out[row["name"]] = row["id"], _reading(row, newest.at), newest
    return out


def _reading(row: Any, last_new: datetime | None) -> Reading:
    return Reading(
        interval(row["schedule"]), row["since"], row["error"], row["error_kind"], row["error_at"], row["failing_since"],
        row["last_success_at"], last_new,
    )  # fmt: skip


def interval(schedule: str) -> timedelta:
    """How far apart polls are; a day where a cron line sets the times."""
    kind, _, rest = schedule.partition(" ")
    return timedelta(seconds=float(rest)) if kind == "every" else timedelta(days=1)


def arrivals(connection: Connection, channel_id: int) -> list[datetime]:
    """When something new came in the last two weeks, to five minutes."""
    found = rows(
        connection,
        f"""SELECT DISTINCT date_bin('5 minutes', p.at, 'epoch') AS at FROM page_counters p JOIN channels c ON c.id = p.channel_id
        WHERE p.channel_id = :id AND p.seq > c.seq - 20000 AND p.new > 0 AND p.at > now() - interval '{HISTORY}' ORDER BY 1""",  # noqa: S608
        id=channel_id,
    )
    return [row["at"] for row in found]


def open_alarms(connection: Connection) -> list[Any]:
    """Alarms that stand, locked: a second process that looks at the same moment waits, and finds them told."""
    return rows(
        connection,
        "SELECT id, kind, series, severity, window_start, evidence FROM escalations "
        "WHERE state = 'open' AND kind IN ('credential', 'failing', 'silence') ORDER BY id FOR UPDATE",
    )


def alone(connection: Connection) -> bool:
    """One process at a time looks at health; False: somebody does."""
    return bool(connection.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": 0x6561726D68}).scalar())
