"""What would have changed a verdict: the smallest single change, found by judging again under it. Pure; on demand.

Candidates come from the rules: each condition of the rule that decided is broken, each rule that failed by one condition only is
met, each word that counted is taken out. The cheapest that really changes the outcome is the answer.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any, NamedTuple

from domain import sentiment as feelings
from domain.conditions import Condition, Facts
from domain.language import Detector
from domain.nouns import Outcome, Standing, Stored, Verdict
from domain.rules import Judgement
from domain.sentiment import Scorer
from domain.triage import Line, bench, decide, judge, supposed_facts

STEP = 0.0001  # VADER rounds to four places
_NOT = {
    "own-account": "it were not by one of our own accounts",
    "repost": "it repeated no other post",
    "bounce": "no mail server had written it",
    "automatic": "a person had written it",
}
_THEN: dict[Outcome, str] = {
    "ticket": "a ticket would be opened",
    "review": "a person would be asked to look",
    "ignore": "nothing would be done",
}
_BORDERS = {
    "negative": (feelings.NEGATIVE, "at most -0.05"),
    "positive": (feelings.POSITIVE, "at least 0.05"),
}


class Candidate(NamedTuple):
    """A change, how big it is to a person's mind, and the condition in words."""

    size: float
    text: str
    change: dict[str, Any]


def explain(
    stored: Stored, judgement: Judgement, scorer: Scorer, detect: Detector, verdict: Verdict | None = None
) -> dict[str, Any]:
    """{"text": a sentence, "change": what `judge` takes as `suppose`, "outcome"}; change is None where no single one will do."""
    verdict = verdict or judge(stored, judgement, scorer, detect)
    known = bench(judgement).facts(stored, stored.mention, scorer, detect)
    tried: set[str] = set()
    for candidate in sorted(_candidates(stored, judgement, verdict, known), key=lambda each: each.size):
        if candidate.text in tried:
            continue
        tried.add(candidate.text)
        outcome = _outcome(stored, judgement, scorer, detect, candidate.change, known)
        if outcome != verdict.outcome:
            return {"text": f"If {candidate.text}, {_THEN[outcome]}.", "change": candidate.change, "outcome": outcome}
    return {"text": "No single change would have changed this.", "change": None, "outcome": None}


def _outcome(
    stored: Stored, judgement: Judgement, scorer: Scorer, detect: Detector, change: dict[str, Any], known: Facts
) -> Outcome:
    """What would be decided: the text is read again only where the change is to the text."""
    if change.keys() & {"not", "without_word", "with_word", "stars"}:
        return judge(stored, judgement, scorer, detect, change).outcome
    return decide(stored, bench(judgement), supposed_facts(known, change), change).outcome


def _candidates(stored: Stored, judgement: Judgement, verdict: Verdict, facts: Facts) -> Iterator[Candidate]:
    if verdict.reason == "deleted":
        return
    if verdict.reason in _NOT:
        yield Candidate(0.1, _NOT[verdict.reason], {"not": verdict.reason})
        return
    compiled = bench(judgement)
    for word in dict.fromkeys((*facts.intent.words, *sorted(facts.words))):
        yield Candidate(0.2, f"“{word}” were absent", {"without_word": word})
    for words in facts.intent.cues.values():
        for word in words:
            yield Candidate(0.22, f"“{word}” were absent", {"without_word": word})
    for word, _ in sorted(facts.sentiment.words, key=lambda pair: -abs(pair[1]))[:8]:
        yield Candidate(0.25, f"“{word}” were absent", {"without_word": word})
    for limit in sorted({limit for line in compiled.lines for limit in line.rule.when.limits}):
        yield _number("need", limit, f"at least {limit:g}", facts.need.value)
        yield _number("need", max(0.0, limit - STEP), f"below {limit:g}", facts.need.value)
    for line in compiled.lines:
        failed = [condition for condition in line.conditions if not condition.holds(facts)]
        if f"rule:{line.rule.name}" == verdict.reason:
            yield from _broken(line, facts)
            break  # what stands below is reached by breaking this one, or not at all
        if len(failed) == 1 and line.rule.then.outcome != verdict.outcome:
            yield from _met(failed[0], facts)


def _broken(line: Line, facts: Facts) -> Iterator[Candidate]:
    """Ways to make a rule that holds fail."""
    yield Candidate(0.95, f"the rule “{line.rule.name}” did not exist", {"without_rule": line.rule.name})
    for condition in line.conditions:
        wanted = condition.wanted
        match condition.field:
            case "intent":
                yield Candidate(0.6, f"the intent were not {facts.intent.name}", {"intent": "other"})
            case "sentiment":
                for label in ("negative", "neutral", "positive", "unscored"):
                    if label not in wanted:
                        yield from _feeling(label, facts)
            case "rating_at_most":
                yield from _stars(math.floor(wanted) + 1)
            case "compound_at_most":
                yield _compound(wanted + STEP, f"above {wanted:g}", facts)
            case "compound_at_least":
                yield _compound(wanted - STEP, f"below {wanted:g}", facts)
            case "need_at_least":
                yield _number("need", wanted - STEP, f"below {wanted:g}", facts.need.value)
            case "need_at_most":
                yield _number("need", wanted + STEP, f"above {wanted:g}", facts.need.value)
            case "urgency_at_least":
                yield _number("urgency", wanted - STEP, f"below {wanted:g}", facts.need.urgency)
            case "confidence_at_least":
                yield _number("confidence", wanted - STEP, f"below {wanted:g}", facts.intent.confidence)
            case "rating_at_least":
                yield from _stars(math.ceil(wanted) - 1)
            case "followers_at_least":
                yield Candidate(0.4, f"followers were below {wanted}", {"followers": wanted - 1})
            case "followers_at_most":
                yield Candidate(0.4, f"followers were above {wanted}", {"followers": wanted + 1})
            case "age_at_most":
                yield Candidate(0.5, f"it were older than {wanted:g} hours", {"age": wanted + STEP})
            case "age_at_least":
                yield Candidate(0.5, f"it were younger than {wanted:g} hours", {"age": wanted - STEP})
            case "customer" | "tier" | "open_tickets_at_least" | "tickets_at_least":
                yield from _standing(condition, facts, holds=False)
            case "language":
                yield Candidate(0.7, f"the language were not {facts.language}", {"language": "und"})
            case "platform":
                yield Candidate(0.7, f"the platform were not {facts.platform}", {"platform": ""})
            case "topic":
                yield Candidate(0.7, "it belonged to none of the rule's topics", {"without_topics": list(wanted)})


