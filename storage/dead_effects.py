"""Effects that stopped for good: tried again, given up, owed anew; and event webhooks sent once more."""

from datetime import datetime

from sqlalchemy import Connection, text

from storage import audit


def retry(connection: Connection, id_: int, by: str = "command") -> bool:
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
        retry(connection, id_, by)
    connection.execute(
        text("UPDATE outbox SET state = 'retry', due = now(), error = NULL, done_at = NULL WHERE id = :id"), {"id": id_}
    )
    audit.append(connection, by, "delivery.replay", f"outbox:{id_}", {})
    connection.execute(text("SELECT pg_notify('earmark', 'deliver')"))


class CannotReplay(Exception):
    """It cannot be sent again; the message says why."""


def drop(connection: Connection, id_: int, by: str = "command") -> int:
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
