"""The Reddit stand-in, driven by praw; refusals by plain requests."""

import time

import praw
import prawcore
import pytest
import requests

from town.accounts import ACCOUNTS
from town.server import Town

AGENT = {"User-Agent": "linux:town.test:1 (by u/test)"}


@pytest.fixture
def town():
    with Town(seed=7, options={"reddit_disorder": 0.0}) as town:
        yield town


def reader(town, **over):
    about = {"client_id": ACCOUNTS["reddit"]["client_id"], "client_secret": ACCOUNTS["reddit"]["client_secret"]} | over
    return praw.Reddit(
        **about,
        user_agent=AGENT["User-Agent"],
        oauth_url=town.urls["reddit"],
        reddit_url=town.urls["reddit"],
        check_for_updates=False,
        check_for_async=False,
        timeout=5,
    )


def bearer(town):
    own = ACCOUNTS["reddit"]
    got = requests.post(
        town.urls["reddit"] + "/api/v1/access_token",
        {"grant_type": "client_credentials"},
        auth=(own["client_id"], own["client_secret"]),
        headers=AGENT,
        timeout=5,
    ).json()
    return AGENT | {"Authorization": f"{got['token_type']} {got['access_token']}"}


def get(town, path, headers, **params):
    return requests.get(town.urls["reddit"] + path, params=params, headers=headers, timeout=5)


def test_praw_walks_two_subreddits_newest_first(town):
    ids = [
        town.post("reddit", f"text {i}", title=f"t {i}", origin=("northbank", "moneytalk")[i % 2]) for i in range(230)
    ]
    found = [s.name for s in reader(town).subreddit("northbank+moneytalk").new(limit=None)]
    assert found == ids[::-1]
    assert {r["native_id"] for r in town.ledger.served("reddit")} == set(ids)


def test_a_listing_ends_after_a_thousand(town):
    ids = town.preload("reddit", [f"text {i}" for i in range(1100)])
    assert [s.name for s in reader(town).subreddit("northbank").new(limit=None)] == ids[:99:-1]


def test_comments_and_threads(town):
    top = town.post("reddit", "is it me?", title="App down")
    reply = town.post("reddit", "same here", kind="t1", parent=top, author="ann")
    below = town.post("reddit", "and here", kind="t1", parent=reply)
    found = list(reader(town).subreddit("northbank").comments(limit=10))
    assert [(c.name, c.parent_id, c.link_id) for c in found] == [(below, reply, top), (reply, top, top)]
    assert found[1].author.name == "ann"
    assert found[1].edited is False


def test_edit_and_deletes_as_recorded_traffic_shows_them(town):
    edited, shown, gone = (town.post("reddit", f"text {i}", author="ann") for i in range(3))
    town.edit("reddit", edited, "better text")
    town.delete("reddit", shown, shown=True)
    town.delete("reddit", gone)
    found = {s.name: s for s in reader(town).subreddit("northbank").new()}
    assert set(found) == {edited, shown}
    assert found[edited].selftext == "better text"
    assert found[edited].edited == pytest.approx(time.time(), abs=3)
    assert found[shown].author is None
    assert found[shown].selftext == "[deleted]"
    assert [s.author for s in reader(town).info(fullnames=[gone])] == [None]


def test_before_a_deleted_post_is_an_empty_page(town):
    old, anchor, new = (town.post("reddit", f"text {i}") for i in range(3))
    headers = bearer(town)
    assert [c["data"]["name"] for c in _children(get(town, "/r/northbank/new", headers, before=old))] == [new, anchor]
    town.delete("reddit", anchor)
    assert _children(get(town, "/r/northbank/new", headers, before=anchor)) == []


def _children(response):
    assert response.status_code == 200
    return response.json()["data"]["children"]


