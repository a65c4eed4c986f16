"""Operations: the state of the whole, what is owed to desks, what stopped for good, and the configuration with edits tried on history."""

from typing import Annotated, Any, Literal

import yaml
from fastapi import APIRouter, Depends, Form, HTTPException
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

import config
from console.web.house import house
from console.web.pages import Id, page
from console.web.texts import N_
from console.web.words import sentence, typed
from storage import audit, configurations, dead, errands, owed, posting, targets, views_health


def whole(request: Request) -> None:
    """These pages are about the whole system: who is limited to teams or topics sees a part of it."""
    scope = getattr(request.state, "scope", None)
    if scope and scope.limited:
        raise HTTPException(404, "Operations are about the whole system, and you see a part of it.")


router = APIRouter(include_in_schema=False, dependencies=[Depends(whole)])
TABS = (
    ("/status", N_("Overview")),
    ("/status/outbox", N_("Outbox")),
    ("/status/dead", N_("Dead letters")),
    ("/status/configuration", N_("Configuration")),
)
LETTERS = 200  # of a page
STATES = ("open", "retried", "dropped", "stored", "any")
LONGEST_EDIT = 200_000


class TargetForm(BaseModel):
    model_config = {"extra": "forbid"}
    csrf: str = ""
    target: Annotated[str, Field(max_length=200)]


class PostingForm(BaseModel):
    model_config = {"extra": "forbid"}
    csrf: str = ""
    do: Literal["stop", "resume"]
    why: Annotated[str, Field(max_length=posting.LONGEST)] = ""


class LetterForm(BaseModel):
    model_config = {"extra": "forbid"}
    csrf: str = ""
    do: Literal["retry", "drop", "reopen"]


class PlanForm(BaseModel):
    model_config = {"extra": "forbid"}
    csrf: str = ""
    text: Annotated[str, Field(max_length=LONGEST_EDIT)]
    days: Annotated[float, Field(gt=0, le=30)] = 7


@router.get("/status")
def status(request: Request) -> Response:
    with house(request).ledger.read() as connection:
        found = views_health.status(connection)
        queues = views_health.queues(connection)
        backlog = owed.backlog(connection)
    return page(
        request, "status.html", status=found, queues=queues, backlog=backlog, words=owed.WORDS, tabs=TABS,
        broker=request.app.state.pulse.broker(), versions=sorted({w.version for w in found.workers if w.silent < 15}),
    )  # fmt: skip


@router.get("/status/outbox")
def outbox(request: Request, word: str = "", target: str = "", before: str = "") -> Response:
    word = word if word in owed.WORDS else ""
    target = typed(target)[:200]
    under = int(before) if before.isdecimal() and len(before) < 19 else None
    with house(request).ledger.read() as connection:
        found = owed.listed(connection, word, target, under)
        backlog = owed.backlog(connection)
        known = views_health.targets(connection)
    return page(
        request, "outbox.html", found=found, word=word, target=target, backlog=backlog, words=owed.WORDS, targets=known, tabs=TABS
    )  # fmt: skip


@router.post("/status/outbox/{outbox_id}/now")
def try_now(request: Request, outbox_id: Id) -> Response:
    actor = request.state.session.user.actor
    done = house(request).ledger.run(lambda c: owed.now(c, outbox_id, actor), patience=5)
    return RedirectResponse(f"/status/outbox?said={'now' if done else 'same'}", 303)


@router.post("/status/posting")
def switch(request: Request, form: Annotated[PostingForm, Form()]) -> Response:
    """The switch that stops everything customers would read, and lets it go on."""
    user = request.state.session.user

    def work(connection: Connection) -> bool:
        if form.do == "resume":
            return posting.resume(connection, user.actor)
        return posting.stop(connection, user.actor, user.name, typed(form.why).strip())

    done = house(request).ledger.run(work, patience=5)
    said = {"stop": "posting-stopped", "resume": "posting-goes-on"}[form.do] if done else "same"
    return RedirectResponse(f"/status/outbox?said={said}", 303)


@router.post("/status/targets")
def resume(request: Request, form: Annotated[TargetForm, Form()]) -> Response:
    """Go on delivering to a target that was blocked or rests."""
    actor, name = request.state.session.user.actor, typed(form.target)

    def work(connection: Connection) -> bool:
        known = any(found.name == name for found in views_health.targets(connection))
        if known:
            targets.resume(connection, name, actor)
        return known

    if not house(request).ledger.run(work, patience=5):
        raise HTTPException(404, "There is no such target.")
    return RedirectResponse("/status?said=target", 303)


