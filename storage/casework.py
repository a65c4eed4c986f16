"""What a person does to a ticket: status, priority, team, owner, a note, an answer, tags, fields. Each leaves an entry, and every desk
that has the ticket is owed what happened. Moves are domain/lifecycle.py's; clocks follow from the entries (storage/sla.py)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from domain.lifecycle import DONE, STATUSES, refusal
from domain.said import Said
from storage import audit, custom_fields, entries, outbox, runs
from storage.ledger import Moved, one, rows
from storage.outbox import Effect
from storage.users import User
from storage.views import teams

PRIORITIES = ("low", "normal", "high", "urgent")
LONGEST_NOTE = 20_000
LONGEST_TAG, MOST_TAGS, MOST_WATCHERS = 60, 50, 200
OWNERS = ("agent", "lead", "admin")
# whose transaction it is (storage/scopes.py; workers see all), and what it has changed itself, as when it hands a ticket over
SEEN = "(earmark_sees_team(team) AND earmark_sees_topic(topic) OR xmin = CAST(pg_current_xact_id() AS xid))"


class Refused(Exception):
    """A person asked for something that cannot be; the message says why."""


class Unseen(Refused):
    """The ticket went on since the person looked."""


@dataclass(frozen=True, slots=True)
class Hand:
    """Who acts without being a user: the command line, an automation, a step. `run` is how its transactions are known."""

    name: str
    actor: str
    run: str = "command"
    id: int = 0
    desk: str = ""  # what was done at a desk is not owed to that desk


Person = User | Hand


@dataclass(frozen=True, slots=True)
class Change:
    """New values; None leaves a field as it is. `assignee` 0 takes the owner away. `why` is said in the entry."""

    status: str | None = None
    priority: str | None = None
    team: str | None = None
    assignee: int | None = None
    why: str = ""
    back: bool = False  # takes an earlier change back: the allowed moves are for going on


@dataclass(frozen=True, slots=True)
class Held:
    """A ticket locked for a change, with what the change needs to know."""

    id: int
    number: int
    status: str
    priority: str
    team: str
    assignee_id: int | None
    version: int
    targets: list[str]
    customer_id: int | None
    subject: str
    tags: list[str]
    fields: dict[str, Any]
    watchers: list[int]
    parent_id: int | None
    merged_into: int | None
    snoozed_until: datetime | None


def started(connection: Connection, person: Person) -> runs.Run:
    """The run under which this person's transaction is counted."""
    return runs.start(connection, person.run if isinstance(person, Hand) else "console", person.actor)


def change(connection: Connection, user: Person, number: int, wanted: Change, seen: int | None = None) -> bool:
    """Apply what differs; False when nothing does.

    Finishing a ticket that got something the person has not seen (its version moved past `seen`) is refused.
    """
    _allowed(connection, wanted)
    ticket = locked(connection, number, children=wanted.status in DONE)
    new = _differing(ticket, wanted)
    if not new:
        return False
    said = "" if wanted.back else refusal(ticket.status, new.get("status", ticket.status))
    if said:
        raise Refused(said)
    if ticket.merged_into:
        raise Refused("This ticket goes on in another one; undo the merge first.")
    finishing = new.get("status") in DONE and ticket.status not in DONE
    desk = user.desk if isinstance(user, Hand) else ""
    if finishing and not desk:
        _may_finish(connection, ticket, seen)
    ticket = replace(ticket, targets=[target for target in ticket.targets if target != desk])
    if ticket.status in DONE and new.get("status", "closed") not in DONE:
        _reopen(connection, ticket.id)
    elif finishing:
        connection.execute(
            text("UPDATE ticket_conversations SET open = false WHERE ticket_id = :id"), {"id": ticket.id}
        )
    _write(connection, ticket.id, new)
    run = started(connection, user)
    body = "; ".join(_sentence(connection, name, ticket, value) for name, value in new.items())
    detail = {name: [getattr(ticket, name), value or None] for name, value in new.items()}
    [entry] = entries.write(
        connection, run,
        [{"ticket_id": ticket.id, "kind": "status", "user_id": user.id, "detail": detail | _event(new),
          "body": f"{body} ({wanted.why})" if wanted.why else body}],
    )  # fmt: skip
    if "status" in new:
        owe(connection, run, ticket, entry, "ticket.status", {"number": number, "status": new["status"]})
        if finishing:
            _finish_children(connection, run, user, ticket, new["status"])
    _owe_fields(connection, run, ticket, entry, new)
    runs.finish(connection, run)
    audit.append(connection, user.actor, "ticket.change", f"ticket:{number}", {key: new[key] for key in sorted(new)})
    return True