def test_search_finds_submissions_only_and_keeps_to_the_subreddit(town):
    hit = town.post("reddit", "the north bank app crashed", title="app")
    town.post("reddit", "the north bank app crashed", kind="t1", parent=hit)
    town.post("reddit", "river walks", title="weather")
    other = town.post("reddit", "north bank again", title="x", origin="moneytalk")
    reddit = reader(town)
    assert [s.name for s in reddit.subreddit("all").search('northbank OR "north bank"', sort="new")] == [other, hit]
    assert [s.name for s in reddit.subreddit("northbank").search('"north bank"', sort="new")] == [hit]


def test_late_arrival_takes_its_old_place(town):
    now = time.time()
    late = town.post("reddit", "late", created=now - 60, visible_in=0.3)
    early = town.post("reddit", "early", created=now - 30)
    listing = reader(town).subreddit("northbank")
    assert [s.name for s in listing.new()] == [early]
    deadline = time.time() + 5
    while (names := [s.name for s in listing.new()]) == [early] and time.time() < deadline:
        time.sleep(0.05)
    assert names == [early, late]


def test_same_second_ties_are_whole_seconds_as_floats(town):
    at = float(int(time.time())) - 5
    for i in range(3):
        town.post("reddit", "tie", created=at + i / 10)
    children = _children(get(town, "/r/northbank/new", bearer(town)))
    assert {c["data"]["created_utc"] for c in children} == {at}


def test_entities_are_escaped_unless_raw_json(town):
    town.post("reddit", "a < b & c")
    headers = bearer(town)
    assert _children(get(town, "/r/northbank/new", headers))[0]["data"]["selftext"] == "a &lt; b &amp; c"
    assert _children(get(town, "/r/northbank/new", headers, raw_json=1))[0]["data"]["selftext"] == "a < b & c"


def test_rate_headers_are_a_float_string_and_seconds_to_go(town):
    town.rates["reddit"] = (2, 600)
    headers = bearer(town)
    first = get(town, "/r/northbank/new", headers)
    assert first.headers["x-ratelimit-remaining"] == "1.0"
    assert 590 <= int(first.headers["x-ratelimit-reset"]) <= 600
    get(town, "/r/northbank/new", headers)
    assert get(town, "/r/northbank/new", headers).status_code == 429


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"User-Agent": "python-requests/2.34"}, 429),
        (AGENT, 401),
        (AGENT | {"Authorization": "bearer 9999999999.0-forged"}, 401),
    ],
)
def test_refuses_strangers(town, headers, status):
    assert get(town, "/r/northbank/new", headers).status_code == status


def test_refuses_a_wrong_secret_and_an_old_token(town):
    with pytest.raises(prawcore.exceptions.ResponseException):
        list(reader(town, client_secret="wrong").subreddit("northbank").new())
    town.options["reddit_token_ttl"] = 0
    answer = get(town, "/r/northbank/new", bearer(town))
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_unknown_paths_and_methods(town):
    headers = bearer(town)
    assert get(town, "/r/northbank/nothing", headers).status_code == 404
    assert requests.post(town.urls["reddit"] + "/r/northbank/new", headers=headers, timeout=5).status_code == 405


@pytest.mark.parametrize("reset", ["retry-after", "date", "header", "none"])
def test_429_tells_its_reset_each_way(town, reset):
    town.faults.add("reddit", "429", times=1, reset=reset, seconds=7)
    headers = bearer(town)
    refused = get(town, "/r/northbank/new", headers)
    assert refused.status_code == 429
    assert refused.headers.get("x-ratelimit-reset") == ("7" if reset == "header" else None)
    assert ("Retry-After" in refused.headers) == (reset in ("retry-after", "date"))
    assert get(town, "/r/northbank/new", headers).status_code == 200


def test_a_malformed_item_is_counted_apart(town):
    good = town.post("reddit", "good")
    town.post("reddit", "bad", malformed="missing_id")
    children = _children(get(town, "/r/northbank/new", bearer(town)))
    assert ["name" in c["data"] for c in children] == [False, True]
    assert {(r["native_id"].split(":")[0], r["malformed"]) for r in town.ledger.served()} == {
        (good, 0),
        ("malformed", 1),
    }
    assert town.ledger.summary()["served"]["reddit"] == {"distinct": 2, "malformed": 1, "times": 2}


