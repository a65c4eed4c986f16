"""What an operator asks: do the channels read, does work wait, who works, what do desks owe us."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from storage import posting
from storage.ledger import one, rows
from storage.posting import Stop


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


def gauges(connection: Connection) -> list[tuple[str, str, dict[str, str], float]]:
    """(metric, help, labels, value): everything a scraper asks, counted by the database at this moment.

    Labels hold names from the configuration only, never a customer's words.
    """
    out: list[tuple[str, str, dict[str, str], float]] = []
    for query, name, help, labels in GAUGES:
        for row in rows(connection, query):
            out.append((name, help, {label: str(row[label]) for label in labels}, float(row["value"] or 0)))
    return out


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


# Those that only ever grow: a scraper takes a smaller value of these for a restart.
COUNTERS = frozenset(
    {"earmark_poll_total", "earmark_mentions_total", "earmark_verdicts_total", "earmark_tickets_total",
     "earmark_escalations_total", "earmark_ingest_reject_total", "earmark_dead_total"}
)  # fmt: skip
AGE = "extract(epoch FROM now() - {})"
GAUGES: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    (
        f"SELECT name AS channel, {AGE.format('coalesce(last_success_at, since)')} AS value FROM channels WHERE enabled",  # noqa: S608
        "earmark_channel_lag_seconds",
        "Seconds since the channel's last successful poll",
        ("channel",),
    ),
    (
        f"SELECT name AS channel, {AGE.format('last_item_at')} AS value FROM channels WHERE enabled AND last_item_at IS NOT NULL",  # noqa: S608
        "earmark_channel_newest_item_age_seconds",
        "Seconds since the newest item the channel returned",
        ("channel",),
    ),
    (
        "SELECT name AS channel, failures AS value FROM channels WHERE enabled",
        "earmark_channel_failures",
        "Polls failed in a row",
        ("channel",),
    ),
    (
        "SELECT c.name AS channel, count(g.id) AS value FROM channels c LEFT JOIN gaps g ON g.channel_id = c.id "
        "AND g.filled_at IS NULL WHERE c.enabled GROUP BY c.name",
        "earmark_channel_gaps",
        "Intervals the channel could not read and nobody filled",
        ("channel",),
    ),
    (
        "SELECT c.name AS channel, p.outcome, count(*) AS value FROM page_counters p JOIN channels c ON c.id = p.channel_id "
        "GROUP BY 1, 2",
        "earmark_poll_total",
        "Pages by outcome",
        ("channel", "outcome"),
    ),
    (
        "SELECT c.name AS channel, r.result, r.value FROM (SELECT channel_id, sum(new) AS new, sum(edited) AS edited, "
        "sum(deleted) AS deleted, sum(known) AS known, sum(not_matching) AS not_matching, sum(suppressed) AS suppressed, "
        "sum(rejected) AS rejected FROM page_counters GROUP BY 1) p JOIN channels c ON c.id = p.channel_id, "
        "LATERAL (VALUES ('new', p.new), ('edited', p.edited), ('deleted', p.deleted), ('dup', p.known), "
        "('not_matching', p.not_matching), ('suppressed', p.suppressed), ('rejected', p.rejected)) r(result, value)",
        "earmark_mentions_total",
        "Items returned, by what became of them",
        ("channel", "result"),
    ),
    ("SELECT count(*) AS value FROM digests", "earmark_unscored", "Mentions that wait for their verdict", ()),
    (
        f"SELECT {AGE.format('min(queued_at)')} AS value FROM digests",  # noqa: S608 constants
        "earmark_oldest_unscored_age_seconds",
        "Seconds the oldest of them waits",
        (),
    ),
    (
        "SELECT status, count(*) AS value FROM tickets WHERE status NOT IN ('resolved', 'closed') GROUP BY 1",
        "earmark_tickets_open",
        "Tickets not finished",
        ("status",),
    ),
    (
        "SELECT count(*) AS value FROM verdicts WHERE outcome = 'review' AND corrected IS NULL",
        "earmark_review_waiting",
        "Mentions that wait for a person's decision",
        (),
    ),
    (
        "SELECT rule, count(*) AS value FROM escalations GROUP BY 1",
        "earmark_escalations_total",
        "Flags ever raised",
        ("rule",),
    ),
    (
        "SELECT rule, kind, count(*) FILTER (WHERE state = 'open') AS value FROM escalations GROUP BY 1, 2",
        "earmark_escalations_open",
        "Flags that stand",
        ("rule", "kind"),
    ),
    (
        "SELECT o.outcome, o.value FROM (SELECT sum(ticketed) AS ticketed, sum(in_review) AS in_review, sum(ignored) AS ignored "
        "FROM runs) r, LATERAL (VALUES ('ticket', ticketed), ('review', in_review), ('ignore', ignored)) o(outcome, value)",
        "earmark_verdicts_total",
        "Verdicts ever given, by outcome",
        ("outcome",),
    ),
    ("SELECT sum(tickets) AS value FROM runs", "earmark_tickets_total", "Tickets ever opened", ()),
    (
        "SELECT label, count(*) AS value FROM verdicts GROUP BY 1",
        "earmark_sentiment_held",
        "Verdicts held, by sentiment; an erasure takes some away",
        ("label",),
    ),
    (
        "SELECT CASE WHEN sum(verdicts) > 0 THEN sum(ms) / 1000.0 / sum(verdicts) END AS value FROM "
        "(SELECT verdicts, ms FROM runs WHERE kind = 'digest' ORDER BY id DESC LIMIT 50) r",
        "earmark_score_duration_seconds",
        "Seconds to judge and file a mention, mean of the last fifty batches",
        (),
    ),
    (
        "SELECT count(*) AS value FROM digests WHERE attempts > 1",
        "earmark_unscored_retrying",
        "Mentions whose verdict was started more than once",
        (),
    ),
    (
        "SELECT c.name AS channel, avg(p.ms) / 1000.0 AS value FROM channels c, LATERAL (SELECT ms FROM page_counters "
        "WHERE channel_id = c.id ORDER BY seq DESC LIMIT 20) p WHERE c.enabled GROUP BY 1",
        "earmark_poll_duration_seconds",
        "Seconds a page takes, mean of the channel's last twenty",
        ("channel",),
    ),
    (
        f"SELECT c.name AS channel, {REMAINING} AS value FROM channels c WHERE c.enabled AND {REMAINING} IS NOT NULL",  # noqa: S608
        "earmark_ratelimit_remaining",
        "Requests the platform still grants",
        ("channel",),
    ),
    (
        f"SELECT c.name AS channel, {STATE} AS state, 1 AS value FROM channels c",  # noqa: S608 constants
        "earmark_channel_state",
        "1 for the state the channel is in",
        ("channel", "state"),
    ),
    (
        "SELECT name AS channel, CASE WHEN split_part(schedule, ' ', 1) = 'every' THEN split_part(schedule, ' ', 2)::float "
        "ELSE 86400 END AS value FROM channels WHERE enabled AND paused_at IS NULL AND schedule <> ''",
        "earmark_channel_interval_seconds",
        "Seconds between two polls; a day for a cron line",
        ("channel",),
    ),
    (
        "SELECT c.name AS channel, count(*) AS value FROM rejects r JOIN channels c ON c.id = r.channel_id GROUP BY 1",
        "earmark_ingest_reject_total",
        "Distinct items no mention could be made of",
        ("channel",),
    ),
    (
        "SELECT k.kind, count(d.id) AS value FROM (VALUES ('digest'), ('outbox')) k(kind) "
        "LEFT JOIN dead_letters d ON d.kind = k.kind GROUP BY 1",
        "earmark_dead_total",
        "Dead letters ever written",
        ("kind",),
    ),
    (
        "SELECT CASE WHEN (SELECT complaints FROM configurations ORDER BY id DESC LIMIT 1) IS NULL THEN 0 ELSE 1 END AS value",
        "earmark_configuration_refused",
        "1 while the latest edit of the configuration is refused",
        (),
    ),
    ("SELECT pg_database_size(current_database()) AS value", "earmark_database_bytes", "Size of the database", ()),
    (
        "SELECT t.name AS target, count(o.id) AS value FROM targets t LEFT JOIN outbox o ON o.target = t.name "
        "AND o.state NOT IN ('done', 'dead') GROUP BY 1",
        "earmark_outbox_pending",
        "Effects owed to the target",
        ("target",),
    ),
    (
        f"SELECT target, {AGE.format('min(created_at)')} AS value FROM outbox "  # noqa: S608 constants
        "WHERE state NOT IN ('done', 'dead') GROUP BY 1",
        "earmark_outbox_oldest_age_seconds",
        "Seconds the oldest owed effect waits",
        ("target",),
    ),
    (
        "SELECT o.target, a.outcome, count(*) AS value FROM attempts a JOIN outbox o ON o.id = a.outbox_id GROUP BY 1, 2",
        "earmark_outbox_attempts",
        "Calls to the target the ledger still holds, by outcome",
        ("target", "outcome"),
    ),
    (
        "SELECT name AS target, CASE WHEN blocked IS NOT NULL THEN 2 WHEN open_until > now() THEN 1 ELSE 0 END AS value "
        "FROM targets",
        "earmark_breaker_state",
        "0 closed, 1 open for a while, 2 blocked until a person acts",
        ("target",),
    ),
    (
        "SELECT k.kind, count(d.id) AS value FROM (VALUES ('digest'), ('outbox')) k(kind) "
        "LEFT JOIN dead_letters d ON d.kind = k.kind AND d.state = 'open' GROUP BY 1",
        "earmark_dead",
        "Dead letters nobody has closed",
        ("kind",),
    ),
    (
        "SELECT count(*) AS value FROM rejects WHERE state = 'open'",
        "earmark_rejected_open",
        "Items no mention could be made of",
        (),
    ),
    (
        "SELECT count(*) AS value FROM workers WHERE leader AND seen_at > now() - interval '15 seconds'",
        "earmark_scheduler_leader",
        "1 while a scheduler leads",
        (),
    ),
    (
        "SELECT kind, count(*) AS value FROM workers WHERE seen_at > now() - interval '15 seconds' GROUP BY 1",
        "earmark_processes",
        "Processes alive",
        ("kind",),
    ),
)


def channel_name(connection: Connection, channel_id: int) -> str | None:
    found: str | None = one(connection, "SELECT name FROM channels WHERE id = :id", id=channel_id)
    return found
