"""What a desk pushes: a signed hint that a ticket may have changed there. It is read again; nothing of the hint itself is believed."""

import time

import structlog
from fastapi import APIRouter, HTTPException
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from config.secrets import SecretError, secret
from console.web.hooks import _json
from console.web.house import House, house
from domain import signatures
from storage import configurations, desks

router = APIRouter(include_in_schema=False)
log = structlog.get_logger()


@router.post("/hooks/desks/{target}")
async def hint(request: Request, target: str) -> Response:
    """401 for what is not signed or too old, 400 for what names no ticket, 202 once the ticket is marked to be read. A second time
    does no harm: it is read once more."""
    body = await request.body()
    headers = {name.lower(): value for name, value in request.headers.items()}
    return await run_in_threadpool(_take, house(request), target, headers, body)


def _take(here: House, target: str, headers: dict[str, str], body: bytes) -> Response:
    with here.ledger.read() as connection:
        found = configurations.in_force(connection)
    listed = found.document.get("desks", []) if found else []
    settings = next((one for one in listed if one.get("name") == target and one.get("kind") == "zendesk"), None)
    if settings is None or not settings.get("two_way") or not settings.get("webhook_secret_env"):
        raise HTTPException(404, "There is no such desk, or it is not listened to.")
    try:
        signatures.zendesk(secret(settings["webhook_secret_env"]), headers, body, time.time())
    except (signatures.BadSignature, SecretError) as refused:
        log.warning("desk_hint_refused", target=target, reason=str(refused))
        raise HTTPException(401, str(refused)) from None
    told = _json(body)[1]
    detail = told.get("detail") if isinstance(told, dict) else None
    ticket = str(detail.get("id") or "") if isinstance(detail, dict) else ""
    if not ticket.isdigit() or len(ticket) > 20:
        raise HTTPException(400, "It names no ticket.")
    marked = here.ledger.run(lambda c: desks.heard(c, target, [ticket]), patience=2)
    return JSONResponse({"marked": marked}, 202)