def note(connection: Connection, user: Person, number: int, body: str, kind: str = "note") -> int:
    """Write an internal note and owe it to every desk that has the ticket. Returns the entry's id."""
    body = said(body)
    ticket = locked(connection, number)
    run = started(connection, user)
    begun = {"status": ["new", "open"]} if kind == "reply" and ticket.status == "new" else None
    [entry] = entries.write(
        connection, run, [{"ticket_id": ticket.id, "kind": kind, "user_id": user.id, "body": body, "detail": begun}]
    )
    lead = f"{user.name}: " if kind == "note" else f"{user.name} answered: "
    owe(connection, run, ticket, entry, "ticket.comment", {"number": number, "text": lead + body, "public": False})
    touch(connection, ticket.id, user)
    runs.finish(connection, run)
    audit.append(connection, user.actor, f"ticket.{kind}", f"ticket:{number}", {"entry": entry})
    return entry


def answered(connection: Connection, user: Person, number: int, body: str) -> int:
    """Write down an answer that was given to the customer, wherever that was. It stops the answering clocks."""
    entry = note(connection, user, number, body, kind="reply")
    connection.execute(
        text(
            "UPDATE tickets SET first_at = coalesce(first_at, now()), "
            "status = CASE WHEN status = 'new' THEN 'open' ELSE status END WHERE number = :number"
        ),
        {"number": number},
    )
    return entry


def hand_off(
    connection: Connection,
    user: Person,
    number: int,
    note_: str,
    *,
    team: str | None = None,
    assignee: int | None = None,
) -> int:
    """Give a ticket to another team or person, with what they need to know. The note is not optional."""
    body = said(note_)
    if team is None and assignee is None:
        raise Refused("A hand-off names a team or a person.")
    wanted = Change(team=team, assignee=assignee if assignee is not None else 0)
    _allowed(connection, wanted)
    ticket = locked(connection, number)
    new = _differing(ticket, wanted)
    if not new:
        raise Refused("The ticket is there already.")
    _write(connection, ticket.id, new)
    run = started(connection, user)
    to = "; ".join(_sentence(connection, name, ticket, value) for name, value in new.items())
    detail = {name: [getattr(ticket, name), value or None] for name, value in new.items()} | {"to": to}
    [entry] = entries.write(
        connection, run,
        [{"ticket_id": ticket.id, "kind": "handoff", "user_id": user.id, "body": body, "detail": detail}],
    )  # fmt: skip
    _owe_fields(connection, run, ticket, entry, new)
    owe(connection, run, ticket, entry, "ticket.comment",
        {"number": number, "text": f"{user.name} handed over ({to}): {body}", "public": False})  # fmt: skip
    runs.finish(connection, run)
    audit.append(connection, user.actor, "ticket.handoff", f"ticket:{number}", {"entry": entry})
    return entry


def tag(connection: Connection, user: Person, number: int, add: Sequence[str] = (), remove: Sequence[str] = ()) -> bool:
    """Add and take away tags; False when nothing changes."""
    wanted = [" ".join(name.split()).lower() for name in add]
    if any(not name or len(name) > LONGEST_TAG for name in wanted):
        raise Refused(Said("A tag has 1 to %(n)s characters.", n=LONGEST_TAG))
    ticket = locked(connection, number)
    gone = {" ".join(name.split()).lower() for name in remove}
    tags = sorted({*ticket.tags, *wanted} - gone)
    if len(tags) > MOST_TAGS:
        raise Refused(Said("A ticket has at most %(n)s tags.", n=MOST_TAGS))
    return _set(connection, user, ticket, "tags", ticket.tags, tags, f"tags: {', '.join(tags) or 'none'}")


def watch(connection: Connection, user: Person, number: int, watcher: int, on: bool = True) -> bool:
    """Let somebody follow a ticket, or no longer."""
    if on and not one(connection, "SELECT 1 FROM users WHERE id = :id AND disabled_at IS NULL", id=watcher):
        raise Refused("There is no such user.")
    ticket = locked(connection, number)
    watchers = sorted({*ticket.watchers, watcher} if on else {*ticket.watchers} - {watcher})
    if len(watchers) > MOST_WATCHERS:
        raise Refused(Said("A ticket has at most %(n)s watchers.", n=MOST_WATCHERS))
    name = one(connection, "SELECT name FROM users WHERE id = :id", id=watcher)
    return _set(
        connection,
        user,
        ticket,
        "watchers",
        ticket.watchers,
        watchers,
        f"{name} {'watches' if on else 'no longer watches'}",
    )


