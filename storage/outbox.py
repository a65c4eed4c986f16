"""What we owe the outside world: one row per intended effect, claimed with a lease, finished under a fence.

Time is the database's. Locks go target first, rows after, so that a claim and a finish cannot wait for each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from domain.retry import LIMITS
from storage import audit, bulk, runs
from storage.posting import STOPPED
from storage.runs import Run

CONCURRENCY = 2  # calls to one target at a time, over all workers
GONE = "worker gone"  # an attempt whose process ended before it could say how the call went

# A row waits for the earlier ones of its ticket or flag. Ids are drawn from per-session caches, so order is by time of writing;
# a ticket's creation goes first, and while it is a dead letter what follows it is held, not lost.
HELD = """(
    o.ticket_id IS NOT NULL AND EXISTS (
        SELECT 1 FROM outbox p WHERE p.ticket_id = o.ticket_id AND p.target = o.target AND p.id <> o.id
        AND ((p.kind = 'ticket.create' AND p.state <> 'done')
             OR (p.state NOT IN ('done', 'dead') AND (p.created_at, p.id) < (o.created_at, o.id)
                 AND o.kind <> 'ticket.create')))
    OR o.escalation_id IS NOT NULL AND o.ticket_id IS NULL AND EXISTS (
        SELECT 1 FROM outbox p WHERE p.target = o.target AND p.escalation_id = o.escalation_id AND p.ticket_id IS NULL
        AND p.state NOT IN ('done', 'dead') AND (p.created_at, p.id) < (o.created_at, o.id)))"""

# Leases are the only sign: the scheduler ends those of processes that are gone (workers.bury), a paused one keeps its own.
_ABANDONED = "o.state = 'sending' AND o.lease_until < now()"

_OPEN = "t.enabled AND t.blocked IS NULL AND (t.open_until IS NULL OR t.open_until <= now())"


@dataclass(frozen=True, slots=True)
class Effect:
    """Something to owe. `notice` is the JSON-ready body; `key` its stable id, unique over all time."""

    target: str
    kind: str
    key: str
    notice: Mapping[str, Any]
    ticket_id: int | None = None
    entry_id: int | None = None
    escalation_id: int | None = None


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


def owe_many(connection: Connection, run: Run, effects: Sequence[Effect], *, fresh: bool = False) -> list[int]:
    """Write what is owed, once per key; returns the ids written. Counts them on `run`.

    `fresh`: the keys are made from ids drawn in this transaction, so nobody can have written them before.
    """
    if not effects:
        return []
    ids = runs.ids(connection, "outbox", len(effects))
    rows = [(id_, *_row(effect), run.id) for id_, effect in zip(ids, effects, strict=True)]
    if fresh:
        bulk.copy(connection, f"outbox ({_COLUMNS})", rows)
        written = set(ids)
    else:
        names = _COLUMNS.split(", ")
        statement = f"""INSERT INTO outbox ({_COLUMNS}) OVERRIDING SYSTEM VALUE
            SELECT {_COLUMNS} FROM json_to_recordset(CAST(:rows AS json)) AS r(id bigint, target text, kind text, key text,
                ticket_id bigint, entry_id bigint, escalation_id bigint, notice text, run_id bigint)
            ON CONFLICT (key) DO NOTHING RETURNING id"""  # noqa: S608 our own column names
        made = bulk.execute(connection, statement, [dict(zip(names, row, strict=True)) for row in rows])
        written = {row.id for row in made}
    for id_, effect in zip(ids, effects, strict=True):
        if id_ in written:
            run.wrote_outbox(id_, effect.ticket_id, effect.entry_id, effect.escalation_id)
    return [id_ for id_ in ids if id_ in written]


_COLUMNS = "id, target, kind, key, ticket_id, entry_id, escalation_id, notice, run_id"


def _row(effect: Effect) -> tuple[Any, ...]:
    notice = bulk.anything(effect.notice)
    return effect.target, effect.kind, effect.key, effect.ticket_id, effect.entry_id, effect.escalation_id, notice


def owe(
    connection: Connection, run: Run, target: str, kind: str, key: str, notice: Mapping[str, Any], **ids: Any
) -> bool:
    """Owe one effect; False when it is owed already."""
    return bool(owe_many(connection, run, [Effect(target, kind, key, notice, **ids)]))


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
    lock = text(f"SELECT failures FROM targets t WHERE t.name = :target AND {_OPEN} FOR UPDATE")  # noqa: S608 our own text
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
            FROM outbox o WHERE o.target = :target AND {_ABANDONED} FOR UPDATE SKIP LOCKED
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


def due_targets(connection: Connection) -> list[str]:
    """Targets with something to do now: rows due and not held, or calls left behind."""
    statement = text(
        f"""SELECT t.name FROM targets t WHERE {_OPEN} AND EXISTS (
            SELECT 1 FROM outbox o WHERE o.target = t.name AND o.state NOT IN ('done', 'dead')
            AND ((o.state IN ('new', 'retry', 'unknown') AND o.due <= now() AND NOT {STOPPED} AND NOT {HELD}) OR {_ABANDONED}))
        ORDER BY t.name"""  # noqa: S608 our own text
    )
    return list(connection.execute(statement).scalars())


def next_due(connection: Connection) -> datetime | None:
    """When something will be due at the earliest; None when nothing is owed that waits for time alone."""
    statement = text(
        f"""SELECT min(greatest(CASE WHEN o.state = 'sending' THEN o.lease_until ELSE o.due END, t.open_until))
        FROM outbox o JOIN targets t ON t.name = o.target WHERE t.enabled AND t.blocked IS NULL
        AND o.state NOT IN ('done', 'dead', 'blocked') AND NOT {STOPPED} AND NOT {HELD}"""  # noqa: S608 our own text
    )
    return connection.execute(statement).scalar()


def backlog(connection: Connection) -> list[dict[str, Any]]:
    """Per target what is owed and why it waits, for status pages: a blocked target's rows all count as blocked."""
    statement = text(
        f"""SELECT o.target, CASE WHEN t.blocked IS NOT NULL THEN 'blocked' WHEN {STOPPED} THEN 'stopped' WHEN {HELD} THEN 'held' ELSE o.state END AS state,
            count(*) AS n, min(o.created_at) AS oldest
        FROM outbox o LEFT JOIN targets t ON t.name = o.target WHERE o.state NOT IN ('done', 'dead')
        GROUP BY 1, 2 ORDER BY 1, 2"""  # noqa: S608 our own text
    )
    return [dict(row) for row in connection.execute(statement).mappings()]


