"""Tickets beyond the ledger: what happened to them, promises, views, automations, surveys, who works.

`events` is the one log of what happened: a trigger on `entries` and `tickets` writes it in the same transaction, so that nobody can
forget to. It carries ids only. Workers take its rows as a queue; live pages and webhooks read it by id.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from storage.tables.base import TS, at_, id_, int_, metadata, text_

events = Table(
    "events",
    metadata,
    id_(cache=50),
    Column(
        "kind", Text, nullable=False
    ),  # ticket.created, ticket.note, ticket.breached, interaction.form, customer.silent …
    Column("subject", Text, nullable=False),  # ticket, customer, interaction, flag
    Column("subject_id", BigInteger, nullable=False),
    Column(
        "body", JSONB, nullable=False, server_default=text("'{}'::jsonb")
    ),  # ids only: entry, user, ticket, customer
    Column("key", Text),  # of what must happen once only
    Column("depth", SmallInteger, nullable=False, server_default=text("0")),  # automations between a person and this
    Column("cause", BigInteger),  # the automation run that did it
    Column("xid", BigInteger, nullable=False),  # its transaction: readers by id wait for older ones that are still open
    at_(),
    Column("done_at", TS),
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
    Column("error", Text),
)
Index("events_waiting", events.c.id, postgresql_where=text("done_at IS NULL"))
# rows come in the order of their transactions, nearly: a range index costs a new row nothing (storage/events_read.py)
Index(
    "events_xid",
    events.c.xid,
    postgresql_using="brin",
    postgresql_with={"pages_per_range": 8, "autosummarize": "on"},
)
Index("events_key", events.c.key, unique=True, postgresql_where=text("key IS NOT NULL"))

ticket_links = Table(  # between two tickets, said by a person or an automation
    "ticket_links",
    metadata,
    Column("a", BigInteger, primary_key=True, autoincrement=False),
    Column("b", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, primary_key=True),  # related (a < b), duplicates, blocks
    at_(),
)
Index("ticket_links_b", ticket_links.c.b)

promises = Table(
    "promises",
    metadata,
    id_(),
    Column("ticket_id", BigInteger, nullable=False, index=True),
    Column("entry_id", BigInteger, nullable=False),
    Column("what", Text, nullable=False),
    Column("due", TS, nullable=False),
    Column("user_id", BigInteger),
    text_("state", "open"),  # open, kept, broken, withdrawn
    Column("passed_at", TS),  # its time came and went
    Column("settled_at", TS),
    at_(),
)
Index("promises_due", promises.c.due, postgresql_where=text("state = 'open' AND passed_at IS NULL"))

saved_views = Table(
    "saved_views",
    metadata,
    id_(),
    Column("owner_id", BigInteger),  # NULL: made by command
    Column("name", Text, nullable=False),
    Column("query", Text, nullable=False),  # the inbox's address after the question mark
    Column("shared", Boolean, nullable=False, server_default=text("false")),
    at_(),
)
Index("saved_views_name", saved_views.c.owner_id, saved_views.c.name, unique=True, postgresql_nulls_not_distinct=True)

agents = Table(  # how work is handed to a user
    "agents",
    metadata,
    Column("user_id", BigInteger, primary_key=True, autoincrement=False),
    Column("teams", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("skills", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("languages", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    int_("capacity", 10),
    Column("available", Boolean, nullable=False, server_default=text("true")),
    Column("given_at", TS),  # when a ticket was last handed to them
)

automation_runs = Table(  # receipts: what an automation did about an event, or why it did not
    "automation_runs",
    metadata,
    id_(),
    Column("automation", Text, nullable=False),
    text_("version"),
    Column("event_id", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),  # of the event
    Column("subject", Text, nullable=False),
    Column("subject_id", BigInteger, nullable=False),
    Column("depth", SmallInteger, nullable=False, server_default=text("0")),
    Column("outcome", Text, nullable=False),  # done, depth, budget, failed
    Column("matched", JSONB, nullable=False, server_default=text("'{}'::jsonb")),  # the values its conditions saw
    Column("actions", JSONB, nullable=False, server_default=text("'[]'::jsonb")),  # each with what came of it
    at_(),
    UniqueConstraint("automation", "event_id"),
)
Index("automation_runs_at", automation_runs.c.automation, automation_runs.c.at)

tasks = Table(  # what an automation or a person wants done about a customer later
    "tasks",
    metadata,
    id_(),
    Column("customer_id", BigInteger, index=True),
    Column("ticket_id", BigInteger),
    Column("what", Text, nullable=False),
    Column("due", TS),
    text_("team"),
    text_("source"),  # automation:NAME, user:3
    Column("run_id", BigInteger),  # the automation run that made it
    at_(),
    Column("done_at", TS),
)

surveys = Table(
    "surveys",
    metadata,
    id_(),
    Column("survey", Text, nullable=False),  # its name in the configuration
    Column("kind", Text, nullable=False),  # csat, nps, effort
    Column("ticket_id", BigInteger, nullable=False, index=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    text_("question"),
    at_("asked_at"),
    Column("expires_at", TS, nullable=False),
    Column("answered_at", TS),
    Column("score", SmallInteger),
    text_("comment"),
    Column("entry_id", BigInteger),  # of the answer
)
Index("surveys_asked", surveys.c.asked_at)

desk_syncs = Table(  # desks that speak back: where we stand in what they tell
    "desk_syncs",
    metadata,
    Column("target", Text, primary_key=True),
    Column("what", Text, primary_key=True, server_default=text("'tickets'")),  # tickets, contacts
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    int_("every", 60),  # seconds between two pulls
    Column("fields", ARRAY(Text), nullable=False, server_default=text("'{}'")),  # custom fields of ours it has too
    Column("state", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("version", BigInteger, nullable=False, server_default=text("0")),  # of the state: compare and set
    Column("history", JSONB),  # a re-sync under way: {"since", "state", "tickets", "ours", "done"}
    at_("due"),
    at_("since"),
    Column("pulled_at", TS),
    Column("error", Text),
)

desk_events = Table(  # each change at a desk, once
    "desk_events",
    metadata,
    Column("target", Text, primary_key=True),
    Column("remote_id", Text, primary_key=True),  # of the desk's ticket
    Column("event_id", Text, primary_key=True),  # the desk's own id of the change
    Column("ticket_id", BigInteger, nullable=False, index=True),
    Column("key", Text),  # of the effect of ours that it is; NULL: somebody at the desk
    Column("overruled", ARRAY(Text), nullable=False, server_default=text("'{}'")),  # fields ours were on their way for
    at_(),
)
