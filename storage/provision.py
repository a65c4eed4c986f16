"""Databases as wholes: the role that owns them, making one, dropping one.

Tables are the migrations' business (migrate.py); this page never looks inside a database.
"""

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL, make_url


def first_role_and_database(role: str, password: str, database: str) -> str:
    """The statements a new embedded cluster is born with, for PostgreSQL's single-user mode (one statement per line).

    The role is no superuser: it may make databases and the trusted extensions in them, make roles that may less than itself
    (storage/database_roles.py), and read the statistics.
    """
    name, owned, secret = sql.Identifier(role), sql.Identifier(database), sql.Literal(password)
    statements = (
        sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE PASSWORD {}").format(name, secret),
        sql.SQL("GRANT pg_monitor TO {}").format(name),
        sql.SQL("CREATE DATABASE {} OWNER {}").format(owned, name),
        sql.SQL("REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC").format(owned),
    )
    return "".join(statement.as_string(None) + ";\n" for statement in statements)


def create_database(url: str, name: str, template: str | None = None) -> str:
    """Make an empty database, or a copy of `template`, on the server of `url`; return its URL."""
    statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
    if template:
        statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
    _execute(url, statement)
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def drop_database(url: str, name: str) -> None:
    """Drop a database and cut whoever is still connected to it; a missing one is no error.

    FORCE also wants to end a vacuum of the server's own, which a role that is no superuser may not; a plain DROP asks it to stop and waits
    (https://www.postgresql.org/docs/current/sql-dropdatabase.html), so there our own connections are ended first.
    """
    try:
        _execute(url, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
    except psycopg.errors.InsufficientPrivilege:
        ours = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {} AND usename = current_user"
        _execute(url, sql.SQL(ours).format(sql.Literal(name)))
        _execute(url, sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))


def answers(url: str, timeout: float = 2) -> bool:
    """True when the server of `url` lets us in: the right server, with our password, taking connections."""
    try:
        psycopg.connect(_plain(make_url(url)), connect_timeout=max(1, round(timeout))).close()
    except psycopg.OperationalError:
        return False
    return True


def _execute(url: str, statement: sql.SQL | sql.Composed) -> None:
    with psycopg.connect(_plain(make_url(url)), autocommit=True) as connection:
        connection.execute(statement)


def _plain(url: URL) -> str:
    """The same URL for psycopg itself, which knows nothing of SQLAlchemy's `+psycopg`."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
