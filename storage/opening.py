"""A ticket somebody opens by hand or by program: with a first note, its customer where one is named, and owed to the desks that want it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from domain.said import Said
from storage import audit, configurations, entries, outbox, runs
from storage.casework import LONGEST_TAG, MOST_TAGS, PRIORITIES, Person, Refused, said, started
from storage.incidents import Desk
from storage.ledger import one
from storage.views import teams

LONGEST_SUBJECT = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    subject: str
    body: str = ""
    customer_id: int | None = None
    team: str = ""
    topic: str = ""
    priority: str = "normal"
    tags: Sequence[str] = ()


def open_ticket(connection: Connection, person: Person, wanted: Wanted, console_url: str) -> int:
    """Its number. Raises Refused for a team, customer or priority there is not; LookupError never."""
    tags = _checked(connection, wanted)
    run = started(connection, person)
    [new], [number] = runs.ids(connection, "tickets", 1), runs.ids(connection, "ticket_number", 1)
    targets = [desk.name for desk in _desks(connection) if desk.wants(wanted.team, wanted.priority)]
    connection.execute(
        text(
            "INSERT INTO tickets (id, number, customer_id, subject, priority, team, topic, tags, targets, run_id) OVERRIDING SYSTEM VALUE "
            "VALUES (:id, :number, :customer, :subject, :priority, :team, :topic, :tags, :targets, :run)"
        ),
        {
            "id": new, "number": number, "customer": wanted.customer_id, "subject": wanted.subject.strip(), "priority": wanted.priority,
            "team": wanted.team, "topic": wanted.topic, "tags": tags, "targets": targets, "run": run.id,
        },
    )  # fmt: skip
    run.wrote_ticket(new)
    body = said(wanted.body) if wanted.body.strip() else wanted.subject.strip()
    [entry] = entries.write(
        connection, run, [{"ticket_id": new, "kind": "note", "user_id": person.id, "body": body, "detail": {"by": person.actor}}]
    )  # fmt: skip
    notice = {
        "number": number, "subject": wanted.subject.strip(), "text": body, "priority": wanted.priority, "team": wanted.team,
        "customer": {"id": wanted.customer_id, "name": _name(connection, wanted.customer_id)}, "mentions": [],
        "reasons": [f"Opened by {person.name}."], "url": f"{console_url.rstrip('/')}/tickets/{number}",
    }  # fmt: skip
    effects = [outbox.Effect(t, "ticket.create", f"em-{number}-{t}-create", notice, new, entry) for t in targets]
    if outbox.owe_many(connection, run, effects):
        connection.execute(text("SELECT pg_notify('earmark', 'deliver')"))
    runs.finish(connection, run)
    audit.append(connection, person.actor, "ticket.open", f"ticket:{number}", {})
    return number


def _checked(connection: Connection, wanted: Wanted) -> list[str]:
    """The tags in their form. Raises Refused."""
    if not wanted.subject.strip() or len(wanted.subject) > LONGEST_SUBJECT:
        raise Refused(Said("A subject has 1 to %(n)s characters.", n=LONGEST_SUBJECT))
    if wanted.priority not in PRIORITIES:
        raise Refused(Said("There is no priority “%(name)s”.", name=wanted.priority))
    if wanted.team and wanted.team not in dict(teams(connection)):
        raise Refused(Said("There is no team “%(name)s”.", name=wanted.team))
    if wanted.customer_id and not one(
        connection, "SELECT 1 FROM customers WHERE id = :id AND merged_into IS NULL", id=wanted.customer_id
    ):
        raise Refused("There is no such customer.")
    tags = sorted({" ".join(tag.split()).lower() for tag in wanted.tags})
    if len(tags) > MOST_TAGS or any(not 1 <= len(tag) <= LONGEST_TAG for tag in tags):
        raise Refused(Said("At most %(most)s tags of 1 to %(n)s characters.", most=MOST_TAGS, n=LONGEST_TAG))
    return tags


def _desks(connection: Connection) -> list[Desk]:
    """Desks of the configuration in force that are on."""
    found = configurations.in_force(connection)
    return [
        Desk(desk["name"], desk.get("teams") or (), desk.get("priorities") or ())
        for desk in (found.document.get("desks", []) if found else [])
        if desk.get("enabled", True)
    ]


def _name(connection: Connection, customer_id: int | None) -> str:
    return (
        str(one(connection, "SELECT name FROM customers WHERE id = :id", id=customer_id) or "") if customer_id else ""
    )
