"""The Hacker News stand-in against documented answers. The search has no client library of its own."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.support import wait_until
from town.server import Town


@pytest.fixture
def town() -> Iterator[Town]:
    with Town(seed=7) as town:
        yield town


def search(town: Town, query: str = "northbank", **params: Any) -> Any:
    asked = {"query": query, **params}
    return requests.get(town.urls["hackernews"] + "/api/v1/search_by_date", params=asked, timeout=10)


def hits(town: Town, query: str = "northbank", **params: Any) -> list[str]:
    return [hit["objectID"] for hit in search(town, query, **params).json()["hits"]]


def item(town: Town, native_id: str) -> Any:
    return requests.get(f"{town.urls['hackernews']}/v0/item/{native_id}.json", timeout=5).json()


def test_a_query_shows_a_thousand_hits_and_no_page_shows_more(town: Town) -> None:
    """The two answers in https://github.com/algolia/hn-search/issues/230: page 9 of 10, and the empty one after it."""
    now = int(time.time())
    made = town.preload("hackernews", ["northbank"] * 1300, start=now - 2000, step=1)
    last = search(town, hitsPerPage=100, page=9).json()
    assert (len(last["hits"]), last["nbHits"], last["nbPages"], last["page"]) == (100, 1300, 10, 9)
    over = search(town, hitsPerPage=100, page=10).json()
    assert (over["hits"], over["nbHits"], over["nbPages"]) == ([], 0, 0)
    assert over["message"].startswith("you can only fetch the 1000 hits for this query")
    assert len(hits(town, hitsPerPage=99_999)) == 1000, "https://github.com/algolia/hn-search/issues/125"
    assert hits(town, hitsPerPage=1000, numericFilters=f"created_at_i<={now - 2000 + 299}") == made[299::-1]


def test_newest_first_with_bounds_that_include_or_not(town: Town) -> None:
    now = int(time.time()) - 100
    made = [town.post("hackernews", f"northbank {n}", created=now + n // 2) for n in range(6)]
    assert hits(town) == made[::-1]
    assert set(hits(town, numericFilters=f"created_at_i>={now + 1},created_at_i<={now + 1}")) == set(made[2:4])
    assert set(hits(town, numericFilters=f"created_at_i>{now + 1}")) == set(made[4:])


def test_words_phrases_and_tags(town: Town) -> None:
    story = town.post("hackernews", "", title="Show HN: a northbank client")
    comment = town.post("hackernews", "the north bank's app", parent=story, author="pg")
    assert hits(town) == [story]
    assert hits(town, '"north bank"') == [comment]
    assert hits(town, "client north") == [story], "the last word may be the beginning of one"
    assert hits(town, "", tags="(story,comment)") == [comment, story]
    assert hits(town, "", tags=f"comment,story_{story}") == [comment]
    assert hits(town, "", tags="author_pg") == [comment]


def test_hits_have_the_documented_fields(town: Town) -> None:
    """https://hn.algolia.com/api shows a story; comments carry parent, story and its title."""
    story = town.post("hackernews", "Is it's <ok>?\n\nsee https://a.example/b", title="A & B", author="ann")
    town.post("hackernews", "same", parent=story)
    comment, shown = search(town, "", hitsPerPage=2).json()["hits"]
    assert {"title", "author", "points", "story_text", "num_comments", "created_at", "created_at_i", "_tags", "objectID",
            "_highlightResult", "story_id"} <= set(shown)  # fmt: skip
    assert shown["story_text"] == (
        "Is it&#x27;s &lt;ok&gt;?<p>see "
        '<a href="https:&#x2F;&#x2F;a.example&#x2F;b" rel="nofollow">https:&#x2F;&#x2F;a.example&#x2F;b</a>'
    )
    assert (comment["parent_id"], comment["story_id"], comment["story_title"]) == (int(story), int(story), "A & B")
    assert comment["_tags"] == ["comment", "author_someone", f"story_{story}"]


def test_the_index_is_late_and_keeps_what_was_deleted(town: Town) -> None:
    late = town.post("hackernews", "northbank", created=time.time() - 60, visible_in=0.3)
    kept, gone, dead = (town.post("hackernews", "northbank", dead=n == 2) for n in range(3))
    assert item(town, late)["type"] == "story"
    assert late not in hits(town)
    town.delete("hackernews", kept, shown=True)
    town.delete("hackernews", gone)
    assert set(hits(town)) == {kept, dead}
    assert (item(town, kept)["deleted"], item(town, gone)["deleted"]) == (True, True)
    assert "by" not in item(town, kept)
    assert item(town, dead)["dead"] is True
    assert item(town, "99") is None
    wait_until(lambda: late in hits(town))


def test_refusals(town: Town) -> None:
    unknown = search(town, sort="new")
    assert (unknown.status_code, unknown.json()) == (400, {"message": "Unknown parameter: sort", "status": 400})
    assert search(town, numericFilters="created_at_i").status_code == 400
    assert search(town, hitsPerPage="many").status_code == 400
    assert requests.post(town.urls["hackernews"] + "/api/v1/search", timeout=5).status_code == 405
    with Town(rates={"hackernews": (1, 3600)}) as busy:
        assert [search(busy).status_code for _ in range(2)] == [200, 429]


def test_an_item_names_what_answers_it(town: Town) -> None:
    """`kids` as in https://github.com/HackerNews/API#items; absent where there are none."""
    story = town.post("hackernews", "northbank is down", title="Down", kind="story")
    comment = town.post("hackernews", "here too", kind="comment", parent=story)
    assert item(town, story)["kids"] == [int(comment)]
    assert "kids" not in item(town, comment)
