"""What a person does to a ticket: status, priority, team, owner, a note. Each leaves an entry, and every desk that has the
ticket is owed the note."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from storage import audit, filing, outbox, runs
from storage.ledger import one, rows
from storage.outbox import Effect
from storage.users import User
from storage.views import STATUSES, teams

PRIORITIES = ("low", "normal", "high", "urgent")
DONE = ("resolved", "closed")
LONGEST_NOTE = 20_000


class Refused(Exception):
    """A person asked for something that cannot be; the message says why."""


class Unseen(Refused):
    """The ticket went on since the person looked."""


@dataclass(frozen=True, slots=True)
class Change:
    """New values; None leaves a field as it is. `assignee` 0 takes the owner away."""

    status: str | None = None
    priority: str | None = None
    team: str | None = None
    assignee: int | None = None


def change(connection: Connection, user: User, number: int, wanted: Change, seen: int | None = None) -> bool:
    """Apply what differs; False when nothing does.

    Finishing a ticket that got something the person has not seen (its version moved past `seen`) is refused. Locks go
    conversation links first, ticket second, as the workers take them.
    """
    _allowed(connection, wanted)
    ticket = _locked(connection, number)
    new = {
        name: value
        for name, value in _values(wanted).items()
        if value != (ticket[name] or (0 if name == "assignee_id" else ""))
    }
    if not new:
        return False
    finishing = new.get("status") in DONE and ticket["status"] not in DONE
    if finishing and seen is not None and seen != ticket["version"]:
        raise Unseen(
            "Something arrived on this ticket that you had not seen. Nothing was changed; read on and decide again."
        )
    if ticket["status"] in DONE and new.get("status", "closed") not in DONE:
        _reopen(connection, ticket["id"])
    elif finishing:
        connection.execute(
            text("UPDATE ticket_conversations SET open = false WHERE ticket_id = :id"), {"id": ticket["id"]}
        )
    _write(connection, ticket["id"], new)
    run = runs.start(connection, "console", user.actor)
    body = "; ".join(_sentence(connection, name, ticket[name], value) for name, value in new.items())
    [entry] = filing.enter(
        connection, run, [{"ticket_id": ticket["id"], "kind": "status", "user_id": user.id, "body": body}]
    )
    if "status" in new:
        _owe(connection, run, ticket, entry, "ticket.status", {"number": number, "status": new["status"]})
    runs.finish(connection, run)
    audit.append(connection, user.actor, "ticket.change", f"ticket:{number}", {key: new[key] for key in sorted(new)})
    return True


def note(connection: Connection, user: User, number: int, body: str) -> int:
    """Write an internal note and owe it to every desk that has the ticket. Returns the entry's id."""
    body = body.strip()
    if not body:
        raise Refused("A note needs some text.")
    if len(body) > LONGEST_NOTE:
        raise Refused(f"A note has at most {LONGEST_NOTE:,} characters; this one has {len(body):,}.")
    ticket = _locked(connection, number)
    run = runs.start(connection, "console", user.actor)
    [entry] = filing.enter(
        connection, run, [{"ticket_id": ticket["id"], "kind": "note", "user_id": user.id, "body": body}]
    )
    notice = {"number": number, "text": f"{user.name}: {body}", "public": False}
    _owe(connection, run, ticket, entry, "ticket.comment", notice)
    connection.execute(
        text("UPDATE tickets SET updated_at = now(), version = version + 1 WHERE id = :id"), {"id": ticket["id"]}
    )
    runs.finish(connection, run)
    audit.append(connection, user.actor, "ticket.note", f"ticket:{number}", {"entry": entry})
    return entry


def _owe(connection: Connection, run: runs.Run, ticket: Any, entry: int, kind: str, notice: dict[str, Any]) -> None:
    """Every desk that has the ticket is owed what happened to it; the scheduler rings once this is committed."""
    effects = [
        Effect(target, kind, f"em-e{entry}-{target}", notice, ticket_id=ticket["id"], entry_id=entry)
        for target in ticket["targets"]
    ]
    if outbox.owe_many(connection, run, effects):
        connection.execute(text("SELECT pg_notify('earmark', 'deliver')"))


