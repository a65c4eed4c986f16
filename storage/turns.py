"""Whose turn it is: the next ticket claimed in one transaction, skipping with a reason, snoozing, and one change to many tickets."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from domain.lifecycle import DONE
from domain.said import Said
from storage import audit, entries, runs
from storage.casework import Change, Held, Person, Refused, change, hold_numbers, locked, said, started, tag, touch
from storage.ledger import one, rows
from storage.together import Question
from storage.users import User
from storage.views import DUE, OPEN

LEASE = timedelta(minutes=15)
MOST = 1000  # tickets of one bulk change

# who writes first and what is at stake: breached or soon due, then by priority, then who waited longest
_ORDER = f"array_position(ARRAY['urgent','high','normal','low'], t.priority), {DUE} ASC NULLS LAST, t.opened_at, t.id"
# waiting for anybody, handed to this person and not begun, or in their hands by a claim that still holds
_FREE = f"""{OPEN} AND t.status IN ('new', 'open') AND (t.assignee_id IS NULL OR t.assignee_id = :me AND (t.status = 'new'
        OR t.claimed_by = :me AND t.claimed_until > now()))
    AND (t.claimed_until IS NULL OR t.claimed_until < now() OR t.claimed_by = :me) AND t.merged_into IS NULL
    AND earmark_sees_team(t.team) AND earmark_sees_topic(t.topic)
    AND (t.assignee_id IS NOT NULL OR t.team = '' OR cardinality(CAST(:teams AS text[])) = 0 OR t.team = ANY(:teams))
    AND NOT EXISTS (SELECT 1 FROM entries e WHERE e.ticket_id = t.id AND e.kind = 'skip' AND e.user_id = :me
        AND e.at > now() - interval '12 hours')"""  # noqa: S608 our own text


@dataclass(slots=True)
class Bulk:
    """What one change to many tickets did. `refused`: number → why."""

    changed: list[int] = field(default_factory=list)
    same: list[int] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        return {"changed": len(self.changed), "same": len(self.same), "refused": len(self.refused)}


@dataclass(frozen=True, slots=True)
class Claim:
    """A ticket that leaves its owner at `until` unless they do something with it. `taken`: as their next one, not given by a route."""

    until: datetime
    taken: bool


def take_next(connection: Connection, user: User, lease: timedelta = LEASE) -> int | None:
    """Give this person the ticket that should be worked on now; its number, or None when nothing waits for them.

    Their own claim is prolonged first: asking twice gives the same ticket until they act on it, skip it or its lease ends.
    """
    teams = one(connection, "SELECT teams FROM agents WHERE user_id = :me", me=user.id) or []
    found = rows(
        connection,
        f"""UPDATE tickets t SET claimed_by = :me, claimed_until = now() + :lease, assignee_id = coalesce(t.assignee_id, :me),
            hand_back_at = CASE WHEN t.assignee_id IS NULL THEN now() + :lease ELSE t.hand_back_at END,
            status = CASE WHEN t.status = 'new' THEN 'open' ELSE t.status END, version = t.version + 1, updated_at = now()
        FROM (SELECT t.id, t.status, t.assignee_id FROM tickets t WHERE {_FREE}
            ORDER BY (t.claimed_by = :me AND t.claimed_until > now()) DESC NULLS LAST, {_ORDER} LIMIT 1 FOR UPDATE SKIP LOCKED) o
        WHERE o.id = t.id RETURNING t.id, t.number, o.status, o.assignee_id""",  # noqa: S608 our own text
        me=user.id,
        lease=lease,
        teams=list(teams),
    )
    if not found:
        return None
    ticket = found[0]
    if ticket["status"] == "new" or ticket["assignee_id"] is None:
        run = started(connection, user)
        detail: dict[str, Any] = {"event": "assigned", "claim": True}
        if ticket["assignee_id"] is None:
            detail["assignee_id"] = [None, user.id]
        if ticket["status"] == "new":
            detail["status"] = ["new", "open"]
        entries.write(connection, run, [
            {"ticket_id": ticket["id"], "kind": "status", "user_id": user.id, "body": f"{user.name} took it as the next", "detail": detail}
        ])  # fmt: skip
        runs.finish(connection, run)
        audit.append(connection, user.actor, "ticket.next", f"ticket:{ticket['number']}", {})
    return int(ticket["number"])


def claimed(user_id: int, ticket_id: int) -> Question[Claim | None]:
    """When the ticket leaves this person, if it is theirs and they did nothing with it yet. It is the moment `routing.hand_back` goes by:
    asking for the next one again prolongs who may be offered it, not this."""
    return Question(
        "SELECT hand_back_at, claimed_by IS NOT DISTINCT FROM assignee_id AS taken FROM tickets WHERE id = :id AND assignee_id = :me "
        "AND hand_back_at > now() AND status NOT IN ('resolved', 'closed')",
        {"id": ticket_id, "me": user_id},
        lambda found: Claim(found[0]["hand_back_at"], found[0]["taken"]) if found else None,
    )


def keep(connection: Connection, user: User, number: int) -> bool:
    """Say that one is at it: a sign of work like any other, after which the ticket is not handed back. False when it did not wait for one."""
    ticket = locked(connection, number)
    waits = one(connection, "SELECT hand_back_at IS NOT NULL FROM tickets WHERE id = :id", id=ticket.id)
    if ticket.assignee_id != user.id or not waits:
        return False
    touch(connection, ticket.id, user)
    run = started(connection, user)
    entries.write(connection, run, [
        {"ticket_id": ticket.id, "kind": "status", "user_id": user.id, "body": f"{user.name} keeps it", "detail": {"event": "kept"}}
    ])  # fmt: skip
    runs.finish(connection, run)
    audit.append(connection, user.actor, "ticket.keep", f"ticket:{number}", {})
    return True


def skip(connection: Connection, user: User, number: int, reason: str) -> None:
    """Put a ticket back and say why; it is not offered to this person again for half a day."""
    reason = said(reason)
    ticket = locked(connection, number)
    mine = ticket.assignee_id == user.id
    connection.execute(
        text(
            "UPDATE tickets SET claimed_by = NULL, claimed_until = NULL, hand_back_at = NULL, updated_at = now(), "
            "version = version + 1, assignee_id = CASE WHEN :mine THEN NULL ELSE assignee_id END WHERE id = :id"
        ),
        {"id": ticket.id, "mine": mine},
    )
    run = started(connection, user)
    detail = {"assignee_id": [user.id, None]} if mine else {}
    entries.write(connection, run, [
        {"ticket_id": ticket.id, "kind": "skip", "user_id": user.id, "body": reason, "detail": {"event": "skipped", **detail}}
    ])  # fmt: skip
    runs.finish(connection, run)
    audit.append(connection, user.actor, "ticket.skip", f"ticket:{number}", {})


def snooze(connection: Connection, user: Person, number: int, until: datetime | None) -> None:
    """Take a ticket out of the lists until a moment, or until the customer writes. None wakes it. Its clocks run on."""
    ticket = locked(connection, number)
    if until is not None and ticket.status in ("resolved", "closed"):
        raise Refused(
            Said(
                "#%(number)s is %(status)s; there is nothing to put off.",
                number=str(number),
                status=Said(ticket.status),
            )
        )
    if until is not None and until <= one(connection, "SELECT now()"):
        raise Refused("Snooze until a moment to come.")
    connection.execute(
        text("UPDATE tickets SET snoozed_until = :until WHERE id = :id"), {"until": until, "id": ticket.id}
    )
    touch(connection, ticket.id, user)
    run = started(connection, user)
    body = f"snoozed until {until:%Y-%m-%d %H:%M} UTC" if until else "woken"
    entries.write(connection, run, [
        {"ticket_id": ticket.id, "kind": "status", "user_id": user.id, "body": body,
         "detail": {"snoozed_until": [None, until.isoformat() if until else None], "event": "snoozed" if until else "woken"}}
    ])  # fmt: skip
    runs.finish(connection, run)
    audit.append(connection, user.actor, "ticket.snooze", f"ticket:{number}", {})


def wake(connection: Connection, limit: int = 500) -> int:
    """Tickets whose snooze is over come back, each with an entry; how many."""
    found = rows(
        connection,
        "UPDATE tickets t SET snoozed_until = NULL, updated_at = now(), version = version + 1 FROM (SELECT id, snoozed_until FROM tickets "
        "WHERE snoozed_until <= now() ORDER BY snoozed_until LIMIT :limit FOR UPDATE SKIP LOCKED) o WHERE o.id = t.id "
        "RETURNING t.id, o.snoozed_until AS until",
        limit=limit,
    )
    if found:
        run = runs.start(connection, "upkeep")
        entries.write(connection, run, [
            {"ticket_id": row["id"], "kind": "system", "body": "The snooze is over.",
             "detail": {"event": "woken", "rule": {"name": "snooze", "matched": {"until": row["until"].isoformat()}}}}
            for row in found
        ])  # fmt: skip
        runs.finish(connection, run)
    return len(found)


def wake_written(connection: Connection, ticket_ids: Iterable[int]) -> None:
    """The customer wrote: what was snoozed comes back."""
    connection.execute(
        text("UPDATE tickets SET snoozed_until = NULL WHERE id = ANY(:ids) AND snoozed_until IS NOT NULL"),
        {"ids": sorted(set(ticket_ids))},
    )


def bulk(
    connection: Connection, user: Person, numbers: Sequence[int], wanted: Change, tags: Sequence[str] = (),
    untag: Sequence[str] = (), seen: dict[int, int] | None = None,
) -> Bulk:  # fmt: skip
    """The same change to many tickets, in number order; what one refuses does not keep the others from it."""
    if len(numbers) > MOST:
        raise Refused(Said("At most %(most)s tickets at a time; these are %(n)s.", most=MOST, n=len(numbers)))

    def act(number: int) -> bool:
        changed = change(connection, user, number, wanted, (seen or {}).get(number))
        return tag(connection, user, number, tags, untag) or changed if tags or untag else changed

    hold_numbers(connection, numbers, children=wanted.status in DONE)
    return one_by_one(connection, numbers, act)


def one_by_one(connection: Connection, numbers: Iterable[int], act: Callable[[int], bool]) -> Bulk:
    """Do the same to each ticket, in number order, each in a savepoint of its own. All are locked before the first, since each also takes
    the audit, which others wait for with a ticket in hand."""
    hold_numbers(connection, numbers)
    done = Bulk()
    for number in sorted(set(numbers)):
        _one(connection, number, act, done)
    return done


def _one(connection: Connection, number: int, act: Callable[[int], bool], done: Bulk) -> None:
    point = connection.begin_nested()
    try:
        (done.changed if act(number) else done.same).append(number)
        point.commit()
    except LookupError:
        point.rollback()
        done.refused[number] = "There is no such ticket."
    except Refused as refused:
        point.rollback()
        done.refused[number] = str(refused)


__all__ = [
    "Bulk",
    "Claim",
    "Held",
    "bulk",
    "claimed",
    "keep",
    "one_by_one",
    "skip",
    "snooze",
    "take_next",
    "wake",
    "wake_written",
]
