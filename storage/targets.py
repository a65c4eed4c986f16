"""Desks and alert routes as the ledger knows them: switched on or off, blocked, and the breaker all workers share."""

import re
from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import Connection, text

from storage import audit


def sync_targets(connection: Connection, targets: Iterable[tuple[str, str, bool]]) -> None:
    """Make the table say what the configuration says; a target that left it is switched off, what it is owed stays."""
    wanted = sorted(targets)
    names, kinds, enabled = ([t[i] for t in wanted] for i in range(3))
    upsert = text(
        "INSERT INTO targets (name, kind, enabled)"
        " SELECT * FROM unnest(CAST(:names AS text[]), CAST(:kinds AS text[]), CAST(:enabled AS boolean[]))"
        " ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, enabled = excluded.enabled"
        " WHERE (targets.kind, targets.enabled) <> (excluded.kind, excluded.enabled)"
    )
    connection.execute(upsert, {"names": names, "kinds": kinds, "enabled": enabled})
    off = text("UPDATE targets SET enabled = false WHERE enabled AND name <> ALL(CAST(:names AS text[]))")
    connection.execute(off, {"names": names})


def failures(connection: Connection, target: str) -> int:
    """Consecutive failures, read under the lock that claims and finishes take."""
    statement = text("SELECT failures FROM targets WHERE name = :target FOR UPDATE")
    return connection.execute(statement, {"target": target}).scalar() or 0


def succeeded(connection: Connection, target: str, quiet: timedelta) -> None:
    """A complete answer came: close the breaker; if it was open, what waited for a retry need not wait longer."""
    values = {"target": target, "quiet": quiet}
    closing = connection.execute(
        text("SELECT open_until IS NOT NULL AND failures > 0 FROM targets WHERE name = :target"), values
    ).scalar()
    statement = text(
        "UPDATE targets SET failures = 0, open_until = NULL, error = NULL, last_success_at = now() WHERE name = :target"
    )
    connection.execute(statement, values)
    if closing:
        wake = text(
            "UPDATE outbox SET due = least(due, now() + CASE WHEN state = 'unknown' THEN :quiet ELSE interval '0' END)"
            " WHERE target = :target AND state IN ('retry', 'unknown')"
        )
        connection.execute(wake, values)


def failed(connection: Connection, target: str, failures: int, open_for: timedelta | None, error: str) -> None:
    """Count a transient failure; with `open_for` the breaker opens and nobody calls for that long."""
    statement = text(
        "UPDATE targets SET failures = :failures, error = :error, open_until = CASE WHEN CAST(:open AS interval) IS NULL"
        " THEN open_until ELSE greatest(open_until, now() + CAST(:open AS interval)) END WHERE name = :target"
    )
    connection.execute(statement, {"target": target, "failures": failures, "open": open_for, "error": error})


def wait(connection: Connection, target: str, delay: timedelta) -> None:
    """The target asked us to wait: no call before the time, and no failure."""
    statement = text("UPDATE targets SET open_until = greatest(open_until, now() + :delay) WHERE name = :target")
    connection.execute(statement, {"target": target, "delay": delay})


def block(connection: Connection, target: str, why: str, code: str = "", status: int | None = None) -> bool:
    """A person must act before the target is called again. True when it was not blocked before: tell them once."""
    statement = text("UPDATE targets SET blocked = :why, error = :why WHERE name = :target AND blocked IS NULL")
    if not connection.execute(statement, {"target": target, "why": why}).rowcount:
        return False
    audit.append(connection, "worker", "target.blocked", _object(target), {"reason": code, "status": status})
    return True


def resume(connection: Connection, target: str, by: str = "command") -> int:
    """A person acted: unblock, close the breaker, and let what was blocked go out. Returns how many rows were."""
    values = {"target": target}
    connection.execute(
        text("UPDATE targets SET blocked = NULL, open_until = NULL, failures = 0, error = NULL WHERE name = :target"),
        values,
    )
    freed = connection.execute(
        text("UPDATE outbox SET state = 'retry', due = now() WHERE target = :target AND state = 'blocked'"), values
    ).rowcount
    audit.append(connection, by, "target.resumed", _object(target), {"rows": freed})
    connection.execute(text("SELECT pg_notify('earmark', 'deliver')"))
    return freed


def _object(target: str) -> str:
    """The audit takes codes only; a name with anything else in it is written with dots."""
    return "target:" + re.sub(r"[^A-Za-z0-9_.:/|-]", ".", target)[:70]
