"""Surveys: asked once by e-mail after a ticket was resolved, answered once by a link of its own, on the ticket's timeline.

The link's value is random; the table holds its hash. The mail that carries it is an outbox row, and loses its text once delivered.
"""

import hashlib
import secrets
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, text

from domain.surveys import QUESTIONS, SCALES, valid
from storage import bulk, entries, outbox, runs
from storage.ledger import one, rows
from storage.outbox import Effect

LONGEST_COMMENT = 2000
BATCH = 100


@dataclass(frozen=True, slots=True)
class Ask:
    """One configured survey, as the step hands it over."""

    name: str
    kind: str
    target: str
    question: str = ""
    after: timedelta = timedelta(hours=1)
    throttle: timedelta = timedelta(days=30)
    expires: timedelta = timedelta(days=14)
    teams: tuple[str, ...] = ()
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Open:
    """A survey behind a link."""

    id: int
    kind: str
    question: str
    ticket_id: int
    answered: bool
    expired: bool


def ask(connection: Connection, survey: Ask, console_url: str, worker: str = "", now_limit: int = BATCH) -> int:
    """Ask about tickets that were resolved long enough ago, each once; how many mails are owed now.

    Only customers with an e-mail address, and no customer again within the throttle, by whichever survey. The customer's row is locked, so
    that two workers do not both ask. A ticket outside the configured share is passed over the same way each time.
    """
    found = rows(
        connection,
        """SELECT t.id, t.number, t.subject, t.customer_id, t.team, m.address FROM tickets t
        JOIN customers c ON c.id = t.customer_id
        JOIN LATERAL (SELECT i.native_id AS address FROM customer_identities l JOIN identities i ON i.id = l.identity_id
            WHERE l.customer_id = t.customer_id AND i.kind = 'email' ORDER BY l.verified DESC, l.identity_id LIMIT 1) m ON true
        WHERE t.status IN ('resolved', 'closed') AND t.merged_into IS NULL
            AND t.resolved_at BETWEEN now() - :after - interval '3 days' AND now() - :after
            AND (cardinality(CAST(:teams AS text[])) = 0 OR t.team = ANY(:teams))
            AND NOT EXISTS (SELECT 1 FROM surveys s WHERE s.ticket_id = t.id AND s.survey = :name)
            AND NOT EXISTS (SELECT 1 FROM surveys s JOIN tickets o ON o.id = s.ticket_id
                WHERE o.customer_id = t.customer_id AND s.asked_at > now() - :throttle)
        ORDER BY t.resolved_at, t.id LIMIT :limit FOR UPDATE OF c SKIP LOCKED""",
        after=survey.after,
        teams=list(survey.teams),
        name=survey.name,
        throttle=survey.throttle,
        limit=now_limit,
    )
    chosen = _first_each([row for row in found if _in_share(survey, row["id"])])
    if not chosen:
        return 0
    run = runs.start(connection, "survey", worker)
    effects = [_owed(connection, survey, row, console_url) for row in chosen]
    outbox.owe_many(connection, run, effects)
    runs.finish(connection, run)
    connection.execute(text("SELECT pg_notify('earmark', 'deliver')"))
    return len(effects)


def _in_share(survey: Ask, ticket: int) -> bool:
    return zlib.crc32(f"{survey.name}:{ticket}".encode()) % 10_000 < survey.share * 10_000


def _first_each(found: Sequence[Any]) -> list[Any]:
    """One ticket per customer: they are asked once, about the first."""
    first: dict[int, Any] = {}
    for row in found:
        first.setdefault(row["customer_id"], row)
    return list(first.values())


def _owed(connection: Connection, survey: Ask, row: Any, console_url: str) -> Effect:
    token = secrets.token_urlsafe(32)
    question = survey.question or QUESTIONS[survey.kind]
    id_ = one(
        connection,
        "INSERT INTO surveys (survey, kind, ticket_id, token_hash, question, expires_at) "
        "VALUES (:name, :kind, :ticket, :hash, :question, now() + :expires) RETURNING id",
        name=survey.name, kind=survey.kind, ticket=row["id"], hash=hashed(token), question=question, expires=survey.expires,
    )  # fmt: skip
    low, high = SCALES[survey.kind]
    body = {
        "to": row["address"], "number": row["number"], "subject": "One question about how we did",
        "text": f"{question}\n\nAnswer with one click, from {low} to {high}:\n{console_url}/survey/{token}\n\n"
        "The link is yours alone and answers once. If you would rather not, there is nothing you need to do.",
    }  # fmt: skip
    return Effect(survey.target, "survey.ask", f"em-s{id_}-{survey.target}", body, row["id"])


def hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def find(connection: Connection, token: str, lock: bool = False) -> Open | None:
    """The survey behind a link; None for a link nobody made."""
    found = rows(
        connection,
        "SELECT id, kind, question, ticket_id, answered_at IS NOT NULL AS answered, expires_at <= now() AS expired "
        "FROM surveys WHERE token_hash = :hash" + (" FOR UPDATE" if lock else ""),
        hash=hashed(token[:200]),
    )
    return Open(**found[0]) if found else None


def answer(connection: Connection, token: str, score: int, comment: str = "") -> bool:
    """Keep an answer, once; False when the link is unknown, used or over. Raises ValueError for a score off the scale."""
    asked = find(connection, token, lock=True)
    if asked is None or asked.answered or asked.expired:
        return False
    if not valid(asked.kind, score):
        raise ValueError("This answer is not on the scale.")
    comment = comment.strip()[:LONGEST_COMMENT]
    run = runs.start(connection, "survey")
    body = f"{asked.kind.upper()} {score} of {SCALES[asked.kind][1]}" + (f": {comment}" if comment else "")
    [entry] = entries.write(connection, run, [
        {"ticket_id": asked.ticket_id, "kind": "survey", "body": body,
         "detail": {"event": "survey", "survey": asked.kind, "score": score}}
    ])  # fmt: skip
    connection.execute(
        text(
            "UPDATE surveys SET answered_at = now(), score = :score, comment = :comment, entry_id = :entry WHERE id = :id"
        ),
        {"score": score, "comment": comment, "entry": entry, "id": asked.id},
    )
    runs.finish(connection, run)
    return True


def forget_links(connection: Connection, limit: int = 500) -> int:
    """A delivered mail's row loses its text: the link in it is the customer's alone."""
    return connection.execute(
        text(
            "UPDATE outbox SET notice = :blank, request = NULL WHERE id IN (SELECT id FROM outbox WHERE kind = 'survey.ask' "
            "AND state = 'done' AND notice <> :blank AND done_at < now() - interval '10 minutes' ORDER BY id LIMIT :limit "
            "FOR UPDATE SKIP LOCKED)"
        ),
        {"blank": bulk.dumps({"text": "sent"}), "limit": limit},
    ).rowcount


def results(connection: Connection, days: int = 90) -> list[dict[str, Any]]:
    """Per survey: asked, answered, and the scores' distribution."""
    found = rows(
        connection,
        "SELECT survey, kind, count(*) AS asked, count(answered_at) AS answered, "
        "coalesce(array_agg(score ORDER BY score) FILTER (WHERE score IS NOT NULL), '{}') AS scores "
        "FROM surveys WHERE asked_at > now() - make_interval(days => :days) GROUP BY 1, 2 ORDER BY 1",
        days=days,
    )
    return [dict(row) for row in found]
