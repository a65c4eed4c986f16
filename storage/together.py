"""Several questions on one way to the database and back.

A page asks twenty small things; each way there and back costs more than its answer does, on a busy host many times more. psycopg's
pipeline mode sends them all before it reads (https://www.psycopg.org/psycopg3/docs/advanced/pipeline.html).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar

from psycopg.rows import dict_row
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from storage import bulk
from storage.ledger import rows

T = TypeVar("T")
_DIALECT = PGDialect_psycopg()


@dataclass(frozen=True, slots=True)
class Question(Generic[T]):
    """A statement with its values, and what its rows are read into."""

    sql: str
    values: Mapping[str, Any]
    read: Callable[[list[Any]], T]


def ask(connection: Connection, question: Question[T]) -> T:
    """One question by itself."""
    return question.read(rows(connection, question.sql, **question.values))


def together(connection: Connection, **questions: Question[Any]) -> dict[str, Any]:
    """The answers by name; all questions are asked before the first answer is awaited."""
    driver = bulk.raw(connection)
    with driver.pipeline():
        sent = {
            name: driver.cursor(row_factory=dict_row).execute(_driver_sql(question.sql), question.values)
            for name, question in questions.items()
        }
    return {name: question.read(sent[name].fetchall()) for name, question in questions.items()}


@lru_cache(maxsize=1000)
def _driver_sql(sql: str) -> str:
    """With `:name` as the driver writes it, once for each statement."""
    return str(text(sql).compile(dialect=_DIALECT))
