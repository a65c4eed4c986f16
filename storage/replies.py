"""Answers to customers: which ways there are from a ticket, sending by one of them, and taking back what has not left yet.

A reply is an entry and an outbox row for the one way it takes; every other desk that has the ticket is told of it as a note. All of it waits for
the hold. Taking back withdraws the rows while none of them was begun, and puts the words back where they were written.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from domain.said import Said
from storage import audit, bulk, drafts, entries, events, looks, outbox, runs, seen
from storage.casework import Held, Refused, locked, owe, said, started, touch
from storage.ledger import one, rows
from storage.outbox import Effect
from storage.sums import take_away
from storage.together import Question
from storage.users import User

ADDRESSES = 5  # of a customer, to choose from


@dataclass(frozen=True, slots=True)
class Way:
    """How an answer can reach the customer. `identity`: whose address it is sent to; None: the desk has it."""

    target: str
    kind: str  # of the target
    identity: int | None = None
    address: str = ""
    halted: str = ""  # why it would wait: the target needs a person first

    @property
    def name(self) -> str:
        """What a form sends to choose it."""
        return f"{self.target}:{self.identity}" if self.identity else self.target


@dataclass(frozen=True, slots=True)
class Ways:
    """The ways there are; `why` says what is missing where there is none, `unknown` that no address of the customer is known."""

    ways: list[Way]
    why: str = ""
    unknown: bool = False


def ways(number: int, by: str, takes: Callable[[str], str]) -> Question[Ways]:
    """From what is configured and known. `by`: the target that sends by e-mail; `takes(kind)`: desk, address or nothing. Raises LookupError."""
    return Question(_KNOWN, {"n": number, "by": by, "most": ADDRESSES}, lambda found: _ways(found, number, by, takes))


def _ways(found: list[Any], number: int, by: str, takes: Callable[[str], str]) -> Ways:
    if not found:
        raise LookupError(number)
    ticket = found[0]
    if ticket["merged"]:
        return Ways([], Said("This ticket goes on in #%(number)s: answer there.", number=str(ticket["merged"])))
    known, addresses = ticket["known"], ticket["addresses"]
    made = [
        Way(row["name"], row["kind"], address["id"], address["address"], row["blocked"] or "")
        for row in known
        if row["name"] == by and takes(row["kind"]) == "address"
        for address in addresses
    ]
    made += [
        Way(row["name"], row["kind"], halted=row["blocked"] or "")
        for row in known
        if row["name"] in ticket["targets"] and takes(row["kind"]) == "desk"
    ]
    mails = any(row["name"] == by for row in known)
    why = "" if made else _why(mails, bool(by), ticket["customer_id"], list(ticket["targets"]))
    return Ways(made, why, not addresses)


def _why(mails: bool, named: bool, customer: int | None, targets: list[str]) -> str:
    if mails:
        lacking = Said("No e-mail address of this customer is known") if customer else Said("The author is not known")
    elif named:
        lacking = Said("The target for replies by e-mail is switched off")
    else:
        lacking = Said("No target sends replies by e-mail (casework: reply_by)")
    desk = (
        Said("no helpdesk that has this ticket (%(names)s) passes answers on", names=", ".join(targets))
        if targets
        else Said("no helpdesk has this ticket")
    )
    return Said("%(lacking)s, and %(desk)s.", lacking=lacking, desk=desk)


# addresses: where the customer can be written to, those we are surest of first
_KNOWN = """SELECT t.targets, t.customer_id, m.number AS merged,
    coalesce((SELECT json_agg(g ORDER BY g.name) FROM (SELECT name, kind, blocked FROM targets
        WHERE enabled AND (name = ANY(t.targets) OR name = :by)) g), '[]') AS known,
    coalesce((SELECT json_agg(a) FROM (SELECT i.id, i.native_id AS address FROM customer_identities l JOIN identities i ON i.id = l.identity_id
        WHERE l.customer_id = t.customer_id AND (i.kind = 'email' OR i.kind = 'account' AND i.platform = 'email') AND i.native_id LIKE '%_@_%'
        ORDER BY l.verified DESC, l.confidence DESC, l.identity_id LIMIT :most) a), '[]') AS addresses
