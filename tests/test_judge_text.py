"""Text from outside: what is stored must be storable, readable and cut where a reader would cut."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.text import clean, fold, plain, safe_url

ANY_TEXT = st.text(st.characters(codec=None), max_size=200)


@given(ANY_TEXT, st.integers(min_value=4, max_value=200))
def test_clean_text_is_storable_and_stable(text: str, limit: int) -> None:
    kept, cut = clean(text, limit)
    data = kept.encode("utf-8")
    assert len(data) <= limit
    assert not any(ord(c) < 32 and c not in "\n\t" for c in kept)
    assert kept == unicodedata.normalize("NFC", kept)
    assert clean(kept, limit) == (kept, False)
    if not cut:
        assert clean(text, 10_000) == (kept, False)


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("a\x00b\x07c\td\r\ne\rf", "abc\td\ne\nf"),
        ("lone \ud83d end", "lone \ufffd end"),
        ("pair \ud83d\ude00", "pair 😀"),
        ("e\u0301", "é"),
        (None, ""),
        (42, "42"),
        ("", ""),
    ],
)
def test_clean(given_: object, expected: str) -> None:
    assert clean(given_) == (expected, False)


@pytest.mark.parametrize("cluster", ["e\u0323\u0301\u0302", "👩‍👩‍👧", "👍🏽", "🇩🇪", "❤️"])
def test_a_cut_does_not_split_what_a_reader_sees_as_one(cluster: str) -> None:
    whole = clean(cluster)[0]
    size = len(whole.encode())
    for limit in range(3, 3 + size):
        kept, cut = clean("abc" + cluster, limit)
        assert (kept, cut) == ("abc", True)
    assert clean("abc" + cluster, 3 + size) == ("abc" + whole, False)


def test_hostile_text_costs_little() -> None:
    marks = "a" + "\u0301\u0323" * 200_000
    start = time.process_time()
    assert clean(marks)[1]
    for source in (
        "<div>" * 20_000 + "in" + "</div>" * 20_000,
        "<" * 100_000,
        "<!--" * 50_000,
        "&#" * 50_000,
        "<a " * 50_000,
        '<a ">"' * 50_000,
        "<svg>" * 50_000,
        "</script" * 50_000 + "<script>" * 50_000,
        "<img alt=" * 50_000,
        "<script>" + "</script" * 50_000,
        "&#" + "9" * 100_000,
    ):
        plain(source)
    assert time.process_time() - start < 5
    assert plain("<div>" * 20_000 + "in" + "</div>" * 20_000) == "in"


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>Hello &amp; <b>good</b>bye</p><p>next</p>", "Hello & goodbye\nnext"),
        ("one<br>two<br/>three", "one\ntwo\nthree"),
        ("<script>alert('x')</script><style>p{}</style>seen", "seen"),
        ("no markup\nat all", "no markup\nat all"),
        ("AT&amp;T is a < b, I <3 it", "AT&T is a < b, I <3 it"),
        ('<a href="x">link</a> <img src=x alt="😀">', "link 😀"),
        ("half <b>open", "half open"),
        ("<p>source\nline</p>", "source line"),
        ("<a title='a > b'>x</a> y", "x y"),
        ('<a href="never closed>x</a> <b>y</b>', "x y"),
        ("cut <b", "cut <b"),
        ("<head>no end<p>seen", "no end\nseen"),
        ("a<!-- hidden <b> -->b", "ab"),
        ("<STYLE>x</Style >y<svg><path/></svg>", "y"),
        ("5 < 6 > 4", "5 < 6 > 4"),
        ("&#99999999999; &#x1F600;", "\ufffd 😀"),
        ("", ""),
        (None, ""),
    ],
)
def test_plain(html: object, expected: str) -> None:
    assert plain(html) == expected


def test_fold_makes_words_comparable() -> None:
    assert fold("CAN’T Straße") == "can't strasse"
    assert fold("re\u00adfund") == "refund"


@pytest.mark.parametrize(
    ("url", "base", "expected"),
    [
        ("https://a.example/x", None, "https://a.example/x"),
        ("/x", "https://a.example/y/z", "https://a.example/x"),
        ("javascript:alert(1)", None, None),
        ("java\nscript:alert(1)", "https://a.example", None),
        ("data:text/html,x", "https://a.example", None),
        ("//b.example/x", "https://a.example", "https://b.example/x"),
        ("http://[", None, None),
        ("https://", None, None),
        (None, None, None),
        ("/x", None, None),
    ],
)
def test_safe_url(url: object, base: str | None, expected: str | None) -> None:
    assert safe_url(url, base) == expected
