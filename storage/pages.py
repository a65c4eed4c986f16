"""Who was told of a flag, who was not and why: one row per decision; and what people said of the flag."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection, text

from domain.paging import Page
from storage import audit
from storage.ledger import rows

Judgement = Literal["useful", "noise", "late"]


def keep(connection: Connection, flag: int, kind: str, pages: Sequence[Page], now: datetime) -> None:
    """Write the decisions down, those to tell nobody as well."""
    for page in pages:
        connection.execute(
            text(
                "INSERT INTO pages (escalation_id, kind, target, action, reason, level, at, next_at) "
                "VALUES (:flag, :kind, :target, :action, :reason, :level, :now, :next)"
            ),
            {"flag": flag, "kind": kind, "target": page.target, "action": page.action, "reason": page.reason,
             "level": page.level, "now": now, "next": page.next_at},
        )  # fmt: skip


def told(connection: Connection, flag: int) -> tuple[str, ...]:
    """The targets a flag was sent to."""
    found = rows(
        connection, "SELECT DISTINCT target FROM pages WHERE escalation_id = :f AND action = 'sent' ORDER BY 1", f=flag
    )
    return tuple(row["target"] for row in found)


def last_sent(connection: Connection, rule: str, series: str) -> tuple[datetime | None, int]:
    """When a rule and series last paged, and how severe the flag was."""
    found = rows(
        connection,
        "SELECT p.at, f.severity FROM pages p JOIN escalations f ON f.id = p.escalation_id WHERE f.rule = :rule "
        "AND f.series = :series AND p.action = 'sent' AND p.kind = 'flag.open' ORDER BY p.at DESC LIMIT 1",
        rule=rule,
        series=series,
    )
    return (found[0]["at"], found[0]["severity"]) if found else (None, 0)


def due(connection: Connection, now: datetime) -> list[Any]:
    """Pages whose next step has come: a level nobody acknowledged, or a digest."""
    return rows(
        connection,
        "SELECT p.id, p.action, p.target, p.escalation_id FROM pages p WHERE p.done_at IS NULL AND p.next_at <= :now "
        "ORDER BY p.id LIMIT 500 FOR UPDATE SKIP LOCKED",
        now=now,
    )


def done(connection: Connection, ids: Sequence[int], now: datetime) -> None:
    connection.execute(text("UPDATE pages SET done_at = :now WHERE id = ANY(:ids)"), {"now": now, "ids": list(ids)})


def of_flag(connection: Connection, flag: int) -> list[Any]:
    return rows(
        connection,
        "SELECT kind, target, action, reason, level, at, next_at FROM pages WHERE escalation_id = :f ORDER BY id LIMIT 200",
        f=flag,
    )


def acknowledge(connection: Connection, flag: int, actor: str) -> str | None:
    """Somebody looks after it; the next level is not told. None: no such flag, else who acknowledged (the first one stays)."""
    connection.execute(
        text("UPDATE escalations SET acked_at = now(), acked_by = :a WHERE id = :f AND acked_at IS NULL RETURNING id"),
        {"a": actor, "f": flag},
    )
    found = rows(connection, "SELECT acked_by FROM escalations WHERE id = :f", f=flag)
    if not found:
        return None
    if found[0]["acked_by"] == actor:
        audit.append(connection, actor, "flag.ack", f"flag:{flag}", {})
    return str(found[0]["acked_by"])


def snooze(connection: Connection, flag: int, until: datetime, actor: str) -> bool:
    done_ = connection.execute(
        text("UPDATE escalations SET snoozed_until = :u WHERE id = :f RETURNING id"), {"u": until, "f": flag}
    ).scalar()
    if done_:
        audit.append(
            connection, actor, "flag.snooze", f"flag:{flag}", {"until": f"{until.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        )
    return done_ is not None


def judge(connection: Connection, flag: int, judgement: Judgement, actor: str) -> bool:
    """What a person makes of a flag; a later word replaces an earlier one, and the audit log keeps both."""
    done_ = connection.execute(
        text("UPDATE escalations SET judgement = :j, judged_by = :a, judged_at = now() WHERE id = :f RETURNING id"),
        {"j": judgement, "a": actor, "f": flag},
    ).scalar()
    if done_:
        audit.append(connection, actor, "flag.judge", f"flag:{flag}", {"judgement": judgement})
    return done_ is not None


def report(connection: Connection) -> list[Any]:
    """Per rule: how its flags were judged, how long before an acknowledgement, and the scores of those that were useful and those not."""
    return rows(
        connection,
        """SELECT rule, count(*)::int AS flags, count(*) FILTER (WHERE judgement = 'useful')::int AS useful,
            count(*) FILTER (WHERE judgement = 'noise')::int AS noise, count(*) FILTER (WHERE judgement = 'late')::int AS late,
            extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY acked_at - opened_at)) / 60 AS ack_minutes,
            extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY opened_at - window_start)) / 60 AS lead_minutes,
            array_agg((evidence->>'score')::float) FILTER (WHERE judgement IN ('useful', 'late') AND evidence ? 'score') AS good,
            array_agg((evidence->>'score')::float) FILTER (WHERE judgement = 'noise' AND evidence ? 'score') AS bad
        FROM escalations GROUP BY rule ORDER BY rule LIMIT 500""",
    )


def events(connection: Connection, series: str) -> list[Any]:
    """The times of a series' flags that people judged useful or late."""
    return rows(
        connection,
        "SELECT window_start AS since, coalesce(closed_at, updated_at) AS until FROM escalations "
        "WHERE series = :series AND judgement IN ('useful', 'late') ORDER BY window_start LIMIT 10000",
        series=series,
    )
