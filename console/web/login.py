"""The front door: login and logout."""

import hmac
import secrets
from typing import Annotated

from fastapi import APIRouter, Form
from pydantic import BaseModel
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.web.guard import login_proof, safe_next
from console.web.house import House, address, house
from console.web.openid import WAY, Refused, Way
from console.web.pages import page
from console.web.texts import N_, _
from storage import audit, logins, users
from storage.users import User

router = APIRouter(include_in_schema=False)
WRONG = N_("That e-mail address and password do not go together.")


class LoginForm(BaseModel):
    model_config = {"extra": "forbid"}
    email: Annotated[str, Form(max_length=254)]
    password: Annotated[str, Form(max_length=1024)]
    proof: str = ""
    next: str = "/inbox"


@router.get("/login")
def login_page(request: Request, next: str = "/inbox") -> Response:
    return _form(request, next=safe_next(next))


@router.post("/login")
def login(request: Request, form: Annotated[LoginForm, Form()]) -> Response:
    """Check the pair and open a fresh session. An unknown address gets the same answer, as slowly."""
    here = house(request)
    cookie = request.cookies.get(here.login_cookie, "")
    if not cookie or not hmac.compare_digest(form.proof.encode(), login_proof(here, cookie).encode()):
        return _form(
            request, status=403, error=_("The login page was too old. Try again."), email=form.email, next=form.next
        )
    email = form.email.replace("\x00", "")
    with here.ledger.read() as connection:
        if not here.force.config(connection).settings.login.passwords:
            return _form(request, status=403, error=_("Passwords are switched off here."), next=form.next)
    with here.ledger.begin() as connection:  # its own transaction: a failed login stays counted
        wait = users.too_many(connection, here.secret, email, address(request))
    if wait:
        answer = _form(
            request,
            status=429,
            error=_("Too many attempts. Wait %(n)s min and try again.", n=-(-wait // 60)),
            email=email,
        )
        answer.headers["retry-after"] = str(wait)
        return answer
    user = _verified(here, email, form.password)
    if user is None:
        return _form(request, status=401, error=_(WRONG), email=email, next=form.next)
    with here.ledger.begin() as connection:
        users.forgive(connection, here.secret, email, address(request))
        value = _session(connection, request, user, "login")
    return _inside(here, value, form.next)


@router.get("/login/openid")
def leave(request: Request, next: str = "/inbox") -> Response:
    """To the provider, with what this browser must bring back in a cookie of its own."""
    here = house(request)
    way = Way.new(safe_next(next))
    try:
        with here.ledger.read() as connection:
            provider = here.force.provider(connection)
        there = provider.leave(way, _back(here))
    except Refused as problem:
        return _form(request, status=502, error=_(problem), next=next)
    answer = RedirectResponse(there, 303)
    _set_cookie(answer, here, here.openid_cookie, way.sealed(here.secret), WAY)
    return answer


@router.get("/login/openid/done")
def arrive(request: Request) -> Response:
    """Back from the provider. Whoever it vouches for and has a role comes in."""
    here = house(request)
    try:
        way = Way.opened(here.secret, request.cookies.get(here.openid_cookie, ""))
        with here.ledger.read() as connection:
            provider = here.force.provider(connection)
        person = provider.arrive(way, request.query_params, _back(here))
        with here.ledger.begin() as connection:
            user = logins.user_of(connection, person)
            value = _session(connection, request, user, "login.openid")
    except (Refused, logins.Outside) as problem:
        answer = _form(request, status=403, error=_(problem))
        _forget(answer, here, here.openid_cookie)
        return answer
    answer = _inside(here, value, way.next)
    _forget(answer, here, here.openid_cookie)
    return answer


def _back(here: House) -> str:
    """Our address as the provider knows it."""
    return here.base_url.rstrip("/") + "/login/openid/done"


def _session(connection: Connection, request: Request, user: User, action: str) -> str:
    here = house(request)
    value = users.begin_session(connection, user.id, replaces=request.cookies.get(here.session_cookie, ""))
    audit.append(connection, user.actor, action, f"user:{user.id}", {})
    return value


def _inside(here: House, value: str, next: str) -> Response:
    answer = RedirectResponse(safe_next(next), 303)
    _set_cookie(answer, here, here.session_cookie, value)
    _forget(answer, here, here.login_cookie)
    return answer


@router.post("/logout")
def logout(request: Request) -> Response:
    here = house(request)
    with here.ledger.begin() as connection:
        users.end_session(connection, request.cookies.get(here.session_cookie, ""))
    answer = RedirectResponse("/login", 303)
    _forget(answer, here, here.session_cookie)
    answer.headers["clear-site-data"] = '"cache"'
    return answer


def _verified(here: House, email: str, password: str) -> User | None:
    with here.ledger.begin() as connection:
        return users.verify(connection, email, password)


def _form(request: Request, *, status: int = 200, error: str = "", email: str = "", next: str = "/inbox") -> Response:
    here = house(request)
    cookie = request.cookies.get(here.login_cookie) or secrets.token_urlsafe(16)
    with here.ledger.read() as connection:
        doors = here.force.config(connection).settings.login
    answer = page(
        request,
        "login.html",
        code=status,
        error=error,
        email=email,
        next=safe_next(next),
        proof=login_proof(here, cookie),
        passwords=doors.passwords,
        openid=doors.openid.label if doors.openid else "",
    )
    _set_cookie(answer, here, here.login_cookie, cookie)
    return answer


def _set_cookie(answer: Response, here: House, name: str, value: str, seconds: int | None = None) -> None:
    """Ends with the browser; the server ends it earlier. Lax, so that a link out of a helpdesk finds its reader logged in."""
    answer.set_cookie(name, value, path="/", secure=here.secure_cookies, httponly=True, samesite="lax", max_age=seconds)


def _forget(answer: Response, here: House, name: str) -> None:
    answer.delete_cookie(name, path="/", secure=here.secure_cookies, httponly=True, samesite="lax")
