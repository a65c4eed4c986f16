"""What happened, told to open pages as it happens: one listener a process, one stream a browser.

A stream carries ids only; a page asks for what it may see by its own rights. Transactions commit in another order than they take
their ids, so a reader that only looks behind the last id it saw would miss some
(https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT). The place in the log is therefore the oldest
transaction that was still open: everything before it has been told, what is after it is read again and told once.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
import structlog

from console.web.presence import Seats
from storage import events_read, presence
from storage.ledger import raw_url

log = structlog.get_logger()

PAUSE = 0.15  # seconds between two tellings: a burst of commits is one message
LOOK = 1.0  # seconds after which the log is read even without a notification: one that was lost is made up for
AGAIN = 2.0  # seconds before a lost connection is tried anew
MOST_STREAMS = 400
BEHIND = 64  # messages a slow reader may be behind before it is told to read everything anew


@dataclass(frozen=True, slots=True)
class Message:
    """Ids of tickets made and changed since the last one. `place`: what a reader that was cut off comes back with."""

    place: int
    created: tuple[int, ...] = ()
    changed: tuple[int, ...] = ()
    other: tuple[str, ...] = ()  # kinds of what happened elsewhere: flags, customers
    present: tuple[int, ...] = ()  # tickets somebody came to, went from or began to answer: console/web/presence.py
    reset: bool = False  # too much or too long ago: read the page anew


@dataclass(eq=False, slots=True)
class Reader:
    queue: asyncio.Queue[Message | None] = field(default_factory=lambda: asyncio.Queue(BEHIND))

    def tell(self, message: Message | None) -> None:
        try:
            self.queue.put_nowait(message)
        except asyncio.QueueFull:
            while not self.queue.empty():
                self.queue.get_nowait()
            self.queue.put_nowait(Message(message.place, reset=True) if message else None)


class Full(Exception):
    """As many streams are open as this process serves."""


class Live:
    """The listener and its readers. Used on one event loop only."""

    def __init__(self, database_url: str) -> None:
        self.url = raw_url(database_url)
        self.readers: set[Reader] = set()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.task: asyncio.Task[None] | None = None
        self.closed = False
        self.place = 0  # the oldest transaction that was open when the log was last read; 0: never yet
        self.seats = Seats()
        self.told: set[int] = set()  # events that are told and may be read again

    def start(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.task = asyncio.create_task(self._keep_listening())

    async def stop(self) -> None:
        self._close()
        if self.task:
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.task

    def close(self) -> None:
        """End all streams, from any thread: a server that stops would wait for them."""
        if self.loop and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._close)

    def _close(self) -> None:
        self.closed = True
        for reader in self.readers:
            reader.tell(None)

    async def read(self, last: int | None, ping: float) -> AsyncIterator[Message | None]:
        """Messages from now on, or from `last`, the place an earlier stream ended at; None each `ping` seconds of silence.

        Raises Full. Ends when the process stops.
        """
        if len(self.readers) >= MOST_STREAMS or self.closed:
            raise Full
        reader = Reader()
        self.readers.add(reader)
        try:
            if last is not None:
                yield await self._missed(last)
            while True:
                try:
                    message = await asyncio.wait_for(reader.queue.get(), ping)
                except TimeoutError:
                    yield None
                    continue
                if message is None:
                    return
                yield message
        finally:
            self.readers.discard(reader)

    async def _missed(self, last: int) -> Message:
        try:
            async with await psycopg.AsyncConnection.connect(
                self.url, autocommit=True, connect_timeout=5
            ) as connection:
                found = await events_read.since(connection, last)
        except psycopg.Error:
            return Message(last, reset=True)
        return _message(found.place, found.events) if found.whole else Message(found.place, reset=True)

    async def _keep_listening(self) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self.url, autocommit=True, connect_timeout=5, application_name="earmark-live"
                ) as connection:
                    await self._listen(connection)
            except (psycopg.Error, OSError) as error:
                log.warning("live_listener_lost", error=type(error).__name__)
            await asyncio.sleep(AGAIN)

    async def _listen(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Tell what is committed until the connection is lost; after a loss it goes on where it was."""
        await events_read.listen(connection)
        self.place = self.place or await events_read.place(connection)
        while True:
            moved = set[int]()
            async for heard in connection.notifies(timeout=LOOK, stop_after=1):
                if heard.channel == presence.CHANNEL:
                    moved |= self.seats.hear(heard.payload, time.monotonic())
            moved |= self.seats.sweep(time.monotonic())
            if not self.readers:
                self.place, self.told = await events_read.place(connection), set()
                continue
            found = await events_read.since(connection, self.place)
            fresh = [event for event in found.events if event.id not in self.told]
            self.place = found.place
            self.told = {event.id for event in found.events if event.xid >= found.place}
            if fresh or moved or not found.whole:
                message = replace(_message(found.place, fresh), present=tuple(sorted(moved)))
                message = message if found.whole else Message(found.place, reset=True)
                for reader in self.readers:
                    reader.tell(message)
                await asyncio.sleep(PAUSE)


def _message(place: int, events: list[events_read.Event]) -> Message:
    created = {event.subject_id for event in events if event.kind == "ticket.created"}
    touched = {event.subject_id for event in events if event.subject == "ticket"} - created
    other = {event.kind for event in events if event.subject != "ticket"}
    return Message(place, tuple(sorted(created)), tuple(sorted(touched)), tuple(sorted(other)))
