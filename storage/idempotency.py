"""A request that carries a key is done once: its answer is kept for a day and given again.

The key's row, the work and the answer are one transaction: a second request with the key waits for the first, and a crash leaves neither.
https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from storage import bulk
from storage.ledger import rows

HOURS = 24
LONGEST = 255


class Reused(ValueError):
    """The key came before, with another request."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any
    again: bool = False


def fingerprint(method: str, path: str, body: bytes) -> bytes:
    """What makes a request the same."""
    return hashlib.sha256(b"\0".join((method.encode(), path.encode(), body))).digest()


def once(connection: Connection, actor: str, key: str, request: bytes, work: Callable[[Connection], Answer]) -> Answer:
    """Do the work, or give the answer it had. Without a key the work is just done. Raises Reused."""
    if not key:
        return work(connection)
    won = rows(
        connection,
        "INSERT INTO idempotency AS i (actor, key, request) VALUES (:actor, :key, :request) ON CONFLICT (actor, key) DO UPDATE "
        "SET request = EXCLUDED.request, status = NULL, answer = NULL, at = now() WHERE i.at < now() - make_interval(hours => :hours) RETURNING key",
        actor=actor,
        key=key[:LONGEST],
        request=request,
        hours=HOURS,
    )
    if not won:
        known = rows(
            connection,
            "SELECT request, status, answer FROM idempotency WHERE actor = :actor AND key = :key",
            actor=actor,
            key=key[:LONGEST],
        )[0]
        if bytes(known["request"]) != request:
            raise Reused("this Idempotency-Key came with another request before")
        return Answer(known["status"], bulk.loads(known["answer"]), again=True)
    answer = work(connection)
    connection.execute(
        text("UPDATE idempotency SET status = :status, answer = :answer WHERE actor = :actor AND key = :key"),
        {"status": answer.status, "answer": bulk.dumps(answer.body), "actor": actor, "key": key[:LONGEST]},
    )
    return answer


def purge(connection: Connection) -> int:
    """Forget keys that are a day old."""
    statement = text("DELETE FROM idempotency WHERE at < now() - make_interval(hours => :hours)")
    return connection.execute(statement, {"hours": HOURS}).rowcount
