"""What a person can take back: the changes one click made, on one ticket or a thousand.

An act remembers the entries it wrote, not how things stood: taking it back reverses each of them that still holds and says which do
not, so that what came after is never lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from domain.said import Said
from storage import audit, stopped
from storage.casework import Change, Refused, change, hold_numbers, locked, tag, touch
from storage.ledger import one, rows
from storage.turns import Bulk, one_by_one, snooze
from storage.users import User

KEPT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Act:
    id: int
    what: str
    tickets: int
    at: datetime


def remember(connection: Connection, user: User, what: str, numbers: Sequence[int]) -> int | None:
    """Note what this very transaction changed on these tickets; the act's id, or None when it changed nothing."""
    written = one(
        connection,
        """SELECT array_agg(e.id ORDER BY e.id) FROM entries e JOIN tickets t ON t.id = e.ticket_id
        WHERE t.number = ANY(:numbers) AND e.user_id = :me AND e.at = now()
        AND (e.kind = 'status' AND e.detail IS NOT NULL OR e.kind = 'note')""",
        numbers=list(numbers),
        me=user.id,
    )
    if not written:
        return None
    connection.execute(
        text("DELETE FROM acts WHERE user_id = :me AND at < now() - CAST(:age AS interval)"),
        {"me": user.id, "age": KEPT},
    )
    return int(
        one(
            connection,
            "INSERT INTO acts (user_id, what, entries) VALUES (:me, :what, :entries) RETURNING id",
            me=user.id,
            what=what,
            entries=list(written),
        )
    )


def last(connection: Connection, user: User) -> Act | None:
    """What `undo` would take back."""
    found = rows(
        connection,
        """SELECT a.id, a.what, a.at, (SELECT count(DISTINCT ticket_id) FROM entries e WHERE e.id = ANY(a.entries)) AS tickets
        FROM acts a WHERE a.user_id = :me AND a.undone_at IS NULL AND a.at > now() - CAST(:age AS interval) ORDER BY a.id DESC LIMIT 1""",
        me=user.id,
        age=KEPT,
    )
    return Act(**found[0]) if found else None


def undo(connection: Connection, user: User, act_id: int) -> Bulk:
    """Take one of one's own acts back. Raises Refused when it was taken back already, is not theirs, or is too old."""
    found = rows(
        connection,
        "UPDATE acts SET undone_at = now() WHERE id = :id AND user_id = :me AND undone_at IS NULL "
        "AND at > now() - CAST(:age AS interval) RETURNING entries",
        id=act_id,
        me=user.id,
        age=KEPT,
    )
    if not found:
        raise Refused("There is nothing to take back: it was taken back already, or is older than a day.")
    written = rows(
        connection,
        "SELECT t.number, e.id, e.kind, e.detail FROM entries e JOIN tickets t ON t.id = e.ticket_id WHERE e.id = ANY(:ids) ORDER BY e.id DESC",
        ids=found[0]["entries"],
    )
    changes: dict[int, list[Any]] = {}
    for row in written:
        changes.setdefault(row["number"], []).append(row)

    def back(number: int) -> bool:
        return any([
            _reverse(connection, user, number, row["detail"]) if row["kind"] == "status" else _unsay(connection, user, number, row)
            for row in changes[number]
        ])  # fmt: skip

    hold_numbers(connection, changes, children=True)
    done = one_by_one(connection, changes, back)
    audit.append(connection, user.actor, "undo", f"act:{act_id}", done.counts())
    return done


def _unsay(connection: Connection, user: User, number: int, row: Any) -> bool:
    """A note that an act wrote is taken back: its words go, that there was one stays."""
    if row["kind"] != "note":
        return False
    ticket = locked(connection, number)
    stopped.untell(connection, user, ticket, row["id"], "The note before was taken back.")
    connection.execute(
        text(
            "UPDATE entries SET kind = 'withdrawn', body = 'An internal note was taken back.', detail = :detail WHERE id = :id"
        ),
        {"id": row["id"], "detail": '{"withdrawn": "note"}'},
    )
    connection.execute(text("DELETE FROM ticket_words WHERE source = 'entry' AND source_id = :id"), {"id": row["id"]})
    touch(connection, ticket.id, user)
    return True


def _reverse(connection: Connection, user: User, number: int, detail: dict[str, Any]) -> bool:
    now = rows(
        connection,
        "SELECT status, priority, team, assignee_id, tags, snoozed_until FROM tickets WHERE number = :n FOR UPDATE",
        n=number,
    )[0]
    back = {name: detail[name] for name in ("status", "priority", "team", "assignee_id") if name in detail}
    for name, (_, new) in back.items():
        if (now[name] or None) != (new or None):
            raise Refused(Said("Its %(field)s was changed again since.", field=Said(name.removesuffix("_id"))))
    changed = False
    if back:
        values = {name: old for name, (old, _) in back.items()}
        wanted = Change(
            status=values.get("status"),
            priority=values.get("priority"),
            team=values.get("team") or ("" if "team" in values else None),
            assignee=(values["assignee_id"] or 0) if "assignee_id" in values else None,
            why="taken back",
            back=True,
        )
        changed = change(connection, user, number, wanted)
    if "tags" in detail:
        old, new = (set(names or ()) for names in detail["tags"])
        changed = tag(connection, user, number, sorted(old - new), sorted(new - old)) or changed
    if "snoozed_until" in detail and now["snoozed_until"] is not None:
        snooze(connection, user, number, None)
        changed = True
    return changed
