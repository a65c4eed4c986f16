"""The guard at every door: a route's roles, the session behind the cookie, and proof that the browser meant it."""

import hashlib
import hmac
from datetime import UTC, datetime
from urllib.parse import urlsplit

from fastapi import HTTPException
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from console.web import bearer
from console.web.house import House, house
from console.web.roles import PUBLIC, allowed
from domain.said import Said
from storage import scopes, users
from storage.tokens import Token
from storage.users import Session, User

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class LoginNeeded(Exception):
    """Nobody is logged in; pages lead to the login, the API answers 401."""


async def guard(request: Request) -> None:
    """Let a request in, or raise. Runs before every route (app.py), so a new route is closed until roles.py names it."""
    roles = allowed(request.method, request.scope["route"].path)
    if not roles:
        raise HTTPException(403, "This door is not in the table of roles.")
    here = house(request)
    if (token := bearer.given(request)) and PUBLIC not in roles and request.url.path.startswith("/api/"):
        path = request.scope["route"].path
        request.state.token = await run_in_threadpool(bearer.admit, here, request.method, path, token, request.state)
        request.state.session = _program(request.state.token)
        request.state.scope = request.state.token.scope
        await run_in_threadpool(_in_sight, here, request)
        return
    if request.method not in SAFE:
        check_origin(request, here)
    if PUBLIC in roles:
        return
    session = await run_in_threadpool(_session, here, request.cookies.get(here.session_cookie, ""))
    if session is None:
        raise LoginNeeded
    request.state.session = session
    request.state.place, request.state.scope = session.place, session.scope
    if session.user.role not in roles:
        raise HTTPException(403, Said("Your role, %(role)s, may not do this.", role=Said(session.user.role)))
    if request.method not in SAFE:
        sent = request.headers.get("x-csrf-token") or str((await request.form()).get("csrf", ""))
        if not hmac.compare_digest(sent.encode(), session.csrf.encode()):
            raise HTTPException(403, "This form was not made for your session. Load the page again.")
    await run_in_threadpool(_in_sight, here, request)


def _in_sight(here: House, request: Request) -> None:
    """404 when the address names what somebody limited to teams or topics does not see. Reads are held to it again by the database."""
    scope = request.state.scope
    if not scope.limited:
        return
    path = {
        name: int(value)
        for name, value in request.path_params.items()
        if name in scopes.IN_ADDRESSES and str(value).isdecimal() and len(str(value)) < 19
    }
    whole = request.method not in SAFE and request.url.path.startswith(scopes.WHOLE)
    if whole or not here.ledger.run(lambda c: scopes.sees(c, scope, path), patience=0):
        raise HTTPException(404, "There is no such thing.")


def _program(token: Token) -> Session:
    """A session as routes want one; a program has no user and no form."""
    return Session(User(0, "", token.name, "agent"), "", datetime.max.replace(tzinfo=UTC))


def _session(here: House, cookie: str) -> Session | None:
    """The session behind a cookie."""
    ledger = here.ledger
    return ledger.run(lambda c: users.session(c, cookie), patience=0, within=ledger.glance) if cookie else None


def check_origin(request: Request, here: House) -> None:
    """Refuse what another site made the browser send (https://owasp.org/www-community/attacks/csrf).

    A client that sends neither header is no browser; it still needs the token.
    """
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    ours = {here.origin, f"{request.url.scheme}://{request.headers.get('host', '')}".lower()}
    if site not in ("same-origin", "none") or (origin is not None and origin.lower() not in ours):
        raise HTTPException(403, "This request came from another site.")


def login_proof(here: House, cookie: str) -> str:
    """What the login form must carry for this browser: there is no session to bind a token to yet."""
    return hmac.new(here.secret, f"login-form|{cookie}".encode(), hashlib.sha256).hexdigest()


def safe_next(wanted: str) -> str:
    """A path on this host to go on to after login; anything else leads to the inbox."""
    parts = urlsplit(wanted)
    plain = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return wanted if plain and wanted.isprintable() and "\\" not in wanted else "/inbox"