def _allowed(connection: Connection, wanted: Change) -> None:
    if wanted.status is not None and wanted.status not in STATUSES:
        raise Refused(f"There is no status “{wanted.status}”.")
    if wanted.priority is not None and wanted.priority not in PRIORITIES:
        raise Refused(f"There is no priority “{wanted.priority}”.")
    if wanted.team and wanted.team not in dict(teams(connection)):
        raise Refused(f"There is no team “{wanted.team}”.")
    if wanted.assignee and not one(
        connection,
        "SELECT 1 FROM users WHERE id = :id AND disabled_at IS NULL AND role IN ('agent', 'lead', 'admin')",
        id=wanted.assignee,
    ):
        raise Refused("This person cannot own tickets.")


def _locked(connection: Connection, number: int) -> Any:
    connection.execute(
        text(
            "SELECT 1 FROM ticket_conversations WHERE ticket_id = (SELECT id FROM tickets WHERE number = :number) "
            "ORDER BY conversation FOR UPDATE"
        ),
        {"number": number},
    )
    found = rows(
        connection,
        "SELECT id, status, priority, team, assignee_id, version, targets FROM tickets WHERE number = :number FOR UPDATE",
        number=number,
    )
    if not found:
        raise LookupError(number)
    return found[0]


def _values(wanted: Change) -> dict[str, Any]:
    named = {"status": wanted.status, "priority": wanted.priority, "team": wanted.team, "assignee_id": wanted.assignee}
    return {name: value for name, value in named.items() if value is not None}


def _write(connection: Connection, ticket_id: int, new: dict[str, Any]) -> None:
    """A finished ticket was answered at the latest now; a reopened one is not finished."""
    connection.execute(
        text(
            """UPDATE tickets SET status = coalesce(CAST(:status AS text), status), priority = coalesce(CAST(:priority AS text), priority),
                team = coalesce(CAST(:team AS text), team), updated_at = now(), version = version + 1,
                assignee_id = CASE WHEN CAST(:assignee AS bigint) IS NULL THEN assignee_id ELSE nullif(CAST(:assignee AS bigint), 0) END,
                first_at = CASE WHEN CAST(:status AS text) IN ('resolved', 'closed') THEN coalesce(first_at, now()) ELSE first_at END,
                resolved_at = CASE WHEN CAST(:status AS text) IS NULL THEN resolved_at
                    WHEN CAST(:status AS text) IN ('resolved', 'closed') THEN coalesce(resolved_at, now()) END
            WHERE id = :id"""
        ),
        {
            "id": ticket_id,
            "status": new.get("status"),
            "priority": new.get("priority"),
            "team": new.get("team"),
            "assignee": new.get("assignee_id"),
        },
    )


def _reopen(connection: Connection, ticket_id: int) -> None:
    """Take the conversations back, unless the customer's next post there has opened another ticket meanwhile."""
    other = one(
        connection,
        """SELECT t.number FROM ticket_conversations mine JOIN ticket_conversations theirs
            ON theirs.conversation = mine.conversation AND theirs.customer_id IS NOT DISTINCT FROM mine.customer_id
            AND theirs.open AND theirs.ticket_id <> mine.ticket_id
        JOIN tickets t ON t.id = theirs.ticket_id WHERE mine.ticket_id = :id LIMIT 1""",
        id=ticket_id,
    )
    if other:
        raise Refused(f"The conversation goes on in ticket #{other}; this one stays finished.")
    connection.execute(text("UPDATE ticket_conversations SET open = true WHERE ticket_id = :id"), {"id": ticket_id})


def _sentence(connection: Connection, name: str, old: Any, new: Any) -> str:
    if name == "assignee_id":
        names = {
            row["id"]: row["name"]
            for row in rows(connection, "SELECT id, name FROM users WHERE id = ANY(:ids)", ids=[old or 0, new])
        }
        return f"owner {names.get(old, 'nobody')} → {names.get(new, 'nobody')}"
    return f"{name} {old or 'none'} → {new or 'none'}"
