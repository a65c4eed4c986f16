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
) -> int | None:
    """Raise a flag; None when this window has one."""
    return connection.execute(
        text(
            "INSERT INTO escalations (rule, series, window_start, kind, severity, peak, evidence, run_id) "
            "VALUES (:rule, :series, :window, :kind, :severity, :peak, CAST(:evidence AS jsonb), :run) "
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
        },
    ).scalar()


def update_flag(connection: Connection, flag_id: int, severity: int, peak: float, evidence: Any) -> None:
    connection.execute(
        text(
            "UPDATE escalations SET severity = :severity, peak = :peak, updated_at = now(), "
            "evidence = CAST(:evidence AS jsonb) WHERE id = :id"
        ),
        {"id": flag_id, "severity": severity, "peak": peak, "evidence": dumps(evidence)},
    )


def close_flag(connection: Connection, flag_id: int) -> None:
    connection.execute(
        text("UPDATE escalations SET state = 'closed', closed_at = now(), updated_at = now() WHERE id = :id"),
        {"id": flag_id},
    )
