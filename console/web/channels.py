"""Channels: what reads, how well, and reading now, pausing and going on."""

from collections.abc import Callable

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.web.house import house
from console.web.pages import Id, page
from storage import audit, channels, views_channels

router = APIRouter(include_in_schema=False)


@router.get("/channels")
def health(request: Request) -> Response:
    with house(request).ledger.read() as connection:
        found = views_channels.channels(connection)
    return page(request, "channels.html", channels=found, counters=views_channels.PAGE_COUNTERS)


@router.post("/channels/{channel_id}/poll")
def poll(request: Request, channel_id: Id) -> Response:
    def ask(connection: Connection, name: str) -> bool:
        house(request).ledger.notify(connection, f"poll:{channel_id}")
        return channels.want(connection, name) is not None

    return _act(request, channel_id, "poll", "polling", ask)


@router.post("/channels/{channel_id}/pause")
def pause(request: Request, channel_id: Id) -> Response:
    return _act(request, channel_id, "pause", "paused", lambda connection, name: _set(request, connection, name, True))


@router.post("/channels/{channel_id}/resume")
def resume(request: Request, channel_id: Id) -> Response:
    return _act(
        request, channel_id, "resume", "resumed", lambda connection, name: _set(request, connection, name, False)
    )


def _set(request: Request, connection: Connection, name: str, paused: bool) -> bool:
    house(request).ledger.notify(connection, "config")
    return channels.pause(connection, name, paused)


def _act(request: Request, channel_id: int, action: str, said: str, act: Callable[[Connection, str], bool]) -> Response:
    """One transaction: the row, the ring that leaves when it is committed, and the audit."""

    def work(connection: Connection) -> bool:
        name = views_channels.channel_name(connection, channel_id)
        done = name is not None and act(connection, name)
        if done:
            actor = request.state.session.user.actor
            audit.append(connection, actor, f"channel.{action}", f"channel:{channel_id}")
        return done

    done = house(request).ledger.run(work, patience=5)
    return RedirectResponse(f"/channels?said={said if done else 'unknown'}", 303)
