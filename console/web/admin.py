"""Administration: who may come in and as what, teams as configured, and the audit."""

from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Form
from pydantic import BaseModel
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.web.house import house
from console.web.pages import Id, page
from console.web.words import typed
from storage import members, users, views_audit

router = APIRouter(include_in_schema=False)
Role = Literal["viewer", "agent", "lead", "admin", "auditor"]


class InviteForm(BaseModel):
    model_config = {"extra": "forbid"}
    csrf: str = ""
    email: Annotated[str, Form(max_length=254)]
    name: Annotated[str, Form(max_length=120)] = ""
    role: Role = "agent"


class MemberForm(BaseModel):
    model_config = {"extra": "forbid"}
    csrf: str = ""
    do: Literal["role", "off", "on", "logout", "invite"]
    role: Role = "viewer"


class PasswordForm(BaseModel):
    model_config = {"extra": "forbid"}
    password: Annotated[str, Form(max_length=1024)]
    again: Annotated[str, Form(max_length=1024)]


@router.get("/admin/users")
def everybody(request: Request) -> Response:
    return _users(request)


@router.post("/admin/users")
def invite(request: Request, form: Annotated[InviteForm, Form()]) -> Response:
    """A new user; the page shows the invitation's address this once."""
    me, here = request.state.session.user, house(request)
    try:
        with here.ledger.begin() as connection:
            _, token = members.invite(connection, me, typed(form.email), form.role, typed(form.name))
    except members.Refused as problem:
        return _users(request, status=409, error=str(problem))
    return _users(request, invitation=f"{here.base_url.rstrip('/')}/invitation/{token}", invited=form.email)


@router.post("/admin/users/{user_id}")
def change(request: Request, user_id: Id, form: Annotated[MemberForm, Form()]) -> Response:
    """Role, account on or off, end of all sessions, a new invitation."""
    me, here = request.state.session.user, house(request)
    work: dict[str, Callable[[Connection], object]] = {
        "role": lambda c: members.set_role(c, me, user_id, form.role),
        "off": lambda c: members.switch(c, me, user_id, on=False),
        "on": lambda c: members.switch(c, me, user_id, on=True),
        "logout": lambda c: members.log_out(c, me, user_id),
        "invite": lambda c: members.invite_again(c, me, user_id),
    }
    try:
        with here.ledger.begin() as connection:
            done = work[form.do](connection)
    except members.Refused as problem:
        return _users(request, status=409, error=str(problem))
    if form.do == "invite":
        return _users(request, invitation=f"{here.base_url.rstrip('/')}/invitation/{done}")
    return RedirectResponse(f"/admin/users?said={'same' if done is False else 'saved'}", 303)


@router.get("/admin/audit")
def audit(request: Request, actor: str = "", action: str = "", object: str = "", before: str = "") -> Response:
    under = int(before) if before.isdecimal() and len(before) < 19 else None
    wanted = {"actor": typed(actor)[:80], "action": typed(action)[:80], "object": typed(object)[:80]}
    with house(request).ledger.read() as connection:
        found = views_audit.read(connection, **wanted, before=under)
        actions = views_audit.actions(connection)
    return page(request, "audit.html", found=found, actions=actions, wanted=wanted)


@router.get("/invitation/{token}")
def invitation(request: Request, token: str) -> Response:
    with house(request).ledger.read() as connection:
        user = members.invited(connection, token)
    return _invitation(request, token, user)


@router.post("/invitation/{token}")
def accept(request: Request, token: str, form: Annotated[PasswordForm, Form()]) -> Response:
    """The person sets a password; the token is the proof, so no session is needed."""
    here = house(request)
    with here.ledger.read() as connection:
        user = members.invited(connection, token)
    if form.password != form.again:
        return _invitation(request, token, user, status=422, error="The two are not the same.")
    try:
        with here.ledger.begin() as connection:
            members.accept(connection, token, form.password)
    except members.Refused as problem:
        return _invitation(request, token, None, status=410, error=str(problem))
    except users.BadPassword as problem:
        return _invitation(request, token, user, status=422, error=f"{str(problem).capitalize()}.")
    return RedirectResponse("/login?said=welcome", 303)


def _users(
    request: Request, *, status: int = 200, error: str = "", invitation: str = "", invited: str = ""
) -> Response:
    here = house(request)
    with here.ledger.read() as connection:
        found = members.everybody(connection)
        conf = here.force.config(connection)
    return page(
        request,
        "users.html",
        code=status,
        error=error,
        members=found,
        roles=users.ROLES,
        teams=conf.teams,
        default_team=conf.default_team,
        login=conf.settings.login,
        invitation=invitation,
        invited=invited,
    )


def _invitation(
    request: Request, token: str, user: users.User | None, *, status: int = 200, error: str = ""
) -> Response:
    if user is None:
        status = max(status, 410)
    answer = page(
        request, "invitation.html", code=status, error=error, invitee=user, token=token, shortest=users.SHORTEST
    )
    answer.headers["referrer-policy"] = "no-referrer"  # the address is the secret
    return answer
