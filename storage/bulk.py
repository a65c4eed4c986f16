"""Many rows in one statement: as COPY where nothing can be in the way, else as one JSON document.

COPY costs PostgreSQL half of what an INSERT from JSON does (https://www.postgresql.org/docs/current/populate.html), but knows no
ON CONFLICT and returns nothing: it is for rows whose keys are new by what was done before.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from psycopg import Connection as Raw
from pydantic_core import to_json
from sqlalchemy import Connection, Row, text


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be stored")


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain).encode


def dumps(value: Any) -> str:
    """JSON as we store it: compact, readable characters, datetimes as ISO 8601."""
    try:
        return to_json(value).decode()
    except ValueError:  # what is not JSON by itself, or half a character
        return _encode(value)


def anything(value: Any) -> str:
    """JSON of something from outside, whatever is in it."""
    try:
        return to_json(value).decode()
    except ValueError:
        try:
            return json.dumps(value, default=str)
        except RecursionError:
            return '"nested too deeply to be written down"'


def loads(value: str) -> Any:
    return json.loads(value)


def execute(connection: Connection, sql: str, rows: Sequence[Mapping[str, Any]], **more: Any) -> list[Row[Any]]:
    """Run `sql`, which reads its rows from json_to_recordset(CAST(:rows AS json)); nothing is sent when there are none."""
    if not rows:
        return []
    result = connection.execute(text(sql), {"rows": dumps(rows), **more})
    return list(result) if result.returns_rows else []


def raw(connection: Connection) -> "Raw[tuple[Any, ...]]":
    """The driver's own connection, in the same transaction: for what SQLAlchemy has no words for."""
    return cast("Raw[tuple[Any, ...]]", connection.connection.driver_connection)


def copy(connection: Connection, into: str, rows: Iterable[Sequence[Any]]) -> None:
    """Write rows into `into`, a table with its columns. Lists travel as `array()` made them."""
    with raw(connection).cursor() as cursor, cursor.copy(f"COPY {into} FROM STDIN") as out:  # type: ignore[arg-type]
        for row in rows:
            out.write_row(row)


def array(values: Sequence[str]) -> str:
    """A list of texts as PostgreSQL writes it."""
    quoted = ('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values)
    return "{" + ",".join(quoted) + "}"


def numbers(values: Iterable[int]) -> str:
    """A list of numbers as PostgreSQL writes it; the driver would look at each for its size."""
    return "{" + ",".join(map(str, values)) + "}"


def unique(values: Iterable[Any]) -> list[Any]:
    """Each value once, in key order: every transaction takes its locks in the same order."""
    return sorted(set(values))
