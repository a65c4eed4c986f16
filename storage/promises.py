"""What an agent promised a customer, with a due time: shown at every contact, and felt when its time passes unkept.

A promise is an entry of its ticket and a row here. It belongs to whoever the ticket belongs to, so that it follows a merge of customers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from storage import audit, casework, entries, runs
from storage.casework import PRIORITIES, Person, Refused, locked, owe, said, started, touch
from storage.ledger import one, rows
from storage.together import Question

STATES = {"kept": "was kept", "broken": "was not kept", "withdrawn": "was taken back"}


@dataclass(frozen=True, slots=True)
class Promise:
    id: int
    number: int
    ticket_id: int
    customer_id: int | None
    what: str
    due: datetime
    state: str
    late: bool
    by: str | None
    at: datetime
    settled_at: datetime | None


_COLUMNS = """p.id, t.number, p.ticket_id, t.customer_id, p.what, p.due, p.state, p.state = 'open' AND p.due <= now() AS late,
    u.name AS by, p.at, p.settled_at FROM promises p JOIN tickets t ON t.id = p.ticket_id LEFT JOIN users u ON u.id = p.user_id"""


def make(connection: Connection, user: Person, number: int, what: str, due: datetime) -> int:
    """Write a promise down; its id. `due` lies ahead."""
    what = said(what)
    if due <= one(connection, "SELECT now()"):
        raise Refused("A promise is for a moment to come.")
    ticket = locked(connection, number)
    run = started(connection, user)
    body = f"{what} (by {due:%Y-%m-%d %H:%M} UTC)"
    [entry] = entries.write(connection, run, [
        {"ticket_id": ticket.id, "kind": "promise", "user_id": user.id, "body": body, "detail": {"event": "promised", "due": due.isoformat()}}
    ])  # fmt: skip
    id_ = one(
        connection,
        "INSERT INTO promises (ticket_id, entry_id, what, due, user_id) VALUES (:ticket, :entry, :what, :due, :user) RETURNING id",
        ticket=ticket.id,
        entry=entry,
        what=what,
        due=due,
        user=user.id or None,
    )
    owe(connection, run, ticket, entry, "ticket.comment",
        {"number": number, "text": f"{user.name} promised: {body}", "public": False})  # fmt: skip
    touch(connection, ticket.id, user)
    runs.finish(connection, run)
    audit.append(connection, user.actor, "promise.make", f"promise:{id_}", {"ticket": number})
    return int(id_)


def settle(connection: Connection, user: Person, id_: int, state: str) -> None:
    """Say how a promise ended."""
    if state not in STATES:
        raise Refused(f"A promise ends as {', '.join(STATES)}.")
    number = one(
        connection, "SELECT t.number FROM promises p JOIN tickets t ON t.id = p.ticket_id WHERE p.id = :id", id=id_
    )
    if number is None:
        raise LookupError(id_)
    ticket = locked(connection, number)
    what = one(
        connection,
        "UPDATE promises SET state = :state, settled_at = now() WHERE id = :id AND state = 'open' RETURNING what",
        state=state,
        id=id_,
    )
    if what is None:
        raise Refused("This promise is settled already.")
    run = started(connection, user)
    entries.write(connection, run, [
        {"ticket_id": ticket.id, "kind": "promise", "user_id": user.id, "body": f"“{what}” {STATES[state]}",
         "detail": {"event": f"promise_{state}", "promise": id_}}
    ])  # fmt: skip
    touch(connection, ticket.id, user)
    runs.finish(connection, run)
    audit.append(connection, user.actor, "promise.settle", f"promise:{id_}", {"state": state})


def passed(connection: Connection, worker: str = "", limit: int = 200) -> int:
    """Promises whose time came and went: their tickets' priority rises by one, once, with an entry; how many."""
    due = rows(
        connection,
        "SELECT id, ticket_id FROM promises WHERE state = 'open' AND passed_at IS NULL AND due <= now() ORDER BY due LIMIT :limit",
        limit=limit,
    )
    casework.hold(connection, [row["ticket_id"] for row in due])  # as whoever settles one does
    found = (
        rows(
            connection,
            "UPDATE promises p SET passed_at = now() WHERE p.id = ANY(:ids) AND state = 'open' AND passed_at IS NULL "
            "RETURNING p.id, p.ticket_id, p.what",
            ids=[row["id"] for row in due],
        )
        if due
        else []
    )
    if found:
        run = runs.start(connection, "upkeep", worker)
        _raise(
            connection, run,
            {row["ticket_id"]: (f"The promise “{row['what']}” has passed.", {"event": "promise_passed", "promise": row["id"]}) for row in found},
        )  # fmt: skip
        runs.finish(connection, run)
    return len(found)


