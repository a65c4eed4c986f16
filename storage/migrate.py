"""Bring a database to the schema this code was written for, or say that it is not there yet.

alembic is imported where it is used: most commands never migrate.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import create_engine, text

from storage import database_roles

if TYPE_CHECKING:
    from alembic.config import Config

_LOCK = 0x6561726D61726B  # "earmark": two first starts at once migrate one after the other


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def upgrade(database_url: str) -> None:
    """Run every migration that is missing, and give the database's roles their rights where we may. Safe to call from several processes at once."""
    from alembic import command

    engine = create_engine(database_url)
    config = _config()
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:k)"), {"k": _LOCK})
        config.attributes["connection"] = connection
        possible = database_roles.possible(connection)
        if possible:
            database_roles.clear(connection)
        command.upgrade(config, "head")
        if possible:
            database_roles.install(connection)
    engine.dispose()


def wanted() -> str | None:
    """The schema this code was written for."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config()).get_current_head()


def current(database_url: str) -> tuple[str | None, str | None]:
    """(revision the database is at, revision this code wants)."""
    from alembic.runtime.migration import MigrationContext

    engine = create_engine(database_url)
    with engine.connect() as connection:
        at = MigrationContext.configure(connection).get_current_revision()
    engine.dispose()
    return at, wanted()
