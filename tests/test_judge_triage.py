"""Triage out of the box: what must become a ticket does, what must not does not, and every verdict can be explained."""

import json
import random
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any

import pytest

from domain.care import DEFAULT_RULES
from domain.explain import explain
from domain.language import detector
from domain.nouns import Author, Mention, Rating, Standing, Stored, Verdict
from domain.rules import Account, Intent, Judgement, Rule, Then, When
from domain.sentiment import VaderScorer, vader_scorer
from domain.triage import judge, judge_many, supposed_mention

ENGLISH = detector(None, "en")
DEFAULT = Judgement(default_team="care", version="r1")


@cache
def scorer() -> VaderScorer:
    folder = resources.files("vaderSentiment")
    lexicon = (folder / "vader_lexicon.txt").read_text("utf-8")
    return vader_scorer(lexicon, (folder / "emoji_utf8_lexicon.txt").read_text("utf-8"), {})


def stored(text: str, **fields: Any) -> Stored:
    return Stored(1, 1, Mention("x", "1", datetime(2026, 8, 1, tzinfo=UTC), content=text, **fields), ("northbank",))


def verdict(text: str, judgement: Judgement = DEFAULT, **fields: Any) -> Verdict:
    return judge(stored(text, **fields), judgement, scorer(), ENGLISH)


@pytest.mark.parametrize(
    ("text", "outcomes"),
    [
        ("still waiting for my refund, 3 weeks now", "ticket"),
        ("lol great, another outage", "review ticket"),
        ("killer feature, sick update!", "ignore"),
        ("You charged me twice!!", "ticket"),
        ("on hold for 40 minutes", "ticket"),
        ("app is down", "ticket"),
        ("Can’t log in since this morning", "ticket"),
        ("my card declined at the till", "ticket"),
        ("I'm cancelling my account", "ticket"),
        ("Thank you, great service, love this bank!", "ignore"),
        ("Click here for a crypto giveaway", "ignore"),
        ("How do I order a new card?", "review"),
        ("Nice weather in town", "ignore"),
        ("https://example.com/?q=1", "ignore"),
        ("Die App funktioniert nicht", "ticket"),
        ("la aplicación no funciona", "ticket"),
        ("l'appli ne marche pas", "ticket"),
        ("", "ignore"),
        ("🙂", "ignore"),
    ],
)
def test_out_of_the_box(text: str, outcomes: str) -> None:
    assert verdict(text).outcome in outcomes.split(), verdict(text)


@pytest.mark.parametrize(
    "text", ["I will call my lawyer", "this is a scam", "there was a data breach", "fraud on my card"]
)
def test_risk_is_urgent(text: str) -> None:
    found = verdict(text)
    assert (found.outcome, found.priority, found.intent, found.reason) == ("ticket", "urgent", "risk", "rule:risk")
    assert any("“" in sentence for sentence in found.reasons)


def test_what_is_dismissed_before_the_rules() -> None:
    angry = "This is a scam, I hate it"
    ours = replace(DEFAULT, own_accounts=(Account("x", handle="@NorthBank"), Account("reddit", native_id="t2_1")))
    own = verdict(angry, ours, attributed_to=Author("9", handle="northbank"))
    assert (own.outcome, own.reason) == ("ignore", "own-account")
    assert verdict(angry, ours, attributed_to=Author("9", handle="someone")).outcome == "ticket"
    by_id = replace(stored(angry).mention, platform="reddit", attributed_to=Author("t2_1", handle="renamed"))
    assert judge(Stored(1, 1, by_id), ours, scorer(), ENGLISH).reason == "own-account"
    assert verdict(angry, repost_of="7").reason == "repost"
    gone = verdict("", kind="Tombstone", repost_of="7", attributed_to=Author("9", handle="northbank"))
    assert (gone.outcome, gone.reason) == ("ignore", "deleted")


def test_a_rating_outweighs_the_text() -> None:
    bad = verdict("great, just great", rating=Rating(1))
    assert (bad.outcome, bad.priority, bad.sentiment.label) == ("ticket", "high", "negative")
    assert bad.sentiment.compound is not None
    assert bad.sentiment.compound > 0
    assert bad.sentiment.reason == "rating 1 of 5"
    assert verdict("terrible, awful", rating=Rating(5)).sentiment.label == "positive"
    assert verdict("it is terrible", rating=Rating(3)).sentiment.label == "negative"
    assert verdict("qwertz", rating=Rating(10, best=10)).sentiment.label == "positive"


def test_what_cannot_be_scored_is_not_neutral() -> None:
    assert verdict("the train leaves at nine").sentiment.label == "unscored"
    german = judge(stored("Das ist schlecht, bad"), DEFAULT, scorer(), detector(None, "de"))
    assert (german.sentiment.label, german.sentiment.reason) == ("unscored", "language-de")
    assert german.sentiment.compound is None


def test_first_rule_wins_and_conditions_all_hold() -> None:
    rules = (
        Rule("vip", When(followers_at_least=500, sentiment=("negative",)), Then("ticket", "high", "vip")),
        Rule("word", When(words=("#fail", "branch closed"), topic=("northbank",), platform=("x",)), Then("review")),
        Rule("rest", When(language=("en",), compound_at_least=0.5), Then("ticket", "low")),
    )
    own = replace(DEFAULT, rules=rules)
    vip = verdict("awful", own, attributed_to=Author("1", followers=500))
    assert (vip.reason, vip.team) == ("rule:vip", "vip")
    assert verdict("awful", own, attributed_to=Author("1", followers=499)).reason == "nothing-to-do"
    assert verdict("our Branch closed #fail", own).reason == "rule:word"
    assert verdict("excellent", own).reason == "rule:rest"
    assert verdict("excellent", own).team == "care"


