"""The poll step: take a channel's lease, fetch page after page, store each whole; those that come quickly share a transaction."""

import random
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from connectors import shape
from connectors.contract import Context, Inbound, Page
from connectors.errors import (
    ConnectorError,
    CursorInvalid,
    MalformedItem,
    Permanent,
    RateLimited,
    SchemaDrift,
    Transient,
)
from domain.query import matching
from domain.retry import back_off
from domain.rules import Topic
from storage import audit, bulk, channels, hooks, mentions, page_books, page_in
from storage.ledger import Ledger
from workers import failpoints
from workers.logs import trace

log = structlog.get_logger()

DRAIN_SECONDS = 20.0
BACKOFF_BASE, BACKOFF_CAP = timedelta(seconds=5), timedelta(minutes=15)
HOLD_ITEMS, HOLD_BYTES, HOLD_SECONDS = 1000, 4_000_000, 0.5
NESTED = 64  # levels of an item; no platform comes near


@dataclass(frozen=True, slots=True)
class Watched:
    """A channel as the configuration in force describes it, ready to be polled."""

    name: str
    topics: tuple[Topic, ...]
    max_pages: int
    connect: Callable[[Context], Inbound]


@dataclass(slots=True)
class Polled:
    """What one poll did. `error` is what an operator reads."""

    pages: int = 0
    returned: int = 0
    queued: int = 0
    error: str = ""
    more: bool = False


def poll(
    ledger: Ledger,
    channel_id: int,
    find: Callable[[str], Watched | None],
    context: Context,
    secret: bytes,
    worker: str,
    stored: Callable[[Sequence[page_in.PageCounts]], None] = lambda counts: None,
) -> Polled | None:
    """Poll one channel, if a poll is owed and nobody else has it; None otherwise. `stored` is told of each commit with something to judge."""
    leased = ledger.run(lambda c: channels.lease(c, channel_id, worker))
    if leased is None:
        return None
    done = Polled(more=True)
    try:
        watched = find(leased.name)
        if watched is None:  # left the configuration a moment ago
            done.more = False
            return done
        with ExitStack() as opened:
            here = replace(
                context,
                received=lambda after, limit: ledger.run(lambda c: hooks.received(c, leased.id, after, limit)),
                opened=opened.callback,
            )
            _walk(ledger, leased, watched, here, secret, done, stored)
    except page_in.LeaseLost:
        log.warning("lease lost, page dropped", channel=leased.name)
    finally:
        satisfied = not done.more
        ledger.run(lambda c: channels.release(c, leased, satisfied=satisfied))
    return done


def _walk(
    ledger: Ledger,
    leased: channels.Leased,
    watched: Watched,
    context: Context,
    secret: bytes,
    done: Polled,
    stored: Callable[[Sequence[page_in.PageCounts]], None],
) -> None:
    connector: Inbound | None = None
    state = leased.state
    until = time.monotonic() + DRAIN_SECONDS
    held = Held()

    def keep() -> bool:
        counts = held.keep(ledger, secret)
        if leased.failures and counts and not done.pages:
            log.info("reading again", channel=leased.name, failures=leased.failures)
        queued = sum(count.queued for count in counts)
        done.pages += len(counts)
        done.returned += sum(count.returned for count in counts)
        done.queued += queued
        if queued:
            stored(counts)
        return any(count.paused for count in counts)

    while not context.stopping():
        started = time.monotonic()
        try:
            connector = connector or watched.connect(context)
            page = connector.fetch_page(state)
            found, rejected = read(connector, page, watched.topics)
        except ConnectorError as error:
            keep()
            _failed(ledger, leased, error, started, done)
            return
        except SQLAlchemyError:
            raise
        except Exception as error:  # a fault of the connector's costs its channel a poll, and is seen there
            log.error("poll.bug", channel=leased.name, exception=trace(error))
            keep()
            _failed(ledger, leased, _fault(error), started, done)
            return
        if context.stopping():
            return  # what is in flight is dropped before its transaction; its owner reads it again
        held.take(_page(leased, page, found, rejected, int((time.monotonic() - started) * 1000)), started)
        whole = page.done or not page.complete
        ends = whole or page.not_before or done.pages + len(held.pages) >= watched.max_pages or time.monotonic() > until
        paused = keep() if ends or held.full() else False
        if whole:
            done.more = False
        if ends or paused:
            return  # a walk that is not whole goes on with the next ring
        state = page.state


