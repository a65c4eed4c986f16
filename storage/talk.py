"""What was talked about, per hour of publication: counted after the fact from what each run filed, for dashboards over months.

A run is counted once, by the transaction that marks it; an edit counts the difference. Our own accounts' posts are not talk; reposts
are counted apart. What an erasure takes away stays counted: a figure names nobody.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

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
    """How much was said in one group."""

    key: str
    label: str
    n: int


@dataclass(frozen=True, slots=True)
class Step:
    at: datetime
    n: dict[str, int]  # by label


@dataclass(frozen=True, slots=True)
class Mood:
    """How much could be scored of what one said in one step, and how much of it was negative."""

    key: str
    at: datetime
    scored: int
    negative: int


@dataclass(frozen=True, slots=True)
class Told:
    """What was said in a range, summed in every way a dashboard shows it. Keys of `sums`: (field, its value, step, label), None where
    summed over; a field is `topic`, `platform`, `intent` or empty."""

    sums: Mapping[tuple[str, str | None, datetime | None, str], int]
    hours: Mapping[
        tuple[int, int], int
    ]  # (weekday 1..7 from Monday, hour) → mentions, on the clock of the range's zone

    def steps(self, moments: Sequence[datetime]) -> list[Step]:
        """Every step of the range, those without talk too."""
        made: dict[datetime, dict[str, int]] = {at: {} for at in moments}
        for (field, _, at, label), n in self.sums.items():
            if not field and at is not None:
                made[at][label] = n
        return [Step(at, n) for at, n in made.items()]

    def groups(self, by: str) -> list[Cell]:
        """By `topic`, `platform` or `intent`, and label; the most talked of first."""
        found = [
            Cell(key or "", label, n) for (field, key, at, label), n in self.sums.items() if field == by and at is None
        ]
        whole: Counter[str] = Counter()
        for cell in found:
            whole[cell.key] += cell.n
        return sorted(found, key=lambda cell: (-whole[cell.key], cell.key, cell.label))

    def moods(self, by: str, moments: Sequence[datetime], most: int = 8) -> list[Mood]:
        """Per `topic` or `platform` and step of those that begin at `moments` (each one or several of the range's), of those most was said about."""
        scored: Counter[tuple[str, datetime]] = Counter()
        negative: Counter[tuple[str, datetime]] = Counter()
        loud: Counter[str] = Counter()
        for (field, key, at, label), n in self.sums.items():
            if field == by and at is not None and label in ("negative", "neutral", "positive"):
                place = (key or "", moments[bisect_right(moments, at) - 1])
                scored[place] += n
                loud[place[0]] += n
                negative[place] += n if label == "negative" else 0
        order = {key: n for n, key in enumerate(sorted(loud, key=lambda key: (-loud[key], key))[:most])}
        found = [Mood(key, at, n, negative[key, at]) for (key, at), n in scored.items() if key in order and n]
        return sorted(found, key=lambda mood: (order[mood.key], mood.at))


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


def read(connection: Connection, wanted: Range) -> Told:
    """All of a range by one look at each hour's rows: they are many, and their sums are few."""
    sums, hours = {}, {}
    for row in rows(connection, _READ, **stepping(wanted), zone=wanted.zone):
        if row["day"] is not None:
            hours[row["day"], row["hour"]] = int(row["n"])
            continue
        field, key = next(
            ((name, row[name]) for name in ("topic", "platform", "intent") if row[name] is not None), ("", None)
        )
        sums[field, key, row["at"], row["label"]] = int(row["n"])
    return Told(sums, hours)


_READ = f"""WITH clock AS MATERIALIZED (
    SELECT h, {step_of("h")} AS at, CAST(extract(isodow FROM h AT TIME ZONE :zone) AS int) AS day, CAST(extract(hour FROM h AT TIME ZONE :zone) AS int) AS hour
    FROM generate_series(date_trunc('hour', CAST(:since AS timestamptz)), CAST(:until AS timestamptz), interval '1 hour') h
), said AS MATERIALIZED (
    SELECT c.at, c.day, c.hour, t.topic, t.platform, t.intent, t.label, sum(t.n) AS n FROM talk t JOIN clock c ON c.h = t.hour
    WHERE {HELD} GROUP BY GROUPING SETS ((c.at, t.topic, t.platform, t.label), (c.day, c.hour), (t.intent, t.label))
)
SELECT at, topic, platform, NULL AS intent, NULL AS day, NULL AS hour, label, sum(n) AS n FROM said WHERE at IS NOT NULL
    GROUP BY GROUPING SETS ((at, label), (topic, label), (platform, label), (at, topic, label), (at, platform, label))
UNION ALL SELECT NULL, NULL, NULL, intent, day, hour, label, n FROM said WHERE at IS NULL"""  # noqa: S608 our own text


def sums(connection: Connection, wanted: Range) -> dict[str, int]:
    """label → mentions of the whole range."""
    found = rows(connection, f"SELECT label, sum(n) AS n FROM talk t WHERE {HELD} GROUP BY 1", **values(wanted))  # noqa: S608 our own text
    return {row["label"]: int(row["n"]) for row in found}


def behind(connection: Connection) -> int:
    """Runs that are not counted yet: how far a dashboard is behind."""
    return int(one(connection, "SELECT count(*) FROM runs WHERE NOT tallied AND verdicts > 0"))


def choices(connection: Connection) -> tuple[Sequence[str], Sequence[str]]:
    """Topics and platforms there is talk of."""
    found = rows(
        connection, "SELECT field, value FROM facets WHERE field IN ('talk.topic', 'talk.platform') ORDER BY value"
    )
    topics, platforms = (
        [row["value"] for row in found if row["field"] == field] for field in ("talk.topic", "talk.platform")
    )
    return topics, platforms
