"""From what was counted to a figure: its picture, its words, its rows. Every mark leads to the tickets behind it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from urllib.parse import urlencode

from markupsafe import Markup
from sqlalchemy import Connection

from console.web import plots, words
from domain.growth import growth
from storage import boards, talk
from storage.boards import Hole, Mood
from storage.talk import Cell, Range, Step, Work

HOUR = timedelta(hours=1)
MOODS = ("negative", "neutral", "unscored", "positive")
SCORED = ("negative", "neutral", "positive")
MOST_BARS = 12  # the rest is one bar, counted
MOST_CARDS = 8


@dataclass(frozen=True, slots=True)
class Tile:
    """A headline figure beside the period before. `good`: whether the change is welcome; None: neither."""

    name: str
    value: str
    before: str
    change: str = ""
    good: bool | None = None
    about: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """How one topic or team does."""

    name: str
    href: str
    tiles: Sequence[Tile]


@dataclass(frozen=True, slots=True)
class Figure:
    """One chart: its name, what it shows in words, the picture (or cards), and its rows as a table and as CSV."""

    id: str
    title: str
    about: str
    picture: Markup
    head: tuple[str, ...]
    rows: Sequence[tuple[str | int, ...]]
    wide: bool = False
    cards: Sequence[Card] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Drawing:
    """What every figure is drawn from."""

    connection: Connection
    wanted: Range
    zone: tzinfo

    def span(self, at: datetime) -> dict[str, str]:
        """One step from `at`, as the inbox's address says it."""
        until = min(at + HOUR * self.wanted.hours, self.wanted.until)
        return {"since": at.strftime("%Y-%m-%dT%H:%MZ"), "until": until.strftime("%Y-%m-%dT%H:%MZ")}

    @property
    def whole(self) -> dict[str, str]:
        return {
            "since": self.wanted.since.strftime("%Y-%m-%dT%H:%MZ"),
            "until": self.wanted.until.strftime("%Y-%m-%dT%H:%MZ"),
        }

    def inbox(self, **more: str) -> str:
        """The inbox with the same filter; what `more` says instead of a filter's own values."""
        pairs = [
            ("view", "all"),
            *(("topic", t) for t in self.wanted.topics if "topic" not in more),
            *(("platform", p) for p in self.wanted.platforms if "platform" not in more),
        ]
        return "/inbox?" + urlencode(pairs + list(more.items()), safe=":")

    def name(self, at: datetime) -> str:
        return f"{at.astimezone(self.zone):%-d %b %H:%M %Z}"

    def tick(self, n: int, at: datetime, count: int) -> str:
        """About seven labels under an axis."""
        if n % max(1, round(count / 7)):
            return ""
        return f"{at.astimezone(self.zone):%H:%M}" if self.wanted.hours < 6 else f"{at.astimezone(self.zone):%-d %b}"

    def steps(self) -> list[datetime]:
        count = round((self.wanted.until - self.wanted.since) / (HOUR * self.wanted.hours))
        return [self.wanted.since + HOUR * self.wanted.hours * n for n in range(count)]

    def gaps(self) -> dict[int, str]:
        """Step → why it could not be counted whole."""
        found = boards.holes(self.connection, self.wanted)
        return {n: why for n, at in enumerate(self.steps()) if (why := _why(found, at, at + HOUR * self.wanted.hours))}


def _why(holes: Sequence[Hole], since: datetime, until: datetime) -> str:
    """The channels that could not be read in a step, at most three by name."""
    there = {hole.channel: hole.reason for hole in holes if hole.since < until and hole.until > since}
    more = f" and {len(there) - 3} more" if len(there) > 3 else ""
    return "not read: " + "; ".join(f"{name} ({why})" for name, why in list(there.items())[:3]) + more if there else ""


def _hatched(gaps: Mapping[int, str]) -> str:
    return f" Hatched: {words.amount(len(gaps), 'step')} in which a channel could not be read." if gaps else ""


