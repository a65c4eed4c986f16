"""Sentiment as shipped: scored in the languages it reads, unscored elsewhere, spelled out in shares, whatever the text."""

import json
import random
from functools import cache
from typing import Any

import pytest

from config.bench import Bench, bench, model, scorer_names
from config.complaints import Complaints
from config.load import load, load_document
from domain.learned import behind
from domain.model import BrokenModelError, Model, packed
from domain.nouns import Rating, Sentiment
from domain.pieces import pieces
from domain.prose import Splitter, ironic, own_words, spelled
from domain.second import HINTS, MANNERS, manner, reading
from domain.sentiment import written


@cache
def shipped() -> Bench:
    return bench(load("config"))


@cache
def plain_vader() -> Bench:
    return bench(
        load_document(
            {"settings": {"scorer": "vader", "language": "en"}, "lexicon": {"outage": -2, "charged twice": -2.5}}
        )
    )


def feel(text: str, hint: str | None = None, rating: Rating | None = None) -> Sentiment:
    return shipped().feel(text, hint, rating)[1]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("still waiting for my refund, 3 weeks now, this is a joke", "negative"),
        ("your app charged me twice and nobody answers!!", "negative"),
        ("worst bank ever, closing my account", "negative"),
        ("Thank you so much, sorted within minutes, great service!", "positive"),
        ("I love this app 😍", "positive"),
        ("The branch opens at nine tomorrow", "neutral"),
        ("Ich bin so enttäuscht, das ist wirklich eine Frechheit", "negative"),
        ("Vielen Dank, das ist wirklich super und hat toll geklappt!", "positive"),
        ("Pésimo servicio, qué vergüenza, nunca más", "negative"),
        ("Muchas gracias, excelente atención, estoy muy feliz", "positive"),
        ("C'est vraiment nul, j'ai honte pour vous, service lamentable", "negative"),
        ("Merci beaucoup, c'est génial, j'adore !", "positive"),
        ("Che schifo, servizio pessimo, vergognatevi", "negative"),
        ("Péssimo atendimento, que vergonha, odeio esse banco", "negative"),
    ],
)
def test_out_of_the_box(text: str, label: str) -> None:
    found = feel(text)
    assert found.label == label, found
    assert found.scorer == "earmark"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Ik wacht al drie weken op mijn nieuwe pas en niemand neemt de telefoon op, belachelijk", "nl"),
        ("Aplikacja nie działa od rana, czekam na zwrot pieniędzy już trzy tygodnie", "pl"),
        ("カードが届きません、どうなっていますか。もう三週間も待っています", "ja"),
        ("Приложение не работает с утра, жду возврата денег уже три недели", "ru"),
        ("카드가 아직 도착하지 않았습니다. 정말 화가 납니다", "ko"),
    ],
)
def test_what_nobody_here_reads_is_unscored(text: str, language: str) -> None:
    code, found = shipped().feel(text)
    assert (code, found.label, found.compound, found.reason) == (language, "unscored", None, f"language-{language}")


@pytest.mark.parametrize(
    "text", ["", "   ", "12345", "https://example.com/a?b=c", "@somebody @else", "...", "\u200d\u200b", "\x00"]
)
def test_nothing_to_score_is_unscored(text: str) -> None:
    found = feel(text)
    assert (found.label, found.compound, found.reason) == ("unscored", None, "no-scorable-words")


def test_emoji_speak_by_themselves() -> None:
    assert feel("😍😍😍").label == "positive"
    assert feel("😡").label == "negative"


def test_shares_add_up_to_what_was_decided() -> None:
    dice, again, first = random.Random(4), model().second["en"], model().bias
    said = "the app is great but not working again 😡 worst thanks refund #FailBank never so good http://x.y @you 3"
    for _ in range(200):
        text = " ".join(dice.choices(said.split(), k=dice.randint(1, 25)))
        found = feel(text)
        if found.probabilities is None or found.reason or min(found.probabilities) < 0.01:
            continue
        negative, _, positive = found.probabilities
        from math import log

        decided = log(positive / negative)
        bias = first[1] - first[0]
        if shipped().feel(text)[0] == "en":  # there is a second look at it
            bias = again.turn[0] * first[0] + again.turn[1] * first[1] + again.bias[2]
        assert sum(share for _, share in found.words) + bias == pytest.approx(decided, abs=0.05), text
        assert len(found.words) <= 9
        assert found.compound == pytest.approx(positive - negative, abs=2e-4)
        assert sum(found.probabilities) == pytest.approx(1, abs=2e-4)


def test_the_receipt_keeps_what_was_seen_and_stays_small() -> None:
    body = written(feel("Still waiting for my refund, the worst outage ever"))
    assert body["raw"] < -0.3
    assert len(body["probabilities"]) == 3
    assert (body["scorer"], body["version"]) == ("earmark", model().version)
    assert {"still waiting", "outage"} & {word for word, _ in body["words"]}
    assert len(body["lexicon"]) == 16
    assert len(json.dumps(body)) < 700


