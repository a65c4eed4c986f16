"""A channel without a search of its own asks for its topics' queries: in pieces, in turn, and everything is looked at again here."""

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest

import config
from config.load import examine_texts
from connectors.contract import Page
from connectors.errors import CursorInvalid
from connectors.several import Several
from domain.nouns import Mention
from domain.query import matching
from tests.reading import context
from town.server import Town
from workers import bootstrap

NAMES = [f"brandname{number}" for number in range(100)]


@pytest.fixture
def town() -> Iterator[Town]:
    with Town(seed=5) as running:
        yield running


def configured(yaml: str) -> config.Config:
    found = examine_texts([("c.yaml", yaml)])
    assert found.config is not None, found.complaints
    return found.config


def read(current: config.Config, state: dict[str, Any]) -> tuple[dict[str, Mention], dict[str, Any]]:
    """As the poll step does: what matched, by id, and the channel's next state."""
    watched = bootstrap.watched(current, current.channels[0])
    connector = watched.connect(context())
    kept = {}
    for _ in range(60):
        page = connector.fetch_page(state)
        state = json.loads(json.dumps(page.state))
        for mention in map(connector.normalise, page.items):
            if matching(watched.topics, mention):
                kept[mention.native_id] = mention
        if page.done:
            return kept, state
    raise AssertionError("the channel never ended")


def test_a_query_too_long_for_x_is_read_in_pieces_that_miss_nothing(town: Town) -> None:
    now = time.time() - 60
    wanted = {town.post("x", f"{name} is down", created=now + n / 1000) for n, name in enumerate(NAMES)}
    unwanted = {
        town.post("x", f"{name} is down, says the museum", created=now + 1 + n / 1000)
        for n, name in enumerate(NAMES[:9])
    }
    current = configured(
        f"""
topics: [{{name: brands, query: '({" OR ".join(NAMES)}) -museum'}}]
channels: [{{name: x, kind: x, base_url: "{town.urls["x"]}", page_size: 10, backfill: 24}}]
settings: {{allow_hosts: [127.0.0.1]}}
"""
    )
    kept, state = read(current, {})
    assert set(kept) == wanted
    asked = {parse_qs(request["query"])["query"][0] for request in town.ledger.requests("x")}
    assert len(asked) == 3
    assert max(map(len, asked)) <= 512
    assert unwanted.isdisjoint(kept)
    late = town.post("x", f"{NAMES[-1]} again", created=time.time() - 30)
    before = len(town.ledger.requests("x"))
    kept, _ = read(current, state)
    assert late in kept
    assert len(town.ledger.requests("x")) == before + 3  # each search goes on where it was


def test_reddit_searches_beside_its_subreddits(town: Town) -> None:
    current = configured(
        f"""
topics: [{{name: bank, query: northbank OR "north bank"}}]
channels:
  - {{name: r, kind: reddit, base_url: "{town.urls["reddit"]}", subreddits: [moneytalk], search: true, page_size: 10}}
settings: {{allow_hosts: [127.0.0.1]}}
"""
    )
    wanted = {
        town.post("reddit", "the north bank is closed", sub="moneytalk", title="a", created=time.time() - 60),
        town.post("reddit", "northbank is down", sub="elsewhere", title="b", created=time.time() - 60),
    }
    kept, _ = read(current, {})
    assert wanted <= set(kept)


@pytest.mark.parametrize(
    ("channel", "query", "said"),
    [
        ("{name: a, kind: x}", "acme*", "whole word"),
        ("{name: a, kind: x}", "acme platform:reddit", "accepts nothing on x"),
        ("{name: a, kind: hackernews}", "(" + " OR ".join(NAMES) + ")", "more than 20"),
        ("{name: a, kind: mastodon, instance: m.example}", '"north bank"', "by hashtag"),
    ],
)
def test_what_a_platform_cannot_be_asked_is_a_complaint_about_the_channel(channel: str, query: str, said: str) -> None:
    found = examine_texts([("c.yaml", f"topics: [{{name: t, query: '{query}'}}]\nchannels:\n  - {channel}\n")])
    (complaint,) = [one for one in found.complaints if one.severity == "error"]
    assert said in complaint.message
    assert complaint.line == 3


def test_a_channel_with_nothing_to_ask_for_is_a_complaint() -> None:
    found = examine_texts([("c.yaml", "channels: [{name: a, kind: x}]\n")])
    assert any("no search of its own, and no topic" in one.message for one in found.complaints)


class Pages:
    """A source of two pages whose position may be refused."""

    def __init__(self, name: str, refuse: bool = False) -> None:
        self.name, self.refuse = name, refuse

    def fetch_page(self, state: dict[str, Any]) -> Page:
        if self.refuse:
            self.refuse = False
            raise CursorInvalid("old", state={"at": 1})
        at = state.get("at", 0) + 1
        return Page([f"{self.name}{at}"], {"at": at}, done=at % 2 == 0)

    def normalise(self, raw: Any) -> Mention:
        raise AssertionError(raw)


def test_several_searches_take_turns_and_keep_their_places() -> None:
    several = Several({"a": Pages("a"), "b": Pages("b")})
    state: dict[str, Any] = {}
    told = []
    for _ in range(4):
        page = several.fetch_page(state)
        state = page.state
        told.append((page.items[0], page.done))
    assert told == [("a1", False), ("a2", False), ("b1", False), ("b2", True)]
    assert state == {"v": 1, "turn": "a", "parts": {"a": {"at": 2}, "b": {"at": 2}}}
    other = Several({"b": Pages("b", refuse=True), "c": Pages("c")})
    with pytest.raises(CursorInvalid) as stale:
        other.fetch_page({**state, "turn": "b"})
    assert stale.value.state == {
        "v": 1,
        "turn": "b",
        "parts": {"b": {"at": 1}},
    }  # a search that is gone leaves no place behind
