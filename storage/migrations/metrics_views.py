"""The views metrics are read from; docs/metrics.md explains each formula. Every row is a fact that can be looked up: figures are sums of them."""

DONE = "('resolved', 'closed')"

# one walk through each customer's contacts and done tickets, in time order: "was there a contact within 7 days after" per ticket was quadratic
REPEATS = f"""CREATE OR REPLACE VIEW metric_repeats AS
    SELECT ticket_id, customer_id, at AS done_at, team, after > 0 AS repeated FROM (
        SELECT e.*, count(*) FILTER (WHERE contact) OVER (PARTITION BY customer_id ORDER BY at
            RANGE BETWEEN interval '1 microsecond' FOLLOWING AND interval '7 days' FOLLOWING) AS after
        FROM (SELECT ticket_id, customer_id, done_at AS at, team, false AS contact FROM metric_tickets
                WHERE status IN {DONE} AND done_at IS NOT NULL AND customer_id IS NOT NULL
            UNION ALL SELECT NULL, customer_id, at, NULL, true FROM metric_contacts WHERE customer_id IS NOT NULL) e) w
    WHERE NOT contact;
"""  # noqa: S608 our own words

VIEWS = f"""
CREATE VIEW metric_contacts AS
    SELECT t.customer_id, m.published AS at, m.platform AS channel, coalesce(t.merged_into, t.id) AS ticket_id, 'mention' AS source, m.id AS source_id
    FROM ticket_mentions l JOIN mentions m ON m.id = l.mention_id JOIN tickets t ON t.id = l.ticket_id
    UNION ALL
    SELECT coalesce(a.customer_id, i.customer_id), i.happened_at, i.kind, j.ticket_id, 'interaction', i.id
    FROM interactions i LEFT JOIN customer_identities a ON a.identity_id = i.identity_id
    LEFT JOIN (SELECT CAST(detail ->> 'interaction' AS bigint) AS id, min(ticket_id) AS ticket_id FROM entries
        WHERE kind = 'contact' AND detail ? 'interaction' GROUP BY 1) j ON j.id = i.id
    WHERE i.direction = 'in' AND i.kind IN ('call', 'call_ended', 'chat', 'bot_chat', 'email', 'sms', 'whatsapp', 'message', 'form',
        'store_visit', 'review', 'survey');

CREATE VIEW metric_activity AS
    SELECT customer_id, at FROM metric_contacts WHERE customer_id IS NOT NULL
    UNION ALL
    SELECT coalesce(a.customer_id, i.customer_id), i.happened_at FROM interactions i
    LEFT JOIN customer_identities a ON a.identity_id = i.identity_id
    WHERE i.kind NOT IN ('call', 'call_ended', 'chat', 'bot_chat', 'email', 'sms', 'whatsapp', 'message', 'form', 'store_visit', 'review',
        'survey') AND i.direction = 'in' AND coalesce(a.customer_id, i.customer_id) IS NOT NULL;

CREATE VIEW metric_moves AS
    SELECT e.ticket_id, e.at, e.id, e.detail #>> '{{status,0}}' AS was, e.detail #>> '{{status,1}}' AS became, e.user_id
    FROM entries e WHERE e.detail ? 'status';

CREATE VIEW metric_tickets AS
    SELECT t.id AS ticket_id, t.number, t.customer_id, t.opened_at, t.team, t.priority, t.topic, t.platform, t.status,
        a.at AS answered_at, m.done_at, m.reopened, m.resolved_once, a.replied, r.kind = 'digest' AS automatic,
        t.breached_first, t.breached_next, t.breached_resolve
    FROM tickets t
    LEFT JOIN runs r ON r.id = t.run_id
    LEFT JOIN LATERAL (
        SELECT max(v.at) FILTER (WHERE v.became IN {DONE} AND v.was NOT IN {DONE}) AS done_at,
            count(*) FILTER (WHERE v.was IN {DONE} AND v.became NOT IN {DONE}) AS reopened,
            coalesce(bool_or(v.became = 'resolved'), false) AS resolved_once
        FROM metric_moves v WHERE v.ticket_id = t.id) m ON true
    LEFT JOIN LATERAL (
        SELECT min(e.at) AS at, coalesce(bool_or(e.kind = 'reply'), false) AS replied FROM entries e WHERE e.ticket_id = t.id
            AND (e.kind = 'reply' OR (e.detail #>> '{{status,1}}' IN {DONE} AND e.detail #>> '{{status,0}}' NOT IN {DONE}))) a ON true
    WHERE t.merged_into IS NULL;

CREATE VIEW metric_first_response AS
    SELECT ticket_id, opened_at, team, priority, platform, extract(epoch FROM answered_at - opened_at) AS seconds
    FROM metric_tickets WHERE answered_at IS NOT NULL;

CREATE VIEW metric_resolution AS
    SELECT ticket_id, opened_at, done_at, team, priority, platform, extract(epoch FROM done_at - opened_at) AS seconds, reopened
    FROM metric_tickets WHERE status IN {DONE} AND done_at IS NOT NULL;

CREATE VIEW metric_reopened AS
    SELECT ticket_id, opened_at, team, reopened > 0 AS reopened FROM metric_tickets WHERE done_at IS NOT NULL;

CREATE VIEW metric_journey_contacts AS
    SELECT c.*, sum(CASE WHEN starts THEN 1 ELSE 0 END) OVER w AS journey, NOT starts AND channel <> before AS switched
    FROM (SELECT k.*, lag(channel) OVER o AS before,
            lag(at) OVER o IS NULL OR at - lag(at) OVER o > interval '7 days' AS starts
        FROM metric_contacts k WHERE customer_id IS NOT NULL WINDOW o AS (PARTITION BY customer_id ORDER BY at, source, source_id)) c
    WINDOW w AS (PARTITION BY customer_id ORDER BY at, source, source_id ROWS UNBOUNDED PRECEDING);

CREATE VIEW metric_journeys AS
    SELECT j.customer_id, j.journey, min(j.at) AS started, max(j.at) AS ended, count(*) AS contacts, count(DISTINCT j.channel) AS channels,
        count(*) FILTER (WHERE j.switched) AS switches, count(DISTINCT j.ticket_id) AS tickets,
        CASE WHEN count(j.ticket_id) > 0 AND bool_and(t.status IN {DONE} AND t.done_at IS NOT NULL) FILTER (WHERE j.ticket_id IS NOT NULL)
            THEN max(t.done_at) END AS resolved_at
    FROM metric_journey_contacts j LEFT JOIN metric_tickets t ON t.ticket_id = j.ticket_id GROUP BY 1, 2;

{REPEATS}
CREATE VIEW metric_channel_preference AS
    SELECT DISTINCT ON (customer_id) customer_id, channel, contacts FROM (
        SELECT customer_id, channel, count(*) AS contacts, max(at) AS last FROM metric_contacts WHERE customer_id IS NOT NULL GROUP BY 1, 2) c
    ORDER BY customer_id, contacts DESC, last DESC, channel;

CREATE VIEW metric_surveys AS
    SELECT s.id, s.survey, s.kind, s.ticket_id, t.team, s.asked_at, s.answered_at, s.score FROM surveys s JOIN tickets t ON t.id = s.ticket_id;

CREATE VIEW metric_retention AS
    SELECT a.month, count(*) AS active, count(b.customer_id) AS returned
    FROM (SELECT DISTINCT customer_id, date_trunc('month', at AT TIME ZONE 'UTC') AS month FROM metric_activity) a
    LEFT JOIN (SELECT DISTINCT customer_id, date_trunc('month', at AT TIME ZONE 'UTC') AS month FROM metric_activity) b
        ON b.customer_id = a.customer_id AND b.month = a.month + interval '1 month' GROUP BY 1;

CREATE VIEW metric_open_spans AS
    SELECT ticket_id, since, until FROM (
        SELECT ticket_id, at AS since, lead(at) OVER (PARTITION BY ticket_id ORDER BY at, id) AS until, is_open FROM (
            SELECT t.ticket_id, t.opened_at AS at, 0 AS id, true AS is_open FROM metric_tickets t
            UNION ALL SELECT v.ticket_id, v.at, v.id, v.became NOT IN {DONE} FROM metric_moves v JOIN metric_tickets t ON t.ticket_id = v.ticket_id
                WHERE (v.became IN {DONE}) <> (v.was IN {DONE})) s) p WHERE is_open;

CREATE VIEW metric_backlog AS
    SELECT d.day, count(s.ticket_id) AS open FROM (
        SELECT generate_series(date_trunc('day', min(opened_at) AT TIME ZONE 'UTC'), date_trunc('day', now() AT TIME ZONE 'UTC'),
            interval '1 day') AS day FROM metric_tickets) d
    LEFT JOIN metric_open_spans s ON s.since < (d.day + interval '1 day') AT TIME ZONE 'UTC'
        AND (s.until IS NULL OR s.until >= (d.day + interval '1 day') AT TIME ZONE 'UTC') GROUP BY 1;

CREATE VIEW metric_arrivals AS
    SELECT date_bin('15 minutes', at, TIMESTAMPTZ '2000-01-01 00:00:00+00') AS slot, channel, count(*) AS contacts FROM metric_contacts GROUP BY 1, 2;

CREATE VIEW metric_automatic AS
    SELECT ticket_id, opened_at, platform, topic, CASE WHEN replied OR resolved_once THEN 'right'
        WHEN status IN ('muted', 'closed') THEN 'wrong' END AS judged
    FROM metric_tickets WHERE automatic;
"""  # noqa: S608 our own words
