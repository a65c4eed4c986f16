"""Series: what was said per five minutes of publication, and when a channel could not hear it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from domain.amplified import Said
from domain.urgency import TROUBLE
from storage import suppress
from storage.ledger import rows


class Counted(NamedTuple):
    """A row of five minutes: the bin's number, what was heard live, and what had been published before we listened."""

    topic: str
    platform: str
    measure: str
    bin: int
    live: int
    before: int


def bins(
    connection: Connection, since: datetime, until: datetime, armed: datetime, topics: Sequence[str] | None = None,
    measures: Collection[str] | None = None,
) -> list[Counted]:  # fmt: skip
    """The bins of every series (of these topics, of these measures; `negative+*`: of every intent) in a time. What was published before
    `armed` is backfill: it tells what is usual and is not heard."""
    found = connection.execute(
        text("""SELECT topic, platform, split_part(measure, chr(58), 1) AS measure,
            floor(extract(epoch FROM minute) / 300)::bigint AS bin,
            coalesce(sum(n) FILTER (WHERE strpos(measure, chr(58)) = 0), 0)::int AS live,
            coalesce(sum(n) FILTER (WHERE strpos(measure, chr(58)) > 0 AND minute < :armed), 0)::int AS before
        FROM counts WHERE minute >= :since AND minute < :until AND split_part(measure, chr(58), 1) <> 'reposts'
            AND (CAST(:topics AS text[]) IS NULL OR topic = ANY(CAST(:topics AS text[])))
            AND (CAST(:measures AS text[]) IS NULL OR split_part(measure, chr(58), 1) LIKE ANY(CAST(:measures AS text[])))
        GROUP BY 1, 2, 3, 4 HAVING sum(n) <> 0"""),
        {
            "since": since, "until": until, "armed": armed, "topics": None if topics is None else list(topics),
            "measures": None if measures is None else [one.replace("*", "%") for one in sorted(measures)],
        },
    )  # fmt: skip
    return [Counted(*row) for row in found]


def unhurried(connection: Connection) -> None:
    """What follows in this transaction works things out for minutes between two statements: a first look at ten thousand series."""
    connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '15min'"))


def mood(connection: Connection, topic: str, since: datetime, until: datetime) -> tuple[int, int]:
    """(negative mentions, all) of a topic published in a time, whenever they were read."""
    found = rows(
        connection,
        """SELECT coalesce(sum(n) FILTER (WHERE split_part(measure, chr(58), 1) = 'negative'), 0)::int AS bad,
            coalesce(sum(n) FILTER (WHERE split_part(measure, chr(58), 1) = 'all'), 0)::int AS n
        FROM counts WHERE topic = :topic AND minute >= :since AND minute < :until""",
        topic=topic,
        since=since,
        until=until,
    )[0]
    return found["bad"], found["n"]


def newest(connection: Connection) -> tuple[datetime | None, int]:
    """Cheap sign that something was counted: newest minute and the total of the last hour."""
    row = rows(
        connection,
        "SELECT max(minute) AS minute, coalesce(sum(n), 0)::bigint AS n FROM counts "
        "WHERE minute > now() - interval '1 hour'",
    )[0]
    return row["minute"], int(row["n"])


def armed_since(connection: Connection) -> datetime | None:
    """When the newest channel began to be read (or to be read differently): what was published before is backfill."""
    return rows(connection, "SELECT max(since) AS since FROM channels WHERE enabled")[0]["since"]


def gaps(connection: Connection, since: datetime) -> list[Any]:
    """Intervals some channel could not read and that were not read later: (channel, since, until or None, reason)."""
    return rows(
        connection,
        "SELECT c.name AS channel, g.since, g.until, g.reason FROM gaps g JOIN channels c ON c.id = g.channel_id "
        "WHERE g.filled_at IS NULL AND c.enabled AND coalesce(g.until, now()) >= :since ORDER BY g.since",
        since=since,
    )


@dataclass(frozen=True, slots=True)
class About:
    """Which mentions a series is made of: of all platforms without one; negative ones alone, of one intent alone."""

    topic: str
    platform: str = ""
    negative: bool = True
    intent: str = ""


def split(measure: str) -> tuple[bool, str]:
    """(only negative ones, of which intent) of a measure: `negative`, `all`, `negative+complaint`, `authors`, `reach`."""
    return measure != "all", measure.partition("+")[2]


