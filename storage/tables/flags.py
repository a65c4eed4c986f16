"""Flags beyond the ledger: incidents, and every page that was sent, held back or kept for the digest."""

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table, Text, text

from storage.tables.base import TS, at_, id_, int_, metadata, text_

incidents = Table(  # the flags of one topic at one time, folded
    "incidents",
    metadata,
    id_(),
    Column("topic", Text, nullable=False),
    at_("opened_at"),
    Column("closed_at", TS),
    Column("ticket_id", BigInteger),  # the parent that lists the tickets it explains
)
Index("incidents_open", incidents.c.topic, unique=True, postgresql_where=text("closed_at IS NULL"))

pages = Table(  # one row per decision to tell somebody or not; what is held back is a row as well
    "pages",
    metadata,
    id_(),
    Column("escalation_id", BigInteger),  # empty: no flag was raised, and the row says of which rule and series and why
    text_("rule"),
    text_("series"),
    Column("kind", Text, nullable=False),  # flag.open, flag.update, flag.close, flag.ack
    text_("target"),  # empty: nobody is named
    Column("action", Text, nullable=False),  # sent, digest, held
    text_("reason"),  # quiet-hours, cool-down, snoozed, low-severity, late, backfill, no-route
    int_("level"),
    at_(),
    Column("next_at", TS),  # when the next level is told unless somebody acknowledges
    Column("done_at", TS),  # the next level was told, or the digest sent
)
Index("pages_flag", pages.c.escalation_id, pages.c.id)
Index("pages_due", pages.c.next_at, postgresql_where=text("done_at IS NULL"))
Index(
    "pages_waiting",
    pages.c.rule,
    pages.c.series,
    unique=True,
    postgresql_where=text("escalation_id IS NULL AND done_at IS NULL"),
)

snapshots = Table(  # what the watch step remembers of a series, for its next start (`meta` says of which moment)
    "snapshots",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("platform", Text, primary_key=True),  # empty: all of them
    Column("measure", Text, primary_key=True),
    Column("state", LargeBinary, nullable=False),  # domain/snapshots.py
)
