"""Reddit against its stand-in, over HTTP with praw: nothing lost, nothing slept, nothing asked too early."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from connectors import walk
from connectors.errors import AuthError, ConfigError, MalformedItem, Permanent, RateLimited, Transient
from connectors.inbound import kinds, load, reddit
from tests.reading import SECRETS, Reader, context
from town.server import Town


@pytest.fixture
def town() -> Iterator[Town]:
    reddit._tokens.clear()
    with Town(seed=7, options={"reddit_disorder": 0.3}) as running:
        yield running


def reader(town: Town, **settings: Any) -> Reader:
    given = {"subreddits": ["northbank"], "comments": False, "base_url": town.urls["reddit"], "page_size": 5}
    chosen = reddit.Settings(**{**given, **settings})
    return Reader(lambda: reddit.Connector(chosen, context()))


def fill(town: Town, count: int, **more: Any) -> list[str]:
    return [town.post("reddit", f"northbank post {n}", **more) for n in range(count)]


def listing_requests(town: Town) -> list[Any]:
    return [request for request in town.ledger.requests("reddit") if "access_token" not in str(request)]


def test_a_first_poll_reads_the_whole_listing_and_a_second_only_the_lookback(town: Town) -> None:
    ids = fill(town, 23, author="ann")
    r = reader(town)
    assert r.poll()
    assert r.ids == set(ids)
    assert r.gaps == []
    more = fill(town, 7)
    assert r.poll()
    assert r.ids == {*ids, *more}


def test_fields_are_read(town: Town) -> None:
    root = town.post(
        "reddit", "Card *declined* &#x200B; twice", title="Northbank & me", author="ann", created=1_790_000_000
    )
    reply = town.post("reddit", "same here", kind="t1", parent=root, author="bob")
    r = reader(town, comments=True, backfill=8760)
    assert r.poll()
    post, comment = r.mentions[root], r.mentions[reply]
    assert (post.platform, post.kind, post.name, post.context) == ("reddit", "Article", "Northbank & me", root)
    assert "\u200b" in post.content
    assert "&#" not in post.content
    assert post.published == datetime.fromtimestamp(1_790_000_000, UTC)
    assert post.attributed_to is not None
    assert post.attributed_to.handle == "ann"
    assert post.attributed_to.native_id.startswith("t2_")
    assert (post.url or "").startswith("https://www.reddit.com/r/northbank/comments/")
    assert (comment.kind, comment.in_reply_to, comment.context, comment.name) == ("Note", root, root, "")


def test_a_walk_goes_on_where_the_page_cap_stopped_it_and_the_watermark_waits(town: Town) -> None:
    ids = fill(town, 30)
    r = reader(town)
    assert r.poll(2) is False
    held = r.state["listings"]["new"]
    assert held.get("watermark") is None
    assert held["walk"]["token"]
    newer = fill(town, 3)
    polls = 0
    while not r.poll(2):
        polls += 1
        assert polls < 10
    assert r.ids >= set(ids)
    assert r.poll()
    assert r.ids == {*ids, *newer}


def test_late_arrivals_edits_and_ties(town: Town) -> None:
    now = time.time()
    tied = [town.post("reddit", f"tie {n}", created=now - 30) for n in range(12)]
    late = [town.post("reddit", f"late {n}", created=now - 30, visible_in=1.0) for n in range(4)]
    r = reader(town)
    assert r.poll()
    assert r.ids == set(tied)
    town.edit("reddit", tied[3], "tie, edited")
    time.sleep(1.1)
    fill(town, 6)
    assert r.poll()
    assert r.ids >= {*tied, *late}
    assert r.mentions[tied[3]].content == "tie, edited"
    assert r.mentions[tied[3]].updated is not None


def test_deleted_posts_are_tombstones_without_text_or_author(town: Town) -> None:
    ids = [town.post("reddit", "call me at 555", author="ann", title="My number") for _ in range(3)]
    r = reader(town)
    assert r.poll()
    town.delete("reddit", ids[1], shown=True)
    town.delete("reddit", ids[2], shown=False)
    assert r.poll()
    gone = r.mentions[ids[1]]
    assert gone.deleted
    assert (gone.text, gone.attributed_to, gone.url) == ("", None, None)


def test_items_shifting_while_paging(town: Town) -> None:
    ids = fill(town, 40)
    town.faults.add("reddit", "shift", every=2, times=4, posts=7)
    r = reader(town)
    assert r.poll()
    town.faults.clear()
    assert r.poll()
    assert r.ids >= set(ids)
    assert len(r.ids) == 40 + 4 * 7


def test_an_anchor_deleted_while_paging(town: Town) -> None:
    ids = fill(town, 20)
    r = reader(town)
    r.poll(1)
    anchor = r.state["listings"]["new"]["walk"]["token"]
    town.delete("reddit", anchor, shown=False)
    assert r.poll()
    assert r.ids >= set(ids) - {anchor}


def test_an_anchor_that_gives_an_empty_page_is_replaced_by_its_neighbour() -> None:
    """The other way Reddit answers a deleted anchor (praw-dev/praw#1043), which the stand-in does for unknown ones."""
    settings = reddit.Settings(subreddits=["northbank"], comments=False)
    connector, position = reddit.Connector(settings, context()), {"watermark": 10.0, "recent": ["t3_old"]}
    current = walk.begin(position, 1000.0, 0, 0)
    page = [{"kind": "t3", "data": {"name": f"t3_{n}", "created_utc": 1000.0 - n}} for n in range(4)]
    connector._advance(position, current, page, "t3_3", 1000.0)
    _, warnings, over = connector._advance(position, current, [], None, 1000.0)
    assert not over
    assert warnings
    assert position["walk"]["token"] == "t3_2"
    for _ in range(5):
        if over:
            break
        gaps, _, over = connector._advance(position, current, [], None, 1000.0)
    assert over
    assert gaps


def test_a_listing_that_ends_above_known_ground_leaves_a_gap() -> None:
    with Town(seed=3, options={"reddit_depth": 20}) as town:
        fill(town, 5)
        r = reader(town, lookback=0)
        assert r.poll()
        assert r.gaps == []
        time.sleep(1.1)
        ids = fill(town, 50)
        assert r.poll()
        assert len(r.gaps) == 1
        assert r.gaps[0].since is not None
        assert set(ids[-20:]) <= r.ids
        assert r.poll()
        assert len(r.gaps) == 1


@pytest.mark.parametrize("mode", ["missing_id", "wrong_types", "null_author"])
def test_one_poisoned_item_costs_one_item(town: Town, mode: str) -> None:
    ids = fill(town, 14)
    bad = town.post("reddit", "northbank poison", malformed=mode)
    r = reader(town)
    assert r.poll()
    assert r.poll()
    assert r.ids >= set(ids)
    if mode == "missing_id":
        assert len(r.rejects) == 1
    else:
        assert bad in r.ids
        assert r.rejects == set()


@pytest.mark.parametrize("reset", ["retry-after", "date", "header", "none"])
def test_a_429_says_when_and_nothing_is_asked_or_slept(town: Town, reset: str) -> None:
    ids = fill(town, 12)
    r = reader(town)
    r.poll(1)
    state = r.state
    town.faults.add("reddit", "429", reset=reset, seconds=30)
    before, started = len(listing_requests(town)), time.monotonic()
    with pytest.raises(RateLimited) as limited:
        r.poll()
    assert time.monotonic() - started < 2
    assert len(listing_requests(town)) == before + 1
    wait = (limited.value.reset_at - datetime.now(UTC)).total_seconds()
    assert (55 if reset == "none" else 28) < wait < 64
    assert r.state == state
    town.faults.clear()
    assert r.poll()
    assert r.ids == set(ids)


def test_a_used_up_allowance_stops_before_the_call() -> None:
    reddit._tokens.clear()
    with Town(seed=1, rates={"reddit": (3, 600)}) as town:
        fill(town, 30)
        r = reader(town)
        connector, started = r.make(), time.monotonic()
        for _ in range(3):
            page = connector.fetch_page(r.state)
            r.take(connector, page)
        with pytest.raises(RateLimited):
            connector.fetch_page(r.state)
        assert page.not_before is not None
        assert page.not_before > datetime.now(UTC) + timedelta(seconds=60)
        assert len(listing_requests(town)) == 3
        assert time.monotonic() - started < 3


@pytest.mark.parametrize("kind", ["truncate", "reset_mid", "reset", "bad_json", "html", "empty", "status"])
def test_a_broken_answer_moves_nothing(town: Town, kind: str) -> None:
    ids = fill(town, 12)
    r = reader(town)
    r.poll(1)
    state = r.state
    town.faults.add("reddit", kind, times=1)
    with pytest.raises(Transient):
        r.poll()
    assert r.state == state
    assert r.poll()
    assert r.ids == set(ids)


def test_an_expired_token_is_renewed_once_and_a_wrong_secret_asks_a_person(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(town, 3)
    r = reader(town)
    town.faults.add("reddit", "401", times=1)
    assert r.poll()
    town.faults.add("reddit", "401")
    with pytest.raises(AuthError):
        r.poll()
    town.faults.clear()
    monkeypatch.setitem(SECRETS, "REDDIT_CLIENT_SECRET", "wrong")
    with pytest.raises(AuthError) as refused:
        reader(town).poll()
    assert "wrong" not in str(refused.value)


def test_tokens_are_shared_between_polls(town: Town) -> None:
    fill(town, 3)
    r = reader(town)
    for _ in range(3):
        assert r.poll()
    assert len(town.ledger.requests("reddit")) - len(listing_requests(town)) <= 1


def test_search_and_comments_are_walked_in_turn(town: Town) -> None:
    posts = fill(town, 8)
    comments = [town.post("reddit", f"comment {n}", kind="t1", parent=posts[0]) for n in range(8)]
    elsewhere = town.post("reddit", "northbank over there", origin="othersub")
    r = reader(town, comments=True, query="northbank")
    assert r.poll()
    assert r.ids == {*posts, *comments, elsewhere}
    assert set(r.state["listings"]) == {"new", "comments", "search"}


def test_a_gone_subreddit_is_permanent(town: Town) -> None:
    town.faults.add("reddit", "status", status=404)
    with pytest.raises(Permanent):
        reader(town).poll()


def test_a_subreddit_that_is_private_or_none_asks_a_person(town: Town) -> None:
    town.faults.add("reddit", "status", times=1, status=403)
    with pytest.raises(AuthError, match="does not let us read"):
        reader(town).poll()
    town.faults.add("reddit", "status", times=1, status=302)
    with pytest.raises(ConfigError, match="no subreddit"):
        reader(town).poll()


def normal(data: Any, kind: str = "t3") -> Any:
    settings = reddit.Settings(subreddits=["a"])
    return reddit.Connector(settings, context()).normalise({"kind": kind, "data": data})


def test_odd_shapes_are_read_without_error() -> None:
    bare = normal({"id": "x"})
    assert (bare.native_id, bare.text, bare.attributed_to) == ("t3_x", "", None)
    assert "undated" in bare.flags
    odd = normal(
        {"name": "t1_y", "body": "a\x00b\ud83d", "author": "[deleted]", "created_utc": "1700000000.0", "edited": 1700000100,
         "score": "12", "num_comments": None, "link_id": "t3_z", "parent_id": None, "permalink": "javascript:1"},
        "t1",
    )  # fmt: skip
    assert (odd.content, odd.attributed_to, odd.context, odd.in_reply_to) == ("ab\ufffd", None, "t3_z", None)
    assert odd.metrics == {"likes": 12}
    assert odd.published.year == 2023
    assert odd.url == "https://www.reddit.com/comments/z/_/y"
    assert normal({"name": "t3_q", "title": "x", "removed_by_category": "moderator"}).deleted
    assert normal({"name": "t3_q", "title": "kept", "selftext": "text", "author": "[deleted]"}).text == "kept\ntext"
    for nothing in (None, [], {}, {"data": None}, {"data": []}, 7):
        with pytest.raises(MalformedItem):
            reddit.Connector(reddit.Settings(subreddits=["a"]), context()).normalise(nothing)


def test_settings_and_registry() -> None:
    assert {"feed", "reddit", "x"} <= set(kinds())
    assert load("reddit") is reddit
    assert reddit.POLICY.link is False
    with pytest.raises(ConfigError, match="redit") as unknown:
        load("redit")
    assert "reddit" in unknown.value.advice
    assert reddit.Settings(subreddits=["r/northbank", "/r/a_b/"]).subreddits == ["northbank", "a_b"]
    for wrong in (
        {},
        {"subreddits": ["a/b"]},
        {"subreddits": ["a"], "tokn": 1},
        {"subreddits": ["a"], "posts": False, "comments": False},
    ):
        with pytest.raises(ValidationError):
            reddit.Settings(**wrong)  # type: ignore[arg-type]
    assert all(field.description for field in reddit.Settings.model_fields.values())
