"""Flags: incidents, paging, judgements, detector snapshots."""

from alembic import op

revision = "0006"
down_revision = "0005"

TABLES = """
"""


def upgrade() -> None:
    if TABLES.strip():
        op.execute(TABLES)
