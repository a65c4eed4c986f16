"""Touchpoints pushed to us: signature first, then the payload as its sender documents it, then committed rows, and only then a 2xx.

A delivery tried again is known by its items' own ids, so a replay stores nothing; what cannot be read is kept aside with its reason.
"""

import json
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import structlog
from fastapi import APIRouter, HTTPException
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from config.policies import unlinkable
from config.secrets import SecretError, secret
from console.web.hooks import _json
from console.web.house import House, house
from domain import signatures, touchpoints
from storage import configurations, interactions

router = APIRouter(include_in_schema=False)
log = structlog.get_logger()
_SIGNED_AS = {"whatsapp": "meta", "messenger": "meta", "instagram": "meta"}


@router.post("/hooks/interactions/{source}")
async def receive(request: Request, source: str) -> Response:
    """401 for what is not signed or too old, 400 for what is no payload of its kind; else 202 with how many were new."""
    body = await request.body()
    headers = {name.lower(): value for name, value in request.headers.items()}
    here = house(request)
    url = here.base_url.rstrip("/") + request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return await run_in_threadpool(_take, here, source, headers, body, url)


@router.get("/hooks/interactions/{source}")
def subscribe(request: Request, source: str) -> Response:
    """Meta asks whether we want its deliveries (hub.challenge)."""
    settings = _source(house(request), source)
    try:
        return PlainTextResponse(
            signatures.answers(_secret(settings.get("verify_token_env", "")), dict(request.query_params))
        )
    except signatures.BadSignature as refused:
        raise HTTPException(401, str(refused)) from None


def _take(here: House, name: str, headers: dict[str, str], body: bytes, url: str) -> Response:
    settings = _source(here, name)
    preset = settings.get("preset", "generic")
    told = _verified(preset, _secret(settings.get("secret_env", "")), headers, body, url, name)
    now = datetime.now(UTC)
    touches, problems = [], []
    try:
        found = touchpoints.items(preset, told, now)
    except ValueError as error:
        found, problems = [], [(None, str(error), body.decode(errors="replace"))]
    for raw in found:
        try:
            touches.append(interactions.touch(raw, now, settings.get("region") or None))
        except interactions.BadInteraction as bad:
            problems.append((None, str(bad), json.dumps(raw, default=str)))

    def keep(connection: Connection) -> list[interactions.Kept]:
        if problems:
            interactions.aside(connection, f"hook:{name}", problems)
        return interactions.record(connection, here.secret, f"hook:{name}", touches, unlinkable())

    kept = here.ledger.run(keep)
    if problems and not kept:
        log.warning("contact_not_read", source=name, problems=len(problems))
        raise HTTPException(400, f"Nothing in it could be read: {problems[0][1]}")
    counts = {outcome: sum(item.outcome == outcome for item in kept) for outcome in ("new", "known", "suppressed")}
    return JSONResponse({**counts, "aside": len(problems)}, 202)


def _verified(preset: str, key: str, headers: dict[str, str], body: bytes, url: str, name: str) -> Any:
    """The payload, once its signature holds."""
    try:
        if preset in touchpoints.FORMS:
            form = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=200))
            signatures.twilio(key, headers, url, form)
            return form
        signatures.verify(_SIGNED_AS.get(preset, preset), key, headers, body, time.time())
    except (signatures.BadSignature, ValueError) as refused:
        log.warning("contact_refused", source=name, reason=str(refused))
        raise HTTPException(401, str(refused)) from None
    return _json(body)[1]


def _source(here: House, name: str) -> dict[str, Any]:
    with here.ledger.begin() as connection:
        found = configurations.in_force(connection)
    listed = found.document.get("contacts", []) if found else []
    settings: dict[str, Any] | None = next((item for item in listed if item.get("name") == name), None)
    if settings is None:
        raise HTTPException(404, "There is no such source.")
    return settings


def _secret(name: str) -> str:
    try:
        return secret(name) if name else ""
    except SecretError:
        return ""  # an unset secret verifies nothing, and the refusal says so
