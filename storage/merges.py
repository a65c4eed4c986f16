# ruff: noqa: S608 (statements are put together of our own names; what people say travels as values)
"""Two customers who are one person: what a merge would touch, the merge, and taking it back.

A merge moves rows and writes each down in `moves`; the one merged away keeps its row, empty, under its own id. Taking it back returns
what was moved and still stands where it was put; what happened meanwhile goes to whom the account it came by belongs
(storage/attribution.py), so that nothing that came after is lost and nothing is a snapshot.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection, text

from domain.said import Said
from storage import attribution, audit, bulk, casework, suppress
from storage.ledger import one, rows
from storage.tables import metadata
from storage.together import Question

FIELDS = ("name", "tier", "vip")
CARRIED = tuple(  # every other table that names a customer goes along
    table.name
    for table in metadata.sorted_tables
    if {"id", "customer_id"} <= set(table.columns.keys()) and table.name not in ("tickets", "proposals")
)


class Refused(Exception):
    """This cannot be merged or taken back; the message says why."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """A field both have, with different values. `field` is name, tier, vip or attributes.NAME."""

    field: str
    winner: Any
    loser: Any


@dataclass(frozen=True, slots=True)
class Radius:
    """What a merge would touch."""

    winner: int
    loser: int
    names: tuple[str, str]
    identities: int
    tickets: int
    open_tickets: int
    meeting: list[
        tuple[int, int]
    ]  # numbers of two open tickets in one conversation: the winner's goes on, the loser's yields
    mentions: int
    interactions: int
    promises: int
    contacts: dict[str, tuple[int, int, int]]  # days → contacts of the winner, of the loser, of both together
    desk_copies: dict[str, int]
    conflicts: list[Conflict]
    policy: str  # why a person must vouch for it; empty: nothing forbids

    def document(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(slots=True)
class Undone:
    """What taking a merge back did. `stays`: identities that came since and cannot be told apart; `kept`: fields changed since."""

    merge: int
    winner: int
    loser: int
    identities: int = 0
    tickets: int = 0
    mentions: int = 0
    new_tickets: list[int] = field(default_factory=list)
    stays: list[int] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def preview(connection: Connection, winner: int, loser: int, unlinkable: frozenset[str] = frozenset()) -> Radius:
    """Look, and touch nothing. Raises Refused where the merge would be."""
    mine, theirs = _both(connection, winner, loser)
    figures = rows(connection, _FIGURES, loser=loser)[0]
    contacts = {
        days: tuple(int(one(connection, _CONTACTS, ids=ids, days=days)) for ids in ([winner], [loser], [winner, loser]))
        for days in (7, 30)
    }
    copies = rows(
        connection,
        "SELECT d.target, count(*) AS n FROM desk_links d JOIN tickets t ON t.id = d.ticket_id WHERE t.customer_id = :loser GROUP BY 1",
        loser=loser,
    )
    meeting = [(row["kept"], row["yields"]) for row in rows(connection, _MEETING, winner=winner, loser=loser)]
    return Radius(
        winner,
        loser,
        (mine["name"], theirs["name"]),
        meeting=meeting,
        contacts={str(days): found for days, found in contacts.items()},  # type: ignore[misc]
        desk_copies={row["target"]: row["n"] for row in copies},
        conflicts=conflicts(mine, theirs),
        policy=forbidden(connection, winner, loser, unlinkable),
        **figures,
    )


def forbidden(connection: Connection, winner: int, loser: int, unlinkable: frozenset[str]) -> str:
    """Why a platform's terms leave this to the customer's own statement; empty when they do not."""
    found = rows(
        connection,
        "SELECT DISTINCT l.customer_id, CASE WHEN i.kind = 'account' THEN i.platform ELSE i.kind END AS place, i.kind = 'account' AS account "
        "FROM customer_identities l JOIN identities i ON i.id = l.identity_id WHERE l.customer_id IN (:winner, :loser)",
        winner=winner,
        loser=loser,
    )
    places = {id_: {row["place"] for row in found if row["customer_id"] == id_} for id_ in (winner, loser)}
    for one_, other in ((winner, loser), (loser, winner)):
        for platform in sorted(places[one_] & unlinkable):
            if places[other] - {platform}:
                return Said(
                    "the terms of %(platform)s forbid matching its accounts with identifiers from elsewhere, unless the customers say so themselves",
                    platform=platform,
                )
    return ""


def conflicts(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[Conflict]:
    """Fields in which two customers contradict each other."""
    found = [
        Conflict(name, mine[name], theirs[name])
        for name in FIELDS
        if mine[name] and theirs[name] and mine[name] != theirs[name]
    ]
    shared = sorted(mine["attributes"].keys() & theirs["attributes"].keys())
    return found + [
        Conflict(f"attributes.{name}", mine["attributes"][name], theirs["attributes"][name])
        for name in shared
        if mine["attributes"][name] != theirs["attributes"][name]
    ]


def merge(
    connection: Connection,
    winner: int,
    loser: int,
    actor: str,
    *,
    take: frozenset[str] = frozenset(),
    stated: bool = False,
    unlinkable: frozenset[str] = frozenset(),
) -> int:
    """Make `loser` part of `winner`; `take` names the conflicting fields in which the loser's value goes on. Returns the merge's id.

    `stated`: the customer said so themselves, which is what a platform's terms ask for.
    """
    alone(connection)
    mine, theirs = _both(connection, winner, loser, lock=True)
    if not stated and (why := forbidden(connection, winner, loser, unlinkable)):
        raise Refused(Said("%(why)s; confirm that they did", why=why))
    known = {item.field for item in conflicts(mine, theirs)}
    if wrong := sorted(take - known):
        raise Refused(f"no conflict in {', '.join(wrong)}; there is one in: {', '.join(sorted(known)) or 'nothing'}")
    id_ = int(
        one(
            connection,
            "INSERT INTO merges (winner_id, loser_id, by) VALUES (:winner, :loser, :actor) RETURNING id",
            winner=winner,
            loser=loser,
            actor=actor,
        )
    )
    _move_rows(connection, id_, winner, loser)
    _merge_fields(connection, id_, mine, theirs, take)
    connection.execute(
        text("UPDATE customers SET merged_into = :winner WHERE id = :loser"), {"winner": winner, "loser": loser}
    )
    connection.execute(
        text(
            "UPDATE proposals SET state = 'accepted', decided_by = :actor, decided_at = now() WHERE state = 'open' "
            "AND customer_id IN (:winner, :loser) AND other_id IN (:winner, :loser)"
        ),
        {"winner": winner, "loser": loser, "actor": actor},
    )
    audit.append(
        connection, actor, "customer.merge", f"customer:{winner}", {"merge": id_, "loser": loser, "stated": int(stated)}
    )
    return id_


def unmerge(connection: Connection, merge_id: int, actor: str) -> Undone:
    """Take a merge back. Raises Refused when it is not there, was taken back, or its winner was merged away since."""
    alone(connection)
    found = rows(connection, "SELECT * FROM merges WHERE id = :id FOR UPDATE", id=merge_id)
    if not found:
        raise Refused(Said("there is no merge %(id)s", id=str(merge_id)))
    merged = found[0]
    if merged["undone_at"]:
        raise Refused(Said("merge %(id)s was taken back already", id=str(merge_id)))
    done = Undone(merge_id, merged["winner_id"], merged["loser_id"])
    holder = one(connection, "SELECT merged_into FROM customers WHERE id = :id FOR UPDATE", id=done.winner)
    if holder:
        raise Refused(
            Said(
                "customer %(id)s was merged into %(into)s since: take that back first",
                id=str(done.winner),
                into=str(holder),
            )
        )
    rows(connection, "SELECT 1 FROM customers WHERE id = :id FOR UPDATE", id=done.loser)
    _return_rows(connection, done)
    connection.execute(text("UPDATE customers SET merged_into = NULL WHERE id = :id"), {"id": done.loser})
    _return_fields(connection, done)
    settled = attribution.settle(connection, done.winner, done.loser, merged["at"], actor)
    done.mentions, done.new_tickets = settled.mentions, settled.made
    done.tickets += settled.tickets
    connection.execute(
        text("UPDATE merges SET undone_at = now(), undone_by = :actor WHERE id = :id"), {"id": merge_id, "actor": actor}
    )
    detail = {"merge": merge_id, "loser": done.loser, "mentions": done.mentions}
    audit.append(connection, actor, "customer.unmerge", f"customer:{done.winner}", detail)
    return done


def history(customer_id: int, limit: int = 50) -> Question[list[dict[str, Any]]]:
    """Merges this customer had a part in, newest first."""
    return Question(
        "SELECT m.*, w.name AS winner, l.name AS loser FROM merges m LEFT JOIN customers w ON w.id = m.winner_id "
        "LEFT JOIN customers l ON l.id = m.loser_id WHERE m.winner_id = :id OR m.loser_id = :id ORDER BY m.id DESC LIMIT :limit",
        {"id": customer_id, "limit": limit},
        lambda found: [dict(row) for row in found],
    )


def standing(connection: Connection, loser: int) -> int | None:
    """The merge by which this customer became part of another."""
    found: int | None = one(connection, "SELECT id FROM merges WHERE loser_id = :id AND undone_at IS NULL", id=loser)
    return found


def alone(connection: Connection) -> None:
    """Nobody files meanwhile: a ticket filed on somebody who is being merged away would have no owner."""
    connection.execute(text("SET LOCAL lock_timeout = '60s'"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:k)"), {"k": suppress.ERASURE})


def _both(connection: Connection, winner: int, loser: int, *, lock: bool = False) -> tuple[Any, Any]:
    if winner == loser:
        raise Refused("a customer cannot be merged with itself")
    found = {
        row["id"]: row
        for row in rows(
            connection,
            "SELECT id, name, tier, vip, attributes, merged_into FROM customers WHERE id IN (:winner, :loser) ORDER BY id"
            + (" FOR UPDATE" if lock else ""),
            winner=winner,
            loser=loser,
        )
    }
    for id_ in (winner, loser):
        if id_ not in found:
            raise Refused(Said("there is no customer %(id)s", id=str(id_)))
        if found[id_]["merged_into"]:
            raise Refused(
                Said(
                    "customer %(id)s was merged into %(into)s; take that one, or take the merge back first",
                    id=str(id_),
                    into=str(found[id_]["merged_into"]),
                )
            )
    return found[winner], found[loser]


def _move_rows(connection: Connection, merge_id: int, winner: int, loser: int) -> None:
    """Links first, conversations, tickets, the rest: the order workers lock in. Open conversations that meet yield to the winner's."""
    values = {"merge": merge_id, "winner": winner, "loser": loser}
    _hold(connection, winner, loser)
    for statement in (
        "WITH moved AS (UPDATE customer_identities SET customer_id = :winner WHERE customer_id = :loser RETURNING identity_id) "
        "INSERT INTO moves (merge_id, tbl, key) SELECT :merge, 'identity', CAST(identity_id AS text) FROM moved ORDER BY identity_id",
        "WITH meeting AS (UPDATE ticket_conversations c SET open = false, yields = true FROM ticket_conversations o "
        "WHERE c.customer_id = :loser AND c.open AND o.customer_id = :winner AND o.open AND o.conversation = c.conversation "
        "RETURNING c.ticket_id, c.conversation) INSERT INTO moves (merge_id, tbl, key, was) "
        "SELECT :merge, 'shut', ticket_id || ' ' || conversation, to_jsonb(conversation) FROM meeting",
        "UPDATE ticket_conversations SET customer_id = :winner WHERE customer_id = :loser",
        "WITH moved AS (UPDATE tickets SET customer_id = :winner WHERE customer_id = :loser RETURNING id) "
        "INSERT INTO moves (merge_id, tbl, key) SELECT :merge, 'ticket', CAST(id AS text) FROM moved ORDER BY id",
        *(
            f"WITH moved AS (UPDATE {table} SET customer_id = :winner WHERE customer_id = :loser RETURNING id) "
            f"INSERT INTO moves (merge_id, tbl, key) SELECT :merge, '{table}', CAST(id AS text) FROM moved ORDER BY id"
            for table in CARRIED
        ),
    ):
        connection.execute(text(statement), values)


