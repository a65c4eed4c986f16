"""The lines of `earmark reconcile`: each a figure to read and one set-based query for what contradicts it.

A query yields rows of (tbl, parent, problem, difference). The two sides come from different tables, written by different statements:
rows on one side, on the other what their page or run says it wrote (plus the traces of what was taken away since).
"""

from dataclasses import dataclass

from storage.sums import COUNTED


@dataclass(frozen=True, slots=True)
class Proof:
    """One line. `figures` gives one row of named numbers; `findings` is empty when the line holds."""

    name: str
    findings: str
    figures: str = ""


def _written(table: str, parents: str, count: str, total: str, traces: str = "", where: str = "true") -> str:
    """Rows of a table against what their page or run says: how many, and the sum of their keys."""
    counted = COUNTED[table]
    noun = "page" if parents == "page_counters" else "run"
    summed = f"p.{total}" if total else "0"
    proof = counted.proof if total else "0"
    return f"""
    WITH held AS (
        SELECT parent, sum(n) AS n, sum(s) AS s FROM (
            SELECT t.{counted.parent} AS parent, count(*) AS n, sum({proof}) AS s FROM {table} t WHERE {where} GROUP BY 1
            UNION ALL SELECT parent_id, sum(n), {"sum(key_sum)" if total else "0"} FROM traces WHERE {traces or f"tbl = '{table}'"} GROUP BY 1
        ) both_sides GROUP BY 1
    )
    SELECT '{table}' AS tbl, '{noun} ' || coalesce(h.parent, p.id) AS parent,
        CASE WHEN p.id IS NULL THEN 'rows of a {noun} that does not exist'
            WHEN coalesce(h.n, 0) < p.{count} THEN 'rows are missing: the {noun} wrote ' || p.{count} || ', ' || coalesce(h.n, 0) || ' are there'
            WHEN h.n > p.{count} THEN 'rows too many: the {noun} wrote ' || p.{count} || ', ' || h.n || ' are there'
            ELSE 'as many rows as the {noun} wrote, but not the same keys' END AS problem,
        CASE WHEN coalesce(h.n, 0) <> coalesce(p.{count}, 0) THEN coalesce(h.n, 0) - coalesce(p.{count}, 0)
            ELSE coalesce(h.s, 0) - coalesce({summed}, 0) END AS difference
    FROM held h FULL JOIN {parents} p ON p.id = h.parent
    WHERE p.id IS NULL OR coalesce(h.n, 0) <> p.{count} OR coalesce(h.s, 0) <> {summed}"""  # noqa: S608 our own names


def _outcome(count: str, outcome: str) -> str:
    return _written("verdicts", "runs", count, "", f"tbl = 'verdicts.{outcome}'", f"t.outcome = '{outcome}'")


def _union(*queries: str) -> str:
    return "\nUNION ALL ".join(f"({query})" for query in queries)


def _channel(table: str, key: str) -> str:
    return f"""SELECT '{table}' AS tbl, 'page ' || t.page_id AS parent, '{key} ' || t.{key} || ' names another channel than its page' AS problem,
        t.channel_id - p.channel_id AS difference FROM {table} t JOIN page_counters p ON p.id = t.page_id
        WHERE t.channel_id <> p.channel_id"""  # noqa: S608 our own names


PAGES = Proof(
    "every item a page returned is accounted for",
    """SELECT 'page_counters' AS tbl, 'page ' || id AS parent, 'returned is not the sum of where its items went' AS problem,
        CAST(returned - (new + edited + deleted + known + not_matching + suppressed + rejected) AS numeric) AS difference
    FROM page_counters WHERE returned <> new + edited + deleted + known + not_matching + suppressed + rejected""",
    """SELECT sum(returned) AS returned, sum(new) AS new, sum(edited) AS edited, sum(deleted) AS deleted, sum(known) AS known,
        sum(not_matching) AS not_matching, sum(suppressed) AS suppressed, sum(rejected) AS rejected FROM page_counters""",
)