def volume(d: Drawing) -> Figure:
    steps, gaps = talk.steps(d.connection, d.wanted), d.gaps()
    last = len(steps) - 1
    data = [
        plots.Column(
            d.name(step.at) + (" (still running)" if n == last else ""),
            {label: count for label, count in step.n.items() if count > 0},
            d.inbox(**d.span(step.at)),
            gap=gaps.get(n, ""),
            tick=d.tick(n, step.at, len(steps)),
        )
        for n, step in enumerate(steps)
    ]
    whole, negative = _sum(steps, MOODS), _sum(steps, ("negative",))
    highest = max(data, key=lambda column: column.whole, default=None)
    about = (
        f"Stacked columns of mentions per {_step(d.wanted)} by sentiment: {whole:,} in all, {negative:,} negative."
        + (f" Most at {highest.name}: {highest.whole:,}." if highest and highest.whole else "")
        + _hatched(gaps)
    )
    rows = [
        (f"{s.at:%Y-%m-%d %H:%M}", *(s.n.get(mood, 0) for mood in (*MOODS, "repost")), gaps.get(n, ""))
        for n, s in enumerate(steps)
    ]
    title = "Mentions by sentiment"
    picture = plots.columns("volume", title, about, data)
    return Figure("volume", title, about, picture, ("from (UTC)", *MOODS, "repost", "gap"), rows, True)


