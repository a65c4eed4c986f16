"""Channels: what is due, who polls, how it went. Due times live here; the scheduler's jobs are a cache of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, text

from storage import bulk
from storage.ledger import rows

LEASE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Leased:
    """A channel one worker may poll now, until the lease ends."""

    id: int
    name: str
    lease: str
    state: dict[str, Any]
    failures: int
    wanted: datetime


def sync(connection: Connection, wanted: Sequence[Mapping[str, Any]]) -> None:
    """Bring the table to what the configuration says: rows of name, kind, platform, schedule, spec, enabled.

    An unchanged channel is not touched. A changed schedule starts its clock anew; a changed spec (what is read) starts a new
    baseline. A channel that left the configuration is disabled; its history stays.
    """
    bulk.execute(
        connection,
        """INSERT INTO channels AS c (name, kind, platform, schedule, spec, enabled)
        SELECT name, kind, platform, schedule, spec, enabled FROM json_to_recordset(CAST(:rows AS json))
            AS r(name text, kind text, platform text, schedule text, spec text, enabled boolean) ORDER BY name
        ON CONFLICT (name) DO UPDATE SET kind = EXCLUDED.kind, platform = EXCLUDED.platform,
            enabled = EXCLUDED.enabled,
            next_due = CASE WHEN c.schedule = EXCLUDED.schedule AND c.enabled THEN c.next_due END,
            schedule = EXCLUDED.schedule,
            since = CASE WHEN c.spec = EXCLUDED.spec THEN c.since ELSE now() END,
            state = CASE WHEN c.spec = EXCLUDED.spec THEN c.state ELSE '{}'::jsonb END,
            not_before = NULL, error_kind = CASE WHEN c.error_kind IN ('auth', 'config') THEN NULL ELSE c.error_kind END,
            spec = EXCLUDED.spec
        WHERE (c.kind, c.platform, c.schedule, c.spec, c.enabled)
            IS DISTINCT FROM (EXCLUDED.kind, EXCLUDED.platform, EXCLUDED.schedule, EXCLUDED.spec, EXCLUDED.enabled)""",
        wanted,
    )
    connection.execute(
        text(
            "UPDATE channels SET enabled = false WHERE id = ANY(ARRAY(SELECT id FROM channels WHERE enabled AND NOT name = ANY(:names) "
            "ORDER BY name FOR UPDATE))"
        ),
        {"names": [row["name"] for row in wanted]},
    )


def clocks(connection: Connection) -> list[Any]:
    """What the scheduler keeps jobs for: id, name, schedule, next_due of every channel that is on and not paused."""
    return rows(
        connection,
        "SELECT id, name, schedule, next_due FROM channels WHERE enabled AND paused_at IS NULL ORDER BY id",
    )


def due(connection: Connection, channel_id: int) -> datetime | None:
    """When the channel is due; None when it is off or paused."""
    return connection.execute(
        text("SELECT next_due FROM channels WHERE id = :id AND enabled AND paused_at IS NULL"), {"id": channel_id}
    ).scalar()


def first_due(connection: Connection, channel_id: int, at: datetime) -> None:
    """Start the clock of a channel that has no due time yet."""
    connection.execute(
        text("UPDATE channels SET next_due = :at WHERE id = :id AND next_due IS NULL"), {"id": channel_id, "at": at}
    )


def tick(connection: Connection, channel_id: int, expected: datetime | None, following: datetime) -> bool:
    """The clock struck: a poll is owed and the next one is at `following`. One winner per due time, whoever ticks."""
    return bool(
        connection.execute(
            text(
                "UPDATE channels SET next_due = :following, wanted_at = coalesce(wanted_at, now()) "
                "WHERE id = :id AND enabled AND paused_at IS NULL AND next_due IS NOT DISTINCT FROM :expected"
            ),
            {"id": channel_id, "expected": expected, "following": following},
        ).rowcount
    )


def want(connection: Connection, name: str) -> int | None:
    """A person or a command asks for a poll now: at once, unless the platform itself has asked us to wait.

    Returns the channel's id, None when there is no such channel.
    """
    return connection.execute(
        text(
            "UPDATE channels SET wanted_at = clock_timestamp(), "
            "not_before = CASE WHEN error_kind = 'rate-limited' THEN not_before END "
            "WHERE name = :name AND enabled RETURNING id"
        ),
        {"name": name},
    ).scalar()


def owed(connection: Connection) -> list[int]:
    """Channels to ring for: a poll is owed, nobody holds the lease, the platform lets us."""
    return [
        row["id"]
        for row in rows(
            connection,
            "SELECT id FROM channels WHERE wanted_at IS NOT NULL AND enabled AND paused_at IS NULL "
            "AND (not_before IS NULL OR not_before <= now()) AND (lease_until IS NULL OR lease_until < now()) "
            "AND coalesce(error_kind, '') NOT IN ('auth', 'config') ORDER BY wanted_at",
        )
    ]


def lease(connection: Connection, channel_id: int, worker: str) -> Leased | None:
    """Take the channel before the first request goes out; None when no poll is owed or somebody else has it."""
    token = str(uuid4())
    row = connection.execute(
        text(
            "UPDATE channels SET lease = CAST(:lease AS uuid), worker = :worker, "
            "lease_until = now() + make_interval(secs => :seconds) "
            "WHERE id = :id AND wanted_at IS NOT NULL AND enabled AND paused_at IS NULL "
            "AND (not_before IS NULL OR not_before <= now()) AND (lease_until IS NULL OR lease_until < now()) "
            "AND coalesce(error_kind, '') NOT IN ('auth', 'config') "
            "RETURNING id, name, state, failures, wanted_at"
        ),
        {"id": channel_id, "lease": token, "worker": worker, "seconds": LEASE_SECONDS},
    ).one_or_none()
    return Leased(row.id, row.name, token, row.state, row.failures, row.wanted_at) if row else None


def release(connection: Connection, leased: Leased, *, satisfied: bool) -> None:
    """Give the channel back. Not satisfied (a walk goes on, we were asked to wait): the poll stays owed.

    So does one that was asked for while this one ran: what it is to find may have come after we had read.
    """
    connection.execute(
        text(
            "UPDATE channels SET lease = NULL, lease_until = NULL, worker = NULL, "
            "wanted_at = CASE WHEN :satisfied AND wanted_at <= :wanted THEN NULL ELSE wanted_at END "
            "WHERE id = :id AND lease = CAST(:lease AS uuid)"
        ),
        {"id": leased.id, "lease": leased.lease, "satisfied": satisfied, "wanted": leased.wanted},
    )


def pause(connection: Connection, name: str, paused: bool) -> bool:
    """Stop or go on reading a channel; going on also forgives a refused credential."""
    return bool(
        connection.execute(
            text(
                "UPDATE channels SET paused_at = CASE WHEN :paused THEN now() END, "
                "error_kind = CASE WHEN :paused THEN error_kind END, not_before = NULL "
                "WHERE name = :name"
            ),
            {"name": name, "paused": paused},
        ).rowcount
    )


def give_up(connection: Connection, channel_id: int) -> str | None:
    """Pause a channel whose address has been gone for days, with at least three tries; its name if that was now."""
    return connection.execute(
        text(
            "UPDATE channels SET paused_at = now(), "
            "advice = 'It is paused, having been gone for three days: check its address, then resume it' "
            "WHERE id = :id AND paused_at IS NULL AND error_kind = 'permanent' AND failures >= 3 "
            "AND coalesce(last_success_at, since) < now() - interval '3 days' RETURNING name"
        ),
        {"id": channel_id},
    ).scalar()


def pause_all(connection: Connection, paused: bool) -> None:
    """Stop or go on reading everything."""
    connection.execute(text("SELECT 1 FROM channels ORDER BY name FOR UPDATE"))
    connection.execute(text("UPDATE channels SET paused_at = CASE WHEN :paused THEN now() END"), {"paused": paused})