def test_intents_of_ones_own() -> None:
    own = Judgement(
        intents=(Intent("bikes", ("bike lane",)),), rules=(Rule("b", When(intent=("bikes",)), Then("ticket")),)
    )
    found = verdict("a new Bike-Lane", own)
    assert (found.outcome, found.intent) == ("ticket", "bikes")
    assert verdict("a scam", own).outcome == "ignore"


def test_receipts_are_json_and_say_what_was_seen() -> None:
    found = verdict("app is down, awful")
    receipt = json.loads(json.dumps(found.receipt))
    assert receipt["rule"] == "trouble"
    assert "app is down" in receipt["tokens"]
    assert receipt["sentiment"]["words"] == [["awful", -2.0]]
    assert receipt["sentiment"]["version"] == "3.3.2"
    assert len(receipt["sentiment"]["lexicon"]) == 16
    assert receipt["versions"] == {"rules": "r1", "judge": "2"}
    assert receipt["thresholds"]["negative"] == -0.05


def test_an_overlay_scores_words_and_phrases() -> None:
    folder = resources.files("vaderSentiment")
    own = vader_scorer(
        (folder / "vader_lexicon.txt").read_text("utf-8"),
        (folder / "emoji_utf8_lexicon.txt").read_text("utf-8"),
        {"charged twice": -2.5, "outage": -2},
    )
    found = own.score("I was Charged  twice in the outage")
    assert dict(found.words) == {"charged twice": -2.5, "outage": -2.0}
    assert found.label == "negative"
    assert own.lexicon_hash != scorer().lexicon_hash
    assert scorer().score("an outage").label == "unscored"


PARTS = (
    *(
        "app is down",
        "still waiting",
        "refund",
        "thanks",
        "love it",
        "awful",
        "great",
        "terrible",
        "not",
        "lawyer",
        "bank",
    ),
    *(
        "how do I",
        "?",
        "cancel my account",
        "outage",
        "the",
        "branch",
        "good",
        "!!",
        "why",
        "meh",
        "click here",
        "but",
        "nice",
    ),
)
RULES = (
    Rule("vip", When(followers_at_least=1000, sentiment=("negative", "unscored")), Then("ticket", "high")),
    Rule("words", When(words=("branch", "outage"), compound_at_most=0.2), Then("review")),
    Rule("joy", When(compound_at_least=0.6), Then("review")),
    Rule("third", When(tickets_at_least=2, need_at_least=0.2), Then("ticket", "high")),
    Rule("stale", When(age_at_least=72, customer=("unknown",)), Then("ignore")),
    Rule("gold", When(tier=("gold",), urgency_at_least=0.2), Then("ticket")),
    *DEFAULT_RULES,
)


@pytest.mark.timeout(600)  # judges each mention a dozen times; a busy machine takes its time
@pytest.mark.parametrize("count", [200, pytest.param(1000, marks=pytest.mark.soak)])
def test_the_counterfactual_flips_the_outcome(count: int) -> None:
    dice = random.Random(11)
    without = 0
    for number in range(count):
        text = " ".join(dice.choices(PARTS, k=dice.randint(1, 6)))
        given = stored(
            text,
            rating=Rating(dice.randint(1, 5)) if dice.random() < 0.2 else None,
            repost_of="5" if dice.random() < 0.05 else None,
            attributed_to=Author("1", handle="joe", followers=dice.choice((None, 10, 5000))),
        )
        if number % 4 == 1:
            standing = Standing(True, dice.random() < 0.3, dice.choice(("", "gold")), 0, dice.randint(0, 3))
            given = replace(given, standing=standing, age=dice.choice((1.0, 100.0)))
        judgement = replace(DEFAULT, rules=RULES if number % 2 else ())
        before = judge(given, judgement, scorer(), ENGLISH)
        found = explain(given, judgement, scorer(), ENGLISH, before)
        if found["change"] is None:
            without += 1
            continue
        after = judge(given, judgement, scorer(), ENGLISH, found["change"])
        assert after.outcome == found["outcome"] != before.outcome, (text, found)
        if {"without_word", "with_word", "stars"} & set(found["change"]):
            changed = replace(given, mention=supposed_mention(given.mention, found["change"]))
            assert judge(changed, judgement, scorer(), ENGLISH).outcome == found["outcome"]
        assert json.dumps(found)
    print(f"no single change for {without} of {count}")
    assert without < count / 10


def test_counterfactuals_in_words() -> None:
    given = stored("lol great, another outage")
    found = explain(given, DEFAULT, scorer(), ENGLISH)
    assert found == {
        "text": "If “outage” were absent, nothing would be done.",
        "change": {"without_word": "outage"},
        "outcome": "ignore",
    }
    gone = explain(stored("", kind="Tombstone"), DEFAULT, scorer(), ENGLISH)
    assert gone["change"] is None


def test_hostile_text_is_judged_in_bounded_time() -> None:
    for text in ("can i " * 15_000, "a" * 65_000, "\u202e\u200d\ufeff" * 5000, "? " * 30_000, "🙂" * 16_000):
        assert verdict(text).outcome in ("ticket", "review", "ignore")


def test_many_at_once_are_the_same_as_one_by_one() -> None:
    texts = [stored(text) for text in ("app is down", "love it", "meh")]
    assert judge_many(texts, DEFAULT, scorer(), ENGLISH) == [judge(text, DEFAULT, scorer(), ENGLISH) for text in texts]
