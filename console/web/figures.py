"""From what was counted to a figure: its picture, its words, its rows. Every mark leads to the tickets behind it."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cached_property
from urllib.parse import urlencode

from markupsafe import Markup
from sqlalchemy import Connection

from console.web import formats, heard, plots, words
from console.web.formats import number, percent
from console.web.texts import N_, _, pgettext, plural
from domain.growth import growth
from storage import boards, talk, worked
from storage.boards import Hole, Note
from storage.inbox_address import MOMENT
from storage.talk import Cell, Range, Step
from storage.worked import Work

HOUR = timedelta(hours=1)
Datum = str | int | float | datetime  # a cell: a page shows it as its reader writes it, a file plain
MOODS = ("negative", "neutral", "unscored", "positive")
SCORED = ("negative", "neutral", "positive")
MOST_BARS = 12  # the rest is one bar, counted
MOST_CARDS = 8
FEW = 10  # scored mentions, below which a share says little
FIGURES = (N_("opened"), N_("first response (s)"), N_("resolution (s)"), N_("in time (%)"), N_("reopened (%)"))


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
    head: tuple[str | datetime, ...]
    rows: Sequence[tuple[Datum, ...]]
    wide: bool = False
    cards: Sequence[Card] = field(default_factory=tuple)
    notes: Sequence[str] = field(default_factory=tuple)  # numbered in the picture, in words below it


@dataclass(frozen=True)
class Drawing:
    """What every figure is drawn from, read when the first of them asks. `zone`: whose clock it shows; its steps go by the range's own."""

    connection: Connection
    wanted: Range
    zone: tzinfo
    steps: tuple[datetime, ...]  # when they begin

    @classmethod
    def of(cls, connection: Connection, wanted: Range, zone: tzinfo) -> "Drawing":
        return cls(connection, wanted, zone, talk.moments(connection, wanted))

    @cached_property
    def told(self) -> talk.Told:
        return talk.read(self.connection, self.wanted)

    @cached_property
    def worked(self) -> tuple[worked.Worked, worked.Worked]:
        """(the range, the period before it)."""
        return worked.read(self.connection, self.wanted)

    @cached_property
    def twice(self) -> "Drawing":
        """The same in steps twice as long."""
        return Drawing.of(self.connection, replace(self.wanted, hours=self.wanted.hours * 2), self.zone)

    @cached_property
    def gaps(self) -> dict[int, str]:
        """Step → why it could not be counted whole."""
        found = boards.holes(self.connection, self.wanted)
        return {n: why for n, at in enumerate(self.steps) if (why := _why(found, at, self.end(at)))}

    def end(self, at: datetime) -> datetime:
        """Of the step that begins `at`: where the next one does."""
        following = bisect_right(self.steps, at)
        return self.steps[following] if following < len(self.steps) else self.wanted.until

    def span(self, at: datetime) -> dict[str, str]:
        """One step from `at`, as the inbox's address says it."""
        since, until = at.astimezone(UTC), self.end(at).astimezone(UTC)
        return {"since": since.strftime(MOMENT), "until": until.strftime(MOMENT)}

    @property
    def whole(self) -> dict[str, str]:
        return {
            "since": self.wanted.since.strftime(MOMENT),
            "until": self.wanted.until.strftime(MOMENT),
        }

    def mentions(self, since: datetime, until: datetime, **more: object) -> str:
        """The list of mentions with the same filter; what `more` says instead of a filter's own values."""
        own = {"topic": self.wanted.topics, "platform": self.wanted.platforms}
        return heard.address(since, until, **{name: chosen for name, chosen in own.items() if chosen} | more)

    def inbox(self, **more: str) -> str:
        """The inbox with the same filter; what `more` says instead of a filter's own values. A merged ticket is counted where it went on."""
        pairs = [
            ("view", "all"),
            ("mark", "unmerged"),
            *(("topic", t) for t in self.wanted.topics if "topic" not in more),
            *(("platform", p) for p in self.wanted.platforms if "platform" not in more),
        ]
        return "/inbox?" + urlencode(pairs + list(more.items()), safe=":")

    def name(self, at: datetime) -> str:
        return formats.at(at, self.zone)

    def tick(self, n: int, at: datetime, count: int) -> str:
        """About seven labels under an axis."""
        if n % max(1, round(count / 7)):
            return ""
        return formats.clock(at, self.zone) if self.wanted.hours < 6 else formats.day(at, self.zone, year=False)


