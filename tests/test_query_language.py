"""The language of monitoring queries: what it accepts, what it finds, and how it says what is wrong."""

import random
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from config.load import examine_texts
from domain.nouns import Author, Mention
from domain.query import matching
from domain.query_grammar import BadQuery, parse
from domain.query_tree import Both, Either, Near, Node, Not, Term
from domain.rules import Topic

MENTION = Mention("reddit", "t3_1", datetime(2026, 8, 1, tzinfo=UTC))
PAGE = Path(__file__).parent.parent / "docs" / "queries.md"


def found(query: str, text: str = "", **more: Any) -> bool:
    return matching([Topic("t", query=query)], replace(MENTION, content=text, **more)) == ("t",)


def examples() -> list[tuple[str, str, bool]]:
    rows = re.findall(r"^\| `([^|]+)` \| ([^|]+) \| (yes|no) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [(query, text, said == "yes") for query, text, said in rows]


def test_the_page_has_its_examples() -> None:
    assert len(examples()) >= 20


@pytest.mark.parametrize(("query", "text", "expected"), examples())
def test_every_example_of_the_page_is_true(query: str, text: str, expected: bool) -> None:
    assert found(query, text) is expected


@pytest.mark.parametrize(
    ("query", "at", "said", "suggestion"),
    [
        ("", 0, "empty", ""),
        ("acme or apex", 5, "capital|write OR", "OR"),
        ("acme and apex", 5, "write AND", "AND"),
        ("acme || apex", 5, "no operator", "OR"),
        ("acme OR", 5, "needs a term after", ""),
        ("acme AND OR apex", 9, "needs a term before|needs a term after", ""),
        ("OR acme", 0, "needs a term before", ""),
        ("(acme OR apex", 0, "never closed", ""),
        ("acme) OR apex", 4, "closes nothing", ""),
        ("acme ()", 6, "nothing stands", ""),
        ('acme "north bank', 5, "quote", ""),
        ("langg:de", 0, "unknown field", "lang:de"),
        ("colour:red", 0, "unknown field", '"colour:red"'),
        ("lang:german", 0, "takes a value", "lang:de"),
        ("acme NEAR apex", 5, "incomplete", "NEAR/5"),
        ("acme near/3 apex", 5, "write NEAR/3", "NEAR/3"),
        ("acme NEAR/2 (apex down)", 5, "AND has no place", ""),
        ("acme NEAR/2 lang:de", 5, "lang:de has no place", ""),
        ("a1 NEAR/2 b1 NEAR/2 c1", 13, "brackets", ""),
        ("acme NEAR/99999 apex", 5, "wider", ""),
        ("acme NOT", 5, "needs a term after", ""),
        ("a*", 0, "two letters", ""),
        ("acme ???", 5, "holds no word|two letters", ""),
        ("(" * 41 + "acme" + ")" * 41, 40, "deeper", ""),
        ("acme " * 5000, 20_000, "longer", ""),
    ],
)
def test_a_mistake_is_named_where_it_stands(query: str, at: int, said: str, suggestion: str) -> None:
    with pytest.raises(BadQuery) as caught:
        parse(query)
    slip = caught.value.slip
    assert re.search(said, slip.message), slip.message
    assert (slip.at, slip.suggestion) == (at, suggestion)


@pytest.mark.parametrize(
    ("yaml", "line", "column"),
    [
        ("topics:\n  - name: a\n    query: acme or b1\n", 3, 17),
        ("topics:\n  - name: a\n    query: 'it''s or b1'\n", 3, 19),
        ('topics:\n  - name: a\n    query: "\\"x y\\" or b1"\n', 3, 21),
        ("topics:\n  - name: a\n    query: |\n      acme OR\n        apex or b1\n", 5, 14),
        ("topics:\n  - name: a\n    query: >-\n      acme OR\n      (apex\n", 5, 7),
        ("topics:\n  - name: a\n    query: acme OR\n      apex or b1\n", 4, 12),
        ("topics: [{name: a, query: b1 or c1}]\n", 1, 30),
    ],
)
def test_the_complaint_points_into_the_file(yaml: str, line: int, column: int) -> None:
    (complaint,) = [one for one in examine_texts([("t.yaml", yaml)]).complaints if one.severity == "error"]
    assert (complaint.line, complaint.column) == (line, column), complaint


def test_fields() -> None:
    who = Author("42", "u/Ann")
    assert found("author:ann", attributed_to=who)
    assert found("author:@Ann", attributed_to=who)
    assert found("author:42", attributed_to=who)
    assert not found("author:bob", attributed_to=who)
    assert not found("author:ann")
    assert found("NOT author:ann")
    assert found("platform:reddit")
    assert not found("platform:x")
    assert found("-platform:x")
    assert found("site:example.com", url="https://www.example.com/a")
    assert found("site:example.com", url="https://a.b.example.com")
    assert not found("site:example.com", url="https://example.com.evil.org/")
    assert not found("site:example.com")


def test_a_language_nobody_told_holds_on_both_sides() -> None:
    assert found("lang:de", language="de-AT")
    assert not found("lang:de", language="en")
    assert found("NOT lang:de", language="en")
    assert found("lang:de")
    assert found("NOT lang:de")
    assert found("NOT (lang:de acme)", "acme")
    topics = [Topic("t", query="lang:de")]
    assert matching(topics, MENTION, lambda mention: "de") == ("t",)
    assert matching(topics, MENTION, lambda mention: "en") == ()
    assert matching(topics, replace(MENTION, language="de"), lambda mention: "en") == (
        "t",
    )  # the platform's word stands


def test_lists_and_a_query_both_hold() -> None:
    topic = Topic("t", query="down OR slow", any=("acme",), none=("comics",))
    assert matching([topic], replace(MENTION, content="acme is slow")) == ("t",)
    assert matching([topic], replace(MENTION, content="acme is fine")) == ()
    assert matching([topic], replace(MENTION, content="acme comics is down")) == ()


def test_no_phrase_reaches_from_the_title_into_the_text() -> None:
    parted, joined = {"name": "North", "content": "bank is down"}, {"name": "x", "content": "North bank is down"}
    topic = [Topic("t", query='"north bank"')]
    assert matching(topic, replace(MENTION, **parted)) == ()
    assert matching(topic, replace(MENTION, **joined)) == ("t",)
    assert matching([Topic("t", query="north bank")], replace(MENTION, **parted)) == ("t",)


WORDS = ["a1", "b1", "c1", "d1"]


def holds(node: Node, words: list[str]) -> bool:
    """The language once more, the slow way, over plain words."""
    match node:
        case Term(text):
            return bool(spans(node, words)) and bool(text)
        case Not(part):
            return not holds(part, words)
        case Both(parts):
            return all(holds(part, words) for part in parts)
        case Either(parts):
            return any(holds(part, words) for part in parts)
    return bool(spans(node, words))


def spans(node: Node, words: list[str]) -> set[tuple[int, int]]:
    match node:
        case Term(text):
            wanted = text.lower().split()
            size = len(wanted)
            return {(at, at + size - 1) for at in range(len(words)) if words[at : at + size] == wanted}
        case Either(parts):
            return set().union(*(spans(part, words) for part in parts))
        case Near(left, right, gap, ordered):
            pairs = [(one, other) for one in spans(left, words) for other in spans(right, words)]
            ahead = {(one[0], other[1]) for one, other in pairs if 0 <= other[0] - one[1] - 1 <= gap}
            behind = {(other[0], one[1]) for one, other in pairs if 0 <= one[0] - other[1] - 1 <= gap and not ordered}
            return ahead | behind
    raise AssertionError(node)


def test_the_matcher_agrees_with_the_language_read_the_slow_way() -> None:
    seed = 7
    rng = random.Random(seed)

    def phrase() -> str:
        return rng.choice(WORDS) if rng.random() < 0.7 else '"' + " ".join(rng.choices(WORDS, k=2)) + '"'

    def query(depth: int = 0) -> str:
        kind = rng.random()
        if depth > 3 or kind < 0.3:
            return phrase()
        if kind < 0.5:
            side = f"({phrase()} OR {phrase()})"
            return f"({side} {rng.choice(['NEAR', 'ONEAR'])}/{rng.randint(0, 3)} {phrase()})"
        if kind < 0.6:
            return f"NOT ({query(depth + 1)})"
        sign = " OR " if kind < 0.8 else " "
        return "(" + sign.join(query(depth + 1) for _ in range(rng.randint(2, 3))) + ")"

    agreed = 0
    for _ in range(1500):
        asked = query()
        words = rng.choices(WORDS, k=rng.randint(0, 8))
        expected = holds(parse(asked), words)
        assert found(asked, " ".join(words).upper()) is expected, (seed, asked, words)
        agreed += expected
    assert 300 < agreed < 1200


def test_a_text_of_one_word_over_and_over_takes_no_long_time() -> None:
    assert found("(a1 OR b1) NEAR/1000 (b1 OR a1)", "a1 b1 " * 10_000)
    assert not found('(a1 NEAR/3 "b1 b1") NEAR/2 c1', "a1 b1 " * 10_000 + "c1")
