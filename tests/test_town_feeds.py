"""The feed stand-in, read by feedparser; JSON Feed compared with the version 1.1 document."""

import json
import time

import feedparser
import pytest
import requests

from town.server import Town


@pytest.fixture
def town():
    with Town(seed=7, options={"feed_window": 10}) as town:
        yield town


def get(town, path, **headers):
    return requests.get(town.urls["feeds"] + path, headers=headers, timeout=5)


def parsed(response):
    assert response.status_code == 200
    return feedparser.parse(response.content, response_headers={"content-type": response.headers["content-type"]})


@pytest.mark.parametrize("kind", ["rss", "atom"])
def test_feedparser_reads_it_without_complaint(town, kind):
    at = time.time() - 100
    top = town.post("feeds", "Northbank is <down> & out", title="Q & A", author="ann", origin="forum", created=at)
    town.post("feeds", "same here\n\nsince noon", author="bob", origin="forum", parent=top)
    feed = parsed(get(town, f"/forum.{kind}"))
    assert not feed.bozo
    assert feed.version == {"rss": "rss20", "atom": "atom10"}[kind]
    reply, first = feed.entries
    body = first.content[0].value if kind == "atom" else first.summary
    assert (first.id, first.title, first.author) == (top, "Q & A", "ann")
    assert body == "<p>Northbank is &lt;down&gt; &amp; out</p>"
    assert first.published_parsed[:6] == time.gmtime(at)[:6]
    if kind == "atom":
        assert reply["thr_in-reply-to"]["ref"] == top


def test_json_feed_has_what_version_1_1_requires(town):
    ident = town.post("feeds", "text", title="Title", author="ann", origin="blog")
    answer = get(town, "/blog.json")
    assert answer.headers["Content-Type"].startswith("application/feed+json")
    feed = answer.json()
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert feed["title"]
    assert {k: feed["items"][0][k] for k in ("id", "title", "content_text", "authors")} == {
        "id": ident,
        "title": "Title",
        "content_text": "text",
        "authors": [{"name": "ann"}],
    }


def test_the_window_slides(town):
    ids = [town.post("feeds", f"text {i}") for i in range(13)]
    assert [e.id for e in parsed(get(town, "/news.rss")).entries] == ids[:2:-1]
    assert town.ledger.summary()["served"]["feeds"]["distinct"] == 10


def test_conditional_get(town):
    town.post("feeds", "one")
    first = get(town, "/news.rss")
    etag, modified = first.headers["ETag"], first.headers["Last-Modified"]
    assert get(town, "/news.rss", **{"If-None-Match": etag}).status_code == 304
    assert get(town, "/news.rss", **{"If-Modified-Since": modified}).status_code == 304
    # RFC 9110 13.1.3: the tag decides where both are given
    assert get(town, "/news.rss", **{"If-None-Match": '"other"', "If-Modified-Since": modified}).status_code == 200
    town.post("feeds", "two")
    assert get(town, "/news.rss", **{"If-None-Match": etag}).status_code == 200
    assert town.ledger.requests("feeds")[1]["items"] == 0


def test_gzip_and_cache_control(town):
    town.options["feed_max_age"] = 60
    town.post("feeds", "one")
    plain = get(town, "/news.atom", **{"Accept-Encoding": "identity"})
    packed = get(town, "/news.atom", **{"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert plain.content == packed.content
    assert plain.headers["Cache-Control"] == "max-age=60"


def test_edit_delete_and_unknown(town):
    first, second = (town.post("feeds", f"text {i}") for i in range(2))
    town.edit("feeds", first, "better")
    town.delete("feeds", second)
    feed = parsed(get(town, "/news.atom"))
    assert [(e.id, e.content[0].value) for e in feed.entries] == [(first, "<p>better</p>")]
    assert get(town, "/nothing.rss").status_code == 404
    assert requests.post(town.urls["feeds"] + "/news.rss", timeout=5).status_code == 405


@pytest.mark.parametrize("mode", ["cut", "entity", "amp", "latin1"])
def test_illformed_is_bozo_to_feedparser(town, mode):
    for i in range(4):
        town.post("feeds", f"Northbank {i}")
    town.faults.add("feeds", "illformed", mode=mode, times=1)
    assert parsed(get(town, "/news.rss")).bozo
    assert not parsed(get(town, "/news.rss")).bozo


def test_odd_feeds_without_dates_or_ids(town):
    town.post("feeds", "Northbank")
    town.faults.add("feeds", "illformed", mode="nodates", nth=1)
    town.faults.add("feeds", "illformed", mode="noguid", nth=2)
    assert "published" not in parsed(get(town, "/news.rss")).entries[0]
    assert "id" not in parsed(get(town, "/news.atom")).entries[0]


def test_a_malformed_fault_spoils_one_item_once(town):
    ids = [town.post("feeds", f"text {i}", origin="blog") for i in range(5)]
    town.faults.add("feeds", "malformed", mode="missing_id", times=1)
    assert sum("id" not in item for item in get(town, "/blog.json").json()["items"]) == 1
    assert [item["id"] for item in get(town, "/blog.json").json()["items"]] == ids[::-1]


def test_malformed_items(town):
    for mode in ("missing_id", "wrong_types", "null_author"):
        town.post("feeds", "text", malformed=mode, origin="blog")
    items = json.loads(get(town, "/blog.json").content)["items"]
    assert items[0]["authors"] is None
    assert items[1]["content_text"] == 42
    assert "id" not in items[2]
    assert town.ledger.summary()["served"]["feeds"] == {"distinct": 3, "malformed": 3, "times": 3}


def test_bodies_that_grow(town):
    town.post("feeds", "Northbank")
    town.faults.add("feeds", "illformed", mode="huge", megabytes=3, nth=1)
    town.faults.add("feeds", "illformed", mode="laughs", nth=2)
    huge = get(town, "/news.rss")
    assert len(huge.content) > 3_000_000
    assert int(huge.headers["Content-Length"]) < 50_000
    assert b"<!ENTITY c" in get(town, "/news.rss").content


def test_a_moved_feed(town):
    town.post("feeds", "text")
    town.faults.add(
        "feeds", "redirect", path="news.rss", status=301, location=town.urls["feeds"] + "/news.atom", times=1
    )
    answer = get(town, "/news.rss")
    assert [r.status_code for r in answer.history] == [301]
    assert parsed(answer).version == "atom10"
