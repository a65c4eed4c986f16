"""Touchpoints and tickets: which ticket an interaction belongs to, new customers out of forms, and who has fallen silent."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text

from storage import entries, events, runs
from storage.ledger import one, rows

# what a customer says to us, as opposed to what they do near us (opening a mail, visiting a page)
SPOKEN = (
    "call",
    "call_ended",
    "chat",
    "bot_chat",
    "email",
    "sms",
    "whatsapp",
    "message",
    "form",
    "store_visit",
    "review",
    "survey",
)


def open_ticket(connection: Connection, customer_id: int) -> int | None:
    """The open ticket this customer was last active on."""
    found: int | None = one(
        connection,
        "SELECT number FROM tickets WHERE customer_id = :id AND status NOT IN ('resolved', 'closed') AND merged_into IS NULL "
        "ORDER BY updated_at DESC, id DESC LIMIT 1",
        id=customer_id,
    )
    return found


def open_tickets(connection: Connection, customer_id: int | None, but: int, limit: int = 20) -> list[int]:
    """Their other open tickets, the last active first."""
    if customer_id is None:
        return []
    found = rows(
        connection,
        "SELECT number FROM tickets WHERE customer_id = :id AND status NOT IN ('resolved', 'closed') AND merged_into IS NULL "
        "AND number <> :but ORDER BY updated_at DESC, id DESC LIMIT :limit",
        id=customer_id,
        but=but,
        limit=limit,
    )
    return [row["number"] for row in found]


def tickets_of(connection: Connection, customers: Sequence[int], each: int = 21) -> list[int]:
    """Ids of their open tickets, of each customer those last active: all that `open_ticket` and `open_tickets` may name."""
    found = (
        rows(
            connection,
            "SELECT t.id FROM unnest(CAST(:ids AS bigint[])) AS c(id) CROSS JOIN LATERAL (SELECT id FROM tickets WHERE customer_id = c.id "
            "AND status NOT IN ('resolved', 'closed') AND merged_into IS NULL ORDER BY updated_at DESC, id DESC LIMIT :each) t",
            ids=sorted(set(customers)),
            each=each,
        )
        if customers
        else []
    )
    return [row["id"] for row in found]


def join(connection: Connection, interaction_ids: Sequence[int], worker: str = "") -> dict[int, int]:
    """Put interactions on their customers' open tickets, each once: interaction id → ticket number.

    The customer spoke: a ticket that waited for them is open again, a snoozed one is woken. Without an open ticket nothing is opened:
    the interaction stands on the timeline.
    """
    found = rows(
        connection,
        """SELECT i.id, i.kind, i.direction, i.subject, t.id AS ticket, t.number, t.status FROM interactions i
        LEFT JOIN customer_identities l ON l.identity_id = i.identity_id
        JOIN LATERAL (SELECT id, number, status FROM tickets WHERE customer_id = coalesce(l.customer_id, i.customer_id)
            AND status NOT IN ('resolved', 'closed') AND merged_into IS NULL ORDER BY updated_at DESC, id DESC LIMIT 1) t ON true
        WHERE i.id = ANY(:ids) AND NOT EXISTS (SELECT 1 FROM entries e WHERE e.ticket_id = t.id AND e.kind = 'contact'
            AND e.detail -> 'interaction' = to_jsonb(i.id)) ORDER BY t.id, i.id""",
        ids=sorted(set(interaction_ids)),
    )
    if not found:
        return {}
    run = runs.start(connection, "work", worker)
    for row in found:
        detail: dict[str, Any] = {"interaction": row["id"], "event": "contact"}
        heard = row["direction"] == "in"
        woken = heard and row["status"] in ("pending", "hold")
        if woken:
            detail["status"] = [row["status"], "open"]
        connection.execute(
            text(
                "UPDATE tickets SET status = CASE WHEN :woken THEN 'open' ELSE status END, updated_at = now(), version = version + 1, "
                "snoozed_until = CASE WHEN :heard THEN NULL ELSE snoozed_until END WHERE id = :id"
            ),
            {"woken": woken, "heard": heard, "id": row["ticket"]},
        )
        kind = "contact" if heard else "system"
        body = " ".join(
            part for part in (row["kind"].replace("_", " "), f"“{row['subject']}”" if row["subject"] else "") if part
        )
        entries.write(
            connection, run, [{"ticket_id": row["ticket"], "kind": kind, "body": body[:500], "detail": detail}]
        )
    runs.finish(connection, run)
    return {row["id"]: row["number"] for row in found}


def create(connection: Connection, facts: Mapping[str, Any], source: str) -> int:
    """A customer out of what an event's sender said, with where they came from; their account is linked to them where it is known."""
    name = str(facts.get("name") or facts.get("email") or facts.get("phone") or "").strip()[:200]
    identity = facts.get("identity_id")
    if not name and not identity:
        raise ValueError("nothing was said by which a customer could be known")
    if identity:
        name = name or one(
            connection,
            "SELECT coalesce(nullif(name, ''), nullif(handle, ''), native_id) FROM identities WHERE id = :id",
            id=identity,
        )
    customer = int(
        one(
            connection,
            "INSERT INTO customers (name, source) VALUES (:name, :source) RETURNING id",
            name=name,
            source=source[:60],
        )
    )
    if identity:
        won = one(
            connection,
            "INSERT INTO customer_identities (identity_id, customer_id, evidence, confidence, source) "
            "VALUES (:identity, :customer, :evidence, 1.0, 'author') ON CONFLICT DO NOTHING RETURNING customer_id",
            identity=identity,
            customer=customer,
            evidence=f"came by {source}"[:200],
        )
        if won is None:  # somebody was first: theirs it is
            connection.execute(text("DELETE FROM customers WHERE id = :id"), {"id": customer})
            return int(
                one(connection, "SELECT customer_id FROM customer_identities WHERE identity_id = :id", id=identity)
            )
    return customer


