"""Alert rules over a past: what would have been raised and when, against what people judged. Pure; changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from domain.spikes import detect

DAY = timedelta(days=1)
THRESHOLDS = tuple(round(0.3 + 0.02 * n, 2) for n in range(34))  # 0.30 to 0.96
Row = tuple[datetime, float]
Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a threshold raises over a past. `hits`: judged events with a flag in them; `lead`: minutes from a flag to its event's end."""

    threshold: float
    fired: tuple[datetime, ...]
    scores: tuple[float, ...]
    hits: int
    events: int
    false: int
    weeks: float
    lead: float | None
    most_a_day: int

    @property
    def false_a_week(self) -> float:
        return self.false / self.weeks if self.weeks else 0.0

    @property
    def a_day(self) -> float:
        return len(self.fired) / (7 * self.weeks) if self.weeks else 0.0


def not_yet(evidence: Mapping[str, Any], authors: int) -> str:
    """Why a series that stands out raises no flag for now, in words; empty: it does. Copies are amplification: without them the count
    must still reach the threshold."""
    if evidence["authors"] < authors:
        return f"too few authors: {evidence['authors']}, and the rule asks for {authors}"
    own = evidence["count"] - evidence["copies"]
    if evidence["copies"] and own < evidence["threshold"]:
        return f"amplification: {evidence['copies']} of {evidence['count']:.0f} are copies; without them it is {own:.0f}, below {evidence['threshold']:.0f}"
    return ""


def run(rows: Sequence[Row], threshold: float, floor: float, judged: Sequence[Span] = ()) -> Outcome:
    """Feed the past to the live detector, row by row."""
    found = list(detect(rows, threshold, floor))
    fired = [(at, score) for (at, _), (score, flag) in zip(rows, found, strict=True) if flag]
    first = {span: next((at for at, _ in fired if span[0] <= at <= span[1]), None) for span in judged}
    leads = [(span[1] - at).total_seconds() / 60 for span, at in first.items() if at is not None]
    false = [at for at, _ in fired if not any(a <= at <= b for a, b in judged)]
    weeks = (rows[-1][0] - rows[0][0]) / (7 * DAY) if len(rows) > 1 else 0.0
    days: dict[object, int] = {}
    for at, _ in fired:
        days[at.date()] = days.get(at.date(), 0) + 1
    return Outcome(
        threshold, tuple(at for at, _ in fired), tuple(s for _, s in fired), len(leads), len(judged), len(false), weeks,
        median(leads) if leads else None, max(days.values(), default=0),
    )  # fmt: skip


def within_budget(rows: Sequence[Row], a_day: float, floor: float, judged: Sequence[Span] = ()) -> Outcome:
    """The most sensitive threshold that raises at most so many a day on average. Flags do not grow with the threshold strictly (one that
    is not raised may let the next one be), so after halving the neighbours below are asked as well."""
    low, high = 0, len(THRESHOLDS) - 1
    while low < high:
        middle = (low + high) // 2
        if run(rows, THRESHOLDS[middle], floor).a_day <= a_day:
            high = middle
        else:
            low = middle + 1
    while low > 0 and run(rows, THRESHOLDS[low - 1], floor).a_day <= a_day:
        low -= 1
    return run(rows, THRESHOLDS[low], floor, judged)


def suggested(good: Sequence[float], bad: Sequence[float]) -> float | None:
    """From judged flags: the lowest threshold that keeps nine in ten of the useful and leaves out as much noise as it can; None: too few."""
    if len(good) < 3 or len(bad) < 3:
        return None
    kept = [t for t in THRESHOLDS if sum(g >= t for g in good) >= 0.9 * len(good)]
    best = max(kept, key=lambda t: (sum(b < t for b in bad), -t), default=None)
    return best
