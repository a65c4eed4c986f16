"""Three logins to the database: the owner migrates, the app reads and writes rows but no audit of the past, reports reads figures and no text."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.engine import make_url

from storage import audit, casework, database_roles, scopes
from storage.ledger import Ledger, one, raw_url
from storage.scopes import Scope, ScopedLedger
from tests import web

PASSWORD = "a-password-of-the-test"


@pytest.fixture(scope="module")
def owner(database_url: str) -> Iterator[Ledger]:
    made = Ledger(database_url)
    with made.begin() as connection:
        if not database_roles.possible(connection):
            pytest.skip("this server's role may make no roles")
        database_roles.install(connection)
        for role in (database_roles.APP, database_roles.REPORTS):
            connection.execute(text(f"ALTER ROLE {role} PASSWORD '{PASSWORD}'"))
            name = sql.Identifier(make_url(database_url).database or "").as_string(None)
            connection.execute(text(f"GRANT CONNECT ON DATABASE {name} TO {role}"))
    number = web.ticket(made, web.mention(made, "r1", "a secret complaint"), "A ticket", "k1", team="cards")
    made.run(lambda c: audit.append(c, "command", "ticket.change", f"ticket:{number}", {}))
    yield made
    made.close()


def login(url: str, role: str) -> str:
    return make_url(url).set(username=role, password=PASSWORD).render_as_string(hide_password=False)


def refused(connection: psycopg.Connection, statement: str) -> None:
    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.RaiseException)):
        connection.execute(statement)


def test_the_app_works_and_cannot_rewrite_the_audit_or_the_tables(owner: Ledger, database_url: str) -> None:
    app = Ledger(login(database_url, database_roles.APP))
    number = web.ticket(app, web.mention(app, "r2", "another"), "Another", "k2")
    app.run(lambda c: casework.note(c, casework.Hand("Ada", "command"), number, "a note"))
    assert web.value(app, "SELECT count(*) FROM tickets") == 2
    with app.begin() as connection:
        assert audit.verify(connection).findings == []
    scoped = ScopedLedger(app, Scope(("loans",)))
    with scoped.read() as connection:
        assert one(connection, "SELECT count(*) FROM tickets") == 0
    app.close()
    with psycopg.connect(raw_url(login(database_url, database_roles.APP)), autocommit=True) as raw:
        for statement in (
            "UPDATE audit SET actor = 'nobody'", "DELETE FROM audit", "TRUNCATE audit", "ALTER TABLE audit DISABLE TRIGGER ALL", "DROP TABLE tickets",
            "CREATE TABLE mine (a int)", "CREATE ROLE another", "ALTER TABLE tickets DISABLE TRIGGER ALL",
            "SET ROLE " + sql.Identifier(make_url(database_url).username or "").as_string(None),
        ):  # fmt: skip
            refused(raw, statement)


def test_reports_reads_figures_and_no_text(owner: Ledger, database_url: str) -> None:
    with psycopg.connect(raw_url(login(database_url, database_roles.REPORTS)), autocommit=True) as raw:
        row = raw.execute("SELECT count(*) FROM reports.tickets").fetchone()
        assert row is not None
        assert row[0] >= 1
        columns = raw.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'reports'"
        ).fetchall()
        assert len({table for table, _, _ in columns}) >= 10
        personal = {
            "content",
            "body",
            "subject",
            "name",
            "handle",
            "email",
            "author",
            "text",
            "comment",
            "native_id",
            "url",
        }
        assert [(t, c) for t, c, _ in columns if c in personal] == []
        for table in ("tickets", "mentions", "customers", "users", "entries", "metric_tickets", "audit"):
            refused(raw, f"SELECT * FROM {table}")
        refused(raw, "SET ROLE " + scopes.ROLE)


def test_a_limited_reader_reads_and_never_writes(owner: Ledger) -> None:
    with ScopedLedger(owner, Scope(("cards",))).read() as connection:
        assert one(connection, "SELECT current_user") == scopes.ROLE
        assert one(connection, "SELECT count(*) FROM tickets") >= 1
    with owner.begin() as connection:
        connection.execute(text(f"SET LOCAL ROLE {scopes.ROLE}"))
        with pytest.raises(Exception, match="permission denied"):
            connection.execute(text("DELETE FROM tickets"))


def test_making_the_roles_twice_changes_nothing(owner: Ledger) -> None:
    with owner.begin() as connection:
        first, second = database_roles.install(connection), database_roles.install(connection)
        assert first == second
        assert database_roles.ready(connection)
