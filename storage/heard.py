"""What stands behind a figure: the mentions, or the changes of channel, that a mark of a dashboard counts, as lists by the same condition.

Marks of a dashboard count by the hour of publication (storage/talk.py), so a list is of whole hours, too; those of a flag's series by the
minute. What was erased since is still in a figure and in no list.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

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


def mentions(connection: Connection, asked: Asked) -> HeardPage:
    """The newest first, and how many there are in all."""
    condition, values = _where(asked)
    total = int(one(connection, f"SELECT count(*) FROM {_FROM} WHERE {condition}", **values))  # noqa: S608 our own text
    pages = max(1, -(-total // PAGE))
    page = min(max(1, asked.page), pages)
    found = rows(
        connection,
        f"""SELECT m.id, m.published, m.platform, coalesce(m.author_handle, m.author_id, '') AS author, {_MOOD} AS mood, v.intent, v.topic,
            left(concat_ws(E'\\n', nullif(m.name, ''), m.content), 300) AS text, v.outcome, m.deleted_at IS NOT NULL AS deleted,
            (SELECT t.number FROM ticket_mentions l JOIN tickets t ON t.id = l.ticket_id WHERE l.mention_id = m.id ORDER BY t.id LIMIT 1) AS ticket
        FROM {_FROM} WHERE {condition} ORDER BY m.published DESC, m.id DESC LIMIT :limit OFFSET :offset""",  # noqa: S608 our own text
        **values,
        limit=PAGE,
        offset=(page - 1) * PAGE,
    )
    people = 0
    if asked.series and asked.series[2] == "authors":
        people = int(one(connection, f"SELECT {_PEOPLE} FROM {_FROM} WHERE {condition}", **values))  # noqa: S608 our own text
    return HeardPage([Heard(**row) for row in found], total, page, pages, people)


def _where(asked: Asked) -> tuple[str, dict[str, Any]]:
    parts = ["m.published >= :since", "m.published < :until"]
    exact = asked.series is not None
    values: dict[str, Any] = {
        "since": asked.since if exact else _whole(asked.since),
        "until": asked.until if exact else _whole(asked.until),
    }
    for column, chosen in (
        ("v.topic", asked.topics),
        ("m.platform", asked.platforms),
        ("v.intent", asked.intents),
        (_MOOD, asked.moods),
    ):
        if chosen:
            name = f"v{len(values)}"
            parts.append(f"{column} = ANY(:{name})")
            values[name] = list(chosen)
    for field, number in (("isodow", asked.day), ("hour", asked.hour)):
        if number is not None:
            parts.append(f"extract({field} FROM date_trunc('hour', m.published) AT TIME ZONE :zone) = :{field}")
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
    condition = "j.switched AND j.at >= :since AND j.at < :until AND j.before = :before AND j.channel = :after"
    values = {"since": since, "until": until, "before": before, "after": after}
    total = int(one(connection, f"SELECT count(*) FROM metric_journey_contacts j WHERE {condition}", **values))  # noqa: S608 our own text
    pages = max(1, -(-total // PAGE))
    page = min(max(1, page), pages)
    found = rows(
        connection,
        f"SELECT j.customer_id, coalesce(c.name, '') AS customer, j.at FROM metric_journey_contacts j LEFT JOIN customers c ON c.id = j.customer_id "  # noqa: S608
        f"WHERE {condition} ORDER BY j.at DESC, j.customer_id LIMIT :limit OFFSET :offset",
        **values,
        limit=PAGE,
        offset=(page - 1) * PAGE,
    )
    return Switches([Switch(**row) for row in found], total, page, pages)
