"""Customers: proposals, merges, interactions."""

from alembic import op

revision = "0004"
down_revision = "0003"

TABLES = """
"""


def upgrade() -> None:
    if TABLES.strip():
        op.execute(TABLES)
