"""The nouns that travel between rooms. Frozen data only; names are ActivityStreams 2.0's and schema.org's.

https://www.w3.org/TR/activitystreams-vocabulary/ · https://schema.org/Review
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from domain.quick import quick

Outcome = Literal["ticket", "review", "ignore"]
Label = Literal["negative", "neutral", "positive", "unscored"]
Priority = Literal["low", "normal", "high", "urgent"]

PRIORITIES: tuple[Priority, ...] = ("low", "normal", "high", "urgent")
INTENTS = (
    "risk",
    "cancel",
    "complaint",
    "service",
    "question",
    "purchase",
    "feedback",
    "praise",
    "spam",
    "other",
)


@quick(frozen=True, slots=True)
class Author:
    """Who wrote a mention, as the platform names them. `native_id` is the stable id; a handle may change hands."""

    native_id: str
    handle: str = ""
    name: str = ""
    url: str | None = None
    followers: int | None = None


@dataclass(frozen=True, slots=True)
class Rating:
    """A review's stars (schema.org Rating)."""

    value: float
    best: float = 5.0
    worst: float = 1.0

    @property
    def share(self) -> float:
        """Where the value stands between worst (0.0) and best (1.0)."""
        span = self.best - self.worst
        return (self.value - self.worst) / span if span else 0.0


@quick(frozen=True, slots=True)
class Mention:
    """One post, comment, review, article, message or mail, in the shape every connector yields.

    `content` is plain text, already cleaned. `context` is the platform thread's root id; a root post is its own context.
    `published` is aware UTC, clamped to what can be true; `published_raw` keeps a value that had to be clamped or was missing.
    A post deleted upstream has `kind` "Tombstone" and no text. A repost names what it repeats in `repost_of`.
    """

    platform: str
    native_id: str
    published: datetime
    origin: str = ""
    kind: str = "Note"
    name: str = ""
    content: str = ""
    url: str | None = None
    language: str | None = None
    updated: datetime | None = None
    published_raw: str | None = None
    in_reply_to: str | None = None
    context: str = ""
    attributed_to: Author | None = None
    rating: Rating | None = None
    repost_of: str | None = None
    metrics: Mapping[str, int] = field(default_factory=dict)
    flags: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What is judged: the title, if any, and the text below it."""
        return f"{self.name}\n{self.content}" if self.name and self.content else self.name or self.content

    @property
    def conversation(self) -> str:
        """The key of the platform thread, the same for every mention in it."""
        return f"{self.platform}|{self.origin}|{self.context or self.native_id}"

    @property
    def deleted(self) -> bool:
        return self.kind == "Tombstone"


@quick(frozen=True, slots=True)
class Sentiment:
    """A scorer's answer. `compound` is its number in -1..1, None when unscored; `words` names each word's share.

    `probabilities` (negative, neutral, positive) and `raw`, VADER's own compound, where a scorer gives them.
    """

    label: Label
    compound: float | None
    scorer: str
    version: str
    lexicon: str
    words: tuple[tuple[str, float], ...] = ()
    reason: str = ""
    probabilities: tuple[float, float, float] | None = None
    raw: float | None = None


@quick(frozen=True, slots=True)
class Verdict:
    """What was decided about one version of a mention, and why.

    `reason` is a stable code (`rule:angry-service`, `own-account`, `repost`, `deleted`); `reasons` are sentences for people;
    `receipt` is JSON-ready: the rule, its tokens, scores, thresholds and versions. `first` and `resolve` are minutes a rule set.
    """

    outcome: Outcome
    reason: str
    intent: str
    priority: Priority
    team: str
    language: str
    sentiment: Sentiment
    reasons: tuple[str, ...]
    receipt: Mapping[str, Any]
    tags: tuple[str, ...] = ()
    first: int | None = None
    resolve: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """An author's customer, as far as triage asks: tickets open now, and those opened within 30 days."""

    known: bool = False
    vip: bool = False
    tier: str = ""
    open: int = 0
    tickets: int = 0


@quick(frozen=True, slots=True)
class Stored:
    """A mention as the ledger holds it: with its id, version and the topics that matched, in configuration order.

    `backfill`: it was published before any channel that found it was first read, so it tells what is usual and raises no flag.
    `settled`: what a person decided about it in review, which no rule overrules.
    `standing`: what is known of its author, where a rule asks for it. `age`: hours from its publication to our first sight of it.
    """

    id: int
    version: int
    mention: Mention
    topics: tuple[str, ...] = ()
    backfill: bool = False
    settled: Outcome | None = None
    standing: Standing | None = None
    age: float | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """One effect we owe the outside world, in neutral words; a desk or alert route renders it into its own request.

    kind: `ticket.create`, `ticket.comment`, `ticket.reply` (to the customer), `ticket.status`, `flag.open`, `flag.update`, `flag.close`.
    `key` is the stable id of the effect, sent wherever the target takes one. `body` is JSON-ready (shapes in docs/guarantees.md).
    """

    kind: str
    key: str
    body: Mapping[str, Any]
