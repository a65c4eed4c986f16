"""The ledger's tables. Their words are DESIGN.md's; migrations/versions/0001 is this page, frozen as SQL.

Hot tables (mentions, sightings, digests, verdicts, links, entries, outbox) carry no foreign keys: a check per row costs more than the
row, and `earmark reconcile` proves what the keys would promise, from both sides. `run_id` and `page_id` name the transaction that
wrote a row; `runs` and `page_counters` hold what that transaction says it wrote, as counts and sums of ids.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Sequence,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from storage.tables.base import TS, at_, id_, int_, metadata, sum_, text_

# --- what is in force, and who works -------------------------------------------------------------------------------
meta = Table("meta", metadata, Column("key", Text, primary_key=True), text_("value"))

configurations = Table(
    "configurations",
    metadata,
    id_(),
    Column("hash", Text, nullable=False),
    Column("document", JSONB, nullable=False),
    Column("complaints", Text),  # NULL: accepted and in force from `at`; otherwise why it was refused
    at_(),
)

workers = Table(
    "workers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),  # worker, scheduler, console
    text_("host"),
    int_("pid"),
    text_("version"),
    int_("digest_threads"),
    Column("lock", BigInteger, nullable=False),  # advisory lock its session holds: free means the process is gone
    Column("leader", Boolean, nullable=False, server_default=text("false")),
    at_("started_at"),
    at_("seen_at"),
)

# --- reading -------------------------------------------------------------------------------------------------------
channels = Table(
    "channels",
    metadata,
    id_(),
    Column("name", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    text_("platform"),
    text_("schedule"),  # "every 60" or "cron 0 6 * * * UTC"; a changed text restarts the clock
    text_("spec"),  # hash of what is read (query, target): a change resets the baseline
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("paused_at", TS),
    Column("next_due", TS),
    Column("wanted_at", TS),  # a poll is owed since then
    Column("not_before", TS),  # the platform asked us to wait
    Column("state", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("state_version", BigInteger, nullable=False, server_default=text("0")),
    Column("lease", Uuid),
    Column("lease_until", TS),
    Column("worker", Text),
    Column("seq", BigInteger, nullable=False, server_default=text("0")),  # pages so far; page_counters.seq runs 1..seq
    sum_("page_sum"),  # of page ids
    int_("failures"),
    Column("error", Text),
    Column("error_kind", Text),
    Column("advice", Text),
    Column("error_at", TS),
    Column("last_poll_at", TS),
    Column("last_success_at", TS),
    Column("last_item_at", TS),
    Column("observed", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    at_("since"),  # what happened before is backfill: it never raises a flag
)

page_counters = Table(
    "page_counters",
    metadata,
    id_(),
    Column("channel_id", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    at_(),
    text_("outcome", "page"),  # page, cut (incomplete), failed
    int_("returned"),
    int_("new"),
    int_("edited"),
    int_("deleted"),
    int_("known"),
    int_("not_matching"),
    int_("suppressed"),
    int_("rejected"),
    int_("sightings"),
    int_("gaps"),
    sum_("mention_sum"),  # of storage.keys.mention_proof
    sum_("sighting_sum"),  # of mention ids
    sum_("reject_sum"),  # of storage.keys.reject_proof
    sum_("gap_sum"),  # of gap ids
    int_("bytes"),
    int_("ms"),
    Column("detail", Text),
    UniqueConstraint("channel_id", "seq"),
)

mentions = Table(
    "mentions",
    metadata,
    id_(cache=50),
    Column("platform", Text, nullable=False),
    text_("origin"),
    Column("native_id", Text, nullable=False),  # hashed when over 200 bytes
    Column("kind", Text, nullable=False),
    Column("url", Text),
    text_("name"),
    text_("content"),
    Column("language_hint", Text),
    Column("published", TS, nullable=False),
    Column("published_raw", Text),
    Column("updated", TS),
    Column("in_reply_to", Text),
    text_("context"),
    Column("author_id", Text),
    Column("author_handle", Text),
    Column("author_name", Text),
    Column("author_url", Text),
    Column("followers", BigInteger),
    Column("rating", Float),
    Column("rating_best", Float),
    Column("rating_worst", Float),
    Column("repost_of", Text),
    Column("metrics", Text),  # JSON
    Column("flags", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("content_hash", BigInteger, nullable=False),
    int_("version", 1),
    Column("page_id", BigInteger, nullable=False),
    at_("first_seen"),
    Column("deleted_at", TS),
    UniqueConstraint("native_id", "platform", "origin", name="mentions_key"),
)
Index(
    "mentions_published",
    mentions.c.published,
    postgresql_using="brin",
    postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
)  # windows of time: by pages of the table, since posts come about when they were published
# Beside the unique key no index begins with the platform: the planner would read all of a platform to find a few ids.
Index("mentions_author", mentions.c.author_id, mentions.c.platform)
Index("mentions_reposts", mentions.c.repost_of, postgresql_where=text("repost_of IS NOT NULL"))

sightings = Table(
    "sightings",
    metadata,
    Column("mention_id", BigInteger, primary_key=True, autoincrement=False),
    Column("channel_id", BigInteger, primary_key=True, autoincrement=False),
    Column("topics", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("page_id", BigInteger, nullable=False),
    at_("first_seen"),
)

versions = Table(  # what an edit replaced
    "versions",
    metadata,
    Column("mention_id", BigInteger, primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    text_("name"),
    text_("content"),
    Column("rating", Float),
    Column("content_hash", BigInteger, nullable=False),
    Column("page_id", BigInteger, nullable=False),
    at_("replaced_at"),
)

payloads = Table(
    "payloads",
    metadata,
    Column("mention_id", BigInteger, primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),
    at_("stored_at"),
)
Index("payloads_age", payloads.c.stored_at, postgresql_using="brin", postgresql_with={"autosummarize": "on"})

rejects = Table(
    "rejects",
    metadata,
    id_(),
    Column("channel_id", BigInteger, nullable=False),
    Column("page_id", BigInteger, nullable=False),
    Column("item_hash", LargeBinary, nullable=False),
    Column("native_id", Text),
    Column("reason", Text, nullable=False),
    Column("payload", Text, nullable=False),
    at_(),
    Column("state", Text, nullable=False, server_default=text("'open'")),  # open, dropped, stored (after a retry)
    UniqueConstraint("channel_id", "item_hash"),
)

gaps = Table(
    "gaps",
    metadata,
    id_(),
    Column("channel_id", BigInteger, nullable=False),
    Column("page_id", BigInteger, nullable=False),
    Column("since", TS),
    Column("until", TS),  # NULL: still open
    Column("reason", Text, nullable=False),
    at_("noticed_at"),
    Column("filled_at", TS),
)

hooks = Table(  # what was pushed to us and waits for its channel's next poll; then its body goes and its ids stay
    "hooks",
    metadata,
    id_(),
    Column("channel_id", BigInteger, nullable=False),
    Column("proof", LargeBinary, nullable=False),  # of this very delivery: a second one is a replay
    Column("event", Text),  # the sender's id of what happened: a second one is the same news
    text_("body"),  # JSON as it was signed
    at_(),
    UniqueConstraint("channel_id", "proof"),
    UniqueConstraint("channel_id", "event"),
)
Index("hooks_waiting", hooks.c.channel_id, hooks.c.id, postgresql_where=text("body <> ''"))

suppressions = Table(
    "suppressions",
    metadata,
    Column("hash", LargeBinary, primary_key=True),  # HMAC of (kind, platform, origin, id), our secret
    Column("kind", Text, nullable=False),
    text_("reason"),
    at_(),
    int_("hits"),
)

# --- judging -------------------------------------------------------------------------------------------------------
digests = Table(  # the work queue: what is in it is pending
    "digests",
    metadata,
    Column("mention_id", BigInteger, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
    at_("due"),
    Column("lease", Uuid),
    Column("lease_until", TS),
    Column("worker", Text),
    Column("error", Text),
    at_("queued_at"),
)

verdicts = Table(
    "verdicts",
    metadata,
    Column("mention_id", BigInteger, primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("intent", Text, nullable=False),
    Column("priority", Text, nullable=False),
    text_("team"),
    text_("topic"),
    text_("language"),
    Column("label", Text, nullable=False),
    Column("compound", Float),
    Column("scorer", Text, nullable=False),
    Column("identity_id", BigInteger),
    Column("run_id", BigInteger, nullable=False),
    at_("decided_at"),
    Column("corrected", Text),  # a person's outcome; the verdict itself stays
)
Index(
    "verdicts_run", verdicts.c.run_id, postgresql_using="brin", postgresql_with={"pages_per_range": 16}
)  # for the watch step
Index("verdicts_review", verdicts.c.decided_at, postgresql_where=text("outcome = 'review' AND corrected IS NULL"))

receipts = Table(
    "receipts",
    metadata,
    Column("mention_id", BigInteger, primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),  # JSON: rule, tokens, scores, thresholds, versions, counterfactual, reasons
    Column("counted", Text),  # JSON: what this version added to `counts`
)

counts = Table(  # per minute of publication
    "counts",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("platform", Text, primary_key=True),
    Column("measure", Text, primary_key=True),  # all, negative, reposts; :before = backfill
    Column("minute", TS, primary_key=True),
    int_("n"),
)
Index("counts_minute", counts.c.minute)

runs = Table(  # one row per transaction that filed something, written from what it meant to write
    "runs",
    metadata,
    id_(),
    Column("kind", Text, nullable=False),  # digest, watch, console, command, erase, retention
    Column("worker", Text),
    at_(),
    int_("ms"),
    int_("verdicts"),
    int_("ticketed"),
    int_("in_review"),
    int_("ignored"),
    int_("tickets"),
    int_("links"),
    int_("entries"),
    int_("outbox"),
    int_("dead"),
    sum_("verdict_sum"),  # of mention ids + versions + identity ids
    sum_("ticket_sum"),  # of ticket ids
    sum_("link_sum"),  # of ticket ids + mention ids
    sum_("entry_sum"),  # of entry ids + ticket ids + mention ids + versions
    sum_("outbox_sum"),  # of outbox ids + ticket ids + entry ids + escalation ids
    Column("tallied", Boolean, nullable=False, server_default=text("false")),  # counted for dashboards
)
Index("runs_untallied", runs.c.id, postgresql_where=text("NOT tallied AND verdicts > 0"))

traces = Table(  # what an erasure or a retention purge took away, counted, so that both sides still agree
    "traces",
    metadata,
    id_(),
    Column("tbl", Text, nullable=False),
    Column("parent_id", BigInteger, nullable=False),  # the page or run whose rows they were
    int_("n"),
    sum_("key_sum"),
    text_("reason"),
    at_(),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    id_(),
    Column("kind", Text, nullable=False),  # digest, outbox
    Column("ref_id", BigInteger, nullable=False),
    int_("version"),
    Column("reason", Text, nullable=False),
    Column("error", Text),
    at_(),
    Column("state", Text, nullable=False, server_default=text("'open'")),  # open, retried, dropped
    Column("closed_at", TS),
    Column("closed_by", Text),
)
Index("dead_letters_ref", dead_letters.c.kind, dead_letters.c.ref_id)

# --- people and tickets --------------------------------------------------------------------------------------------
customers = Table(
    "customers",
    metadata,
    id_(cache=20),
    text_("name"),
    text_("tier"),
    Column("vip", Boolean, nullable=False, server_default=text("false")),
    Column("attributes", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    text_("source"),
    at_("created_at"),
    Column("merged_into", BigInteger),  # who this turned out to be: such a row holds nothing and waits for an un-merge
)
Index("customers_merged", customers.c.merged_into, postgresql_where=text("merged_into IS NOT NULL"))

identities = Table(
    "identities",
    metadata,
    id_(cache=20),
    Column("kind", Text, nullable=False),  # account, email, phone, number (of a customer), order
    text_("platform"),
    text_("origin"),
    Column("native_id", Text, nullable=False),  # normal form; "@handle" where only that is known
    text_("handle"),
    text_("name"),
    Column("url", Text),
    Column("followers", BigInteger),
    text_("source"),
    at_("first_seen"),
    text_("mark"),  # shared, junk, bot: nobody is linked or proposed by it
    UniqueConstraint("native_id", "kind", "platform", "origin", name="identities_key"),
)
Index("identities_handle", text("lower(handle)"), identities.c.platform)

customer_identities = Table(
    "customer_identities",
    metadata,
    Column("identity_id", BigInteger, primary_key=True, autoincrement=False),
    Column("customer_id", BigInteger, nullable=False, index=True),
    Column("evidence", Text, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("source", Text, nullable=False),  # author, import, person
    Column("verified", Boolean, nullable=False, server_default=text("false")),
    at_("linked_at"),
)

ticket_number = Sequence("ticket_number", metadata=metadata)

tickets = Table(
    "tickets",
    metadata,
    id_(cache=20),
    Column("number", BigInteger, nullable=False, unique=True),
    Column("customer_id", BigInteger),
    text_("subject"),
    text_("status", "new"),  # domain/lifecycle.py
    text_("priority", "normal"),
    text_("team"),
    Column("assignee_id", BigInteger),
    text_("intent"),
    text_("topic"),
    text_("platform"),
    text_("label"),
    Column("targets", ARRAY(Text), nullable=False, server_default=text("'{}'")),  # desks that are owed this ticket
    at_("opened_at"),
    at_("updated_at"),
    Column("first_due", TS),
    Column("resolve_due", TS),
    Column("first_at", TS),
    Column("resolved_at", TS),
    Column("breached_first", TS),
    Column("breached_resolve", TS),
    int_("version", 1),
    Column("run_id", BigInteger, nullable=False),
    Column("parent_id", BigInteger),
    Column("merged_into", BigInteger),
    Column("watchers", ARRAY(BigInteger), nullable=False, server_default=text("'{}'")),
    Column("tags", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("fields", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("snoozed_until", TS),
    Column("claimed_by", BigInteger),
    Column("claimed_until", TS),
    Column("hand_back_at", TS),  # given out by routing and not touched since
    Column("next_due", TS),  # first_due, next_due, resolve_due, breached_* and sla_at are computed from the entries
    Column("breached_next", TS),
    Column("sla_at", TS),  # when a clock has something to say
)
Index("tickets_customer", tickets.c.customer_id)
Index("tickets_parent", tickets.c.parent_id, postgresql_where=text("parent_id IS NOT NULL"))
Index(  # open incidents, whose topic gathers children
    "tickets_incident",
    tickets.c.topic,
    postgresql_where=text("tags @> ARRAY['incident'] AND status NOT IN ('resolved', 'closed')"),
)
Index("tickets_merged", tickets.c.merged_into, postgresql_where=text("merged_into IS NOT NULL"))
Index("tickets_sla", tickets.c.sla_at, postgresql_where=text("sla_at IS NOT NULL"))
Index("tickets_hand_back", tickets.c.hand_back_at, postgresql_where=text("hand_back_at IS NOT NULL"))
Index("tickets_snoozed", tickets.c.snoozed_until, postgresql_where=text("snoozed_until IS NOT NULL"))
Index("tickets_assignee", tickets.c.assignee_id, postgresql_where=text("status NOT IN ('resolved', 'closed')"))
Index("tickets_open", tickets.c.first_due, postgresql_where=text("status NOT IN ('resolved', 'closed')"))
Index("tickets_opened", tickets.c.opened_at)

ticket_conversations = Table(  # one open ticket per customer and conversation
    "ticket_conversations",
    metadata,
    Column("ticket_id", BigInteger, nullable=False),
    Column("customer_id", BigInteger),
    Column("conversation", Text, nullable=False),
    Column("open", Boolean, nullable=False, server_default=text("true")),
    at_("linked_at"),
    Column(
        "yields", Boolean, nullable=False, server_default=text("false")
    ),  # split off: another ticket gets what comes
    UniqueConstraint("ticket_id", "conversation"),
)
Index(
    "ticket_conversations_open",
    ticket_conversations.c.conversation,
    ticket_conversations.c.customer_id,
    unique=True,
    postgresql_where=text("open"),
    postgresql_nulls_not_distinct=True,
)
Index(  # where a conversation was held: a post soon after resolving reopens that ticket
    "ticket_conversations_shut", ticket_conversations.c.conversation, postgresql_where=text("NOT open")
)

ticket_mentions = Table(
    "ticket_mentions",
    metadata,
    Column("mention_id", BigInteger, primary_key=True, autoincrement=False),
    Column("ticket_id", BigInteger, nullable=False, index=True),
    Column("run_id", BigInteger, nullable=False),
)

entries = Table(
    "entries",
    metadata,
    id_(cache=50),
    Column("ticket_id", BigInteger, nullable=False, index=True),
    Column(
        "kind", Text, nullable=False
    ),  # mention, edit, deleted, note, reply, status, system, and storage/entries.py's
    Column("mention_id", BigInteger),
    Column("version", Integer),
    Column("user_id", BigInteger),
    text_("body"),
    Column("remote_key", Text, unique=True),  # the desk's own id of what came from it
    Column("run_id", BigInteger, nullable=False),
    at_(),
    Column("detail", JSONB),  # what changed, for machines: {"status": ["new", "open"]}
)
Index(
    "entries_reopened",
    entries.c.ticket_id,
    postgresql_where=text(
        "detail #>> '{status,0}' IN ('resolved', 'closed') AND detail #>> '{status,1}' NOT IN ('resolved', 'closed')"
    ),
)

# --- escalations ---------------------------------------------------------------------------------------------------
escalations = Table(
    "escalations",
    metadata,
    id_(),
    Column("rule", Text, nullable=False),
    Column("series", Text, nullable=False),
    Column("window_start", TS, nullable=False),
    Column("kind", Text, nullable=False, server_default=text("'spike'")),
    Column("state", Text, nullable=False, server_default=text("'open'")),  # open, closed
    int_("severity", 1),
    Column("peak", Float, nullable=False, server_default=text("0")),
    Column("evidence", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    at_("opened_at"),
    at_("updated_at"),
    Column("closed_at", TS),
    Column("run_id", BigInteger, nullable=False),
    Column("acked_at", TS),
    text_("acked_by"),
    Column("snoozed_until", TS),
    Column("judgement", Text),  # useful, noise, late
    text_("judged_by"),
    Column("judged_at", TS),
    Column("incident_id", BigInteger),
    int_("scale", 10),  # minutes that were summed when it opened
    UniqueConstraint("rule", "series", "window_start"),
)

# --- what we owe the outside world ---------------------------------------------------------------------------------
outbox = Table(
    "outbox",
    metadata,
    id_(cache=50),
    Column("target", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False, unique=True),
    Column("ticket_id", BigInteger),
    Column("entry_id", BigInteger),
    Column("escalation_id", BigInteger),
    Column("notice", Text, nullable=False),  # JSON body of the Notice
    Column("request", Text),  # rendered before the first call, replayed to the letter
    text_("state", "new"),  # new, sending, retry, unknown, done, dead, blocked
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
    at_("due"),
    Column("lease", Uuid),
    Column("lease_until", TS),
    Column("worker", Text),
    Column("remote_id", Text),
    Column("error", Text),
    Column("run_id", BigInteger, nullable=False),
    at_("created_at"),
    Column("done_at", TS),
)
Index("outbox_due", outbox.c.target, outbox.c.due, outbox.c.id, postgresql_where=text("state NOT IN ('done', 'dead')"))
Index("outbox_sending", outbox.c.target, outbox.c.lease_until, postgresql_where=text("state = 'sending'"))
Index("outbox_ticket", outbox.c.ticket_id, outbox.c.target)
Index("outbox_flag", outbox.c.escalation_id, outbox.c.target, postgresql_where=text("escalation_id IS NOT NULL"))

attempts = Table(
    "attempts",
    metadata,
    id_(),
    Column("outbox_id", BigInteger, nullable=False, index=True),
    int_("n"),
    at_(),
    Column("ended_at", TS),
    text_("outcome", "started"),  # started, done, found, retry, unknown, refused, blocked, lost
    Column("status", Integer),
    Column("detail", Text),
)

desk_links = Table(
    "desk_links",
    metadata,
    Column("ticket_id", BigInteger, primary_key=True, autoincrement=False),
    Column("target", Text, primary_key=True),
    Column("remote_id", Text, nullable=False),
    Column("url", Text),
    at_(),
    Column("version", BigInteger, nullable=False, server_default=text("0")),  # what we sent there counts it up
    Column("wanted_at", TS),  # the desk's side may have changed since
    Column("lease", Uuid),
    Column("lease_until", TS),
    Column("read_at", TS),
    int_("failures"),
    Column("missing_at", TS),  # when it was first not found there
    Column("broken_at", TS),  # it is gone for good
)
Index("desk_links_remote", desk_links.c.target, desk_links.c.remote_id)
Index("desk_links_wanted", desk_links.c.target, desk_links.c.wanted_at, postgresql_where=text("wanted_at IS NOT NULL"))

targets = Table(  # desks and alert routes, with the breaker all workers share
    "targets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    int_("failures"),
    Column("open_until", TS),  # breaker: no call before
    Column("blocked", Text),  # a person must act (401, 403): why
    Column("last_success_at", TS),
    Column("error", Text),
)

# --- who looks, and what was done ----------------------------------------------------------------------------------
users = Table(
    "users",
    metadata,
    id_(),
    Column("email", Text, nullable=False, unique=True),
    text_("name"),
    Column("role", Text, nullable=False),  # viewer, agent, lead, admin, auditor
    Column("password", Text, nullable=False),  # argon2id
    Column("disabled_at", TS),
    at_("created_at"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("hash", LargeBinary, primary_key=True),  # sha256 of the cookie's value
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("csrf", Text, nullable=False),
    at_("created_at"),
    at_("seen_at"),
    Column("expires_at", TS, nullable=False),
)

login_attempts = Table(
    "login_attempts",
    metadata,
    id_(),
    Column("subject", LargeBinary, nullable=False, index=True),  # keyed hash of the account or the address
    at_(),
)

audit = Table(  # append only (a trigger refuses the rest), chained by hash, ids only
    "audit",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("at", TS, nullable=False),
    Column("actor", Text, nullable=False),  # user:3, command, scheduler
    Column("action", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("detail", Text, nullable=False),  # canonical JSON, ids and codes only
    Column("previous", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

audit_head = Table(  # the last link, kept apart, so that cutting the tail is seen
    "audit_head",
    metadata,
    Column("one", Boolean, primary_key=True, server_default=text("true")),
    Column("id", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)
