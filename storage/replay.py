"""Stored mentions read again, in order, to be judged anew. Reads only."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection

from domain.nouns import Stored
from storage import bulk, digests, standing

BATCH = 500


def count(connection: Connection, days: float) -> int:
    """How many were published within so many days."""
    found = bulk.raw(connection).execute(
        "SELECT count(*) FROM mentions WHERE published > now() - make_interval(secs => %s) AND deleted_at IS NULL",
        (days * 86_400,),
    )
    return int(found.fetchone()[0])  # type: ignore[index]  # a count is always there


def mentions(
    connection: Connection, days: float, *, standings: bool = False
) -> Iterator[list[tuple[Stored, tuple[str, ...]]]]:
    """Batches of mentions with the names of the channels that saw them, by id. What its author deleted has no text to judge.

    `standings`: each with what its author is to us now.
    """
    driver = bulk.raw(connection)
    last = 0
    since: datetime = driver.execute("SELECT now() - make_interval(secs => %s)", (days * 86_400,)).fetchone()[0]  # type: ignore[index]
    while True:
        ids = [
            row[0]
            for row in driver.execute(
                "SELECT id FROM mentions WHERE id > %s AND published > %s AND deleted_at IS NULL ORDER BY id LIMIT %s",
                (last, since, BATCH),
            ).fetchall()
        ]
        if not ids:
            return
        last = ids[-1]
        loaded, seen = digests.load(connection, ids), channels(connection, ids)
        if standings:
            loaded = standing.known(connection, loaded)
        yield [(loaded[id_], seen.get(id_, ())) for id_ in ids if id_ in loaded]


def channels(connection: Connection, ids: list[int]) -> dict[int, tuple[str, ...]]:
    """Mention id → the channels that saw it."""
    found = bulk.raw(connection).execute(
        "SELECT s.mention_id, array_agg(c.name ORDER BY c.name) FROM sightings s JOIN channels c ON c.id = s.channel_id "
        "WHERE s.mention_id = ANY(%s) GROUP BY 1",
        (ids,),
    )
    return {row[0]: tuple(row[1]) for row in found.fetchall()}


def seen_lately(connection: Connection, days: float) -> dict[str, int]:
    """Channel name → mentions it found within so many days of publication."""
    found = bulk.raw(connection).execute(
        "SELECT c.name, count(*) FROM sightings s JOIN channels c ON c.id = s.channel_id JOIN mentions m ON m.id = s.mention_id "
        "WHERE m.published > now() - make_interval(secs => %s) GROUP BY 1",
        (days * 86_400,),
    )
    return {str(row[0]): int(row[1]) for row in found.fetchall()}