FROM tickets t LEFT JOIN tickets m ON m.id = t.merged_into WHERE t.number = :n"""


def send(
    connection: Connection,
    user: User,
    number: int,
    body: str,
    way: Way,
    hold: timedelta,
    stamp: str,
    *,
    look: bool = True,
) -> tuple[int, datetime]:
    """Answer the customer; the entry's id, and when it leaves. Raises Refused, seen.Missed, LookupError.

    `look`: the post it answers is looked at once more before it leaves (storage/looks.py).
    """
    body = said(body)
    ticket = locked(connection, number)
    if ticket.merged_into:
        raise Refused("This ticket goes on in another one: answer there.")
    seen.check(connection, ticket.id, stamp)
    first = one(connection, "SELECT first_at IS NULL FROM tickets WHERE id = :id", id=ticket.id)
    leaves: datetime = one(connection, "SELECT now() + CAST(:hold AS interval)", hold=hold)
    detail: dict[str, Any] = {
        "reply": {"target": way.target, "identity": way.identity, "leaves": leaves.isoformat(), "first": first}
    }
    if look and (post := looks.answered(connection, ticket.id)):
        detail["reply"]["post"] = post
    if ticket.status == "new":
        detail["status"] = ["new", "open"]
    run = started(connection, user)
    [entry] = entries.write(
        connection, run, [{"ticket_id": ticket.id, "kind": "reply", "user_id": user.id, "body": body, "detail": detail}]
    )
    notice = {"number": number, "subject": ticket.subject, "text": body, "by": user.name, "public": True}
    if way.identity:
        notice |= {"to": way.address, "in_reply_to": _above(connection, ticket.id)}
    effect = Effect(
        way.target, "ticket.reply", f"em-e{entry}-{way.target}", notice, ticket_id=ticket.id, entry_id=entry
    )
    outbox.owe_many(connection, run, [effect])
    others = replace(ticket, targets=[target for target in ticket.targets if target != way.target])
    owe(
        connection,
        run,
        others,
        entry,
        "ticket.comment",
        {"number": number, "text": f"{user.name} answered: {body}", "public": False},
    )
    connection.execute(
        text("UPDATE outbox SET due = :leaves WHERE entry_id = :entry"), {"leaves": leaves, "entry": entry}
    )
    connection.execute(text("SELECT pg_notify('earmark', 'deliver')"))
    touch(connection, ticket.id, user)
    connection.execute(
        text(
            "UPDATE tickets SET first_at = coalesce(first_at, now()), "
            "status = CASE WHEN status = 'new' THEN 'open' ELSE status END WHERE id = :id"
        ),
        {"id": ticket.id},
    )
    drafts.clear(connection, user, ticket.id, "reply")
    runs.finish(connection, run)
    audit.append(
        connection, user.actor, "ticket.answer", f"ticket:{number}", {"entry": entry, "identity": way.identity}
    )
    return entry, leaves


def channels(connection: Connection, number: int) -> list[str]:
    """The names of the channels that found the ticket's posts."""
    found = rows(
        connection,
        "SELECT DISTINCT c.name FROM tickets t JOIN ticket_mentions l ON l.ticket_id = t.id JOIN sightings s ON s.mention_id = l.mention_id "
        "JOIN channels c ON c.id = s.channel_id WHERE t.number = :n ORDER BY 1",
        n=number,
    )
    return [row["name"] for row in found]


def _above(connection: Connection, ticket_id: int) -> str:
    """The Message-ID of the customer's last mail on the ticket, in its brackets; empty where there is none."""
    found = one(
        connection,
        "SELECT m.native_id FROM ticket_mentions l JOIN mentions m ON m.id = l.mention_id WHERE l.ticket_id = :id "
        "AND m.platform = 'email' AND m.native_id LIKE '%_@_%' ORDER BY m.published DESC, m.id DESC LIMIT 1",
        id=ticket_id,
    )
    return f"<{str(found).strip('<>')}>" if found else ""


@dataclass(frozen=True, slots=True)
class Sent:
    """How far a reply came. `state` is its outbox row's; `leaves`: when it may leave at the earliest."""

    entry: int
    target: str
    kind: str
    address: str
    state: str
    leaves: datetime
    begun: bool
    error: str