def _why(holes: Sequence[Hole], since: datetime, until: datetime) -> str:
    """The channels that could not be read in a step, at most three by name."""
    there = {hole.channel: hole.reason for hole in holes if hole.since < until and hole.until > since}
    if not there:
        return ""
    named = "; ".join(f"{name} ({why})" for name, why in list(there.items())[:3])
    if len(there) > 3:
        return _("not read: %(channels)s and %(n)s more", channels=named, n=len(there) - 3)
    return _("not read: %(channels)s", channels=named)


def _hatched(gaps: Mapping[int, str]) -> str:
    return (
        " " + _("Hatched: %(steps)s in which a channel could not be read.", steps=words.amount(len(gaps), "step"))
        if gaps
        else ""
    )


def _nameless(by: str) -> str:
    return {"topic": _("no topic"), "platform": _("no platform"), "intent": _("no intent"), "team": _("no team")}[by]


def volume(d: Drawing) -> Figure:
    steps, gaps, notes = d.told.steps(d.steps), d.gaps, boards.notes(d.connection, d.wanted)
    last = len(steps) - 1
    data = [
        plots.Column(
            _("%(step)s (still running)", step=d.name(step.at)) if n == last else d.name(step.at),
            {label: count for label, count in step.n.items() if count > 0},
            d.mentions(step.at, d.end(step.at)),
            gap=gaps.get(n, ""),
            tick=d.tick(n, step.at, len(steps)),
            notes=tuple(number for number, note in enumerate(notes, 1) if step.at <= note.at < d.end(step.at)),
        )
        for n, step in enumerate(steps)
    ]
    whole, negative = _sum(steps, MOODS), _sum(steps, ("negative",))
    highest = max(data, key=lambda column: column.whole, default=None)
    about = _(
        "Stacked columns of mentions by sentiment, %(step)s: %(n)s in all, %(negative)s negative.",
        step=_step(d.wanted), n=whole, negative=negative,
    )  # fmt: skip
    if highest and highest.whole:
        about += " " + _("Most at %(step)s: %(n)s.", step=highest.name, n=highest.whole)
    about += _hatched(gaps)
    rows = [(s.at, *(s.n.get(mood, 0) for mood in (*MOODS, "repost")), gaps.get(n, "")) for n, s in enumerate(steps)]
    title = _("Mentions by sentiment")
    picture = plots.columns("volume", title, about, data)
    return Figure(
        "volume",
        title,
        about,
        picture,
        (_from(d), *map(_, (*MOODS, "repost", N_("gap")))),
        rows,
        True,
        notes=[_noted(note, d) for note in notes],
    )


def _noted(note: Note, d: Drawing) -> str:
    """A remark in words: what happened in Earmark itself, so that a drop it caused does not read as good news."""
    at = d.name(note.at)
    if note.kind == "configuration":
        return _("%(at)s: the configuration was edited (%(id)s)", at=at, id=str(note.ref))
    if note.kind == "dead":
        return _(
            "%(at)s: %(mentions)s could not be judged and are not counted",
            at=at,
            mentions=words.amount(note.n, "mention"),
        )
    return _("%(at)s: %(items)s could not be read and are not counted", at=at, items=words.amount(note.n, "item"))


