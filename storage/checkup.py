"""What `earmark doctor` asks the database, in one snapshot. It changes nothing and works on a database of another schema too."""

from typing import Any

from sqlalchemy import Connection

from storage import views_channels, views_health
from storage.ledger import one, rows

revision = views_health.revision


def clock(connection: Connection) -> float:
    """The database's clock, in seconds since 1970."""
    return float(one(connection, "SELECT extract(epoch FROM clock_timestamp())"))


def processes(connection: Connection, silent: float) -> dict[str, Any]:
    """Who lives: whether one leads, how many schedulers and workers, how many threads judge."""
    return dict(
        rows(
            connection,
            """SELECT coalesce(bool_or(leader), false) AS leader, count(*) FILTER (WHERE kind = 'scheduler') AS schedulers,
                count(*) FILTER (WHERE kind = 'worker') AS workers,
                coalesce(sum(digest_threads) FILTER (WHERE kind = 'worker'), 0)::int AS digest_threads
            FROM workers WHERE seen_at > now() - make_interval(secs => :silent)""",
            silent=silent,
        )[0]
    )


def channels(connection: Connection) -> list[Any]:
    """Every channel that is on: name, state, error, advice, lag, schedule."""
    return rows(
        connection,
        f"""SELECT c.name, {views_channels.STATE} AS state, coalesce(c.error, '') AS error, coalesce(c.advice, '') AS advice,
            CAST(extract(epoch FROM now() - coalesce(c.last_success_at, c.since)) AS float) AS lag, c.schedule
        FROM channels c WHERE c.enabled ORDER BY c.name""",  # noqa: S608 our own text
    )


def targets(connection: Connection) -> list[Any]:
    """Every desk and alert route that is on or still owed something."""
    return rows(
        connection,
        """SELECT t.name, coalesce(t.blocked, '') AS blocked, coalesce(t.open_until > now(), false) AS resting,
            coalesce(t.error, '') AS error,
            CAST(coalesce(extract(epoch FROM now() - min(o.created_at)), 0) AS float) AS oldest
        FROM targets t LEFT JOIN outbox o ON o.target = t.name AND o.state NOT IN ('done', 'dead')
        WHERE t.enabled GROUP BY t.name ORDER BY t.name""",
    )


def work(connection: Connection) -> dict[str, Any]:
    """What waits, and what stopped."""
    return dict(
        rows(
            connection,
            """SELECT (SELECT count(*) FROM digests) AS pending,
                CAST(coalesce((SELECT extract(epoch FROM now() - min(queued_at)) FROM digests), 0) AS float) AS backlog,
                (SELECT count(*) FROM dead_letters WHERE state = 'open') AS dead,
                (SELECT count(*) FROM rejects WHERE state = 'open') AS rejected,
                (SELECT count(*) FROM users WHERE disabled_at IS NULL) AS users""",
        )[0]
    )
