"""The console and the API: tokens, preferences, webhooks of events."""

from alembic import op

revision = "0007"
down_revision = "0006"

TABLES = """
"""


def upgrade() -> None:
    if TABLES.strip():
        op.execute(TABLES)
