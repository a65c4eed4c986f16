"""Deliveries pushed to us: the signature over the raw bytes first, then JSON, then a committed row, and only then a 2xx."""

import json
import time
from typing import Any

import structlog
from fastapi import APIRouter, HTTPException
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from config.secrets import SecretError, secret
from console.web.house import House, house
from domain import signatures
from storage import configurations, hooks

NESTED = 64  # levels of a delivery
router = APIRouter(include_in_schema=False)
log = structlog.get_logger()


@router.post("/hooks/{channel}")
async def receive(request: Request, channel: str) -> Response:
    """401 for what is not signed, too old, or was here before; 400 for no JSON; 202 once the row is committed."""
    body = await request.body()
    headers = {name.lower(): value for name, value in request.headers.items()}
    return await run_in_threadpool(_take, house(request), channel, headers, body)


@router.get("/hooks/{channel}")
def subscribe(request: Request, channel: str) -> Response:
    """A platform asks whether we want its deliveries (hub.challenge)."""
    with house(request).ledger.begin() as connection:
        _, settings = _channel(connection, channel)
    try:
        said = signatures.answers(_secret(settings.get("verify_token_env", "")), dict(request.query_params))
    except signatures.BadSignature as refused:
        raise HTTPException(401, str(refused)) from None
    return PlainTextResponse(said)


def _take(here: House, name: str, headers: dict[str, str], body: bytes) -> Response:
    with here.ledger.begin() as connection:
        channel_id, settings = _channel(connection, name)
    preset = str(settings.get("preset", "generic"))
    try:
        signed = signatures.verify(preset, _secret(settings.get("secret_env", "")), headers, body, time.time())
    except signatures.BadSignature as refused:
        log.warning("hook_refused", channel=name, reason=str(refused))
        raise HTTPException(401, str(refused)) from None
    text, told = _json(body)
    if preset == "slack" and isinstance(told, dict) and told.get("type") == "url_verification":
        return PlainTextResponse(
            str(told.get("challenge", ""))[:500]
        )  # https://docs.slack.dev/reference/events/url_verification
    event = signatures.event(preset, signed, told)

    def keep(connection: Connection) -> bool:
        return hooks.keep(connection, channel_id, signed.proof, event, text, stamped=signed.stamped)

    try:
        new = here.ledger.run(keep, tries=1, patience=0)  # a commit nobody heard of would look like a replay
    except hooks.Replayed as replayed:
        log.warning("hook_refused", channel=name, reason=str(replayed))
        raise HTTPException(401, str(replayed)) from None
    return JSONResponse({"stored": new}, 202 if new else 200)


def _channel(connection: Connection, name: str) -> tuple[int, dict[str, Any]]:
    channel_id, found = hooks.channel(connection, name), configurations.in_force(connection)
    listed = found.document.get("channels", []) if found else []
    settings = next((one for one in listed if one.get("name") == name and one.get("kind") == "webhook"), None)
    if channel_id is None or settings is None:
        raise HTTPException(404, "There is no such channel, or it takes no deliveries.")
    return channel_id, settings


def _secret(name: str) -> str:
    try:
        return secret(name) if name else ""
    except SecretError:
        return ""  # an unset secret verifies nothing, and the refusal says so


def _json(body: bytes) -> tuple[str, Any]:
    """The text to keep and what it says. NaN and its kind are no JSON."""
    try:
        text = body.decode("utf-8-sig")
        told = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise HTTPException(400, "The body is not JSON.") from None
    if not isinstance(told, dict | list) or not told:
        raise HTTPException(400, "The body holds nothing.")
    if _deep(told):  # whoever reads it later may stand deeper in its own stack than we do here
        raise HTTPException(400, f"The body is nested deeper than {NESTED} levels.")
    return text, told


def _deep(told: Any) -> bool:
    level = [told]
    for _ in range(NESTED):
        level = [
            child
            for holder in level
            for child in (holder.values() if isinstance(holder, dict) else holder)
            if isinstance(child, dict | list)
        ]
    return bool(level)


def _no_number(name: str) -> Any:
    raise ValueError(name)
