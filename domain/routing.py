"""Who gets a ticket: rules choose a team and what its owner must be able to do, then one of those who can is chosen. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

Method = Literal["nobody", "least_loaded", "round_robin"]
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Route:
    """A rule: tickets whose facts fit all of `when` (field → values, any of them) go to `team`, to somebody with all `skills`.

    `speaks`: the owner must know the ticket's language. The first rule that fits decides; what it leaves empty stays as it was.
    """

    name: str
    when: Mapping[str, Sequence[str]]
    team: str = ""
    priority: str = ""
    skills: tuple[str, ...] = ()
    speaks: bool = False
    method: Method = "nobody"
    version: str = ""  # changes when the rule does


@dataclass(frozen=True, slots=True)
class Agent:
    """Somebody who takes tickets. `load`: open tickets they own; `given_at`: when they were last handed one."""

    id: int
    name: str
    teams: frozenset[str] = frozenset()
    skills: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()
    capacity: int = 10
    load: int = 0
    available: bool = True
    given_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """Who it was, and in a sentence why; or why nobody."""

    agent: Agent | None
    why: str


def route(routes: Sequence[Route], facts: Mapping[str, Sequence[str]]) -> Route | None:
    """The first rule that fits. `facts`: field → the ticket's values (several for tags)."""
    for rule in routes:
        if all(set(wanted) & set(facts.get(name, ())) for name, wanted in rule.when.items()):
            return rule
    return None


def choose(
    rule: Route, team: str, language: str, agents: Sequence[Agent], tried: frozenset[int] = frozenset()
) -> Chosen:
    """One of those who may and have room. `tried`: who had it and handed it back by letting it lie."""
    if rule.method == "nobody":
        return Chosen(None, f"rule {rule.name} gives it to the team")
    steps: tuple[tuple[str, Callable[[Agent], bool]], ...] = (
        ("nobody of the team is there", lambda a: a.available and (not team or team in a.teams)),
        (f"nobody there can {', '.join(rule.skills)}", lambda a: set(rule.skills) <= a.skills),
        (f"nobody there speaks {language}", lambda a: not rule.speaks or not language or language in a.languages),
        ("whoever can has had it", lambda a: a.id not in tried),
        ("whoever can is full", lambda a: a.load < a.capacity),
    )
    left = list(agents)
    for why, fits in steps:
        left = [agent for agent in left if fits(agent)]
        if not left:
            return Chosen(None, why)
    if rule.method == "round_robin":
        first = min(left, key=lambda a: (a.given_at or LONG_AGO, a.id))
        return Chosen(first, f"rule {rule.name}: {first.name} is next in turn of {len(left)}")
    first = min(left, key=lambda a: (a.load / a.capacity, a.given_at or LONG_AGO, a.id))
    return Chosen(
        first, f"rule {rule.name}: {first.name} has the least to do of {len(left)} ({first.load} of {first.capacity})"
    )