def _groups(d: Drawing, id: str, title: str, by: str) -> Figure:
    parts: dict[str, dict[str, int]] = {}
    for cell in d.told.groups(by):
        if cell.label != "repost":
            parts.setdefault(cell.key, {})[cell.label] = cell.n
    names, rest = list(parts), ""
    if len(names) > MOST_BARS:
        summed: dict[str, int] = {}
        for name in names[MOST_BARS - 1 :]:
            for label, n in parts.pop(name).items():
                summed[label] = summed.get(label, 0) + n
        rest = _("%(n)s others", n=len(names) - MOST_BARS + 1)
        parts[rest] = summed
    whole = sum(sum(one.values()) for one in parts.values()) or 1
    shown = {name: _shown(name, by) for name in parts}
    data = [
        plots.Bar(
            shown[name],
            one,
            d.mentions(d.wanted.since, d.wanted.until, **{by: name}, mood=MOODS) if name and name != rest else "",
            percent(sum(one.values()) / whole) if by == "topic" else _negative(one),
        )
        for name, one in parts.items()
    ]
    first = next(iter(parts), "")
    about = {
        "topic": _("Bars of mentions by topic and sentiment."),
        "platform": _("Bars of mentions by platform and sentiment."),
        "intent": _("Bars of mentions by intent and sentiment."),
    }[by] + " "
    if parts:
        share = percent(sum(parts[first].values()) / whole)
        about += _("Most: %(name)s with %(share)s of %(n)s.", name=shown[first], share=share, n=whole)
    else:
        about += _("Nothing was said.")
    rows = [(shown[name], *(one.get(mood, 0) for mood in MOODS)) for name, one in parts.items()]
    return Figure(id, title, about, plots.bars(id, title, about, data), (_(by), *map(_, MOODS)), rows)


def _negative(parts: Mapping[str, int]) -> str:
    scored = sum(parts.get(mood, 0) for mood in SCORED)
    return _("%(share)s negative", share=percent(parts.get("negative", 0) / scored)) if scored else ""


def _shown(name: str, by: str) -> str:
    if not name:
        return _nameless(by)
    return words.platform(name) if by == "platform" else _(name) if by == "intent" else name


def _from(d: Drawing) -> str:
    """Above a column of moments: a file has them in UTC, a page as its reader's clock shows them."""
    return _("from (%(zone)s)", zone=formats.zone_name(d.zone))


def _over_time(d: Drawing, id: str, title: str, by: str) -> Figure:
    """The negative share of each, step by step (twice as long as elsewhere): rows that can be read side by side."""
    told, d = d.told, d.twice
    steps, gaps = d.steps, d.gaps
    place = {at: n for n, at in enumerate(steps)}
    found = told.moods(by, steps)
    names = {m.key: _shown(m.key, by) for m in found}
    cells: dict[str, dict[int, plots.Cell]] = {name: {} for name in names.values()}
    table: dict[str, list[str]] = {name: [""] * len(steps) for name in names.values()}
    for mood in found:
        n, name, share = place[mood.at], names[mood.key], mood.negative / mood.scored
        of = {"negative": mood.negative, "scored": mood.scored}
        said = _("%(name)s, %(step)s: %(negative)s of %(scored)s negative", name=name, step=d.name(mood.at), **of)
        href = (
            d.mentions(mood.at, d.end(mood.at), **{by: mood.key}, mood="negative") if mood.key and mood.negative else ""
        )
        thin = mood.scored < FEW
        if thin:
            said += " " + _("(few)")
        cells[name][n] = plots.Cell(_strength(share), said, href, thin)
        table[name][n] = _("%(negative)s of %(scored)s", **of)
    about = (
        _(
            "Strips of the negative share of scored mentions, %(step)s, a row per topic, darker is worse.",
            step=_step(d.wanted),
        )
        if by == "topic"
        else _(
            "Strips of the negative share of scored mentions, %(step)s, a row per platform, darker is worse.",
            step=_step(d.wanted),
        )
    )
    worst = max((m for m in found if m.scored >= FEW), key=lambda m: m.negative / m.scored, default=None)
    if worst:
        about += " " + _(
            "Worst: %(name)s at %(step)s, %(share)s of %(n)s.",
            name=names[worst.key], step=d.name(worst.at), share=percent(worst.negative / worst.scored), n=worst.scored,
        )  # fmt: skip
    about += _hatched(gaps)
    picture = plots.strip(id, title, about, cells, [d.tick(n, at, len(steps)) for n, at in enumerate(steps)], gaps)
    rows: list[tuple[Datum, ...]] = [(name, *row) for name, row in table.items()]
    if rows and gaps:
        rows.append((_("not read"), *(gaps.get(n, "") for n in range(len(steps)))))
    head = (_(by), *steps)
    return Figure(id, title, about, picture, head, rows, True)


