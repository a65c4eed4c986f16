"""Who was told of a flag, who was not and why: one row per decision; and what people said of the flag."""

from collections.abc import Mapping, Sequence
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


def wait(connection: Connection, rule: str, series: str, reason: str, now: datetime) -> None:
    """No flag is raised for now, and why: one row for as long as it stands so, with the latest reason."""
    connection.execute(
        text(
            "INSERT INTO pages (rule, series, kind, action, reason, at) VALUES (:rule, :series, 'flag.open', 'held', :reason, :now) "
            "ON CONFLICT (rule, series) WHERE escalation_id IS NULL AND done_at IS NULL DO UPDATE SET reason = EXCLUDED.reason "
            "WHERE pages.reason <> EXCLUDED.reason"
        ),
        {"rule": rule, "series": series, "reason": reason, "now": now},
    )


def waiting(connection: Connection) -> set[tuple[str, str]]:
    """(rule, series) of which a flag is held back before it was raised."""
    found = rows(
        connection, "SELECT rule, series FROM pages WHERE escalation_id IS NULL AND done_at IS NULL LIMIT 10000"
    )
    return {(row["rule"], row["series"]) for row in found}


def waited(connection: Connection, rule: str, series: str, now: datetime) -> None:
    """It is raised after all, or it is over."""
    connection.execute(
        text(
            "UPDATE pages SET done_at = :now WHERE escalation_id IS NULL AND done_at IS NULL AND rule = :rule AND series = :series"
        ),
        {"now": now, "rule": rule, "series": series},
    )


def held_back(connection: Connection, limit: int = 50) -> list[Any]:
    """The latest flags that were not raised, and why; `total` is how many there are of them."""
    return rows(
        connection,
        "SELECT rule, series, reason, at, done_at, count(*) OVER ()::int AS total FROM pages WHERE escalation_id IS NULL "
        "ORDER BY id DESC LIMIT :limit",
        limit=limit,
    )


def keep_once(connection: Connection, flag: int, kind: str, reason: str, now: datetime) -> None:
    """A reason to tell nobody that holds on and on is written once."""
    connection.execute(
        text(
            "INSERT INTO pages (escalation_id, kind, action, reason, at) SELECT :flag, :kind, 'held', :reason, :now WHERE NOT EXISTS "
            "(SELECT 1 FROM pages WHERE escalation_id = :flag AND kind = :kind AND reason = :reason)"
        ),
        {"flag": flag, "kind": kind, "reason": reason, "now": now},
    )


def unheard(connection: Connection, able: Mapping[str, str], since: datetime) -> list[Any]:
    """What was delivered about flags acknowledged since then, to targets that are to hear of it (`able`: target → "message" or
    "alert") and were not told: (flag, acked_by, who that is by name, target, key, remote_id), at most 500 at a time."""
    return rows(
        connection,
        """SELECT f.id AS flag, f.acked_by, o.target, o.key, o.remote_id,
            coalesce((SELECT nullif(u.name, '') FROM users u WHERE f.acked_by = 'user:' || u.id), f.acked_by) AS who FROM escalations f
            JOIN outbox o ON o.escalation_id = f.id AND o.kind IN ('flag.open', 'flag.update') AND o.state = 'done'
        WHERE f.acked_at > :since AND o.target = ANY(:able) AND NOT EXISTS (SELECT 1 FROM outbox a WHERE a.escalation_id = f.id
                AND a.target = o.target AND a.kind = 'flag.ack' AND (a.key = o.key || '-ack' OR o.target = ANY(:alerts)))
            AND NOT EXISTS (SELECT 1 FROM pages p WHERE p.escalation_id = f.id AND p.kind = 'flag.ack' AND p.target = o.target
                AND p.action = 'held')
        ORDER BY f.id, o.id LIMIT 500""",
        since=since,
        able=sorted(able),
        alerts=sorted(target for target, what in able.items() if what == "alert"),
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
