"""Our own SVG writer: pure functions from data to escaped markup with classes only.

The page's CSS themes it, the strict CSP lets it stand (no style, no script), and the same data gives the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from math import ceil, floor, log10

from markupsafe import Markup, escape

from console.web import formats

WIDTH, HEIGHT = 860, 260
LEFT, RIGHT, TOP, BOTTOM = 40, 12, 16, 28


@dataclass(frozen=True, slots=True)
class Point:
    """A count, and what is usual at that time (None: not enough history to say)."""

    at: datetime
    n: float
    low: float | None = None
    usual: float | None = None
    high: float | None = None
    href: str = ""  # the list of what is counted


@dataclass(frozen=True, slots=True)
class Span:
    since: datetime
    until: datetime
    label: str


@dataclass(frozen=True, slots=True)
class Scale:
    """From a domain to pixels, straight."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.0
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)


def ticks(highest: float, about: int = 4) -> list[float]:
    """Round steps from 0 to at least `highest`: 1, 2 or 5 times a power of ten apart, never below 1 for counts."""
    rough = max(highest, 1) / about
    power = 10 ** floor(log10(rough))
    step = max(1.0, next(m * power for m in (1, 2, 5, 10) if m * power >= rough))
    return [step * i for i in range(ceil(max(highest, 1) / step) + 1)]


def time_ticks(start: datetime, end: datetime, where: tzinfo = UTC, about: int = 6) -> list[datetime]:
    """Round times inside the span, on the clock there: where a zone is off by half an hour, its hours are."""
    span = (end - start) / timedelta(minutes=1)
    step = next((m for m in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720) if span / m <= about), 1440)
    off = int((start.astimezone(where).utcoffset() or timedelta()).total_seconds())
    first = ceil((start.timestamp() + off) / 60 / step) * step * 60 - off
    return [datetime.fromtimestamp(t, UTC) for t in range(first, int(end.timestamp()) + 1, step * 60)]


def line(
    id: str,
    title: str,
    about: str,
    points: Sequence[Point],
    gaps: Sequence[Span],
    mark: Span | None,
    step: timedelta,
    where: tzinfo = UTC,
    running: bool = False,
) -> Markup:
    """Counts over time as a line, the usual as a band. A gap is hatched and interrupts the line. `running`: the last
    step is not over yet, so the way to it is dashed. Times stand under it as a clock in `where` shows them."""
    if not points:
        return Markup()
    x = Scale(points[0].at.timestamp(), (points[-1].at + step).timestamp(), LEFT, WIDTH - RIGHT)
    steps = ticks(max([p.n for p in points] + [p.high or 0 for p in points]))
    y = Scale(0, steps[-1], HEIGHT - BOTTOM, TOP)
    parts = [_grid(steps, y), _times(points[0].at, points[-1].at, x, where)]
    if mark:
        parts.append(_rect("chart-mark", x(mark.since.timestamp()), x(mark.until.timestamp()), mark.label))
    parts += [_band(points, x, y), _usual(points, x, y)]
    done = points[:-1] if running else points
    parts += [_line(run, x, y) for run in _runs(done, gaps, step)]
    if running and len(points) > 1:
        parts.append(_line(points[-2:], x, y, "chart-line chart-running"))
    parts += [_rect("chart-gap", x(gap.since.timestamp()), x(gap.until.timestamp()), gap.label) for gap in gaps]
    parts.append(_hits(points, x, step, where))
    return _svg(id, title, about, "".join(parts), "group" if any(p.href for p in points) else "img")


def _hits(points: Sequence[Point], x: Scale, step: timedelta, where: tzinfo) -> str:
    """A link over each step that counts something. How high it is stands in the style sheet, once for all of them."""
    return "".join(
        f'<a href="{escape(p.href)}" tabindex="-1"><rect class="hit" x="{x(p.at.timestamp()):.1f}" '
        f'width="{max(x((p.at + step).timestamp()) - x(p.at.timestamp()), 2):.1f}">'
        f"<title>{escape(formats.clock(p.at, where))}: {escape(formats.number(p.n))}</title></rect></a>"
        for p in points
        if p.href and p.n > 0
    )


def _svg(id: str, title: str, about: str, body: str, role: str) -> Markup:
    return Markup(  # noqa: S704 every value below is a number or escaped
        f'<svg class="chart" role="{role}" viewBox="0 0 {WIDTH} {HEIGHT}" aria-labelledby="{escape(id)}-t {escape(id)}-d">'
        f'<title id="{escape(id)}-t">{escape(title)}</title><desc id="{escape(id)}-d">{escape(about)}</desc>'
        '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<line class="chart-hatch" x1="0" y1="0" x2="0" y2="6"/></pattern></defs>{body}</svg>'
    )


def _grid(steps: Sequence[float], y: Scale) -> str:
    return "".join(
        f'<line class="chart-grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(v):.1f}" y2="{y(v):.1f}"/>'
        f'<text class="chart-y" x="{LEFT - 6}" y="{y(v) + 4:.1f}">{escape(formats.number(v))}</text>'
        for v in steps
    )


def _times(start: datetime, end: datetime, x: Scale, where: tzinfo) -> str:
    moments = time_ticks(start, end, where)
    return "".join(
        f'<text class="chart-x" x="{x(m.timestamp()):.1f}" y="{HEIGHT - 8}">{escape(formats.clock(m, where))}</text>'
        for m in moments
        if LEFT + 14 < x(m.timestamp()) < WIDTH - RIGHT - 14
    )


def _rect(kind: str, since: float, until: float, label: str) -> str:
    width = max(until - since, 2)
    return (
        f'<rect class="{kind}" x="{since:.1f}" y="{TOP}" width="{width:.1f}" height="{HEIGHT - BOTTOM - TOP}">'
        f"<title>{escape(label)}</title></rect>"
    )


def _path(pairs: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in pairs)


def _band(points: Sequence[Point], x: Scale, y: Scale) -> str:
    known = [p for p in points if p.low is not None and p.high is not None]
    if len(known) < 2:
        return ""
    upper = [(x(p.at.timestamp()), y(p.high or 0)) for p in known]
    lower = [(x(p.at.timestamp()), y(p.low or 0)) for p in reversed(known)]
    return f'<path class="chart-band" d="{_path(upper + lower)}Z"/>'


def _usual(points: Sequence[Point], x: Scale, y: Scale) -> str:
    known = [(x(p.at.timestamp()), y(p.usual)) for p in points if p.usual is not None]
    return f'<path class="chart-usual" d="{_path(known)}"/>' if len(known) > 1 else ""


def _runs(points: Sequence[Point], gaps: Sequence[Span], step: timedelta) -> list[list[Point]]:
    """The points in pieces, cut where a gap covers a whole step: a hole is neither joined nor zero."""
    pieces: list[list[Point]] = [[]]
    for point in points:
        if any(gap.since <= point.at and gap.until >= point.at + step for gap in gaps):
            pieces.append([])
        else:
            pieces[-1].append(point)
    return [piece for piece in pieces if piece]


def _line(points: Sequence[Point], x: Scale, y: Scale, kind: str = "chart-line") -> str:
    pairs = [(x(p.at.timestamp()), y(p.n)) for p in points]
    if len(pairs) == 1:
        return f'<circle class="chart-dot" cx="{pairs[0][0]:.1f}" cy="{pairs[0][1]:.1f}" r="2"/>'
    return f'<path class="{kind}" d="{_path(pairs)}"/>'
