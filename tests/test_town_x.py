"""The X stand-in, driven by tweepy through an adapter that points its fixed host at the town."""

import time

import pytest
import requests
import tweepy

from town.accounts import ACCOUNTS
from town.server import Town
from town.x import snowflake


class Rewrite(requests.adapters.HTTPAdapter):
    """tweepy's host is fixed in its source (tweepy/tweepy#1971); the session's adapter is where it can be turned."""

    def __init__(self, base):
        self.base = base
        super().__init__()

    def send(self, request, **kwargs):
        request.url = request.url.replace("https://api.twitter.com", self.base, 1)
        return super().send(request, **kwargs | {"timeout": 5})


def client(town, token=ACCOUNTS["x"]["bearer"], **kwargs):
    found = tweepy.Client(bearer_token=token, **kwargs)
    found.session.mount("https://api.twitter.com", Rewrite(town.urls["x"]))
    return found


@pytest.fixture
def town():
    with Town(seed=7) as town:
        yield town


def get(town, **params):
    return requests.get(
        town.urls["x"] + "/2/tweets/search/recent",
        params=params,
        timeout=5,
        headers={"Authorization": f"Bearer {ACCOUNTS['x']['bearer']}"},
    )


def test_tweepy_pages_newest_first(town):
    ids = town.preload("x", [f"northbank says no {i}" for i in range(250)])
    pages = list(tweepy.Paginator(client(town).search_recent_tweets, "northbank", max_results=100))
    assert [str(t.id) for page in pages for t in page.data] == ids[::-1]
    assert [len(page.data) for page in pages] == [100, 100, 50]
    assert "next_token" not in pages[-1].meta
    assert pages[0].meta["newest_id"] == ids[-1]
    assert pages[0].meta["oldest_id"] == ids[150]


def test_zero_results_have_no_data(town):
    assert get(town, query="northbank").json() == {"meta": {"result_count": 0}}


def test_since_id_is_exclusive(town):
    first, second = (town.post("x", f"northbank {i}") for i in range(2))
    found = client(town).search_recent_tweets("northbank", since_id=first)
    assert [str(t.id) for t in found.data] == [second]


def test_default_fields_as_in_the_documented_example(town):
    ident = town.post("x", "Just started learning Python and loving it!")
    assert get(town, query="python").json() == {
        "data": [
            {"id": ident, "text": "Just started learning Python and loving it!", "edit_history_tweet_ids": [ident]}
        ],
        "meta": {"newest_id": ident, "oldest_id": ident, "result_count": 1},
    }


def test_fields_and_expansions(town):
    asked = town.post("x", "northbank app?", author="ann", name="Ann A", lang="en")
    reply = town.post("x", "@ann northbank is down", author="bob", parent=asked)
    found = client(town).search_recent_tweets(
        "northbank",
        expansions=["author_id"],
        tweet_fields=["created_at", "conversation_id", "referenced_tweets", "lang"],
        user_fields=["public_metrics"],
    )
    newest, oldest = found.data
    assert newest.conversation_id == int(asked)
    assert [(r.type, r.id) for r in newest.referenced_tweets] == [("replied_to", int(asked))]
    assert oldest.created_at.timestamp() == pytest.approx(time.time(), abs=3)
    users = {u.id: u for u in found.includes["users"]}
    assert users[oldest.author_id].name == "Ann A"
    assert users[newest.author_id].public_metrics["followers_count"] > 0
    assert newest.id == int(reply)


@pytest.mark.parametrize(
    ("query", "hits"),
    [
        ("northbank", "abc r"),
        ("northbank -is:retweet", "abc "),
        ('"north bank"', "d"),
        ("northbank OR river", "abcer"),
        ("northbank lang:de", "b"),
        ("northbank -lang:de -is:retweet", "ac"),
        ("northbank app OR river", "aer"),
        ("northbank (app OR hold)", "acr"),
        ("from:ann northbank", "a"),
        ("#down", "c"),
        ("@northbank", "b"),
        ("northbank has:hashtags", "c"),
        ("Northbank's", ""),
    ],
)
def test_queries_are_really_evaluated(town, query, hits):
    a = town.post("x", "Northbank app is gone", author="ann")
    texts = {
        a: "a",
        town.post("x", "@northbank was ist los", lang="de"): "b",
        town.post("x", "northbank on hold #down"): "c",
        town.post("x", "walked the north bank"): "d",
        town.post("x", "a river"): "e",
        town.post("x", "", author="cat", retweet_of=a): "r",
    }
    found = get(town, query=query).json().get("data", [])
    assert sorted(texts[t["id"]] for t in found) == sorted(hits.replace(" ", ""))


