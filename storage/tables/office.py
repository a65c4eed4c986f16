"""What the console and the API keep: tokens, preferences, idempotency keys, event webhooks."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, SmallInteger, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR

from storage.tables.base import TS, at_, id_, int_, metadata, text_

user_logins = Table(  # who a user is at an OpenID provider
    "user_logins",
    metadata,
    Column("issuer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    at_("linked_at"),
)

invitations = Table(  # by which somebody sets a password: one a user, used once
    "invitations",
    metadata,
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("expires_at", TS, nullable=False),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    id_(),
    Column("name", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False, unique=True),  # sha256 of the token, which is random and shown once
    Column("hint", Text, nullable=False),  # its last four characters
    Column("scopes", ARRAY(Text), nullable=False),
    text_("created_by"),
    at_("created_at"),
    Column("expires_at", TS, nullable=False),
    Column("revoked_at", TS),
    Column("used_at", TS),  # to the minute
    int_("per_minute", 600),  # requests
)

token_rates = (
    Table(  # requests of a token in its current minute; lost with a crash of the database, and nothing else is
        "token_rates",
        metadata,
        Column("token_id", BigInteger, primary_key=True, autoincrement=False),
        Column("minute", TS, nullable=False),
        Column("n", Integer, nullable=False),
        prefixes=["UNLOGGED"],
    )
)

object_scopes = Table(  # who sees only some teams' or topics' tickets: storage/scopes.py
    "object_scopes",
    metadata,
    Column("subject", Text, primary_key=True),  # user:3, token:5
    Column("teams", ARRAY(Text), nullable=False, server_default=text("'{}'")),  # empty: all
    Column("topics", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    text_("by"),
    at_(),
)

idempotency = Table(  # answers given to requests that carried a key, kept for a day
    "idempotency",
    metadata,
    Column("actor", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request", LargeBinary, nullable=False),  # hash of method, path and body
    Column("status", Integer),
    Column("answer", Text),
    at_(),
)
Index("idempotency_at", idempotency.c.at)

acts = Table(  # what a person did with one click, for a day: storage/acts.py takes it back
    "acts",
    metadata,
    id_(),
    Column("user_id", BigInteger, nullable=False),
    Column("what", Text, nullable=False),
    Column("entries", ARRAY(BigInteger), nullable=False),
    at_(),
    Column("undone_at", TS),
)
Index("acts_user", acts.c.user_id, acts.c.id, postgresql_where=text("undone_at IS NULL"))

drafts = Table(  # what a person has begun to write on a ticket: storage/drafts.py
    "drafts",
    metadata,
    Column("ticket_id", BigInteger, primary_key=True, autoincrement=False),
    Column("user_id", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, primary_key=True),  # note, reply
    Column("body", Text, nullable=False),
    at_(),
)

talk = Table(  # per hour of publication, for dashboards: storage/talk.py
    "talk",
    metadata,
    Column("hour", TS, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("platform", Text, primary_key=True),
    Column("label", Text, primary_key=True),  # negative, neutral, positive, unscored, repost
    Column("intent", Text, primary_key=True),
    int_("n"),
)

facets = Table(  # what can be filtered by, noted when it first comes: triggers on tickets, and the tally of talk
    "facets",
    metadata,
    Column("field", Text, primary_key=True),  # platform, topic, intent, team; talk.platform, talk.topic
    Column("value", Text, primary_key=True),
)

ticket_words = (
    Table(  # what tickets are searched by, a row per text; triggers of the migration keep it: storage/search.py
        "ticket_words",
        metadata,
        Column("ticket_id", BigInteger, primary_key=True, autoincrement=False),
        Column("source", Text, primary_key=True),  # subject, mention, entry
        Column("source_id", BigInteger, primary_key=True, autoincrement=False),
        Column("words", TSVECTOR, nullable=False),
    )
)
Index("ticket_words_words", ticket_words.c.words, postgresql_using="gin")

ticket_seen = Table(  # the time of the newest entry a user has had on their screen
    "ticket_seen",
    metadata,
    Column("user_id", BigInteger, primary_key=True, autoincrement=False),
    Column("ticket_id", BigInteger, primary_key=True, autoincrement=False),
    at_(),
)

errands = Table(  # what the console asked a worker to do: storage/errands.py
    "errands",
    metadata,
    id_(),
    Column("kind", Text, nullable=False),  # plan, reread
    Column("body", JSONB, nullable=False),
    text_("by"),
    at_(),
    Column("started_at", TS),
    Column("done_at", TS),
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
    Column("report", JSONB),
)
