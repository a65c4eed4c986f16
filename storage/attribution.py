"""To whom what happened belongs: to the customer whose account, address or number it came by.

After two customers are parted, posts and contacts filed while they were one stand on tickets of either. Each goes to its owner: with
the whole ticket where all of it is theirs, else to their open ticket in that conversation, else to a new one.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from storage import audit, casework, contacts, entries, runs
from storage.ledger import rows
from storage.runs import ids
from storage.sums import take_away


@dataclass(slots=True)
class Settled:
    """How many tickets changed hands, how many posts went to another ticket, and the numbers of tickets made for them."""

    tickets: int = 0
    mentions: int = 0
    contacts: int = 0
    made: list[int] = field(default_factory=list)


def settle(connection: Connection, one_: int, other: int, since: datetime | None, actor: str) -> Settled:
    """Put what was filed since on tickets of these two with whom it belongs to. `since` None: ever."""
    done = Settled()
    casework.hold(connection, [row["id"] for row in rows(connection, _THEIRS, pair=[one_, other])])
    astray = _astray(connection, (one_, other), since)
    by_ticket: dict[int, list[Any]] = defaultdict(list)
    for row in astray:
        by_ticket[row["ticket_id"]].append(row)
    run = runs.start(connection, "command" if actor == "command" else "console", actor)
    for ticket, strays in sorted(by_ticket.items()):
        owner = strays[0]["owner"]
        if len(strays) == strays[0]["posts"]:
            _hand_over(connection, ticket, owner)
            done.tickets += 1
            continue
        done.mentions += len(strays)
        _move(connection, run, ticket, strays, done)
    _contacts(connection, run, (one_, other), since, done)
    _tasks(connection, (one_, other))
    if run.tickets or run.entries or run.links:
        runs.finish(connection, run)
    return done


_THEIRS = "SELECT id FROM tickets WHERE customer_id = ANY(:pair)"


def _astray(connection: Connection, pair: tuple[int, int], since: datetime | None) -> list[Any]:
    """Posts on a ticket of one whose author's account is the other's, with how many posts the ticket has."""
    return rows(
        connection,
        """SELECT t.id AS ticket_id, tm.mention_id, l.customer_id AS owner,
            m.platform || '|' || m.origin || '|' || m.context AS conversation,
            (SELECT count(*) FROM ticket_mentions x WHERE x.ticket_id = t.id) AS posts
        FROM tickets t JOIN ticket_mentions tm ON tm.ticket_id = t.id JOIN mentions m ON m.id = tm.mention_id
        JOIN LATERAL (SELECT v.identity_id FROM verdicts v WHERE v.mention_id = m.id AND v.identity_id IS NOT NULL
            ORDER BY v.version DESC LIMIT 1) v ON true
        JOIN customer_identities l ON l.identity_id = v.identity_id
        JOIN entries e ON e.ticket_id = t.id AND e.mention_id = m.id AND e.kind = 'mention'
        WHERE t.customer_id = ANY(:pair) AND l.customer_id = ANY(:pair) AND l.customer_id <> t.customer_id
            AND (CAST(:since AS timestamptz) IS NULL OR e.at >= :since) ORDER BY t.id, tm.mention_id""",
        pair=list(pair),
        since=since,
    )


def _hand_over(connection: Connection, ticket: int, owner: int) -> None:
    """A ticket all of whose posts are the owner's. Where they have an open one in the conversation already, this one yields."""
    connection.execute(
        text(
            "UPDATE ticket_conversations c SET customer_id = :owner, open = c.open AND NOT x.taken, yields = c.yields OR (c.open AND x.taken) "
            "FROM (SELECT a.conversation, EXISTS (SELECT 1 FROM ticket_conversations o WHERE o.conversation = a.conversation "
            "AND o.customer_id = :owner AND o.open AND o.ticket_id <> :ticket) AS taken FROM ticket_conversations a "
            "WHERE a.ticket_id = :ticket) x WHERE c.ticket_id = :ticket AND x.conversation = c.conversation"
        ),
        {"ticket": ticket, "owner": owner},
    )
    connection.execute(
        text("UPDATE tickets SET customer_id = :owner WHERE id = :ticket"), {"ticket": ticket, "owner": owner}
    )


def _move(connection: Connection, run: runs.Run, ticket: int, strays: list[Any], done: Settled) -> None:
    by_conversation: dict[str, list[Any]] = defaultdict(list)
    for row in strays:
        by_conversation[row["conversation"]].append(row)
    for conversation, group in sorted(by_conversation.items()):
        owner = group[0]["owner"]
        held = rows(
            connection,
            "SELECT ticket_id FROM ticket_conversations WHERE conversation = :c AND customer_id = :owner AND open",
            c=conversation,
            owner=owner,
        )
        target = held[0]["ticket_id"] if held else _new(connection, run, ticket, owner, conversation, done)
        entries.move(connection, run, {row["mention_id"]: target for row in group})
        connection.execute(  # a conversation none of its posts belongs to any more is none of the ticket's
            text(
                "DELETE FROM ticket_conversations c WHERE c.ticket_id = :ticket AND c.conversation = :c AND NOT EXISTS (SELECT 1 "
                "FROM ticket_mentions l JOIN mentions m ON m.id = l.mention_id WHERE l.ticket_id = c.ticket_id "
                "AND m.platform || '|' || m.origin || '|' || m.context = c.conversation)"
            ),
            {"ticket": ticket, "c": conversation},
        )
    connection.execute(
        text("UPDATE tickets SET updated_at = now(), version = version + 1 WHERE id = :id"), {"id": ticket}
    )


