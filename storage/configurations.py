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
