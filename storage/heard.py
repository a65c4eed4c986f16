"""What stands behind a figure: the mentions, or the changes of channel, that a mark of a dashboard counts, as lists by the same condition.

Marks of a dashboard count by the hour of publication (storage/talk.py), so a list is of whole hours, too, and goes hour by hour; those of a
flag's series by the minute. What was erased since is still in a figure and in no list.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any, NamedTuple

from sqlalchemy import Connection

from domain.urgency import TROUBLE
from storage.ledger import one, rows

PAGE = 50
MOODS = ("negative", "neutral", "unscored", "positive", "repost")
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a mark counts. Empty tuples: all. `day` 1..7 from Monday and `hour` are on the clock of `zone`."""

    since: datetime
    until: datetime
    topics: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    intents: tuple[str, ...] = ()
    moods: tuple[str, ...] = ()
    day: int | None = None
    hour: int | None = None
    zone: str = "UTC"
    page: int = 1
    series: tuple[str, str, str] | None = None  # (topic, platform or "", measure): what a flag's chart counts


@dataclass(frozen=True, slots=True)
class Heard:
    id: int
    published: datetime
    platform: str
    author: str
    text: str
    mood: str
    intent: str
    topic: str
    outcome: str
    ticket: int | None
    deleted: bool


@dataclass(frozen=True, slots=True)
class HeardPage:
    mentions: list[Heard]
    total: int
    page: int
    pages: int
    people: int = 0  # who wrote them, where the measure is people


# the newest verdict says what a mention counts as; our own accounts' posts are not talk
_FROM = """mentions m JOIN LATERAL (SELECT * FROM verdicts v WHERE v.mention_id = m.id ORDER BY v.version DESC LIMIT 1) v
    ON v.reason <> 'own-account'"""
_MOOD = "CASE WHEN v.reason = 'repost' THEN 'repost' ELSE v.label END"
_SHOWN = f"""m.id, m.published, m.platform, coalesce(m.author_handle, m.author_id, '') AS author, {_MOOD} AS mood, v.intent, v.topic,
    left(concat_ws(E'\\n', nullif(m.name, ''), m.content), 300) AS text, v.outcome, m.deleted_at IS NOT NULL AS deleted,
    (SELECT t.number FROM ticket_mentions l JOIN tickets t ON t.id = l.ticket_id WHERE l.mention_id = m.id ORDER BY t.id LIMIT 1) AS ticket"""  # noqa: S608 our own text


def mentions(connection: Connection, asked: Asked) -> HeardPage:
    """The newest first, and how many there are in all."""
    if asked.series:
        return _of_series(connection, asked)
    hours = _hours(connection, asked)
    total = sum(n for _, n in hours)
    pages, page = _paged(total, asked.page)
    chosen, skipped = _cut(hours, (page - 1) * PAGE)
    condition, values = _where(asked)
    found = rows(
        connection,
        f"""SELECT s.* FROM unnest(CAST(:hours AS timestamptz[])) h(at) CROSS JOIN LATERAL (
            SELECT {_SHOWN} FROM {_FROM} WHERE m.published >= h.at AND m.published < h.at + interval '1 hour' AND {condition}) s
        ORDER BY published DESC, id DESC LIMIT :limit OFFSET :offset""",  # noqa: S608 our own text
        **values,
        hours=chosen,
        limit=PAGE,
        offset=skipped,
    )
    return HeardPage([Heard(**row) for row in found], total, page, pages)


def _of_series(connection: Connection, asked: Asked) -> HeardPage:
    """What a flag's chart counts, by the minute: so short a time that each mention of it can be looked at."""
    condition, values = _where(asked)
    total = int(one(connection, f"SELECT count(*) FROM {_FROM} WHERE {condition}", **values))  # noqa: S608 our own text
    pages, page = _paged(total, asked.page)
    found = rows(
        connection,
        f"SELECT {_SHOWN} FROM {_FROM} WHERE {condition} ORDER BY m.published DESC, m.id DESC LIMIT :limit OFFSET :offset",  # noqa: S608
        **values,
        limit=PAGE,
        offset=(page - 1) * PAGE,
    )
    people = 0
    if asked.series and asked.series[2] == "authors":
        people = int(one(connection, f"SELECT {_PEOPLE} FROM {_FROM} WHERE {condition}", **values))  # noqa: S608 our own text
    return HeardPage([Heard(**row) for row in found], total, page, pages, people)