@dataclass(slots=True)
class Held:
    """Pages that were read and share a transaction: a platform that answers quickly is not charged a commit for each.

    A slow one is: nothing that was read waits for longer than HOLD_SECONDS before the next page is asked for.
    """

    pages: list[page_in.PageIn] = field(default_factory=list)
    since: float = 0.0

    def take(self, page: page_in.PageIn, started: float) -> None:
        self.since = self.since if self.pages else started
        self.pages.append(page)

    def full(self) -> bool:
        items = sum(len(page.found) + len(page.rejected) for page in self.pages)
        size = sum(page.bytes for page in self.pages)
        return items >= HOLD_ITEMS or size >= HOLD_BYTES or time.monotonic() - self.since >= HOLD_SECONDS

    def keep(self, ledger: Ledger, secret: bytes) -> list[page_in.PageCounts]:
        """Store them, in one transaction. Raises LeaseLost."""
        pages, self.pages = self.pages, []
        if not pages:
            return []
        failpoints.hit("poll-before-insert")

        def insert(connection: Connection) -> list[page_in.PageCounts]:
            counts = mentions.store_pages(connection, secret, pages)
            failpoints.hit("poll-inserted")
            return counts

        counts = ledger.run(insert)
        failpoints.hit("poll-committed")
        return counts


def read(connector: Inbound, page: Page, topics: Sequence[Topic]) -> tuple[list[page_in.Found], list[page_in.Rejected]]:
    """Each item on its own: read, or rejected with its reason. Raises SchemaDrift when a whole page cannot be read."""
    found, rejected = [], []
    first = ""  # without the item's own words: it goes to logs and pages
    for raw in page.items:
        payload = bulk.anything(raw)
        try:
            if payload.count("{") + payload.count("[") > NESTED and shape.deep(raw, NESTED):
                raise MalformedItem(f"nested deeper than {NESTED} levels")
            mention = connector.normalise(raw)
        except MalformedItem as error:
            first = first or str(error)
            rejected.append(page_in.Rejected(str(error), payload, _native(raw)))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            first = first or trace(error)
            rejected.append(page_in.Rejected(f"{type(error).__name__}: {error}"[:500], payload, _native(raw)))
        else:
            found.append(page_in.Found(mention, matching(topics, mention), payload))
    if page.uniform and len(rejected) > 2 and not found:
        raise SchemaDrift(
            f"none of the {len(rejected)} items of this page could be read ({first}); the position stays",
            advice="the platform may have changed its format: compare an item with the documentation, or update Earmark",
        )
    return found, rejected


def _native(raw: Any) -> str | None:
    if not isinstance(raw, dict):
        return None
    data = raw.get("data") if isinstance(raw.get("data"), dict) else raw
    hint = data.get("name") or data.get("id")
    return str(hint)[:200] if hint else None


def _page(
    leased: channels.Leased,
    page: Page,
    found: Sequence[page_in.Found],
    rejected: Sequence[page_in.Rejected],
    ms: int,
) -> page_in.PageIn:
    return page_in.PageIn(
        channel_id=leased.id,
        lease=leased.lease,
        state=page.state,
        found=found,
        rejected=rejected,
        gaps=[(gap.since, gap.until, gap.reason) for gap in page.gaps],
        complete=page.complete,
        done=page.done,
        not_before=page.not_before,
        observed=dict(page.observed),
        warnings=page.warnings,
        bytes=page.bytes,
        ms=ms,
    )


def _fault(error: Exception) -> Transient:
    """Its message is not shown: it may hold what the platform sent."""
    return Transient(
        f"the connector cannot cope with the answer ({type(error).__name__})",
        advice="This is a fault of Earmark's: please report it with the lines of the log",
    )


def _failed(ledger: Ledger, leased: channels.Leased, error: ConnectorError, started: float, done: Polled) -> None:
    """Write down what went wrong and when to ask again: at the platform's word, or after a growing, jittered pause."""
    done.error = str(error)
    waiting = isinstance(error, RateLimited | CursorInvalid)
    if isinstance(error, RateLimited):
        not_before = error.reset_at
    elif isinstance(error, CursorInvalid):
        not_before = None
    else:
        roll = random.uniform(0.5, 1.0)  # noqa: S311 spreads retries, no secret
        not_before = datetime.now(UTC) + back_off(leased.failures, roll, BACKOFF_BASE, BACKOFF_CAP)
    if not leased.failures:  # the first says it; its row in the ledger counts the others
        log.warning("poll failed", channel=leased.name, kind=error.kind, error=str(error), status=error.status)

    def write(connection: Connection) -> None:
        page_books.fail_page(
            connection,
            leased.id,
            leased.lease,
            kind=error.kind,
            message=str(error),
            advice=error.advice,
            not_before=not_before,
            state=error.state if isinstance(error, CursorInvalid) else None,
            counts_as_failure=not waiting,
            ms=int((time.monotonic() - started) * 1000),
        )
        if isinstance(error, Permanent) and channels.give_up(connection, leased.id):
            audit.append(connection, "poll", "channel.paused", f"channel:{leased.name}")

    ledger.run(write)