SEQUENCE = Proof(
    "every page of every channel is there",
    """SELECT 'page_counters' AS tbl, 'channel ' || coalesce(c.id, p.channel_id) AS parent,
        CASE WHEN c.id IS NULL THEN 'pages of a channel that does not exist'
            WHEN coalesce(p.n, 0) <> c.seq OR p.least <> 1 OR p.most <> c.seq THEN 'pages 1 to ' || c.seq || ' were read, '
                || coalesce(p.n, 0) || ' are there (' || coalesce(p.least, 0) || ' to ' || coalesce(p.most, 0) || ')'
            ELSE 'as many pages as were read, but not the same ids' END AS problem,
        CASE WHEN coalesce(p.n, 0) <> coalesce(c.seq, 0) THEN coalesce(p.n, 0) - coalesce(c.seq, 0)
            ELSE coalesce(p.s, 0) - coalesce(c.page_sum, 0) END AS difference
    FROM channels c FULL JOIN (SELECT channel_id, count(*) AS n, min(seq) AS least, max(seq) AS most, sum(id) AS s
        FROM page_counters GROUP BY 1) p ON p.channel_id = c.id
    WHERE c.id IS NULL OR coalesce(p.n, 0) <> c.seq OR p.least <> 1 OR p.most <> c.seq OR coalesce(p.s, 0) <> c.page_sum""",
    "SELECT count(*) AS channels, coalesce(sum(seq), 0) AS pages FROM channels",
)

STORED = Proof(
    "pages and what they stored agree",
    _union(
        _written("mentions", "page_counters", "new", "mention_sum"),
        _written("sightings", "page_counters", "sightings", "sighting_sum"),
        _written("rejects", "page_counters", "rejected", "reject_sum"),
        _written("gaps", "page_counters", "gaps", "gap_sum"),
        _channel("sightings", "mention_id"),
        _channel("rejects", "id"),
        _channel("gaps", "id"),
    ),
    """SELECT (SELECT count(*) FROM mentions) AS mentions, (SELECT count(*) FROM sightings) AS sightings,
        (SELECT count(*) FROM rejects) AS rejects, (SELECT coalesce(sum(n), 0) FROM traces WHERE tbl = 'mentions') AS erased""",
)

SEEN = Proof(
    "every mention was seen, and every sighting is of one",
    """SELECT CASE WHEN m.id IS NULL THEN 'sightings' ELSE 'mentions' END AS tbl, 'mention ' || coalesce(m.id, s.mention_id) AS parent,
        CASE WHEN m.id IS NULL THEN 'a sighting of a mention that does not exist' ELSE 'no channel has seen it' END AS problem,
        CAST(1 AS numeric) AS difference
    FROM mentions m FULL JOIN (SELECT DISTINCT mention_id FROM sightings) s ON s.mention_id = m.id
    WHERE m.id IS NULL OR s.mention_id IS NULL""",
)

DIGESTED = Proof(
    "mentions = digested + pending + dead",
    """WITH places AS (
        SELECT mention_id, version, 'verdicts' AS place FROM verdicts
        UNION ALL SELECT mention_id, version, 'digests' FROM digests
        UNION ALL SELECT ref_id, version, 'dead_letters' FROM dead_letters WHERE kind = 'digest' AND state <> 'retried'
    ), standing AS (
        SELECT m.id, count(p.place) AS n, string_agg(p.place, ', ' ORDER BY p.place) AS said FROM mentions m
        LEFT JOIN places p ON p.mention_id = m.id AND p.version = m.version GROUP BY m.id
    )
    SELECT 'mentions' AS tbl, 'mention ' || id AS parent, CASE WHEN n = 0 THEN 'its version is neither digested, pending nor dead'
        ELSE 'it is in more than one place: ' || said END AS problem, CAST(n - 1 AS numeric) AS difference FROM standing WHERE n <> 1
    UNION ALL
    SELECT p.place, 'mention ' || p.mention_id, CASE WHEN m.id IS NULL THEN 'a mention that does not exist'
        ELSE 'version ' || p.version || ' of a mention whose version is ' || m.version END, p.version - coalesce(m.version, 0)
    FROM places p LEFT JOIN mentions m ON m.id = p.mention_id
    WHERE (m.id IS NULL AND p.place <> 'dead_letters') OR (p.place = 'digests' AND p.version <> m.version)
        OR (p.place = 'verdicts' AND p.version NOT BETWEEN 1 AND m.version)
    UNION ALL
    SELECT 'dead_letters', 'dead letter ' || d.id, 'an open one for a mention that does not exist', 1 FROM dead_letters d
    LEFT JOIN mentions m ON m.id = d.ref_id WHERE d.kind = 'digest' AND d.state = 'open' AND m.id IS NULL""",
    """SELECT (SELECT count(*) FROM mentions) AS mentions,
        (SELECT count(*) FROM mentions m JOIN verdicts v ON v.mention_id = m.id AND v.version = m.version) AS digested,
        (SELECT count(*) FROM digests) AS pending,
        (SELECT count(*) FROM mentions m JOIN dead_letters d ON d.kind = 'digest' AND d.ref_id = m.id AND d.version = m.version
            AND d.state <> 'retried') AS dead""",
)

