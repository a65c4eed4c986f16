"""Deliveries pushed to us: kept before they are acknowledged, read by the poll of their channel, then forgotten but for their ids."""

import json
from typing import Any

from sqlalchemy import Connection, text

from storage.ledger import rows

_ORDER = 0x686F6F6B  # "hook": ids of one channel are given in the order of commit, so that a reader can go by them
KEPT_DAYS = 30


class Replayed(ValueError):
    """This very delivery was here before."""


def channel(connection: Connection, name: str) -> int | None:
    """The id of a channel of kind `webhook` that is on."""
    return connection.execute(
        text("SELECT id FROM channels WHERE name = :name AND kind = 'webhook' AND enabled"), {"name": name}
    ).scalar()


def keep(connection: Connection, channel_id: int, proof: bytes, event: str, body: str, *, stamped: bool) -> bool:
    """Store a delivery and ask for a poll, in the caller's transaction. False when its news is here already; raises Replayed.

    Two deliveries at once wait for each other: a later id that commits first would hide the earlier one from a reader.
    """
    connection.execute(
        text("SELECT pg_advisory_xact_lock(CAST(:k AS int), CAST(:c AS int))"),
        {"k": _ORDER, "c": channel_id % 2**31},
    )
    known = rows(
        connection,
        "SELECT proof = :proof AS same FROM hooks WHERE channel_id = :c AND (proof = :proof OR event = :event)",
        c=channel_id,
        proof=proof,
        event=event or None,
    )
    if any(row["same"] for row in known) and stamped:
        raise Replayed("this delivery was here before")
    if known:
        return False
    connection.execute(
        text("INSERT INTO hooks (channel_id, proof, event, body) VALUES (:c, :proof, :event, :body)"),
        {"c": channel_id, "proof": proof, "event": event or None, "body": body},
    )
    connection.execute(
        text(  # a poll that runs may have read past this row's place already: then another one is owed
            "UPDATE channels SET wanted_at = CASE WHEN lease IS NULL THEN coalesce(wanted_at, clock_timestamp()) "
            "ELSE clock_timestamp() END WHERE id = :c"
        ),
        {"c": channel_id},
    )
    connection.execute(text("SELECT pg_notify('earmark', :told)"), {"told": f"poll:{channel_id}"})
    return True


def received(connection: Connection, channel_id: int, after: int, limit: int) -> list[tuple[int, Any]]:
    """The next deliveries after a row, oldest first: (row, {"at", "body"}).

    What the channel's committed state is past is in the ledger, so its body goes. `after` may be ahead of that: several pages share a
    transaction, and a process killed before it commits must find them again, for nobody pushes them twice.
    """
    connection.execute(
        text(
            "UPDATE hooks h SET body = '' FROM channels c WHERE c.id = h.channel_id AND h.channel_id = :c "
            "AND h.id <= CAST(c.state ->> 'row' AS bigint) AND h.body <> ''"
        ),
        {"c": channel_id},
    )
    found = rows(
        connection,
        "SELECT id, at, body FROM hooks WHERE channel_id = :c AND id > :after AND body <> '' ORDER BY id LIMIT :limit",
        c=channel_id,
        after=after,
        limit=limit,
    )
    return [(row["id"], {"at": row["at"].isoformat(), "body": json.loads(row["body"])}) for row in found]


def purge(connection: Connection) -> int:
    """Forget the ids of deliveries that were read long ago."""
    return connection.execute(
        text("DELETE FROM hooks WHERE body = '' AND at < now() - make_interval(days => :days)"), {"days": KEPT_DAYS}
    ).rowcount
