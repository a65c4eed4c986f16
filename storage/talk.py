"""What was talked about, per hour of publication: counted after the fact from what each run filed, for dashboards over months.

A run is counted once, by the transaction that marks it; an edit counts the difference. Our own accounts' posts are not talk; reposts
are counted apart. What an erasure takes away stays counted: a figure names nobody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from storage.ledger import one, rows

BATCH = 200  # runs a turn; a run is a batch of mentions at most


def tally(connection: Connection) -> int:
    """Count some runs that are not counted yet; how many. Two workers take different ones."""
    return int(
        connection.execute(
            text(
                """WITH todo AS (
                    SELECT id FROM runs WHERE NOT tallied AND verdicts > 0 ORDER BY id LIMIT :batch FOR UPDATE SKIP LOCKED
                ), filed AS (
                    SELECT v.mention_id, v.version, v.topic, v.label, v.intent, v.reason, 1 AS n FROM verdicts v JOIN todo ON todo.id = v.run_id
                ), said AS (
                    SELECT * FROM filed UNION ALL
                    SELECT v.mention_id, v.version, v.topic, v.label, v.intent, v.reason, -1 FROM verdicts v
                    JOIN filed f ON f.mention_id = v.mention_id AND v.version = f.version - 1
                ), summed AS (
                    SELECT date_trunc('hour', m.published) AS hour, s.topic, m.platform,
                        CASE WHEN s.reason = 'repost' THEN 'repost' ELSE s.label END AS label, s.intent, sum(s.n) AS n
                    FROM said s JOIN mentions m ON m.id = s.mention_id WHERE s.reason <> 'own-account'
                    GROUP BY 1, 2, 3, 4, 5 HAVING sum(s.n) <> 0
                ), told AS (
                    INSERT INTO talk AS t (hour, topic, platform, label, intent, n)
                    SELECT hour, topic, platform, label, intent, n FROM summed ORDER BY hour, topic, platform, label, intent
                    ON CONFLICT (hour, topic, platform, label, intent) DO UPDATE SET n = t.n + EXCLUDED.n
                ), named AS (
                    INSERT INTO facets SELECT DISTINCT f.field, f.value FROM summed CROSS JOIN LATERAL (
                        VALUES ('talk.topic', topic), ('talk.platform', platform)) f(field, value)
                    WHERE f.value <> '' AND NOT EXISTS (SELECT 1 FROM facets x WHERE x.field = f.field AND x.value = f.value)
                    ORDER BY 1, 2 ON CONFLICT DO NOTHING
                ), done AS (UPDATE runs SET tallied = true FROM todo WHERE runs.id = todo.id RETURNING 1)
                SELECT count(*) FROM done"""
            ),
            {"batch": BATCH},
        ).scalar_one()
    )


@dataclass(frozen=True, slots=True)
class Range:
    """From `since` to before `until`, in steps of `hours`; the period before it is as long. Empty tuples: all.

    Steps of six hours and more go by the clock of `zone`, through its changes of time: a day is a day there. Talk is held by the hour of
    UTC, so where a zone is off by half an hour, the hour around midnight counts on the day it began.
    """

    since: datetime
    until: datetime
    hours: int
    topics: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    zone: str = "UTC"

    @property
    def before(self) -> "Range":
        return replace(self, since=self.since - (self.until - self.since), until=self.since)

    @property
    def clock(self) -> str:
        """The zone steps go by: single hours are the same everywhere, and one that comes twice a year stays two."""
        return self.zone if self.hours >= 6 else "UTC"


@dataclass(frozen=True, slots=True)
class Cell:
    """How much was said in one step, or in one group."""

    key: str
    label: str
    n: int


@dataclass(frozen=True, slots=True)
class Step:
    at: datetime
    n: dict[str, int]  # by label


HELD = """t.hour >= :since AND t.hour < :until AND (cardinality(CAST(:topics AS text[])) = 0 OR t.topic = ANY(:topics))
    AND (cardinality(CAST(:platforms AS text[])) = 0 OR t.platform = ANY(:platforms))"""


def values(wanted: Range) -> dict[str, object]:
    return {
        "since": wanted.since,
        "until": wanted.until,
        "topics": list(wanted.topics),
        "platforms": list(wanted.platforms),
    }


STEPS = """(SELECT local AT TIME ZONE :clock AS at FROM generate_series(CAST(:since AS timestamptz) AT TIME ZONE :clock,
    (CAST(:until AS timestamptz) - interval '1 second') AT TIME ZONE :clock, make_interval(hours => :hours)) s(local))"""


def step_of(column: str) -> str:
    """The beginning of the step a moment lies in, as STEPS has it."""
    return (
        f"(date_bin(make_interval(hours => :hours), {column} AT TIME ZONE :clock, CAST(:since AS timestamptz) AT TIME ZONE :clock)"
        " AT TIME ZONE :clock)"
    )


def stepping(wanted: Range) -> dict[str, object]:
    return {**values(wanted), "hours": wanted.hours, "clock": wanted.clock}


def moments(connection: Connection, wanted: Range) -> tuple[datetime, ...]:
    """When the steps of the range begin."""
    found = rows(
        connection, f"SELECT at FROM {STEPS} b ORDER BY at",  # noqa: S608 our own text
        since=wanted.since, until=wanted.until, hours=wanted.hours, clock=wanted.clock,
    )  # fmt: skip
    return tuple(row["at"] for row in found)


def steps(connection: Connection, wanted: Range) -> list[Step]:
    """Every step of the range, those without talk too."""
    found = rows(
        connection,
        f"""SELECT b.at, coalesce(c.labels, '{{}}'::jsonb) AS n FROM {STEPS} b
            LEFT JOIN (SELECT at, jsonb_object_agg(label, n) AS labels FROM (
                SELECT {step_of("t.hour")} AS at, t.label, sum(t.n) AS n
                FROM talk t WHERE {HELD} GROUP BY 1, 2) x GROUP BY at) c ON c.at = b.at ORDER BY b.at""",  # noqa: S608 our own text
        **stepping(wanted),
    )
    return [Step(row["at"], {name: int(n) for name, n in row["n"].items()}) for row in found]


def groups(connection: Connection, wanted: Range, by: str) -> list[Cell]:
    """By `topic`, `platform` or `intent`, and label; the most talked of first."""
    if by not in ("topic", "platform", "intent"):
        raise ValueError(by)
    found = rows(
        connection,
        f"""SELECT {by} AS key, label, CAST(sum(n) AS int) AS n, sum(sum(n)) OVER (PARTITION BY {by}) AS whole
        FROM talk t WHERE {HELD} GROUP BY 1, 2 ORDER BY whole DESC, key, label""",  # noqa: S608 from the list above
        **values(wanted),
    )
    return [Cell(row["key"], row["label"], row["n"]) for row in found]


def hours_of_week(connection: Connection, wanted: Range, zone: str = "UTC") -> dict[tuple[int, int], int]:
    """(weekday 1..7 from Monday, hour) → mentions, on the clocks of a zone."""
    found = rows(
        connection,
        f"""SELECT CAST(extract(isodow FROM t.hour AT TIME ZONE :zone) AS int) AS day,
            CAST(extract(hour FROM t.hour AT TIME ZONE :zone) AS int) AS hour, CAST(sum(n) AS int) AS n
        FROM talk t WHERE {HELD} GROUP BY 1, 2""",  # noqa: S608 our own text
        **values(wanted),
        zone=zone,
    )
    return {(row["day"], row["hour"]): row["n"] for row in found}


def behind(connection: Connection) -> int:
    """Runs that are not counted yet: how far a dashboard is behind."""
    return int(one(connection, "SELECT count(*) FROM runs WHERE NOT tallied AND verdicts > 0"))


@dataclass(frozen=True, slots=True)
class Work:
    """Tickets opened in the range. Seconds are of those that came so far; shares are None without any."""

    opened: int
    resolved: int
    first_median: float | None
    first_p90: float | None
    resolve_median: float | None
    resolve_p90: float | None
    in_time: float | None
    reopened: float | None


OPENED = """t.merged_into IS NULL AND t.opened_at >= :since AND t.opened_at < :until
    AND (cardinality(CAST(:topics AS text[])) = 0 OR t.topic = ANY(:topics))
    AND (cardinality(CAST(:platforms AS text[])) = 0 OR t.platform = ANY(:platforms))"""
# As metric_first_response, metric_resolution and metric_reopened define them (docs/metrics.md), from what a ticket itself remembers: those
# views look into the entries of each ticket. tests/test_web_dashboards.py holds both against each other.
_TIMED = f"""SELECT t.topic, t.team, t.status, extract(epoch FROM t.first_at - t.opened_at) AS first,
    CASE WHEN t.status IN ('resolved', 'closed') THEN extract(epoch FROM t.resolved_at - t.opened_at) END AS whole,
    t.breached_first IS NULL AND t.breached_next IS NULL AND t.breached_resolve IS NULL AS in_time, r.ticket_id IS NOT NULL AS reopened
    FROM tickets t LEFT JOIN (SELECT DISTINCT ticket_id FROM entries WHERE detail #>> '{{status,0}}' IN ('resolved', 'closed')
        AND detail #>> '{{status,1}}' NOT IN ('resolved', 'closed')) r ON r.ticket_id = t.id WHERE {OPENED}"""  # noqa: S608 our own text
_SUMS = """count(*) AS opened, count(whole) AS resolved,
    percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY first) AS firsts, percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY whole) AS wholes,
    avg(CASE WHEN in_time THEN 1.0 ELSE 0.0 END) AS in_time,
    avg(CASE WHEN reopened THEN 1.0 ELSE 0.0 END) FILTER (WHERE whole IS NOT NULL OR reopened) AS reopened"""


def work(connection: Connection, wanted: Range) -> Work:
    """Median and 90th percentile, no means."""
    return _worked(rows(connection, f"SELECT {_SUMS} FROM ({_TIMED}) timed", **values(wanted))[0])  # noqa: S608 our own text


def work_by(connection: Connection, wanted: Range, by: str) -> dict[str, Work]:
    """The same per `topic` or `team`, the busiest first."""
    if by not in ("topic", "team"):
        raise ValueError(by)
    found = rows(
        connection,
        f"SELECT {by} AS key, {_SUMS} FROM ({_TIMED}) timed GROUP BY 1 ORDER BY 2 DESC, 1",  # noqa: S608 from the list above
        **values(wanted),
    )
    return {row["key"]: _worked(row) for row in found}


def _worked(row: Mapping[str, Any]) -> Work:
    first, whole = row["firsts"] or (None, None), row["wholes"] or (None, None)
    shares = {name: None if row[name] is None else float(row[name]) for name in ("in_time", "reopened")}
    return Work(row["opened"], row["resolved"], *first, *whole, **shares)


def opened(connection: Connection, wanted: Range) -> list[tuple[datetime, int, int]]:
    """(step, tickets opened, of them breached)."""
    found = rows(
        connection,
        f"""SELECT b.at, coalesce(c.n, 0) AS n, coalesce(c.breached, 0) AS breached FROM {STEPS} b
            LEFT JOIN (SELECT {step_of("opened_at")} AS at, count(*) AS n,
                count(*) FILTER (WHERE breached_first IS NOT NULL OR breached_next IS NOT NULL OR breached_resolve IS NOT NULL) AS breached
                FROM tickets t WHERE merged_into IS NULL AND opened_at >= :since AND opened_at < :until
                AND (cardinality(CAST(:topics AS text[])) = 0 OR t.topic = ANY(:topics))
                AND (cardinality(CAST(:platforms AS text[])) = 0 OR t.platform = ANY(:platforms)) GROUP BY 1) c ON c.at = b.at
            ORDER BY b.at""",  # noqa: S608 our own text
        **stepping(wanted),
    )
    return [(row["at"], row["n"], row["breached"]) for row in found]


def choices(connection: Connection) -> tuple[Sequence[str], Sequence[str]]:
    """Topics and platforms there is talk of."""
    found = rows(
        connection, "SELECT field, value FROM facets WHERE field IN ('talk.topic', 'talk.platform') ORDER BY value"
    )
    topics, platforms = (
        [row["value"] for row in found if row["field"] == field] for field in ("talk.topic", "talk.platform")
    )
    return topics, platforms