@router.get("/status/dead")
def letters(request: Request, state: str = "open") -> Response:
    state = state if state in STATES else "open"
    with house(request).ledger.read() as connection:
        found = dead.everything(connection, state, LETTERS + 1)
    return page(
        request, "dead.html", letters=found[:LETTERS], more=len(found) > LETTERS, state=state, states=STATES, tabs=TABS
    )


@router.get("/status/dead/{letter}")
def letter(request: Request, letter: str) -> Response:
    return _letter(request, letter)


def _letter(request: Request, letter: str, *, code: int = 200, error: str = "") -> Response:
    wanted = _name(letter)
    with house(request).ledger.read() as connection:
        found = dead.show(connection, wanted)
        again = errands.of_reject(connection, wanted[1]) if wanted[0] == "reject" else None
    if found is None:
        raise HTTPException(404, "There is no such dead letter.")
    name = ":".join(map(str, wanted))
    return page(
        request, "letter.html", code=code, error=error, letter=found, name=name, kind=wanted[0], again=again, tabs=TABS
    )


@router.post("/status/dead/{letter}")
def act(request: Request, letter: str, form: Annotated[LetterForm, Form()]) -> Response:
    """Retry, drop, or take a drop back. A rejected item needs its connector: a worker reads it again, and the page says how that went."""
    wanted, actor = _name(letter), request.state.session.user.actor

    def work(connection: Connection) -> None:
        if form.do == "drop":
            dead.drop(connection, wanted, actor)
        elif form.do == "reopen":
            dead.reopen(connection, wanted, actor)
        elif wanted[0] == "reject":
            dead.rejected(connection, wanted[1])  # only one that is still open
            errands.ask(connection, "reread", {"reject": wanted[1]}, actor)
        else:
            dead.retry(connection, wanted, actor)

    try:
        house(request).ledger.run(work, patience=5)
    except LookupError:
        raise HTTPException(404, "There is no such dead letter.") from None
    except dead.CannotRetry as problem:
        return _letter(request, letter, code=409, error=sentence(problem))
    said = {"retry": "again", "drop": "given-up", "reopen": "reopened"}[form.do]
    return RedirectResponse(f"/status/dead/{':'.join(map(str, wanted))}?said={said}", 303)


def _name(letter: str) -> dead.Name:
    try:
        return dead.name(letter[:40])
    except ValueError:
        raise HTTPException(404, "There is no such dead letter.") from None


@router.get("/status/configuration")
def configuration(request: Request) -> Response:
    return _configuration(request)


def _configuration(
    request: Request, *, code: int = 200, complaints: str = "", text: str = "", days: float = 7
) -> Response:
    with house(request).ledger.read() as connection:
        current = configurations.in_force(connection)
        found: dict[str, Any] = {
            "current": current,
            "refused": configurations.refused(connection),
            "edits": configurations.lately(connection),
            "plans": errands.recent(connection, "plan"),
        }
    sections = {
        name: (len(value) if isinstance(value, list) else None, _yaml({name: value}))
        for name, value in (current.document if current else {}).items()
        if value
    }
    return page(
        request, "configuration.html", code=code, complaints=complaints, text=text, days=days, sections=sections, tabs=TABS, **found
    )  # fmt: skip


def _yaml(value: Any) -> str:
    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=110))


@router.post("/status/configuration")
def plan(request: Request, form: Annotated[PlanForm, Form()]) -> Response:
    """Check an edit at once, and owe its trial on history. Nothing of it comes into force here."""
    actor, text = request.state.session.user.actor, typed(form.text)
    here = house(request)
    with here.ledger.read() as connection:
        current = configurations.in_force(connection)
    try:
        config.load_edit(current.document if current else {}, text)
    except config.Complaints as complaints:
        return _configuration(request, code=422, complaints=str(complaints), text=text, days=form.days)

    def work(connection: Connection) -> None:
        id_ = errands.ask(connection, "plan", {"text": text, "days": form.days}, actor)
        audit.append(connection, actor, "plan.ask", f"errand:{id_}", {"days": form.days})

    here.ledger.run(work, patience=5)
    return RedirectResponse("/status/configuration?said=planned#plans", 303)