RUNS = Proof(
    "runs and what they filed agree",
    _union(
        _written("verdicts", "runs", "verdicts", "verdict_sum", "tbl LIKE 'verdicts.%'"),
        _outcome("ticketed", "ticket"),
        _outcome("in_review", "review"),
        _outcome("ignored", "ignore"),
        _written("tickets", "runs", "tickets", "ticket_sum"),
        _written("ticket_mentions", "runs", "links", "link_sum"),
        _written("entries", "runs", "entries", "entry_sum"),
        _written("outbox", "runs", "outbox", "outbox_sum"),
    ),
    "SELECT count(*) AS runs, sum(verdicts) AS verdicts, sum(tickets) AS tickets, sum(entries) AS entries FROM runs",
)

OUTCOMES = Proof(
    "digested = ticketed + in review + ignored with a reason",
    """SELECT 'verdicts' AS tbl, 'mention ' || mention_id AS parent, CASE WHEN reason = '' THEN 'no reason is given'
        ELSE 'its outcome is ' || outcome END AS problem, CAST(1 AS numeric) AS difference
    FROM verdicts WHERE reason = '' OR coalesce(corrected, outcome) NOT IN ('ticket', 'review', 'ignore')
        OR outcome NOT IN ('ticket', 'review', 'ignore')
    UNION ALL
    SELECT 'verdicts', 'mention ' || v.mention_id, 'its author is ' || i.platform || ' identity ' || i.id || ', not the writer of the post', 1
    FROM verdicts v JOIN mentions m ON m.id = v.mention_id AND m.author_id IS NOT NULL JOIN identities i ON i.id = v.identity_id
    WHERE (i.platform, i.origin) <> (m.platform, m.origin) OR i.native_id <> m.author_id
    UNION ALL
    SELECT 'verdicts', 'mention ' || v.mention_id, 'its author is an identity that does not exist', v.identity_id
    FROM verdicts v WHERE v.identity_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM identities i WHERE i.id = v.identity_id)
    UNION ALL
    SELECT 'verdicts', 'mention ' || m.id, 'it has an author, its verdict names none', 1
    FROM verdicts v JOIN mentions m ON m.id = v.mention_id AND m.version = v.version WHERE v.identity_id IS NULL AND m.author_id IS NOT NULL""",
    """SELECT count(*) AS digested, count(*) FILTER (WHERE coalesce(v.corrected, v.outcome) = 'ticket') AS ticketed,
        count(*) FILTER (WHERE coalesce(v.corrected, v.outcome) = 'review') AS in_review,
        count(*) FILTER (WHERE coalesce(v.corrected, v.outcome) = 'ignore' AND v.reason <> '') AS ignored
    FROM verdicts v JOIN mentions m ON m.id = v.mention_id AND m.version = v.version""",
)