def _new(connection: Connection, run: runs.Run, like: int, owner: int, conversation: str, done: Settled) -> int:
    """A ticket like the one the posts stood on, owed to no desk: theirs keep the copy they have."""
    [new], [number] = ids(connection, "tickets", 1), ids(connection, "ticket_number", 1)
    connection.execute(
        text(
            "INSERT INTO tickets (id, number, customer_id, subject, priority, team, intent, topic, platform, label, first_due, "
            "resolve_due, sla_at, run_id) OVERRIDING SYSTEM VALUE SELECT :new, :number, :owner, subject, priority, team, intent, topic, "
            "platform, label, first_due, resolve_due, now(), :run FROM tickets WHERE id = :like"
        ),
        {"new": new, "number": number, "owner": owner, "run": run.id, "like": like},
    )
    run.wrote_ticket(new)
    connection.execute(
        text("INSERT INTO ticket_conversations (ticket_id, customer_id, conversation) VALUES (:new, :owner, :c)"),
        {"new": new, "owner": owner, "c": conversation},
    )
    done.made.append(number)
    return new


def _contacts(
    connection: Connection, run: runs.Run, pair: tuple[int, int], since: datetime | None, done: Settled
) -> None:
    """Contacts that joined the other's ticket: their entry goes, and the contact joins its own customer's open ticket, if any."""
    found = rows(
        connection,
        """SELECT e.id, n.id AS interaction FROM tickets t JOIN entries e ON e.ticket_id = t.id AND e.detail ? 'interaction'
        JOIN interactions n ON n.id = CAST(e.detail ->> 'interaction' AS bigint) LEFT JOIN customer_identities l ON l.identity_id = n.identity_id
        WHERE t.customer_id = ANY(:pair) AND coalesce(l.customer_id, n.customer_id) = ANY(:pair)
            AND coalesce(l.customer_id, n.customer_id) <> t.customer_id
            AND (CAST(:since AS timestamptz) IS NULL OR e.at >= :since) ORDER BY e.id""",
        pair=list(pair),
        since=since,
    )
    if found:
        take_away(connection, "entries", "t.id = ANY(:ids)", "moved", ids=[row["id"] for row in found])
        contacts.join(connection, [row["interaction"] for row in found])
        done.contacts = len(found)


def _tasks(connection: Connection, pair: tuple[int, int]) -> None:
    """What is to be done goes with its ticket; without one, with the contact an automation made it for."""
    for statement in (
        "UPDATE tasks k SET customer_id = t.customer_id FROM tickets t WHERE t.id = k.ticket_id AND k.customer_id = ANY(:pair) "
        "AND t.customer_id = ANY(:pair) AND t.customer_id <> k.customer_id",
        "UPDATE tasks k SET customer_id = l.customer_id FROM automation_runs r JOIN interactions n ON r.subject = 'interaction' "
        "AND n.id = r.subject_id JOIN customer_identities l ON l.identity_id = n.identity_id WHERE r.id = k.run_id AND k.ticket_id IS NULL "
        "AND k.customer_id = ANY(:pair) AND l.customer_id = ANY(:pair) AND l.customer_id <> k.customer_id",
    ):
        connection.execute(text(statement), {"pair": list(pair)})


def split(connection: Connection, customer_id: int, identity_ids: list[int], actor: str) -> tuple[int, Settled]:
    """Identities that were wrongly one customer's become another's, with all that ever came by them. Returns the new customer's id."""
    held = {
        row["identity_id"]: row
        for row in rows(
            connection,
            "SELECT l.identity_id, coalesce(nullif(i.name, ''), nullif(i.handle, ''), i.native_id) AS name FROM customer_identities l "
            "JOIN identities i ON i.id = l.identity_id WHERE l.customer_id = :id ORDER BY 1 FOR UPDATE OF l",
            id=customer_id,
        )
    }
    wanted = sorted(set(identity_ids))
    if not wanted or not set(wanted) <= set(held) or len(wanted) == len(held):
        raise ValueError("name some, and not all, of this customer's identities")
    new = int(
        rows(
            connection,
            "INSERT INTO customers (name, source) VALUES (:name, 'split') RETURNING id",
            name=held[wanted[0]]["name"],
        )[0]["id"]
    )
    connection.execute(
        text("UPDATE customer_identities SET customer_id = :new WHERE customer_id = :old AND identity_id = ANY(:ids)"),
        {"new": new, "old": customer_id, "ids": wanted},
    )
    settled = settle(connection, customer_id, new, None, actor)
    audit.append(connection, actor, "customer.split", f"customer:{customer_id}", {"new": new, "identities": wanted})
    return new, settled