def _hold(connection: Connection, *customers: int) -> None:
    """What both have, in the order in which workers and people take it."""
    links = "SELECT 1 FROM customer_identities WHERE customer_id = ANY(:ids) ORDER BY identity_id FOR UPDATE"
    connection.execute(text(links), {"ids": list(customers)})
    found = rows(connection, "SELECT id FROM tickets WHERE customer_id = ANY(:ids)", ids=list(customers))
    casework.hold(connection, [row["id"] for row in found])


def _return_rows(connection: Connection, done: Undone) -> None:
    values = {"merge": done.merge, "winner": done.winner, "loser": done.loser}
    _hold(connection, done.winner, done.loser)
    keys = "(SELECT CAST(key AS bigint) FROM moves WHERE merge_id = :merge AND tbl = '{}')"
    moved = f"ANY(ARRAY{keys})"  # looked up one by one in the index, whatever the planner thinks of a young table
    done.stays = [
        row["identity_id"]
        for row in rows(
            connection,
            "SELECT l.identity_id FROM customer_identities l, merges m WHERE m.id = :merge AND l.customer_id = :winner "
            f"AND l.linked_at >= m.at AND NOT l.identity_id IN {keys.format('identity')} ORDER BY 1",
            merge=done.merge,
            winner=done.winner,
        )
    ]
    for name, statement in (
        (
            "identities",
            f"UPDATE customer_identities SET customer_id = :loser WHERE customer_id = :winner AND identity_id = {moved.format('identity')}",
        ),
        (
            "",
            f"UPDATE ticket_conversations c SET customer_id = :loser WHERE customer_id = :winner AND ticket_id = {moved.format('ticket')}",
        ),
        (
            "tickets",
            f"UPDATE tickets SET customer_id = :loser WHERE customer_id = :winner AND id = {moved.format('ticket')}",
        ),
        (
            "",
            "UPDATE ticket_conversations c SET yields = false, open = t.status NOT IN ('resolved', 'closed') FROM moves m, tickets t "
            "WHERE m.merge_id = :merge AND m.tbl = 'shut' AND m.key = c.ticket_id || ' ' || c.conversation AND c.yields "
            "AND t.id = c.ticket_id AND t.customer_id = :loser AND t.merged_into IS NULL",
        ),
        *(
            ("", f"UPDATE {table} SET customer_id = :loser WHERE customer_id = :winner AND id = {moved.format(table)}")
            for table in CARRIED
        ),
        (
            "",  # told meanwhile by a sender who knows our number of the one
            "UPDATE interactions SET customer_id = :loser, data = data - 'named_customer' WHERE customer_id = :winner "
            "AND data ->> 'named_customer' = CAST(:loser AS text)",
        ),
    ):
        changed = connection.execute(text(statement), values).rowcount
        if name:
            setattr(done, name, changed)