def fill(connection: Connection, user: Person, number: int, values: Mapping[str, str]) -> bool:
    """Set custom fields, as their types in the configuration say; an empty value clears one."""
    ticket = locked(connection, number)
    try:
        typed = custom_fields.typed(connection, values)
    except ValueError as error:
        raise Refused(str(error)) from None
    fields = {name: value for name, value in {**ticket.fields, **typed}.items() if value is not None}
    sentence = "; ".join(f"{name} = {value if value is not None else 'empty'}" for name, value in typed.items())
    return _set(connection, user, ticket, "fields", ticket.fields, fields, sentence)


def _set(connection: Connection, user: Person, ticket: Held, column: str, old: Any, new: Any, sentence: str) -> bool:
    """One column that is no status: written, with its entry."""
    if old == new:
        return False
    cast = {"tags": "text[]", "watchers": "bigint[]", "fields": "jsonb"}[column]
    value = entries.bulk.dumps(new) if column == "fields" else new
    connection.execute(
        text(f"UPDATE tickets SET {column} = CAST(:value AS {cast}) WHERE id = :id"),  # noqa: S608 our own names
        {"value": value, "id": ticket.id},
    )
    touch(connection, ticket.id, user)
    run = started(connection, user)
    detail = {column: [old, new], "event": {"tags": "tagged", "watchers": "watched", "fields": "filled"}[column]}
    [entry] = entries.write(
        connection, run,
        [{"ticket_id": ticket.id, "kind": "status", "user_id": user.id, "body": sentence, "detail": detail}],
    )  # fmt: skip
    if column != "watchers":
        desk = user.desk if isinstance(user, Hand) else ""
        _owe_sets(connection, run, ticket, entry, desk, column, old, new)
    runs.finish(connection, run)
    audit.append(connection, user.actor, f"ticket.{column}", f"ticket:{ticket.number}", {})
    return True


def said(body: str) -> str:
    """A text a person wrote, within bounds."""
    body = body.strip()
    if not body:
        raise Refused("A note needs some text.")
    if len(body) > LONGEST_NOTE:
        raise Refused(
            Said("A note has at most %(most)s characters; this one has %(n)s.", most=LONGEST_NOTE, n=len(body))
        )
    return body


def touch(connection: Connection, ticket_id: int, user: Person | None = None) -> None:
    """The ticket went on. A person's act on it ends the wait for its owner."""
    connection.execute(
        text(
            "UPDATE tickets SET updated_at = now(), version = version + 1, "
            "hand_back_at = CASE WHEN :person THEN NULL ELSE hand_back_at END WHERE id = :id"
        ),
        {"id": ticket_id, "person": isinstance(user, User)},
    )


def owe(connection: Connection, run: runs.Run, ticket: Held, entry: int, kind: str, notice: dict[str, Any]) -> None:
    """Every desk that has the ticket is owed what happened to it; the scheduler rings once this is committed."""
    effects = [
        Effect(target, kind, f"em-e{entry}-{target}", notice, ticket_id=ticket.id, entry_id=entry)
        for target in ticket.targets
    ]
    if outbox.owe_many(connection, run, effects):
        connection.execute(text("SELECT pg_notify('earmark', 'deliver')"))


def _owe_fields(connection: Connection, run: runs.Run, ticket: Held, entry: int, new: Mapping[str, Any]) -> None:
    """Priority and owner, to desks that speak back: there they are fields that both sides change."""
    notice: dict[str, Any] = {"priority": new["priority"]} if "priority" in new else {}
    if "assignee_id" in new:
        owner = one(connection, "SELECT email FROM users WHERE id = :id", id=new["assignee_id"]) or ""
        notice["assignee"] = str(owner).lower()
    if notice and ticket.targets:
        _update(connection, run, ticket, entry, {target: notice for target in _speaking(connection, ticket.targets)})


def _owe_sets(
    connection: Connection, run: runs.Run, ticket: Held, entry: int, desk: str, column: str, old: Any, new: Any
) -> None:
    """Tags and custom fields, what changed of them: each is a field of its own that both sides change. `desk`: where it comes from."""
    speaking = _speaking(connection, [target for target in ticket.targets if target != desk])
    if column == "tags":
        was, now = {desk_tag(tag) for tag in old}, {desk_tag(tag) for tag in new}
        changed = {f"tag:{tag}": "on" if tag in now else "off" for tag in sorted(was ^ now)}
        notices = dict.fromkeys(speaking, changed)
    else:
        values = {name: plain(new.get(name)) for name in sorted({*old, *new}) if old.get(name) != new.get(name)}
        notices = {
            target: {f"field:{name}": value for name, value in values.items() if name in shared}
            for target, shared in speaking.items()
        }
    _update(connection, run, ticket, entry, {target: told(each) for target, each in notices.items() if each})