def _strength(share: float) -> int:
    return sum(share >= bound for bound in (0.05, 0.15, 0.3, 0.45, 0.6))


def hours(d: Drawing) -> Figure:
    data = d.told.hours
    busiest = max(data, key=lambda key: data[key], default=None)
    days = formats.weekdays()
    about = _("Heat map of mentions by hour and weekday, by the clock of %(zone)s.", zone=d.wanted.zone)
    if busiest:
        hour = f"{days[busiest[0] - 1]} {busiest[1]:02d}:00"
        about += " " + _("Busiest: %(hour)s with %(n)s.", hour=hour, n=data[busiest])
    rows = [(days[day - 1], *(data.get((day, hour), 0) for hour in range(24))) for day in range(1, 8)]
    title, head = _("When people talk"), (_("day"), *(f"{hour:02d}" for hour in range(24)))
    span = (d.wanted.since, d.wanted.until)
    clock = {} if d.wanted.zone == "UTC" else {"zone": d.wanted.zone}
    behind = {key: d.mentions(*span, day=key[0], hour=key[1], **clock) for key, n in data.items() if n}
    return Figure(
        "hours", title, about, plots.heat("hours", title, about, data, behind), head, rows if data else (), True
    )


def grown(d: Drawing) -> Figure:
    now, n, cut = boards.words(d.connection, d.wanted)
    before, m, cut_before = boards.words(d.connection, d.wanted.before)
    found = growth(now, n, before, m)
    data = [
        plots.Bar(
            one.word,
            {"tickets": one.now},
            "" if cut else d.inbox(**d.whole, q=f'"{one.word}"'),
            _("%(times)s times (%(n)s before)", times=formats.decimal(one.factor), n=one.before),
        )
        for one in found
    ]
    about = _(
        "Bars of the words whose share of tickets grew most: of %(n)s tickets against %(m)s in the period before.",
        n=n,
        m=m,
    )
    if cut or cut_before:
        about += " " + _("Only the newest %(n)s tickets of a period are read.", n=boards.MOST_WORDS_OF)
    if not found:
        none = _("No word grew beyond chance.") if n and m else _("One of the periods has no ticket to compare.")
        about += f" {none}"
    rows = [(one.word, one.now, one.before, round(one.factor, 2), round(one.score, 1)) for one in found]
    head = (_("word"), _("tickets"), _("before"), _("times its share"), _("standard errors"))
    title = _("Words that grow")
    return Figure("words", title, about, plots.bars("words", title, about, data), head, rows)


def tickets(d: Drawing) -> Figure:
    data = worked.opened(d.connection, d.wanted)
    made = [
        plots.Column(
            d.name(at),
            {"tickets": n - breached, "late": breached},
            d.inbox(**d.span(at)),
            tick=d.tick(at_, at, len(data)),
        )
        for at_, (at, n, breached) in enumerate(data)
    ]
    about = _(
        "Columns of tickets opened, %(step)s: %(n)s in all, %(late)s of them answered or resolved too late.",
        step=_step(d.wanted), n=sum(n for at, n, late in data), late=sum(late for at, n, late in data),
    )  # fmt: skip
    rows = list(data)
    title = _("Tickets opened")
    picture = plots.columns("tickets", title, about, made)
    return Figure("tickets", title, about, picture, (_from(d), _("opened"), _("too late")), rows, True)


