"""The dashboards' pictures: columns, bars and a heat map, as escaped SVG with classes only. The same data gives the same bytes.

Every mark is a link to what it counts. Colours are the page's; a pattern, never a fourth hue, tells what has no sentiment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from console.web import formats
from console.web.charts import Scale, ticks
from console.web.texts import _

WIDTH, HEIGHT = 860, 220
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 12, 26
ROW, NAME = 26, 150
BARS, COUNT = 560, 150  # bars stand two abreast: their own width, and the least room for count and note
LETTER = 7.5  # of a note, at most on average
ORDER = ("negative", "neutral", "unscored", "positive", "repost", "late", "tickets", "switches")


@dataclass(frozen=True, slots=True)
class Column:
    """One step: what it is called, how much of each kind, where its inbox is. `gap`: why it could not be counted whole."""

    name: str
    parts: Mapping[str, int]
    href: str = ""
    gap: str = ""
    tick: str = ""  # what stands under it, where a label belongs
    notes: Sequence[int] = ()  # numbers of the remarks below the picture that belong here

    @property
    def whole(self) -> int:
        return sum(self.parts.values())


def columns(id: str, title: str, about: str, data: Sequence[Column]) -> Markup:
    """Stacked columns over time, on one count axis from zero."""
    if not data:
        return Markup()
    steps = ticks(max(column.whole for column in data))
    y = Scale(0, steps[-1], HEIGHT - BOTTOM, TOP)
    wide = (WIDTH - LEFT - RIGHT) / len(data)
    body = [_lines(steps, y)]
    for at, column in enumerate(data):
        x = LEFT + at * wide
        if column.gap:
            body.append(_rect("chart-gap", x, TOP, wide, HEIGHT - BOTTOM - TOP, column.gap))
        body.append(_linked(column.href, _stack(column, x, wide, y)))
        if column.notes:
            body.append(_numbers(column.notes, x + wide / 2))
        if column.tick:
            body.append(f'<text class="chart-x" x="{x + wide / 2:.1f}" y="{HEIGHT - 8}">{escape(column.tick)}</text>')
    return svg(id, title, about, "".join(body), WIDTH, HEIGHT)


def _numbers(notes: Sequence[int], x: float) -> str:
    """A line through the step, and the numbers of its remarks above it."""
    said = ",".join(map(str, notes[:3])) + ("…" if len(notes) > 3 else "")
    line = f'<line class="chart-note" x1="{_short(x)}" x2="{_short(x)}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
    return f'{line}<text class="chart-number" x="{_short(x)}" y="{TOP - 2}">{escape(said)}</text>'


def _stack(column: Column, x: float, wide: float, y: Scale) -> str:
    parts, low = [], 0.0
    for kind in ORDER:
        if n := column.parts.get(kind, 0):
            top, bottom = y(low + n), y(low)
            said = f"{column.name}: {formats.number(n)} {_(kind)}"
            parts.append(_rect(f"c-{kind}", x + wide * 0.08, top, wide * 0.84, max(bottom - top, 0.75), said))
            low += n
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class Bar:
    name: str
    parts: Mapping[str, int]
    href: str = ""
    note: str = ""  # stands behind the count: a share, a change


def bars(id: str, title: str, about: str, data: Sequence[Bar]) -> Markup:
    """Horizontal bars, the longest first as given, stacked by kind."""
    if not data:
        return Markup()
    height = ROW * len(data) + 6
    most = max(sum(bar.parts.values()) for bar in data) or 1
    said = [formats.number(sum(bar.parts.values())) + (f" · {bar.note}" if bar.note else "") for bar in data]
    x = Scale(0, most, 0, BARS - NAME - max(COUNT, 8 + LETTER * max(map(len, said))))
    body = []
    for at, bar in enumerate(data):
        top, whole, low = at * ROW + 3, sum(bar.parts.values()), 0.0
        marks = []
        for kind in ORDER:
            if n := bar.parts.get(kind, 0):
                width = x(low + n) - x(low)
                marks.append(
                    _rect(
                        f"c-{kind}",
                        NAME + x(low),
                        top + 3,
                        max(width, 0.75),
                        ROW - 8,
                        f"{bar.name}: {formats.number(n)} {_(kind)}",
                    )
                )
                low += n
        end = NAME + x(whole) + 8
        body.append(
            f'<text class="chart-name" x="{NAME - 8}" y="{top + 16}">{escape(bar.name)}</text>'
            + _linked(bar.href, "".join(marks))
            + f'<text class="chart-count" x="{end:.1f}" y="{top + 16}">{escape(said[at])}</text>'
        )
    return svg(id, title, about, "".join(body), BARS, height)


@dataclass(frozen=True, slots=True)
class Cell:
    """One step of a strip: how dark (0 to 5), what it says, where it leads. Without a cell nothing was said."""

    strength: int
    said: str
    href: str = ""
    thin: bool = False  # of so few that it says little


def strip(
    id: str,
    title: str,
    about: str,
    rows: Mapping[str, Mapping[int, Cell]],
    ticks: Sequence[str],
    gaps: Mapping[int, str],
) -> Markup:
    """A row per name and a cell per step in five strengths of one hue; `gaps`: steps that could not be counted whole, and why.
    How high a cell is stands in the style sheet."""
    if not rows:
        return Markup()
    left, top, high = NAME, 18, 24
    wide = (WIDTH - left - RIGHT) / len(ticks)
    body = [
        f'<text class="chart-x" x="{left + at * wide + wide / 2:.1f}" y="12">{escape(tick)}</text>'
        for at, tick in enumerate(ticks)
        if tick
    ]
    for row, (name, cells) in enumerate(rows.items()):
        y = top + row * high
        body.append(f'<text class="chart-name" x="{left - 8}" y="{y + 16}">{escape(name)}</text>')
        for at in range(len(ticks)):
            x, cell = left + at * wide, cells.get(at)
            if cell is not None:
                kind = f"neg-{cell.strength} thin" if cell.thin else f"neg-{cell.strength}"
                mark = f'<rect class="{kind}" x="{_short(x)}" y="{y}" width="{_short(max(wide - 1, 1))}"><title>{escape(cell.said)}</title></rect>'
                body.append(_linked(cell.href, mark))
    bottom = high * len(rows) - 3
    body += [_rect("chart-gap", left + at * wide, top, wide, bottom, why) for at, why in gaps.items()]
    return svg(id, title, about, "".join(body), WIDTH, top + bottom + 4)


def heat(
    id: str, title: str, about: str, data: Mapping[tuple[int, int], int], behind: Mapping[tuple[int, int], str]
) -> Markup:
    """(weekday 1..7, hour) → count, as seven rows of 24 cells in five strengths of one hue; `behind`: where a cell leads. How large a
    cell is stands in the style sheet, once for all of them."""
    cell, left, top = 33, 40, 18
    most, days = max(data.values(), default=0), formats.weekdays()
    body = [
        f'<text class="chart-x" x="{left + hour * cell + cell / 2:.1f}" y="12">{hour:02d}</text>'
        for hour in range(0, 24, 3)
    ]
    for day in range(1, 8):
        y = top + (day - 1) * 24
        body.append(f'<text class="chart-y" x="{left - 6}" y="{y + 16}">{escape(days[day - 1])}</text>')
        for hour in range(24):
            n = data.get((day, hour), 0)
            strength = 0 if not n else 1 + min(4, 5 * n // (most + 1))
            said = f"{days[day - 1]} {hour:02d}:00: {formats.number(n)}"
            mark = (
                f'<rect class="heat-{strength}" x="{left + hour * cell}" y="{y}"><title>{escape(said)}</title></rect>'
            )
            body.append(_linked(behind.get((day, hour), ""), mark))
    return svg(id, title, about, "".join(body), left + 24 * cell + 4, top + 7 * 24 + 2)


def _rect(kind: str, x: float, y: float, width: float, height: float, said: str) -> str:
    return (
        f'<rect class="{kind}" x="{_short(x)}" y="{_short(y)}" width="{_short(width)}" height="{_short(height)}">'
        f"<title>{escape(said)}</title></rect>"
    )


def _short(value: float) -> str:
    """To a tenth of a pixel, without a zero that says nothing."""
    return f"{value:.1f}".removesuffix(".0")


def _linked(href: str, marks: str) -> str:
    return f'<a href="{escape(href)}" tabindex="-1">{marks}</a>' if href and marks else marks


def _lines(steps: Sequence[float], y: Scale) -> str:
    return "".join(
        f'<line class="chart-grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(v):.1f}" y2="{y(v):.1f}"/>'
        f'<text class="chart-y" x="{LEFT - 6}" y="{y(v) + 4:.1f}">{escape(formats.number(v))}</text>'
        for v in steps
    )


def svg(id: str, title: str, about: str, body: str, width: float, height: float) -> Markup:
    """A picture with its name and description. The patterns are named after it, so that several stand on one page."""
    name = escape(id)
    return Markup(  # noqa: S704 every value in the body is a number or escaped
        f'<svg class="chart" role="group" viewBox="0 0 {width:g} {height:g}" aria-labelledby="{name}-t {name}-d">'
        f'<title id="{name}-t">{escape(title)}</title><desc id="{name}-d">{escape(about)}</desc>{body}</svg>'
    )
