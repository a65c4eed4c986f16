"""Administration: who may come in and as what, who is in which team, what programs may do, and the audit."""

from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Form, HTTPException
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.web.house import house
from console.web.pages import Id, page
from console.web.texts import _
from console.web.words import sentence, typed
from domain.said import Said
from storage import audit as chain
from storage import members, teams, tokens, users, views_audit
from storage.scopes import Scope

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


class TokenForm(BaseModel):
    model_config = {"extra": "forbid"}
    csrf: str = ""
    name: Annotated[str, Field(max_length=200)]
    scope: Annotated[list[str], Field(max_length=50)] = []
    days: Annotated[int, Field(ge=1, le=tokens.LONGEST_DAYS)] = 90
    per_minute: Annotated[int, Field(ge=1, le=tokens.MOST_PER_MINUTE)] = tokens.PER_MINUTE
    teams: Annotated[str, Field(max_length=4000)] = ""
    topics: Annotated[str, Field(max_length=4000)] = ""


class AgentForm(BaseModel):
    model_config = {"extra": "forbid"}
    csrf: str = ""
    team: Annotated[list[str], Field(max_length=200)] = []
    skills: Annotated[str, Field(max_length=2000)] = ""
    languages: Annotated[str, Field(max_length=500)] = ""
    capacity: Annotated[int, Field(ge=1, le=1000)] = 10
    available: bool = False
    sees_teams: Annotated[str, Field(max_length=4000)] = ""
    sees_topics: Annotated[str, Field(max_length=4000)] = ""


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
            _user, token = members.invite(connection, me, typed(form.email), form.role, typed(form.name))
    except members.Refused as problem:
        return _users(request, status=409, error=_(problem))
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
        return _users(request, status=409, error=_(problem))
    if form.do == "invite":
        return _users(request, invitation=f"{here.base_url.rstrip('/')}/invitation/{done}")
    return RedirectResponse(f"/admin/users?said={'same' if done is False else 'saved'}", 303)


@router.get("/admin/teams")
def all_teams(request: Request) -> Response:
    return _teams(request)


@router.post("/admin/teams/{user_id}")
def set_agent(request: Request, user_id: Id, form: Annotated[AgentForm, Form()]) -> Response:
    """Which teams somebody is in, how much they take, and what they see."""
    me, here = request.state.session.user, house(request)

    def work(connection: Connection) -> bool:
        user = next((user for user in users.everybody(connection) if user.id == user_id), None)
        if user is None:
            return False
        known = {team.name for team in here.force.config(connection).teams}
        if unknown := sorted(set(form.team) - known - set(routing_teams(connection, user_id))):
            raise ValueError(Said("there is no team %(names)s", names=", ".join(unknown)))
        given = {
            "teams": form.team, "skills": _names(form.skills), "languages": _names(form.languages), "capacity": form.capacity,
            "available": form.available,
        }  # fmt: skip
        teams.set_agent(connection, me, user, given, _names(form.sees_teams), _names(form.sees_topics))
        return True

    try:
        done = here.ledger.run(work, patience=5)
    except ValueError as problem:
        return _teams(request, status=422, error=sentence(problem))
    if not done:
        raise HTTPException(404, "There is no such user.")
    return RedirectResponse("/admin/teams?said=saved", 303)


def routing_teams(connection: Connection, user_id: int) -> tuple[str, ...]:
    """The teams somebody is in already: one that left the configuration may be kept until somebody takes it away."""
    return next((agent.teams for agent in teams.agents(connection) if agent.id == user_id), ())


def _names(text: str) -> list[str]:
    return [name.strip() for name in typed(text).split(",") if name.strip()]


def _teams(request: Request, *, status: int = 200, error: str = "") -> Response:
    here = house(request)
    with here.ledger.read() as connection:
        conf = here.force.config(connection)
        found, loads = teams.agents(connection), teams.loads(connection)
    names = [team.name for team in conf.teams]
    strays = sorted({name for agent in found for name in agent.teams} - set(names))
    return page(
        request, "teams.html", code=status, error=error, agents=found, loads=loads, nothing=teams.Load(), teams=conf.teams,
        strays=strays, default_team=conf.default_team,
    )  # fmt: skip


@router.get("/admin/tokens")
def all_tokens(request: Request) -> Response:
    return _tokens(request)


@router.post("/admin/tokens")
def add_token(request: Request, form: Annotated[TokenForm, Form()]) -> Response:
    """A new token; the page shows it this once."""
    me, here = request.state.session.user, house(request)
    limits = Scope(tuple(_names(form.teams)), tuple(_names(form.topics)))
    try:
        _id, value, _row = here.ledger.run(
            lambda c: tokens.add(
                c, typed(form.name), form.scope, form.days, me.actor, per_minute=form.per_minute, scope=limits
            ),
            patience=5,
        )
    except ValueError as problem:
        return _tokens(request, status=422, error=sentence(problem), form=form)
    return _tokens(request, value=value, named=form.name.strip())


@router.post("/admin/tokens/{token_id}/revoke")
def revoke_token(request: Request, token_id: Id) -> Response:
    actor = request.state.session.user.actor
    done = house(request).ledger.run(lambda c: tokens.revoke(c, token_id, actor), patience=5)
    return RedirectResponse(f"/admin/tokens?said={'revoked' if done else 'same'}", 303)


def _tokens(
    request: Request, *, status: int = 200, error: str = "", value: str = "", named: str = "", form: TokenForm | None = None
) -> Response:  # fmt: skip
    with house(request).ledger.read() as connection:
        found = tokens.everything(connection)
    return page(
        request, "tokens.html", code=status, error=error, value=value, named=named, tokens=found, form=form or TokenForm(name=""),
        scopes=tokens.SCOPES, unlimited=tokens.UNLIMITED,
    )  # fmt: skip


@router.post("/admin/audit/verify")
def verify(request: Request) -> Response:
    """Walk the whole chain now and say what was found."""
    with house(request).ledger.read() as connection:
        found = chain.verify(connection)
    return _audit(request, checked=found)


@router.get("/admin/audit")
def audit(request: Request, actor: str = "", action: str = "", object: str = "", before: str = "") -> Response:
    return _audit(request, actor, action, object, before)


def _audit(
    request: Request, actor: str = "", action: str = "", object: str = "", before: str = "", checked: chain.Checked | None = None
) -> Response:  # fmt: skip
    under = int(before) if before.isdecimal() and len(before) < 19 else None
    wanted = {"actor": typed(actor)[:80], "action": typed(action)[:80], "object": typed(object)[:80]}
    with house(request).ledger.read() as connection:
        found = views_audit.read(connection, **wanted, before=under)
        actions = views_audit.actions(connection)
    return page(request, "audit.html", found=found, actions=actions, wanted=wanted, checked=checked)


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
        return _invitation(request, token, user, status=422, error=_("The two are not the same."))
    try:
        with here.ledger.begin() as connection:
            members.accept(connection, token, form.password)
    except members.Refused as problem:
        return _invitation(request, token, None, status=410, error=_(problem))
    except users.BadPassword as problem:
        return _invitation(request, token, user, status=422, error=sentence(problem))
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
