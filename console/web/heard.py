"""The lists behind the marks of dashboards and flags: mentions, and changes of channel. What they hold stands in their address."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import APIRouter, HTTPException
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from console.web.house import house
from console.web.pages import PageNumber, page
from console.web.words import counted, typed
from storage import heard, views_flags
from storage.heard import MOODS, Asked
from storage.inbox_address import HOUR, MOMENT, moment
from storage.views_flags import Flag

router = APIRouter(include_in_schema=False)
MANY = ("topic", "platform", "intent", "mood")
MOST = 20  # values of one field
USUAL = timedelta(days=7)


def address(since: datetime, until: datetime, **more: object) -> str:
    """The list of the mentions a mark counts; a value that is a tuple stands several times. Short: a dashboard has hundreds of them."""
    pairs: list[tuple[str, object]] = [("since", _short(since)), ("until", _short(until))]
    for name, value in more.items():
        pairs += [(name, one) for one in (value if isinstance(value, tuple) else (value,))]
    return "/mentions?" + urlencode(pairs, safe=":")


def _short(at: datetime) -> str:
    return at.astimezone(UTC).strftime(MOMENT if at.minute else HOUR)


def read(request: Request, number: int) -> Asked:
    """What is unknown in the address is no condition; without a time it is the last seven days."""
    query = request.query_params
    many = {name: tuple(typed(v)[:200] for v in query.getlist(name) if v)[:MOST] for name in MANY}
    until = moment(query.get("until", "")) or datetime.now(UTC) + timedelta(hours=1)
    return Asked(
        moment(query.get("since", "")) or until - USUAL,
        until,
        many["topic"],
        many["platform"],
        many["intent"],
        tuple(mood for mood in many["mood"] if mood in MOODS),
        day=_within(query, "day", 1, 7),
        hour=_within(query, "hour", 0, 23),
        zone=_zone(query.get("zone", "")),
        page=number,
    )


def _within(query: Mapping[str, str], name: str, low: int, high: int) -> int | None:
    value = query.get(name, "")
    return int(value) if value.isdecimal() and len(value) < 3 and low <= int(value) <= high else None


def _zone(name: str) -> str:
    try:
        return ZoneInfo(name).key if name else "UTC"
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "UTC"


@router.get("/mentions")
def mentions(request: Request, number: PageNumber) -> Response:
    asked = read(request, number)
    with house(request).ledger.read() as connection:
        flag = _flag(connection, request.query_params.get("flag", ""))
        if flag:
            asked = replace(asked, series=views_flags.series_names(flag))
        found = heard.mentions(connection, asked)
    what = counted(*asked.series) if asked.series else ""
    rest = [(name, value) for name, value in request.query_params.multi_items() if name not in ("page", "said")]
    return page(
        request, "mentions.html", found=found, asked=asked, flag=flag, what=what,
        address="/mentions?" + urlencode([*rest, ("page", "")]),
    )  # fmt: skip


def _flag(connection: Connection, given: str) -> Flag | None:
    """The flag whose series is listed. One that is unknown is no list of everything."""
    if not given:
        return None
    found = views_flags.flag(connection, int(given)) if given.isdecimal() and len(given) < 19 else None
    if found is None or "channel" in found.evidence:  # an alarm about a channel counts no mentions
        raise HTTPException(404, "There is no such flag.")
    return found


@router.get("/journeys")
def journeys(request: Request, number: PageNumber) -> Response:
    query = request.query_params
    asked, before, after = (
        read(request, number),
        typed(query.get("before", ""))[:200],
        typed(query.get("after", ""))[:200],
    )
    with house(request).ledger.read() as connection:
        found = heard.switches(connection, asked.since, asked.until, before, after, number)
    rest = [(name, value) for name, value in query.multi_items() if name not in ("page", "said")]
    return page(
        request, "journeys.html", found=found, asked=asked, before=before, after=after, address="/journeys?" + urlencode([*rest, ("page", "")])
    )  # fmt: skip
