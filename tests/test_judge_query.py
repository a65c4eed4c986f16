"""Topics match at word borders, whatever the case, and never what an operator excluded."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.nouns import Mention
from domain.query import matching
from domain.rules import Topic
from domain.words import Reading

MENTION = Mention("reddit", "t3_1", datetime(2026, 8, 1, tzinfo=UTC))


def found(text: str, *terms: str) -> bool:
    return matching([Topic("t", any=terms)], replace(MENTION, content=text)) == ("t",)


@pytest.mark.parametrize(
    ("text", "term", "expected"),
    [
        ("I use Tor daily", "tor", True),
        ("I use Elementor daily", "Tor", False),
        ("TOR!", "tor", True),
        ("Acme's app", "acme", True),
        ("l'app d'Acme", "acme", True),
        ("ask @acme", "acme", True),
        ("ask @acme", "@acme", True),
        ("ask acme", "@acme", False),
        ("mail me at joe@acme", "@acme", False),
        ("ask @acmehelp", "@acme", False),
        ("so #AcmeDown today", "#acmedown", True),
        ("so AcmeDown today", "#acmedown", False),
        ("Northwind\n  Bank closed", "northwind bank", True),
        ("North wind Bank", "northwind bank", False),
        ("see acme.com/help", "acme.com", True),
        ("see acme, com", "acme.com", False),
        ("AT&T is down", "at&t", True),
        ("at t is down", "AT&T", False),
        ("I code C++ here", "c++", True),
        ("I code C here", "c++", False),
        ("STRASSE", "straße", True),
        ("can\u2019t log-in", "can't log in", True),
        ("cant log in", "can't log in", True),
        ("我的退款在哪里", "退款", True),
        ("Банк не работает", "банк", True),
        ("Банкомат", "банк", False),
        ("", "acme", False),
    ],
)
def test_a_term_matches_as_a_word(text: str, term: str, expected: bool) -> None:
    assert found(text, term) is expected


def test_any_all_none_and_order() -> None:
    topics = (
        Topic("b", any=("acme", "apex"), none=("acme comics",)),
        Topic("a", all=("acme", "app")),
        Topic("everything"),
    )
    assert matching(topics, replace(MENTION, name="Acme", content="the app")) == ("b", "a", "everything")
    assert matching(topics, replace(MENTION, content="Acme Comics")) == ("everything",)
    assert matching((), MENTION) == ("",)
    assert matching(topics, replace(MENTION, kind="Tombstone")) == ("b", "a", "everything")
    assert matching(topics[:2], MENTION) == ()


WORDS = st.lists(st.sampled_from(["acme", "bank", "app", "Down", "x", "é", "1"]), min_size=1, max_size=6)


@given(WORDS, st.integers(0, 5), st.integers(1, 3))
def test_every_run_of_whole_words_is_found(words: list[str], at: int, size: int) -> None:
    text = " ".join(words)
    phrase = " ".join(words[at % len(words) :][:size])
    assert found(text, phrase.upper())
    assert not found(text, phrase + "zz")


@given(st.text(st.characters(max_codepoint=127)))
def test_the_short_cut_for_ascii_finds_the_same_words(text: str) -> None:
    assert Reading(text).words == re.findall(r"\w+", text.lower())