def _met(condition: Condition, facts: Facts) -> Iterator[Candidate]:
    """Ways to make the one condition hold that a rule lacked."""
    wanted = condition.wanted
    match condition.field:
        case "intent":
            for name in wanted:
                yield Candidate(0.6, f"the intent were {name}", {"intent": name})
        case "sentiment":
            for label in wanted:
                yield from _feeling(label, facts)
        case "rating_at_most":
            yield from _stars(math.floor(wanted))
        case "compound_at_most":
            yield _compound(wanted, f"at most {wanted:g}", facts)
        case "compound_at_least":
            yield _compound(wanted, f"at least {wanted:g}", facts)
        case "need_at_least":
            yield _number("need", wanted, f"at least {wanted:g}", facts.need.value)
        case "need_at_most":
            yield _number("need", wanted, f"at most {wanted:g}", facts.need.value)
        case "urgency_at_least":
            yield _number("urgency", wanted, f"at least {wanted:g}", facts.need.urgency)
        case "confidence_at_least":
            yield _number("confidence", wanted, f"at least {wanted:g}", facts.intent.confidence)
        case "rating_at_least":
            yield from _stars(math.ceil(wanted))
        case "followers_at_least":
            yield Candidate(0.4, f"followers were at least {wanted}", {"followers": wanted})
        case "followers_at_most":
            yield Candidate(0.4, f"followers were at most {wanted}", {"followers": wanted})
        case "age_at_most":
            yield Candidate(0.5, f"it were at most {wanted:g} hours old", {"age": wanted})
        case "age_at_least":
            yield Candidate(0.5, f"it were at least {wanted:g} hours old", {"age": wanted})
        case "customer" | "tier" | "open_tickets_at_least" | "tickets_at_least":
            yield from _standing(condition, facts, holds=True)
        case "words":
            for word in wanted:
                yield Candidate(0.5, f"it said “{word}”", {"with_word": word})
        case "language" | "platform" | "topic":
            for name in wanted:
                yield Candidate(0.7, f"the {condition.field} were {name}", {condition.field: name})


def _feeling(label: str, facts: Facts) -> Iterator[Candidate]:
    """The nearest way to a label: by the compound where there is one that counts, else as such."""
    compound = facts.sentiment.compound
    if compound is None or facts.sentiment.reason.startswith("rating") or label == "unscored":
        yield Candidate(0.6, f"the sentiment were {label}", {"sentiment": label})
    elif label == "neutral":
        below = compound > 0
        value = feelings.POSITIVE - STEP if below else feelings.NEGATIVE + STEP
        yield _compound(value, "below 0.05" if below else "above -0.05", facts)
    else:
        value, words = _BORDERS[label]
        yield _compound(value, words, facts)


def _compound(value: float, words: str, facts: Facts) -> Candidate:
    now = facts.sentiment.compound
    size = 0.3 + abs(value - (now or 0.0)) / 4 + (0.2 if now is None else 0.0)
    seen = "" if now is None else f" (it is {now:g})"
    return Candidate(size, f"the compound were {words}{seen}", {"compound": round(value, 4)})


def _number(field: str, value: float, words: str, now: float) -> Candidate:
    """need, urgency or confidence at the nearest value that makes the difference."""
    return Candidate(0.5 + abs(value - now) / 4, f"{field} were {words} (it is {now:g})", {field: round(value, 4)})


def _standing(condition: Condition, facts: Facts, *, holds: bool) -> Iterator[Candidate]:
    """Another standing of the author, in the one respect the condition asks about."""
    now, wanted = facts.standing or Standing(), condition.wanted
    match condition.field:
        case "customer":
            kinds = wanted if holds else tuple(kind for kind in ("unknown", "known") if kind not in wanted)
            for kind in kinds:
                said = replace(now, known=kind != "unknown", vip=kind == "vip")
                yield Candidate(
                    0.5, f"the author were {'a ' if kind == 'vip' else ''}{kind}", {"standing": asdict(said)}
                )
        case "tier":
            for tier in wanted if holds else ("",):
                text = f"the customer's tier were {tier}" if tier else "the customer had no tier"
                yield Candidate(0.5, text, {"standing": asdict(replace(now, known=True, tier=tier))})
        case "open_tickets_at_least" | "tickets_at_least":
            field = "open" if condition.field.startswith("open") else "tickets"
            count = wanted if holds else wanted - 1
            said = replace(now, known=True, open=count) if field == "open" else replace(now, known=True, tickets=count)
            words = f"the customer had {count} {'open tickets' if field == 'open' else 'tickets in 30 days'}"
            yield Candidate(0.5, words, {"standing": asdict(said)})


def _stars(stars: int) -> Iterator[Candidate]:
    if 1 <= stars <= 5:
        yield Candidate(0.45, f"the rating were {stars} of 5", {"stars": stars})
