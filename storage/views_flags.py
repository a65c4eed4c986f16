"""Escalation flags, and the series that raised them beside what is usual."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from storage.ledger import one, rows
from storage.views import PAGE
from storage.views_ticket import LATEST, POST, Post

HISTORY = 14  # days that say what is usual at a time of day


@dataclass(frozen=True, slots=True)
class Flag:
    id: int
    rule: str
    series: str
    kind: str
    state: str
    severity: int
    peak: float
    window_start: datetime
    evidence: dict[str, Any]
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None
    acked_by: str
    judgement: str | None
    scale: int


@dataclass(frozen=True, slots=True)
class FlagPage:
    flags: list[Flag]
    total: int
    page: int
    pages: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """One step of a series: its count, and the low, middle and high of the same time on earlier days (None: no history)."""

    at: datetime
    n: int
    low: float | None
    usual: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Hole:
    """A time a channel of the series could not read."""

    since: datetime
    until: datetime
    channel: str
    reason: str


@dataclass(frozen=True, slots=True)
class Series:
    topic: str
    platform: str  # "" = all
    measure: str
    step: timedelta
    start: datetime
    end: datetime
    buckets: list[Bucket]
    holes: list[Hole]


FLAG = "id, rule, series, kind, state, severity, peak, window_start, evidence, opened_at, updated_at, closed_at, acked_by, judgement, scale"


def flags(connection: Connection, state: str = "", page: int = 1) -> FlagPage:
    """Flags, open ones first, then the latest."""
    where = "state = :state" if state else "true"
    values = {"state": state} if state else {}
    total = one(connection, f"SELECT count(*) FROM escalations WHERE {where}", **values)  # noqa: S608 constants
    pages = max(1, -(-total // PAGE))
    page = min(max(1, page), pages)
    found = rows(
        connection,
        f"SELECT {FLAG} FROM escalations WHERE {where} ORDER BY state = 'open' DESC, opened_at DESC, id DESC "  # noqa: S608
        "LIMIT :limit OFFSET :offset",
        **values,
        limit=PAGE,
        offset=(page - 1) * PAGE,
    )
    return FlagPage([Flag(**row) for row in found], total, page, pages)


def flag(connection: Connection, flag_id: int) -> Flag | None:
    found = rows(connection, f"SELECT {FLAG} FROM escalations WHERE id = :id", id=flag_id)  # noqa: S608 a constant
    return Flag(**found[0]) if found else None


def series_names(flag: Flag) -> tuple[str, str, str]:
    """(topic, platform, measure) of a series' name: `topic/measure` over all platforms, `topic/platform/measure` for one."""
    topic, _, rest = flag.series.partition("/")
    platform, _, measure = rest.rpartition("/")
    return topic, platform, measure or "negative"


def series(connection: Connection, flag: Flag, now: datetime) -> Series:
    """The flagged series from three hours before its window, in at most some hundred steps."""
    topic, platform, measure = series_names(flag)
    end = min(now, (flag.closed_at or now) + timedelta(minutes=30))
    start = flag.window_start - timedelta(hours=3)
    start = max(start, end - timedelta(days=2))
    step = next((m for m in (1, 2, 5, 10, 15, 30) if (end - start) / timedelta(minutes=m) <= 150), 60)
    found = rows(
        connection,
        """WITH b AS (SELECT at FROM generate_series(date_bin(make_interval(mins => :step), CAST(:start AS timestamptz), 'epoch'), CAST(:end AS timestamptz),
                make_interval(mins => :step)) at),
        c AS (SELECT date_bin(make_interval(mins => :step), minute, 'epoch') AS at, sum(n) AS n FROM counts
            WHERE topic = :topic AND measure IN (:measure, :backfill) AND (CAST(:platform AS text) = '' OR platform = :platform)
            AND minute >= CAST(:start AS timestamptz) - make_interval(days => :days) AND minute < CAST(:end AS timestamptz) + make_interval(mins => :step) GROUP BY 1),
        first AS (SELECT min(at) AS at FROM c)
        SELECT b.at, CAST(coalesce(c.n, 0) AS int) AS n, u.low, u.usual, u.high FROM b LEFT JOIN c ON c.at = b.at
        LEFT JOIN (SELECT b.at, percentile_cont(0.1) WITHIN GROUP (ORDER BY coalesce(p.n, 0)) AS low,
                percentile_cont(0.5) WITHIN GROUP (ORDER BY coalesce(p.n, 0)) AS usual,
                percentile_cont(0.9) WITHIN GROUP (ORDER BY coalesce(p.n, 0)) AS high
            FROM b CROSS JOIN generate_series(1, :days) d CROSS JOIN first LEFT JOIN c p ON p.at = b.at - make_interval(days => d)
            WHERE b.at - make_interval(days => d) >= first.at GROUP BY 1 HAVING count(*) >= 3) u ON u.at = b.at ORDER BY b.at""",
        step=step,
        start=start,
        end=end,
        topic=topic,
        platform=platform,
        measure=measure,
        backfill=f"{measure}:before",
        days=HISTORY,
    )
    return Series(
        topic,
        platform,
        measure,
        timedelta(minutes=step),
        start,
        end,
        [Bucket(**row) for row in found],
        _holes(connection, platform, start, end),
    )


def _holes(connection: Connection, platform: str, start: datetime, end: datetime) -> list[Hole]:
    found = rows(
        connection,
        """SELECT greatest(coalesce(g.since, CAST(:start AS timestamptz)), CAST(:start AS timestamptz)) AS since,
            least(coalesce(g.until, g.filled_at, CAST(:end AS timestamptz)), CAST(:end AS timestamptz)) AS until, c.name AS channel, g.reason
        FROM gaps g JOIN channels c ON c.id = g.channel_id
        WHERE g.filled_at IS NULL AND (CAST(:platform AS text) = '' OR c.platform = :platform)
        AND coalesce(g.since, CAST(:start AS timestamptz)) < CAST(:end AS timestamptz)
        AND coalesce(g.until, CAST(:end AS timestamptz)) > CAST(:start AS timestamptz) ORDER BY 1""",
        platform=platform,
        start=start,
        end=end,
    )
    return [Hole(**row) for row in found]


def samples(connection: Connection, flag: Flag, limit: int = 10) -> list[Post]:
    """Posts behind the flag: those its evidence names, else the most negative of its time."""
    named = [int(sample["mention_id"]) for sample in flag.evidence.get("samples") or ()]
    topic, platform, _ = series_names(flag)
    select = f"""SELECT {POST}, t.number AS ticket, coalesce(v.corrected, v.outcome) AS outcome, v.reason
        FROM mentions m {LATEST} LEFT JOIN ticket_mentions tm ON tm.mention_id = m.id
        LEFT JOIN tickets t ON t.id = tm.ticket_id"""  # noqa: S608 constants
    if named:
        found = rows(
            connection, f"{select} WHERE m.id = ANY(:ids) ORDER BY m.published LIMIT :limit", ids=named, limit=limit
        )
    else:
        found = rows(
            connection,
            f"""{select} WHERE m.published >= :start AND m.published < :end AND v.topic = :topic AND v.label = 'negative'
            AND (CAST(:platform AS text) = '' OR m.platform = :platform) ORDER BY v.compound NULLS LAST, m.id LIMIT :limit""",
            start=flag.window_start - timedelta(minutes=30),
            end=(flag.closed_at or flag.updated_at) + timedelta(minutes=1),
            topic=topic,
            platform=platform,
            limit=limit,
        )
    return [Post(**row) for row in found]
