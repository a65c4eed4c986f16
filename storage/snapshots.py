"""What the watch step remembers of each series, kept for its next start: a row a series, and which moment they are of."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from storage.bulk import raw
from storage.ledger import rows

KEY = "watched_snapshot"


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows of one moment: (rule, topic, platform, measure, state); `about` is what the writer said of them."""

    about: dict[str, Any]
    rows: list[tuple[str, str, str, str, bytes]]


def write(connection: Connection, about: dict[str, Any], found: Sequence[tuple[str, str, str, str, bytes]]) -> None:
    """Replace what was kept."""
    connection.execute(text("DELETE FROM snapshots"))
    statement = "COPY snapshots (rule, topic, platform, measure, state) FROM STDIN (FORMAT BINARY)"
    with raw(connection).cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(["text", "text", "text", "text", "bytea"])
        for row in found:
            copy.write_row(row)
    connection.execute(
        text("INSERT INTO meta (key, value) VALUES (:k, :v) ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value"),
        {"k": KEY, "v": json.dumps(about)},
    )


def read(connection: Connection) -> Kept | None:
    """What was kept, in one statement; None: nothing was."""
    said = rows(connection, "SELECT value FROM meta WHERE key = :k", k=KEY)
    if not said:
        return None
    found = connection.execute(text("SELECT rule, topic, platform, measure, state FROM snapshots"))
    return Kept(json.loads(said[0]["value"]), [(r[0], r[1], r[2], r[3], bytes(r[4])) for r in found])
