"""What is asked of a platform holds everything the query accepts there, within the platform's limits."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from connectors.inbound import hackernews, mastodon, reddit, x
from connectors.searches import Unsearchable, searches
from domain.nouns import Author, Mention
from domain.query import matching, tree
from domain.query_grammar import parse
from domain.rules import Topic
from tests import search_models

AT = datetime(2026, 8, 1, tzinfo=UTC)
PLATFORMS = [
    ("x", x.DIALECT, search_models.x, "https://x.com/ann/status/1"),
    ("reddit", reddit.DIALECT, search_models.reddit, "https://www.reddit.com/r/a/comments/1"),
    ("hackernews", hackernews.DIALECT, search_models.hackernews, "https://news.ycombinator.com/item?id=1"),
]
VOCABULARY = [
    "acme",
    "Apex",
    "north",
    "bank",
    "app",
    "down",
    "café",
    "can't",
    "at&t",
    "acme.com",
    "log-in",
    "c++",
    "NORTH_BANK",
    "x1",
]
GLUE = [" ", ", ", "\n", " #", " @", "-", "/", "'s ", ". ", "_"]

words = st.sampled_from(VOCABULARY)
leaf = st.one_of(
    words,
    words.map(lambda word: f'"{word}"'),
    st.lists(words, min_size=2, max_size=3).map(lambda many: f'"{" ".join(many)}"'),
    st.sampled_from(["#acme", "#down", "@acme", "#log-in", "acm*", "b?nk", '"north ba*"', "#dow*", "OR_", "lang:de", "lang:en",
                     "author:ann", "author:@Bob", "platform:x", "platform:reddit", "site:reddit.com", "site:x.com"]),
)  # fmt: skip
near = st.tuples(words, st.sampled_from(["NEAR/1", "ONEAR/3"]), words).map(lambda three: "({} {} {})".format(*three))
queries = st.recursive(
    st.one_of(leaf, near),
    lambda inner: st.one_of(
        inner.map(lambda one: f"NOT ({one})"),
        st.lists(inner, min_size=2, max_size=4).map(lambda many: f"({' OR '.join(many)})"),
        st.lists(inner, min_size=2, max_size=3).map(lambda many: f"({' '.join(many)})"),
    ),
    max_leaves=9,
)
texts = st.lists(st.tuples(words, st.sampled_from(GLUE)), max_size=9).map(lambda many: "".join(a + b for a, b in many))


@pytest.mark.parametrize(("platform", "dialect", "finds", "url"), PLATFORMS, ids=[row[0] for row in PLATFORMS])
@settings(max_examples=150, deadline=None)
@given(
    query=queries,
    title=texts,
    text=texts,
    language=st.sampled_from([None, "de", "en"]),
    who=st.sampled_from(["ann", "bob", ""]),
)
def test_no_search_excludes_what_the_query_accepts(
    platform, dialect, finds, url, query, title, text, language, who
) -> None:  # type: ignore[no-untyped-def]
    author = Author(f"id-{who}", who) if who else None
    mention = Mention(
        platform,
        "1",
        AT,
        name="" if platform == "x" else title,
        content=text,
        url=url,
        language=language,
        attributed_to=author,
    )
    try:
        asked = searches(parse(query), dialect)
    except Unsearchable as nothing:
        if "accepts nothing" in str(nothing):
            assert matching([Topic("t", query=query)], mention) == ()
        return
    found = [finds(search, mention) for search in asked]  # each one is a search the platform takes
    if matching([Topic("t", query=query)], mention):
        assert any(found), asked


@pytest.mark.parametrize(("platform", "dialect", "finds", "url"), PLATFORMS, ids=[row[0] for row in PLATFORMS])
@settings(max_examples=25, deadline=None)
@given(size=st.integers(30, 120), at=st.integers(0, 119), extra=queries)
def test_a_long_query_is_split_at_the_limit(platform, dialect, finds, url, size, at, extra) -> None:  # type: ignore[no-untyped-def]
    """The models refuse a search over the platform's limit."""
    names = [f"brandname{number}" for number in range(size)]
    query = f"({' OR '.join(names)}) (down OR ({extra}))"
    mention = Mention(platform, "1", AT, content=f"{names[at % size]} is down", url=url)
    try:
        asked = searches(parse(query), dialect)
    except Unsearchable as nothing:
        assume(platform == "hackernews" and "more than 20" in str(nothing))
        return
    assert matching([Topic("t", query=query)], mention) == ("t",)
    assert any(finds(search, mention) for search in asked)


def test_the_searches_read_as_a_person_would_write_them() -> None:
    query = parse('(northbank OR "north bank") (app OR card) NOT ("bank station" OR lang:fr) NOT author:northbank')
    assert searches(query, x.DIALECT) == ['(northbank OR "north bank") (app OR card)']
    assert searches(query, reddit.DIALECT) == ['(northbank OR "north bank") AND (app OR card)']
    assert searches(query, hackernews.DIALECT) == [
        "northbank app", "northbank card", '"north bank" app', '"north bank" card',
    ]  # fmt: skip
    assert searches(parse("acme lang:de author:ann #down"), x.DIALECT) == ["acme (lang:de OR lang:und) from:ann #down"]
    assert searches(parse("acme NEAR/3 app"), x.DIALECT) == ["acme app"]
    assert searches(tree(Topic("t", any=("acme", "can't log"), none=("acme comics",))), x.DIALECT) == [
        'acme OR "can t log" OR "cant log"'
    ]
    long = searches(parse(" OR ".join(f"brandname{number}" for number in range(100))), x.DIALECT)
    assert [len(search) <= 512 for search in long] == [True] * 3


@pytest.mark.parametrize("query", ["acme*", "NOT acme", "lang:de", "acme OR acm*", "acme OR NOT apex"])
def test_what_leaves_nothing_to_ask_is_said(query: str) -> None:
    with pytest.raises(Unsearchable, match="whole word"):
        searches(parse(query), x.DIALECT)


def test_a_query_for_elsewhere_asks_nothing_here() -> None:
    with pytest.raises(Unsearchable, match="accepts nothing on x"):
        searches(parse("acme platform:reddit"), x.DIALECT)


@given(query=queries, text=texts)
@settings(max_examples=80, deadline=None)
def test_a_mastodon_timeline_is_read_for_every_tag_the_query_names(query: str, text: str) -> None:
    """Statuses are listed by hashtag (https://docs.joinmastodon.org/methods/timelines/#tag): among those that carry a tag or a word of the query
    as a tag, none that the query accepts by it is left out."""
    try:
        tags = mastodon.searches(mastodon.Settings(instance="m.example"), parse(query))[0].tags
    except Unsearchable:
        return
    for word in ("acme", "down"):
        mention = Mention("mastodon", "1", AT, content=f"#{word}", url="https://m.example/@a/1")
        accepted = matching([Topic("t", query=query)], mention)
        without = matching([Topic("t", query=query)], replace(mention, content="nothing at all"))
        if accepted and not without and not _by_pattern(query):
            assert word in tags


def _by_pattern(query: str) -> bool:
    return "*" in query or "?" in query
