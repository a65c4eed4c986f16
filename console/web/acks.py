"""Acknowledging and judging a flag: by a click, by a signed link, by Slack's button and by PagerDuty's webhook.

A link is opened by mail scanners and chat previews: looking at it changes nothing, the button on its page does.
"""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated
from urllib.parse import parse_qs

import structlog
from fastapi import APIRouter, Form, HTTPException
from pydantic import BaseModel
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from config.secrets import SecretError, secret
from console.web import bearer
from console.web.api_shape import do, problems
from console.web.house import House, house
from console.web.pages import Id, page
from console.web.texts import N_
from domain import act_links, signatures
from domain.act_links import Act
from storage import configurations, pages
from storage.idempotency import Answer

router = APIRouter()
log = structlog.get_logger()
WORDS: dict[Act, str] = {
    "ack": N_("Acknowledge"),
    "snooze": N_("Snooze for two hours"),
    "useful": N_("Useful"),
    "noise": N_("Noise"),
    "late": N_("Too late"),
}


class ActForm(BaseModel):
    model_config = {"extra": "forbid"}
    csrf: str = ""
    act: Act


@router.post("/flags/{flag_id}/act", include_in_schema=False)
def act(request: Request, flag_id: Id, form: Annotated[ActForm, Form()]) -> Response:
    """A click on the flag's page."""
    actor = f"user:{request.state.session.user.id}"
    _do(house(request), flag_id, form.act, actor)
    return RedirectResponse(f"/flags/{flag_id}?said={form.act}", 303)


class Acted(BaseModel):
    flag: int
    act: Act
    by: str


@router.post("/api/v1/escalations/{flag_id}/act", summary="Acknowledge, snooze or judge an escalation", response_model=Acted,
             responses=problems(400, 404))  # fmt: skip
async def act_api(request: Request, flag_id: Id, act: Act) -> JSONResponse:
    def work(connection: Connection) -> Answer:
        by = _act(connection, flag_id, act, bearer.actor(request))
        if by is None:
            raise LookupError(flag_id)
        return Answer(200, {"flag": flag_id, "act": act, "by": by})

    return await do(request, work)


@router.get("/flags/act/{token}", include_in_schema=False)
def ask(request: Request, token: str) -> Response:
    """The page behind a signed link: one button, which does it."""
    flag_id, what = _read(house(request), token)
    return page(request, "flag_act.html", flag=flag_id, act=WORDS[what], token=token, done=False)


@router.post("/flags/act/{token}", include_in_schema=False)
def by_link(request: Request, token: str) -> Response:
    flag_id, what = _read(house(request), token)
    _do(house(request), flag_id, what, "link")
    return page(request, "flag_act.html", flag=flag_id, act=WORDS[what], token=token, done=True)


def _read(here: House, token: str) -> tuple[int, Act]:
    try:
        return act_links.read(here.secret, token, time.time())
    except act_links.BadLink as refused:
        raise HTTPException(404, str(refused)) from None


def _do(here: House, flag_id: int, what: Act, actor: str) -> str:
    """Do it; returns who has it. 404 for a flag that is not there."""

    who = here.ledger.run(lambda connection: _act(connection, flag_id, what, actor), patience=5)
    if who is None:
        raise HTTPException(404, "There is no such flag.")
    return who


def _act(connection: Connection, flag_id: int, what: Act, actor: str) -> str | None:
    if what == "ack":
        return pages.acknowledge(connection, flag_id, actor)
    if what == "snooze":
        done = pages.snooze(connection, flag_id, datetime.now(UTC) + timedelta(hours=2), actor)
    else:
        done = pages.judge(connection, flag_id, what, actor)
    return actor if done else None


@router.post("/hooks/alerts/{target}", include_in_schema=False)
async def told(request: Request, target: str) -> Response:
    """What people did at Slack or PagerDuty. 401 for what is not signed; an answer within their three or five seconds."""
    body = await request.body()
    headers = {name.lower(): value for name, value in request.headers.items()}
    return await run_in_threadpool(_told, house(request), target, headers, body)


def _told(here: House, target: str, headers: dict[str, str], body: bytes) -> Response:
    with here.ledger.read() as connection:
        found = configurations.in_force(connection)
    listed = found.document.get("alerts", []) if found else []
    settings = next(
        (one for one in listed if one.get("name") == target and one.get("kind") in ("slack", "pagerduty")), None
    )
    if settings is None or not settings.get("signing_env"):
        raise HTTPException(404, "There is no such alert, or it takes no answers.")
    try:
        key = secret(settings["signing_env"])
        signatures.verify(settings["kind"], key, headers, body, time.time())
    except (signatures.BadSignature, SecretError) as refused:
        log.warning("alert_answer_refused", target=target, reason=str(refused))
        raise HTTPException(401, str(refused)) from None
    for flag_id, who in _slack(body) if settings["kind"] == "slack" else _pagerduty(body):
        here.ledger.run(lambda c, f=flag_id, w=who: pages.acknowledge(c, f, f"{target}:{w}"), patience=2)
    return (
        Response() if settings["kind"] == "slack" else JSONResponse({"ok": True})
    )  # the message itself is updated by the outbox


def _slack(body: bytes) -> list[tuple[int, str]]:
    """https://docs.slack.dev/reference/interaction-payloads/block_actions-payload"""
    try:
        payload = json.loads(parse_qs(body.decode())["payload"][0])
        user = str(payload["user"]["id"])[:40]
        return [(int(a["value"]), user) for a in payload["actions"] if a.get("action_id") == "ack"]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        raise HTTPException(400, "This is no interaction.") from None


def _pagerduty(body: bytes) -> list[tuple[int, str]]:
    """https://developer.pagerduty.com/docs/webhooks-overview#incidentacknowledged: the incident's key is the alert's dedup_key.
    Who resolves an incident looked after it as well."""
    try:
        event = json.loads(body)["event"]
        agent = event.get("agent") or {}
        if (
            event["event_type"] not in ("incident.acknowledged", "incident.resolved")
            or agent.get("type") != "user_reference"
        ):
            return []  # what our own events did comes back as well, by the integration
        key = str(event["data"].get("incident_key") or "").removeprefix("earmark:")
        return [(int(key), str(agent.get("id", "somebody"))[:40])] if key.isdigit() and len(key) < 19 else []
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise HTTPException(400, "This is no event.") from None
