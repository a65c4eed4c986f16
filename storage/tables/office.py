"""What the console and the API keep: tokens, preferences, idempotency keys, event webhooks."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY

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
