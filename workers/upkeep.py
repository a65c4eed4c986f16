"""The upkeep step: clocks that ran out, and what has been kept long enough."""

import structlog
from sqlalchemy import Connection

import config
from storage import filing, retention, runs, tickets
from storage.ledger import Ledger

log = structlog.get_logger()


def upkeep(ledger: Ledger, current: config.Config, worker: str) -> None:
    """Mark tickets that missed a due time, purge what retention says, forget expired sessions."""
    breached = ledger.run(lambda c: breach(c, worker))
    if breached:
        log.warning("tickets missed a due time", count=breached)
    kept = current.settings.retention
    purged = ledger.run(lambda c: retention.purge(c, payload_days=kept.payload_days, attempt_days=kept.attempt_days))
    if any(purged.values()):
        log.info("purged", **purged)


def breach(connection: Connection, worker: str) -> int:
    """A ticket whose first answer or resolution is overdue is marked once, with an entry that says so."""
    late = tickets.overdue(connection)
    if not late:
        return 0
    run = runs.start(connection, "upkeep", worker)
    entries = [{"ticket_id": row["id"], "kind": "system", "body": row["what"]} for row in late]
    filing.enter(connection, run, entries)
    runs.finish(connection, run)
    return len(late)
