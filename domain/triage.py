"""What to do about a mention: a ticket, a look, or nothing, always with the reasons and a receipt. Decides; does nothing.

In order: deleted upstream, written by one of our own accounts, a repost; then the rules, first that holds; else there is nothing
to do. `suppose` judges under one supposition ("if the word were absent"); domain/explain.py finds the smallest that changes the
outcome, on demand, since it judges many times.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from domain import sentiment as feelings
from domain.care import DEFAULT_INTENTS, DEFAULT_RULES
from domain.conditions import Condition, Facts, conditions, feels, wants
from domain.intent import NOTHING_HEARD, Heard, Listener
from domain.language import Detector, language
from domain.learning import Lesson, parts
from domain.looks import bare_handle
from domain.need import mood, weigh
from domain.nouns import Mention, Outcome, Priority, Rating, Sentiment, Standing, Stored, Verdict
from domain.rules import Judgement, Rule, Then
from domain.sentiment import Scorer
from domain.teams import Routed, Router
from domain.words import Finder, Reading
from domain.words import reading as read

JUDGE_VERSION = "2"
THRESHOLDS = {
    "positive": feelings.POSITIVE,
    "negative": feelings.NEGATIVE,
    "bad_rating": feelings.BAD_RATING,
    "good_rating": feelings.GOOD_RATING,
}
_MACHINES = {  # what a connector saw by its headers; https://www.rfc-editor.org/rfc/rfc3834
    "bounce": "A mail server wrote this: a mail could not be delivered, or a report about one.",
    "automatic": "A machine wrote this in answer to a mail, such as a notice of absence.",
}
Supposition = Mapping[str, Any]
Test = Callable[[Facts], bool]


def overruled(verdict: Verdict, outcome: Outcome) -> Verdict:
    """The same verdict with a person's outcome; the receipt keeps what the rules had said."""
    if outcome == verdict.outcome:
        return verdict
    receipt = {**verdict.receipt, "overruled": {"outcome": verdict.outcome, "reason": verdict.reason}}
    reasons = ("A person decided so in review.", *verdict.reasons)
    return replace(verdict, outcome=outcome, reason="person", reasons=reasons, receipt=receipt)


def judge(
    stored: Stored, judgement: Judgement, scorer: Scorer, detect: Detector, suppose: Supposition | None = None
) -> Verdict:
    """The verdict on one version of a mention; where a person settled the outcome, only the rest is judged."""
    if stored.settled and suppose is None:
        return overruled(judge(replace(stored, settled=None), judgement, scorer, detect), stored.settled)
    bench = _bench(judgement)
    mention = stored.mention if suppose is None else supposed_mention(stored.mention, suppose)
    reason, sentence = bench.dismissed(mention, suppose)
    if reason:
        facts = _unheard(stored, mention, scorer)
        return _verdict(stored, bench, facts, "ignore", reason, (sentence,), None)
    facts = bench.facts(stored, mention, scorer, detect)
    if suppose is not None:
        facts = supposed_facts(facts, suppose)
    return decide(stored, bench, facts, suppose)


def decide(stored: Stored, bench: "Bench", facts: Facts, suppose: Supposition | None = None) -> Verdict:
    """The verdict of the rules on facts that are known."""
    without = suppose.get("without_rule") if suppose else None
    for line, tests in bench.for_intent.get(facts.intent.name, bench.for_any):
        for holds in tests:
            if not holds(facts):
                break
        else:
            rule = line.rule
            if rule.name != without:
                return _verdict(stored, bench, facts, rule.then.outcome, f"rule:{rule.name}", line.reasons(facts), rule)
    sentences = (
        "No rule holds, so there is nothing to do.",
        _sentence(wants(facts.intent)),
        _sentence(feels(facts.sentiment)),
    )
    return _verdict(stored, bench, facts, "ignore", "nothing-to-do", sentences, None)


def judge_many(many: Sequence[Stored], judgement: Judgement, scorer: Scorer, detect: Detector) -> list[Verdict]:
    """The verdicts, in order."""
    return [judge(stored, judgement, scorer, detect) for stored in many]


class Line:
    """A rule, ready to be held against facts."""

    __slots__ = ("conditions", "rule")

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.conditions: tuple[Condition, ...] = conditions(rule.when)

    def tests(self, intent: str) -> tuple[Test, ...] | None:
        """What is left to ask about a mention of this intent; None when the rule is not for it."""
        if self.rule.when.intent and intent not in self.rule.when.intent:
            return None
        return tuple(condition.holds for condition in self.conditions if condition.field != "intent")

    def reasons(self, facts: Facts) -> tuple[str, ...]:
        why = (self.rule.why,) if self.rule.why else ()
        held = [_sentence(condition.say(facts)) for condition in self.conditions]
        return (*why, *(held or (f"The rule “{self.rule.name}” has no conditions.",)))