def _cards(d: Drawing, id: str, title: str, by: str) -> Figure:
    now, then = (part.by[by] for part in d.worked)
    cards, rows = [], []
    for name, done in now.items():
        did = then.get(name, worked.NONE)
        href = d.inbox(**d.whole, **{by: name}) if name else ""
        cards.append(Card(name or _nameless(by), href, work_tiles(done, did)))
        rows.append((name, *_row(done), *_row(did)))
    figures = tuple(map(_, FIGURES))
    about = (
        _("A card per topic: tickets of the range, and the change against the period before.")
        if by == "topic"
        else _("A card per team: tickets of the range, and the change against the period before.")
    )
    if len(cards) > MOST_CARDS:
        about += " " + _(
            "Shown are the %(most)s with most tickets; the table has all %(n)s.", most=MOST_CARDS, n=len(cards)
        )
    head = (_(by), *figures, *(_("%(figure)s before", figure=name) for name in figures))
    return Figure(id, title, about, Markup(), head, rows, True, cards[:MOST_CARDS])


def _row(done: Work) -> tuple[Datum, ...]:
    def told(value: float | None, times: float = 1.0) -> str | float:
        return "" if value is None else round(value * times, 1)

    return (
        done.opened,
        told(done.first_median),
        told(done.resolve_median),
        told(done.in_time, 100),
        told(done.reopened, 100),
    )


def switches(d: Drawing) -> Figure:
    found = boards.switches(d.connection, d.wanted.since, d.wanted.until)
    span = {name: at.strftime(MOMENT) for name, at in (("since", d.wanted.since), ("until", d.wanted.until))}
    data = [
        plots.Bar(
            f"{words.platform(a)} → {words.platform(b)}",
            {"switches": n},
            "/journeys?" + urlencode({**span, "before": a, "after": b}, safe=":"),
        )
        for a, b, n in found
    ]
    most = (
        _("Most: %(change)s, times: %(n)s.", change=data[0].name, n=found[0][2])
        if found
        else _("Nobody changed channels.")
    )
    about = _("Bars of how often a customer went from one channel to another within a journey.") + f" {most}"
    title = _("Switches between channels")
    return Figure(
        "switches",
        title,
        about,
        plots.bars("switches", title, about, data),
        (pgettext("channel", "from"), pgettext("channel", "to"), _("switches")),
        [(words.Code(a), words.Code(b), n) for a, b, n in found],
    )


BOARDS: dict[str, dict[str, Callable[[Drawing], Figure]]] = {  # board → figure → how it is drawn, in their order
    "talk": {
        "volume": volume,
        "voice": lambda d: _groups(d, "voice", _("Share of voice"), "topic"),
        "platforms": lambda d: _groups(d, "platforms", _("By platform"), "platform"),
        "topics-over-time": lambda d: _over_time(d, "topics-over-time", _("Negative share by topic"), "topic"),
        "platforms-over-time": lambda d: _over_time(
            d, "platforms-over-time", _("Negative share by platform"), "platform"
        ),
        "intents": lambda d: _groups(d, "intents", _("What people want"), "intent"),
        "words": grown,
        "hours": hours,
    },
    "tickets": {
        "tickets": tickets,
        "topic-cards": lambda d: _cards(d, "topic-cards", _("Report cards by topic"), "topic"),
        "team-cards": lambda d: _cards(d, "team-cards", _("Report cards by team"), "team"),
    },
    "journeys": {"switches": switches},
}


