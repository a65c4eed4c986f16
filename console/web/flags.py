"""Escalation flags: the list, and one flag with its series against what is usual."""

import csv
import io
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from fastapi import APIRouter, HTTPException
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from console.web import charts, heard
from console.web.formats import clock
from console.web.house import house
from console.web.pages import Id, PageNumber, page
from console.web.texts import _, plural
from console.web.vocabulary import EVIDENCE
from console.web.words import counted, iso, span
from console.web.zone import zone
from storage import pages, views_flags
from storage.views_flags import Flag, Series

router = APIRouter(include_in_schema=False)
STATES = ("open", "closed")


@router.get("/flags")
def flags(request: Request, number: PageNumber, state: str = "") -> Response:
    state = state if state in STATES else ""
    with house(request).ledger.read() as connection:
        found = views_flags.flags(connection, state, number)
        held = pages.held_back(connection) if number == 1 and not state else []
    return page(request, "flags.html", found=found, state=state, held=held)


@router.get("/flags/{flag_id}")
def flag(request: Request, flag_id: Id) -> Response:
    with house(request).ledger.read() as connection:
        found, series = _load(connection, flag_id)
        told = pages.of_flag(connection, flag_id)
        if "channel" in found.evidence:  # an alarm about a channel has words and no series
            return page(
                request,
                "flag.html",
                flag=found,
                series=None,
                samples=[],
                chart="",
                told=told,
                facts=facts(found.evidence),
            )
        samples = views_flags.samples(connection, found)
    chart, what = draw(found, series, zone(request)), title(series)
    return page(
        request, "flag.html", flag=found, series=series, samples=samples, chart=chart, told=told, what=what,
        lists=behind(found, series), facts=facts(found.evidence),
    )  # fmt: skip


@router.get("/flags/{flag_id}/series.csv")
def series_csv(request: Request, flag_id: Id) -> Response:
    """The chart's figures."""
    with house(request).ledger.read() as connection:
        _, series = _load(connection, flag_id)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["at", "mentions", "usual_low", "usual", "usual_high"])
    for b in series.buckets:
        writer.writerow([iso(b.at), b.n, *("" if v is None else round(v, 2) for v in (b.low, b.usual, b.high))])
    name = f'attachment; filename="flag-{flag_id}.csv"'
    return Response(out.getvalue(), media_type="text/csv; charset=utf-8", headers={"content-disposition": name})


def _load(connection: Connection, flag_id: int) -> tuple[Flag, Series]:
    found = views_flags.flag(connection, flag_id)
    if found is None:
        raise HTTPException(404, "There is no such flag.")
    return found, views_flags.series(connection, found, datetime.now(UTC))


def facts(evidence: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """What a flag was raised with, in the order `vocabulary.EVIDENCE` reads; JSON in the database keeps none."""
    places = {name.replace(" ", "_"): at for at, name in enumerate(EVIDENCE)}

    def ordered(told: Mapping[str, Any]) -> list[tuple[str, Any]]:
        return sorted(told.items(), key=lambda pair: places.get(pair[0], len(places)))

    return [(name, dict(ordered(value)) if isinstance(value, Mapping) else value) for name, value in ordered(evidence)]


def title(series: Series) -> str:
    return counted(series.topic, series.platform, series.measure)


def behind(flag: Flag, series: Series) -> dict[datetime, str]:
    """Each step's list of what it counts."""
    return {b.at: heard.address(b.at, b.at + series.step, flag=flag.id) for b in series.buckets if b.n > 0}


def draw(flag: Flag, series: Series, where: tzinfo) -> str:
    """The series as a picture on the reader's clock: counts, the usual band, gaps hatched, the flag's window marked."""
    lists = behind(flag, series)
    points = [charts.Point(b.at, b.n, b.low, b.usual, b.high, lists.get(b.at, "")) for b in series.buckets]
    gaps = [charts.Span(hole.since, hole.until, f"{hole.channel}: {hole.reason}") for hole in series.holes]
    mark = charts.Span(flag.window_start, flag.closed_at or series.end, _("flag open"))
    highest = max(points, key=lambda p: p.n, default=None)
    about = [_("Line chart, per %(step)s: %(what)s.", step=span(series.step), what=title(series))]
    if highest:
        about.append(_("Highest: %(n)s at %(time)s.", n=int(highest.n), time=clock(highest.at, where)))
    about.append(
        plural("%(n)s gap in collection, hatched.", "%(n)s gaps in collection, hatched.", len(gaps))
        if gaps
        else _("No gaps in collection.")
    )
    return charts.line(
        f"flag-{flag.id}",
        title(series),
        " ".join(about),
        points,
        gaps,
        mark,
        series.step,
        where,
        running=bool(points) and points[-1].at + series.step > datetime.now(UTC),
    )
