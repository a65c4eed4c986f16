"""Channels as pages and commands show them: state, lag, what the last day read, the newest gaps."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from storage.ledger import one, rows


@dataclass(frozen=True, slots=True)
class Gap:
    since: datetime | None
    until: datetime | None
    reason: str
    noticed_at: datetime
    filled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel with the last day's counters and newest warning. `state` is one word: reading, polling, late, waiting, failing, paused, off, new."""

    id: int
    name: str
    kind: str
    platform: str
    schedule: str
    state: str
    next_due: datetime | None
    wanted_at: datetime | None
    not_before: datetime | None
    failures: int
    error: str | None
    advice: str | None
    error_at: datetime | None
    last_poll_at: datetime | None
    last_success_at: datetime | None
    last_item_at: datetime | None
    paused_at: datetime | None
    lag: float | None
    remaining: float | None
    requests: int
    returned: int
    new: int
    edited: int
    deleted: int
    known: int
    not_matching: int
    suppressed: int
    rejected: int
    gaps: list[Gap]
    warning: str | None = None
    warned_at: datetime | None = None


PAGE_COUNTERS = ("returned", "new", "edited", "deleted", "known", "not_matching", "suppressed", "rejected")


STATE = """CASE WHEN NOT c.enabled THEN 'off' WHEN c.paused_at IS NOT NULL THEN 'paused'
    WHEN c.error_kind IN ('auth', 'config') THEN 'stopped'
    WHEN c.error_kind = 'rate-limited' AND c.not_before > now() THEN 'waiting'
    WHEN c.error IS NOT NULL THEN 'failing' WHEN c.lease_until > now() THEN 'polling'
    WHEN c.not_before > now() THEN 'waiting' WHEN c.last_success_at IS NULL THEN 'new'
    WHEN c.wanted_at < now() - interval '1 minute' THEN 'late' ELSE 'reading' END"""


REMAINING = """CASE WHEN jsonb_typeof(c.observed -> 'remaining') = 'number' THEN CAST(c.observed ->> 'remaining' AS float)
    WHEN c.observed ->> 'remaining' ~ '^[0-9]+([.][0-9]+)?$' THEN CAST(c.observed ->> 'remaining' AS float) END"""


def channels(connection: Connection, gaps_each: int = 5) -> list[Channel]:
    """Every channel, those that are on first."""
    sums = ", ".join(f"coalesce(sum(p.{name}), 0) AS {name}" for name in PAGE_COUNTERS)
    found = rows(
        connection,
        f"""SELECT c.id, c.name, c.kind, c.platform, c.schedule, {STATE} AS state, c.next_due, c.wanted_at, c.not_before,
            c.failures, c.error, c.advice, c.error_at, c.last_poll_at, c.last_success_at, c.last_item_at, c.paused_at,
            CAST(extract(epoch FROM now() - c.last_success_at) AS float) AS lag, {REMAINING} AS remaining, p.*,
            w.detail AS warning, w.at AS warned_at
        FROM channels c CROSS JOIN LATERAL (SELECT count(*) AS requests, {sums} FROM page_counters p
            WHERE p.channel_id = c.id AND p.at > now() - interval '24 hours') p
        LEFT JOIN LATERAL (SELECT p.detail, p.at FROM page_counters p WHERE p.channel_id = c.id AND p.detail IS NOT NULL
            AND p.outcome IN ('page', 'cut') AND p.at > now() - interval '24 hours' ORDER BY p.at DESC LIMIT 1) w ON true
        ORDER BY c.enabled DESC, c.name""",  # noqa: S608 names above
    )
    holes: dict[int, list[Gap]] = {}
    for row in rows(
        connection,
        """SELECT channel_id, since, until, reason, noticed_at, filled_at FROM (SELECT *, row_number() OVER
            (PARTITION BY channel_id ORDER BY noticed_at DESC, id DESC) AS nth FROM gaps) g WHERE nth <= :each
        ORDER BY channel_id, noticed_at DESC""",
        each=gaps_each,
    ):
        values = dict(row)
        holes.setdefault(values.pop("channel_id"), []).append(Gap(**values))
    return [Channel(**row, gaps=holes.get(row["id"], [])) for row in found]


def channel_name(connection: Connection, channel_id: int) -> str | None:
    found: str | None = one(connection, "SELECT name FROM channels WHERE id = :id", id=channel_id)
    return found
