"""A public answer that is stopped at the last moment: taken out of the outbox under its lease, its words its author's draft again."""

from sqlalchemy import Connection, text

from domain.looks import Objection
from storage import audit, outbox, runs
from storage.casework import Hand, Held, locked, started, touch
from storage.ledger import rows
from storage.outbox import Effect, Owed
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
    told = _told(connection, ticket.id, entry["id"], owed.id)
    connection.execute(text("DELETE FROM attempts WHERE outbox_id = :id"), {"id": owed.id})
    here = "t.ticket_id = :ticket AND t.entry_id = :entry AND (t.id = :id OR t.state = 'new' AND t.attempts = 0)"
    take_away(connection, "outbox", here, "stopped", ticket=ticket.id, entry=entry["id"], id=owed.id)
    words = f"A public reply was stopped before it left. {why.sentence} Its words are kept as a draft."
    detail = {"stopped": {"code": why.code, "why": why.sentence}}
    withdraw(connection, ticket, entry["id"], entry, words, detail, entry["user_id"])
    _correct(connection, ticket, entry["id"], told, why)
    touch(connection, ticket.id)
    audit.append(connection, HAND.actor, "ticket.stop", f"ticket:{ticket.number}", {"entry": entry["id"], "why": why.code})  # fmt: skip
    return True


def _told(connection: Connection, ticket: int, entry: int, id_: int) -> list[str]:
    """Desks whose note of the answer is on its way or there; what has not begun goes with the answer."""
    found = rows(
        connection,
        "SELECT target FROM outbox WHERE ticket_id = :ticket AND entry_id = :entry AND id <> :id AND NOT (state = 'new' AND attempts = 0) "
        "ORDER BY target FOR UPDATE",
        ticket=ticket,
        entry=entry,
        id=id_,
    )
    return [row["target"] for row in found]


def _correct(connection: Connection, ticket: Held, entry: int, told: list[str], why: Objection) -> None:
    if not told:
        return
    notice = {
        "number": ticket.number,
        "text": f"The answer noted here before was not sent. {why.sentence}",
        "public": False,
    }
    run = started(connection, HAND)
    outbox.owe_many(
        connection,
        run,
        [
            Effect(target, "ticket.comment", f"em-e{entry}s-{target}", notice, ticket_id=ticket.id, entry_id=entry)
            for target in told
        ],
    )
    runs.finish(connection, run)
    connection.execute(text("SELECT pg_notify('earmark', 'deliver')"))
