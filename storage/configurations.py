"""The configuration in force: one document for every process and host. A refused edit is kept beside it with its complaints."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from storage.ledger import rows


@dataclass(frozen=True, slots=True)
class InForce:
    id: int
    hash: str
    document: dict[str, Any]
    at: datetime


def in_force(connection: Connection) -> InForce | None:
    """What all processes go by; None before the first one was accepted."""
    row = connection.execute(
        text("SELECT id, hash, document, at FROM configurations WHERE complaints IS NULL ORDER BY id DESC LIMIT 1")
    ).one_or_none()
    return InForce(row.id, row.hash, row.document, row.at) if row else None


def version(connection: Connection) -> int:
    """The id of the configuration in force, 0 before the first."""
    found = connection.execute(text("SELECT max(id) FROM configurations WHERE complaints IS NULL")).scalar()
    return int(found or 0)


def accept(connection: Connection, hash_: str, document: dict[str, Any]) -> bool:
    """Put a configuration in force. False when it is already, and no refused edit stands after it."""
    last = connection.execute(
        text("SELECT hash, complaints FROM configurations ORDER BY id DESC LIMIT 1")
    ).one_or_none()
    if last and last.hash == hash_ and last.complaints is None:
        return False
    connection.execute(
        text("INSERT INTO configurations (hash, document) VALUES (:hash, CAST(:document AS jsonb))"),
        {"hash": hash_, "document": json.dumps(document)},
    )
    return True


def refuse(connection: Connection, hash_: str, complaints: str) -> bool:
    """Note that an edit was refused; what is in force stays. False when this very edit was refused before."""
    last = connection.execute(
        text("SELECT hash, complaints FROM configurations ORDER BY id DESC LIMIT 1")
    ).one_or_none()
    if last and last.complaints == complaints:
        return False
    connection.execute(
        text("INSERT INTO configurations (hash, document, complaints) VALUES (:hash, '{}'::jsonb, :complaints)"),
        {"hash": hash_, "complaints": complaints},
    )
    return True


def refused(connection: Connection) -> Any | None:
    """The complaints about the newest edit, when it was refused: at, complaints."""
    found = rows(connection, "SELECT at, complaints FROM configurations ORDER BY id DESC LIMIT 1")
    return found[0] if found and found[0]["complaints"] is not None else None


def lately(connection: Connection, limit: int = 20) -> list[Any]:
    """The newest edits, accepted and refused: id, hash, at, complaints."""
    return rows(
        connection, "SELECT id, hash, at, complaints FROM configurations ORDER BY id DESC LIMIT :limit", limit=limit
    )


def topics_changed(connection: Connection, since: datetime) -> dict[str, datetime]:
    """Topics of the configuration in force whose query was another one after `since`: name → since when it is this. The newest 500
    configurations are looked at."""
    found = connection.execute(
        text(
            "SELECT at, document->'topics' AS topics FROM configurations WHERE complaints IS NULL ORDER BY id DESC LIMIT 500"
        )
    ).all()
    changed: dict[str, datetime] = {}
    now = _asked(found[0].topics) if found else {}
    at = {name: found[0].at for name in now}
    for row in found[1:]:
        before = _asked(row.topics)
        for name in [name for name in at if name not in changed]:
            if before.get(name) == now[name]:
                at[name] = row.at
            elif name in before and at[name] > since:
                changed[name] = at[name]
            else:
                at.pop(name)
    return changed


def _asked(topics: Any) -> dict[str, Any]:
    return {one["name"]: {k: v for k, v in one.items() if k != "label"} for one in topics or ()}
