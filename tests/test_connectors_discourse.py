"""Discourse against its stand-in, over HTTP: ids and not dates, both kinds of `before`, nobody's words but the author's."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.errors import AuthError, MalformedItem, Permanent, RateLimited, Transient
from connectors.inbound import discourse
from tests.reading import Reader, context
from town.server import Town


@pytest.fixture
def town() -> Iterator[Town]:
    with Town(seed=7, options={"discourse_page": 5}) as running:
        yield running


def reader(town: Town, **settings: Any) -> Reader:
    given = {"url": "https://forum.example/", "base_url": town.urls["discourse"]}
    chosen = discourse.Settings(**{**given, **settings})
    return Reader(lambda: discourse.Connector(chosen, context()))


def fill(town: Town, count: int, **more: Any) -> list[str]:
    return [town.post("discourse", f"northbank post {n}", **more) for n in range(count)]


@pytest.mark.parametrize("before", ["exclusive", "inclusive"])
def test_every_post_by_either_kind_of_before(before: str) -> None:
    with Town(options={"discourse_page": 5, "discourse_before": before}) as town:
        ids = fill(town, 23)
        r = reader(town)
        assert r.poll()
        assert r.ids == set(ids)
        assert r.state["since_id"] == int(ids[-1])
        assert r.poll()
        assert len(town.ledger.requests("discourse")) < 20


def test_imported_posts_have_new_ids_and_old_dates(town: Town) -> None:
    """A walk that stopped at the first old date would never see the posts written while the import ran."""
    old = fill(town, 6)
    r = reader(town)
    assert r.poll()
    new = fill(town, 2)
    imported = fill(town, 12, created=time.time() - 5 * 365 * 86_400)
    assert r.poll()
    assert r.ids == {*old, *new, *imported}


def test_a_walk_stops_at_known_ground(town: Town) -> None:
    fill(town, 60, created=time.time() - 7200)
    r = reader(town)
    assert r.poll()
    asked = len(town.ledger.requests("discourse"))
    new = fill(town, 2)
    assert r.poll()
    assert r.ids >= set(new)
    assert len(town.ledger.requests("discourse")) - asked == 2  # the first page still holds new posts


def test_a_walk_goes_on_where_the_page_cap_stopped_it(town: Town) -> None:
    ids = fill(town, 30)
    r = reader(town)
    assert r.poll(2) is False
    assert (r.state["since_id"], r.state["walk"]["before"]) == (0, int(ids[20]))
    newer = fill(town, 3)
    while not r.poll(2):
        assert len(r.pages) < 30
    assert r.poll()
    assert r.ids == {*ids, *newer}


def test_quotes_and_previews_are_other_people_s_words(town: Town) -> None:
    root = town.post("discourse", "Card <declined> & gone", title="Cards & more", author="ann")
    second = town.post("discourse", "fine here", parent=root, author="bob")
    reply = town.post("discourse", "works for me", parent=second, author="cid", quote="your app is terrible")
    r = reader(town)
    assert r.poll()
    post, answer = r.mentions[root], r.mentions[reply]
    assert (post.kind, post.name, post.content) == ("Article", "Cards & more", "Card <declined> & gone")
    assert (answer.kind, answer.name, answer.content) == ("Note", "", "works for me")
    assert discourse.own_words("a<aside>b<aside>c</aside>d</aside>e") == "a\ne"
    assert discourse.own_words("a<aside>b") == "a<aside>b"


def test_threads_authors_and_addresses(town: Town) -> None:
    root = town.post("discourse", "help", title="Is it me?", author="ann", created=1_790_000_000)
    second = town.post("discourse", "no", parent=root, author="bob")
    third = town.post("discourse", "yes", parent=second, author="ann")
    r = reader(town, backfill=8760)
    assert r.poll()
    post, reply, below = (r.mentions[native_id] for native_id in (root, second, third))
    thread = post.context
    assert thread.startswith("t/")
    assert (reply.context, below.context) == (thread, thread)
    assert (post.in_reply_to, reply.in_reply_to, below.in_reply_to) == (None, f"{thread}/1", f"{thread}/2")
    assert post.published == datetime.fromtimestamp(1_790_000_000, UTC)
    assert (post.platform, post.origin) == ("discourse", "forum.example")
    assert post.url == f"https://forum.example/{thread}/1"
    assert post.attributed_to is not None
    assert (post.attributed_to.handle, post.attributed_to.url) == ("ann", "https://forum.example/u/ann")


def test_edits_late_arrivals_and_deletions(town: Town) -> None:
    ids = fill(town, 4)
    late = town.post("discourse", "northbank late", visible_in=0.6)
    fill(town, 6)
    r = reader(town)
    assert r.poll()
    assert late not in r.ids
    assert r.mentions[ids[1]].updated is None
    town.edit("discourse", ids[1], "northbank changed")
    town.delete("discourse", ids[2], shown=True)
    town.platforms["discourse"].posts[ids[3]].extra["hidden"] = True
    town.platforms["discourse"].posts[ids[3]].cache.clear()
    time.sleep(0.65)
    assert r.poll()
    assert late in r.ids
    assert r.mentions[ids[1]].content == "northbank changed"
    assert r.mentions[ids[1]].updated is not None
    for gone in (r.mentions[ids[2]], r.mentions[ids[3]]):
        assert gone.deleted
        assert (gone.text, gone.attributed_to) == ("", None)


def test_a_post_rendered_anew_is_no_edit() -> None:
    post = {"id": 5, "created_at": "2026-11-20T10:00:00Z", "updated_at": "2026-11-21T10:00:00Z", "cooked": "<p>x</p>"}
    connector = discourse.Connector(discourse.Settings(url="https://f.example"), context())
    assert connector.normalise({**post, "version": 1}).updated is None
    assert connector.normalise({**post, "version": 2}).updated is not None


def test_keys_are_sent_and_refused(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests import reading

    ids = fill(town, 1)
    monkeypatch.setitem(reading.SECRETS, "DISCOURSE_API_KEY", "town-discourse-key")
    r = reader(town, api_key_env="DISCOURSE_API_KEY", api_username="earmark")
    assert r.poll()
    assert r.ids == set(ids)
    monkeypatch.setitem(reading.SECRETS, "DISCOURSE_API_KEY", "wrong")
    with pytest.raises(AuthError):
        r.poll()


@pytest.mark.parametrize("reset", ["retry-after", "date", "body"])
def test_the_forum_s_word_on_waiting_is_kept(town: Town, reset: str) -> None:
    """The plain-text refusal of the middleware, and the application's own, whose time stands in the body only."""
    town.faults.add("discourse", "429", times=1, reset=reset, seconds=20)
    with pytest.raises(RateLimited) as refused:
        reader(town).poll()
    wait = refused.value.reset_at - datetime.now(UTC)
    assert timedelta(seconds=17) < wait < timedelta(seconds=24)