def _paged(total: int, asked: int) -> tuple[int, int]:
    """(how many pages, the one that is shown)."""
    pages = max(1, -(-total // PAGE))
    return pages, min(max(1, asked), pages)


def _hours(connection: Connection, asked: Asked) -> list[tuple[datetime, int]]:
    """The hours in which such mentions were published, the newest first, with how many: the figures that marks are drawn from. To look at
    each of millions of mentions would take a page longer than anybody waits."""
    condition, values = _where(asked, _FIGURES)
    found = rows(
        connection,
        f"SELECT t.hour, sum(t.n) AS n FROM talk t WHERE {condition} GROUP BY 1 HAVING sum(t.n) > 0 ORDER BY 1 DESC",  # noqa: S608
        **values,
    )
    return [(row["hour"], int(row["n"])) for row in found]


def _cut(hours: Sequence[tuple[datetime, int]], offset: int) -> tuple[list[datetime], int]:
    """(the hours a page's mentions lie in, how many of the newest of these stand on earlier pages)."""
    ends = list(accumulate(n for _, n in hours))
    first, last = bisect_right(ends, offset), bisect_left(ends, offset + PAGE)
    return [hour for hour, _ in hours[first : last + 1]], offset - (ends[first - 1] if first else 0)


class _Columns(NamedTuple):
    """Where a condition finds what it is about."""

    at: str
    hour: str
    topic: str
    platform: str
    intent: str
    mood: str


_MENTION = _Columns("m.published", "date_trunc('hour', m.published)", "v.topic", "m.platform", "v.intent", _MOOD)
_FIGURES = _Columns("t.hour", "t.hour", "t.topic", "t.platform", "t.intent", "t.label")


def _where(asked: Asked, on: _Columns = _MENTION) -> tuple[str, dict[str, Any]]:
    parts = [f"{on.at} >= :since", f"{on.at} < :until"]
    exact = asked.series is not None
    values: dict[str, Any] = {
        "since": asked.since if exact else _whole(asked.since),
        "until": asked.until if exact else _whole(asked.until),
    }
    for column, chosen in (
        (on.topic, asked.topics),
        (on.platform, asked.platforms),
        (on.intent, asked.intents),
        (on.mood, asked.moods),
    ):
        if chosen:
            name = f"v{len(values)}"
            parts.append(f"{column} = ANY(:{name})")
            values[name] = list(chosen)
    for field, number in (("isodow", asked.day), ("hour", asked.hour)):
        if number is not None:
            parts.append(f"extract({field} FROM {on.hour} AT TIME ZONE :zone) = :{field}")
            values |= {field: number, "zone": asked.zone}
    if asked.series:
        topic, platform, measure = asked.series
        values |= {"about": topic, "on": platform}
        if measure in ("all", "negative", "reposts"):
            parts.append(_ADDED)
            values |= {"measure": measure, "backfill": f"{measure}:before"}
        else:
            parts.append(_FINER)
            values |= {"of": measure.partition("+")[2], "trouble": sorted(TROUBLE)}
    return " AND ".join(parts), values


# the newest receipt says what a mention added to the counts: topics beside its first, posts deleted since, and no post of our own
_ADDED = """(CAST(:on AS text) = '' OR m.platform = :on) AND EXISTS (SELECT 1 FROM (SELECT r.counted FROM receipts r
        WHERE r.mention_id = m.id ORDER BY r.version DESC LIMIT 1) r
    CROSS JOIN LATERAL json_array_elements(CAST(coalesce(r.counted, '[]') AS json)) c
    WHERE c ->> 0 = :about AND c ->> 1 IN (:measure, :backfill)
        AND CAST(c ->> 2 AS timestamptz) >= :since AND CAST(c ->> 2 AS timestamptz) < :until)"""
# what is counted after the fact goes by the first verdict (storage/finer.py)
_FINER = """(CAST(:on AS text) = '' OR m.platform = :on) AND EXISTS (SELECT 1 FROM sightings s WHERE s.mention_id = m.id AND :about = ANY(s.topics))
    AND EXISTS (SELECT 1 FROM verdicts f WHERE f.mention_id = m.id AND f.version = 1
        AND f.reason NOT IN ('own-account', 'repost', 'deleted') AND (CAST(:of AS text) = '' OR f.intent = :of)
        AND (f.label = 'negative' OR f.label IN ('neutral', 'unscored') AND f.intent = ANY(:trouble)))"""
_PEOPLE = "count(DISTINCT (m.platform, m.origin, coalesce(m.author_id, CAST(m.id AS text))))"


def _whole(at: datetime) -> datetime:
    """The next whole hour: what began before it is counted with the hour it began in."""
    return (
        at
        if at == at.replace(minute=0, second=0, microsecond=0)
        else at.replace(minute=0, second=0, microsecond=0) + HOUR
    )


@dataclass(frozen=True, slots=True)
class Switch:
    """A customer went on elsewhere within a journey."""

    customer_id: int
    customer: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Switches:
    switches: list[Switch]
    total: int
    page: int
    pages: int


def switches(connection: Connection, since: datetime, until: datetime, before: str, after: str, page: int) -> Switches:
    """Each time somebody went from one channel to another, the latest first, as boards.switches counts them."""
    found = rows(
        connection,
        "SELECT j.customer_id, coalesce(c.name, '') AS customer, j.at, j.total FROM ("
        "SELECT customer_id, at, count(*) OVER () AS total FROM metric_journey_contacts "
        "WHERE switched AND at >= :since AND at < :until AND before = :before AND channel = :after "
        "ORDER BY at DESC, customer_id LIMIT :limit OFFSET :offset) j LEFT JOIN customers c ON c.id = j.customer_id "
        "ORDER BY j.at DESC, j.customer_id",
        since=since, until=until, before=before, after=after, limit=PAGE, offset=(max(1, page) - 1) * PAGE,
    )  # fmt: skip
    if not found and page > 1:  # past the end
        return switches(connection, since, until, before, after, 1)
    total = int(found[0]["total"]) if found else 0
    pages, page = _paged(total, page)
    return Switches([Switch(row["customer_id"], row["customer"], row["at"]) for row in found], total, page, pages)