def test_the_hash_changes_with_a_word_and_with_the_scorer() -> None:
    hashes = {
        bench(load_document({"settings": {"scorer": name}, "lexicon": lexicon})).scorer.lexicon_hash
        for name in ("vader", "earmark")
        for lexicon in ({}, {"outage": -2}, {"outage": -1})
    }
    assert len(hashes) == 6


def test_a_lexicon_of_ones_own_counts_in_its_language_only() -> None:
    own = bench(
        load_document({"settings": {"scorer": "earmark"}, "lexicon": {"de:gurke": -4, "glorp": 4, "full glorp": -4}})
    )
    bare = bench(load_document({"settings": {"scorer": "earmark"}}))

    def compound(judge: Bench, text: str, language: str) -> float:
        found = judge.scorer.score(text, language).compound
        assert found is not None
        return found

    assert compound(own, "the product is gurke", "de") < compound(bare, "the product is gurke", "de") - 0.05
    assert compound(own, "the product is gurke", "en") == compound(bare, "the product is gurke", "en")
    assert compound(own, "the product is glorp", "fr") > compound(bare, "the product is glorp", "fr") + 0.05
    assert compound(own, "the product is Full  Glorp", "en") < compound(bare, "the product is Full  Glorp", "en") - 0.05


def test_a_rating_outweighs_the_text() -> None:
    found = feel("great, just great", rating=Rating(1))
    assert (found.label, found.reason) == ("negative", "rating 1 of 5")
    assert found.compound is not None


def test_vader_stays_available() -> None:
    found = plain_vader().feel("I was Charged  twice in the outage")[1]
    assert (found.scorer, found.label, found.version) == ("vader", "negative", "3.3.2")
    assert dict(found.words) == {"charged twice": -2.5, "outage": -2.0}
    assert plain_vader().feel("the train leaves at nine")[1].label == "unscored"
    assert scorer_names()[:2] == ("earmark", "vader")
    with pytest.raises(Complaints, match="no scorer is named"):
        bench(load_document({"settings": {"scorer": "vadder"}}))


def test_irony_lowers_confidence_and_keeps_the_label() -> None:
    plain, ironic_ = feel("great, another outage, well done"), feel("great, another outage, well done /s")
    assert ironic_.reason == "ironic: /s"
    assert plain.probabilities
    assert ironic_.probabilities
    assert max(ironic_.probabilities) < max(plain.probabilities)
    assert ironic("thanks for nothing")
    assert ironic("the great hall") == ""


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("It broke again.\n\nOn Mon, 3 Aug 2026 at 10:00, Ann wrote:\n> I love it\n> really", "It broke again."),
        ("It broke\n> great service\nagain", "It broke\n\nagain"),
        ("It broke.\n-- \nHappy Joe\nLove and Peace Ltd", "It broke."),
        ("Das geht nicht.\nAm 3.8.2026 schrieb Anna:\n> toll", "Das geht nicht."),
        ("It broke. Sent from my iPhone", "It broke."),
        ("> all of it is a quote", "> all of it is a quote"),
    ],
)
def test_quotes_and_signatures_are_left_out(text: str, kept: str) -> None:
    assert own_words(text).strip() == kept


def test_hashtags_and_stretched_words_are_spelled_out() -> None:
    split = Splitter(["the", "worst", "service", "ever", "bank", "good"])
    assert split("worstserviceever") == ["worst", "service", "ever"]
    assert split("WorstBankEver") == ["Worst", "Bank", "Ever"]
    assert split("worst_bank") == ["worst", "bank"]
    assert split("xyzzyplugh") == ["xyzzyplugh"]
    assert spelled("soooo goooood #worstbank", {"so", "good"}, split) == "so good worst bank"
    assert pieces("#worstbank is BAD!!!!!", split) == ["#", "worst", "bank", "is", "bad", "<C>", "!!!"]
    assert feel("this is #terrible #worstserviceever").label == "negative"


