"""Many tickets at once, and taking back: the same change to what is ticked or to all a filter holds, and the undo of one's own acts."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Annotated, Literal
from urllib.parse import parse_qsl

from fastapi import APIRouter, Form, HTTPException
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.web.house import house
from console.web.inbox import filter_of, show
from console.web.pages import Id
from console.web.texts import _
from console.web.words import typed
from console.web.zone import monday, morning, zone
from domain.said import Said
from storage import acts, turns, views
from storage.casework import Change, Refused
from storage.turns import MOST, Bulk

router = APIRouter(include_in_schema=False)

Snooze = Literal["", "1h", "4h", "tomorrow", "monday", "wake"]
KEEP = ""  # a field left as it is


class BulkForm(BaseModel):
    """`ticket`: `number:version` as the list showed it. `address`: the list's own query, for `all` and for going back."""

    model_config = {"extra": "forbid"}
    csrf: str = ""
    ticket: Annotated[list[str], Field(max_length=MOST)] = []
    all: bool = False
    address: Annotated[str, Field(max_length=4000)] = ""
    status: str = KEEP
    priority: str = KEEP
    team: str = KEEP
    assignee: Annotated[str, Field(pattern=r"^(|me|nobody|\d{1,18})$")] = KEEP
    tag: Annotated[str, Field(max_length=500)] = ""
    untag: Annotated[str, Field(max_length=500)] = ""
    snooze: Snooze = ""


@router.post("/inbox/bulk")
def bulk(request: Request, form: Annotated[BulkForm, Form()]) -> Response:
    """Change what is ticked, or with `all` everything the filter holds; what one ticket refuses does not keep the others from it."""
    me, here = request.state.session.user, house(request)
    wanted = filter_of(parse_qsl(form.address))

    def work(connection: Connection) -> tuple[Bulk, int | None]:
        seen = _ticked(form.ticket)
        if form.all:
            held = views.numbers(connection, wanted, me.id, MOST + 1)
            if len(held) > MOST:
                raise Refused(Said("The filter holds more than %(most)s tickets; narrow it first.", most=MOST))
            seen = {**dict.fromkeys(held), **{n: v for n, v in seen.items() if n in held}}
        if not seen:
            raise Refused("No ticket is ticked.")
        done = _change(connection, request, form, seen)
        return done, acts.remember(connection, me, "bulk", done.changed)

    try:
        done, act = here.ledger.run(work, patience=5)
    except Refused as refused:
        return show(request, wanted, status=409, error=_(refused))
    if done.refused:
        reasons = [f"#{number}: {_(why)}" for number, why in list(done.refused.items())[:5]]
        more = " " + _("And %(n)s more.", n=len(done.refused) - 5) if len(done.refused) > 5 else ""
        changed = _("%(n)s changed, %(refused)s refused.", n=len(done.changed), refused=len(done.refused)) + " "
        return show(request, wanted, status=409, error=changed + " ".join(reasons) + more, act=act or 0)
    return RedirectResponse(_back(form.address, "bulk", len(done.changed), act), 303)


def _ticked(values: Sequence[str]) -> dict[int, int | None]:
    """number → the version the person saw."""
    found: dict[int, int | None] = {}
    for value in values:
        number, _, version = value.partition(":")
        if not (number.isdecimal() and len(number) < 19 and (version.isdecimal() or not version) and len(version) < 10):
            raise HTTPException(422, "A ticket is named by its number.")
        found[int(number)] = int(version) if version else None
    return found


def _change(connection: Connection, request: Request, form: BulkForm, seen: dict[int, int | None]) -> Bulk:
    me = request.state.session.user
    owner = {KEEP: None, "me": me.id, "nobody": 0}
    wanted = Change(
        status=form.status or None,
        priority=form.priority or None,
        team=None if form.team == KEEP else typed(form.team)[:100],
        assignee=owner[form.assignee] if form.assignee in owner else int(form.assignee),
    )
    tags, untags = _names(form.tag), _names(form.untag)
    until = _until(form.snooze, datetime.now(UTC), zone(request))
    versions = {number: version for number, version in seen.items() if version is not None}
    done = Bulk(same=sorted(seen))
    if wanted != Change() or tags or untags:
        done = turns.bulk(connection, me, list(seen), wanted, tags, untags, versions)
    if form.snooze:
        left = [number for number in seen if number not in done.refused]
        slept = turns.one_by_one(connection, left, lambda number: turns.snooze(connection, me, number, until) is None)
        done = Bulk(sorted({*done.changed, *slept.changed}), slept.same, done.refused | slept.refused)
    return done


def _names(text: str) -> list[str]:
    return [name.strip() for name in typed(text).split(",") if name.strip()]


def _until(choice: str, now: datetime, where: tzinfo) -> datetime | None:
    """A preset as a moment; mornings are at eight on the clock of who asked."""
    return {
        "1h": now + timedelta(hours=1),
        "4h": now + timedelta(hours=4),
        "tomorrow": morning(now, where),
        "monday": monday(now, where),
    }.get(choice)


@router.post("/undo/{act_id}")
async def undo(request: Request, act_id: Id) -> Response:
    """Take one's own act back, and go back to where the button stood."""
    from starlette.concurrency import run_in_threadpool

    me, here = request.state.session.user, house(request)
    form = await request.form()
    address, ticket = str(form.get("address", ""))[:4000], str(form.get("ticket", ""))
    try:
        done = await run_in_threadpool(here.ledger.run, lambda c: acts.undo(c, me, act_id), patience=5)
    except Refused as refused:
        raise HTTPException(409, _(refused)) from None
    if done.refused:
        reasons = " ".join(f"#{number}: {_(why)}" for number, why in list(done.refused.items())[:5])
        told = _("%(n)s taken back, %(refused)s not.", n=len(done.changed), refused=len(done.refused))
        raise HTTPException(409, f"{told} {reasons}")
    if ticket.isdecimal() and len(ticket) < 19:  # it was done on a ticket's own page
        return RedirectResponse(f"/tickets/{ticket}?said=undone&n={len(done.changed)}", 303)
    return RedirectResponse(_back(address, "undone", len(done.changed), None), 303)


def _back(address: str, said: str, n: int, act: int | None) -> str:
    """The list it was done on, with the notice."""
    from urllib.parse import urlencode

    kept = [(k, v) for k, v in parse_qsl(address) if k not in ("said", "n", "act")]
    told = [("said", said), ("n", str(n))] + ([("act", str(act))] if act else [])
    return f"/inbox?{urlencode(kept + told)}"
