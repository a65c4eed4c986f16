"""The upkeep step: clocks that ran out, channels that need a person, and what has been kept long enough."""

import structlog
from sqlalchemy import Connection

import config
from storage import filing, retention, runs, tickets
from storage.ledger import Ledger
from workers.health import Health

log = structlog.get_logger()


def upkeep(ledger: Ledger, current: config.Config, worker: str, health: Health) -> set[str]:
    """Mark tickets that missed a due time, raise and close alarms about channels, purge what retention says, forget expired
    sessions. Returns the targets that are owed an alert."""
    breached = ledger.run(lambda c: breach(c, worker))
    if breached:
        log.warning("tickets missed a due time", count=breached)
    owed = health.look(ledger, current, worker)
    kept = current.settings.retention
    purged = ledger.run(lambda c: retention.purge(c, payload_days=kept.payload_days, attempt_days=kept.attempt_days))
    if any(purged.values()):
        log.info("purged", **purged)
    return owed


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
