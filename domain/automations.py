"""What automations would do about an event: conditions against facts, and the limits that end a loop. Pure; doing is storage's.

An automation answers events, and what it does is an event again. Two limits are visible on every receipt. *Depth*: how many automations
stand between a person and this event. *Budget*: how often one automation may act within an hour. Neither is silent: what a limit
stopped leaves a receipt that says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

DEPTH = 3
BUDGET = 500
Outcome = Literal["do", "depth", "budget"]


@dataclass(frozen=True, slots=True)
class Automation:
    """`on`: kinds of events (`ticket.created`, `interaction.*`). `when`: fact → wanted value, or a list of which one must fit; text may
    have `*`; `NAME_at_least` and `NAME_at_most` compare numbers. `then`: actions, each with its `do`. `budget`: runs an hour."""

    name: str
    on: tuple[str, ...]
    when: Mapping[str, Any]
    then: tuple[Mapping[str, Any], ...]
    budget: int = BUDGET
    version: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `facts` are plain values by name; a list where there are several."""

    id: int
    kind: str
    subject: str
    subject_id: int
    depth: int = 0
    facts: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """One automation that answers the event: to be done, or stopped by a limit. `matched`: the facts its conditions looked at."""

    automation: Automation
    outcome: Outcome
    matched: Mapping[str, Any]


def would(
    automations: Sequence[Automation], event: Event, spent: Mapping[str, int] | None = None, depth: int = DEPTH
) -> list[Planned]:
    """Which automations answer this event, in their order. `spent`: runs of each within the last hour.

    Nothing is done here, so that a plan can ask about history as about now.
    """
    found = []
    for one in automations:
        if not any(fnmatchcase(event.kind, kind) for kind in one.on):
            continue
        facts = event.facts or {}
        if not all(fits(facts, name, wanted) for name, wanted in one.when.items()):
            continue
        matched = {name: facts.get(_fact(name)) for name in one.when}
        if event.depth >= depth:
            outcome: Outcome = "depth"
        elif (spent or {}).get(one.name, 0) >= one.budget:
            outcome = "budget"
        else:
            outcome = "do"
        found.append(Planned(one, outcome, matched))
    return found


def fits(facts: Mapping[str, Any], name: str, wanted: Any) -> bool:
    """Whether one condition holds. A fact that is not there fits nothing but `none`."""
    value = facts.get(_fact(name))
    if name.endswith(("_at_least", "_at_most")) and _fact(name) != name:
        try:
            return float(value) >= float(wanted) if name.endswith("_at_least") else float(value) <= float(wanted)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return False
    values = value if isinstance(value, list | tuple) else [value]
    options = wanted if isinstance(wanted, list | tuple) else [wanted]
    return any(_same(given, option) for given in values or [None] for option in options)


def _same(given: Any, option: Any) -> bool:
    if option == "none":
        return given in (None, "", [])
    if given is None:
        return False
    return fnmatchcase(_text(given).lower(), _text(option).lower())


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _fact(name: str) -> str:
    for end in ("_at_least", "_at_most"):
        if name.endswith(end):
            return name.removesuffix(end)
    return name