def test_items_shift_and_repeat_while_paging(town):
    ids = town.preload("reddit", [f"text {i}" for i in range(20)])
    town.faults.add("reddit", "shift", nth=1, posts=3)
    town.faults.add("reddit", "duplicate", nth=2)
    headers = bearer(town)
    first = get(town, "/r/northbank/new", headers, limit=10).json()["data"]
    second = get(town, "/r/northbank/new", headers, limit=10, after=first["after"]).json()["data"]
    names = [c["data"]["name"] for c in first["children"] + second["children"]]
    assert names[:10] == ids[:9:-1]
    assert names[10] == names[9]
    assert names[11:] == ids[9::-1]
    assert len(_children(get(town, "/r/northbank/new", headers))) == 23


def test_some_pages_are_out_of_order_by_seed():
    def pages(seed):
        with Town(seed=seed, options={"reddit_disorder": 0.5}) as town:
            ids = town.preload("reddit", [f"text {i}" for i in range(30)])
            headers = bearer(town)
            got = [[c["data"]["name"] for c in _children(get(town, "/r/northbank/new", headers))] for _ in range(6)]
            assert all(sorted(page) == sorted(ids[5:]) for page in got)
            return [page == ids[:4:-1] for page in got]

    assert pages(3) == pages(3)
    assert set(pages(3)) == {True, False}


def test_private_banned_and_unknown_subreddits(town):
    reddit = reader(town)
    for name, error in (
        ("private_sub", prawcore.Forbidden),
        ("banned_sub", prawcore.NotFound),
        ("no_such_sub", prawcore.Redirect),
    ):
        with pytest.raises(error):
            list(reddit.subreddit(name).new())
    ident = town.post("reddit", "text")
    assert [s.name for s in reddit.subreddit("northbank+private_sub").new()] == [ident]


def test_a_page_cap_ends_the_walk_early(town):
    ids = town.preload("reddit", [f"text {i}" for i in range(300)])
    town.faults.add("reddit", "page_cap", depth=150)
    assert [s.name for s in reader(town).subreddit("northbank").new(limit=None)] == ids[:149:-1]


@pytest.mark.parametrize("kind", ["truncate", "reset", "reset_mid", "bad_json", "html"])
def test_prawcore_sees_a_broken_page_as_an_error(town, kind):
    town.post("reddit", "text")
    town.faults.add("reddit", kind)
    with pytest.raises(prawcore.PrawcoreException):
        list(reader(town).subreddit("northbank").new())
    assert town.ledger.summary()["served"] == {}


def test_praw_reads_a_post_with_its_answers(town):
    top = town.post("reddit", "Card declined", title="Declined", origin="northbank")
    first = town.post("reddit", "Same here", origin="northbank", kind="t1", parent=top)
    inner = town.post("reddit", "And here", origin="northbank", kind="t1", parent=first)
    alone = town.post("reddit", "Gone soon", origin="northbank", kind="t1", parent=top)
    town.delete("reddit", first, shown=True)
    town.delete("reddit", alone, shown=True)
    found = reader(town).submission(top[3:])
    assert [c.name for c in found.comments.list()] == [first, inner], "an unanswered deleted comment is left out"
    assert found.comments[0].body == "[deleted]"
    focus = get(town, f"/comments/{top[3:]}", bearer(town), comment=first[3:], depth=1).json()[1]["data"]["children"]
    assert [child["data"]["name"] for child in focus] == [first]
    hidden = focus[0]["data"]["replies"]["data"]["children"][0]
    assert (hidden["kind"], hidden["data"]["children"]) == ("more", [inner[3:]])
    assert get(town, "/comments/none", bearer(town)).status_code == 404
