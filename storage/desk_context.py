"""What colleagues at a two-way desk should know of the customer before they answer: a private note, once per ticket, without posts' texts
(a platform's terms may forbid handing them on)."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection

from storage import casework, entries, lookup, runs
from storage.ledger import rows
from storage.lookup import Found


def attach(connection: Connection, ticket_ids: Sequence[int], worker: str, console_url: str = "") -> int:
    """Owe the desks that are listened to a note about the customer of these new tickets. Returns how many tickets got one."""
    found = rows(
        connection,
        "SELECT t.number, t.customer_id, array_agg(s.target ORDER BY s.target) AS targets FROM tickets t "
        "JOIN desk_syncs s ON s.target = ANY(t.targets) AND s.what = 'tickets' AND s.enabled WHERE t.id = ANY(:ids) AND t.customer_id IS NOT NULL "
        "GROUP BY t.id ORDER BY t.id",
        ids=sorted(set(ticket_ids)),
    )
    told = 0
    for row in found:
        seen = lookup.show(connection, row["customer_id"], datetime.now(UTC))
        if seen is None:
            continue
        body = said(seen, row["number"])
        if console_url:
            body += f"\nIn Earmark: {console_url}/customers/{row['customer_id']}"
        ticket = casework.locked(connection, row["number"])
        run = runs.start(connection, "work", worker)
        detail = {"event": "context", "desks": row["targets"]}
        [entry] = entries.write(
            connection, run, [{"ticket_id": ticket.id, "kind": "system", "body": body, "detail": detail}]
        )
        only = casework.replace(ticket, targets=row["targets"])
        casework.owe(
            connection, run, only, entry, "ticket.comment", {"number": row["number"], "text": body, "public": False}
        )
        runs.finish(connection, run)
        told += 1
    return told


def said(seen: Found, number: int) -> str:
    """The note, a line per fact; what is not known is left out."""
    who = seen.customer
    name = " · ".join(str(part) for part in (who["name"], who["tier"], "VIP" if who["vip"] else "") if part)
    others = [f"#{t['number']} {t['status']}: {t['subject']}" for t in seen.tickets if t["number"] != number]
    posts = [
        f"{m['platform']} {m['at']:%Y-%m-%d} {m['url'] or ''}".strip() for m in seen.mentions if m["ticket"] != number
    ]
    touches = [f"{t['kind'].replace('_', ' ')} {t['at']:%Y-%m-%d} {t['subject']}".strip() for t in seen.interactions]
    owed = [f"{p['what']} by {p['due']:%Y-%m-%d}{' (late)' if p['passed'] else ''}" for p in seen.promises]
    parts = (
        ("Other open tickets", others),
        ("Promised", owed),
        ("Earlier posts", posts),
        ("Earlier contacts", touches),
    )
    return "\n".join(
        [f"Customer: {name or who['id']}", *(f"{label}: {'; '.join(items)}" for label, items in parts if items)]
    )
