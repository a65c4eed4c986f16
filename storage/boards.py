"""What dashboards show beside the talk itself: holes in what was read, words of tickets, switches between channels."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from storage.ledger import one, rows
from storage.talk import Range, values
from storage.worked import OPENED

MOST_WORDS_OF = 2000  # tickets whose words are counted in each period, the newest
MOST_HOLES = 200
MOST_SWITCHES = 20
MOST_NOTES = 20


@dataclass(frozen=True, slots=True)
class Hole:
    """A time in which a channel could not be read and has not been since."""

    channel: str
    since: datetime
    until: datetime
    reason: str


def holes(connection: Connection, wanted: Range) -> list[Hole]:
    """Of the channels on these platforms (a channel's topics follow from its posts, so a topic leaves none out), at most MOST_HOLES."""
    found = rows(
        connection,
        """SELECT c.name AS channel, coalesce(g.since, c.since, g.noticed_at) AS since, coalesce(g.until, now()) AS until, g.reason
        FROM gaps g JOIN channels c ON c.id = g.channel_id
        WHERE g.filled_at IS NULL AND coalesce(g.since, c.since, g.noticed_at) < :until AND coalesce(g.until, now()) > :since
            AND (cardinality(CAST(:platforms AS text[])) = 0 OR c.platform = ANY(:platforms)) ORDER BY 2, 1 LIMIT :most""",
        since=wanted.since,
        until=wanted.until,
        platforms=list(wanted.platforms),
        most=MOST_HOLES,
    )
    return [Hole(**row) for row in found]


@dataclass(frozen=True, slots=True)
class Note:
    """Something in Earmark itself that a figure must be read with. `n`: how many, `ref`: the edit's id."""

    at: datetime
    kind: str  # configuration, dead, rejected
    n: int
    ref: int | None


def notes(connection: Connection, wanted: Range) -> list[Note]:
    """Edits that came into force, and per hour what could not be judged or read and still is not; the newest MOST_NOTES, oldest first."""
    found = rows(
        connection,
        """SELECT * FROM (
            SELECT c.at, 'configuration' AS kind, 1 AS n, c.id AS ref FROM configurations c WHERE c.complaints IS NULL AND c.at >= :since AND c.at < :until
                AND EXISTS (SELECT 1 FROM configurations b WHERE b.id < c.id AND b.complaints IS NULL)
            UNION ALL SELECT date_trunc('hour', at), 'dead', CAST(count(*) AS int), NULL FROM dead_letters
                WHERE kind = 'digest' AND state = 'open' AND at >= :since AND at < :until GROUP BY 1
            UNION ALL SELECT date_trunc('hour', r.at), 'rejected', CAST(count(*) AS int), NULL FROM rejects r JOIN channels c ON c.id = r.channel_id
                WHERE r.state = 'open' AND r.at >= :since AND r.at < :until
                AND (cardinality(CAST(:platforms AS text[])) = 0 OR c.platform = ANY(:platforms)) GROUP BY 1
        ) x ORDER BY at DESC, kind LIMIT :most""",
        since=wanted.since,
        until=wanted.until,
        platforms=list(wanted.platforms),
        most=MOST_NOTES,
    )
    return [Note(**row) for row in reversed(found)]


def words(connection: Connection, wanted: Range) -> tuple[dict[str, int], int, bool]:
    """(word → tickets it is in, tickets looked at, whether there were more) of the tickets opened in the range, the newest first."""
    many = {**values(wanted), "most": MOST_WORDS_OF}
    some = f"SELECT t.id FROM tickets t WHERE {OPENED} ORDER BY t.opened_at DESC, t.id DESC LIMIT :most"  # noqa: S608 our own text
    found = rows(
        connection,
        f"""SELECT word, count(*) AS n FROM (SELECT DISTINCT w.ticket_id, u.word FROM ({some}) s JOIN ticket_words w ON w.ticket_id = s.id
            CROSS JOIN LATERAL unnest(tsvector_to_array(w.words)) u(word) WHERE length(u.word) > 2) x GROUP BY 1 HAVING count(*) > 1""",  # noqa: S608 our own text
        **many,
    )
    counted = int(one(connection, f"SELECT count(*) FROM ({some}) s", **many))  # noqa: S608 our own text
    return {row["word"]: row["n"] for row in found if row["word"].isalpha()}, counted, counted == MOST_WORDS_OF


def switches(connection: Connection, since: datetime, until: datetime) -> list[tuple[str, str, int]]:
    """(channel, next channel, how often a customer went from one to the other within a journey), the most frequent first."""
    found = rows(
        connection,
        "SELECT before, channel, count(*) AS n FROM metric_journey_contacts WHERE switched AND at >= :since AND at < :until "
        "GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT :most",
        since=since,
        until=until,
        most=MOST_SWITCHES,
    )
    return [(row["before"], row["channel"], row["n"]) for row in found]