HOSTILE = [
    *(
        "\x00" * 1000,
        "\ud800\udfff lone \udc00 bad",
        "\u202e\u202dterrible\u202c" * 500,
        "👨‍👩‍👧‍👦" * 5000,
        "a" * 100_000,
        "#" * 50_000,
    ),
    *(
        "#" + "ab" * 40_000,
        "bad " * 25_000,
        "@" * 100_000,
        "!" * 100_000,
        "ا" * 100_000,
        "so" + "o" * 100_000,
        "<b>" * 30_000,
    ),
    *(
        ":-" * 50_000,
        "1.1" * 33_000,
        "> \n" * 30_000,
        "-- \n" * 30_000,
        "On " * 33_000,
        "e\u0301" * 50_000,
        "terrible 最悪 ужасно pésimo",
    ),
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_scored_in_bounded_time(text: str) -> None:
    from time import process_time

    start = process_time()
    found = feel(text)
    json.dumps(written(found))
    assert process_time() - start < 2
    assert found.label in ("negative", "neutral", "positive", "unscored")


def test_the_same_answers_in_any_order() -> None:
    texts = ["great service", "worst ever 😡", "Ich warte seit Wochen, unverschämt", "gracias!", "#FailBank"] * 2
    dice = random.Random(9)
    once = {text: feel(text) for text in texts}
    dice.shuffle(texts)
    other = bench(load("config"))
    assert all(other.feel(text)[1] == once[text] for text in texts)


def test_a_damaged_model_is_refused() -> None:
    data = packed(
        {"version": "1", "languages": [], "scale": 1.0, "rarest": 1.0, "bias": [0, 0], "dense": {}, "about": {}},
        bytes(4),
        bytes(4),
        bytes(4),
        ["a"],
    )
    assert Model(data).version == "1"
    dice = random.Random(2)
    for _ in range(300):
        broken = bytearray(data)
        broken[dice.randrange(len(broken))] ^= 1 << dice.randrange(8)
        with pytest.raises(BrokenModelError):
            Model(bytes(broken))
    for cut in range(0, len(data), 7):
        with pytest.raises(BrokenModelError):
            Model(data[:cut])


def test_a_second_look_of_another_release_is_refused() -> None:
    header = {"version": "1", "languages": [], "scale": 1.0, "rarest": 1.0, "bias": [0, 0], "dense": {}, "about": {}}
    whole: dict[str, Any] = {
        "mix": [[1, 0], [0, 1], [-1, 1]],
        "bias": [0, 0, 0],
        "hints": {name: [0] * 3 for name in HINTS},
        "manners": {name: [0] * 9 for name in MANNERS},
    }

    def opened(again: dict[str, Any]) -> Model:
        return Model(packed({**header, "second": {"en": again}}, bytes(4), bytes(4), bytes(4), ["a"]))

    assert opened(whole).second["en"].turn == (-1, 1)
    fewer = {name: weights for name, weights in whole["hints"].items() if name != "last"}
    for other in ({"mix": [[1, 0], [0, 1]]}, {"bias": [0, 0]}, {"hints": fewer}, {"manners": {}}):
        with pytest.raises(BrokenModelError, match="another release"):
            opened({**whole, **other})


def test_what_vader_makes_of_a_text_is_read_in_its_order() -> None:
    found = reading(-0.4, [("good", 2.0), ("awful", -3.0), ("ok", 1.0)], 12)
    assert (found["first"], found["last"], found["last says"]) == (1.0, 1.0, 0.25)
    assert (found["strongest"], found["strongest says"]) == (-0.75, -1.0)
    assert (found["ups"], found["downs"], found["hits"], found["sign"]) == (0.5, 0.25, 0.6, -1.0)
    assert (found["up"], found["down"], found["dense"]) == (0.5, 0.5, 0.5)
    assert reading(0.0, [], 12) == {}


@pytest.mark.parametrize(
    ("side", "words"),
    [
        ("up", {"good": 2.0, "ok": 1.0}),
        ("down", {"awful": 3.0}),
        ("first", {"good": 2.0}),
        ("last", {"ok": 1.0}),
        ("strongest", {"awful": 3.0}),
        ("all", {"good": 2.0, "awful": 3.0, "ok": 1.0}),
    ],
)
def test_a_share_goes_to_the_words_it_is_about(side: str, words: dict[str, float]) -> None:
    assert dict(behind(side, [("good", 2.0), ("awful", -3.0), ("nothing", 0.0), ("ok", 1.0)])) == words


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("My phone fell into the bath", 0),
        ("we saw Ant-Man with Paul at the Rialto", 3),
        ("@shop Thanks. Great people! #fail Again http://x.y Nice", 0),
        ("NEVER AGAIN", 0),
        ("today I'm at the Rialto: Good film", 1),
    ],
)
def test_names_are_told_from_what_begins_a_sentence(text: str, names: int) -> None:
    found = manner(text, shipped().scorer.pieces(text))  # type: ignore[attr-defined]
    assert found.get("(names)", 0) == names / 4
    assert ("(a name)" in found) == (names > 0)


def test_the_shipped_model_is_small_and_says_where_it_comes_from() -> None:
    from importlib.resources import files

    assert len((files("config") / "shipped" / "sentiment.model").read_bytes()) <= 5_000_000
    assert set(model().about["files"]) == {"umsab_train.csv", "semeval.csv", "vader_tweets.csv"}
    assert model().languages == {"ar", "de", "en", "es", "fr", "hi", "it", "pt"}
