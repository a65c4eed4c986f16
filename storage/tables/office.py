"""What the console and the API keep: tokens, preferences, idempotency keys, event webhooks."""

from sqlalchemy import BigInteger, Column, ForeignKey, LargeBinary, Table, Text

from storage.tables.base import TS, at_, metadata

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
