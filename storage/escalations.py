"""Escalation flags: one per rule, series and window, with the evidence they were raised on."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from storage.bulk import dumps
from storage.ledger import rows
from storage.runs import Run


def latest(connection: Connection, rule: str, series: str) -> Any | None:
    """The newest flag of a rule and series, locked for the decision about it."""
    found = rows(
        connection,
        "SELECT * FROM escalations WHERE rule = :rule AND series = :series ORDER BY opened_at DESC, id DESC LIMIT 1 "
        "FOR UPDATE",
        rule=rule,
        series=series,
    )
    return found[0] if found else None


def open_flag(
    connection: Connection,
    run: Run,
    rule: str,
    series: str,
    window: datetime,
    severity: int,
    peak: float,
    evidence: Any,
    kind: str = "spike",
    scale: int = 10,
    closed: bool = False,
) -> int | None:
    """Raise a flag; None when this window has one."""
    return connection.execute(
        text(
            "INSERT INTO escalations (rule, series, window_start, kind, severity, peak, evidence, run_id, scale, state, closed_at) "
            "VALUES (:rule, :series, :window, :kind, :severity, :peak, CAST(:evidence AS jsonb), :run, :scale, "
            "CASE WHEN :closed THEN 'closed' ELSE 'open' END, CASE WHEN :closed THEN now() END) "
            "ON CONFLICT (rule, series, window_start) DO NOTHING RETURNING id"
        ),
        {
            "rule": rule,
            "series": series,
            "window": window,
            "kind": kind,
            "severity": severity,
            "peak": peak,
            "evidence": dumps(evidence),
            "run": run.id,
            "scale": scale,
            "closed": closed,
        },
    ).scalar()


def update_flag(
    connection: Connection, flag_id: int, severity: int, peak: float, evidence: Any, scale: int = 10
) -> None:
    connection.execute(
        text(
            "UPDATE escalations SET severity = :severity, peak = :peak, scale = :scale, updated_at = now(), "
            "evidence = CAST(:evidence AS jsonb) WHERE id = :id"
        ),
        {"id": flag_id, "severity": severity, "peak": peak, "scale": scale, "evidence": dumps(evidence)},
    )


def close_flag(connection: Connection, flag_id: int) -> None:
    connection.execute(
        text("UPDATE escalations SET state = 'closed', closed_at = now(), updated_at = now() WHERE id = :id"),
        {"id": flag_id},
    )


def standing(connection: Connection) -> list[Any]:
    """The newest flag of each rule and series that stands or closed in the last two days, locked in key order."""
    return rows(
        connection,
        "SELECT * FROM escalations WHERE id IN (SELECT DISTINCT ON (rule, series) id FROM escalations "
        "WHERE kind IN ('spike', 'share', 'silence', 'drift') AND series NOT LIKE 'channel/%' "
        "AND (state = 'open' OR opened_at > now() - interval '2 days') ORDER BY rule, series, window_start DESC, id DESC) "
        "ORDER BY id FOR UPDATE",
    )


def join_incident(connection: Connection, flag_id: int, topic: str) -> tuple[int, bool]:
    """(the open incident of a topic, whether it was made now); the flag belongs to it from here on."""
    found = connection.execute(
        text(
            "INSERT INTO incidents (topic) VALUES (:topic) ON CONFLICT (topic) WHERE closed_at IS NULL "
            "DO UPDATE SET topic = EXCLUDED.topic RETURNING id, (xmax = 0) AS made"
        ),
        {"topic": topic},
    ).one()
    connection.execute(text("UPDATE escalations SET incident_id = :i WHERE id = :f"), {"i": found.id, "f": flag_id})
    return int(found.id), bool(found.made)


def intents(connection: Connection, incident: int, but: int) -> set[str]:
    """What the other flags of an incident that stand are about: the commonest intent of each."""
    found = rows(
        connection,
        "SELECT DISTINCT evidence->>'intent' AS intent FROM escalations WHERE incident_id = :i AND id <> :but AND state = 'open' LIMIT 100",
        i=incident,
        but=but,
    )
    return {row["intent"] for row in found if row["intent"]}


def end_incidents(connection: Connection) -> None:
    """An incident is over when none of its flags stands."""
    connection.execute(
        text(
            "UPDATE incidents i SET closed_at = now() WHERE closed_at IS NULL AND NOT EXISTS "
            "(SELECT 1 FROM escalations f WHERE f.incident_id = i.id AND f.state = 'open')"
        )
    )


WATCH = 0x6561726D77  # advisory lock of the one that watches


def alone(connection: Connection) -> bool:
    """One process at a time watches; False: somebody does."""
    return bool(connection.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": WATCH}).scalar())


def hold(connection: Connection) -> None:
    """Nobody watches until this transaction ends."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": WATCH})


def get(connection: Connection, flag_id: int) -> Any | None:
    """One flag as it stands."""
    found = rows(connection, "SELECT * FROM escalations WHERE id = :id", id=flag_id)
    return found[0] if found else None
