"""What people have begun to write on tickets, kept until it is sent: one per ticket, person and kind.

Nothing but sending, emptying it or an erasure ends a draft. One on a ticket that was merged is shown on the ticket that goes on.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from domain.said import Said
from storage.casework import LONGEST_NOTE, Refused
from storage.ledger import one
from storage.together import Question
from storage.users import User

KINDS = ("note", "reply")
ROOM = 2 * LONGEST_NOTE  # a draft may be longer than what can be sent: it is still somebody's work


@dataclass(frozen=True, slots=True)
class Draft:
    """`elsewhere`: numbers of merged tickets that parts of it were begun on."""

    body: str
    at: datetime
    elsewhere: tuple[int, ...] = ()


_OWN = "(t.id = :ticket OR t.merged_into = :ticket)"


def of(ticket_id: int, user_id: int) -> Question[dict[str, Draft]]:
    """kind → this person's draft, joined with what they began on tickets merged into this one."""
    return Question(
        f"SELECT d.kind, d.body, d.at, t.id, t.number FROM drafts d JOIN tickets t ON t.id = d.ticket_id "  # noqa: S608 our own text
        f"WHERE d.user_id = :me AND {_OWN} ORDER BY d.kind, (t.id = :ticket), d.at",
        {"me": user_id, "ticket": ticket_id},
        lambda found: _joined(found, ticket_id),
    )


def _joined(found: list[Any], ticket_id: int) -> dict[str, Draft]:
    made: dict[str, Draft] = {}
    for row in found:
        before = made.get(row["kind"])
        elsewhere = (*(before.elsewhere if before else ()), *((row["number"],) if row["id"] != ticket_id else ()))
        body = "\n\n".join([before.body, row["body"]] if before else [row["body"]])
        made[row["kind"]] = Draft(body, row["at"], elsewhere)
    return made


def save(connection: Connection, user: User, number: int, kind: str, body: str) -> datetime | None:
    """Keep what is written so far, in place of what was; an empty text ends the draft (None). Raises LookupError, Refused."""
    if kind not in KINDS:
        raise Refused(f"A draft is a {' or a '.join(KINDS)}.")
    if len(body) > ROOM:
        raise Refused(Said("A draft has at most %(most)s characters; this one has %(n)s.", most=ROOM, n=len(body)))
    ticket = one(connection, "SELECT id FROM tickets WHERE number = :number", number=number)
    if ticket is None:
        raise LookupError(number)
    clear(connection, user, ticket, kind, keep=bool(body.strip()))
    if not body.strip():
        return None
    kept: datetime = one(
        connection,
        "INSERT INTO drafts (ticket_id, user_id, kind, body) VALUES (:ticket, :me, :kind, :body) "
        "ON CONFLICT (ticket_id, user_id, kind) DO UPDATE SET body = excluded.body, at = now() RETURNING at",
        ticket=ticket,
        me=user.id,
        kind=kind,
        body=body,
    )
    return kept


def clear(connection: Connection, user: User, ticket_id: int, kind: str, *, keep: bool = False) -> None:
    """It was sent, or given up. `keep`: only the parts on merged tickets go, which the own one holds now."""
    connection.execute(
        text(
            f"DELETE FROM drafts d USING tickets t WHERE t.id = d.ticket_id AND {_OWN} AND d.user_id = :me "  # noqa: S608
            "AND d.kind = :kind AND NOT (:keep AND t.id = :ticket)"
        ),
        {"ticket": ticket_id, "me": user.id, "kind": kind, "keep": keep},
    )


def put_back(connection: Connection, user_id: int, ticket_id: int, kind: str, body: str) -> None:
    """What was sent is a draft again, before what was begun since."""
    connection.execute(
        text(
            "INSERT INTO drafts (ticket_id, user_id, kind, body) VALUES (:ticket, :me, :kind, :body) "
            "ON CONFLICT (ticket_id, user_id, kind) DO UPDATE SET at = now(), body = CASE WHEN drafts.body = excluded.body "
            "THEN drafts.body ELSE excluded.body || E'\\n\\n' || drafts.body END"
        ),
        {"ticket": ticket_id, "me": user_id, "kind": kind, "body": body},
    )