def _step(wanted: Range) -> str:
    """How long a step is, as a figure's description names it: `per 6 hours`."""
    hours = wanted.hours
    if hours < 24:
        return plural("per hour", "per %(n)s hours", hours)
    return plural("per day", "per %(n)s days", hours // 24)


def _sum(steps: Iterable[Step], labels: Sequence[str]) -> int:
    return sum(step.n.get(label, 0) for step in steps for label in labels)


def talk_tiles(d: Drawing) -> list[Tile]:
    now = d.told.steps(d.steps)
    then = [Step(d.wanted.since, talk.sums(d.connection, d.wanted.before))]
    scored, scored_before = _sum(now, SCORED), _sum(then, SCORED)
    share = _sum(now, ("negative",)) / scored if scored else None
    share_before = _sum(then, ("negative",)) / scored_before if scored_before else None
    said = _("posts of others about the topics, without reposts")
    return [
        _count(_("Mentions"), _sum(now, MOODS), _sum(then, MOODS), None, said),
        _share(_("Negative"), share, share_before, False, _("of what a scorer could read")),
        _count(_("Reposts"), _sum(now, ("repost",)), _sum(then, ("repost",)), None, _("counted apart")),
    ]


def work_tiles(done: Work, did: Work) -> list[Tile]:
    first, whole = _("median from opening to the first answer"), _("median from opening to the last resolution")
    in_time = _("of the tickets opened, no clock breached so far")
    return [
        _count(_("Tickets opened"), done.opened, did.opened, None, _("without merged ones")),
        _time(_("First response"), done.first_median, did.first_median, done.first_p90, first),
        _time(_("Resolution"), done.resolve_median, did.resolve_median, done.resolve_p90, whole),
        _share(_("In time"), done.in_time, did.in_time, True, in_time),
        _share(_("Reopened"), done.reopened, did.reopened, False, _("of the tickets that were resolved")),
    ]


def metric_tile(now: Mapping[str, object], then: Mapping[str, object], fewer_is_better: bool) -> Tile:
    """A journey metric, with its published formula for a description."""
    name, unit, facts = _(str(now["label"])), now["unit"], now["facts"]
    formula = _("%(formula)s (facts: %(n)s)", formula=_(str(now["formula"])), n=facts)
    value, before = _number(now["value"]), _number(then["value"])
    if unit == "seconds":
        return _time(name, value, before, _number(now["p90"]), formula)
    if unit == "percent":
        points = (None if v is None else v / 100 for v in (value, before))
        return _share(name, *points, not fewer_is_better, formula)
    shown = ("–" if v is None else formats.decimal(v, 2) for v in (value, before))
    return Tile(name, *shown, about=formula)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _count(name: str, now: int, before: int, more: bool | None, about: str) -> Tile:
    change = percent((now - before) / before, sign=True) if before else ""
    good = None if more is None or now == before else (now > before) == more
    return Tile(name, number(now), number(before), change, good, about)


def _share(name: str, now: float | None, before: float | None, more: bool, about: str) -> Tile:
    told = "–" if before is None else percent(before, 1)
    if now is None or before is None:
        return Tile(name, "–" if now is None else percent(now, 1), told, about=about)
    points = (now - before) * 100
    good = None if abs(points) < 0.05 else (points > 0) == more
    change = _("%(n)s points", n=formats.decimal(points, sign=True))
    return Tile(name, percent(now, 1), told, change, good, about)


def _time(name: str, now: float | None, before: float | None, p90: float | None, about: str) -> Tile:
    def spoken(seconds: float | None) -> str:
        return "–" if seconds is None else words.span(timedelta(seconds=seconds))

    change = percent((now - before) / before, sign=True) if now is not None and before else ""
    good = None if now is None or not before or now == before else now < before
    whole = _("%(about)s; 90 %% within %(span)s", about=about, span=spoken(p90))
    return Tile(name, spoken(now), spoken(before), change, good, whole)


__all__ = ["BOARDS", "Card", "Cell", "Drawing", "Figure", "Tile", "metric_tile", "talk_tiles", "work_tiles"]
