"""What a scraper reads: gauges and counters, each one statement over the ledger."""

from sqlalchemy import Connection

from storage.ledger import rows
from storage.views_channels import REMAINING, STATE


def gauges(connection: Connection) -> list[tuple[str, str, dict[str, str], float]]:
    """(metric, help, labels, value): everything a scraper asks, counted by the database at this moment.

    Labels hold names from the configuration only, never a customer's words.
    """
    out: list[tuple[str, str, dict[str, str], float]] = []
    for query, name, help, labels in GAUGES:
        for row in rows(connection, query):
            out.append((name, help, {label: str(row[label]) for label in labels}, float(row["value"] or 0)))
    return out


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
