"""A ledger that came back from a backup, made safe to go on with: the world outside has moved on since.

What was sent after the backup was taken is not in it. So whatever it still owes is looked up before it is sent, and no number is given
out that may have been given out meanwhile: a desk would take another ticket for ours.
"""

from collections.abc import Mapping

from sqlalchemy import Connection, text

from storage import audit

_DOUBT = text(
    "UPDATE outbox SET state = 'unknown', due = now(), lease = NULL, lease_until = NULL, worker = NULL "
    "WHERE state NOT IN ('done', 'dead')"
)
_ENDED = text(
    "UPDATE attempts SET outcome = 'unknown', detail = 'restored', ended_at = now() WHERE outcome = 'started'"
)
_SEQUENCES = text(
    "SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, coalesce(last_value, 0) + :ahead) "
    "FROM pg_sequences WHERE schemaname = current_schema()"
)


def mark(connection: Connection, ahead: int, actor: str) -> Mapping[str, int]:
    """Doubt what is owed, move every sequence ahead, write it in the audit. Run before any process starts."""
    owed = connection.execute(_DOUBT).rowcount
    connection.execute(_ENDED)
    moved = len(connection.execute(_SEQUENCES, {"ahead": ahead}).all())
    done = {"owed": owed, "sequences": moved, "ahead": ahead}
    audit.append(connection, actor, "ledger.restored", "ledger", done)
    return done