FILED = Proof(
    "every ticketed mention is on a ticket, with its entry",
    """SELECT 'ticket_mentions' AS tbl, 'mention ' || v.mention_id AS parent, 'ticketed, and on no ticket' AS problem,
        CAST(-1 AS numeric) AS difference
    FROM verdicts v JOIN mentions m ON m.id = v.mention_id AND m.version = v.version
    LEFT JOIN ticket_mentions l ON l.mention_id = m.id WHERE coalesce(v.corrected, v.outcome) = 'ticket' AND l.mention_id IS NULL
    UNION ALL
    SELECT 'ticket_mentions', 'ticket ' || l.ticket_id, CASE WHEN t.id IS NULL THEN 'a link to a ticket that does not exist'
        WHEN m.id IS NULL THEN 'a link to mention ' || l.mention_id || ', which does not exist'
        WHEN v.mention_id IS NULL THEN 'mention ' || l.mention_id || ' is linked, no verdict says ticket'
        ELSE 'mention ' || l.mention_id || ' has ' || coalesce(e.n, 0) || ' entries of its arrival' END, coalesce(e.n, 0) - 1
    FROM ticket_mentions l LEFT JOIN tickets t ON t.id = l.ticket_id LEFT JOIN mentions m ON m.id = l.mention_id
    LEFT JOIN (SELECT DISTINCT mention_id FROM verdicts WHERE outcome = 'ticket' OR corrected = 'ticket') v ON v.mention_id = l.mention_id
    LEFT JOIN (SELECT ticket_id, mention_id, count(*) AS n FROM entries WHERE kind = 'mention' GROUP BY 1, 2) e
        ON e.ticket_id = l.ticket_id AND e.mention_id = l.mention_id
    WHERE t.id IS NULL OR m.id IS NULL OR v.mention_id IS NULL OR e.n IS DISTINCT FROM 1
    UNION ALL
    SELECT 'entries', 'ticket ' || e.ticket_id, CASE WHEN t.id IS NULL THEN 'an entry of a ticket that does not exist'
        WHEN e.mention_id IS NULL THEN 'entry ' || e.id || ' names no mention'
        ELSE 'entry ' || e.id || ' is about mention ' || e.mention_id || ', which is not on the ticket' END, 1
    FROM entries e LEFT JOIN tickets t ON t.id = e.ticket_id
    LEFT JOIN ticket_mentions l ON l.ticket_id = e.ticket_id AND l.mention_id = e.mention_id
    WHERE t.id IS NULL OR (e.kind IN ('mention', 'edit', 'deleted') AND l.mention_id IS NULL)""",
    "SELECT (SELECT count(*) FROM ticket_mentions) AS linked, (SELECT count(*) FROM entries) AS entries",
)

TICKETS = Proof(
    "every ticket has its mentions, its customer and its deliveries",
    """WITH made AS (SELECT t.*, r.kind IN ('console', 'command', 'incident') AS by_hand FROM tickets t LEFT JOIN runs r ON r.id = t.run_id),
    links AS (SELECT l.ticket_id, count(*) AS n, count(m.author_id) AS authors FROM ticket_mentions l
        LEFT JOIN mentions m ON m.id = l.mention_id GROUP BY 1),
    owed AS (SELECT t.id, x.target, count(*) AS n FROM tickets t CROSS JOIN LATERAL unnest(t.targets) AS x(target) GROUP BY 1, 2),
    creates AS (SELECT ticket_id AS id, target, count(*) AS n FROM outbox WHERE kind = 'ticket.create' AND error IS DISTINCT FROM 'erased'
        GROUP BY 1, 2)
    SELECT 'tickets' AS tbl, 'ticket ' || t.id AS parent, CASE
        WHEN l.n IS NULL AND NOT coalesce(t.by_hand, false) THEN 'it has no mention and was not made by hand'
        WHEN t.customer_id IS NULL THEN 'a mention of it has an author, the ticket has no customer'
        ELSE 'its customer ' || t.customer_id || ' does not exist' END AS problem, CAST(1 AS numeric) AS difference
    FROM made t LEFT JOIN links l ON l.ticket_id = t.id LEFT JOIN customers c ON c.id = t.customer_id
    WHERE (l.n IS NULL AND NOT coalesce(t.by_hand, false)) OR (l.authors > 0 AND t.customer_id IS NULL)
        OR (t.customer_id IS NOT NULL AND c.id IS NULL)
    UNION ALL
    SELECT 'outbox', 'ticket ' || coalesce(o.id, c.id), 'its creation is owed to ' || coalesce(o.target, c.target) || ' '
        || coalesce(o.n, 0) || ' times, there are ' || coalesce(c.n, 0), coalesce(c.n, 0) - coalesce(o.n, 0)
    FROM owed o FULL JOIN creates c ON c.id = o.id AND c.target = o.target WHERE o.n IS DISTINCT FROM c.n""",
    """SELECT count(*) AS tickets, count(customer_id) AS with_customer, (SELECT count(*) FROM outbox) AS owed,
        (SELECT count(*) FROM outbox WHERE state = 'done') AS delivered FROM tickets""",
)