def retry_dead(connection: Connection, id_: int, by: str = "command") -> bool:
    """Try an open dead letter again (what was erased or dropped stays so). Its request is rendered anew unless it may have arrived: then it is looked up first."""
    statement = text(
        """WITH last AS (SELECT outcome FROM attempts WHERE outbox_id = :id ORDER BY id DESC LIMIT 1)
        UPDATE outbox SET due = now(), error = NULL,
            state = CASE WHEN (SELECT outcome FROM last) = 'unknown' THEN 'unknown' ELSE 'retry' END,
            request = CASE WHEN (SELECT outcome FROM last) = 'unknown' THEN request END
        WHERE id = :id AND state = 'dead' AND EXISTS (
            SELECT 1 FROM dead_letters WHERE kind = 'outbox' AND ref_id = :id AND state = 'open')"""
    )
    if not connection.execute(statement, {"id": id_}).rowcount:
        return False
    close = text(
        "UPDATE dead_letters SET state = 'retried', closed_at = now(), closed_by = :by"
        " WHERE kind = 'outbox' AND ref_id = :id AND state = 'open'"
    )
    connection.execute(close, {"id": id_, "by": by})
    connection.execute(text("SELECT pg_notify('earmark', 'deliver')"))
    return True


REPLAYED = ("event",)  # kinds whose receivers know a repeat by its id


def replay(connection: Connection, id_: int, by: str) -> None:
    """Send an event webhook again, delivered or dead, to the letter and with the same id.

    Raises LookupError for none, CannotReplay for other kinds (a desk would have it twice) and what is on its way or erased.
    """
    found = connection.execute(
        text("SELECT kind, state, error, target FROM outbox WHERE id = :id FOR UPDATE"), {"id": id_}
    ).one_or_none()
    if found is None:
        raise LookupError(id_)
    if found.kind not in REPLAYED:
        raise CannotReplay("only event webhooks are sent again; what a desk has it would have twice")
    if found.state not in ("done", "dead") or found.error == "erased":
        raise CannotReplay(f"it is {'erased' if found.error == 'erased' else 'on its way'}")
    if found.state == "dead":
        retry_dead(connection, id_, by)
    connection.execute(
        text("UPDATE outbox SET state = 'retry', due = now(), error = NULL, done_at = NULL WHERE id = :id"), {"id": id_}
    )
    audit.append(connection, by, "delivery.replay", f"outbox:{id_}", {})
    connection.execute(text("SELECT pg_notify('earmark', 'deliver')"))


class CannotReplay(Exception):
    """It cannot be sent again; the message says why."""


def drop_dead(connection: Connection, id_: int, by: str = "command") -> int:
    """Give a dead effect up, and with a ticket's creation all that is held behind it. Returns how many letters were closed."""
    held = text(
        """WITH top AS (SELECT id, ticket_id, target, kind FROM outbox WHERE id = :id AND state = 'dead'),
        behind AS (
            UPDATE outbox o SET state = 'dead', error = 'the ticket''s creation was dropped' FROM top
            WHERE top.kind = 'ticket.create' AND o.ticket_id = top.ticket_id AND o.target = top.target
              AND o.state NOT IN ('done', 'dead') RETURNING o.id
        ), letters AS (
            INSERT INTO dead_letters (kind, ref_id, reason, state, closed_at, closed_by)
            SELECT 'outbox', id, 'create-dropped', 'dropped', now(), :by FROM behind RETURNING id
        ), closed AS (
            UPDATE dead_letters SET state = 'dropped', closed_at = now(), closed_by = :by
            WHERE kind = 'outbox' AND state = 'open' AND ref_id IN (SELECT id FROM top) RETURNING id
        )
        SELECT (SELECT count(*) FROM letters) + (SELECT count(*) FROM closed)"""
    )
    return int(connection.execute(held, {"id": id_, "by": by}).scalar_one())


def owe_again(connection: Connection, id_: int, dropped_at: datetime, by: str) -> None:
    """What was given up together with a ticket's creation, in that very transaction, waits behind it again."""
    connection.execute(
        text(
            """WITH letters AS (
                UPDATE dead_letters d SET state = 'retried', closed_by = :by FROM outbox o, outbox top
                WHERE top.id = :id AND top.kind = 'ticket.create' AND o.ticket_id = top.ticket_id AND o.target = top.target
                  AND d.kind = 'outbox' AND d.ref_id = o.id AND d.reason = 'create-dropped' AND d.state = 'dropped'
                  AND d.closed_at = :at RETURNING d.ref_id)
            UPDATE outbox SET state = 'new', error = NULL, due = now() WHERE id IN (SELECT ref_id FROM letters) AND state = 'dead'"""
        ),
        {"id": id_, "at": dropped_at, "by": by},
    )
