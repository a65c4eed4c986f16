"""What the console and the API keep: tokens, preferences, idempotency keys, event webhooks."""

from sqlalchemy import BigInteger, Column, ForeignKey, Table, Text

from storage.tables.base import at_, metadata

user_logins = Table(  # who a user is at an OpenID provider
    "user_logins",
    metadata,
    Column("issuer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    at_("linked_at"),
)
