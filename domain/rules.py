"""What an operator decides, as data: topics, triage rules, service levels, spike rules. Pure; validated in config."""

from dataclasses import dataclass, field
from typing import Any, Literal

from domain.nouns import Label, Outcome, Priority

Acquaintance = Literal["known", "unknown", "vip"]

_STRICT = {"extra": "forbid"}  # read by pydantic when config validates these shapes; nothing here imports it


@dataclass(frozen=True, slots=True)
class Topic:
    """A brand or product. A mention matches when it has one of `any`, all of `all` and none of `none`.

    Terms are words or phrases, compared without regard to case at word borders; `@handle` and `#tag` count as words.
    `query` is the same in one line of the language in docs/queries.md; beside the lists, both must hold.
    With none of these, everything the channel reads matches.
    """

    name: str
    label: str = ""
    query: str = ""
    any: tuple[str, ...] = ()
    all: tuple[str, ...] = ()
    none: tuple[str, ...] = ()
    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class Account:
    """One of our own accounts on a platform: what it posts is stored and ignored with that reason."""

    platform: str
    handle: str = ""
    native_id: str = ""
    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class Intent:
    """Words and phrases that betray an intent. `weight` is what one hit adds; the intent with the most wins."""

    name: str
    words: tuple[str, ...]
    weight: float = 1.0
    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class When:
    """The conditions of a rule; an empty one is no condition. All that are given must hold.

    `need` and `urgency` are domain/need.py's, `confidence` the intent's, ages hours between the post and our first sight of it.
    `tickets` counts what the author's customer had within 30 days, open or not.
    """

    sentiment: tuple[Label, ...] = ()
    intent: tuple[str, ...] = ()
    topic: tuple[str, ...] = ()
    platform: tuple[str, ...] = ()
    language: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    customer: tuple[Acquaintance, ...] = ()
    tier: tuple[str, ...] = ()
    need_at_least: float | None = None
    need_at_most: float | None = None
    urgency_at_least: float | None = None
    confidence_at_least: float | None = None
    compound_at_most: float | None = None
    compound_at_least: float | None = None
    rating_at_most: float | None = None
    rating_at_least: float | None = None
    followers_at_least: int | None = None
    followers_at_most: int | None = None
    open_tickets_at_least: int | None = None
    tickets_at_least: int | None = None
    age_at_most: float | None = None
    age_at_least: float | None = None
    __pydantic_config__ = _STRICT

    @property
    def limits(self) -> tuple[float, ...]:
        """The values of need this rule draws a line at."""
        return tuple(limit for limit in (self.need_at_least, self.need_at_most) if limit is not None)


@dataclass(frozen=True, slots=True)
class Then:
    """What a rule decides. `first` and `resolve`: minutes, instead of the priority's service level."""

    outcome: Outcome
    priority: Priority = "normal"
    team: str = ""
    tags: tuple[str, ...] = ()
    first: int | None = None
    resolve: int | None = None
    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of triage; the first rule whose conditions hold decides."""

    name: str
    when: When
    then: Then
    why: str = ""
    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """Minutes to the first answer, to the next ones and to the resolution of a ticket, per priority and team.

    `next` 0: as the first. `team` empty: of every team that has no line of its own. `calendar` empty: around the clock.
    """

    priority: Priority
    first: int
    resolve: int
    next: int = 0
    team: str = ""
    calendar: str = ""
    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class SpikeRule:
    """What raises a flag.

    `spike`: the sum of the last ten minutes, hour, six hours or day is at least `floor`, by at least `authors` people, and its score
    (0..1) against the trailing fourteen days at least `threshold`; it closes when the score stayed below half of the threshold for two
    of its windows. `measure`: negative mentions, all, people who said something negative (each once a day), or negative mentions weighted
    by how many follow who wrote them. `intents`: a series for each of these intents instead, of negative mentions; `*`: every intent.
    `share`: of at least `floor` mentions in two hours (a day where there are fewer) at least `share` are negative, and
    half as many again as usual. `silence`: a topic that always talks has said nothing for `silence` times its longest usual pause.
    `drift`: the week's share of negative mentions is half as much again as that of the four weeks before. `mention`: one mention that must not wait,
    by any of `signals`; `followers` is what reach means.
    """

    name: str
    kind: Literal["spike", "share", "silence", "drift", "mention"] = "spike"
    topics: tuple[str, ...] = ()
    measure: Literal["negative", "all", "authors", "reach"] = "negative"
    intents: tuple[str, ...] = ()
    platforms: bool = False
    floor: int = 10
    authors: int = 0
    threshold: float = 0.5
    share: float = 0.4
    silence: float = 3.0
    signals: tuple[Literal["risk", "vip", "reach", "third-complaint", "mood", "promise"], ...] = (
        "risk",
        "vip",
        "reach",
        "third-complaint",
    )
    followers: int = 100_000
    alerts: tuple[str, ...] = ()
    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class Judgement:
    """Everything triage needs, in one value, with the version its receipts name."""

    topics: tuple[Topic, ...] = ()
    own_accounts: tuple[Account, ...] = ()
    intents: tuple[Intent, ...] = ()
    rules: tuple[Rule, ...] = ()
    default_team: str = ""
    version: str = ""
    lexicon: dict[str, float] = field(default_factory=dict)
    teams: tuple[tuple[str, tuple[str, ...]], ...] = ()  # name, examples: where a rule names no team
    team_confidence: float = 0.5
    learned: Any = None  # domain.learning.Learned, which stands above this page
