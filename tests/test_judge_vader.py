"""Our VADER and the stock package give the same four numbers, to the last bit, on whatever text."""

from functools import cache
from importlib import resources

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from vaderSentiment import vaderSentiment as stock

from domain.rounding import rounded
from domain.vader import Vader, read_emoji, read_lexicon
from domain.vader_words import BOOST, IDIOMS, NEGATE


@cache
def analyzers() -> tuple[Vader, stock.SentimentIntensityAnalyzer]:
    folder = resources.files("vaderSentiment")
    lexicon = read_lexicon((folder / "vader_lexicon.txt").read_text("utf-8"))
    emoji = read_emoji((folder / "emoji_utf8_lexicon.txt").read_text("utf-8"))
    return Vader(lexicon, emoji), stock.SentimentIntensityAnalyzer()


def same(text: str) -> None:
    ours, theirs = analyzers()
    got, expected = ours.polarity(text), theirs.polarity_scores(text)
    assert got._asdict() == expected, text
    assert ours.compound(text)[0] == expected["compound"]


LEXICON = sorted(analyzers()[1].lexicon)
EMOJI = sorted(analyzers()[1].emojis)
CONTEXT = sorted(
    {
        "no",
        "or",
        "nor",
        "never",
        "so",
        "this",
        "without",
        "doubt",
        "least",
        "at",
        "very",
        "kind",
        "of",
        "but",
        "sort",
        "just",
    }
    | {
        "enough",
        "not",
        "n't",
        "isn't",
        "really",
        "barely",
        "NOT",
        "But",
        "the",
        "it",
        "x",
        "good",
        "bad",
        "great",
        "BAD",
    }
)
PHRASES = [" ".join(words) for words in IDIOMS] + [
    "bad ass",
    "kind of",
    "sort of",
    "just enough",
    "at least",
    "very least",
]
WORD = st.one_of(
    st.sampled_from(CONTEXT),
    st.sampled_from(CONTEXT),
    st.sampled_from(LEXICON),
    st.sampled_from(sorted(BOOST)),
    st.sampled_from(sorted(NEGATE)),
    st.sampled_from(PHRASES),
    st.sampled_from(EMOJI),
    st.text(max_size=4),
)
SHAPE = st.sampled_from(
    [str, str, str, str.upper, str.title, lambda word: word + "!", lambda word: f"({word})?", lambda word: word + ","]
)
SHAPED = st.tuples(WORD, SHAPE).map(lambda pair: pair[1](pair[0]))
SPACE = st.sampled_from([" ", " ", " ", "", "\n", "  ", "\u00a0", "!!! ", " ? "])
TEXT = st.lists(st.tuples(SHAPED, SPACE), max_size=14).map(lambda parts: "".join(a + b for a, b in parts))


@settings(max_examples=1500, deadline=None)
@given(TEXT)
@example("")
@example("   ")
@example("Not such a badass after all. This is the bomb but yeah right!!!! ???? ??")
@example("good good bad but good bad good GREAT great but good")
@example("no no no or no good nor bad")
@example("\u0130stanbul is GOOD \ud83d 😀👍🏽😀 x😀y")
def test_bit_identical_to_the_stock_package(text: str) -> None:
    same(text)


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_bit_identical_on_any_text(text: str) -> None:
    same(text)


@settings(max_examples=2000, deadline=None)
@given(st.one_of(st.floats(-1, 1), st.integers(-20_000, 20_000).map(lambda half: half / 20_000)))
@example(-0.0)
@example(-1e-9)
@example(0.0005)
@example(0.00005)
@example(0.99995)
def test_rounding_is_that_of_python(value: float) -> None:
    assert repr(rounded(value, 1000.0, 3)) == repr(round(value, 3))
    assert repr(rounded(value, 10000.0, 4)) == repr(round(value, 4))


def test_word_lists_are_those_of_the_stock_package() -> None:
    assert set(stock.NEGATE) == NEGATE
    assert {word: value for word, value in stock.BOOSTER_DICT.items() if " " not in word} == BOOST
    assert {words: value for words, value in stock.SPECIAL_CASES.items() if " " in words} == {
        " ".join(words): value for words, value in IDIOMS.items()
    }


@pytest.mark.parametrize("scale", [1, 50])
def test_long_texts(scale: int) -> None:
    same("The plot was good, but the characters are NOT great :( and I was, without a doubt, never so bored! " * scale)


def test_words_add_up_to_the_compound_before_it_is_squeezed() -> None:
    ours, _ = analyzers()
    compound, words = ours.compound("great service but terrible app")
    assert [word for word, _ in words] == ["great", "terrible"]
    total = sum(share for _, share in words)
    assert compound == pytest.approx(total / (total * total + 15) ** 0.5, abs=1e-4)
