"""Who may do what in the database itself: the owner migrates, `earmark_app` runs Earmark, `earmark_reports` reads figures, `earmark_scoped`
is what a limited reader's transaction becomes (storage/scopes.py).

A limited reader sees views of the tables' names in a schema of their own and may not touch the tables. Row policies would do it, too, but
PostgreSQL lets nobody COPY into a table that has them but its owner (https://www.postgresql.org/docs/current/sql-copy.html), and they
keep search from its index, since text search is not leakproof.

Everything here may be run again at any time: after a migration it must be, for new tables. Needs the tables' owner with CREATEROLE; a
database whose owner may not make roles works without, as one role that may everything, and nobody can be limited to teams or topics.
"""

from dataclasses import dataclass

from psycopg import sql
from sqlalchemy import Connection, text

from storage.ledger import one, rows
from storage.scopes import ROLE as SCOPED
from storage.scopes import SCHEMA

APP, REPORTS = "earmark_app", "earmark_reports"
APPEND_ONLY = ("audit",)
REPORTS_SCHEMA, SCOPED_SCHEMA = "reports", SCHEMA

# What a limited reader is shown of a table. A table that is neither here nor in OPEN is closed to them.
_TICKET, _MENTION, _CUSTOMER = (f"earmark_sees_{what}({what}_id)" for what in ("ticket", "mention", "customer"))
POLICIES: dict[str, str] = {
    "tickets": "earmark_sees_team(team) AND earmark_sees_topic(topic)",
    **dict.fromkeys(
        ("entries", "ticket_mentions", "ticket_conversations", "ticket_words", "ticket_seen", "drafts", "promises", "surveys", "desk_links", "desk_events"),
        _TICKET,
    ),
    "tasks": "CASE WHEN ticket_id IS NOT NULL THEN earmark_sees_ticket(ticket_id) ELSE earmark_sees_customer(customer_id) END",
    "ticket_links": "earmark_sees_ticket(a) AND earmark_sees_ticket(b)",
    "mentions": "earmark_sees_mention(id)",
    **dict.fromkeys(("sightings", "versions", "verdicts", "receipts", "corrections", "copy_bands"), _MENTION),
    "customers": "earmark_sees_customer(id)",
    **dict.fromkeys(("customer_identities", "customer_names"), _CUSTOMER),
    "identities": "earmark_sees_identity(id)",
    "interactions": "coalesce(earmark_sees_customer(customer_id), false) OR coalesce(earmark_sees_identity(identity_id), false)",
    "proposals": "earmark_sees_proposal(id)",
    "merges": "earmark_sees_customer(winner_id)",
    "moves": "earmark_sees_merge(merge_id)",
    "outbox": "earmark_sees_effect(id)",
    "attempts": "earmark_sees_effect(outbox_id)",
    "dead_letters": "CASE kind WHEN 'digest' THEN earmark_sees_mention(ref_id) WHEN 'outbox' THEN earmark_sees_effect(ref_id) ELSE false END",
    "escalations": "earmark_sees_topic(split_part(series, '/', 1))",
    "pages": "earmark_sees_flag(escalation_id)",
    "incidents": "earmark_sees_topic(topic)",
    "counts": "earmark_sees_topic(topic)",
    "talk": "earmark_sees_topic(topic)",
    "facets": "CASE WHEN field IN ('topic', 'talk.topic') THEN earmark_sees_topic(value) WHEN field = 'team' THEN earmark_sees_team(value) ELSE true END",
    "rejects": "false",  # what could not be read is nobody's yet
    "automation_runs": "CASE subject WHEN 'ticket' THEN earmark_sees_ticket(subject_id) WHEN 'customer' THEN earmark_sees_customer(subject_id) ELSE false END",
    "events": "CASE subject WHEN 'ticket' THEN earmark_sees_ticket(subject_id) WHEN 'customer' THEN earmark_sees_customer(subject_id) ELSE false END",
}  # fmt: skip
# No customer's words or names in them, and no brand's figures.
OPEN = (
    "agents", "channels", "configurations", "desk_syncs", "digests", "gaps", "meta", "models", "page_counters", "runs", "saved_views", "targets",
    "workers",
)  # fmt: skip
COLUMNS = {"users": "id, email, name, role, disabled_at, created_at"}  # never the password


@dataclass(frozen=True, slots=True)
class Installed:
    """What is there now. `logins`: roles that may log in, with what they are for."""

    roles: list[str]
    views: list[str]
    closed: list[str]


def possible(connection: Connection) -> bool:
    """Whether this role may make the others, or they are there already and ours to give to."""
    return bool(
        one(
            connection,
            "SELECT rolsuper OR rolcreaterole OR (SELECT count(*) FROM pg_roles WHERE rolname = ANY(:names) "
            "AND pg_has_role(current_user, oid, 'MEMBER')) = 3 FROM pg_roles WHERE rolname = current_user",
            names=[APP, REPORTS, SCOPED],
        )
    )


