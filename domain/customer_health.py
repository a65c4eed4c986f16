"""How a customer fares, from the contacts we had: trend of mood, how often, how long ago, and what a colleague should know first. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.said import Said

RECENT, BEFORE = timedelta(days=30), timedelta(days=120)
HOT_CONTACTS, HOT_WITHIN = 3, timedelta(days=7)
SILENT = timedelta(days=60)
COMPLAINTS, COMPLAINING = 3, timedelta(days=90)
SHIFT = 0.2  # of the compound score (-1 to 1): less is no trend


@dataclass(frozen=True, slots=True)
class Contact:
    """One time the customer spoke. `compound` None: nothing scored it."""

    at: datetime
    compound: float | None
    complaint: bool


@dataclass(frozen=True, slots=True)
class Health:
    """`mood`: mean score of the last 30 days; `trend` against the 90 days before: better, worse, steady, unknown.

    `state`: hot (three contacts in a week, or an urgent ticket), silent (60 days without a word), calm; `reasons` say why.
    """

    mood: float | None
    trend: str
    contacts_30: int
    contacts_90: int
    last_touch: datetime | None
    complaints_90: int
    third_complaint: bool
    state: str
    tier: str
    lifetime_value: float | None
    reasons: tuple[str, ...]


def judge(
    contacts: Sequence[Contact],
    now: datetime,
    tier: str = "",
    lifetime_value: float | None = None,
    urgent: bool = False,
) -> Health:
    """Decide from contacts in any order; what lies in the future is not counted."""
    known = sorted((c for c in contacts if c.at <= now), key=lambda c: c.at, reverse=True)
    recent, earlier = _mean(known, now - RECENT, now), _mean(known, now - BEFORE, now - RECENT)
    last = known[0].at if known else None
    complaints = sum(c.complaint for c in known if c.at > now - COMPLAINING)
    week = sum(c.at > now - HOT_WITHIN for c in known)
    reasons = []
    if week >= HOT_CONTACTS:
        reasons.append(Said("%(n)s contacts in %(days)s days", n=week, days=HOT_WITHIN.days))
    if urgent:
        reasons.append(Said("an urgent ticket is open"))
    state = "hot" if reasons else "calm"
    if state == "calm" and last is not None and now - last > SILENT:
        state = "silent"
        reasons.append(Said("no word for %(days)s days", days=(now - last).days))
    if complaints >= COMPLAINTS:
        reasons.append(Said("%(n)s complaints in %(days)s days", n=complaints, days=COMPLAINING.days))
    trend = _trend(recent, earlier)
    if trend == "worse":
        reasons.append(Said("mood is getting worse"))
    return Health(
        mood=None if recent is None else round(recent, 3),
        trend=trend,
        contacts_30=sum(c.at > now - RECENT for c in known),
        contacts_90=sum(c.at > now - COMPLAINING for c in known),
        last_touch=last,
        complaints_90=complaints,
        third_complaint=complaints >= COMPLAINTS,
        state=state,
        tier=tier,
        lifetime_value=lifetime_value,
        reasons=tuple(reasons),
    )


def _mean(contacts: Sequence[Contact], since: datetime, until: datetime) -> float | None:
    scores = [c.compound for c in contacts if since < c.at <= until and c.compound is not None]
    return sum(scores) / len(scores) if scores else None


def _trend(recent: float | None, earlier: float | None) -> str:
    if recent is None or earlier is None:
        return "unknown"
    return "better" if recent - earlier > SHIFT else "worse" if earlier - recent > SHIFT else "steady"
