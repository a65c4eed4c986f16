"""Who may do what in the database itself: the owner migrates, `earmark_app` runs Earmark, `earmark_reports` reads figures, `earmark_scoped`
is what a limited reader's transaction becomes (storage/scopes.py).

Everything here may be run again at any time: after a migration it must be, for new tables. Needs the tables' owner with CREATEROLE; a
database whose owner may not make roles works without, as one role that may everything, and nobody can be limited to teams or topics.
"""

from dataclasses import dataclass

from psycopg import sql
from sqlalchemy import Connection, text

from storage.ledger import one, rows
from storage.scopes import ROLE as SCOPED

APP, REPORTS = "earmark_app", "earmark_reports"
APPEND_ONLY = ("audit",)
REPORTS_SCHEMA = "reports"

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
    "customer_identities": _CUSTOMER,
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
    """Whether somebody can be limited: the role is there, ours to take, and the policies stand."""
    return bool(
        one(
            connection,
            "SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = :role AND pg_has_role(current_user, oid, 'MEMBER')) "
            "AND (SELECT relrowsecurity FROM pg_class WHERE oid = CAST('tickets' AS regclass))",
            role=SCOPED,
        )
    )


def install(connection: Connection) -> Installed:
    """Make the roles, give the grants, put up the policies and the views for reports. In one transaction."""
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
    _app(connection)
    for table in tables:
        _policies(connection, table)
    views = _views(connection)
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


def _policies(connection: Connection, table: str) -> None:
    name = _ident(table)
    if table in COLUMNS:
        connection.execute(text(f"GRANT SELECT ({COLUMNS[table]}) ON {name} TO {SCOPED}"))
    elif table in POLICIES or table in OPEN:
        connection.execute(text(f"GRANT SELECT ON {name} TO {SCOPED}"))
    if table not in POLICIES:
        return
    for statement in (
        f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY",
        f"DROP POLICY IF EXISTS everything ON {name}",
        f"CREATE POLICY everything ON {name} TO {APP} USING (true) WITH CHECK (true)",
        f"DROP POLICY IF EXISTS scoped ON {name}",
        f"CREATE POLICY scoped ON {name} FOR SELECT TO {SCOPED} USING ({POLICIES[table]})",
    ):
        connection.execute(text(statement))


def _views(connection: Connection) -> list[str]:
    """Views ask with the rights of who reads them; those in `reports` with the owner's, for a role that reads nothing else."""
    names = [
        row["name"]
        for row in rows(
            connection,
            "SELECT c.relname AS name FROM pg_class c WHERE c.relnamespace = CAST(current_schema() AS regnamespace) AND c.relkind = 'v' ORDER BY 1",
        )
    ]
    for name in names:
        connection.execute(text(f"ALTER VIEW {_ident(name)} SET (security_invoker = true)"))
        connection.execute(text(f"GRANT SELECT ON {_ident(name)} TO {SCOPED}"))
    shown = [name for name in names if name.startswith("metric_")]
    connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {REPORTS_SCHEMA}"))
    for name in shown:
        view = f"{REPORTS_SCHEMA}.{_ident(name.removeprefix('metric_'))}"
        connection.execute(text(f"DROP VIEW IF EXISTS {view}"))  # its columns may have changed
        connection.execute(text(f"CREATE VIEW {view} AS SELECT * FROM {_ident(name)}"))  # noqa: S608 names of views
    connection.execute(text(f"GRANT USAGE ON SCHEMA {REPORTS_SCHEMA} TO {REPORTS}"))
    connection.execute(text(f"GRANT SELECT ON ALL TABLES IN SCHEMA {REPORTS_SCHEMA} TO {REPORTS}"))
    return [f"{REPORTS_SCHEMA}.{name.removeprefix('metric_')}" for name in shown]


def _ident(name: str) -> str:
    return sql.Identifier(name).as_string(None)
