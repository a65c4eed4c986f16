"""The inbox: everything it shows is in its address, so a copied address shows another person the same list."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from console.web.house import house
from console.web.pages import page
from console.web.texts import _
from console.web.words import platform
from domain.lifecycle import STATUSES
from domain.said import Said
from storage import first_steps, inbox_address, saved_views, users, views, why_now
from storage.inbox_address import MANY
from storage.together import Question, together
from storage.views import MARKS, SORTS, VIEWS, Filter

router = APIRouter(include_in_schema=False)
MOST_NEW = 500


def read_filter(request: Request) -> Filter:
    return filter_of(request.query_params.multi_items())


def filter_of(pairs: Iterable[tuple[str, str]]) -> Filter:
    """An address as a filter. What is not understood falls back to the default instead of failing."""
    return inbox_address.read(pairs)[0]


Wanted = Annotated[Filter, Depends(read_filter)]


def link(filter: Filter, **changes: object) -> str:
    """The inbox's address with some fields changed."""
    query = inbox_address.write(filter, **changes)
    return "/inbox" + (f"?{query}" if query else "")


@router.get("/")
def home() -> Response:
    return RedirectResponse("/inbox", 303)


@router.get("/inbox")
def inbox(request: Request, wanted: Wanted) -> Response:
    return show(request, wanted)


def show(request: Request, wanted: Filter, *, status: int = 200, error: str = "", act: int | None = None) -> Response:
    """The list a filter holds, from one moment."""
    me = request.state.session.user
    with house(request).ledger.read() as connection:
        got = together(connection, **_asked(wanted, me))
        counts, people = got["counts"], got["people"]
        total = counts[wanted.view] if views.plain(wanted) else got["total"]
        found = views.as_page(connection, wanted, me.id, total, got["found"])
        fields = _fields({**got["choices"], "team": got["teams"]}, people)
        context = {
            "view_counts": counts,
            "last_resolved": None if found.total else views.last_resolved(connection),
            "silent": 0 if found.total else views.silent_channels(connection),
            "steps": None if found.total else first_steps.steps(connection),
            "saved": [
                {**view, "link": (to := link(filter_of(parse_qsl(view["query"])))), "here": to == link(wanted, page=1)}
                for view in got["saved"]
            ],
        }
    why = request.query_params.get("why") == "1"
    whys = {}
    if why:
        with house(request).ledger.read() as connection:
            whys = why_now.lines(connection, [ticket.id for ticket in found.tickets])
    if act is not None:
        context["act"] = act
    return page(
        request,
        "inbox.html",
        code=status,
        error=error,
        wanted=wanted,
        found=found,
        fields=fields,
        people=[user for user in people if user.role in ("agent", "lead", "admin")],
        views=VIEWS,
        sorts=SORTS,
        link=lambda **changes: _kept(link(wanted, **changes), why),
        whys=whys,
        why_link=link(wanted, page=wanted.page) if why else _kept(link(wanted, page=wanted.page), True),
        address=link(wanted, page=wanted.page).partition("?")[2],
        filtered=bool(wanted.q or wanted.since or wanted.until or any(getattr(wanted, name) for name in MANY)),
        **context,
    )


def _asked(wanted: Filter, me: users.User) -> dict[str, Question[Any]]:
    """All on one way to the database; a view that is counted beside its name is not counted twice."""
    asked: dict[str, Question[Any]] = {
        "counts": views.counts(me.id),
        "found": views.listed(wanted, me.id),
        "people": users.EVERYBODY,
        "choices": views.CHOICES,
        "teams": views.TEAMS,
        "saved": saved_views.everything(me),
    }
    return asked if views.plain(wanted) else {**asked, "total": views.total(wanted, me.id)}


def _kept(address: str, why: bool) -> str:
    """An address of the inbox that goes on showing why."""
    return f"{address}{'&' if '?' in address else '?'}why=1" if why else address


@router.get("/inbox/news")
def news(request: Request, wanted: Wanted) -> JSONResponse:
    """For an open page: which of the tickets it heard of (`new`) its filter holds, and every count it shows, all from one moment."""
    heard = [int(v) for v in request.query_params.getlist("new") if v.isdecimal() and len(v) < 19]
    if len(heard) > MOST_NEW:
        raise HTTPException(422, Said("At most %(most)s tickets at once; read the page anew.", most=MOST_NEW))
    me = request.state.session.user
    with house(request).ledger.read() as connection:
        return JSONResponse(
            {
                "new": views.among(connection, wanted, me.id, heard) if heard else [],
                "views": views.view_counts(connection, me.id),
                "sidebar": views.sidebar(connection),
            }
        )


def _fields(
    choices: Mapping[str, list[tuple[str, str]]], people: list[users.User]
) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """(name, label, options) per filter."""
    owners = [
        ("me", _("Me")),
        ("none", _("Nobody")),
        *((str(user.id), user.name) for user in people if user.role != "viewer"),
    ]
    return [
        ("status", _("Status"), [(s, _(s)) for s in STATUSES]),
        ("priority", _("Priority"), [(p, _(p)) for p in ("urgent", "high", "normal", "low")]),
        ("sentiment", _("Sentiment"), [(s, _(s)) for s in ("negative", "neutral", "positive", "unscored")]),
        ("platform", _("Platform"), [(name, platform(name)) for name, _count in choices["platform"]]),
        ("topic", _("Topic"), choices["topic"]),
        ("intent", _("Intent"), [(name, _(label)) for name, label in choices["intent"]]),
        ("team", _("Team"), choices["team"]),
        ("assignee", _("Owner"), owners),
        ("mark", _("State"), [(name, _(label)) for name, (label, _condition) in MARKS.items()]),
    ]
