"""What triage knows of a mention, and how a rule's conditions are held against it, in sentences. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from domain.intent import Heard
from domain.need import NO_NEED, Need
from domain.nouns import Sentiment, Standing
from domain.rules import When


@dataclass(slots=True)
class Facts:
    """Everything a rule may ask about. `stars` is the rating on a scale of one to five, whatever the platform's is."""

    platform: str
    topics: tuple[str, ...]
    language: str
    intent: Heard
    sentiment: Sentiment
    words: frozenset[str]
    stars: float | None
    followers: int | None
    need: Need = NO_NEED
    standing: Standing | None = None
    age: float | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a rule: does it hold, and how to say so."""

    field: str
    wanted: Any
    holds: Callable[[Facts], bool]
    say: Callable[[Facts], str]


def conditions(when: When) -> tuple[Condition, ...]:
    """The conditions that are given, cheapest and likeliest to fail first."""
    found = (
        _intent(when.intent) if when.intent else None,
        _at_least("need_at_least", "need", when.need_at_least, lambda facts: facts.need.value, _because),
        _at_most("need_at_most", "need", when.need_at_most, lambda facts: facts.need.value, _because),
        _at_most("rating_at_most", "rating", when.rating_at_most, lambda facts: facts.stars),
        _at_least("rating_at_least", "rating", when.rating_at_least, lambda facts: facts.stars),
        _sentiment(when.sentiment) if when.sentiment else None,
        _at_least("urgency_at_least", "urgency", when.urgency_at_least, lambda facts: facts.need.urgency),
        _at_least("confidence_at_least", "confidence", when.confidence_at_least, lambda facts: facts.intent.confidence),
        _at_most("compound_at_most", "compound", when.compound_at_most, lambda facts: facts.sentiment.compound),
        _at_least("compound_at_least", "compound", when.compound_at_least, lambda facts: facts.sentiment.compound),
        _at_least("followers_at_least", "followers", when.followers_at_least, lambda facts: facts.followers),
        _at_most("followers_at_most", "followers", when.followers_at_most, lambda facts: facts.followers),
        _one_of("platform", when.platform, lambda facts: facts.platform),
        _one_of("language", when.language, lambda facts: facts.language),
        _at_most("age_at_most", "age in hours", when.age_at_most, lambda facts: facts.age),
        _at_least("age_at_least", "age in hours", when.age_at_least, lambda facts: facts.age),
        _any_of("customer", when.customer, acquainted),
        _one_of("tier", when.tier, lambda facts: facts.standing.tier if facts.standing else ""),
        _at_least("open_tickets_at_least", "open tickets", when.open_tickets_at_least, _standing("open")),
        _at_least("tickets_at_least", "tickets in 30 days", when.tickets_at_least, _standing("tickets")),
        _any_of("topic", when.topic, lambda facts: frozenset(facts.topics)),
        _any_of("words", when.words, lambda facts: facts.words),
    )
    return tuple(condition for condition in found if condition)


def quoted(words: tuple[str, ...] | list[str]) -> str:
    return ", ".join(f"“{word}”" for word in words)


def feels(sentiment: Sentiment) -> str:
    """A sentence's part on the sentiment, with what it rests on."""
    heaviest = sorted(sentiment.words, key=lambda pair: -abs(pair[1]))[:3] if sentiment.words else ()
    because = ", ".join([f"“{word}” {share:+.1f}" for word, share in heaviest])
    number = (
        "" if sentiment.compound is None else f" (compound {sentiment.compound:+.4f}{': ' if because else ''}{because})"
    )
    reason = f", by {sentiment.reason}" if sentiment.reason.startswith("rating") else ""
    why = f" ({sentiment.reason})" if sentiment.label == "unscored" and sentiment.reason else ""
    return f"sentiment is {sentiment.label}{number}{why}{reason}"


def wants(heard: Heard) -> str:
    return f"intent is {heard.name}" + (f" because of {quoted(heard.words[:4])}" if heard.words else "")


def _intent(names: tuple[str, ...]) -> Condition:
    return Condition("intent", names, lambda facts: facts.intent.name in names, lambda facts: wants(facts.intent))


def _sentiment(labels: tuple[str, ...]) -> Condition:
    return Condition(
        "sentiment", labels, lambda facts: facts.sentiment.label in labels, lambda facts: feels(facts.sentiment)
    )


def _one_of(field: str, names: tuple[str, ...], value: Callable[[Facts], str]) -> Condition | None:
    return (
        Condition(field, names, lambda facts: value(facts) in names, lambda facts: f"{field} is {value(facts)}")
        if names
        else None
    )


def _any_of(field: str, names: tuple[str, ...], value: Callable[[Facts], frozenset[str]]) -> Condition | None:
    if not names:
        return None
    return Condition(
        field,
        names,
        lambda facts: not value(facts).isdisjoint(names),
        lambda facts: f"{field}: {quoted(sorted(value(facts).intersection(names)))}",
    )


def acquainted(facts: Facts) -> frozenset[str]:
    """`known` or `unknown`, and `vip`: nobody asked about a standing is unknown."""
    standing = facts.standing
    if standing is None or not standing.known:
        return frozenset(("unknown",))
    return frozenset(("known", "vip")) if standing.vip else frozenset(("known",))


def _standing(name: str) -> Callable[[Facts], int]:
    return lambda facts: getattr(facts.standing, name) if facts.standing else 0


def _because(facts: Facts) -> str:
    told = ", ".join(f"{name} {share:+.1f}" for name, share in facts.need.shares[:3])
    return f" ({told})" if told else ""


def _nothing(facts: Facts) -> str:
    return ""


def _at_most(
    field: str,
    name: str,
    limit: float | None,
    value: Callable[[Facts], float | None],
    because: Callable[[Facts], str] = _nothing,
) -> Condition | None:
    if limit is None:
        return None
    return Condition(
        field,
        limit,
        lambda facts: (seen := value(facts)) is not None and seen <= limit,
        lambda facts: f"{name} {value(facts):g} is at most {limit:g}{because(facts)}",
    )


def _at_least(
    field: str,
    name: str,
    limit: float | None,
    value: Callable[[Facts], float | None],
    because: Callable[[Facts], str] = _nothing,
) -> Condition | None:
    if limit is None:
        return None
    return Condition(
        field,
        limit,
        lambda facts: (seen := value(facts)) is not None and seen >= limit,
        lambda facts: f"{name} {value(facts):g} is at least {limit:g}{because(facts)}",
    )
