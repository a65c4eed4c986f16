"""Forgetting: a person everywhere, or a post its author deleted. What stays is keyed hashes, counted traces and ids in the audit.

Ingest and filing hold the ERASURE lock shared, an erasure alone: what they wrote before is found here, what they read after is
suppressed. A desk's own copy is not ours to delete: its ids are handed back, so that somebody does.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from storage import audit, erase_contacts, escalations, suppress
from storage.ledger import one, rows
from storage.person import Person, find, find_account
from storage.scrub import Marks, marks, scrub
from storage.sums import take_away

ERASED = "erased"


class Unknown(LookupError):
    """There is no such customer."""


@dataclass(slots=True)
class Erased:
    """What an erasure took away. `remote`: (target, the desk's own id) of copies that are now in other hands' keeping."""

    customers: list[int] = field(default_factory=list)
    mentions: int = 0
    tickets: int = 0
    entries: int = 0
    identities: int = 0
    outbox: int = 0
    cancelled: int = 0
    rejects: int = 0
    interactions: int = 0
    suppressed: int = 0
    remote: list[tuple[str, str]] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        return {name: value for name, value in asdict(self).items() if isinstance(value, int)}


def erase(connection: Connection, secret: bytes, customer_id: int, actor: str) -> Erased:
    """Erase a customer and everything of theirs, in the caller's transaction. Raises Unknown."""
    _alone(connection)
    person = find(connection, customer_id)
    if person is None:
        raise Unknown(f"there is no customer {customer_id}")
    return _forget(connection, secret, person, actor, f"customer:{customer_id}")


def erase_account(connection: Connection, secret: bytes, platform: str, named: str, actor: str) -> Erased:
    """The same for somebody known by an account, or with an empty platform by an address. Raises Unknown, Ambiguous."""
    _alone(connection)
    person = find_account(connection, platform, named)
    if person is None:
        raise Unknown(
            f"nobody here goes by {named} on {platform}" if platform else f"nobody here has the address {named}"
        )
    return _forget(connection, secret, person, actor, f"identity:{person.identities[0]}")


def _forget(connection: Connection, secret: bytes, person: Person, actor: str, name: str) -> Erased:
    done = Erased(customers=person.customers, identities=len(person.identities))
    done.suppressed = suppress.add(connection, person.hashes(secret), ERASED)
    marked = _marks_of(connection, person.mentions, person.names())
    _rejects(connection, secret, person, done)
    _hooks(connection, person)
    done.interactions = erase_contacts.forget(connection, secret, person, ERASED)
    _tickets(connection, person, actor, done, marked)
    _samples(connection, marked, _since(connection, person.mentions))
    _mentions(connection, person.mentions, actor, done)
    _profile(connection, person)
    audit.append(connection, actor, "customer.erase", name, done.counts())
    return done


def _alone(connection: Connection) -> None:
    """Nobody ingests or files meanwhile; whole tables may be read, however large."""
    connection.execute(text("SET LOCAL lock_timeout = '60s'"))
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    escalations.hold(connection)  # the watch step locks flags, and then waits for an erasure
    connection.execute(text("SELECT pg_advisory_xact_lock(:k)"), {"k": suppress.ERASURE})


def _marks_of(connection: Connection, ids: Sequence[int], names: Sequence[str] = ()) -> Marks:
    found = rows(
        connection,
        "SELECT url, name, content FROM mentions WHERE id = ANY(:ids) UNION ALL "
        "SELECT NULL, name, content FROM versions WHERE mention_id = ANY(:ids)",
        ids=list(ids),
    )
    texts = [row[column] for row in found for column in ("name", "content")]
    return marks(ids, [*(row["url"] for row in found), *names], texts)


def _rejects(connection: Connection, secret: bytes, person: Person, done: Erased) -> None:
    """Items we could not read that name the person: the row stays as a count, its content goes."""
    found = rows(
        connection,
        "UPDATE rejects r SET payload = '', native_id = NULL, reason = 'erased', state = 'dropped' FROM rejects o "
        "JOIN channels c ON c.id = o.channel_id WHERE r.id = o.id AND o.payload <> '' AND ("
        "o.payload ~* ANY(CAST(:anywhere AS text[])) OR EXISTS ("
        "SELECT 1 FROM unnest(CAST(:platforms AS text[]), CAST(:patterns AS text[])) AS p(platform, pattern) "
        "WHERE p.platform = c.platform AND o.payload ~* p.pattern)) RETURNING c.platform, o.native_id",
        **person.patterns(),
    )
    posts = {
        suppress.key(secret, "post", row["platform"], "", row["native_id"]): "post" for row in found if row["native_id"]
    }
    done.suppressed += suppress.add(connection, posts, ERASED)
    done.rejects = len(found)


def _hooks(connection: Connection, person: Person) -> None:
    """Deliveries that name the person and wait to be read: no page counts them yet, so they just go."""
    rows(
        connection,
        "UPDATE hooks h SET body = '', event = NULL FROM channels c WHERE c.id = h.channel_id AND ("
        "h.body ~* ANY(CAST(:anywhere AS text[])) OR EXISTS ("
        "SELECT 1 FROM unnest(CAST(:platforms AS text[]), CAST(:patterns AS text[])) AS p(platform, pattern) "
        "WHERE p.platform = c.platform AND h.body ~* p.pattern)) RETURNING h.id",
        **person.patterns(),
    )


def _tickets(connection: Connection, person: Person, actor: str, done: Erased, marked: Marks) -> None:
    """Their tickets go; one that holds others' posts too stays without theirs."""
    wanted = "t.customer_id = ANY(:customers) OR t.id IN (SELECT ticket_id FROM ticket_mentions WHERE mention_id = ANY(:mentions))"
    values = {"customers": person.customers, "mentions": person.mentions}
    rows(connection, f"SELECT 1 FROM tickets t WHERE {wanted} ORDER BY id FOR UPDATE", **values)  # noqa: S608 our own text
    touched = rows(  # what the console wrote until then is seen here
        connection,
        "SELECT t.id, t.customer_id = ANY(:customers) OR NOT EXISTS (SELECT 1 FROM ticket_mentions l "  # noqa: S608
        "WHERE l.ticket_id = t.id AND NOT l.mention_id = ANY(:mentions)) AS theirs FROM tickets t "
        f"WHERE {wanted} ORDER BY t.id FOR UPDATE OF t",
        **values,
    )
    gone = [row["id"] for row in touched if row["theirs"]]
    kept = [row["id"] for row in touched if not row["theirs"]]
    known = {"tickets": gone, "mentions": person.mentions}
    done.remote = [
        (row["target"], row["remote_id"])
        for row in rows(
            connection, "SELECT target, remote_id FROM desk_links WHERE ticket_id = ANY(:tickets)", tickets=gone
        )
    ]
    _cancel(connection, gone, person.mentions, actor, done)
    _scrub_outbox(connection, "ticket_id = ANY(:tickets) AND error IS DISTINCT FROM 'erased'", marked, tickets=kept)
    done.entries = take_away(
        connection, "entries", "t.ticket_id = ANY(:tickets) OR t.mention_id = ANY(:mentions)", ERASED, **known
    )
    take_away(
        connection, "ticket_mentions", "t.ticket_id = ANY(:tickets) OR t.mention_id = ANY(:mentions)", ERASED, **known
    )
    for statement in (
        "DELETE FROM desk_links WHERE ticket_id = ANY(:tickets)",
        "DELETE FROM promises WHERE ticket_id = ANY(:tickets)",
        "DELETE FROM surveys WHERE ticket_id = ANY(:tickets)",
        "DELETE FROM tasks WHERE ticket_id = ANY(:tickets)",
        "DELETE FROM drafts WHERE ticket_id = ANY(:tickets) OR ticket_id = ANY(:kept)",  # they may quote what is to go
        "DELETE FROM ticket_links WHERE a = ANY(:tickets) OR b = ANY(:tickets)",
        "UPDATE automation_runs SET matched = '{}', actions = '[]' WHERE subject = 'ticket' AND subject_id = ANY(:tickets)",
        "DELETE FROM ticket_conversations c WHERE c.ticket_id = ANY(:tickets) OR c.ticket_id = ANY(:kept) AND NOT EXISTS ("
        "SELECT 1 FROM ticket_mentions l JOIN mentions m ON m.id = l.mention_id WHERE l.ticket_id = c.ticket_id "
        "AND c.conversation = m.platform || '|' || m.origin || '|' || m.context)",
        "UPDATE tickets SET subject = 'A conversation an erased person took part in', version = version + 1 WHERE id = ANY(:kept)",
    ):
        connection.execute(text(statement), {"tickets": gone, "kept": kept})
    done.tickets = take_away(connection, "tickets", "t.id = ANY(:tickets)", ERASED, tickets=gone)


def _cancel(connection: Connection, tickets: Sequence[int], mentions: Sequence[int], actor: str, done: Erased) -> None:
    """What was owed about them: delivered rows lose their bodies, the others are dead letters that say why."""
    found = rows(
        connection,
        """WITH old AS (
            SELECT o.id, o.state FROM outbox o WHERE o.ticket_id = ANY(:tickets)
                OR o.entry_id IN (SELECT id FROM entries WHERE mention_id = ANY(:mentions) AND NOT EXISTS (
                    SELECT 1 FROM outbox c WHERE c.entry_id = entries.id AND c.kind = 'ticket.create'))
            ORDER BY o.id FOR UPDATE
        ), blanked AS (
            UPDATE outbox o SET notice = '{}', request = NULL, error = 'erased', lease = NULL, lease_until = NULL, worker = NULL,
                state = CASE WHEN o.state = 'done' THEN 'done' ELSE 'dead' END
            FROM old WHERE o.id = old.id RETURNING o.id, old.state
        ), quiet AS (
            UPDATE attempts a SET detail = NULL FROM blanked WHERE a.outbox_id = blanked.id
        ), closed AS (
            UPDATE dead_letters d SET error = NULL, reason = 'erased', state = 'dropped', closed_at = coalesce(closed_at, now()),
                closed_by = coalesce(closed_by, :actor)
            FROM blanked WHERE d.kind = 'outbox' AND d.ref_id = blanked.id
        ), letters AS (
            INSERT INTO dead_letters (kind, ref_id, reason, state, closed_at, closed_by)
            SELECT 'outbox', id, 'erased', 'dropped', now(), :actor FROM blanked WHERE state NOT IN ('done', 'dead')
        )
        SELECT id, state FROM blanked""",
        tickets=list(tickets),
        mentions=list(mentions),
        actor=actor,
    )
    done.outbox = len(found)
    done.cancelled = sum(row["state"] not in ("done", "dead") for row in found)


def _scrub_outbox(connection: Connection, where: str, marked: Marks, **values: Any) -> None:
    """Rows that stay owed or done, without what is marked. `where` is our own text. A rendered request goes with its notice.

    A call under way is looked up before it is tried again: without its request nobody could say whether it was made.
    """
    for row in rows(connection, f"SELECT id, notice FROM outbox WHERE {where} ORDER BY id FOR UPDATE", **values):  # noqa: S608
        notice = json.loads(row["notice"])
        clean = scrub(notice, marked)
        if clean != notice:
            connection.execute(
                text(
                    "UPDATE outbox SET notice = :notice, request = NULL, error = NULL, "
                    "due = CASE WHEN state = 'sending' THEN greatest(due, now() + interval '1 minute') ELSE due END, "
                    "lease = CASE WHEN state = 'sending' THEN NULL ELSE lease END, "
                    "state = CASE WHEN state = 'sending' THEN 'unknown' ELSE state END WHERE id = :id"
                ),
                {"id": row["id"], "notice": json.dumps(clean, separators=(",", ":"))},
            )
            connection.execute(text("UPDATE attempts SET detail = NULL WHERE outbox_id = :id"), {"id": row["id"]})


def _since(connection: Connection, ids: Sequence[int]) -> datetime | None:
    """When the first of these posts came in: no flag that was last touched before can hold one. None: there are none."""
    return one(
        connection, "SELECT min(first_seen) - interval '10 minutes' FROM mentions WHERE id = ANY(:ids)", ids=list(ids)
    )


def _samples(connection: Connection, marked: Marks, since: datetime | None) -> None:
    """Flags keep their figures and lose the samples; so do the notices about them."""
    if since is None:
        return
    flags = "SELECT id, evidence FROM escalations WHERE updated_at >= :since ORDER BY id FOR UPDATE"
    for row in rows(connection, flags, since=since):
        clean = scrub(row["evidence"], marked)
        if clean != row["evidence"]:
            connection.execute(
                text("UPDATE escalations SET evidence = CAST(:evidence AS jsonb) WHERE id = :id"),
                {"id": row["id"], "evidence": json.dumps(clean)},
            )
    _scrub_outbox(
        connection, "escalation_id IS NOT NULL AND ticket_id IS NULL AND created_at >= :since", marked, since=since
    )


def _mentions(connection: Connection, ids: Sequence[int], actor: str, done: Erased) -> None:
    """The posts, and all that hangs on them."""
    for table in ("payloads", "receipts", "versions", "digests", "copy_bands"):
        connection.execute(text(f"DELETE FROM {table} WHERE mention_id = ANY(:ids)"), {"ids": list(ids)})  # noqa: S608 our names
    connection.execute(
        text(
            "UPDATE dead_letters SET error = NULL, reason = 'erased', state = 'dropped', closed_at = coalesce(closed_at, now()), "
            "closed_by = coalesce(closed_by, :actor) WHERE kind = 'digest' AND ref_id = ANY(:ids)"
        ),
        {"ids": list(ids), "actor": actor},
    )
    take_away(connection, "verdicts", "t.mention_id = ANY(:ids)", ERASED, ids=list(ids))
    take_away(connection, "sightings", "t.mention_id = ANY(:ids)", ERASED, ids=list(ids))
    done.mentions = take_away(connection, "mentions", "t.id = ANY(:ids)", ERASED, ids=list(ids))


def _profile(connection: Connection, person: Person) -> None:
    for statement in (
        "DELETE FROM customer_identities WHERE identity_id = ANY(:identities) OR customer_id = ANY(:customers)",
        "DELETE FROM identities WHERE id = ANY(:identities)",
        "DELETE FROM tasks WHERE customer_id = ANY(:customers)",
        "UPDATE automation_runs SET matched = '{}', actions = '[]' WHERE subject = 'customer' AND subject_id = ANY(:customers)",
        "DELETE FROM customers WHERE id = ANY(:customers)",
    ):
        connection.execute(text(statement), {"identities": person.identities, "customers": person.customers})


def forget_posts(connection: Connection, ids: Sequence[int]) -> None:
    """Posts deleted where they were published: their words go from every table, the row stays as a Tombstone.

    Call it before anything else blanks the row: excerpts elsewhere are found by its text. Version and queue are the caller's.
    """
    if not ids:
        return
    rows(  # queue first, tickets later, as the digest takes them
        connection, "SELECT 1 FROM digests WHERE mention_id = ANY(:ids) ORDER BY mention_id FOR UPDATE", ids=list(ids)
    )
    since = _since(connection, ids)
    marked = _marks_of(connection, ids)
    tickets = "(SELECT ticket_id FROM ticket_mentions WHERE mention_id = ANY(:ids))"
    rows(connection, f"SELECT 1 FROM tickets WHERE id IN {tickets} ORDER BY id FOR UPDATE", ids=list(ids))  # noqa: S608
    _scrub_outbox(connection, f"ticket_id IN {tickets} AND error IS DISTINCT FROM 'erased'", marked, ids=list(ids))
    _samples(connection, marked, since)
    for statement in (
        "DELETE FROM payloads WHERE mention_id = ANY(:ids)",
        "DELETE FROM versions WHERE mention_id = ANY(:ids)",
        "DELETE FROM copy_bands WHERE mention_id = ANY(:ids)",
        "UPDATE receipts SET body = '{}' WHERE mention_id = ANY(:ids)",
        "UPDATE digests SET error = NULL WHERE mention_id = ANY(:ids)",
        "UPDATE dead_letters SET error = NULL WHERE kind = 'digest' AND ref_id = ANY(:ids)",
        "UPDATE entries SET body = '' WHERE mention_id = ANY(:ids) AND body <> ''",
        f"UPDATE tickets t SET subject = 'A post its author deleted' WHERE t.id IN {tickets} AND (SELECT e.mention_id "  # noqa: S608
        "FROM entries e WHERE e.ticket_id = t.id AND e.kind = 'mention' ORDER BY e.at, e.id LIMIT 1) = ANY(:ids)",
        "UPDATE mentions SET kind = 'Tombstone', name = '', content = '', url = NULL, author_id = NULL, author_handle = NULL, "
        "author_name = NULL, author_url = NULL, followers = NULL, metrics = NULL, rating = NULL, published_raw = NULL, "
        "deleted_at = coalesce(deleted_at, now()) WHERE id = ANY(:ids)",
    ):
        connection.execute(text(statement), {"ids": list(ids)})
