"""Corrections people make, models learned from them, clusters of copies."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from storage.tables.base import at_, id_, metadata, text_

corrections = Table(  # what a person said a verdict should have been; the last word on a mention counts
    "corrections",
    metadata,
    id_(),
    Column("mention_id", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("outcome", Text),
    Column("intent", Text),
    Column("label", Text),
    text_("by"),
    at_(),
)
Index("corrections_mention", corrections.c.mention_id, corrections.c.id)

models = Table(  # learned from corrections; one at most is in force
    "models",
    metadata,
    id_(),
    Column("hash", Text, nullable=False),
    Column("body", JSONB, nullable=False),
    Column("report", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("in_force", Boolean, nullable=False, server_default=text("false")),
    text_("by"),
    at_(),
)
Index("models_in_force", models.c.in_force, unique=True, postgresql_where=text("in_force"))

copy_bands = Table(  # what a text is found by among its copies; the mention's own row says the rest
    "copy_bands",
    metadata,
    Column("band", BigInteger, primary_key=True, autoincrement=False),
    Column("mention_id", BigInteger, primary_key=True, autoincrement=False),
)
Index("copy_bands_mention", copy_bands.c.mention_id, postgresql_using="brin")  # ids grow with the table