class Bench:
    """A judgement compiled: who we are, what we listen for, the rules in order."""

    def __init__(self, judgement: Judgement) -> None:
        self.judgement = judgement
        self.ours = {
            (account.platform.lower(), key)
            for account in judgement.own_accounts
            for key in (bare_handle(account.handle), account.native_id and f"id:{account.native_id}")
            if key
        }
        self.listener = Listener(judgement.intents or DEFAULT_INTENTS)
        self.lines = tuple(Line(rule) for rule in judgement.rules or DEFAULT_RULES)
        intents = {name for line in self.lines for name in line.rule.when.intent}
        self.for_intent = {name: self._for(name) for name in intents}
        self.for_any = self._for("")
        words = [word for line in self.lines for word in line.rule.when.words]
        self.finder = Finder(words) if words else None
        self.router = Router(judgement.teams)
        asked = (rule.when for rule in (line.rule for line in self.lines))
        self.asks_standing = any(
            when.customer or when.tier or when.open_tickets_at_least is not None or when.tickets_at_least is not None
            for when in asked
        )
        self.versions = {"rules": judgement.version, "judge": JUDGE_VERSION}
        if judgement.learned is not None:
            self.versions["learned"] = judgement.learned.version

    def _for(self, intent: str) -> tuple[tuple[Line, tuple[Test, ...]], ...]:
        """The rules a mention of this intent may meet, in order."""
        asked = ((line, line.tests(intent)) for line in self.lines)
        return tuple((line, tests) for line, tests in asked if tests is not None)

    def dismissed(self, mention: Mention, suppose: Supposition | None) -> tuple[str, str]:
        """Why the text needs no reading, if so: (reason, sentence)."""
        ignored = suppose.get("not") if suppose else None
        if mention.deleted:
            return "deleted", "The author or the platform deleted this post."
        who = mention.attributed_to
        if who and self.ours and ignored != "own-account":
            platform = mention.platform.lower()
            if (platform, bare_handle(who.handle)) in self.ours or (platform, f"id:{who.native_id}") in self.ours:
                return "own-account", f"{who.handle or who.native_id} is one of our own accounts."
        if mention.flags:
            if "own" in mention.flags and ignored != "own-account":
                return "own-account", "This came from one of our own addresses."
            for kind, sentence in _MACHINES.items():
                if kind in mention.flags and ignored != kind:
                    return kind, sentence
        if mention.repost_of and ignored != "repost":
            return "repost", "This repeats another post, which is judged itself."
        return "", ""

    def _learn(self, reading: Reading, heard: Heard) -> Callable[[float], list[tuple[str, float]]] | None:
        learned = self.judgement.learned
        return None if learned is None else partial(learned.shares, reading, heard)

    def lesson(self, stored: Stored, scorer: Scorer, detect: Detector, ticket: bool) -> Lesson:
        """A corrected mention as domain/learning.py takes it: the default's log-odds, whatever was learned before."""
        facts = self.facts(stored, stored.mention, scorer, detect)
        found = tuple(parts(Reading(stored.mention.text), facts.intent))
        return Lesson(f"{stored.mention.platform}|{stored.mention.native_id}", found, facts.need.odds, ticket)

    def facts(self, stored: Stored, mention: Mention, scorer: Scorer, detect: Detector) -> Facts:
        text, rating = mention.text, mention.rating
        reading = read(text)
        code, _ = language(text, mention.language, detect)
        heard = self.listener.listen(reading)
        found = feelings.feeling(scorer, text, code, rating)
        stars = 1 + 4 * rating.share if rating else None
        return Facts(
            mention.platform,
            stored.topics,
            code,
            heard,
            found,
            frozenset(self.finder.find(reading)) if self.finder else frozenset(),
            stars,
            mention.attributed_to.followers if mention.attributed_to else None,
            weigh(mention, reading, heard.cues, heard.spoken, mood(found, stars), self._learn(reading, heard)),
            stored.standing,
            stored.age,
        )


def supposed_mention(mention: Mention, suppose: Supposition) -> Mention:
    """The mention with a word or phrase taken out of its text, or put at its end."""
    if word := suppose.get("without_word"):
        pattern = absent(str(word))
        return replace(mention, name=pattern.sub(" ", mention.name), content=pattern.sub(" ", mention.content))
    if word := suppose.get("with_word"):
        return replace(mention, content=f"{mention.content} {word}")
    if "stars" in suppose:
        return replace(mention, rating=Rating(float(suppose["stars"])))
    return mention


def absent(word: str) -> re.Pattern[str]:
    """What to take out of a text so that a word or phrase is no longer found in it."""
    parts = re.findall(r"[\w']+", word)
    if not parts:
        return re.compile(re.escape(word))
    phrase = r"\W+".join(re.escape(part).replace("'", r"\W?") for part in parts)
    return re.compile(rf"(?<!\w)[@#]?{phrase}(?!\w)", re.IGNORECASE)


