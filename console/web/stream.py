"""The stream of an open page: `GET /live`, server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace

from fastapi import APIRouter
from fastapi.sse import format_sse_event
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from console.web import bearer
from console.web.house import House
from console.web.live import MOST_STREAMS, Message
from storage import users, views
from storage.scopes import Scope, ScopedLedger

router = APIRouter(include_in_schema=False)
PING = 15.0  # the standard's advice against proxies that end silent connections
RETRY = 3000  # milliseconds a browser waits before it comes back; pages add their own chance


@router.get("/live")
async def live(request: Request) -> Response:
    """`tickets` messages with ids, `reset` where a page should read itself anew. `Last-Event-ID` goes on where a stream was cut,
    `since` where the page was read: what commits between reading a page and opening its stream is told too."""
    here: House = request.app.state.house
    stream = request.app.state.live
    if len(stream.readers) >= MOST_STREAMS or stream.closed:
        return JSONResponse({"detail": "Too many open pages."}, 503, {"retry-after": "30"})
    since = request.headers.get("last-event-id", "") or request.query_params.get("since", "")
    last = int(since) if since.isdecimal() and len(since) < 19 else None
    cookie = request.cookies.get(here.session_cookie, "")
    return StreamingResponse(
        _told(here, stream.read(last, PING), cookie, bearer.scope(request)),
        media_type="text/event-stream",
        headers={"cache-control": "no-cache", "x-accel-buffering": "no"},
    )


async def _told(
    here: House, messages: AsyncIterator[Message | None], cookie: str, scope: Scope
) -> AsyncIterator[bytes]:
    yield f": connected\nretry: {RETRY}\n\n".encode()
    async for message in messages:
        if message is None:
            if not await run_in_threadpool(_still_in, here, cookie):
                return
            yield b": still here\n\n"
            continue
        yield _written(await run_in_threadpool(_in_sight, here, scope, message) if scope.limited else message)


def _in_sight(here: House, scope: Scope, message: Message) -> Message:
    """Only tickets the reader sees."""
    ids = [*message.created, *message.changed, *message.present]
    with ScopedLedger(here.ledger, scope).read() as connection:
        seen = views.existing(connection, ids)
    kept = {name: tuple(i for i in getattr(message, name) if i in seen) for name in ("created", "changed", "present")}
    return replace(message, **kept)


def _written(message: Message) -> bytes:
    data = {"created": message.created, "changed": message.changed, "other": message.other, "present": message.present}
    return format_sse_event(
        data_str="{}" if message.reset else json.dumps(data),
        event="reset" if message.reset else "happened",
        id=str(message.place),
    )


def _still_in(here: House, cookie: str) -> bool:
    """Whoever was logged out or switched off hears no more. Listening is not working: it keeps no session awake."""
    with here.ledger.read() as connection:
        return users.alive(connection, cookie)
