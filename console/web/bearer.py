"""API tokens at the door, work done once per key, and errors as programs read them (RFC 9457)."""

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import HTTPException
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse

from console.web.house import House, house
from console.web.scopes import SCOPES
from storage import idempotency, scopes, tokens
from storage.casework import Hand, Person
from storage.idempotency import Answer
from storage.scopes import Scope
from storage.tokens import Token


def given(request: Request) -> str:
    """The token in the Authorization header; empty without one (RFC 6750)."""
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if kind.lower() == "bearer" else ""


def admit(here: House, method: str, path: str, value: str, state: Any) -> Token:
    """The token's holder, if it stands, has the route's scope and requests left. Raises HTTPException 401, 403 or 429.

    Requests are counted in the ledger, in the statement that finds the token: over all consoles, and with the broker down.
    """
    token = here.ledger.run(lambda c: tokens.check(c, value), patience=0)
    if token is None:
        raise HTTPException(
            401, "The token is unknown, revoked or expired.", {"www-authenticate": 'Bearer error="invalid_token"'}
        )
    state.rate = rate(token)
    if token.used > token.per_minute:
        raise HTTPException(
            429,
            f"The token makes at most {token.per_minute:,} requests a minute.",
            {"retry-after": str(max(1, token.left_seconds))},
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


def rate(token: Token) -> dict[str, str]:
    """What is left of this minute (https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/)."""
    left = max(0, token.per_minute - token.used)
    return {
        "ratelimit-policy": f'"token";q={token.per_minute};w=60',
        "ratelimit": f'"token";r={left};t={max(1, token.left_seconds)}',
    }


def person(request: Request) -> Person:
    """Who acts on a ticket: the user, or the program behind the token."""
    token: Token | None = getattr(request.state, "token", None)
    return Hand(token.name, token.actor, "console") if token else request.state.session.user


def scope(request: Request) -> Scope:
    """Whose tickets the caller may see."""
    found: Scope = getattr(request.state, "scope", scopes.EVERYTHING)
    return found


def reaches(request: Request, connection: Connection, **wanted: Sequence[int]) -> None:
    """Raises LookupError when one of these ids (`mentions`, `customers`, `tickets`, `flags`) is not the caller's to see."""
    if scope(request).limited:
        scopes.reaches(connection, wanted)


def inside(request: Request, team: str | None, topic: str | None) -> None:
    """A caller who sees only some teams and topics puts nothing where they could not see it. Raises HTTPException 422."""
    limits = scope(request)
    for given, allowed, what in ((team, limits.teams, "team"), (topic, limits.topics, "topic")):
        if given is not None and allowed and given not in allowed:
            raise HTTPException(422, f"Your {what} is one of {', '.join(allowed)}.")


def problem(status: int, title: str, detail: str, headers: dict[str, str] | None = None, **more: Any) -> JSONResponse:
    """An error as application/problem+json."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def once(request: Request, body: bytes, work: Callable[[Connection], Answer]) -> JSONResponse:
    """Do the work in one transaction, once per Idempotency-Key of this caller; a repeated key gets the same answer again."""
    key = request.headers.get("idempotency-key", "").strip()
    if len(key) > idempotency.LONGEST or not key.isascii() or not (key.isprintable() or not key):
        raise HTTPException(400, f"An Idempotency-Key has at most {idempotency.LONGEST} characters, of ASCII.")
    print_ = idempotency.fingerprint(request.method, str(request.url.path), body)
    who = actor(request)
    try:
        answer = house(request).ledger.run(lambda c: idempotency.once(c, who, key, print_, work))
    except idempotency.Reused as reused:
        raise HTTPException(422, f"{str(reused).capitalize()}.") from None
    return JSONResponse(answer.body, answer.status, {"idempotency-replayed": "true"} if answer.again else None)
