"""The parent ticket of an incident: it lists the tickets the incident explains, and outlives it: people close it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from storage import entries, gathering, outbox, runs
from storage.ledger import rows
from storage.runs import ids

BEFORE = timedelta(minutes=30)  # the flag of a slow series goes up this long after the first of it
PART = 500  # tickets taken in by one statement


@dataclass(frozen=True, slots=True)
class Desk:
    """A desk and which tickets it is served; empty: all."""

    name: str
    teams: Sequence[str] = ()
    priorities: Sequence[str] = ()

    def wants(self, team: str, priority: str) -> bool:
        return (not self.teams or team in self.teams) and (not self.priorities or priority in self.priorities)


@dataclass(slots=True)
class Opened:
    """Numbers of the tickets that were made, and the desks that are owed them."""

    numbers: list[int] = field(default_factory=list)
    targets: set[str] = field(default_factory=set)


def open_tickets(
    connection: Connection, worker: str, console_url: str, team: str = "", desks: Sequence[Desk] = ()
) -> Opened:
    """A parent ticket for every incident of talk that has none, owed to the desks that want it. One that people opened about it is
    taken for it."""
    made = Opened()
    wanted = rows(
        connection,
        """SELECT i.id, i.topic, min(f.id) AS flag, max(f.severity) AS severity, min(f.window_start) AS since,
            max(f.scale) AS minutes FROM incidents i JOIN escalations f ON f.incident_id = i.id
        WHERE i.closed_at IS NULL AND i.ticket_id IS NULL AND f.kind IN ('spike', 'share') AND f.state = 'open'
        GROUP BY i.id ORDER BY i.id""",
    )
    for row in wanted:
        standing = rows(
            connection,
            "SELECT id FROM tickets WHERE tags @> ARRAY['incident'] AND topic = :topic AND parent_id IS NULL "
            "AND merged_into IS NULL AND status NOT IN ('resolved', 'closed') ORDER BY id DESC LIMIT 1",
            topic=row["topic"],
        )
        ticket = standing[0]["id"] if standing else None
        if ticket is None:
            ticket, number, targets = _ticket(connection, worker, row, console_url, team, desks)
            made.numbers.append(number)
            made.targets.update(targets)
        connection.execute(text("UPDATE incidents SET ticket_id = :t WHERE id = :i"), {"t": ticket, "i": row["id"]})
        since = row["since"] - max(BEFORE, timedelta(minutes=row["minutes"]))
        _gather(connection, row["topic"], since, ticket)
    return made


def _gather(connection: Connection, topic: str, since: datetime, ticket: int) -> None:
    """All that stands open since then, `PART` at a time; what comes in later joins by itself (storage/gathering.py)."""
    after = 0
    while explained := rows(
        connection,
        "SELECT id FROM tickets WHERE topic = :topic AND opened_at >= :since AND label = 'negative' "
        "AND status NOT IN ('resolved', 'closed') AND parent_id IS NULL AND id <> :ticket AND id > :after ORDER BY id LIMIT :part",
        topic=topic, since=since, ticket=ticket, after=after, part=PART,
    ):  # fmt: skip
        gathering.gather(connection, [one["id"] for one in explained])
        after = explained[-1]["id"]


def _ticket(
    connection: Connection,
    worker: str,
    incident: Mapping[str, Any],
    console_url: str,
    team: str,
    desks: Sequence[Desk],
) -> tuple[int, int, list[str]]:
    run = runs.start(connection, "incident", worker)
    [new], [number] = ids(connection, "tickets", 1), ids(connection, "ticket_number", 1)
    priority = "urgent" if incident["severity"] >= 8 else "high"
    targets = [desk.name for desk in desks if desk.wants(team, priority)]
    subject = f"Incident: {incident['topic']}"
    connection.execute(
        text(
            "INSERT INTO tickets (id, number, subject, priority, team, topic, tags, targets, run_id) OVERRIDING SYSTEM VALUE "
            "VALUES (:id, :number, :subject, :priority, :team, :topic, ARRAY['incident'], :targets, :run)"
        ),
        {
            "id": new,
            "number": number,
            "subject": subject,
            "priority": priority,
            "team": team,
            "topic": incident["topic"],
            "targets": targets,
            "run": run.id,
        },
    )
    run.wrote_ticket(new)
    flag = f"{console_url}/flags/{incident['flag']}"
    said = f"Opened by flag {incident['flag']}: {flag}. What comes in about {incident['topic']} is gathered here."
    entries.write(connection, run, [
        {"ticket_id": new, "kind": "note", "body": said, "detail": {"incident": incident["id"], "flag": incident["flag"]}}
    ])  # fmt: skip
    body = {
        "number": number,
        "subject": subject,
        "text": said,
        "priority": priority,
        "team": team,
        "customer": {"id": None, "name": ""},
        "mentions": [],
        "reasons": [f"Flag {incident['flag']} went up."],
        "url": f"{console_url}/tickets/{number}",
    }
    outbox.owe_many(connection, run, [
        outbox.Effect(target, "ticket.create", f"em-{number}-{target}-create", body, new) for target in targets
    ])  # fmt: skip
    runs.finish(connection, run)
    return new, number, targets