SILENCE_LOOK = "1 hour"  # between two looks for it


def look_for_silence(connection: Connection, seconds: int) -> int:
    """`silent`, at most once an hour over all workers."""
    due = one(
        connection,
        "INSERT INTO meta (key, value) VALUES ('silence_looked', CAST(now() AS text)) ON CONFLICT (key) DO UPDATE "
        "SET value = EXCLUDED.value WHERE CAST(meta.value AS timestamptz) < now() - CAST(:often AS interval) RETURNING 1",
        often=SILENCE_LOOK,
    )
    return silent(connection, seconds) if due else 0


def silent(connection: Connection, seconds: int, limit: int = 500) -> int:
    """Note customers whose last contact was so long ago, once per silence (event customer.silent). Looks at the last day's worth.

    A contact is a change of a ticket of theirs or an interaction. Returns how many were noted.
    """
    found = rows(
        connection,
        """WITH window_ AS (SELECT now() - make_interval(secs => :seconds) AS until, now() - make_interval(secs => :seconds) - interval '1 day' AS since),
        touched AS (
            SELECT t.customer_id, max(t.updated_at) AS at FROM tickets t, window_ w WHERE t.updated_at BETWEEN w.since AND w.until
                AND t.customer_id IS NOT NULL GROUP BY 1
            UNION ALL
            SELECT coalesce(l.customer_id, i.customer_id), max(i.received_at) FROM interactions i
                LEFT JOIN customer_identities l ON l.identity_id = i.identity_id, window_ w
                WHERE i.received_at BETWEEN w.since AND w.until AND coalesce(l.customer_id, i.customer_id) IS NOT NULL GROUP BY 1
        )
        SELECT x.customer_id, max(x.at) AS at FROM touched x, window_ w
        WHERE NOT EXISTS (SELECT 1 FROM tickets t WHERE t.customer_id = x.customer_id AND t.updated_at > w.until)
            AND NOT EXISTS (SELECT 1 FROM interactions i WHERE i.customer_id = x.customer_id AND i.happened_at > w.until)
            AND NOT EXISTS (SELECT 1 FROM customer_identities l JOIN interactions i ON i.identity_id = l.identity_id
                WHERE l.customer_id = x.customer_id AND i.happened_at > w.until)
        GROUP BY 1 ORDER BY 1 LIMIT :limit""",
        seconds=seconds,
        limit=limit,
    )
    days = round(seconds / 86_400)
    return events.emit(connection, [
        {"kind": "customer.silent", "subject": "customer", "subject_id": row["customer_id"], "body": {"days": days},
         "key": f"silent:{row['customer_id']}:{row['at']:%Y-%m-%d}"}
        for row in found
    ])  # fmt: skip


def tasks(connection: Connection, open_only: bool = True, limit: int = 100) -> list[dict[str, Any]]:
    """Follow-up tasks, the next due first."""
    found = rows(
        connection,
        "SELECT k.id, k.what, k.due, k.team, k.source, k.customer_id, c.name AS customer, t.number AS ticket, k.done_at FROM tasks k "
        "LEFT JOIN customers c ON c.id = k.customer_id LEFT JOIN tickets t ON t.id = k.ticket_id "
        "WHERE NOT :open OR k.done_at IS NULL ORDER BY k.due NULLS LAST, k.id LIMIT :limit",
        open=open_only,
        limit=limit,
    )
    return [dict(row) for row in found]


def task_done(connection: Connection, id_: int) -> bool:
    return bool(
        one(connection, "UPDATE tasks SET done_at = now() WHERE id = :id AND done_at IS NULL RETURNING 1", id=id_)
    )
