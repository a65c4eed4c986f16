"""The migrations lead to the schema the code goes by."""

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from storage import migrate
from storage.tables import metadata


def test_the_migrations_end_where_the_tables_stand(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        found = compare_metadata(
            MigrationContext.configure(connection, opts={"compare_server_default": True}), metadata
        )
    engine.dispose()
    assert found == []


def test_a_ledger_of_the_revision_before_is_brought_here_with_what_it_holds(empty_database_url: str) -> None:
    engine = create_engine(empty_database_url)
    config = migrate._config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0008")
        connection.exec_driver_sql("INSERT INTO customers (id, name) VALUES (1, 'Änne Büyük'), (2, '')")
        connection.exec_driver_sql(
            "INSERT INTO identities (id, kind, platform, native_id, handle) VALUES (3, 'handle', 'x', '77', '@Änne')"
        )
        connection.exec_driver_sql(
            "INSERT INTO customer_identities (identity_id, customer_id, evidence, confidence, source) "
            "VALUES (3, 1, 'made up', 1, 'test')"
        )
    migrate.upgrade(empty_database_url)
    with engine.connect() as connection:
        named = connection.exec_driver_sql("SELECT source, source_id, customer_id, said FROM customer_names ORDER BY 1")
        assert [tuple(row) for row in named] == [("customer", 1, 1, "änne büyük"), ("identity", 3, 1, "@änne\n77")]
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()