@pytest.mark.parametrize(
    ("kind", "options", "error"),
    [
        ("status", {"status": 502}, Transient),
        ("status", {"status": 404}, Permanent),
        ("truncate", {}, Transient),
        ("reset_mid", {}, Transient),
        ("bad_json", {}, Transient),
        ("html", {}, Transient),
        ("empty", {}, Transient),
    ],
)
def test_refusals_and_half_answers_move_nothing(town: Town, kind: str, options: Any, error: type[Exception]) -> None:
    ids = fill(town, 8)
    town.faults.add("discourse", kind, nth=[2], **options)
    r = reader(town)
    with pytest.raises(error):
        r.poll()
    assert r.state["walk"]["before"] == int(ids[3])
    assert r.poll()
    assert r.ids == set(ids)


def test_one_bad_post_costs_itself_only(town: Town) -> None:
    ids = fill(town, 3)
    town.post("discourse", "no id", malformed="missing_id")
    odd = town.post("discourse", "odd", malformed="wrong_types")
    gone = town.post("discourse", "author left", malformed="null_author")
    r = reader(town)
    assert r.poll()
    assert r.ids == {*ids, odd, gone}
    assert len(r.rejects) == 1
    assert r.mentions[gone].attributed_to is None
    assert "undated" in r.mentions[odd].flags


def test_a_page_without_any_id_moves_nothing() -> None:
    with Town(options={"discourse_page": 1}) as town:
        fill(town, 2)
        town.post("discourse", "no id", malformed="missing_id")
        r = reader(town)
        assert r.poll()
        assert (r.ids, r.state) == (set(), {})
        assert r.warnings
        newer = fill(town, 1)
        assert r.poll()
        assert r.ids == set(newer)  # what stands below waits until the page above it can be read
        assert r.state["since_id"] == 0


def test_settings_are_checked() -> None:
    for url in ("forum.example", "ftp://forum.example", "https://me:secret@forum.example"):
        with pytest.raises(ValidationError):
            discourse.Settings(url=url)
    with pytest.raises(MalformedItem):
        discourse.Connector(discourse.Settings(url="https://f.example"), context()).normalise({"id": 0})
