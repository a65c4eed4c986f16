"""What an operator asks: does work wait, who works, what do desks owe us. Channels: views_channels.py; what a scraper reads: gauges.py."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from storage import posting
from storage.ledger import one, rows
from storage.posting import Stop


@dataclass(frozen=True, slots=True)
class Worker:
    id: str
    kind: str
    host: str
    pid: int
    version: str
    leader: bool
    started_at: datetime
    seen_at: datetime
    silent: float  # seconds


@dataclass(frozen=True, slots=True)
class Target:
    """A desk or alert route: what waits for it, and whether a person must act."""

    name: str
    kind: str
    enabled: bool
    waiting: int
    unknown: int
    blocked_rows: int
    done: int
    dead: int
    oldest: datetime | None
    open_until: datetime | None
    blocked: str | None
    error: str | None
    last_success_at: datetime | None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    id: int
    kind: str
    ref_id: int
    version: int
    reason: str
    error: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Status:
    mentions: int
    pending: int
    oldest_pending: datetime | None
    retrying: int
    review: int
    tickets_open: int
    flags_open: int
    rejects_open: int
    workers: list[Worker]
    targets: list[Target]
    dead: list[DeadLetter]
    dead_open: int
    configuration: str | None
    configured_at: datetime | None
    complaint: str | None

    @property
    def leader(self) -> Worker | None:
        return next((w for w in self.workers if w.leader and w.silent < 15), None)


def status(connection: Connection) -> Status:
    """The whole system on one page, in one snapshot."""
    numbers = rows(
        connection,
        """SELECT (SELECT count(*) FROM mentions) AS mentions, (SELECT count(*) FROM digests) AS pending,
            (SELECT min(queued_at) FROM digests) AS oldest_pending,
            (SELECT count(*) FROM digests WHERE attempts > 1) AS retrying,
            (SELECT count(*) FROM verdicts WHERE outcome = 'review' AND corrected IS NULL) AS review,
            (SELECT count(*) FROM tickets WHERE status NOT IN ('resolved', 'closed')) AS tickets_open,
            (SELECT count(*) FROM escalations WHERE state = 'open') AS flags_open,
            (SELECT count(*) FROM rejects WHERE state = 'open') AS rejects_open,
            (SELECT count(*) FROM dead_letters WHERE state = 'open') AS dead_open""",
    )[0]
    config = rows(
        connection,
        """SELECT (SELECT hash FROM configurations WHERE complaints IS NULL ORDER BY id DESC LIMIT 1) AS configuration,
            (SELECT at FROM configurations WHERE complaints IS NULL ORDER BY id DESC LIMIT 1) AS configured_at,
            (SELECT complaints FROM configurations ORDER BY id DESC LIMIT 1) AS complaint""",
    )[0]
    return Status(
        **numbers, **config, workers=workers(connection), targets=targets(connection), dead=dead_letters(connection)
    )


def workers(connection: Connection) -> list[Worker]:
    found = rows(
        connection,
        """SELECT id, kind, host, pid, version, leader, started_at, seen_at,
            CAST(extract(epoch FROM now() - seen_at) AS float) AS silent
        FROM workers WHERE seen_at > now() - interval '1 day' ORDER BY leader DESC, kind, id LIMIT 500""",
    )
    return [Worker(**row) for row in found]


def targets(connection: Connection) -> list[Target]:
    found = rows(
        connection,
        """SELECT t.name, t.kind, t.enabled, t.open_until, t.blocked, t.error, t.last_success_at,
            count(*) FILTER (WHERE o.state IN ('new', 'sending', 'retry')) AS waiting,
            count(*) FILTER (WHERE o.state = 'unknown') AS unknown,
            count(*) FILTER (WHERE o.state = 'blocked') AS blocked_rows,
            count(*) FILTER (WHERE o.state = 'done') AS done, count(*) FILTER (WHERE o.state = 'dead') AS dead,
            min(o.created_at) FILTER (WHERE o.state NOT IN ('done', 'dead')) AS oldest
        FROM targets t LEFT JOIN outbox o ON o.target = t.name
        GROUP BY t.name, t.kind, t.enabled, t.open_until, t.blocked, t.error, t.last_success_at ORDER BY t.name""",
    )
    return [Target(**row) for row in found]


def dead_letters(connection: Connection, limit: int = 20) -> list[DeadLetter]:
    found = rows(
        connection,
        "SELECT id, kind, ref_id, version, reason, error, at FROM dead_letters WHERE state = 'open' "
        "ORDER BY id DESC LIMIT :limit",
        limit=limit,
    )
    return [DeadLetter(**row) for row in found]


def alive(connection: Connection) -> dict[str, Any]:
    """For readiness: whether a scheduler leads and workers live, and how long the oldest work waits."""
    return dict(
        rows(
            connection,
            """SELECT coalesce(bool_or(leader AND seen_at > now() - interval '15 seconds'), false) AS leader,
                count(*) FILTER (WHERE kind = 'worker' AND seen_at > now() - interval '15 seconds') AS workers,
                (SELECT coalesce(extract(epoch FROM now() - min(queued_at)), 0)::float FROM digests) AS lag_seconds
            FROM workers""",
        )[0]
    )


def staffed(connection: Connection) -> tuple[bool, bool, Stop | None]:
    """Whether a scheduler leads, whether a worker works, and who stopped all posting: what every page says when it is amiss."""
    found = rows(
        connection,
        f"SELECT coalesce(bool_or(leader), false) AS leads, coalesce(bool_or(kind = 'worker'), false) AS works, "  # noqa: S608
        f"({posting.SAID}) AS stopped FROM workers WHERE seen_at > now() - interval '15 seconds'",
    )[0]
    return found["leads"], found["works"], posting.read(found["stopped"])


def queues(connection: Connection) -> list[dict[str, Any]]:
    """Each queue of the ledger: what waits in it, since when, and how much of it was begun more than once."""
    found = rows(
        connection,
        """SELECT 'polls' AS name, count(*) AS waiting, min(wanted_at) AS oldest, count(*) FILTER (WHERE failures > 0) AS again
            FROM channels WHERE enabled AND paused_at IS NULL AND wanted_at IS NOT NULL
        UNION ALL SELECT 'verdicts', count(*), min(queued_at), count(*) FILTER (WHERE attempts > 1) FROM digests
        UNION ALL SELECT 'ticket work', count(*), min(at), count(*) FILTER (WHERE attempts > 1) FROM events WHERE done_at IS NULL
        UNION ALL SELECT 'deliveries', count(*), min(created_at), count(*) FILTER (WHERE attempts > 1) FROM outbox
            WHERE state NOT IN ('done', 'dead')
        UNION ALL SELECT 'pushed to us', count(*), min(at), 0 FROM hooks WHERE body <> ''
        UNION ALL SELECT 'errands', count(*), min(at), count(*) FILTER (WHERE attempts > 1) FROM errands WHERE done_at IS NULL""",
    )
    return [dict(row) for row in found]


def revision(connection: Connection) -> str | None:
    """The schema the database is at; None before the first migration."""
    if not one(connection, "SELECT to_regclass('alembic_version') IS NOT NULL"):
        return None
    found: str | None = one(connection, "SELECT version_num FROM alembic_version")
    return found
