"""Corrections, learned models and clusters of copies."""

from alembic import op

revision = "0003"
down_revision = "0002"

TABLES = """
"""


def upgrade() -> None:
    if TABLES.strip():
        op.execute(TABLES)
