"""What each counted row adds to the sum its transaction wrote down, as SQL over the row `t`, and the trace it leaves when it goes.

The client's side of the same figures is in storage/keys.py and storage/runs.py.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class Counted:
    """A table whose rows are counted by the page or run that wrote them."""

    parent: str
    proof: str
    trace: str = ""  # how traces name it, where that is more than the table's name


def bits(hex_: str) -> str:
    """The first 60 bits of a hexadecimal text, as a number."""
    return f"CAST(CAST('x' || left({hex_}, 15) AS bit(60)) AS bigint)"


_PLATFORM_KEY = bits("md5(t.platform || '|' || t.origin || '|' || t.native_id)")
_ITEM_HASH = bits("encode(t.item_hash, 'hex')")

COUNTED = {
    "mentions": Counted("page_id", f"t.id + {_PLATFORM_KEY}"),
    "sightings": Counted("page_id", "t.mention_id"),
    "rejects": Counted("page_id", f"t.id + {_ITEM_HASH}"),
    "gaps": Counted("page_id", "t.id"),
    "verdicts": Counted("run_id", "t.mention_id + t.version + coalesce(t.identity_id, 0)", "'verdicts.' || t.outcome"),
    "tickets": Counted("run_id", "t.id"),
    "ticket_mentions": Counted("run_id", "t.ticket_id + t.mention_id"),
    "entries": Counted("run_id", "t.id + t.ticket_id + coalesce(t.mention_id, 0) + coalesce(t.version, 0)"),
    "outbox": Counted(
        "run_id", "t.id + coalesce(t.ticket_id, 0) + coalesce(t.entry_id, 0) + coalesce(t.escalation_id, 0)"
    ),
}


def take_away(connection: Connection, table: str, where: str, reason: str, **values: Any) -> int:
    """Delete rows `t` of a counted table and leave their trace; returns how many. `where` is our own text, never a caller's data."""
    counted = COUNTED[table]
    name = counted.trace or f"'{table}'"
    statement = text(
        f"WITH gone AS (DELETE FROM {table} t WHERE {where} RETURNING {name} AS tbl, "  # noqa: S608
        f"t.{counted.parent} AS parent, CAST({counted.proof} AS numeric) AS proof), kept AS ("
        "INSERT INTO traces (tbl, parent_id, n, key_sum, reason) "
        "SELECT tbl, parent, count(*), sum(proof), :reason FROM gone GROUP BY tbl, parent ORDER BY tbl, parent RETURNING n) "
        "SELECT coalesce(sum(n), 0) FROM kept"
    )
    return int(connection.execute(statement, {"reason": reason, **values}).scalar_one())