CONVERSATIONS = Proof(
    "every ticket holds the conversations of its mentions",
    """WITH said AS (SELECT DISTINCT l.ticket_id, m.platform || '|' || m.origin || '|' || m.context AS conversation
        FROM ticket_mentions l JOIN mentions m ON m.id = l.mention_id)
    SELECT 'ticket_conversations' AS tbl, 'ticket ' || coalesce(c.ticket_id, s.ticket_id) AS parent,
        CASE WHEN c.ticket_id IS NULL THEN 'a mention of it belongs to a conversation it does not hold'
            WHEN s.ticket_id IS NULL THEN 'it holds a conversation none of its mentions belongs to' END AS problem,
        CAST(CASE WHEN c.ticket_id IS NULL THEN -1 ELSE 1 END AS numeric) AS difference
    FROM ticket_conversations c FULL JOIN said s ON s.ticket_id = c.ticket_id AND s.conversation = c.conversation
    WHERE c.ticket_id IS NULL OR (s.ticket_id IS NULL AND c.conversation NOT LIKE 'case:%' AND c.conversation NOT LIKE 'parent:%'
        AND NOT EXISTS (SELECT 1 FROM tickets m JOIN ticket_conversations o ON o.ticket_id = m.id
            WHERE m.merged_into = c.ticket_id AND o.conversation = c.conversation))
    UNION ALL
    SELECT 'ticket_conversations', 'ticket ' || c.ticket_id, CASE WHEN t.id IS NULL THEN 'the ticket does not exist'
        WHEN c.customer_id IS DISTINCT FROM t.customer_id THEN 'it names another customer than the ticket'
        ELSE 'it is ' || CASE WHEN c.open THEN 'open' ELSE 'closed' END || ', the ticket is ' || t.status END, 1
    FROM ticket_conversations c LEFT JOIN tickets t ON t.id = c.ticket_id
    WHERE t.id IS NULL OR c.customer_id IS DISTINCT FROM t.customer_id OR c.open <> (t.status NOT IN ('resolved', 'closed') AND NOT c.yields)
        AND (c.open OR c.conversation NOT LIKE 'case:%')""",
    "SELECT count(*) AS conversations, count(*) FILTER (WHERE open) AS open FROM ticket_conversations",
)

