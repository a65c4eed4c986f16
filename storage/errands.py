"""What a person asked a worker to do from the console: try an edit of the configuration on history, read a rejected item again.

The console writes a row, a worker does it and writes what came of it. An errand whose worker died is taken up again, three times at most.
Reports carry ids and counts, no text of a mention: an erasure finds nothing here.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, text

from storage.ledger import one, rows

Kind = Literal["plan", "reread"]
KEPT_DAYS, LEASE_MINUTES, TRIES = 30, 5, 3


@dataclass(frozen=True, slots=True)
class Errand:
    """`report` is None until it is done."""

    id: int
    kind: Kind
    body: dict[str, Any]
    by: str
    at: datetime
    started_at: datetime | None
    done_at: datetime | None
    attempts: int
    report: dict[str, Any] | None

    @property
    def given_up(self) -> bool:
        """Its worker was lost as often as we try."""
        return self.done_at is None and self.attempts >= TRIES


_COLUMNS = ", ".join(Errand.__dataclass_fields__)


def ask(connection: Connection, kind: Kind, body: dict[str, Any], by: str) -> int:
    """Owe it, and ring; what is older than a month goes."""
    connection.execute(text("DELETE FROM errands WHERE at < now() - make_interval(days => :days)"), {"days": KEPT_DAYS})
    id_ = one(
        connection,
        "INSERT INTO errands (kind, body, by) VALUES (:kind, CAST(:body AS jsonb), :by) RETURNING id",
        kind=kind,
        body=json.dumps(body),
        by=by,
    )
    connection.execute(text("SELECT pg_notify('earmark', 'upkeep')"))
    return int(id_)


def take(connection: Connection) -> Errand | None:
    """The oldest that waits, counted as begun; the caller commits before it does it."""
    found = rows(
        connection,
        f"""UPDATE errands SET started_at = now(), attempts = attempts + 1 WHERE id = (
            SELECT id FROM errands WHERE done_at IS NULL AND attempts < :tries
            AND (started_at IS NULL OR started_at < now() - make_interval(mins => :lease)) ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING {_COLUMNS}""",  # noqa: S608 our own names
        tries=TRIES,
        lease=LEASE_MINUTES,
    )
    return Errand(**found[0]) if found else None


def finish(connection: Connection, errand: Errand, report: dict[str, Any]) -> bool:
    """Write what came of it; False when somebody else took it up meanwhile."""
    done = connection.execute(
        text(
            "UPDATE errands SET report = CAST(:report AS jsonb), done_at = now() "
            "WHERE id = :id AND attempts = :attempts AND done_at IS NULL"
        ),
        {"report": json.dumps(report, default=str), "id": errand.id, "attempts": errand.attempts},
    )
    return done.rowcount == 1


def recent(connection: Connection, kind: Kind, limit: int = 10) -> list[Errand]:
    """The newest of a kind."""
    found = rows(
        connection,
        f"SELECT {_COLUMNS} FROM errands WHERE kind = :kind ORDER BY id DESC LIMIT :limit",  # noqa: S608 our own names
        kind=kind,
        limit=limit,
    )
    return [Errand(**row) for row in found]


def of_reject(connection: Connection, reject_id: int) -> Errand | None:
    """The newest attempt to read a rejected item again."""
    found = rows(
        connection,
        f"SELECT {_COLUMNS} FROM errands WHERE kind = 'reread' AND body ->> 'reject' = :id ORDER BY id DESC LIMIT 1",  # noqa: S608
        id=str(reject_id),
    )
    return Errand(**found[0]) if found else None
