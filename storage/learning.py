"""What the desk's corrections taught, in the ledger: all versions, one in force at most; every host reads the one in force.

A correction of the outcome of a mention that has no ticket opens one, by the filing step; one that has a ticket keeps it, for a
person to close.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from domain.learning import Learned, read
from storage import audit, corrections
from storage.ledger import rows
from storage.review import file_again


@dataclass(frozen=True, slots=True)
class Kept:
    """A stored model without its weights."""

    id: int
    hash: str
    in_force: bool
    by: str
    at: datetime
    report: dict[str, Any]


class NoMention(Exception):
    """There is no verdict on this mention to correct."""


def correct(
    connection: Connection,
    actor: str,
    mention_id: int,
    *,
    outcome: str | None = None,
    intent: str | None = None,
    label: str | None = None,
) -> bool:
    """Store what a verdict should have been; True when a ticket will be opened because of it. Raises NoMention."""
    current = connection.execute(
        text("SELECT version FROM mentions WHERE id = :id FOR UPDATE"), {"id": mention_id}
    ).scalar()
    verdict = connection.execute(
        text("SELECT version, outcome, corrected FROM verdicts WHERE mention_id = :id ORDER BY version DESC LIMIT 1"),
        {"id": mention_id},
    ).one_or_none()
    if verdict is None or current is None:
        raise NoMention(f"mention {mention_id} has no verdict to correct")
    corrections.add(connection, actor, mention_id, verdict.version, outcome=outcome, intent=intent, label=label)
    opens = _settle(connection, mention_id, current, verdict, outcome)
    said = {"outcome": outcome, "intent": intent, "sentiment": label}
    audit.append(
        connection,
        actor,
        "mention.correct",
        f"mention:{mention_id}",
        {key: value for key, value in said.items() if value},
    )
    return opens


def _settle(connection: Connection, mention_id: int, current: int, verdict: Any, outcome: str | None) -> bool:
    """Make the outcome count where the verdict still stands alone: not on a ticket, not decided before, not edited since."""
    stands = verdict.outcome in ("review", "ignore") and verdict.corrected is None and verdict.version == current
    if not stands or outcome in (None, "review", verdict.outcome):
        return False
    connection.execute(
        text("UPDATE verdicts SET corrected = :outcome WHERE mention_id = :id AND version = :version"),
        {"outcome": outcome, "id": mention_id, "version": verdict.version},
    )
    if outcome == "ticket":
        file_again(connection, mention_id)
    return outcome == "ticket"


def version(connection: Connection) -> int:
    """The id of the model in force, 0 for none."""
    return int(connection.execute(text("SELECT id FROM models WHERE in_force")).scalar() or 0)


def in_force(connection: Connection) -> Learned | None:
    """The model in force. Raises ValueError when its row is broken."""
    body = connection.execute(text("SELECT body FROM models WHERE in_force")).scalar()
    return None if body is None else read(body)


def keep(connection: Connection, actor: str, body: dict[str, Any], report: dict[str, Any]) -> int:
    """Store a model and put it in force; the one before is kept. Raises ValueError when the body is broken."""
    read(body)
    connection.execute(text("UPDATE models SET in_force = false WHERE in_force"))
    found = connection.execute(
        text(
            "INSERT INTO models (hash, body, report, in_force, by) "
            "VALUES (:hash, CAST(:body AS jsonb), CAST(:report AS jsonb), true, :by) RETURNING id"
        ),
        {"hash": body["version"], "body": json.dumps(body), "report": json.dumps(report), "by": actor},
    ).scalar_one()
    audit.append(connection, actor, "model.keep", f"model:{found}", {"hash": body["version"]})
    return int(found)


def restore(connection: Connection, actor: str, model_id: int) -> str:
    """Put an earlier model in force again, or none with 0; returns its hash. Raises LookupError, and ValueError when it is broken."""
    body = connection.execute(text("SELECT body FROM models WHERE id = :id"), {"id": model_id}).scalar()
    if model_id and body is None:
        raise LookupError(f"there is no model {model_id}")
    found = read(body).version if model_id else ""
    connection.execute(text("UPDATE models SET in_force = false WHERE in_force"))
    connection.execute(text("UPDATE models SET in_force = true WHERE id = :id"), {"id": model_id})
    audit.append(connection, actor, "model.restore", f"model:{model_id}", {"hash": found})
    return found


def kept(connection: Connection, most: int = 50) -> list[Kept]:
    """The newest versions first."""
    found = rows(
        connection, "SELECT id, hash, in_force, by, at, report FROM models ORDER BY id DESC LIMIT :most", most=most
    )
    return [Kept(**row) for row in found]
