"""Channels and the state of the whole: what reads, what waits, what a person must do."""

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.web.house import house
from console.web.pages import page
from console.web.words import typed
from storage import audit, channels, views_health

router = APIRouter(include_in_schema=False)


@router.get("/channels")
def health(request: Request) -> Response:
    with house(request).ledger.read() as connection:
        found = views_health.channels(connection)
    return page(request, "channels.html", channels=found, counters=views_health.COUNTERS)


@router.get("/status")
def status(request: Request) -> Response:
    with house(request).ledger.read() as connection:
        found = views_health.status(connection)
    return page(request, "status.html", status=found)


@router.post("/channels/{name}/poll")
def poll(request: Request, name: str) -> Response:
    def ask(connection: Connection) -> bool:
        channel = channels.want(connection, typed(name))
        if channel is not None:
            house(request).ledger.notify(connection, f"poll:{channel}")
            audit.append(connection, request.state.session.user.actor, "channel.poll", f"channel:{channel}")
        return channel is not None

    return _said("polling" if house(request).ledger.run(ask, patience=5) else "unknown")


@router.post("/channels/{name}/pause")
def pause(request: Request, name: str) -> Response:
    return _said("paused" if _set_paused(request, name, True) else "unknown")


@router.post("/channels/{name}/resume")
def resume(request: Request, name: str) -> Response:
    return _said("resumed" if _set_paused(request, name, False) else "unknown")


def _set_paused(request: Request, name: str, paused: bool) -> bool:
    def act(connection: Connection) -> bool:
        done = channels.pause(connection, typed(name), paused)
        if done:
            house(request).ledger.notify(connection, "config")
            channel = views_health.channel_id(connection, typed(name))
            action = "channel.pause" if paused else "channel.resume"
            audit.append(connection, request.state.session.user.actor, action, f"channel:{channel}")
        return done

    return house(request).ledger.run(act, patience=5)


def _said(what: str) -> Response:
    return RedirectResponse(f"/channels?said={what}", 303)