def remind(connection: Connection, ticket_ids: Sequence[int], worker: str = "") -> int:
    """The customer of these tickets wrote (again): a promise to them that has passed raises the priority of what they wrote.

    Said once per ticket and promise. An open promise that is not due yet is only said.
    """
    found = rows(
        connection,
        f"""SELECT c.id AS contact, {_COLUMNS} JOIN tickets c ON c.customer_id = t.customer_id
        WHERE c.id = ANY(:ids) AND p.state IN ('open', 'broken') AND p.due > now() - interval '60 days' AND NOT EXISTS (
            SELECT 1 FROM entries e WHERE e.ticket_id = c.id AND e.detail ->> 'reminded' = CAST(p.id AS text)
            AND e.detail ->> 'late' = CAST(p.due <= now() AS text))
        ORDER BY c.id, p.due""",  # noqa: S608 our own text
        ids=sorted(set(ticket_ids)),
    )
    if not found:
        return 0
    run = runs.start(connection, "work", worker)
    for row in found:
        late = row["late"] or row["state"] == "broken"
        if row["contact"] == row["ticket_id"] and not late:
            continue  # it stands on this very ticket
        body = f"{'Promised and not kept' if late else 'Promised'} in #{row['number']}: {row['what']} (by {row['due']:%Y-%m-%d %H:%M} UTC)"
        detail = {"event": "reminded", "reminded": row["id"], "late": late}
        if late and row["contact"] != row["ticket_id"]:
            _raise(connection, run, {row["contact"]: (body, detail)})
        elif row["contact"] != row["ticket_id"]:
            entries.write(
                connection, run, [{"ticket_id": row["contact"], "kind": "system", "body": body, "detail": detail}]
            )
    runs.finish(connection, run)
    return len(found)


def _raise(connection: Connection, run: runs.Run, tickets: dict[int, tuple[str, dict[str, Any]]]) -> None:
    """One step up for tickets that are open, with the reason; what is done or urgent only hears it."""
    held = rows(
        connection,
        "SELECT id, priority, status FROM tickets WHERE id = ANY(:ids) ORDER BY id FOR UPDATE",
        ids=sorted(tickets),
    )
    for row in held:
        body, detail = tickets[row["id"]]
        matched = {name: value for name, value in detail.items() if name != "event"}
        detail = {**detail, "rule": {"name": "promise", "matched": matched}}
        step = PRIORITIES[min(PRIORITIES.index(row["priority"]) + 1, len(PRIORITIES) - 1)]
        if step != row["priority"] and row["status"] not in ("resolved", "closed"):
            detail = {**detail, "priority": [row["priority"], step]}
            body += f" Priority {row['priority']} → {step}."
            connection.execute(
                text("UPDATE tickets SET priority = :step, updated_at = now(), version = version + 1 WHERE id = :id"),
                {"step": step, "id": row["id"]},
            )
        entries.write(connection, run, [{"ticket_id": row["id"], "kind": "system", "body": body, "detail": detail}])


def of_customer(customer_id: int, everything: bool = False, limit: int = 50) -> Question[list[Promise]]:
    """What a customer is owed, the next due first; with `everything` also what was settled."""
    return Question(
        f"SELECT {_COLUMNS} WHERE t.customer_id = :id AND (:all OR p.state = 'open') ORDER BY p.state = 'open' DESC, p.due LIMIT :limit",
        {"id": customer_id, "all": everything, "limit": limit},
        _read,
    )


def _read(found: list[Any]) -> list[Promise]:
    return [Promise(**row) for row in found]


def of_ticket(ticket_id: int) -> Question[list[Promise]]:
    """All promises of a ticket, the open ones first."""
    return Question(
        f"SELECT {_COLUMNS} WHERE p.ticket_id = :id ORDER BY p.state = 'open' DESC, p.due LIMIT 100",
        {"id": ticket_id},
        _read,
    )


def coming(connection: Connection, late: bool = False, limit: int = 50) -> list[Promise]:
    """Open promises of everybody, the next due first."""
    found = rows(
        connection,
        f"SELECT {_COLUMNS} WHERE p.state = 'open' AND (NOT :late OR p.due <= now()) ORDER BY p.due LIMIT :limit",
        late=late,
        limit=limit,
    )
    return [Promise(**row) for row in found]
