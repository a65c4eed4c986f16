"""What became of tickets, for dashboards: those opened in a range and in the period before it, by one look at both.

As metric_first_response, metric_resolution and metric_reopened define the figures (docs/metrics.md), from what a ticket itself remembers:
those views look into the entries of each ticket. tests/test_web_dashboards.py holds both against each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from storage.ledger import rows
from storage.talk import STEPS, Range, step_of, stepping, values


@dataclass(frozen=True, slots=True)
class Work:
    """Tickets opened in a span: medians and 90th percentiles in seconds, of those that came so far; shares are None without any."""

    opened: int
    resolved: int
    first_median: float | None
    first_p90: float | None
    resolve_median: float | None
    resolve_p90: float | None
    in_time: float | None
    reopened: float | None


NONE = Work(0, 0, None, None, None, None, None, None)


@dataclass(frozen=True, slots=True)
class Worked:
    """Of one span: all its tickets, and per field (`topic`, `team`) and value, the busiest first."""

    whole: Work
    by: Mapping[str, Mapping[str, Work]]


OPENED = """t.merged_into IS NULL AND t.opened_at >= :since AND t.opened_at < :until
    AND (cardinality(CAST(:topics AS text[])) = 0 OR t.topic = ANY(:topics))
    AND (cardinality(CAST(:platforms AS text[])) = 0 OR t.platform = ANY(:platforms))"""
_TIMED = f"""SELECT t.opened_at < :since AS before, t.topic, t.team, date_part('epoch', t.first_at - t.opened_at) AS first,
    CASE WHEN t.status IN ('resolved', 'closed') THEN date_part('epoch', t.resolved_at - t.opened_at) END AS whole,
    t.breached_first IS NULL AND t.breached_next IS NULL AND t.breached_resolve IS NULL AS in_time, r.ticket_id IS NOT NULL AS reopened
    FROM tickets t LEFT JOIN (SELECT DISTINCT ticket_id FROM entries WHERE detail #>> '{{status,0}}' IN ('resolved', 'closed')
        AND detail #>> '{{status,1}}' NOT IN ('resolved', 'closed')) r ON r.ticket_id = t.id WHERE {OPENED.replace(":since", ":earlier")}"""  # noqa: S608 our own text
_READ = f"""SELECT before, topic, team, count(*) AS opened, count(whole) AS resolved,
    percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY first) AS firsts, percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY whole) AS wholes,
    CAST(count(*) FILTER (WHERE in_time) AS float) / count(*) AS in_time,
    CAST(count(*) FILTER (WHERE reopened) AS float) / nullif(count(*) FILTER (WHERE whole IS NOT NULL OR reopened), 0) AS reopened
    FROM ({_TIMED}) timed GROUP BY GROUPING SETS ((before), (before, topic), (before, team)) ORDER BY opened DESC, topic, team"""  # noqa: S608 our own text


def read(connection: Connection, wanted: Range) -> tuple[Worked, Worked]:
    """(the range, the period before it)."""
    found = rows(connection, _READ, **values(wanted), earlier=wanted.before.since)
    now, then = (_worked([row for row in found if row["before"] is before]) for before in (False, True))
    return now, then


def _worked(found: list[Any]) -> Worked:
    by: dict[str, dict[str, Work]] = {"topic": {}, "team": {}}
    whole = NONE
    for row in found:
        first, last = row["firsts"] or (None, None), row["wholes"] or (None, None)
        made = Work(row["opened"], row["resolved"], *first, *last, row["in_time"], row["reopened"])
        field = next((name for name in by if row[name] is not None), None)
        if field:
            by[field][row[field]] = made
        else:
            whole = made
    return Worked(whole, by)


def opened(connection: Connection, wanted: Range) -> list[tuple[datetime, int, int]]:
    """(step, tickets opened, of them breached)."""
    found = rows(
        connection,
        f"""SELECT b.at, coalesce(c.n, 0) AS n, coalesce(c.breached, 0) AS breached FROM {STEPS} b
            LEFT JOIN (SELECT {step_of("opened_at")} AS at, count(*) AS n,
                count(*) FILTER (WHERE breached_first IS NOT NULL OR breached_next IS NOT NULL OR breached_resolve IS NOT NULL) AS breached
                FROM tickets t WHERE {OPENED} GROUP BY 1) c ON c.at = b.at
            ORDER BY b.at""",  # noqa: S608 our own text
        **stepping(wanted),
    )
    return [(row["at"], row["n"], row["breached"]) for row in found]
