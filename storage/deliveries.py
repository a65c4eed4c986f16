"""Outbox rows on their way: claimed with a lease, finished under a fence.

Time is the database's. Locks go target first, rows after, so that a claim and a finish cannot wait for each other.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from domain.retry import LIMITS
from storage.outbox import ABANDONED, HELD, OPEN
from storage.posting import STOPPED

CONCURRENCY = 2  # calls to one target at a time, over all workers


GONE = "worker gone"  # an attempt whose process ended before it could say how the call went


@dataclass(frozen=True, slots=True)
class Owed:
    """A claimed row: ours until `lease_until`. `doubt`: an earlier attempt may have reached the target."""

    id: int
    target: str
    kind: str
    key: str
    notice: str
    request: str | None
    ticket_id: int | None
    lease: UUID
    lease_until: datetime
    attempts: int
    attempt_id: int
    doubt: bool
    failures: int
    failing_for: timedelta
    crashes: int
    remote_id: str | None


def claim(
    connection: Connection,
    target: str,
    worker: str,
    lease_seconds: float,
    limit: int = 1,
    quiet: timedelta = timedelta(),
) -> list[Owed]:
    """Take up to `limit` due rows: the attempt is counted and noted here, and the caller commits BEFORE it calls the target.

    A call another process left behind becomes unknown first, due after the target's quiet delay. Nothing while the breaker is
    open, the target blocked or busy; one at a time while the breaker is half open.
    """
    lock = text(f"SELECT failures FROM targets t WHERE t.name = :target AND {OPEN} FOR UPDATE")  # noqa: S608 our own text
    failures = connection.execute(lock, {"target": target}).scalar()
    if failures is None:
        return []
    _abandon(connection, target, quiet)
    busy = text("SELECT count(*) FROM outbox o WHERE o.target = :target AND o.state = 'sending'")
    room = (CONCURRENCY if failures < LIMITS.breaker else 1) - connection.execute(busy, {"target": target}).scalar_one()
    if min(room, limit) <= 0:
        return []
    values = {"target": target, "worker": worker, "lease": lease_seconds, "room": min(room, limit), "gone": GONE}
    found = connection.execute(_CLAIM, values).mappings()
    return [Owed(**row) for row in found]


_CLAIM = text(
    f"""
    WITH picked AS (
        SELECT o.id, o.state FROM outbox o
        WHERE o.target = :target AND o.state IN ('new', 'retry', 'unknown') AND o.state NOT IN ('done', 'dead')
          AND o.due <= now() AND NOT {STOPPED} AND NOT {HELD}
        ORDER BY o.due, o.id LIMIT :room FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE outbox o SET state = 'sending', attempts = o.attempts + 1, lease = gen_random_uuid(),
            lease_until = now() + make_interval(secs => :lease), worker = :worker
        FROM picked WHERE o.id = picked.id
        RETURNING o.*, picked.state = 'unknown' AS doubt
    ), noted AS (
        INSERT INTO attempts (outbox_id, n) SELECT id, attempts FROM claimed RETURNING id, outbox_id
    )
    SELECT c.id, c.target, c.kind, c.key, c.notice, c.request, c.ticket_id, c.lease, c.lease_until, c.attempts,
        noted.id AS attempt_id, c.doubt, h.failures, h.failing_for, h.crashes, l.remote_id
    FROM claimed c JOIN noted ON noted.outbox_id = c.id
    LEFT JOIN desk_links l ON l.ticket_id = c.ticket_id AND l.target = c.target
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE a.outcome IN ('retry', 'unknown') AND a.detail IS DISTINCT FROM :gone) AS failures,
            coalesce(now() - min(a.at) FILTER (WHERE a.outcome IN ('retry', 'unknown')), interval '0') AS failing_for,
            count(*) FILTER (WHERE a.detail = :gone) AS crashes
        FROM attempts a WHERE a.outbox_id = c.id AND a.at > coalesce((
            SELECT max(d.closed_at) FROM dead_letters d
            WHERE d.kind = 'outbox' AND d.ref_id = c.id AND d.state = 'retried'), '-infinity')
    ) h ORDER BY c.due, c.id"""  # noqa: S608 our own text
)


def _abandon(connection: Connection, target: str, quiet: timedelta) -> None:
    """Whoever held these is gone. Without a stored request (now or before an erasure) no call was made; else nobody knows."""
    statement = text(
        f"""
        WITH left_behind AS (
            SELECT o.id, o.request IS NULL AND NOT EXISTS (
                SELECT 1 FROM attempts a WHERE a.outbox_id = o.id AND a.outcome = 'unknown') AS unsent
            FROM outbox o WHERE o.target = :target AND {ABANDONED} FOR UPDATE SKIP LOCKED
        ), freed AS (
            UPDATE outbox o SET lease = NULL, lease_until = NULL, error = :gone,
                state = CASE WHEN unsent THEN 'retry' ELSE 'unknown' END,
                due = CASE WHEN unsent THEN now() ELSE now() + :quiet END
            FROM left_behind WHERE o.id = left_behind.id RETURNING o.id, o.state
        )
        UPDATE attempts a SET outcome = freed.state, detail = :gone, ended_at = now()
        FROM freed WHERE a.outbox_id = freed.id AND a.outcome = 'started'"""  # noqa: S608 our own text
    )
    connection.execute(statement, {"target": target, "quiet": quiet, "gone": GONE})


def rendered(connection: Connection, owed: Owed, request: str, lease_seconds: float) -> bool:
    """Keep the exact request before its first call, and the lease. False: the lease is lost, make no call."""
    return _hold(connection, owed, "request = coalesce(request, :request), ", lease_seconds, request=request)


def renew(connection: Connection, owed: Owed, lease_seconds: float) -> bool:
    """Keep the lease for another call. False: it is lost, make no call."""
    return _hold(connection, owed, "", lease_seconds)


def _hold(connection: Connection, owed: Owed, also: str, lease_seconds: float, **values: Any) -> bool:
    statement = text(
        f"UPDATE outbox SET {also}lease_until = now() + make_interval(secs => :seconds) "  # noqa: S608 our own text
        "WHERE id = :id AND lease = :lease AND state = 'sending'"
    )
    values |= {"id": owed.id, "lease": owed.lease, "seconds": lease_seconds}
    return connection.execute(statement, values).rowcount == 1


def finish(
    connection: Connection,
    owed: Owed,
    *,
    state: str,
    outcome: str,
    delay: timedelta = timedelta(),
    reason: str = "",
    error: str | None = None,
    status: int | None = None,
    remote_id: str | None = None,
) -> bool:
    """Write how the call went, if the row is still ours. False: the lease was lost and nothing else may be written."""
    connection.execute(text("SELECT 1 FROM targets WHERE name = :target FOR UPDATE"), {"target": owed.target})
    update = text(
        "UPDATE outbox SET state = :state, due = now() + :delay, lease = NULL, lease_until = NULL, error = :error,"
        " remote_id = coalesce(:remote, remote_id), done_at = CASE WHEN :state = 'done' THEN now() END"
        " WHERE id = :id AND lease = :lease AND state = 'sending'"
    )
    values = {"state": state, "delay": delay, "error": error, "remote": remote_id, "id": owed.id, "lease": owed.lease}
    ours = connection.execute(update, values).rowcount == 1
    note = text(
        "UPDATE attempts SET outcome = :outcome, status = :status, detail = :detail, ended_at = now()"
        " WHERE id = :id AND outcome = 'started'"
    )
    outcome = outcome if ours else "lost"
    connection.execute(
        note, {"outcome": outcome, "status": status, "detail": error if ours else None, "id": owed.attempt_id}
    )
    if ours and state in ("done", "dead") and owed.ticket_id is not None:
        # whoever read the desk's ticket before this reads it again (storage/desks.py); what was refused there is looked at
        sent = text(
            "UPDATE desk_links SET version = version + 1, wanted_at = CASE WHEN :state = 'dead' AND EXISTS ("
            "SELECT 1 FROM desk_syncs s WHERE s.target = :target AND s.what = 'tickets' AND s.enabled) THEN clock_timestamp() ELSE wanted_at END"
            " WHERE ticket_id = :ticket AND target = :target"
        )
        connection.execute(sent, {"ticket": owed.ticket_id, "target": owed.target, "state": state})
    if ours and state == "dead":
        dead = text("INSERT INTO dead_letters (kind, ref_id, reason, error) VALUES ('outbox', :id, :reason, :error)")
        connection.execute(dead, {"id": owed.id, "reason": reason, "error": error})
    return ours


def link(connection: Connection, ticket_id: int, target: str, remote_id: str, url: str | None) -> None:
    """Remember which of the target's tickets is ours; a follow-up takes the place of the ticket it follows."""
    statement = text(
        "INSERT INTO desk_links (ticket_id, target, remote_id, url, wanted_at) SELECT :ticket, :target, :remote, :url,"
        " (SELECT now() FROM desk_syncs s WHERE s.target = :target AND s.what = 'tickets' AND s.enabled)"  # a hint may have come before this
        " ON CONFLICT (ticket_id, target) DO UPDATE SET remote_id = excluded.remote_id, url = excluded.url, at = now(),"
        " version = desk_links.version + 1, wanted_at = excluded.wanted_at, missing_at = NULL, broken_at = NULL"
        " WHERE desk_links.remote_id <> excluded.remote_id"
    )
    connection.execute(statement, {"ticket": ticket_id, "target": target, "remote": remote_id, "url": url})
