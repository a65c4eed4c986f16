"""The step that listens to a desk: ask it what changed, read those tickets again, take over what people did there.

No transaction is open while the desk is asked. What is pushed to us only says which tickets to read (console/web/hooks_desks.py).
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog

from connectors.contract import Speaking
from connectors.errors import ConnectorError, RateLimited
from storage import desks
from storage.desks import Link
from storage.ledger import Ledger
from workers import failpoints

log = structlog.get_logger(__name__)

LEASE_SECONDS = 120.0  # one ticket's whole history, page by page
ROUND_SECONDS = 20.0
SLOWEST = 600.0


@dataclass(slots=True)
class Synced:
    """One round. `outcomes` of tickets read; `more`: work is left that needs no waiting for."""

    pages: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    more: bool = False
    error: str = ""


def sync(
    ledger: Ledger,
    target: str,
    desk: Speaking,
    worker: str,
    stopping: Callable[[], bool] = lambda: False,
    *,
    pull: bool = False,
    lease_seconds: float = LEASE_SECONDS,
    seconds: float = ROUND_SECONDS,
    progress: Callable[[int], None] = lambda done: None,
) -> Synced:
    """Pull when it is due (or `pull`), then read what waits, for at most `seconds`."""
    done, until = Synced(), time.monotonic() + seconds
    _pull(ledger, target, desk, done, until, stopping, pull)
    while not stopping() and not done.error:
        if time.monotonic() > until:
            done.more = True
            break
        link = ledger.run(lambda c: desks.claim(c, target, lease_seconds))
        if link is None:
            break
        done.outcomes[_read(ledger, desk, link, worker, done)] += 1
        progress(done.outcomes.total())
    if done.outcomes or done.pages or done.error:
        log.info("sync", target=target, pages=done.pages, error=done.error or None, **done.outcomes)
    return done


def _pull(
    ledger: Ledger, target: str, desk: Speaking, done: Synced, until: float, stopping: Callable[[], bool], pull: bool
) -> None:
    """Page by page; where the next one starts is committed with the tickets it named."""
    asked = ledger.run(lambda c: desks.ask(c, target, now=pull))
    if asked is None:
        return
    state, version = asked
    while not stopping() and time.monotonic() < until:
        try:
            told = desk.pull(state)
        except ConnectorError as error:
            _failed(ledger, target, error, done)
            return
        failpoints.hit("sync-pulled")
        new = ledger.run(lambda c, t=told, v=version: desks.pulled(c, target, v, t.remote_ids, t.state))  # type: ignore[misc]
        done.pages += 1
        if new is None or told.done:
            return
        state, version = told.state, new
    done.more = True


def _read(ledger: Ledger, desk: Speaking, link: Link, worker: str, done: Synced) -> str:
    try:
        remarks = desk.changes(link.remote_id)
    except ConnectorError as error:
        wait = timedelta(seconds=min(SLOWEST, 2.0 ** min(link.failures, 10)))
        if isinstance(error, RateLimited) and error.reset_at is not None:
            wait = max(wait, timedelta(seconds=30))
        ledger.run(lambda c: desks.failed(c, link, wait))
        if not getattr(error, "sent", False) or isinstance(error, RateLimited):
            _failed(ledger, link.target, error, done)
        return "failed"
    failpoints.hit("sync-read")
    if remarks is None:
        return ledger.run(lambda c: desks.missing(c, link, worker))
    outcome = ledger.run(lambda c: desks.apply(c, link, remarks, worker))
    failpoints.hit("sync-applied")
    return outcome


def _failed(ledger: Ledger, target: str, error: ConnectorError, done: Synced) -> None:
    done.error = f"{error} {error.advice}".strip()
    ledger.run(lambda c: desks.said(c, target, done.error))
    log.warning("sync.failed", target=target, kind=error.kind, why=done.error)


def resync(
    ledger: Ledger,
    target: str,
    desk: Speaking,
    since: int,
    worker: str,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Any]:
    """Read again what changed at the desk since then, in its order. Left half-way, the same call goes on where it was.

    Raises LookupError when the desk is not listened to, ConnectorError when it does not answer.
    """
    found = ledger.run(lambda c: desks.history(c, target, since))
    if found is None:
        raise LookupError(target)
    while not found["done"]:
        told = desk.pull(found["state"])
        found = ledger.run(lambda c, f=found, t=told: desks.remember(c, target, f, t.remote_ids, t.state, t.done))  # type: ignore[misc]
        progress(found["tickets"])
    read: Counter[str] = Counter()
    while True:
        done = sync(ledger, target, desk, worker, progress=progress)
        read += done.outcomes
        if not done.more:
            break
    if not done.error:
        ledger.run(lambda c: desks.forget(c, target))
    return {"tickets": found["tickets"], "ours": found["ours"], "read": dict(read), "error": done.error}
