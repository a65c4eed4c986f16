"""The step that listens to a desk: ask it what changed, read those tickets again, take over what people did there; read whom it knows.

No transaction is open while the desk is asked. What is pushed to us only says which tickets to read (console/web/hooks_desks.py).
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import Connection

from connectors.contract import Contacts, Knowing, Speaking, Told
from connectors.errors import ConnectorError, RateLimited
from storage import crm, desks
from storage.desks import Link
from storage.ledger import Ledger
from workers import failpoints

log = structlog.get_logger(__name__)

LEASE_SECONDS = 120.0  # one ticket's whole history, page by page
ROUND_SECONDS = 20.0
SLOWEST = 600.0


@dataclass(slots=True)
class Synced:
    """One round. `outcomes` of tickets read, `people` of contacts; `more`: work is left that needs no waiting for."""

    pages: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    people: Counter[str] = field(default_factory=Counter)
    more: bool = False
    error: str = ""


def sync(
    ledger: Ledger,
    target: str,
    desk: Speaking | Knowing,
    worker: str,
    stopping: Callable[[], bool] = lambda: False,
    *,
    pull: bool = False,
    lease_seconds: float = LEASE_SECONDS,
    seconds: float = ROUND_SECONDS,
    progress: Callable[[int], None] = lambda done: None,
    secret: bytes = b"",
) -> Synced:
    """Pull what is due (or all, with `pull`), then read what waits, for at most `seconds`. `secret`: by which erased people are known."""
    done, until = Synced(), time.monotonic() + seconds
    for what, ask, take in _pulls(desk, target, secret, done, progress):
        _pull(ledger, target, what, ask, take, done, until, stopping, pull)
    while hasattr(desk, "changes") and not stopping() and not done.error:
        if time.monotonic() > until:
            done.more = True
            break
        link = ledger.run(lambda c: desks.claim(c, target, lease_seconds))
        if link is None:
            break
        done.outcomes[_read(ledger, desk, link, worker, done)] += 1
        progress(done.outcomes.total())
    if done.outcomes or done.pages or done.error:
        log.info(
            "sync", target=target, pages=done.pages, error=done.error or None, **done.outcomes, **_told(done.people)
        )
    return done


Page = Told | Contacts
Take = Callable[[Connection, Any], tuple[int, int]]  # a page taken over: how many it told of, how many of them are ours


def _pulls(
    desk: Any, target: str, secret: bytes, done: Synced, progress: Callable[[int], None]
) -> Iterator[tuple[str, Callable[[Any], Page], Take]]:
    """What a desk can be asked for, how, and what becomes of a page of it."""

    def tickets(connection: Connection, told: Told) -> tuple[int, int]:
        return len(told.remote_ids), desks.heard(connection, target, told.remote_ids)

    def contacts(connection: Connection, told: Contacts) -> tuple[int, int]:
        taken = crm.bring(connection, secret, target, told.people)
        names = ("created", "updated", "unchanged", "proposed", "erased")
        seen = Counter({name: getattr(taken, name) for name in names} | {"aside": len(taken.problems)})
        done.people.update(seen)
        progress(done.people["created"] + done.people["updated"] + done.people["unchanged"])
        return taken.people, taken.created + taken.updated + taken.unchanged

    if hasattr(desk, "pull"):
        yield "tickets", desk.pull, tickets
    if hasattr(desk, "people"):
        yield "contacts", desk.people, contacts


def _told(people: Counter[str]) -> dict[str, int]:
    return {f"contacts_{name}": n for name, n in people.items() if n}


def _pull(
    ledger: Ledger,
    target: str,
    what: str,
    ask: Callable[[Any], Page],
    take: Take,
    done: Synced,
    until: float,
    stopping: Callable[[], bool],
    now: bool,
) -> None:
    """Page by page; where the next one starts is committed with what became of this one."""
    asked = ledger.run(lambda c: desks.ask(c, target, what, now=now))
    if asked is None:
        return
    state, version = asked
    while not stopping() and time.monotonic() < until:
        try:
            told = ask(state)
        except ConnectorError as error:
            _failed(ledger, target, error, done, what)
            return
        failpoints.hit("sync-pulled")
        new = ledger.run(lambda c, t=told, v=version: _taken(c, target, what, v, t, take))  # type: ignore[misc]
        done.pages += 1
        if new is None or told.done:
            return
        state, version = told.state, new
    done.more = True


def _taken(connection: Connection, target: str, what: str, version: int, told: Page, take: Take) -> int | None:
    new = desks.moved(connection, target, what, version, told.state)
    if new is not None:
        take(connection, told)
    return new


def _read(ledger: Ledger, desk: Any, link: Link, worker: str, done: Synced) -> str:
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


def _failed(ledger: Ledger, target: str, error: ConnectorError, done: Synced, what: str = "tickets") -> None:
    done.error = f"{error} {error.advice}".strip()
    ledger.run(lambda c: desks.said(c, target, done.error, what))
    log.warning("sync.failed", target=target, kind=error.kind, why=done.error)


def resync(
    ledger: Ledger,
    target: str,
    desk: Speaking | Knowing,
    since: int,
    worker: str,
    progress: Callable[[int], None] = lambda done: None,
    secret: bytes = b"",
) -> dict[str, Any]:
    """Read again what changed at the desk since then, in its order. Left half-way, the same call goes on where it was.

    Raises LookupError when the desk is not listened to, ConnectorError when it does not answer.
    """
    noted, result = Synced(), dict[str, Any]()
    for what, ask, take in _pulls(desk, target, secret, noted, lambda done: None):
        start = since if what == "tickets" else since * 1000
        found = ledger.run(lambda c, w=what, s=start: desks.history(c, target, s, w))  # type: ignore[misc]
        while found is not None and not found["done"]:
            told = ask(found["state"])
            found = ledger.run(lambda c, f=found, t=told, w=what, k=take: _again(c, target, w, f, t, k))  # type: ignore[misc]
            progress(found["told"])
        if found is not None:
            result[what] = {"told": found["told"], "ours": found["ours"]}
    if not result:
        raise LookupError(target)
    done, read = Synced(), Counter[str]()
    while True:
        done = sync(ledger, target, desk, worker, progress=progress, secret=secret)
        read += done.outcomes
        if not done.more:
            break
    if not done.error:
        for what in result:
            ledger.run(lambda c, w=what: desks.forget(c, target, w))  # type: ignore[misc]
    people = {name: n for name, n in noted.people.items() if n}
    return {**result, "read": dict(read), "people": people, "error": done.error}


def _again(
    connection: Connection, target: str, what: str, was: dict[str, Any], told: Page, take: Take
) -> dict[str, Any]:
    count, ours = take(connection, told)
    return desks.remember(connection, target, was, count, ours, told.state, told.done, what)
