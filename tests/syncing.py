"""What the tests of two-way desks share, and a real process that delivers and listens until it is killed.

As a script: `python -m tests.syncing DATABASE_URL TARGET SETTINGS_JSON`.
"""

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import text

from storage import desks
from storage.desks import Listened
from storage.ledger import Ledger, rows
from tests import ledgers
from tests.delivering import desk, name, now, zendesk_settings
from town.server import Town
from workers import digest
from workers.deliver import deliver
from workers.file import Desk
from workers.sync import Synced, sync

LEASE = 3.0


def settings(town: Town, **more: Any) -> dict[str, Any]:
    return zendesk_settings(town.urls["zendesk"], two_way=True, pull=1, webhook_secret_env="ZENDESK_HOOK", **more)


def listening(ledger: Ledger, *fields: str) -> str:
    """A target that is listened to."""
    target = name(ledger, "zendesk")
    with ledger.begin() as connection:
        desks.configure(connection, [Listened(target, "tickets", 1, fields)])
    return target


def file(ledger: Ledger, target: str, *posts: tuple[str, int]) -> list[int]:
    """Posts (id, author) go through the real ingest and digest; the numbers of their tickets."""
    made = [ledgers.post("x", id_, f"help with {id_}", ledgers.person(who), context=id_) for id_, who in posts]
    ledgers.store(ledger, "x-one", made)
    digest.drain(ledger, replace(ledgers.desktop(), desks=(Desk(target),)), "tester", lambda: False)
    with ledger.begin() as connection:
        found = rows(
            connection,
            "SELECT m.native_id, t.number FROM mentions m JOIN ticket_mentions l ON l.mention_id = m.id JOIN tickets t ON t.id = l.ticket_id "
            "WHERE m.native_id = ANY(:ids)",
            ids=[id_ for id_, _ in posts],
        )
    numbers = {row["native_id"]: row["number"] for row in found}
    return [numbers[id_] for id_, _ in posts]


def hurry(ledger: Ledger, target: str) -> None:
    """Let time pass: whatever waits for a retry, a breaker or a lease is due now."""
    with ledger.begin() as c:
        c.execute(
            text("UPDATE targets SET open_until = NULL WHERE name = :t"), {"t": target}
        )  # the target first, as workers lock
        c.execute(
            text("UPDATE outbox SET due = now() WHERE target = :t AND state IN ('retry', 'unknown')"), {"t": target}
        )
        c.execute(
            text("UPDATE desk_links SET wanted_at = now() WHERE target = :t AND wanted_at > now()"), {"t": target}
        )


def go(ledger: Ledger, target: str, made: Any, pull: bool = True) -> Synced:
    """Deliver, then listen, once."""
    deliver(ledger, target, made, "tester", lambda: False, now)
    return sync(ledger, target, made, "tester", pull=pull)


def remote(ledger: Ledger, target: str) -> dict[int, int]:
    """Our ticket number → the desk's id."""
    sql = "SELECT t.number, l.remote_id FROM desk_links l JOIN tickets t ON t.id = l.ticket_id WHERE l.target = :t"
    with ledger.begin() as connection:
        return {row["number"]: int(row["remote_id"]) for row in rows(connection, sql, t=target)}


def main(url: str, target: str, wanted: str) -> None:
    ledger = Ledger(url, pool=2)
    given: Mapping[str, Any] = json.loads(wanted)
    made = desk("zendesk", given, deadline=1.5)
    print("listening", flush=True)
    while True:
        deliver(ledger, target, made, f"process-{os.getpid()}", lambda: False, now, 2.0, LEASE)
        sync(ledger, target, made, f"process-{os.getpid()}", lease_seconds=LEASE, seconds=2.0)
        time.sleep(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
