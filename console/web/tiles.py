"""Headline figures, each beside the period before: what was said, what was done, how a journey goes."""

from collections.abc import Mapping
from datetime import timedelta

from console.web import formats, words
from console.web.drawing import MOODS, SCORED, Drawing, Tile, total
from console.web.formats import number, percent
from console.web.texts import _
from storage import talk
from storage.talk import Step
from storage.worked import Work


def talk_tiles(d: Drawing) -> list[Tile]:
    now = d.told.steps(d.steps)
    then = [Step(d.wanted.since, talk.sums(d.connection, d.wanted.before))]
    scored, scored_before = total(now, SCORED), total(then, SCORED)
    share = total(now, ("negative",)) / scored if scored else None
    share_before = total(then, ("negative",)) / scored_before if scored_before else None
    said = _("posts of others about the topics, without reposts")
    return [
        _count(_("Mentions"), total(now, MOODS), total(then, MOODS), None, said),
        _share(_("Negative"), share, share_before, False, _("of what a scorer could read")),
        _count(_("Reposts"), total(now, ("repost",)), total(then, ("repost",)), None, _("counted apart")),
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
