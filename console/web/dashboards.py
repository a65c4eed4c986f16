"""Dashboards: what was said, where, in what mood and when; what became of it. Every figure has its table, its CSV and its tickets."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from starlette.requests import Request
from starlette.responses import Response

from console.web import words
from console.web.drawing import HOUR, Datum, Drawing, Figure, Tile
from console.web.figures import BOARDS
from console.web.formats import zone_name
from console.web.house import house
from console.web.kept import Kept
from console.web.pages import page
from console.web.spoken import current
from console.web.texts import N_
from console.web.tiles import metric_tile, talk_tiles, work_tiles
from console.web.zone import zone
from storage import metrics, talk
from storage.scopes import EVERYTHING
from storage.talk import Range

router = APIRouter(include_in_schema=False)
RANGES = {  # name → (label, hours, hours of a step)
    "24h": (N_("24 hours"), 24, 1),
    "7d": (N_("7 days"), 168, 6),
    "30d": (N_("30 days"), 720, 24),
    "90d": (N_("90 days"), 2160, 72),
}
LABELS = {"talk": N_("Talk"), "tickets": N_("Tickets"), "journeys": N_("Journeys")}
JOURNEY = {  # metric → whether fewer is better
    "touch_to_resolution": True, "first_contact_resolution": False, "repeat_contact": True, "channel_switches": True,
    "journey_completion": False, "csat": False, "nps": False, "effort": False,
}  # fmt: skip
KEPT = 300.0  # seconds after which journeys are summed anew


def read_range(request: Request) -> tuple[str, Range]:
    """`range`, `topic` and `platform` of the address; what is unknown is the default. It ends with a whole hour, so that a figure
    stands for a while."""
    query = request.query_params
    name = query.get("range", "7d")
    name = name if name in RANGES else "7d"
    _, hours, step = RANGES[name]
    where = zone(request)
    until = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + HOUR
    since = until - timedelta(hours=hours)
    if step >= 6:  # whole days of the reader's zone, and today so far
        since = since.astimezone(where).replace(hour=0, minute=0, fold=0).astimezone(UTC)
    many = {key: tuple(words.typed(v)[:200] for v in query.getlist(key) if v)[:20] for key in ("topic", "platform")}
    return name, Range(since, until, step, many["topic"], many["platform"], zone_name(where))


Wanted = Annotated[tuple[str, Range], Depends(read_range)]


@router.get("/dashboards")
def dashboards(request: Request, wanted: Wanted) -> Response:
    name, range_ = wanted
    board = request.query_params.get("board", "talk")
    board = board if board in BOARDS else "talk"
    at = None
    if board == "journeys":
        (figures, tiles), at = _journeys(request, name, range_)
    with house(request).ledger.read() as connection:
        if board != "journeys":
            drawing = Drawing.of(connection, range_, zone(request))
            figures = [draw(drawing) for draw in BOARDS[board].values()]
            tiles = talk_tiles(drawing) if board == "talk" else work_tiles(*(part.whole for part in drawing.worked))
        topics, platforms = talk.choices(connection)
        behind = talk.behind(connection)
    return page(
        request,
        "dashboards.html",
        figures=figures,
        tiles=tiles,
        topics=topics,
        platforms=platforms,
        ranges=RANGES,
        boards=LABELS,
        board=board,
        name=name,
        wanted=range_,
        behind=behind,
        at=at,
        query=request.url.query,
    )


def _journeys(request: Request, name: str, wanted: Range) -> tuple[tuple[list[Figure], list[Tile]], datetime]:
    """Of all topics and platforms: a journey crosses them. Summed from every contact there is, so kept for a while."""
    ledger, where = house(request).ledger, zone(request)

    def summed() -> tuple[list[Figure], list[Tile]]:
        with ledger.read() as connection:
            spans = [(part.since, part.until) for part in (wanted, wanted.before)]
            now, then = ({row["name"]: row for row in span} for span in metrics.compared(connection, spans, JOURNEY))
            tiles = [metric_tile(now[name], then[name], fewer) for name, fewer in JOURNEY.items()]
            drawing = Drawing.of(connection, wanted, where)
            return [draw(drawing) for draw in BOARDS["journeys"].values()], tiles

    kept: Kept[tuple[list[Figure], list[Tile]]] = request.app.state.journeys
    scope = getattr(request.state, "scope", EVERYTHING)  # who sees a part is shown the sums of that part
    return kept.get((name, str(where), current().code, scope), summed)


@router.get("/dashboards/{figure}.csv")
def table(request: Request, figure: str, wanted: Wanted) -> Response:
    """A figure's rows."""
    draw = next((drawn[figure] for drawn in BOARDS.values() if figure in drawn), None)
    if draw is None:
        raise HTTPException(404, "There is no such figure.")
    with house(request).ledger.read() as connection:
        found = draw(Drawing.of(connection, wanted[1], UTC))
    return Response(
        as_csv(found.head, found.rows),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="earmark-{figure}.csv"'},
    )


def as_csv(head: Sequence[Datum], rows: Sequence[Sequence[Datum]]) -> str:
    """Plain: English names, a point for the fraction, times in UTC."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([defused(cell) for cell in head])
    writer.writerows([[defused(cell) for cell in row] for row in rows])
    return out.getvalue()


def defused(cell: Datum) -> str | int | float:
    """A moment as ISO 8601 has it; a text as a cell no spreadsheet runs (https://owasp.org/www-community/attacks/CSV_Injection)."""
    if isinstance(cell, datetime):
        return f"{cell.astimezone(UTC):%Y-%m-%d %H:%M}"
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+-@\t\r\n＝＋－＠" else cell
