"""Tickets: clocks, promises, views, automations."""

from alembic import op

revision = "0005"
down_revision = "0004"

TABLES = """
"""


def upgrade() -> None:
    if TABLES.strip():
        op.execute(TABLES)
