"""The switch that stops all posting: while it is on, nothing that customers read leaves. Tickets, notes for desks and alerts go on.

It is a row of `meta`. Turning it on waits for claims under way (they lock their target), and the deliver step asks once more right
before it calls, so that nothing begins to leave after the switch is on.
"""

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from storage import audit
from storage.ledger import one

PUBLIC = ("ticket.reply", "survey.ask")  # kinds of effects that customers read
KEY = "posting.stopped"
# whether the switch holds the row `o`: what customers read, and what tells a desk of an answer that has not left
STOPPED = """(EXISTS (SELECT 1 FROM meta WHERE key = 'posting.stopped') AND (o.kind IN ('ticket.reply', 'survey.ask')
    OR o.kind = 'ticket.comment' AND EXISTS (SELECT 1 FROM outbox a WHERE a.ticket_id = o.ticket_id AND a.entry_id = o.entry_id
        AND a.kind = 'ticket.reply' AND a.state NOT IN ('done', 'dead'))))"""
SAID = "SELECT value FROM meta WHERE key = 'posting.stopped'"
LONGEST = 200


@dataclass(frozen=True, slots=True)
class Stop:
    by: str
    why: str
    at: datetime


def standing(connection: Connection) -> Stop | None:
    """Who stopped posting, why and when; None while it goes on."""
    return read(one(connection, SAID))


def read(said: str | None) -> Stop | None:
    """The stored row's value, for whoever asks for it beside other things (`SAID`)."""
    if said is None:
        return None
    told = json.loads(said)
    return Stop(told["by"], told["why"], datetime.fromisoformat(told["at"]))


def stop(connection: Connection, actor: str, name: str, why: str) -> bool:
    """Turn it on; False when it is on already."""
    connection.execute(text("SELECT 1 FROM targets ORDER BY name FOR UPDATE"))
    done = connection.execute(
        text(
            "INSERT INTO meta (key, value) VALUES (:key, CAST(jsonb_build_object('by', CAST(:name AS text), 'why', CAST(:why AS text), "
            "'at', now()) AS text)) ON CONFLICT (key) DO NOTHING"
        ),
        {"key": KEY, "name": name[:100], "why": why[:LONGEST]},
    ).rowcount
    if done:
        audit.append(connection, actor, "posting.stop", "posting")
    return bool(done)


def resume(connection: Connection, actor: str) -> bool:
    """Turn it off: what waited goes out now. False when it is off already."""
    done = connection.execute(text("DELETE FROM meta WHERE key = :key"), {"key": KEY}).rowcount
    if done:
        audit.append(connection, actor, "posting.resume", "posting")
        connection.execute(text("SELECT pg_notify('earmark', 'deliver')"))
    return bool(done)
