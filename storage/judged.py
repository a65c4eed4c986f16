"""A verdict with all it was reached by: its receipt, and the mention, configuration and learned model as they were then."""

import json
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, text

from domain.learning import Learned, read
from domain.nouns import Standing, Stored
from storage import digests
from storage.ledger import rows
from storage.views_ticket import LATEST, POST, Post


@dataclass(frozen=True, slots=True)
class Judged:
    """`configuration` is the id of the one in force when it was decided, `learned` the model its receipt names."""

    stored: Stored
    outcome: str
    reason: str
    receipt: dict[str, Any]
    configuration: int
    learned: str


_FOUND = """SELECT DISTINCT ON (v.mention_id) v.mention_id, v.outcome, v.reason, v.version, r.body,
    coalesce((SELECT max(c.id) FROM configurations c WHERE c.complaints IS NULL AND c.at <= v.decided_at),
        (SELECT min(c.id) FROM configurations c WHERE c.complaints IS NULL), 0) AS configuration
    FROM verdicts v JOIN receipts r USING (mention_id, version) WHERE v.mention_id = ANY(:ids)
    ORDER BY v.mention_id, v.version DESC"""


def judged(connection: Connection, mention_ids: list[int]) -> dict[int, Judged]:
    """mention id → its newest verdict, where there is one."""
    found = {row["mention_id"]: row for row in rows(connection, _FOUND, ids=mention_ids)}
    stored = digests.load(connection, list(found)) if found else {}
    made = {}
    for id_, row in found.items():
        if id_ in stored:
            receipt = json.loads(row["body"])
            version = str(receipt.get("versions", {}).get("learned", ""))
            known = _as_then(stored[id_], receipt)
            made[id_] = Judged(known, row["outcome"], row["reason"], receipt, row["configuration"], version)
    return made


def _as_then(stored: Stored, receipt: dict[str, Any]) -> Stored:
    """The mention with what the receipt saw of it: topics, age, its author's standing. Settled by nobody."""
    facts = receipt.get("facts", {})
    standing = Standing(**facts["standing"]) if facts.get("standing") else None
    topics = tuple(receipt.get("topics", stored.topics))
    return replace(stored, topics=topics, age=facts.get("age"), standing=standing, settled=None)


def document(connection: Connection, configuration: int) -> dict[str, Any] | None:
    """A configuration that was accepted, by its id; None with 0 or when it is gone."""
    asked = text("SELECT document FROM configurations WHERE id = :id AND complaints IS NULL")
    return connection.execute(asked, {"id": configuration}).scalar() if configuration else None


def model(connection: Connection, version: str) -> Learned | None:
    """The learned model of a version; None without one. Raises ValueError when its row is broken."""
    asked = text("SELECT body FROM models WHERE hash = :hash ORDER BY id DESC LIMIT 1")
    body = connection.execute(asked, {"hash": version}).scalar() if version else None
    return None if body is None else read(body)


def post(connection: Connection, mention_id: int) -> Post | None:
    """The mention as people read it, with its ticket's number where it has one."""
    found = rows(
        connection,
        f"SELECT {POST}, t.number AS ticket, coalesce(v.corrected, v.outcome) AS outcome, v.reason FROM mentions m {LATEST} "  # noqa: S608
        "LEFT JOIN ticket_mentions tm ON tm.mention_id = m.id LEFT JOIN tickets t ON t.id = tm.ticket_id WHERE m.id = :id LIMIT 1",
        id=mention_id,
    )
    return Post(**found[0]) if found else None