# A key says what its row is for, so a row that was moved no longer fits it; the sums of a run hold the ids.
OUTBOX = Proof(
    "every effect is what its key says, and has come to the end it claims",
    """WITH named AS (
        SELECT o.*, t.number, t.id AS found, e.id AS entry, f.id AS flag, CASE
            WHEN o.error = 'erased' THEN true
            WHEN o.kind = 'ticket.create' THEN o.key = 'em-' || t.number || '-' || o.target || '-create'
            WHEN o.kind = 'ticket.update' THEN o.key = 'em-u' || o.run_id || '-' || o.ticket_id || '-' || o.target
                OR o.key = 'em-e' || o.entry_id || 'u-' || o.target AND e.id IS NOT NULL
            WHEN o.kind LIKE 'ticket.%' THEN o.key = 'em-e' || o.entry_id || '-' || o.target AND e.id IS NOT NULL
            WHEN o.kind LIKE 'automation.%' THEN starts_with(o.key, 'em-a') AND right(o.key, length(o.target) + 1) = '-' || o.target
                AND EXISTS (SELECT 1 FROM automation_runs r WHERE r.id = CAST(substring(o.key FROM '^em-a([0-9]+)-') AS bigint))
            WHEN o.kind = 'survey.ask' THEN EXISTS (SELECT 1 FROM surveys s WHERE o.key = 'em-s' || s.id || '-' || o.target
                AND s.id = CAST(substring(o.key FROM '^em-s([0-9]+)-') AS bigint) AND s.ticket_id = o.ticket_id)
            WHEN o.kind = 'event' THEN o.key = 'em-ev' || (CAST(o.notice AS json) ->> 'sequence') || '-' || o.target
                AND NOT EXISTS (SELECT 1 FROM events v WHERE v.id = CAST(CAST(o.notice AS json) ->> 'sequence' AS bigint)
                    AND v.subject_id <> coalesce(o.ticket_id, o.escalation_id, v.subject_id))
            WHEN o.kind LIKE 'flag.%' THEN starts_with(o.key, 'em-f' || o.escalation_id || '-') AND f.id IS NOT NULL
                AND right(o.key, length(o.target) + 1) = '-' || o.target
            ELSE false END AS fits
        FROM outbox o LEFT JOIN tickets t ON t.id = o.ticket_id
        LEFT JOIN entries e ON e.id = o.entry_id AND (e.ticket_id = o.ticket_id OR e.detail -> 'from' @> to_jsonb(o.ticket_id))
        LEFT JOIN escalations f ON f.id = o.escalation_id
    )
    SELECT 'outbox' AS tbl, 'outbox ' || id AS parent, 'its key ' || key || ' does not fit its kind, target and ids' AS problem,
        CAST(1 AS numeric) AS difference FROM named WHERE fits IS NOT TRUE OR (ticket_id IS NOT NULL AND found IS NULL AND error <> 'erased')
    UNION ALL
    SELECT 'attempts', 'outbox ' || o.id, 'it is done without an attempt', -1 FROM outbox o
    WHERE o.state = 'done' AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.outbox_id = o.id)
        AND o.done_at >= coalesce((SELECT CAST(value AS timestamptz) FROM meta WHERE key = 'attempts_from'), '-infinity')
    UNION ALL
    SELECT 'dead_letters', 'outbox ' || o.id, 'it is dead without a dead letter', -1 FROM outbox o
    WHERE o.state = 'dead' AND NOT EXISTS (SELECT 1 FROM dead_letters d WHERE d.kind = 'outbox' AND d.ref_id = o.id AND d.state <> 'retried')
    UNION ALL
    SELECT 'desk_links', 'outbox ' || o.id, 'the ticket was created as ' || o.remote_id || ' there, no link remembers it', -1
    FROM outbox o WHERE o.kind = 'ticket.create' AND o.state = 'done' AND coalesce(o.remote_id, '') <> '' AND o.error IS DISTINCT FROM 'erased'
        AND NOT EXISTS (SELECT 1 FROM desk_links d WHERE d.ticket_id = o.ticket_id AND d.target = o.target)
    UNION ALL
    SELECT 'dead_letters', 'dead letter ' || d.id, 'an open one for an outbox row that is ' || coalesce(o.state, 'not there'), 1
    FROM dead_letters d LEFT JOIN outbox o ON o.id = d.ref_id WHERE d.kind = 'outbox' AND d.state = 'open' AND o.state IS DISTINCT FROM 'dead'""",
    """SELECT count(*) AS effects, count(*) FILTER (WHERE state = 'done') AS done, count(*) FILTER (WHERE state = 'dead') AS dead,
        count(*) FILTER (WHERE state NOT IN ('done', 'dead')) AS owed FROM outbox""",
)

PEOPLE = Proof(
    "every identity belongs to a customer that exists",
    """SELECT 'customer_identities' AS tbl, 'identity ' || l.identity_id AS parent, CASE WHEN i.id IS NULL THEN 'the identity does not exist'
        ELSE 'customer ' || l.customer_id || ' does not exist' END AS problem, CAST(1 AS numeric) AS difference
    FROM customer_identities l LEFT JOIN identities i ON i.id = l.identity_id LEFT JOIN customers c ON c.id = l.customer_id
    WHERE i.id IS NULL OR c.id IS NULL
    UNION ALL
    SELECT 'customers', 'customer ' || c.id, CASE WHEN m.id IS NULL THEN 'it is merged into ' || c.merged_into || ', no standing merge says so'
        ELSE 'it was merged away and still has identities or tickets' END, 1
    FROM customers c LEFT JOIN merges m ON m.loser_id = c.id AND m.winner_id = c.merged_into AND m.undone_at IS NULL
    WHERE c.merged_into IS NOT NULL AND (m.id IS NULL OR EXISTS (SELECT 1 FROM customer_identities l WHERE l.customer_id = c.id)
        OR EXISTS (SELECT 1 FROM tickets t WHERE t.customer_id = c.id))""",
    "SELECT (SELECT count(*) FROM customers) AS customers, (SELECT count(*) FROM identities) AS identities",
)

PROOFS = (PAGES, SEQUENCE, STORED, SEEN, DIGESTED, RUNS, OUTCOMES, FILED, TICKETS, CONVERSATIONS, OUTBOX, PEOPLE)
