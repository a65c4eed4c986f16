"""Many rows in one statement: they travel as one JSON document, which is cheaper to send than an array per column."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be stored")


def dumps(value: Any) -> str:
    """JSON as we store it: compact, readable characters, datetimes as ISO 8601."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain)


def loads(value: str) -> Any:
    return json.loads(value)


def execute(connection: Connection, sql: str, rows: Sequence[Mapping[str, Any]], **more: Any) -> list[Row[Any]]:
    """Run `sql`, which reads its rows from json_to_recordset(CAST(:rows AS json)); nothing is sent when there are none."""
    if not rows:
        return []
    result = connection.execute(text(sql), {"rows": dumps(rows), **more})
    return list(result) if result.returns_rows else []


def unique(values: Iterable[Any]) -> list[Any]:
    """Each value once, in key order: every transaction takes its locks in the same order."""
    return sorted(set(values))
