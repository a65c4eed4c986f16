"""Who is looking at a ticket now: told from process to process by NOTIFY, and kept in no table, so that no row is left behind.

A payload is small (https://www.postgresql.org/docs/current/sql-notify.html: under 8000 bytes) and is sent when its transaction commits.
"""

import json

from sqlalchemy import Connection, text

CHANNEL = "earmark_presence"
LONGEST_NAME = 80


def tell(connection: Connection, ticket_id: int, user_id: int, name: str, page: str, state: str) -> None:
    """`page`: of one open page, so that a second one of the same person does not end the first. `state`: looking, replying, gone."""
    payload = {"ticket": ticket_id, "user": user_id, "name": name[:LONGEST_NAME], "page": page, "state": state}
    connection.execute(
        text("SELECT pg_notify(:channel, :payload)"), {"channel": CHANNEL, "payload": json.dumps(payload)}
    )
