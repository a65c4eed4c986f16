"""What the delivery tests share: desks that speak to the town, tickets owed, and a real process that settles them.

As a script: `python -m tests.delivering DATABASE_URL TARGET KIND SETTINGS_JSON [LEASE]` delivers until it is killed or told to stop.
"""

import json
import os
import secrets
import signal
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text

from connectors.contract import Context, Outbound
from connectors.outbound import load
from storage import outbox, runs, targets
from storage.ledger import Ledger, rows
from storage.outbox import Effect
from town.accounts import ACCOUNTS
from workers.deliver import Deliveries, deliver

SECRETS = {
    "ZENDESK_TOKEN": ACCOUNTS["zendesk"]["token"],
    "ZENDESK_OAUTH": ACCOUNTS["zendesk"]["oauth"],
    "HOOK_SECRET": ACCOUNTS["webhook"]["secret"],
    "ZENDESK_HOOK": ACCOUNTS["zendesk"]["hook"],
    "HUBSPOT": ACCOUNTS["hubspot"]["token"],
    "WRONG": "whsec_" + "A" * 44,
}


def now() -> datetime:
    return datetime.now(UTC)


def desk(kind: str, settings: Mapping[str, Any], deadline: float = 5.0) -> Outbound:
    module = load(kind)
    context = Context(now=now, secret=SECRETS.__getitem__, allow_hosts=frozenset({"127.0.0.1"}), deadline=deadline)
    return module.Desk(module.Settings(**settings), context)


def zendesk_settings(url: str, **more: Any) -> dict[str, Any]:
    account = {"email": ACCOUNTS["zendesk"]["email"], "token_env": "ZENDESK_TOKEN"}
    return {"base_url": url, "quiet": 0.3, **account, **more}


def name(ledger: Ledger, kind: str) -> str:
    """A target of its own for a test, known to the ledger."""
    target = f"{kind}-{secrets.token_hex(3)}"
    with ledger.begin() as c:
        known = [(r["name"], r["kind"], r["enabled"]) for r in rows(c, "SELECT name, kind, enabled FROM targets")]
        targets.sync_targets(c, [*known, (target, kind, True)])
    return target


def ticket_body(number: int, **more: Any) -> dict[str, Any]:
    return {
        "number": number,
        "subject": f"Ticket {number}: the app is down",
        "text": "I cannot log in since this morning 😡",
        "priority": "high",
        "team": "care",
        "customer": {"id": number, "name": f"Ann {number}", "email": f"ann{number}@example.org"},
        "mentions": [
            {"platform": "reddit", "url": "https://example.org/1", "author": "ann", "text": "…", "published": "x"}
        ],
        "reasons": ["angry words about service"],
        "url": f"http://127.0.0.1/tickets/{number}",
        **more,
    }


def owe_tickets(ledger: Ledger, target: str, n: int, comments: int = 0, **more: Any) -> list[int]:
    """Owe the creation of `n` tickets and comments on each, as a digest would: in one transaction."""
    with ledger.begin() as c:
        run = runs.start(c, "digest", "test")
        ids = runs.ids(c, "tickets", n)
        effects = []
        for t in ids:
            effects.append(
                Effect(target, "ticket.create", f"em-{t}-{target}-create", ticket_body(t, **more), ticket_id=t)
            )
        for k in range(comments):
            for t in ids:
                body = {"number": t, "text": f"comment {k} on {t}", "public": False, "mention": {"platform": "x"}}
                key = f"em-e{t}{k:03}-{target}"
                effects.append(Effect(target, "ticket.comment", key, body, ticket_id=t, entry_id=t * 1000 + k))
        outbox.owe_many(c, run, effects)
        runs.finish(c, run)
    return ids


def states(ledger: Ledger, target: str) -> dict[str, int]:
    with ledger.begin() as c:
        found = rows(c, "SELECT state, count(*) AS n FROM outbox WHERE target = :t GROUP BY 1", t=target)
    return {row["state"]: row["n"] for row in found}


def row(ledger: Ledger, target: str) -> dict[str, Any]:
    with ledger.begin() as c:
        return dict(rows(c, "SELECT * FROM outbox WHERE target = :t ORDER BY id LIMIT 1", t=target)[0])


def target_row(ledger: Ledger, target: str) -> dict[str, Any]:
    with ledger.begin() as c:
        return dict(rows(c, "SELECT * FROM targets WHERE name = :t", t=target)[0])


def attempts(ledger: Ledger, target: str) -> list[dict[str, Any]]:
    sql = "SELECT a.*, o.key FROM attempts a JOIN outbox o ON o.id = a.outbox_id WHERE o.target = :t ORDER BY a.id"
    with ledger.begin() as c:
        return [dict(r) for r in rows(c, sql, t=target)]


def hurry(ledger: Ledger, target: str) -> None:
    """Let time pass: what waits for a retry or an open breaker is due now."""
    with ledger.begin() as c:
        c.execute(
            text("UPDATE targets SET open_until = NULL WHERE name = :t"), {"t": target}
        )  # the target first, as workers lock
        c.execute(
            text("UPDATE outbox SET due = now() WHERE target = :t AND state IN ('retry', 'unknown')"), {"t": target}
        )


def go(ledger: Ledger, target: str, desk: Outbound, **more: Any) -> Deliveries:
    """One round in this process."""
    return deliver(ledger, target, desk, "test-worker", lambda: False, now, **more)


def main(url: str, target: str, kind: str, settings: str, lease: str = "60") -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # what is in flight stays leased
    ledger, made = Ledger(url, pool=2), desk(kind, json.loads(settings), deadline=1.5)
    print("delivering", flush=True)
    while not stop.wait(0.05):
        deliver(ledger, target, made, f"process-{os.getpid()}", stop.is_set, now, 5.0, float(lease))


if __name__ == "__main__":
    main(*sys.argv[1:])
