"""API tokens at the door, work done once per key, and errors as programs read them (RFC 9457)."""

from collections.abc import Callable
from typing import Any

from fastapi import HTTPException
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse

from console.web.house import House, house
from console.web.scopes import SCOPES
from storage import idempotency, tokens
from storage.idempotency import Answer
from storage.tokens import Token


def given(request: Request) -> str:
    """The token in the Authorization header; empty without one (RFC 6750)."""
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if kind.lower() == "bearer" else ""


def admit(here: House, method: str, path: str, value: str) -> Token:
    """The token's holder, if it stands and has the route's scope. Raises HTTPException 401 or 403."""
    token = here.ledger.run(lambda c: tokens.check(c, value), patience=0)
    if token is None:
        raise HTTPException(
            401, "The token is unknown, revoked or expired.", {"www-authenticate": 'Bearer error="invalid_token"'}
        )
    scope = SCOPES.get((method, path))
    if scope is None:
        raise HTTPException(403, "This route takes no token.")
    if scope not in token.scopes:
        raise HTTPException(
            403,
            f"The token has no scope {scope}.",
            {"www-authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
        )
    return token


def actor(request: Request) -> str:
    """Who does this, as the audit names them: a token, or the person behind the session."""
    token: Token | None = getattr(request.state, "token", None)
    return token.actor if token else str(request.state.session.user.actor)


def problem(status: int, title: str, detail: str, headers: dict[str, str] | None = None, **more: Any) -> JSONResponse:
    """An error as application/problem+json."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def once(request: Request, body: bytes, work: Callable[[Connection], Answer]) -> JSONResponse:
    """Do the work in one transaction, once per Idempotency-Key of this caller; a repeated key gets the same answer again."""
    key = request.headers.get("idempotency-key", "").strip()
    if len(key) > idempotency.LONGEST:
        raise HTTPException(400, f"An Idempotency-Key has at most {idempotency.LONGEST} characters.")
    print_ = idempotency.fingerprint(request.method, str(request.url.path), body)
    who = actor(request)
    try:
        answer = house(request).ledger.run(lambda c: idempotency.once(c, who, key, print_, work))
    except idempotency.Reused as reused:
        raise HTTPException(422, f"{str(reused).capitalize()}.") from None
    return JSONResponse(answer.body, answer.status, {"idempotency-replayed": "true"} if answer.again else None)
