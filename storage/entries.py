"""Entries with their detail: what people, clocks and automations did to a ticket, in words and for machines.

`detail` says what changed as {"status": ["new", "open"]}; with "event" it names what happened for automations (`ticket.breached`). What no
person did says by which rule: "rule" holds its name, version and matched values, or "run" the automation run whose receipt does.
A transaction that writes entries begins with `runs.start` and ends with `runs.finish`, so that `earmark reconcile` can count them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text

from storage import bulk
from storage.runs import Run, ids
from storage.sums import COUNTED

KINDS = {  # kind → what it is called on a page
    "mention": "Post",
    "repost": "Passed on",
    "edit": "Edited",
    "deleted": "Deleted",
    "note": "Note",
    "reply": "Answer",
    "withdrawn": "Taken back",
    "status": "Change",
    "system": "Earmark",
    "skip": "Skipped",
    "handoff": "Handed over",
    "promise": "Promise",
    "merge": "Merged",
    "split": "Split",
    "link": "Linked",
    "survey": "Survey",
    "automation": "Automation",
    "contact": "Contact",
}


def write(connection: Connection, run: Run, wanted: Sequence[Mapping[str, Any]]) -> list[int]:
    """Write entries (ticket_id, kind, and user_id, body, detail, mention_id, version where they apply); their ids, in order."""
    if not wanted:
        return []
    if run.kind == "automation":
        wanted = _caused(connection, wanted)
    drawn = ids(connection, "entries", len(wanted))
    bulk.copy(
        connection,
        "entries (id, ticket_id, kind, mention_id, version, user_id, body, detail, run_id)",
        [
            (id_, row["ticket_id"], row["kind"], row.get("mention_id"), row.get("version"), row.get("user_id") or None,
             row.get("body") or "", bulk.dumps(row["detail"]) if row.get("detail") else None, run.id)
            for row, id_ in zip(wanted, drawn, strict=True)
        ],
    )  # fmt: skip
    for row, id_ in zip(wanted, drawn, strict=True):
        run.wrote_entry(id_, row["ticket_id"], row.get("mention_id"), row.get("version"))
    return drawn


def _caused(connection: Connection, wanted: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The same entries, each with the automation run at work (events.caused_by)."""
    cause = connection.execute(text("SELECT nullif(current_setting('earmark.cause', true), '')")).scalar_one()
    return [{**row, "detail": {**(row.get("detail") or {}), "run": int(cause)}} for row in wanted] if cause else wanted


def move(connection: Connection, run: Run, wanted: Mapping[int, int]) -> int:
    """Mentions, with all entries about them, to another ticket: mention id → ticket id. Returns how many mentions moved.

    Ids stay. What leaves a run is a counted trace of it, what arrives is counted by `run`. An entry remembers where it stood.
    """
    moves = [{"mention_id": mention, "ticket_id": ticket} for mention, ticket in sorted(wanted.items())]
    connection.execute(
        text("SELECT set_config('earmark.quiet', 'on', true)")
    )  # nothing happened, it only stands elsewhere
    links = _taken(connection, "ticket_mentions", moves)
    bulk.copy(
        connection,
        "ticket_mentions (mention_id, ticket_id, run_id)",
        [(r.mention_id, r.goes_to, run.id) for r in links],
    )
    for row in links:
        run.wrote_link(row.goes_to, row.mention_id)
    moved = _taken(connection, "entries", moves)
    bulk.copy(
        connection,
        "entries (id, ticket_id, kind, mention_id, version, user_id, body, remote_key, at, detail, run_id)",
        [
            (r.id, r.goes_to, r.kind, r.mention_id, r.version, r.user_id, r.body, r.remote_key, r.at,
             bulk.dumps({**(r.detail or {}), "from": [*(r.detail or {}).get("from", []), r.ticket_id]}), run.id)
            for r in moved
        ],
    )  # fmt: skip
    for row in moved:
        run.wrote_entry(row.id, row.goes_to, row.mention_id, row.version)
    connection.execute(text("SELECT set_config('earmark.quiet', '', true)"))
    return len(links)


def _taken(connection: Connection, table: str, moves: Sequence[Mapping[str, int]]) -> list[Any]:
    """Rows taken away from a counted table with their traces, in key order, each with where it goes."""
    return bulk.execute(
        connection,
        f"""WITH gone AS (
            DELETE FROM {table} t USING json_to_recordset(CAST(:rows AS json)) AS r(mention_id bigint, ticket_id bigint)
            WHERE t.mention_id = r.mention_id AND t.ticket_id <> r.ticket_id
            RETURNING t.*, r.ticket_id AS goes_to, CAST({COUNTED[table].proof} AS numeric) AS proof
        ), traced AS (
            INSERT INTO traces (tbl, parent_id, n, key_sum, reason)
            SELECT '{table}', run_id, count(*), sum(proof), 'moved' FROM gone GROUP BY run_id ORDER BY run_id
        )
        SELECT * FROM gone ORDER BY 1""",  # noqa: S608 our own names
        moves,
    )
