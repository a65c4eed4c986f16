"""What is looked at once more before a public answer leaves: the post it answers, and what came of looking. Which answers stop is
domain/looks.py's; asking the platform is workers/looking.py's."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from domain.looks import Known
from storage import bulk
from storage.ledger import rows

CHANNELS = 5  # that found the post, to ask through


@dataclass(frozen=True, slots=True)
class Wanted:
    """An answer about to leave, and the post it answers. `channels` found the post; `raw` is its stored item, where it is still kept."""

    entry: int
    platform: str
    native_id: str
    context: str
    raw: str | None
    known: Known
    channels: tuple[str, ...]


def answered(connection: Connection, ticket_id: int) -> list[int]:
    """[mention, version]: the newest post of the ticket, as whoever answers has it before them; empty without one."""
    found = rows(
        connection,
        "SELECT m.id, m.version FROM ticket_mentions l JOIN mentions m ON m.id = l.mention_id WHERE l.ticket_id = :id "
        "AND m.deleted_at IS NULL ORDER BY m.published DESC, m.id DESC LIMIT 1",
        id=ticket_id,
    )
    return [found[0]["id"], found[0]["version"]] if found else []


def wanted(connection: Connection, outbox_id: int) -> Wanted | None:
    """What to look at before this row leaves; None where nothing is to be looked at: no post, or who wrote it sends it anyway."""
    found = rows(
        connection,
        """SELECT e.id AS entry, m.id AS mention, m.platform, m.native_id, m.context, m.name, m.content, m.deleted_at, m.version,
            CAST(e.detail #>> '{reply,post,1}' AS integer) AS shown,
            (SELECT body FROM payloads p WHERE p.mention_id = m.id ORDER BY p.version DESC LIMIT 1) AS raw,
            (SELECT max(r.at) FROM entries r WHERE r.ticket_id = e.ticket_id AND r.kind = 'reply' AND r.id <> e.id AND r.at <= e.at) AS since,
            ARRAY(SELECT c.name FROM sightings s JOIN channels c ON c.id = s.channel_id WHERE s.mention_id = m.id
                ORDER BY s.first_seen, c.name LIMIT :most) AS channels
        FROM outbox o JOIN entries e ON e.id = o.entry_id JOIN mentions m ON m.id = CAST(e.detail #>> '{reply,post,0}' AS bigint)
        WHERE o.id = :id""",
        id=outbox_id,
        most=CHANNELS,
    )
    return _wanted(found[0]) if found else None


def _wanted(row: Mapping[str, Any]) -> Wanted:
    changed = "deleted" if row["deleted_at"] else "edited" if row["version"] > row["shown"] else ""
    words = f"{row['name']}\n{row['content']}" if row["name"] and row["content"] else row["name"] or row["content"]
    known = Known(words, changed, row["since"])
    return Wanted(
        row["entry"], row["platform"], row["native_id"], row["context"], row["raw"], known, tuple(row["channels"])
    )


def note(connection: Connection, entry: int, said: str, at: datetime) -> None:
    """How looking went, for the ticket's page: `same`, or why nobody could look."""
    connection.execute(
        text("UPDATE entries SET detail = detail || CAST(:look AS jsonb) WHERE id = :id AND kind = 'reply'"),
        {"id": entry, "look": bulk.dumps({"look": {"said": said[:300], "at": at.isoformat()}})},
    )
