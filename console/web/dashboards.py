"""Dashboards: what was said, where, in what mood and when; what became of it. Every figure has its table, its CSV and its tickets."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException
from markupsafe import Markup
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from console.web import plots, words
from console.web.house import house
from console.web.pages import page
from storage import talk
from storage.talk import Cell, Range, Step, Work

router = APIRouter(include_in_schema=False)
HOUR = timedelta(hours=1)
RANGES = {  # name → (label, hours, hours of a step)
    "24h": ("24 hours", 24, 1),
    "7d": ("7 days", 168, 6),
    "30d": ("30 days", 720, 24),
    "90d": ("90 days", 2160, 72),
}
MOODS = ("negative", "neutral", "unscored", "positive")
MOST_BARS = 12  # the rest is one bar, counted


@dataclass(frozen=True, slots=True)
class Figure:
    """One chart: its name, what it shows in words, the picture, and its rows as a table and as CSV."""

    id: str
    title: str
    about: str
    picture: Markup
    head: tuple[str, ...]
    rows: Sequence[tuple[str | int, ...]]
    wide: bool = False


def read_range(request: Request) -> tuple[str, Range]:
    """`range`, `topic` and `platform` of the address; what is unknown is the default. Whole hours, so that a figure stands for a while."""
    query = request.query_params
    name = query.get("range", "7d")
    name = name if name in RANGES else "7d"
    _, hours, step = RANGES[name]
    until = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + HOUR
    many = {key: tuple(words.typed(v)[:200] for v in query.getlist(key) if v)[:20] for key in ("topic", "platform")}
    return name, Range(until - timedelta(hours=hours), until, step, many["topic"], many["platform"])


Wanted = Annotated[tuple[str, Range], Depends(read_range)]


@router.get("/dashboards")
def dashboards(request: Request, wanted: Wanted) -> Response:
    name, range_ = wanted
    with house(request).ledger.read() as connection:
        figures = draw(connection, range_)
        tiles = _tiles(connection, range_)
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
        name=name,
        wanted=range_,
        behind=behind,
        query=request.url.query,
    )


@router.get("/dashboards/{figure}.csv")
def table(request: Request, figure: str, wanted: Wanted) -> Response:
    """A figure's rows."""
    with house(request).ledger.read() as connection:
        found = next((one for one in draw(connection, wanted[1]) if one.id == figure), None)
    if found is None:
        raise HTTPException(404, "There is no such figure.")
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(found.head)
    writer.writerows([[defused(cell) for cell in row] for row in found.rows])
    name = f'attachment; filename="earmark-{figure}.csv"'
    return Response(out.getvalue(), media_type="text/csv; charset=utf-8", headers={"content-disposition": name})