def _groups(d: Drawing, id: str, title: str, by: str) -> Figure:
    parts: dict[str, dict[str, int]] = {}
    for cell in talk.groups(d.connection, d.wanted, by):
        if cell.label != "repost":
            parts.setdefault(cell.key, {})[cell.label] = cell.n
    names, rest = list(parts), ""
    if len(names) > MOST_BARS:
        summed: dict[str, int] = {}
        for name in names[MOST_BARS - 1 :]:
            for label, n in parts.pop(name).items():
                summed[label] = summed.get(label, 0) + n
        rest = f"{len(names) - MOST_BARS + 1} others"
        parts[rest] = summed
    whole = sum(sum(one.values()) for one in parts.values()) or 1
    shown = {name: words.platform(name) if by == "platform" else name or f"no {by}" for name in parts}
    data = [
        plots.Bar(
            shown[name],
            one,
            d.inbox(**d.whole, **{by: name}) if name and name != rest else "",
            f"{sum(one.values()) / whole:.0%}" if by == "topic" else _negative(one),
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
    scored = sum(parts.get(mood, 0) for mood in SCORED)
    return f"{parts.get('negative', 0) / scored:.0%} negative" if scored else ""


def _over_time(d: Drawing, id: str, title: str, by: str) -> Figure:
    """The negative share of each, step by step (twice as long as elsewhere): rows that can be read side by side."""
    d = replace(d, wanted=replace(d.wanted, hours=d.wanted.hours * 2))
    steps, gaps = d.steps(), d.gaps()
    place = {at: n for n, at in enumerate(steps)}
    found: list[Mood] = boards.moods(d.connection, d.wanted, by)
    names = {m.key: words.platform(m.key) if by == "platform" else m.key or f"no {by}" for m in found}
    cells: dict[str, dict[int, plots.Cell]] = {name: {} for name in names.values()}
    table: dict[str, list[str]] = {name: [""] * len(steps) for name in names.values()}
    for mood in found:
        n, name, share = place[mood.at], names[mood.key], mood.negative / mood.scored
        said = f"{name}, {d.name(mood.at)}: {mood.negative:,} of {mood.scored:,} negative"
        href = d.inbox(**d.span(mood.at), **{by: mood.key}, sentiment="negative") if mood.key else ""
        cells[name][n] = plots.Cell(_strength(share), said, href)
        table[name][n] = f"{mood.negative} of {mood.scored}"
    about = f"Strips of the negative share of scored mentions per {_step(d.wanted)}, a row per {by}, darker is worse."
    worst = max((m for m in found if m.scored >= 10), key=lambda m: m.negative / m.scored, default=None)
    if worst:
        share = worst.negative / worst.scored
        about += f" Worst: {names[worst.key]} at {d.name(worst.at)}, {share:.0%} of {worst.scored:,}."
    about += _hatched(gaps)
    picture = plots.strip(id, title, about, cells, [d.tick(n, at, len(steps)) for n, at in enumerate(steps)], gaps)
    rows: list[tuple[str | int, ...]] = [(name, *row) for name, row in table.items()]
    if rows and gaps:
        rows.append(("not read", *(gaps.get(n, "") for n in range(len(steps)))))
    head = (by, *(f"{at:%Y-%m-%d %H:%M}" for at in steps))
    return Figure(id, title, about, picture, head, rows, True)


def _strength(share: float) -> int:
    return sum(share >= bound for bound in (0.05, 0.15, 0.3, 0.45, 0.6))


def hours(d: Drawing) -> Figure:
    data = talk.hours_of_week(d.connection, d.wanted, getattr(d.zone, "key", "UTC"))
    busiest = max(data, key=lambda key: data[key], default=None)
    about = f"Heat map of mentions by hour and weekday, {getattr(d.zone, 'key', 'UTC')} time." + (
        f" Busiest: {plots.DAYS[busiest[0] - 1]} {busiest[1]:02d}:00 with {data[busiest]:,}." if busiest else ""
    )
    rows = [(plots.DAYS[day - 1], *(data.get((day, hour), 0) for hour in range(24))) for day in range(1, 8)]
    title, head = "When people talk", ("day", *(f"{hour:02d}" for hour in range(24)))
    return Figure("hours", title, about, plots.heat("hours", title, about, data), head, rows if data else (), True)


def grown(d: Drawing) -> Figure:
    now, n, cut = boards.words(d.connection, d.wanted)
    before, m, cut_before = boards.words(d.connection, d.wanted.before)
    found = growth(now, n, before, m)
    data = [
        plots.Bar(
            one.word,
            {"tickets": one.now},
            "" if cut else d.inbox(**d.whole, q=f'"{one.word}"'),
            f"{one.factor:.1f} times ({one.before:,} before)",
        )
        for one in found
    ]
    about = f"Bars of the words whose share of tickets grew most: of {n:,} tickets against {m:,} in the period before."
    if cut or cut_before:
        about += f" Only the newest {boards.MOST_WORDS_OF:,} tickets of a period are read."
    if not found:
        about += " No word grew beyond chance." if n and m else " One of the periods has no ticket to compare."
    rows = [(one.word, one.now, one.before, f"{one.factor:.2f}", f"{one.score:.1f}") for one in found]
    head = ("word", "tickets", "before", "times its share", "standard errors")
    title = "Words that grow"
    return Figure("words", title, about, plots.bars("words", title, about, data), head, rows)


def tickets(d: Drawing) -> Figure:
    data = talk.opened(d.connection, d.wanted)
    made = [
        plots.Column(
            d.name(at),
            {"tickets": n - breached, "late": breached},
            d.inbox(**d.span(at)),
            tick=d.tick(at_, at, len(data)),
        )
        for at_, (at, n, breached) in enumerate(data)
    ]
    about = (
        f"Columns of tickets opened per {_step(d.wanted)}: {sum(n for _, n, _ in data):,} in all, "
        f"{sum(b for _, _, b in data):,} of them answered or resolved too late."
    )
    rows = [(f"{at:%Y-%m-%d %H:%M}", n, breached) for at, n, breached in data]
    title = "Tickets opened"
    picture = plots.columns("tickets", title, about, made)
    return Figure("tickets", title, about, picture, ("from (UTC)", "opened", "too late"), rows, True)


def _cards(d: Drawing, id: str, title: str, by: str) -> Figure:
    now, then = talk.work_by(d.connection, d.wanted, by), talk.work_by(d.connection, d.wanted.before, by)
    none = Work(0, 0, None, None, None, None, None, None)
    cards, rows = [], []
    for name, done in now.items():
        did = then.get(name, none)
        href = d.inbox(**d.whole, **{by: name}) if name else ""
        cards.append(Card(name or f"no {by}", href, work_tiles(done, did)))
        rows.append((name, *_row(done), *_row(did)))
    figures = ("opened", "first response (s)", "resolution (s)", "in time (%)", "reopened (%)")
    about = f"A card per {by}: tickets of the range, and the change against the period before." + (
        f" Shown are the {MOST_CARDS} with most tickets; the table has all {len(cards):,}."
        if len(cards) > MOST_CARDS
        else ""
    )
    head = (by, *figures, *(f"{name} before" for name in figures))
    return Figure(id, title, about, Markup(), head, rows, True, cards[:MOST_CARDS])


def _row(done: Work) -> tuple[str | int, ...]:
    def told(value: float | None, times: float = 1.0) -> str:
        return "" if value is None else f"{value * times:.1f}"

    return (
        done.opened,
        told(done.first_median),
        told(done.resolve_median),
        told(done.in_time, 100),
        told(done.reopened, 100),
    )


def switches(d: Drawing) -> Figure:
    found = boards.switches(d.connection, d.wanted.since, d.wanted.until)
    data = [plots.Bar(f"{words.platform(a)} → {words.platform(b)}", {"tickets": n}) for a, b, n in found]
    about = "Bars of how often a customer went from one channel to another within a journey." + (
        f" Most: {data[0].name}, {found[0][2]:,} times." if found else " Nobody changed channels."
    )
    title = "Switches between channels"
    return Figure(
        "switches", title, about, plots.bars("switches", title, about, data), ("from", "to", "switches"), found
    )


BOARDS: dict[str, dict[str, Callable[[Drawing], Figure]]] = {  # board → figure → how it is drawn, in their order
    "talk": {
        "volume": volume,
        "voice": lambda d: _groups(d, "voice", "Share of voice", "topic"),
        "platforms": lambda d: _groups(d, "platforms", "By platform", "platform"),
        "topics-over-time": lambda d: _over_time(d, "topics-over-time", "Negative share by topic", "topic"),
        "platforms-over-time": lambda d: _over_time(d, "platforms-over-time", "Negative share by platform", "platform"),
        "intents": lambda d: _groups(d, "intents", "What people want", "intent"),
        "words": grown,
        "hours": hours,
    },
    "tickets": {
        "tickets": tickets,
        "topic-cards": lambda d: _cards(d, "topic-cards", "Report cards by topic", "topic"),
        "team-cards": lambda d: _cards(d, "team-cards", "Report cards by team", "team"),
    },
    "journeys": {"switches": switches},
}


def _step(wanted: Range) -> str:
    hours = wanted.hours
    if hours in (1, 24):
        return "hour" if hours == 1 else "day"
    return f"{hours} hours" if hours < 24 else f"{hours // 24} days"


def _sum(steps: Iterable[Step], labels: Sequence[str]) -> int:
    return sum(step.n.get(label, 0) for step in steps for label in labels)


def talk_tiles(connection: Connection, wanted: Range) -> list[Tile]:
    now, then = talk.steps(connection, wanted), talk.steps(connection, wanted.before)
    scored, scored_before = _sum(now, SCORED), _sum(then, SCORED)
    share = _sum(now, ("negative",)) / scored if scored else None
    share_before = _sum(then, ("negative",)) / scored_before if scored_before else None
    said = "posts of others about the topics, without reposts"
    return [
        _count("Mentions", _sum(now, MOODS), _sum(then, MOODS), None, said),
        _share("Negative", share, share_before, False, "of what a scorer could read"),
        _count("Reposts", _sum(now, ("repost",)), _sum(then, ("repost",)), None, "counted apart"),
    ]


def work_tiles(done: Work, did: Work) -> list[Tile]:
    first, whole = "median from opening to the first answer", "median from opening to the last resolution"
    return [
        _count("Tickets opened", done.opened, did.opened, None, "without merged ones"),
        _time("First response", done.first_median, did.first_median, done.first_p90, first),
        _time("Resolution", done.resolve_median, did.resolve_median, done.resolve_p90, whole),
        _share("In time", done.in_time, did.in_time, True, "of the tickets opened, no clock breached so far"),
        _share("Reopened", done.reopened, did.reopened, False, "of the tickets that were resolved"),
    ]


def metric_tile(now: Mapping[str, object], then: Mapping[str, object], fewer_is_better: bool) -> Tile:
    """A journey metric, with its published formula for a description."""
    name, unit, formula = str(now["label"]), now["unit"], f"{now['formula']} ({now['facts']:,} facts)"
    value, before = _number(now["value"]), _number(then["value"])
    if unit == "seconds":
        return _time(name, value, before, _number(now["p90"]), formula)
    if unit == "percent":
        points = (None if v is None else v / 100 for v in (value, before))
        return _share(name, *points, not fewer_is_better, formula)
    shown = ("–" if v is None else f"{v:.2f}" for v in (value, before))
    return Tile(name, *shown, about=formula)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _count(name: str, now: int, before: int, more: bool | None, about: str) -> Tile:
    change = f"{(now - before) / before:+.0%}" if before else ""
    good = None if more is None or now == before else (now > before) == more
    return Tile(name, f"{now:,}", f"{before:,}", change, good, about)


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


__all__ = ["BOARDS", "Card", "Cell", "Drawing", "Figure", "Tile", "metric_tile", "talk_tiles", "work_tiles"]
