"""From what was counted to a figure: its picture, its words, its rows. Every mark leads to the tickets behind it."""

from collections.abc import Callable, Mapping
from urllib.parse import urlencode

from markupsafe import Markup

from console.web import formats, plots, words
from console.web.drawing import MOODS, SCORED, Card, Datum, Drawing, Figure, total
from console.web.formats import percent
from console.web.texts import N_, _, pgettext, plural
from console.web.tiles import work_tiles
from domain.growth import growth
from storage import boards, worked
from storage.boards import Note
from storage.inbox_address import MOMENT
from storage.talk import Range
from storage.worked import Work

MOST_BARS = 12  # the rest is one bar, counted
MOST_CARDS = 8
FEW = 10  # scored mentions, below which a share says little
FIGURES = (N_("opened"), N_("first response (s)"), N_("resolution (s)"), N_("in time (%)"), N_("reopened (%)"))


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
    whole, negative = total(steps, MOODS), total(steps, ("negative",))
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