def defused(cell: str | int) -> str | int:
    """A cell no spreadsheet runs (https://owasp.org/www-community/attacks/CSV_Injection)."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+-@\t\r\n＝＋－＠" else cell


def draw(connection: Connection, wanted: Range) -> list[Figure]:
    """Every figure of the page, from one moment."""
    steps = talk.steps(connection, wanted)
    return [
        _volume(steps, wanted),
        _groups("voice", "Share of voice", "topic", talk.groups(connection, wanted, "topic"), wanted),
        _groups("platforms", "By platform", "platform", talk.groups(connection, wanted, "platform"), wanted),
        _groups("intents", "What people want", "intent", talk.groups(connection, wanted, "intent"), wanted),
        _hours(talk.hours_of_week(connection, wanted)),
        _tickets(talk.opened(connection, wanted), wanted),
    ]


def inbox(wanted: Range, **more: str) -> str:
    """The inbox with the same filter."""
    pairs = [("view", "all"), *(("topic", t) for t in wanted.topics), *(("platform", p) for p in wanted.platforms)]
    return "/inbox?" + urlencode(pairs + list(more.items()))


def _between(since: datetime, until: datetime) -> dict[str, str]:
    return {"since": since.strftime("%Y-%m-%dT%H:%MZ"), "until": until.strftime("%Y-%m-%dT%H:%MZ")}


def _volume(steps: Sequence[Step], wanted: Range) -> Figure:
    last = len(steps) - 1
    data = [
        plots.Column(
            f"{step.at:%-d %b %H:%M} UTC{' (still running)' if n == last else ''}",
            {label: count for label, count in step.n.items() if count > 0},
            tick=_tick(n, step.at, len(steps), wanted.hours),
        )
        for n, step in enumerate(steps)
    ]
    whole, negative = _sum(steps, MOODS), _sum(steps, ("negative",))
    highest = max(data, key=lambda column: column.whole, default=None)
    about = (
        f"Stacked columns of mentions per {_step(wanted)} by sentiment: {whole:,} in all, {negative:,} negative."
        + (f" Most at {highest.name}: {highest.whole:,}." if highest and highest.whole else "")
    )
    rows = [(f"{s.at:%Y-%m-%d %H:%M}", *(s.n.get(mood, 0) for mood in (*MOODS, "repost"))) for s in steps]
    title = "Mentions by sentiment"
    return Figure(
        "volume",
        title,
        about,
        plots.columns("volume", title, about, data),
        ("from (UTC)", *MOODS, "repost"),
        rows,
        True,
    )


def _groups(id: str, title: str, by: str, cells: Sequence[Cell], wanted: Range) -> Figure:
    parts: dict[str, dict[str, int]] = {}
    for cell in cells:
        if cell.label != "repost":
            parts.setdefault(cell.key, {})[cell.label] = cell.n
    names = list(parts)
    if len(names) > MOST_BARS:
        rest: dict[str, int] = {}
        for name in names[MOST_BARS - 1 :]:
            for label, n in parts.pop(name).items():
                rest[label] = rest.get(label, 0) + n
        parts[f"{len(names) - MOST_BARS + 1} others"] = rest
    whole = sum(sum(one.values()) for one in parts.values()) or 1
    shown = {name: words.platform(name) if by == "platform" else name or "no topic" for name in parts}
    data = [
        plots.Bar(
            shown[name],
            one,
            note=f"{sum(one.values()) / whole:.0%}" if by == "topic" else _negative(one),
        )
        for name, one in parts.items()
    ]
    first = next(iter(parts), "")
    about = f"Bars of mentions by {by} and sentiment." + (
        f" Most: {shown[first]} with {sum(parts[first].values()) / whole:.0%} of {whole:,}."
        if parts
        else " Nothing was said."
    )
    rows = [(shown[name], *(one.get(mood, 0) for mood in MOODS)) for name, one in parts.items()]
    return Figure(id, title, about, plots.bars(id, title, about, data), (by, *MOODS), rows)


def _negative(parts: Mapping[str, int]) -> str:
    scored = sum(parts.get(mood, 0) for mood in ("negative", "neutral", "positive"))
    return f"{parts.get('negative', 0) / scored:.0%} negative" if scored else ""


def _hours(data: Mapping[tuple[int, int], int]) -> Figure:
    busiest = max(data, key=lambda key: data[key], default=None)
    about = "Heat map of mentions by hour and weekday, UTC." + (
        f" Busiest: {plots.DAYS[busiest[0] - 1]} {busiest[1]:02d}:00 with {data[busiest]:,}." if busiest else ""
    )
    rows = [(plots.DAYS[day - 1], *(data.get((day, hour), 0) for hour in range(24))) for day in range(1, 8)]
    title = "When people talk"
    head = ("day", *(f"{hour:02d}" for hour in range(24)))
    return Figure("hours", title, about, plots.heat("hours", title, about, data), head, rows)


def _tickets(data: Sequence[tuple[datetime, int, int]], wanted: Range) -> Figure:
    made = [
        plots.Column(
            f"{at:%-d %b %H:%M} UTC",
            {"tickets": n - breached, "late": breached},
            inbox(wanted, **_between(at, at + HOUR * wanted.hours)),
            tick=_tick(at_, at, len(data), wanted.hours),
        )
        for at_, (at, n, breached) in enumerate(data)
    ]
    about = f"Columns of tickets opened per {_step(wanted)}: {sum(n for _, n, _ in data):,} in all, {sum(b for _, _, b in data):,} of them answered or resolved too late."
    rows = [(f"{at:%Y-%m-%d %H:%M}", n, breached) for at, n, breached in data]
    title = "Tickets opened"
    return Figure(
        "tickets",
        title,
        about,
        plots.columns("tickets", title, about, made),
        ("from (UTC)", "opened", "too late"),
        rows,
        True,
    )


def _tick(n: int, at: datetime, count: int, hours: int) -> str:
    """About seven labels under an axis."""
    if n % max(1, round(count / 7)):
        return ""
    return f"{at:%H:%M}" if hours < 6 else f"{at:%-d %b}"


def _step(wanted: Range) -> str:
    return (
        "hour"
        if wanted.hours == 1
        else f"{wanted.hours} hours"
        if wanted.hours < 24
        else f"{wanted.hours // 24} days"
        if wanted.hours > 24
        else "day"
    )


def _sum(steps: Iterable[Step], labels: Sequence[str]) -> int:
    return sum(step.n.get(label, 0) for step in steps for label in labels)


@dataclass(frozen=True, slots=True)
class Tile:
    """A headline figure beside the period before. `better`: whether more is."""

    name: str
    value: str
    before: str
    change: str = ""
    good: bool | None = None
    about: str = ""


def _tiles(connection: Connection, wanted: Range) -> list[Tile]:
    now, then = talk.steps(connection, wanted), talk.steps(connection, wanted.before)
    done, did = talk.work(connection, wanted), talk.work(connection, wanted.before)
    said, before = _sum(now, MOODS), _sum(then, MOODS)
    scored, scored_before = (_sum(s, ("negative", "neutral", "positive")) for s in (now, then))
    share = _sum(now, ("negative",)) / scored if scored else None
    share_before = _sum(then, ("negative",)) / scored_before if scored_before else None
    return [
        _count("Mentions", said, before, None, "posts of others about the topics, without reposts"),
        _share("Negative", share, share_before, False, "of what a scorer could read"),
        _count("Tickets opened", done.opened, did.opened, None, "without merged ones"),
        _time(
            "First response",
            done.first_median,
            did.first_median,
            done.first_p90,
            "median from opening to the first answer",
        ),
        _time(
            "Resolution",
            done.resolve_median,
            did.resolve_median,
            done.resolve_p90,
            "median from opening to the last resolution",
        ),
        _share("In time", done.in_time, did.in_time, True, "of the tickets opened, no clock breached so far"),
        _share("Reopened", done.reopened, did.reopened, False, "of the tickets that were resolved"),
    ]


def _count(name: str, now: int, before: int, more: bool | None, about: str) -> Tile:
    change = f"{(now - before) / before:+.0%}" if before else ""
    return Tile(
        name,
        f"{now:,}",
        f"{before:,}",
        change,
        None if more is None or now == before else (now > before) == more,
        about,
    )


def _share(name: str, now: float | None, before: float | None, more: bool, about: str) -> Tile:
    told = "–" if before is None else f"{before:.1%}"
    if now is None or before is None:
        return Tile(name, "–" if now is None else f"{now:.1%}", told, about=about)
    points = (now - before) * 100
    good = None if abs(points) < 0.05 else (points > 0) == more
    return Tile(name, f"{now:.1%}", told, f"{points:+.1f} points", good, about)


def _time(name: str, now: float | None, before: float | None, p90: float | None, about: str) -> Tile:
    def spoken(seconds: float | None) -> str:
        return "–" if seconds is None else words.span(timedelta(seconds=seconds))

    change = f"{(now - before) / before:+.0%}" if now is not None and before else ""
    good = None if now is None or not before or now == before else now < before
    return Tile(name, spoken(now), spoken(before), change, good, f"{about}; 90 % within {spoken(p90)}")


__all__ = ["Work", "router"]
