"""X against its stand-in, over HTTP with tweepy."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.errors import AuthError, ConfigError, CursorInvalid, MalformedItem, RateLimited, Transient
from connectors.inbound import x
from tests.reading import SECRETS, Reader, context
from town.server import Town


@pytest.fixture
def town() -> Iterator[Town]:
    with Town(seed=5) as running:
        yield running


def reader(town: Town, now: Any = None, **settings: Any) -> Reader:
    given = {"query": "northbank", "base_url": town.urls["x"], "page_size": 10, "backfill": 24}
    chosen = x.Settings(**{**given, **settings})
    return Reader(lambda: x.Connector(chosen, context(**({"now": now} if now else {}))))


def fill(town: Town, count: int, **more: Any) -> list[str]:
    """Visible a moment later: search answers for what is at least some seconds old."""
    created = more.pop("created", time.time() - 60)
    return [town.post("x", f"northbank {n} &lt;3", created=created + n / 1000, **more) for n in range(count)]


def test_a_walk_in_pages_and_only_news_afterwards(town: Town) -> None:
    ids = fill(town, 34)
    r = reader(town)
    assert r.poll()
    assert r.ids == set(ids)
    assert r.state["since_id"] == max(ids, key=int)
    requests = len(town.ledger.requests("x"))
    more = fill(town, 3, created=time.time() - 30)
    assert r.poll()
    assert r.ids == {*ids, *more}
    assert len(town.ledger.requests("x")) == requests + 1
    assert len(r.pages[-1].items) == 3


def test_fields_are_read(town: Town) -> None:
    root = town.post("x", "northbank &amp; me, again", author="ann", lang="de", created=time.time() - 60)
    reply = town.post("x", "northbank answers", author="bob", parent=root, created=time.time() - 50)
    repost = town.post("x", "", author="cyd", retweet_of=root, created=time.time() - 40)
    r = reader(town)
    assert r.poll()
    first, second, third = r.mentions[root], r.mentions[reply], r.mentions[repost]
    assert (first.content, first.language, first.context, first.platform) == ("northbank & me, again", "de", root, "x")
    assert first.attributed_to is not None
    assert (first.attributed_to.handle, first.url) == ("ann", f"https://x.com/ann/status/{root}")
    assert first.attributed_to.native_id.isdigit()
    assert abs((first.published - datetime.now(UTC)).total_seconds()) < 70
    assert (second.in_reply_to, second.context) == (root, root)
    assert third.repost_of == root
    assert first.repost_of is None
    assert set(first.metrics) == {"likes", "shares", "replies", "quotes", "views"}


def test_a_page_cap_leaves_a_walk_whose_bounds_stay(town: Town) -> None:
    ids = fill(town, 34)
    r = reader(town)
    assert r.poll(1) is False
    assert r.state["since_id"] is None
    newer = fill(town, 12, created=time.time() - 20)
    while not r.poll(1):
        assert len(r.pages) < 20
    assert r.ids >= set(ids)
    assert r.poll()
    assert r.ids == {*ids, *newer}


def test_late_arrivals_are_read_when_paid_for(town: Town) -> None:
    early = fill(town, 3, created=time.time() - 40)
    late = fill(town, 3, created=time.time() - 50, visible_in=1.0)
    plain, paying = reader(town), reader(town, late=5)
    assert plain.poll()
    assert paying.poll()
    time.sleep(1.1)
    newer = fill(town, 2, created=time.time() - 20)
    assert plain.poll()
    assert paying.poll()
    assert plain.ids == {*early, *newer}
    assert paying.ids == {*early, *late, *newer}


def test_an_edit_is_the_same_mention_under_its_first_id(town: Town) -> None:
    first = town.post("x", "northbank is down", created=time.time() - 60)
    r = reader(town)
    assert r.poll()
    new = town.edit("x", first, "northbank is back")
    assert new != first
    time.sleep(0.1)
    assert r.poll()
    assert r.ids == {first}
    mention = r.mentions[first]
    assert mention.content == "northbank is back"
    assert mention.updated is not None
    assert mention.published < mention.updated
    assert (mention.url or "").endswith(new)


def test_a_rare_query_is_no_gap_but_a_long_silence_of_ours_is(town: Town) -> None:
    old = time.time() - 6.9 * 86400
    fill(town, 2, created=old)
    r = reader(town, backfill=167)
    assert r.poll()
    later = datetime.now(UTC) + timedelta(days=1)  # polled yesterday; the newest post is eight days old by then
    r.make = reader(town, now=lambda: later).make
    r.state["covered"] = (later - timedelta(hours=1)).timestamp()
    connector = r.make()
    walk, gaps = connector._begin(dict(r.state), later)
    assert walk["since_id"] is None
    assert walk["start"]
    assert gaps == ()
    r.state["covered"] = (later - timedelta(days=9)).timestamp()
    _, gaps = connector._begin(dict(r.state), later)
    assert len(gaps) == 1
    assert gaps[0].until == later - x.WEEK


def test_an_id_too_old_starts_over_by_time(town: Town) -> None:
    ids = fill(town, 12)
    r = reader(town)
    now = datetime.now(UTC).timestamp()
    ancient = x._moment("1").timestamp()
    assert ancient < now
    r.state = {
        "v": 1, "since_id": "123", "covered": now - 600,
        "walk": {"since_id": "123", "start": None, "token": None, "tokens": [], "newest": None, "pages": 0, "at": now},
    }  # fmt: skip
    with pytest.raises(CursorInvalid) as invalid:
        r.make().fetch_page(r.state)
    assert invalid.value.state["walk"] is None
    assert r.poll()
    assert r.ids == set(ids)


def test_a_page_token_that_is_no_longer_known_starts_over(town: Town) -> None:
    ids = fill(town, 25)
    r = reader(town)
    r.poll(1)
    r.state["walk"]["token"] = "b26v89c19zqg8o3f"
    assert r.poll()
    assert r.ids == set(ids)


def test_shifting_pages_duplicates_and_poison(town: Town) -> None:
    ids = fill(town, 40)
    bad = [
        town.post("x", "northbank poison", created=time.time() - 55, malformed=mode)
        for mode in ("wrong_types", "null_author")
    ]
    town.post("x", "northbank lost", created=time.time() - 55, malformed="missing_id")
    town.faults.add("x", "shift", every=2, times=3, posts=4)
    town.faults.add("x", "duplicate", every=3)
    r = reader(town)
    assert r.poll()
    town.faults.clear()
    assert r.poll()
    assert r.ids >= {*ids, *bad}
    assert len(r.rejects) == 1
    assert r.mentions[bad[1]].attributed_to is None
    assert r.mentions[bad[0]].flags == (), "its id tells when it was written"


def test_partial_errors_are_counted_and_cost_nothing_else(town: Town) -> None:
    ids = fill(town, 5)
    town.faults.add("x", "partial")
    r = reader(town)
    assert r.poll()
    assert r.ids <= set(ids)
    assert any("left" in warning for warning in r.warnings)


@pytest.mark.parametrize("reset", ["header", "none", "retry-after"])
def test_a_429_says_when_and_nothing_is_slept(town: Town, reset: str) -> None:
    ids = fill(town, 25)
    r = reader(town)
    r.poll(1)
    state, started = r.state, time.monotonic()
    town.faults.add("x", "429", reset=reset, seconds=30)
    before = len(town.ledger.requests("x"))
    with pytest.raises(RateLimited) as limited:
        r.poll()
    assert time.monotonic() - started < 2
    assert len(town.ledger.requests("x")) == before + 1
    assert 27 < (limited.value.reset_at - datetime.now(UTC)).total_seconds() < 64
    assert not limited.value.quota
    assert r.state == state
    town.faults.clear()
    assert r.poll()
    assert r.ids == set(ids)


def test_an_empty_purse_is_a_quota(town: Town) -> None:
    town.faults.add("x", "status", status=403, quota=True)
    with pytest.raises(RateLimited) as spent:
        reader(town).poll()
    assert spent.value.quota
    assert spent.value.reset_at > datetime.now(UTC) + timedelta(hours=1)


def test_the_last_allowed_request_says_when_to_come_back() -> None:
    with Town(seed=1, rates={"x": (1, 900)}) as town:
        fill(town, 3)
        r = reader(town)
        assert r.poll()
        assert r.pages[-1].not_before is not None
        assert r.pages[-1].not_before > datetime.now(UTC)


@pytest.mark.parametrize("kind", ["truncate", "reset_mid", "reset", "bad_json", "html", "empty", "status"])
def test_a_broken_answer_moves_nothing(town: Town, kind: str) -> None:
    ids = fill(town, 25)
    r = reader(town)
    r.poll(1)
    state = r.state
    town.faults.add("x", kind, times=1)
    with pytest.raises(Transient):
        r.poll()
    assert r.state == state
    assert r.poll()
    assert r.ids == set(ids)


def test_wrong_credentials_and_wrong_queries_ask_a_person(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="Query too long"):
        reader(town, query="north " * 100).poll()
    monkeypatch.setitem(SECRETS, "X_BEARER_TOKEN", "canary")
    with pytest.raises(AuthError) as refused:
        reader(town).poll()
    assert "canary" not in str(refused.value)


def normal(post: Any, author: Any = None) -> Any:
    return x.Connector(x.Settings(query="a"), context()).normalise({"post": post, "author": author})


def test_odd_shapes_are_read_without_error() -> None:
    bare = normal({"id": 1234567890123456789})
    assert (bare.native_id, bare.text, bare.attributed_to) == ("1234567890123456789", "", None)
    odd = normal(
        {"id": "5", "text": None, "author_id": 7, "created_at": "x", "public_metrics": [], "referenced_tweets": "no",
         "note_tweet": {"text": "long\x00 text"}, "lang": "qme", "edit_history_tweet_ids": None, "new_field": {"a": 1}},
        {"username": None, "public_metrics": {"followers_count": "12"}},
    )  # fmt: skip
    assert (odd.content, odd.language) == ("long text", None)
    assert (odd.attributed_to.native_id, odd.attributed_to.followers) == ("7", 12)
    assert "undated" in odd.flags
    for nothing in (None, [], {}, "text", {"text": "no id"}):
        with pytest.raises(MalformedItem):
            normal(nothing)


def test_settings() -> None:
    for wrong in ({"query": "a", "page_size": 5}, {"query": "a", "bearer_token": "inline"}):
        with pytest.raises(ValidationError):
            x.Settings(**wrong)  # type: ignore[arg-type]
    assert all(field.description for field in x.Settings.model_fields.values())


def test_a_post_that_tells_no_time_has_one_in_its_id() -> None:
    """What X answers when no fields were asked for: id, text and history (https://docs.x.com/x-api/fundamentals/x-ids)."""
    made = x.Connector(x.Settings(query="a"), context())
    bare = {"id": "1460323737035677698", "text": "t", "edit_history_tweet_ids": ["1460323737035677698"]}
    read = made.normalise({"post": bare, "author": None})
    assert (read.published.isoformat(timespec="seconds"), read.flags) == ("2021-11-15T19:08:05+00:00", ())
    assert made.normalise({"post": {"id": "20", "text": "just setting up"}, "author": None}).flags == ("undated",)