def told(values: Mapping[str, str]) -> dict[str, Any]:
    """Fields as a notice carries them: plain ones by their names, tags and custom fields under theirs."""
    found: dict[str, Any] = {name: value for name, value in values.items() if ":" not in name}
    for kind, under in (("tag:", "tags"), ("field:", "fields")):
        inner = {name.removeprefix(kind): value for name, value in values.items() if name.startswith(kind)}
        found |= {under: inner} if inner else {}
    return found


def desk_tag(tag: str) -> str:
    """A tag as desks write it: one word."""
    return "_".join(tag.split()).lower()


def plain(value: Any) -> str:
    """A custom field's value as desks write it."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _speaking(connection: Connection, targets: Sequence[str]) -> dict[str, list[str]]:
    """Which of these desks speak back → the custom fields of ours they have too."""
    if not targets:
        return {}
    found = rows(
        connection,
        "SELECT target, fields FROM desk_syncs WHERE enabled AND what = 'tickets' AND target = ANY(:targets) ORDER BY target",
        targets=list(targets),
    )
    return {row["target"]: row["fields"] for row in found}


def _update(
    connection: Connection, run: runs.Run, ticket: Held, entry: int, notices: Mapping[str, Mapping[str, Any]]
) -> None:
    effects = [
        Effect(target, "ticket.update", f"em-e{entry}u-{target}", {"number": ticket.number, **notice},
               ticket_id=ticket.id, entry_id=entry)
        for target, notice in notices.items()
    ]  # fmt: skip
    if outbox.owe_many(connection, run, effects):
        connection.execute(text("SELECT pg_notify('earmark', 'deliver')"))


def locked(connection: Connection, number: int, *, children: bool = False) -> Held:
    """The ticket, locked, and with it its conversation links, which nobody changes without it. Raises LookupError. `children`: what stands
    under it too, for who may finish it."""
    if children:
        hold_numbers(connection, [number], children=True)
    return lock_many(connection, [number])[number]


def lock_many(connection: Connection, numbers: Sequence[int]) -> dict[int, Held]:
    """Several tickets by number, locked by id. Raises LookupError naming one that is not there."""
    columns = ", ".join(Held.__dataclass_fields__)
    found = rows(
        connection,
        f"SELECT {columns} FROM tickets WHERE number = ANY(:numbers) AND {SEEN} ORDER BY id FOR UPDATE",  # noqa: S608 our own names
        numbers=list(numbers),
    )
    held = {row["number"]: Held(**row) for row in found}
    for number in numbers:
        if number not in held:
            raise LookupError(number)
    return held


def hold(connection: Connection, ids: Iterable[int], *, wait: bool = True) -> set[int]:
    """Lock tickets by id, before several of them are changed one after the other; those that are there. Not waiting, one that somebody
    holds ends the transaction, to be run anew: for who holds others already."""
    wanted = sorted(set(ids))
    lock = f"SELECT id FROM tickets WHERE id = ANY(:ids) ORDER BY id FOR UPDATE{'' if wait else ' NOWAIT'}"  # noqa: S608 our own text
    return {row["id"] for row in rows(connection, lock, ids=wanted)} if wanted else set()


def hold_numbers(connection: Connection, numbers: Iterable[int], *, children: bool = False) -> None:
    """As `hold`, by number and as far as they are there; with what stands under them, for who finishes them."""
    found = _family(connection, numbers, children)
    hold(connection, found)
    if children:  # who is adopted needs the parent, which is ours from here on
        hold(connection, _family(connection, numbers, children) - found, wait=False)


def _family(connection: Connection, numbers: Iterable[int], children: bool) -> set[int]:
    """Ids of tickets by number, and of all their children: what is done may be open again by the time we hold it."""
    under = " OR parent_id IN (SELECT id FROM tickets WHERE number = ANY(:numbers))" if children else ""
    asked = f"SELECT id FROM tickets WHERE number = ANY(:numbers){under}"  # noqa: S608 our own text
    return {row["id"] for row in rows(connection, asked, numbers=sorted(set(numbers)))}


def _allowed(connection: Connection, wanted: Change) -> None:
    if wanted.status is not None and wanted.status not in STATUSES:
        raise Refused(Said("There is no status “%(name)s”.", name=wanted.status))
    if wanted.priority is not None and wanted.priority not in PRIORITIES:
        raise Refused(Said("There is no priority “%(name)s”.", name=wanted.priority))
    if wanted.team and wanted.team not in dict(teams(connection)):
        raise Refused(Said("There is no team “%(name)s”.", name=wanted.team))
    if wanted.assignee and not one(
        connection,
        "SELECT 1 FROM users WHERE id = :id AND disabled_at IS NULL AND role = ANY(:roles)",
        id=wanted.assignee,
        roles=list(OWNERS),
    ):
        raise Refused("This person cannot own tickets.")


def _differing(ticket: Held, wanted: Change) -> dict[str, Any]:
    named = {"status": wanted.status, "priority": wanted.priority, "team": wanted.team, "assignee_id": wanted.assignee}
    return {
        name: value
        for name, value in named.items()
        if value is not None and value != (getattr(ticket, name) or (0 if name == "assignee_id" else ""))
    }


def _may_finish(connection: Connection, ticket: Held, seen: int | None) -> None:
    if seen is not None and seen != ticket.version:
        raise Unseen(
            Said(
                "Something arrived on this ticket that you had not seen. Nothing was changed; read on and decide again."
            )
        )
    if missing := custom_fields.missing(connection, ticket.fields):
        raise Refused(Said("Fill in %(fields)s before the ticket is finished.", fields=", ".join(missing)))


def _event(new: Mapping[str, Any]) -> dict[str, str]:
    """What automations call this change."""
    if new.get("status") in DONE:
        return {"event": str(new["status"])}
    return {"event": "assigned"} if set(new) == {"assignee_id"} else {}


def _write(connection: Connection, ticket_id: int, new: Mapping[str, Any]) -> None:
    """A finished ticket was answered at the latest now; a reopened one is not finished. A decision ends snooze and claim."""
    connection.execute(
        text(
            """UPDATE tickets SET status = coalesce(CAST(:status AS text), status), priority = coalesce(CAST(:priority AS text), priority),
                team = coalesce(CAST(:team AS text), team), updated_at = now(), version = version + 1, hand_back_at = NULL,
                snoozed_until = CASE WHEN CAST(:status AS text) IS NULL THEN snoozed_until END,
                claimed_by = CASE WHEN CAST(:status AS text) IS NULL THEN claimed_by END,
                claimed_until = CASE WHEN CAST(:status AS text) IS NULL THEN claimed_until END,
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
        JOIN tickets t ON t.id = theirs.ticket_id WHERE mine.ticket_id = :id AND NOT mine.yields
            AND mine.conversation NOT LIKE 'case:%' LIMIT 1""",
        id=ticket_id,
    )
    if other:
        raise Refused(
            Said("The conversation goes on in ticket #%(number)s; this one stays finished.", number=str(other))
        )
    reclaim(
        connection,
        "UPDATE ticket_conversations SET open = true WHERE ticket_id = :id AND NOT yields AND conversation NOT LIKE 'case:%'",
        ticket_id,
    )


def reclaim(connection: Connection, statement: str, ticket_id: int) -> None:
    """Open a ticket's conversations again. Where a post opened another ticket for one at this very moment, all is looked at anew."""
    try:
        with connection.begin_nested():
            connection.execute(text(statement), {"id": ticket_id})
    except IntegrityError:
        raise Moved from None


