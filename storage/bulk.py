"""Many rows in one statement: as COPY where nothing can be in the way, else as one JSON document.

COPY costs PostgreSQL half of what an INSERT from JSON does (https://www.postgresql.org/docs/current/populate.html), but knows no
ON CONFLICT and returns nothing: it is for rows whose keys are new by what was done before.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from psycopg import Connection as Raw
from psycopg.errors import UniqueViolation
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


def copied(connection: Connection, into: str, rows: Sequence[Sequence[Any]]) -> bool:
    """As `copy`, for rows of which one may be there already: then nothing is written, and the answer is False."""
    try:
        with raw(connection).transaction():  # a savepoint
            copy(connection, into, rows)
    except UniqueViolation:
        return False
    return True


# Characters no cleaned text holds: they part fields and rows, and stand for NULL, so that a whole block is escaped at once.
_FIELD, _NULL = "\x1f", "\x1d"
_ESCAPED = ((b"\\", b"\\\\"), (b"\n", b"\\n"), (b"\r", b"\\r"), (b"\x1d", b"\\N"), (b"\x1e", b"\n"))


def copy(connection: Connection, into: str, rows: Sequence[Sequence[Any]]) -> None:
    """Write rows of texts, numbers, moments and None into `into`, a table with its columns. Lists travel as `array()` made them."""
    if not rows:
        return
    block = _block(rows)
    with raw(connection).cursor() as cursor:
        if block is None:
            with cursor.copy(f"COPY {into} FROM STDIN") as out:  # type: ignore[arg-type]
                for row in rows:
                    out.write_row(row)
        else:
            with cursor.copy(f"COPY {into} FROM STDIN (DELIMITER E'\\x1f')") as out:  # type: ignore[arg-type]
                out.write(block)


def _block(rows: Sequence[Sequence[Any]]) -> bytes | None:
    """The rows as COPY reads them (https://www.postgresql.org/docs/current/sql-copy.html), at a fraction of what the driver takes
    row by row; None when a value holds one of our characters."""
    lines = [
        _FIELD.join([value if value.__class__ is str else _NULL if value is None else str(value) for value in row])
        for row in rows
    ]
    block = b"\x1e".join([line.encode() for line in lines])
    nulls = sum([row.count(None) for row in rows])
    fields = len(rows) * (len(rows[0]) - 1)
    if block.count(b"\x1e") != len(rows) - 1 or block.count(b"\x1f") != fields or block.count(b"\x1d") != nulls:
        return None
    for character, escaped in _ESCAPED:
        block = block.replace(character, escaped)
    return block + b"\n"


def fetch(connection: Connection, sql: str, values: Mapping[str, Any] | Sequence[Any] = ()) -> list[Any]:
    """Rows as plain tuples, straight from the driver: for statements every page or batch asks. Parameters as psycopg writes them."""
    return raw(connection).execute(sql, values).fetchall()


def run(connection: Connection, sql: str, values: Mapping[str, Any] | Sequence[Any] = ()) -> int:
    """As `fetch`, for a statement that returns nothing; how many rows it touched."""
    return raw(connection).execute(sql, values).rowcount


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