def sent(ticket_id: int) -> Question[dict[int, Sent]]:
    """entry id → where a reply went. One that was only noted down, or came from a desk, is not there."""
    return Question(
        "SELECT o.entry_id AS entry, o.target, coalesce(t.kind, '') AS kind, coalesce(i.native_id, '') AS address, o.state, "
        "o.due AS leaves, o.attempts > 0 AS begun, coalesce(o.error, '') AS error FROM outbox o JOIN entries e ON e.id = o.entry_id "
        "LEFT JOIN targets t ON t.name = o.target LEFT JOIN identities i ON i.id = CAST(e.detail #>> '{reply,identity}' AS bigint) "
        "WHERE o.ticket_id = :id AND o.kind = 'ticket.reply'",
        {"id": ticket_id},
        lambda found: {row["entry"]: Sent(**row) for row in found},
    )


def take_back(connection: Connection, user: User, number: int, entry_id: int) -> None:
    """Withdraw one's own reply while it waits: its words are a draft again. Raises Refused when it has begun to leave, LookupError."""
    ticket = locked(connection, number)
    found = rows(
        connection,
        "SELECT body, detail FROM entries WHERE id = :id AND ticket_id = :ticket AND user_id = :me AND kind = 'reply' FOR UPDATE",
        id=entry_id,
        ticket=ticket.id,
        me=user.id,
    )
    if not found or "reply" not in (found[0]["detail"] or {}):
        raise Refused("There is no reply of yours to take back here.")
    owed = rows(
        connection, "SELECT state, attempts FROM outbox WHERE entry_id = :id ORDER BY id FOR UPDATE", id=entry_id
    )
    if not owed or any(row["state"] != "new" or row["attempts"] for row in owed):
        raise Refused("It was not taken back: the reply is already on its way.")
    take_away(connection, "outbox", "t.entry_id = :entry", "taken back", entry=entry_id)
    withdraw(connection, ticket, entry_id, found[0], "A public reply was taken back before it left.", {}, user.id)
    touch(connection, ticket.id, user)
    audit.append(connection, user.actor, "ticket.withdraw", f"ticket:{number}", {"entry": entry_id})


def withdraw(
    connection: Connection,
    ticket: Held,
    entry_id: int,
    entry: Mapping[str, Any],
    words: str,
    detail: Mapping[str, Any],
    author: int,
) -> None:
    """The entry says that it never left, clocks are as if it had not been written, and its words are its author's draft again."""
    was = entry["detail"]
    connection.execute(
        text("UPDATE entries SET kind = 'withdrawn', body = :words, detail = CAST(:detail AS jsonb) WHERE id = :id"),
        {"id": entry_id, "words": words, "detail": bulk.dumps({"withdrawn": was["reply"]["target"], **detail})},
    )
    connection.execute(text("DELETE FROM ticket_words WHERE source = 'entry' AND source_id = :id"), {"id": entry_id})
    _as_before(connection, ticket, entry_id, bool(was["reply"]["first"]), "status" in was)
    drafts.put_back(connection, author, ticket.id, "reply", entry["body"])
    events.emit(connection, [{"kind": "ticket.withdrawn", "subject": "ticket", "subject_id": ticket.id,
                              "body": {"entry": entry_id, "user": author}, "key": f"withdrawn:{entry_id}"}])  # fmt: skip


def _as_before(connection: Connection, ticket: Held, entry: int, first: bool, opened: bool) -> None:
    """What sending alone had changed; a status that somebody set since stays."""
    later = one(
        connection,
        "SELECT 1 FROM entries WHERE ticket_id = :ticket AND id <> :entry AND detail ? 'status' "
        "AND at >= (SELECT at FROM entries WHERE id = :entry) LIMIT 1",
        ticket=ticket.id,
        entry=entry,
    )
    connection.execute(
        text(
            "UPDATE tickets SET first_at = CASE WHEN :first THEN (SELECT min(at) FROM entries WHERE ticket_id = :id AND kind = 'reply') "
            "ELSE first_at END, status = CASE WHEN :opened THEN 'new' ELSE status END WHERE id = :id"
        ),
        {"id": ticket.id, "first": first and not later, "opened": opened and not later and ticket.status == "open"},
    )
