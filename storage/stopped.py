"""A public answer that is stopped at the last moment: taken out of the outbox under its lease, its words its author's draft again."""

from sqlalchemy import Connection, text

from domain.looks import Objection
from storage import audit, outbox, runs
from storage.casework import Hand, Held, Person, locked, started, touch
from storage.deliveries import Owed
from storage.ledger import rows
from storage.outbox import Effect
from storage.replies import withdraw
from storage.sums import take_away

HAND = Hand("Earmark", "worker", "deliver")


def stop(connection: Connection, owed: Owed, why: Objection) -> bool:
    """False: the row is no longer ours, or an earlier try may have reached the customer, and nothing was changed.

    Other desks that were told of the answer already are told that it was not sent.
    """
    found = rows(
        connection,
        "SELECT e.id, e.user_id, e.body, e.detail, t.number FROM outbox o JOIN entries e ON e.id = o.entry_id "
        "JOIN tickets t ON t.id = e.ticket_id WHERE o.id = :id",
        id=owed.id,
    )
    if not found:
        return False
    entry = found[0]
    ticket = locked(connection, entry["number"])
    ours = rows(
        connection,
        "SELECT 1 FROM outbox o WHERE o.id = :id AND o.lease = :lease AND o.state = 'sending' AND NOT EXISTS ("
        "SELECT 1 FROM attempts a WHERE a.outbox_id = o.id AND a.outcome = 'unknown') FOR UPDATE",
        id=owed.id,
        lease=owed.lease,
    )
    if not ours:
        return False
    connection.execute(text("DELETE FROM attempts WHERE outbox_id = :id"), {"id": owed.id})
    take_away(connection, "outbox", "t.id = :id", "stopped", id=owed.id)
    untell(connection, HAND, ticket, entry["id"], f"The answer noted here before was not sent. {why.sentence}")
    words = f"A public reply was stopped before it left. {why.sentence} Its words are kept as a draft."
    detail = {"stopped": {"code": why.code, "why": why.sentence}}
    withdraw(connection, ticket, entry["id"], entry, words, detail, entry["user_id"])
    touch(connection, ticket.id)
    audit.append(connection, HAND.actor, "ticket.stop", f"ticket:{ticket.number}", {"entry": entry["id"], "why": why.code})  # fmt: skip
    return True


def untell(connection: Connection, person: Person, ticket: Held, entry: int, words: str) -> None:
    """An entry is taken back: desks that were not told of it yet are not told, and those that were are told so in `words`."""
    begun = rows(
        connection,
        "SELECT target FROM outbox WHERE ticket_id = :ticket AND entry_id = :entry AND NOT (state = 'new' AND attempts = 0) "
        "ORDER BY target FOR UPDATE",
        ticket=ticket.id,
        entry=entry,
    )
    waits = "t.ticket_id = :ticket AND t.entry_id = :entry AND t.state = 'new' AND t.attempts = 0"
    take_away(connection, "outbox", waits, "taken back", ticket=ticket.id, entry=entry)
    notice = {"number": ticket.number, "text": words, "public": False}
    effects = [
        Effect(row["target"], "ticket.comment", f"em-e{entry}s-{row['target']}", notice, ticket.id, entry)
        for row in begun
    ]
    if effects:
        run = started(connection, person)
        outbox.owe_many(connection, run, effects)
        runs.finish(connection, run)
        connection.execute(text("SELECT pg_notify('earmark', 'deliver')"))
