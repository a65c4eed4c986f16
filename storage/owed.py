"""The outbox as a person looks through it: what is owed to desks and alert routes, why it waits, and trying it again now."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from storage import audit
from storage.ledger import rows
from storage.outbox import HELD
from storage.posting import STOPPED

PAGE = 50
# one word for each row, told apart as people ask: `held` waits for an earlier one of its ticket, `scheduled` for its time
WORD = f"""CASE WHEN o.state IN ('done', 'dead', 'sending', 'unknown') THEN o.state
    WHEN o.state = 'blocked' OR t.blocked IS NOT NULL THEN 'blocked' WHEN {STOPPED} THEN 'stopped' WHEN {HELD} THEN 'held'
    WHEN o.state = 'retry' THEN 'failed' WHEN o.due > now() THEN 'scheduled' ELSE 'waiting' END"""
WORDS = {  # word -> (label, tone, what it means)
    "waiting": ("Waiting", "calm", "goes out as soon as a worker takes it"),
    "scheduled": ("Scheduled", "calm", "waits for its time"),
    "held": ("Held", "calm", "waits for an earlier effect of the same ticket or flag"),
    "sending": ("Sending", "calm", "a worker is at it"),
    "failed": ("Failed", "warn", "was refused for now and is tried again"),
    "unknown": ("Unknown", "warn", "may have arrived; it is looked up before anything is sent again"),
    "stopped": ("Stopped", "warn", "all posting is stopped; it leaves when posting goes on"),
    "blocked": ("Blocked", "bad", "a person must act at the target first"),
    "dead": ("Dead", "bad", "was given up; retry or drop it as a dead letter"),
    "done": ("Done", "good", "arrived"),
}


@dataclass(frozen=True, slots=True)
class Row:
    id: int
    target: str
    kind: str
    word: str
    ticket: int | None
    escalation_id: int | None
    due: datetime
    attempts: int
    error: str | None
    remote_id: str | None
    created_at: datetime
    done_at: datetime | None
    letter: int | None  # its open dead letter


@dataclass(frozen=True, slots=True)
class Owed:
    rows: list[Row]
    before: int | None  # the id to go on under; None at the end


def listed(connection: Connection, word: str = "", target: str = "", before: int | None = None) -> Owed:
    """Newest first; without a word everything that has not arrived and was not given up."""
    found = rows(
        connection,
        f"""SELECT o.id, o.target, o.kind, o.word, tk.number AS ticket, o.escalation_id, o.due, o.attempts, o.error, o.remote_id,
            o.created_at, o.done_at, (SELECT d.id FROM dead_letters d WHERE d.kind = 'outbox' AND d.ref_id = o.id AND d.state = 'open'
                ORDER BY d.id DESC LIMIT 1) AS letter
        FROM (SELECT o.*, {WORD} AS word FROM outbox o LEFT JOIN targets t ON t.name = o.target
            WHERE (CAST(:before AS bigint) IS NULL OR o.id < :before) AND (:target = '' OR o.target = :target)
            AND (:word IN ('done', 'dead') OR o.state NOT IN ('done', 'dead')) AND (:word NOT IN ('done', 'dead') OR o.state = :word)) o
        LEFT JOIN tickets tk ON tk.id = o.ticket_id WHERE :word = '' OR o.word = :word ORDER BY o.id DESC LIMIT :limit""",  # noqa: S608
        word=word,
        target=target,
        before=before,
        limit=PAGE + 1,
    )
    page = [Row(**row) for row in found[:PAGE]]
    return Owed(page, page[-1].id if len(found) > PAGE else None)


def backlog(connection: Connection) -> dict[str, int]:
    """How many rows stand under each word that still owes something."""
    found = rows(
        connection,
        f"SELECT word, count(*) AS n FROM (SELECT {WORD} AS word FROM outbox o LEFT JOIN targets t ON t.name = o.target "  # noqa: S608
        "WHERE o.state NOT IN ('done', 'dead')) x GROUP BY 1",
    )
    return {row["word"]: row["n"] for row in found}


def now(connection: Connection, id_: int, actor: str) -> bool:
    """Try it at once instead of at its time; False where there is nothing to bring forward. What is held stays behind what it waits for."""
    done = connection.execute(
        text("UPDATE outbox SET due = now() WHERE id = :id AND state IN ('new', 'retry', 'unknown') AND due > now()"),
        {"id": id_},
    ).rowcount
    if done:
        audit.append(connection, actor, "outbox.now", f"outbox:{id_}")
        connection.execute(text("SELECT pg_notify('earmark', 'deliver')"))
    return bool(done)
