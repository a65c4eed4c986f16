"""The migrations lead to the schema the code goes by."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from storage.tables import metadata


def test_the_migrations_end_where_the_tables_stand(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        found = compare_metadata(
            MigrationContext.configure(connection, opts={"compare_server_default": True}), metadata
        )
    engine.dispose()
    assert found == []
