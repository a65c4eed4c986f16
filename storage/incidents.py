"""The parent ticket of an incident: it lists the tickets the incident explains, and outlives it: people close it."""

from datetime import timedelta

from sqlalchemy import Connection, text

from storage import entries, gathering, runs
from storage.ledger import rows
from storage.runs import ids

BEFORE = timedelta(minutes=30)  # the flag of a slow series goes up this long after the first of it
MOST = 500  # tickets that are taken in at the opening; what comes in later joins by itself (storage/gathering.py)


def open_tickets(connection: Connection, worker: str, console_url: str) -> list[int]:
    """A parent ticket for every incident of talk that has none; their numbers. A ticket that people opened about it is taken for it."""
    made = []
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
            ticket, number = _ticket(connection, worker, row, f"{console_url}/flags/{row['flag']}")
            made.append(number)
        connection.execute(text("UPDATE incidents SET ticket_id = :t WHERE id = :i"), {"t": ticket, "i": row["id"]})
        since = row["since"] - max(BEFORE, timedelta(minutes=row["minutes"]))
        explained = rows(
            connection,
            "SELECT id FROM tickets WHERE topic = :topic AND opened_at >= :since AND label = 'negative' "
            "AND status NOT IN ('resolved', 'closed') AND parent_id IS NULL AND id <> :ticket ORDER BY id LIMIT :most",
            topic=row["topic"], since=since, ticket=ticket, most=MOST,
        )  # fmt: skip
        gathering.gather(connection, [one["id"] for one in explained])
    return made


def _ticket(connection: Connection, worker: str, incident, url: str) -> tuple[int, int]:  # type: ignore[no-untyped-def]
    run = runs.start(connection, "incident", worker)
    [new], [number] = ids(connection, "tickets", 1), ids(connection, "ticket_number", 1)
    connection.execute(
        text(
            "INSERT INTO tickets (id, number, subject, priority, topic, tags, run_id) OVERRIDING SYSTEM VALUE "
            "VALUES (:id, :number, :subject, :priority, :topic, ARRAY['incident'], :run)"
        ),
        {
            "id": new,
            "number": number,
            "subject": f"Incident: {incident['topic']}",
            "priority": "urgent" if incident["severity"] >= 8 else "high",
            "topic": incident["topic"],
            "run": run.id,
        },
    )
    run.wrote_ticket(new)
    body = f"Opened by flag {incident['flag']}: {url}. What comes in about {incident['topic']} is gathered here."
    entries.write(connection, run, [
        {"ticket_id": new, "kind": "note", "body": body, "detail": {"incident": incident["id"], "flag": incident["flag"]}}
    ])  # fmt: skip
    runs.finish(connection, run)
    return new, number
