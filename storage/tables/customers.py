"""Customers beyond the ledger: proposals of links, merges and what they moved, interactions, rows an import left aside."""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, Table, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB

from storage.tables.base import TS, at_, id_, metadata, text_

proposals = Table(  # that an identity, or another customer, is this customer: for a person to decide
    "proposals",
    metadata,
    id_(),
    Column("customer_id", BigInteger, nullable=False),
    Column("identity_id", BigInteger),  # link: this account belongs to the customer
    Column("other_id", BigInteger),  # merge: this customer is the same person (the higher id)
    Column("confidence", Float, nullable=False),
    Column("evidence", JSONB, nullable=False, server_default=text("'[]'::jsonb")),  # [{what, detail, weight}]
    text_("source"),  # match, text, import
    text_("state", "open"),  # open, accepted, refused
    Column("decided_by", Text),
    Column("decided_at", TS),
    at_(),
    UniqueConstraint("customer_id", "identity_id", "other_id", postgresql_nulls_not_distinct=True),
)
Index("proposals_open", proposals.c.confidence, proposals.c.id, postgresql_where=text("state = 'open'"))
Index("proposals_identity", proposals.c.identity_id)
Index("proposals_other", proposals.c.other_id)

merges = Table(  # two customers who were found to be one; a row with undone_at is history
    "merges",
    metadata,
    id_(),
    Column("winner_id", BigInteger, nullable=False, index=True),
    Column("loser_id", BigInteger, nullable=False),
    text_("by"),
    at_(),
    Column("undone_at", TS),
    Column("undone_by", Text),
)
Index("merges_standing", merges.c.loser_id, unique=True, postgresql_where=text("undone_at IS NULL"))

moves = Table(  # what a merge took from one and gave to the other, row by row
    "moves",
    metadata,
    Column("merge_id", BigInteger, primary_key=True, autoincrement=False),
    Column("tbl", Text, primary_key=True),  # identity, ticket, shut (a conversation link), field
    Column("key", Text, primary_key=True),  # the row's id, the field's name
    Column("was", JSONB),
    Column("now", JSONB),
)

interactions = Table(  # any touchpoint that is no mention; whose it is follows from the identity it came by
    "interactions",
    metadata,
    id_(cache=20),
    Column("source", Text, nullable=False),  # the token or the webhook that told us
    Column("external_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    text_("direction", "in"),  # in, out, none
    Column("identity_id", BigInteger),
    Column("customer_id", BigInteger),  # as the sender named it; a merge does not move it
    Column("happened_at", TS, nullable=False),
    text_("subject"),
    text_("body"),
    Column("url", Text),
    text_("conversation"),
    Column("data", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    text_("label"),  # mood of what the customer said
    Column("compound", Float),
    at_("received_at"),
    UniqueConstraint("source", "external_id"),
)
Index("interactions_identity", interactions.c.identity_id, interactions.c.happened_at)
Index(
    "interactions_customer",
    interactions.c.customer_id,
    interactions.c.happened_at,
    postgresql_where=text("customer_id IS NOT NULL"),
)

customer_names = Table(  # what a customer is called, in small letters: for a search by a part of it
    "customer_names",
    metadata,
    Column("source", Text, primary_key=True),  # customer, identity
    Column("source_id", BigInteger, primary_key=True, autoincrement=False),
    Column("customer_id", BigInteger, nullable=False),
    Column("said", Text, nullable=False),
    Index("customer_names_said", text("search_pairs(said)"), postgresql_using="gin"),
)

asides = Table(  # rows an import or a webhook could not take, with the reason
    "asides",
    metadata,
    id_(),
    Column("source", Text, nullable=False),  # import:FILE, hook:NAME
    Column("line", Integer),
    Column("reason", Text, nullable=False),
    text_("payload"),
    at_(),
)
Index("asides_source", asides.c.source, asides.c.id)