def _merge_fields(connection: Connection, merge_id: int, mine: Any, theirs: Any, take: frozenset[str]) -> None:
    """The winner's value, the loser's where the winner has none or the person chose it. Each change is a move."""
    changes: dict[str, tuple[Any, Any]] = {}
    for name in FIELDS:
        if theirs[name] and theirs[name] != mine[name] and (not mine[name] or name in take):
            changes[name] = mine[name], theirs[name]
    for name, value in theirs["attributes"].items():
        key = f"attributes.{name}"
        if name not in mine["attributes"] or (mine["attributes"][name] != value and key in take):
            changes[key] = mine["attributes"].get(name), value
    for key, (was, now) in changes.items():
        _set(connection, mine["id"], key, now)
        connection.execute(
            text(
                "INSERT INTO moves (merge_id, tbl, key, was, now) "
                "VALUES (:merge, 'field', :key, CAST(:was AS jsonb), CAST(:now AS jsonb))"
            ),
            {"merge": merge_id, "key": key, "was": bulk.dumps(was), "now": bulk.dumps(now)},
        )


def _return_fields(connection: Connection, done: Undone) -> None:
    """A field that still is what the merge made it goes back; one that was edited since is kept and named."""
    current = rows(connection, "SELECT name, tier, vip, attributes FROM customers WHERE id = :id", id=done.winner)[0]
    for row in rows(
        connection, "SELECT key, was, now FROM moves WHERE merge_id = :id AND tbl = 'field' ORDER BY key", id=done.merge
    ):
        inner = row["key"].removeprefix("attributes.")
        here = current[row["key"]] if inner == row["key"] else current["attributes"].get(inner)
        if here == row["now"]:
            _set(connection, done.winner, row["key"], row["was"])
        else:
            done.kept.append(row["key"])