def ready(connection: Connection) -> bool:
    """Whether somebody can be limited: the role is there, ours to take, and the views stand."""
    return bool(
        one(
            connection,
            "SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = :role AND pg_has_role(current_user, oid, 'MEMBER')) "
            "AND to_regclass(:view) IS NOT NULL",
            role=SCOPED,
            view=f"{SCOPED_SCHEMA}.tickets",
        )
    )


def clear(connection: Connection) -> None:
    """Take the views away: a migration may change what they are made of."""
    for schema in (SCOPED_SCHEMA, REPORTS_SCHEMA):
        connection.execute(text(f"DROP SCHEMA IF EXISTS {schema} CASCADE"))


def install(connection: Connection) -> Installed:
    """Make the roles, give the grants, put up the views for limited readers and for reports. In one transaction."""
    for role in (APP, REPORTS, SCOPED):
        _role(connection, role)
    connection.execute(text(f"GRANT {SCOPED} TO current_user"))
    connection.execute(text(f"GRANT {SCOPED} TO {APP}"))
    tables = [
        row["name"]
        for row in rows(
            connection,
            "SELECT c.relname AS name FROM pg_class c WHERE c.relnamespace = CAST(current_schema() AS regnamespace) "
            "AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1",
        )
    ]
    clear(connection)
    _app(connection)
    _shown(connection, tables)
    views = _reports(connection)
    closed = [t for t in tables if t not in POLICIES and t not in OPEN and t not in COLUMNS]
    return Installed([APP, REPORTS, SCOPED], views, closed)


def _role(connection: Connection, name: str) -> None:
    """A role without a password: the operator gives it one, or the server's own way of knowing it. Two at once is no error."""
    connection.execute(
        text(
            f"DO $$ BEGIN CREATE ROLE {name} {'NOLOGIN' if name == SCOPED else 'LOGIN'}; "
            "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        )
    )


def _app(connection: Connection) -> None:
    """All rows, no tables: it reads and writes, and what is append-only it can only append to."""
    schema = _ident(str(one(connection, "SELECT current_schema()")))
    for statement in (
        f"GRANT USAGE ON SCHEMA {schema} TO {APP}, {SCOPED}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {APP}",
        f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {APP}",
        *(f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM {APP}" for table in APPEND_ONLY),
        f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {SCOPED}",
    ):
        connection.execute(text(statement))


def _shown(connection: Connection, tables: list[str]) -> None:
    """What limited readers see: per table a view of its name, and the metric views anew, over those."""
    schema = str(one(connection, "SELECT current_schema()"))
    metrics = rows(
        connection,
        "SELECT relname AS name, pg_get_viewdef(oid) AS sql FROM pg_class WHERE relnamespace = CAST(current_schema() AS regnamespace) "
        "AND relkind = 'v' ORDER BY oid",  # a view is younger than those it is made of
    )
    connection.execute(text(f"CREATE SCHEMA {SCOPED_SCHEMA}"))
    for table in tables:
        name = _ident(table)
        if table in POLICIES or table in OPEN or table in COLUMNS:
            where = f" WHERE {POLICIES[table]}" if table in POLICIES else ""
            columns = COLUMNS.get(table, "*")
            connection.execute(
                text(f"CREATE VIEW {SCOPED_SCHEMA}.{name} AS SELECT {columns} FROM {_ident(schema)}.{name}{where}")  # noqa: S608 ours
            )
    connection.execute(text(f"SET LOCAL search_path = {SCOPED_SCHEMA}, {_ident(schema)}"))
    for view in metrics:
        connection.execute(
            text(f"CREATE VIEW {SCOPED_SCHEMA}.{_ident(view['name'])} AS " + view["sql"].replace(":", "\\:"))
        )
    connection.execute(text(f"SET LOCAL search_path = {_ident(schema)}"))
    connection.execute(text(f"GRANT USAGE ON SCHEMA {SCOPED_SCHEMA} TO {SCOPED}"))
    connection.execute(text(f"GRANT SELECT ON ALL TABLES IN SCHEMA {SCOPED_SCHEMA} TO {SCOPED}"))


def _reports(connection: Connection) -> list[str]:
    """The metric views, with their owner's rights, for a role that reads nothing else."""
    names = [
        row["name"]
        for row in rows(
            connection,
            "SELECT c.relname AS name FROM pg_class c WHERE c.relnamespace = CAST(current_schema() AS regnamespace) AND c.relkind = 'v' "
            "AND c.relname LIKE 'metric%' ORDER BY 1",
        )
    ]
    shown = {name: f"{REPORTS_SCHEMA}.{_ident(name.removeprefix('metric_'))}" for name in names}
    connection.execute(text(f"CREATE SCHEMA {REPORTS_SCHEMA}"))
    for name, view in shown.items():
        connection.execute(text(f"CREATE VIEW {view} AS SELECT * FROM {_ident(name)}"))  # noqa: S608 names of views
    connection.execute(text(f"GRANT USAGE ON SCHEMA {REPORTS_SCHEMA} TO {REPORTS}"))
    connection.execute(text(f"GRANT SELECT ON ALL TABLES IN SCHEMA {REPORTS_SCHEMA} TO {REPORTS}"))
    return list(shown.values())


def _ident(name: str) -> str:
    return sql.Identifier(name).as_string(None)