def test_an_edit_has_a_new_id_and_its_history(town):
    old = town.post("x", "northbank is grate")
    new = town.edit("x", old, "northbank is great")
    found = client(town).search_recent_tweets("northbank").data
    assert [(str(t.id), t.text, [str(i) for i in t.edit_history_tweet_ids]) for t in found] == [
        (new, "northbank is great", [old, new])
    ]
    assert town.ledger.served("x")[0]["root"] == old


def test_a_retweet_and_a_deleted_post(town):
    first = town.post("x", "northbank is down", author="ann")
    town.post("x", "", author="bob", retweet_of=first)
    gone = town.post("x", "northbank never mind")
    town.delete("x", gone)
    found = get(town, query="northbank", **{"tweet.fields": "referenced_tweets"}).json()["data"]
    assert [t["text"] for t in found] == ["RT @ann: northbank is down", "northbank is down"]
    assert found[0]["referenced_tweets"] == [{"type": "retweeted", "id": first}]
    answer = client(town).get_tweets([first, gone])
    assert [str(t.id) for t in answer.data] == [first]
    assert answer.errors[0]["resource_id"] == gone


def test_lookback_is_seven_days(town):
    town.post("x", "northbank long ago", created=time.time() - 8 * 86400)
    assert get(town, query="northbank").json()["meta"]["result_count"] == 0
    old = snowflake(time.time() - 8 * 86400, 1)
    with pytest.raises(tweepy.BadRequest, match="must be a tweet id created after"):
        client(town).search_recent_tweets("northbank", since_id=old)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"query": "x" * 513},
        {"query": "-is:retweet"},
        {"query": "lang:en"},
        {"query": "(northbank"},
        {"query": '"northbank'},
        {"query": "northbank place:here"},
        {"query": "northbank", "max_results": 9},
        {"query": "northbank", "max_results": 101},
        {"query": "northbank", "next_token": "nonsense"},
        {"query": "northbank", "tweet.fields": "colour"},
        {"query": "northbank", "expansions": "colour"},
        {"query": "northbank", "colour": "red"},
        {"query": "northbank", "start_time": "yesterday"},
        {"query": "northbank", "since_id": "abc"},
        {"query": "northbank", "end_time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86400))},
    ],
)
def test_refuses_what_the_platform_refuses(town, params):
    answer = get(town, **params)
    assert answer.status_code == 400
    assert answer.json()["title"] == "Invalid Request"


def test_unauthorised(town):
    with pytest.raises(tweepy.Unauthorized):
        client(town, "wrong").search_recent_tweets("northbank")


def test_rate_limit_is_an_epoch_without_retry_after(town):
    town.rates["x"] = (1, 900)
    first = get(town, query="northbank")
    assert 890 < int(first.headers["x-rate-limit-reset"]) - time.time() <= 900
    second = get(town, query="northbank")
    assert second.status_code == 429
    assert "Retry-After" not in second.headers
    with pytest.raises(tweepy.TooManyRequests):
        client(town).search_recent_tweets("northbank")


def test_partial_answer_has_data_and_errors(town):
    town.post("x", "northbank one", author="ann")
    town.post("x", "northbank two", author="bob")
    town.faults.add("x", "partial", times=1)
    answer = client(town).search_recent_tweets("northbank", expansions=["author_id"])
    assert len(answer.data) == 2
    assert len(answer.includes["users"]) == 1
    assert len(answer.errors) == 1


def test_shift_and_duplicate_while_paging(town):
    ids = town.preload("x", [f"northbank {i}" for i in range(30)])
    town.faults.add("x", "shift", nth=1, posts=4)
    town.faults.add("x", "duplicate", nth=2)
    first = get(town, query="northbank", max_results=20).json()
    second = get(town, query="northbank", max_results=20, next_token=first["meta"]["next_token"]).json()
    assert [t["id"] for t in first["data"]] == ids[:9:-1]
    assert [t["id"] for t in second["data"]] == [ids[10], *ids[9::-1]]