def _set(connection: Connection, customer_id: int, key: str, value: Any) -> None:
    if key in FIELDS:
        connection.execute(
            text(f"UPDATE customers SET {key} = :value WHERE id = :id"), {"value": value, "id": customer_id}
        )
        return
    name = key.removeprefix("attributes.")
    statement = (
        "UPDATE customers SET attributes = attributes - CAST(:name AS text) WHERE id = :id"
        if value is None
        else "UPDATE customers SET attributes = attributes || jsonb_build_object(CAST(:name AS text), CAST(:value AS jsonb)) WHERE id = :id"
    )
    connection.execute(text(statement), {"name": name, "value": bulk.dumps(value), "id": customer_id})


_FIGURES = """SELECT (SELECT count(*) FROM customer_identities WHERE customer_id = :loser) AS identities,
    (SELECT count(*) FROM tickets WHERE customer_id = :loser) AS tickets,
    (SELECT count(*) FROM tickets WHERE customer_id = :loser AND status NOT IN ('resolved', 'closed')) AS open_tickets,
    (SELECT count(*) FROM customer_identities l JOIN identities i ON i.id = l.identity_id AND i.kind = 'account'
        JOIN mentions m ON m.platform = i.platform AND m.author_id = i.native_id AND m.origin = i.origin WHERE l.customer_id = :loser) AS mentions,
    (SELECT count(*) FROM interactions n LEFT JOIN customer_identities l ON l.identity_id = n.identity_id
        WHERE coalesce(l.customer_id, n.customer_id) = :loser) AS interactions,
    (SELECT count(*) FROM promises p JOIN tickets t ON t.id = p.ticket_id WHERE t.customer_id = :loser AND p.state = 'open') AS promises"""

_CONTACTS = """SELECT count(*) FROM (
    SELECT m.id FROM customer_identities l JOIN identities i ON i.id = l.identity_id AND i.kind = 'account'
        JOIN mentions m ON m.platform = i.platform AND m.author_id = i.native_id AND m.origin = i.origin
        WHERE l.customer_id = ANY(:ids) AND m.published > now() - make_interval(days => :days)
    UNION ALL SELECT n.id FROM customer_identities l JOIN interactions n ON n.identity_id = l.identity_id
        WHERE l.customer_id = ANY(:ids) AND n.direction = 'in' AND n.happened_at > now() - make_interval(days => :days)) q"""

_MEETING = """SELECT k.number AS kept, y.number AS yields FROM ticket_conversations c JOIN ticket_conversations o ON o.conversation = c.conversation
        AND o.customer_id = :winner AND o.open JOIN tickets k ON k.id = o.ticket_id JOIN tickets y ON y.id = c.ticket_id
    WHERE c.customer_id = :loser AND c.open GROUP BY 1, 2 ORDER BY 1, 2 LIMIT 100"""