def supposed_facts(facts: Facts, suppose: Supposition) -> Facts:
    """The facts with one of them changed. A supposed compound brings the label it would have."""
    if "compound" in suppose:
        compound = float(suppose["compound"])
        fixed = facts.sentiment.reason.startswith("rating")
        label = facts.sentiment.label if fixed else feelings.label(compound)
        return replace(facts, sentiment=replace(facts.sentiment, compound=compound, label=label))
    if "sentiment" in suppose:
        return replace(facts, sentiment=replace(facts.sentiment, label=suppose["sentiment"]))
    if "intent" in suppose:
        return replace(facts, intent=Heard(suppose["intent"], 1.0))
    if "topic" in suppose:
        return replace(facts, topics=(*facts.topics, suppose["topic"]))
    if "without_topics" in suppose:
        return replace(facts, topics=tuple(topic for topic in facts.topics if topic not in suppose["without_topics"]))
    if "need" in suppose or "urgency" in suppose:
        supposed = {
            "value": suppose.get("need", facts.need.value),
            "urgency": suppose.get("urgency", facts.need.urgency),
        }
        return replace(facts, need=replace(facts.need, **supposed))
    if "confidence" in suppose:
        return replace(facts, intent=replace(facts.intent, confidence=suppose["confidence"]))
    if "standing" in suppose:
        return replace(facts, standing=Standing(**suppose["standing"]))
    plain = {name: suppose[name] for name in ("language", "platform", "followers", "age") if name in suppose}
    return replace(facts, **plain) if plain else facts


@dataclass(slots=True)
class _Memo:
    """The benches of the judgements in use; a judgement is compiled once, however many mentions it judges."""

    benches: dict[int, Bench]


_MEMO = _Memo({})


def _bench(judgement: Judgement) -> Bench:
    found = _MEMO.benches.get(id(judgement))
    if found is None or found.judgement is not judgement:
        if len(_MEMO.benches) >= 8:
            _MEMO.benches.clear()
        found = _MEMO.benches[id(judgement)] = Bench(judgement)
    return found


def bench(judgement: Judgement) -> Bench:
    """The compiled judgement."""
    return _bench(judgement)


def _unheard(stored: Stored, mention: Mention, scorer: Scorer) -> Facts:
    """The facts of a mention whose text nobody read."""
    unread = Sentiment("unscored", None, scorer.name, scorer.version, scorer.lexicon_hash, (), "not-read")
    who = mention.attributed_to
    return Facts(
        mention.platform, stored.topics, "und", NOTHING_HEARD, unread, frozenset(), None, who.followers if who else None
    )


def _verdict(
    stored: Stored,
    bench: Bench,
    facts: Facts,
    outcome: Outcome,
    reason: str,
    reasons: tuple[str, ...],
    rule: Rule | None,
) -> Verdict:
    then, found, heard = rule.then if rule else None, facts.sentiment, facts.intent
    priority: Priority = then.priority if then else "low"
    need, tokens = facts.need, list(heard.words)
    if facts.words:
        tokens += [word for word in sorted(facts.words) if word not in heard.words]
    receipt = {
        "rule": rule.name if rule else None,
        "tokens": tokens,
        "topics": list(stored.topics),
        "language": facts.language,
        "sentiment": feelings.written(found),
        "intent": {"name": heard.name, "confidence": heard.confidence, "words": list(heard.words)},
        "need": {
            "value": need.value,
            "urgency": need.urgency,
            "shares": [[name, share] for name, share in need.shares],
        },
        "facts": _told(facts),
        "thresholds": THRESHOLDS,
        "versions": bench.versions,
    }
    team, routed = _team(stored, bench, outcome, then)
    if routed is not None:
        receipt["team"] = {
            "by": "examples",
            "name": routed.team,
            "confidence": routed.confidence,
            "words": list(routed.words),
        }
    tags, first, resolve = (then.tags, then.first, then.resolve) if then else ((), None, None)
    return Verdict(
        outcome, reason, heard.name, priority, team, facts.language, found, reasons, receipt, tags, first, resolve
    )


def _team(stored: Stored, bench: Bench, outcome: Outcome, then: Then | None) -> tuple[str, Routed | None]:
    """The rule's team; else the examples' where they are sure enough; else the default."""
    default = bench.judgement.default_team
    if then is not None and then.team:
        return then.team, None
    if outcome == "ignore" or not bench.router:
        return default, None
    routed = bench.router.route(stored.mention.text)
    sure = routed is not None and routed.confidence >= bench.judgement.team_confidence
    return (routed.team if routed is not None and sure else default), routed


def _told(facts: Facts) -> dict[str, Any]:
    """The plain facts of a receipt; age and standing where they are known."""
    told: dict[str, Any] = {"platform": facts.platform, "stars": facts.stars, "followers": facts.followers}
    if facts.age is not None:
        told["age"] = facts.age
    if facts.standing is not None:
        told["standing"] = asdict(facts.standing)
    return told


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."
