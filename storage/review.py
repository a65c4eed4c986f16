"""Mentions the rules left to a person: the list, and the decision. The verdict stays as it was; the decision stands beside it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from storage import audit, corrections
from storage.ledger import one, rows
from storage.together import Question, ask, together
from storage.users import User
from storage.views import PAGE
from storage.views_ticket import Post, Reason, reasons, said

OUTCOMES = ("ticket", "ignore")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A mention in review, with what the rules thought."""

    post: Post
    version: int
    intent: str
    priority: str
    topic: str
    decided_at: datetime
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class ReviewPage:
    items: list[Waiting]
    total: int
    page: int
    pages: int


def waiting(connection: Connection, page: int = 1) -> ReviewPage:
    """What waits for a decision, oldest first."""
    asked = together(connection, total=_TOTAL, found=_listed(page))
    found, pages = asked["found"], max(1, -(-asked["total"] // PAGE))
    if page > pages:
        page, found = pages, ask(connection, _listed(pages))
    ids = [row["mention_id"] for row in found]
    got = together(connection, posts=said(ids), reasons=reasons(ids))
    why = {(reason.mention_id, reason.version): reason for reason in got["reasons"]}
    items = [
        Waiting(
            post=got["posts"][row["mention_id"]],
            version=row["version"],
            intent=row["intent"],
            priority=row["priority"],
            topic=row["topic"],
            decided_at=row["decided_at"],
            reason=why.get((row["mention_id"], row["version"])),
        )
        for row in found
        if row["mention_id"] in got["posts"]
    ]
    return ReviewPage(items, asked["total"], max(1, page), pages)


_TOTAL = Question(
    "SELECT count(*) AS n FROM verdicts WHERE outcome = 'review' AND corrected IS NULL",
    {},
    lambda found: int(found[0]["n"]),
)


def _listed(page: int) -> Question[list[Any]]:
    return Question(
        """SELECT mention_id, version, intent, priority, topic, decided_at FROM verdicts
        WHERE outcome = 'review' AND corrected IS NULL ORDER BY decided_at, mention_id LIMIT :limit OFFSET :offset""",
        {"limit": PAGE, "offset": (max(1, page) - 1) * PAGE},
        list,
    )


def decide(
    connection: Connection, user: User, mention_id: int, version: int, outcome: str, intent: str | None = None
) -> bool:
    """Put a person's outcome beside the verdict; False when somebody was first or the post was edited meanwhile.

    `intent`: what it was, where they said so. "ticket" queues the mention as a new version: the same filing step opens the ticket and honours the decision.
    """
    if outcome not in OUTCOMES:
        raise ValueError(f"a review ends as {' or '.join(OUTCOMES)}")
    current = connection.execute(
        text("SELECT version FROM mentions WHERE id = :id FOR UPDATE"), {"id": mention_id}
    ).scalar()
    if current != version:
        return False
    taken = connection.execute(
        text(
            "UPDATE verdicts SET corrected = :outcome WHERE mention_id = :id AND version = :version "
            "AND outcome = 'review' AND corrected IS NULL"
        ),
        {"outcome": outcome, "id": mention_id, "version": version},
    ).rowcount
    if not taken:
        return False
    corrections.add(connection, user.actor, mention_id, version, outcome=outcome, intent=intent)
    if outcome == "ticket":
        file_again(connection, mention_id)
    audit.append(connection, user.actor, f"review.{outcome}", f"mention:{mention_id}", {"version": version})
    return True


class TooLate(Exception):
    """What a decision led to has begun."""


def take_back(connection: Connection, user: User, mention_id: int, version: int) -> None:
    """One's own decision is none again, and teaches nothing. Raises TooLate when its ticket is on its way, or it is not theirs."""
    rows(connection, "SELECT 1 FROM mentions WHERE id = :id FOR UPDATE", id=mention_id)
    last = rows(
        connection,
        "SELECT id, outcome, by FROM corrections WHERE mention_id = :id AND version = :v ORDER BY id DESC LIMIT 1",
        id=mention_id,
        v=version,
    )
    decided = one(
        connection,
        "SELECT corrected FROM verdicts WHERE mention_id = :id AND version = :v AND outcome = 'review' FOR UPDATE",
        id=mention_id,
        v=version,
    )
    if not last or last[0]["by"] != user.actor or decided is None or last[0]["outcome"] != decided:
        raise TooLate("It was not taken back: the last word on this post is not yours.")
    if decided == "ticket" and not _unqueue(connection, mention_id, version):
        raise TooLate("It was not taken back: its ticket is opened already. Close that one, or mute it.")
    connection.execute(
        text("UPDATE verdicts SET corrected = NULL WHERE mention_id = :id AND version = :v"),
        {"id": mention_id, "v": version},
    )
    connection.execute(text("DELETE FROM corrections WHERE id = :id"), {"id": last[0]["id"]})
    audit.append(connection, user.actor, "review.undo", f"mention:{mention_id}", {"version": version})


def _unqueue(connection: Connection, mention_id: int, version: int) -> bool:
    """Take the version that was queued for filing back out, unless somebody began it or the post went on since."""
    taken = one(
        connection,
        "DELETE FROM digests WHERE mention_id = :id AND version = :v + 1 AND attempts = 0 AND lease IS NULL RETURNING 1",
        id=mention_id,
        v=version,
    )
    if taken:
        connection.execute(
            text("UPDATE mentions SET version = :v WHERE id = :id AND version = :v + 1"),
            {"id": mention_id, "v": version},
        )
    return bool(taken)


def file_again(connection: Connection, mention_id: int) -> None:
    """Queue a mention as a new version: filing honours what a person decided."""
    connection.execute(
        text(
            "WITH bumped AS (UPDATE mentions SET version = version + 1 WHERE id = :id RETURNING id, version) "
            "INSERT INTO digests (mention_id, version) SELECT id, version FROM bumped "
            "ON CONFLICT (mention_id) DO UPDATE SET version = EXCLUDED.version, attempts = 0, due = now(), lease = NULL, "
            "lease_until = NULL, worker = NULL, error = NULL"
        ),
        {"id": mention_id},
    )
    connection.execute(text("SELECT pg_notify('earmark', 'digest')"))
