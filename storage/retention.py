"""What is kept only so long: raw payloads, receipts, attempts, sessions. What counts or proves is kept.

No page or run counts these rows, so nothing but the rows goes; for attempts the ledger notes from when on they are whole.
"""

from sqlalchemy import Connection, text

from storage import hooks, idempotency

BATCH = 5000  # rows of one table in one transaction: upkeep comes round again


def purge(
    connection: Connection,
    *,
    payload_days: int | None = None,
    receipt_days: int | None = None,
    attempt_days: int | None = None,
) -> dict[str, int]:
    """Delete what is older, at most some thousand rows of each table. None keeps for ever. Returns table → how many."""
    done: dict[str, int] = {}
    if payload_days is not None:
        done["payloads"] = _delete(connection, "payloads", "stored_at", payload_days)
        done["versions"] = _delete(connection, "versions", "replaced_at", payload_days)
        done["rejects"] = _blank_rejects(connection, payload_days)
    if receipt_days is not None:
        done["receipts"] = _delete(connection, "receipts", _DECIDED, receipt_days)
    if attempt_days is not None:
        done["attempts"] = _attempts(connection, attempt_days)
    done["sessions"] = connection.execute(text("DELETE FROM sessions WHERE expires_at < now()")).rowcount
    done["login_attempts"] = connection.execute(
        text("DELETE FROM login_attempts WHERE at < now() - interval '1 day'")
    ).rowcount
    done["hooks"] = hooks.purge(connection)
    done["idempotency"] = idempotency.purge(connection)
    return done


_DECIDED = "(SELECT v.decided_at FROM verdicts v WHERE v.mention_id = t.mention_id AND v.version = t.version)"


def _delete(connection: Connection, table: str, moment: str, days: int) -> int:
    """Oldest first, skipping what somebody else holds. `table` and `moment` are our own names."""
    statement = text(
        f"DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT t.ctid FROM {table} t "  # noqa: S608
        f"WHERE {moment} < now() - make_interval(days => :days) LIMIT {BATCH} FOR UPDATE SKIP LOCKED))"
    )
    return connection.execute(statement, {"days": days}).rowcount


def _blank_rejects(connection: Connection, days: int) -> int:
    """A closed reject keeps its row, which its page counts, and its hash, so that it is not stored again."""
    return connection.execute(
        text(
            "UPDATE rejects SET payload = '' WHERE payload <> '' AND state <> 'open' "
            "AND at < now() - make_interval(days => :days)"
        ),
        {"days": days},
    ).rowcount


def _attempts(connection: Connection, days: int) -> int:
    """Attempts of effects that are done. The mark says from when on they must be there."""
    until = connection.execute(text("SELECT now() - make_interval(days => :days)"), {"days": days}).scalar_one()
    gone = connection.execute(
        text(
            "DELETE FROM attempts WHERE id = ANY(ARRAY(SELECT a.id FROM attempts a JOIN outbox o ON o.id = a.outbox_id "  # noqa: S608
            f"WHERE o.state = 'done' AND o.done_at < :until LIMIT {BATCH} FOR UPDATE OF a SKIP LOCKED))"
        ),
        {"until": until},
    ).rowcount
    if gone:
        connection.execute(
            text(
                "INSERT INTO meta (key, value) VALUES ('attempts_from', CAST(CAST(:until AS timestamptz) AS text)) "
                "ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value "
                "WHERE CAST(meta.value AS timestamptz) < CAST(EXCLUDED.value AS timestamptz)"
            ),
            {"until": until},
        )
    return gone
