"""What we owe the outside world: one row per intended effect, what of it is due, and what each waits for. storage/deliveries.py sends it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from storage import bulk, runs
from storage.posting import STOPPED
from storage.runs import Run

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
ABANDONED = "o.state = 'sending' AND o.lease_until < now()"


OPEN = "t.enabled AND t.blocked IS NULL AND (t.open_until IS NULL OR t.open_until <= now())"


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


def due_targets(connection: Connection) -> list[str]:
    """Targets with something to do now: rows due and not held, or calls left behind."""
    statement = text(
        f"""SELECT t.name FROM targets t WHERE {OPEN} AND EXISTS (
            SELECT 1 FROM outbox o WHERE o.target = t.name AND o.state NOT IN ('done', 'dead')
            AND ((o.state IN ('new', 'retry', 'unknown') AND o.due <= now() AND NOT {STOPPED} AND NOT {HELD}) OR {ABANDONED}))
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
