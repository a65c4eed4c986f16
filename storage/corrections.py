"""What people said a verdict should have been: a row each time, with who and when. The last word on each part of a mention counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from storage.ledger import rows

MOST = 20_000  # mentions that are learned from: the newest


@dataclass(frozen=True, slots=True)
class Correction:
    """The last word on one mention."""

    mention_id: int
    outcome: str | None
    intent: str | None
    label: str | None
    by: str
    at: datetime


def add(
    connection: Connection,
    by: str,
    mention_id: int,
    version: int,
    *,
    outcome: str | None = None,
    intent: str | None = None,
    label: str | None = None,
) -> int:
    """Store one; returns its id."""
    found = connection.execute(
        text(
            "INSERT INTO corrections (mention_id, version, outcome, intent, label, by) "
            "VALUES (:mention, :version, :outcome, :intent, :label, :by) RETURNING id"
        ),
        {"mention": mention_id, "version": version, "outcome": outcome, "intent": intent, "label": label, "by": by},
    )
    return int(found.scalar_one())


_LAST = """SELECT mention_id, (array_agg(outcome ORDER BY id DESC) FILTER (WHERE outcome IS NOT NULL))[1] AS outcome,
    (array_agg(intent ORDER BY id DESC) FILTER (WHERE intent IS NOT NULL))[1] AS intent,
    (array_agg(label ORDER BY id DESC) FILTER (WHERE label IS NOT NULL))[1] AS label,
    (array_agg(by ORDER BY id DESC))[1] AS by, max(at) AS at
    FROM corrections"""


def last(connection: Connection, most: int = MOST) -> list[Correction]:
    """The last word on each mention, the newest `most` of them, oldest first."""
    found = rows(connection, f"{_LAST} GROUP BY mention_id ORDER BY max(id) DESC LIMIT :most", most=most)
    return [Correction(**row) for row in reversed(found)]


@dataclass(frozen=True, slots=True)
class Lessons:
    """What people said, in mentions: all of it, what the model in force has not heard, and how many were and were not tickets."""

    said: int
    since: int
    tickets: int
    others: int
    learned_at: datetime | None


def lessons(connection: Connection) -> Lessons:
    found = rows(
        connection,
        f"""WITH last AS ({_LAST} GROUP BY mention_id), model AS (SELECT at FROM models WHERE in_force)
        SELECT count(*) AS said, count(*) FILTER (WHERE l.at > coalesce((SELECT at FROM model), '-infinity')) AS since,
            count(*) FILTER (WHERE outcome = 'ticket') AS tickets, count(*) FILTER (WHERE outcome IN ('ignore', 'review')) AS others,
            (SELECT at FROM model) AS learned_at FROM last l""",  # noqa: S608 our own text
    )
    return Lessons(**found[0])


def of(connection: Connection, mention_ids: Sequence[int]) -> dict[int, Correction]:
    """mention id → the last word on it, where somebody said one."""
    found = rows(connection, f"{_LAST} WHERE mention_id = ANY(:ids) GROUP BY mention_id", ids=list(mention_ids))
    return {row["mention_id"]: Correction(**row) for row in found}