def _finish_children(connection: Connection, run: runs.Run, user: Person, parent: Held, status: str) -> None:
    """What was opened because of the parent is finished with it; a child that was finished before stays as it was."""
    numbers = [
        row["number"]
        for row in rows(
            connection,
            "SELECT number FROM tickets WHERE parent_id = :id AND status NOT IN ('resolved', 'closed') "
            "AND merged_into IS NULL ORDER BY id",
            id=parent.id,
        )
    ]
    for child in lock_many(connection, numbers).values() if numbers else ():
        connection.execute(text("UPDATE ticket_conversations SET open = false WHERE ticket_id = :id"), {"id": child.id})
        _write(connection, child.id, {"status": status})
        [entry] = entries.write(
            connection, run,
            [{"ticket_id": child.id, "kind": "status", "user_id": user.id,
              "body": f"status {child.status} → {status} with its parent #{parent.number}",
              "detail": {"status": [child.status, status], "event": status, "parent": parent.id}}],
        )  # fmt: skip
        owe(connection, run, child, entry, "ticket.status", {"number": child.number, "status": status})


def _sentence(connection: Connection, name: str, ticket: Held, new: Any) -> str:
    old = getattr(ticket, name)
    if name == "assignee_id":
        names = {
            row["id"]: row["name"]
            for row in rows(connection, "SELECT id, name FROM users WHERE id = ANY(:ids)", ids=[old or 0, new])
        }
        return f"owner {names.get(old, 'nobody')} → {names.get(new, 'nobody')}"
    return f"{name} {old or 'none'} → {new or 'none'}"
