"""The ledger's tables. Their words are DESIGN.md's; migrations/versions/0001 is this page, frozen as SQL.

Hot tables (mentions, sightings, digests, verdicts, links, entries, outbox) carry no foreign keys: a check per row costs more than the
row, and `earmark reconcile` proves what the keys would promise, from both sides. `run_id` and `page_id` name the transaction that
wrote a row; `runs` and `page_counters` hold what that transaction says it wrote, as counts and sums of ids.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Sequence,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData()
TS = DateTime(timezone=True)
NOW = text("now()")


def _id(cache: int = 1) -> Column[int]:
    return Column("id", BigInteger, Identity(always=False, cache=cache), primary_key=True)


def _text(name: str, default: str = "") -> Column[str]:
    return Column(name, Text, nullable=False, server_default=text(f"'{default}'"))


def _int(name: str, default: int = 0) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=text(str(default)))


def _sum(name: str) -> Column[int]:
    return Column(name, Numeric(38, 0), nullable=False, server_default=text("0"))


def _at(name: str = "at") -> Column:
    return Column(name, TS, nullable=False, server_default=NOW)


# --- what is in force, and who works -------------------------------------------------------------------------------
meta = Table("meta", metadata, Column("key", Text, primary_key=True), _text("value"))

configurations = Table(
    "configurations",
    metadata,
    _id(),
    Column("hash", Text, nullable=False),
    Column("document", JSONB, nullable=False),
    Column("complaints", Text),  # NULL: accepted and in force from `at`; otherwise why it was refused
    _at(),
)

workers = Table(
    "workers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),  # worker, scheduler, console
    _text("host"),
    _int("pid"),
    _text("version"),
    _int("digest_threads"),
    Column("lock", BigInteger, nullable=False),  # advisory lock its session holds: free means the process is gone
    Column("leader", Boolean, nullable=False, server_default=text("false")),
    _at("started_at"),
    _at("seen_at"),
)

# --- reading -------------------------------------------------------------------------------------------------------
channels = Table(
    "channels",
    metadata,
    _id(),
    Column("name", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    _text("platform"),
    _text("schedule"),  # "every 60" or "cron 0 6 * * * UTC"; a changed text restarts the clock
    _text("spec"),  # hash of what is read (query, target): a change resets the baseline
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
    _sum("page_sum"),  # of page ids
    _int("failures"),
    Column("error", Text),
    Column("error_kind", Text),
    Column("advice", Text),
    Column("error_at", TS),
    Column("last_poll_at", TS),
    Column("last_success_at", TS),
    Column("last_item_at", TS),
    Column("observed", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    _at("since"),  # what happened before is backfill: it never raises a flag
)

page_counters = Table(
    "page_counters",
    metadata,
    _id(),
    Column("channel_id", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    _at(),
    _text("outcome", "page"),  # page, cut (incomplete), failed
    _int("returned"),
    _int("new"),
    _int("edited"),
    _int("deleted"),
    _int("known"),
    _int("not_matching"),
    _int("suppressed"),
    _int("rejected"),
    _int("sightings"),
    _int("gaps"),
    _sum("mention_sum"),  # of storage.keys.mention_proof
    _sum("sighting_sum"),  # of mention ids
    _sum("reject_sum"),  # of storage.keys.reject_proof
    _sum("gap_sum"),  # of gap ids
    _int("bytes"),
    _int("ms"),
    Column("detail", Text),
    UniqueConstraint("channel_id", "seq"),
)

mentions = Table(
    "mentions",
    metadata,
    _id(cache=50),
    Column("platform", Text, nullable=False),
    _text("origin"),
    Column("native_id", Text, nullable=False),  # hashed when over 200 bytes
    Column("kind", Text, nullable=False),
    Column("url", Text),
    _text("name"),
    _text("content"),
    Column("language_hint", Text),
    Column("published", TS, nullable=False),
    Column("published_raw", Text),
    Column("updated", TS),
    Column("in_reply_to", Text),
    _text("context"),
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
    _int("version", 1),
    Column("page_id", BigInteger, nullable=False),
    _at("first_seen"),
    Column("deleted_at", TS),
    UniqueConstraint("platform", "origin", "native_id"),
)
# Beside the unique key no index begins with the platform: the planner would read all of a platform to find a few ids.
Index("mentions_author", mentions.c.author_id, mentions.c.platform)

sightings = Table(
    "sightings",
    metadata,
    Column("mention_id", BigInteger, primary_key=True, autoincrement=False),
    Column("channel_id", BigInteger, primary_key=True, autoincrement=False),
    Column("topics", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("page_id", BigInteger, nullable=False),
    _at("first_seen"),
)

versions = Table(  # what an edit replaced
    "versions",
    metadata,
    Column("mention_id", BigInteger, primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    _text("name"),
    _text("content"),
    Column("rating", Float),
    Column("content_hash", BigInteger, nullable=False),
    Column("page_id", BigInteger, nullable=False),
    _at("replaced_at"),
)

payloads = Table(
    "payloads",
    metadata,
    Column("mention_id", BigInteger, primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),
    _at("stored_at"),
)

rejects = Table(
    "rejects",
    metadata,
    _id(),
    Column("channel_id", BigInteger, nullable=False),
    Column("page_id", BigInteger, nullable=False),
    Column("item_hash", LargeBinary, nullable=False),
    Column("native_id", Text),
    Column("reason", Text, nullable=False),
    Column("payload", Text, nullable=False),
    _at(),
    Column("state", Text, nullable=False, server_default=text("'open'")),  # open, dropped, stored (after a retry)
    UniqueConstraint("channel_id", "item_hash"),
)

gaps = Table(
    "gaps",
    metadata,
    _id(),
    Column("channel_id", BigInteger, nullable=False),
    Column("page_id", BigInteger, nullable=False),
    Column("since", TS),
    Column("until", TS),  # NULL: still open
    Column("reason", Text, nullable=False),
    _at("noticed_at"),
    Column("filled_at", TS),
)

hooks = Table(  # what was pushed to us and waits for its channel's next poll; then its body goes and its ids stay
    "hooks",
    metadata,
    _id(),
    Column("channel_id", BigInteger, nullable=False),
    Column("proof", LargeBinary, nullable=False),  # of this very delivery: a second one is a replay
    Column("event", Text),  # the sender's id of what happened: a second one is the same news
    _text("body"),  # JSON as it was signed
    _at(),
    UniqueConstraint("channel_id", "proof"),
    UniqueConstraint("channel_id", "event"),
)
Index("hooks_waiting", hooks.c.channel_id, hooks.c.id, postgresql_where=text("body <> ''"))

suppressions = Table(
    "suppressions",
    metadata,
    Column("hash", LargeBinary, primary_key=True),  # HMAC of (kind, platform, origin, id), our secret
    Column("kind", Text, nullable=False),
    _text("reason"),
    _at(),
    _int("hits"),
)

# --- judging -------------------------------------------------------------------------------------------------------
digests = Table(  # the work queue: what is in it is pending
    "digests",
    metadata,
    Column("mention_id", BigInteger, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
    _at("due"),
    Column("lease", Uuid),
    Column("lease_until", TS),
    Column("worker", Text),
    Column("error", Text),
    _at("queued_at"),
)
Index("digests_suspect", digests.c.mention_id, postgresql_where=text("attempts >= 2"))

verdicts = Table(
    "verdicts",
    metadata,
    Column("mention_id", BigInteger, primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("intent", Text, nullable=False),
    Column("priority", Text, nullable=False),
    _text("team"),
    _text("topic"),
    _text("language"),
    Column("label", Text, nullable=False),
    Column("compound", Float),
    Column("scorer", Text, nullable=False),
    Column("identity_id", BigInteger),
    Column("run_id", BigInteger, nullable=False),
    _at("decided_at"),
    Column("corrected", Text),  # a person's outcome; the verdict itself stays
)
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
    _int("n"),
)
Index("counts_minute", counts.c.minute)

runs = Table(  # one row per transaction that filed something, written from what it meant to write
    "runs",
    metadata,
    _id(),
    Column("kind", Text, nullable=False),  # digest, watch, console, command, erase, retention
    Column("worker", Text),
    _at(),
    _int("ms"),
    _int("verdicts"),
    _int("ticketed"),
    _int("in_review"),
    _int("ignored"),
    _int("tickets"),
    _int("links"),
    _int("entries"),
    _int("outbox"),
    _int("dead"),
    _sum("verdict_sum"),  # of mention ids + versions + identity ids
    _sum("ticket_sum"),  # of ticket ids
    _sum("link_sum"),  # of ticket ids + mention ids
    _sum("entry_sum"),  # of entry ids + ticket ids + mention ids + versions
    _sum("outbox_sum"),  # of outbox ids + ticket ids + entry ids + escalation ids
)

traces = Table(  # what an erasure or a retention purge took away, counted, so that both sides still agree
    "traces",
    metadata,
    _id(),
    Column("tbl", Text, nullable=False),
    Column("parent_id", BigInteger, nullable=False),  # the page or run whose rows they were
    _int("n"),
    _sum("key_sum"),
    _text("reason"),
    _at(),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    _id(),
    Column("kind", Text, nullable=False),  # digest, outbox
    Column("ref_id", BigInteger, nullable=False),
    _int("version"),
    Column("reason", Text, nullable=False),
    Column("error", Text),
    _at(),
    Column("state", Text, nullable=False, server_default=text("'open'")),  # open, retried, dropped
    Column("closed_at", TS),
    Column("closed_by", Text),
)
Index("dead_letters_ref", dead_letters.c.kind, dead_letters.c.ref_id)

# --- people and tickets --------------------------------------------------------------------------------------------
customers = Table(
    "customers",
    metadata,
    _id(cache=20),
    _text("name"),
    _text("tier"),
    Column("vip", Boolean, nullable=False, server_default=text("false")),
    Column("attributes", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    _text("source"),
    _at("created_at"),
)

identities = Table(
    "identities",
    metadata,
    _id(cache=20),
    Column("kind", Text, nullable=False),  # account, email, phone, number
    _text("platform"),
    _text("origin"),
    Column("native_id", Text, nullable=False),  # normal form; "@handle" where only that is known
    _text("handle"),
    _text("name"),
    Column("url", Text),
    Column("followers", BigInteger),
    _text("source"),
    _at("first_seen"),
    UniqueConstraint("kind", "platform", "origin", "native_id"),
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
    _at("linked_at"),
)

ticket_number = Sequence("ticket_number", metadata=metadata)

tickets = Table(
    "tickets",
    metadata,
    _id(cache=20),
    Column("number", BigInteger, nullable=False, unique=True),
    Column("customer_id", BigInteger),
    _text("subject"),
    _text("status", "new"),  # new, open, pending, hold, resolved, closed
    _text("priority", "normal"),
    _text("team"),
    Column("assignee_id", BigInteger),
    _text("intent"),
    _text("topic"),
    _text("platform"),
    _text("label"),
    Column("targets", ARRAY(Text), nullable=False, server_default=text("'{}'")),  # desks that are owed this ticket
    _at("opened_at"),
    _at("updated_at"),
    Column("first_due", TS),
    Column("resolve_due", TS),
    Column("first_at", TS),
    Column("resolved_at", TS),
    Column("breached_first", TS),
    Column("breached_resolve", TS),
    _int("version", 1),
    Column("run_id", BigInteger, nullable=False),
)
Index("tickets_customer", tickets.c.customer_id)
Index("tickets_open", tickets.c.first_due, postgresql_where=text("status NOT IN ('resolved', 'closed')"))
Index("tickets_opened", tickets.c.opened_at)

ticket_conversations = Table(  # one open ticket per customer and conversation
    "ticket_conversations",
    metadata,
    Column("ticket_id", BigInteger, nullable=False),
    Column("customer_id", BigInteger),
    Column("conversation", Text, nullable=False),
    Column("open", Boolean, nullable=False, server_default=text("true")),
    _at("linked_at"),
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
    _id(cache=50),
    Column("ticket_id", BigInteger, nullable=False, index=True),
    Column("kind", Text, nullable=False),  # mention, edit, deleted, note, reply, status, system
    Column("mention_id", BigInteger),
    Column("version", Integer),
    Column("user_id", BigInteger),
    _text("body"),
    Column("remote_key", Text, unique=True),  # the desk's own id of what came from it
    Column("run_id", BigInteger, nullable=False),
    _at(),
)

# --- escalations ---------------------------------------------------------------------------------------------------
escalations = Table(
    "escalations",
    metadata,
    _id(),
    Column("rule", Text, nullable=False),
    Column("series", Text, nullable=False),
    Column("window_start", TS, nullable=False),
    Column("kind", Text, nullable=False, server_default=text("'spike'")),
    Column("state", Text, nullable=False, server_default=text("'open'")),  # open, closed
    _int("severity", 1),
    Column("peak", Float, nullable=False, server_default=text("0")),
    Column("evidence", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    _at("opened_at"),
    _at("updated_at"),
    Column("closed_at", TS),
    Column("run_id", BigInteger, nullable=False),
    UniqueConstraint("rule", "series", "window_start"),
)

# --- what we owe the outside world ---------------------------------------------------------------------------------
outbox = Table(
    "outbox",
    metadata,
    _id(cache=50),
    Column("target", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False, unique=True),
    Column("ticket_id", BigInteger),
    Column("entry_id", BigInteger),
    Column("escalation_id", BigInteger),
    Column("notice", Text, nullable=False),  # JSON body of the Notice
    Column("request", Text),  # rendered before the first call, replayed to the letter
    _text("state", "new"),  # new, sending, retry, unknown, done, dead, blocked
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
    _at("due"),
    Column("lease", Uuid),
    Column("lease_until", TS),
    Column("worker", Text),
    Column("remote_id", Text),
    Column("error", Text),
    Column("run_id", BigInteger, nullable=False),
    _at("created_at"),
    Column("done_at", TS),
)
Index("outbox_due", outbox.c.target, outbox.c.due, outbox.c.id, postgresql_where=text("state NOT IN ('done', 'dead')"))
Index("outbox_sending", outbox.c.target, outbox.c.lease_until, postgresql_where=text("state = 'sending'"))
Index("outbox_ticket", outbox.c.ticket_id, outbox.c.target)

attempts = Table(
    "attempts",
    metadata,
    _id(),
    Column("outbox_id", BigInteger, nullable=False, index=True),
    _int("n"),
    _at(),
    Column("ended_at", TS),
    _text("outcome", "started"),  # started, done, found, retry, unknown, refused, blocked, lost
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
    _at(),
)

targets = Table(  # desks and alert routes, with the breaker all workers share
    "targets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    _int("failures"),
    Column("open_until", TS),  # breaker: no call before
    Column("blocked", Text),  # a person must act (401, 403): why
    Column("last_success_at", TS),
    Column("error", Text),
)

# --- who looks, and what was done ----------------------------------------------------------------------------------
users = Table(
    "users",
    metadata,
    _id(),
    Column("email", Text, nullable=False, unique=True),
    _text("name"),
    Column("role", Text, nullable=False),  # viewer, agent, lead, admin, auditor
    Column("password", Text, nullable=False),  # argon2id
    Column("disabled_at", TS),
    _at("created_at"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("hash", LargeBinary, primary_key=True),  # sha256 of the cookie's value
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("csrf", Text, nullable=False),
    _at("created_at"),
    _at("seen_at"),
    Column("expires_at", TS, nullable=False),
)

login_attempts = Table(
    "login_attempts",
    metadata,
    _id(),
    Column("subject", LargeBinary, nullable=False, index=True),  # keyed hash of the account or the address
    _at(),
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