def voices(connection: Connection, about: About, since: datetime, until: datetime) -> Any:
    """Who spoke in a window: distinct `authors`, their `reach` in followers, the commonest `intent`, the `platforms`, how many `mentions`,
    and how many `reposts` of any mood beside them."""
    return rows(
        connection,
        f"""WITH said AS (SELECT m.id, m.platform, m.origin, m.author_id, v.intent, i.followers, v.reason FROM {_SAID})
        SELECT count(*)::int AS mentions, count(DISTINCT (platform, origin, author_id))::int AS authors,
            (SELECT count(*)::int FROM {_PASSED_ON}) AS reposts,
            coalesce((SELECT sum(f) FROM (SELECT max(coalesce(followers, 0)) AS f FROM said GROUP BY platform, origin, author_id) q), 0)::bigint AS reach,
            coalesce(mode() WITHIN GROUP (ORDER BY intent), '') AS intent,
            coalesce(array_agg(DISTINCT platform), '{{}}') AS platforms,
            min(id) AS first_id
        FROM said""",  # noqa: S608 our own text
        **_asked(about, since, until),
    )[0]


_WINDOW = """m.published >= :since AND m.published < :until AND m.deleted_at IS NULL
    AND (CAST(:platform AS text) = '' OR m.platform = :platform)
    AND EXISTS (SELECT 1 FROM sightings s WHERE s.mention_id = m.id AND :topic = ANY(s.topics))"""
_SAID = f"""mentions m JOIN verdicts v ON v.mention_id = m.id AND v.version = m.version
    LEFT JOIN identities i ON i.id = v.identity_id
    WHERE {_WINDOW} AND v.reason NOT IN ('own-account', 'repost') AND (CAST(:intent AS text) = '' OR v.intent = :intent)
    AND (NOT :negative OR v.label = 'negative' OR v.label IN ('neutral', 'unscored') AND v.intent = ANY(:trouble))"""
_PASSED_ON = f"mentions m JOIN verdicts v ON v.mention_id = m.id AND v.version = m.version WHERE {_WINDOW} AND v.reason = 'repost'"


def _asked(about: About, since: datetime, until: datetime) -> dict[str, Any]:
    return {
        "topic": about.topic, "platform": about.platform, "negative": about.negative, "intent": about.intent,
        "trouble": sorted(TROUBLE), "since": since, "until": until,
    }  # fmt: skip


def texts(connection: Connection, about: About, since: datetime, until: datetime, limit: int) -> list[Said]:
    """What was said in a window and by whom, at most so many, the newest. Nothing of it is to be kept."""
    found = rows(
        connection,
        "SELECT m.id, concat_ws('/', m.platform, m.origin, coalesce(m.author_id, m.id::text)) AS author, "  # noqa: S608
        f"left(concat_ws(chr(10), nullif(m.name, ''), nullif(m.content, '')), 2000) AS text FROM {_SAID} ORDER BY m.id DESC LIMIT :limit",
        limit=limit,
        **_asked(about, since, until),
    )
    return [Said(**row) for row in found]


def adapting(connection: Connection, channels: Sequence[str], since: datetime) -> list[Any]:
    """Which of these channels began to be read, or to be read so, after a moment; `edited`: they were read before."""
    return rows(
        connection,
        """SELECT c.name, c.since, EXISTS (SELECT 1 FROM page_counters p WHERE p.channel_id = c.id AND p.at < c.since) AS edited
        FROM channels c WHERE c.enabled AND c.since > :since AND c.name = ANY(:names) ORDER BY c.since DESC, c.name LIMIT 20""",
        since=since,
        names=list(channels),
    )


def words(
    connection: Connection, topic: str, since: datetime, until: datetime, limit: int
) -> Sequence[tuple[str, str]]:
    """(language, text) of a time, at most so many, the newest first: for terms that grew. An erasure waits until what is made of them is
    committed."""
    suppress.share(connection)
    found = rows(
        connection,
        """SELECT v.language, left(m.name || ' ' || m.content, 500) AS text
        FROM mentions m JOIN verdicts v ON v.mention_id = m.id AND v.version = m.version
        WHERE m.published >= :since AND m.published < :until AND m.deleted_at IS NULL
        AND EXISTS (SELECT 1 FROM sightings s WHERE s.mention_id = m.id AND :topic = ANY(s.topics))
        ORDER BY m.published DESC LIMIT :limit""",
        topic=topic,
        since=since,
        until=until,
        limit=limit,
    )
    return [(row["language"], row["text"]) for row in found]


def samples(connection: Connection, about: About, since: datetime, until: datetime, n: int) -> list[Any]:
    """Mentions behind a window: the newest, one per author first. An erasure waits until what is made of them is committed."""
    suppress.share(connection)
    return rows(
        connection,
        f"""SELECT id, platform, url, author, text, published FROM (
            SELECT m.id, m.platform, m.url, coalesce(m.author_name, m.author_handle, '') AS author,
                left(m.name || ' ' || m.content, 280) AS text, m.published,
                row_number() OVER (PARTITION BY m.platform, m.author_id ORDER BY m.published DESC) AS nth
            FROM {_SAID}) q ORDER BY nth, published DESC LIMIT :n""",  # noqa: S608 our own text
        n=n,
        **_asked(about, since, until),
    )
