"""Hacker News against its stand-in: below the ceiling, across ties, in a late index, without what the site deleted."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.errors import ConfigError, MalformedItem, RateLimited, Transient
from connectors.inbound import hackernews
from tests.reading import Reader, context
from town.server import Town


@pytest.fixture
def town() -> Iterator[Town]:
    with Town(seed=7) as running:
        yield running


def reader(town: Town, **settings: Any) -> Reader:
    given = {"queries": ["northbank"], "base_url": town.urls["hackernews"], "page_size": 5, "verify": False}
    chosen = hackernews.Settings(**{**given, **settings})
    return Reader(lambda: hackernews.Connector(chosen, context()))


def fill(town: Town, count: int, **more: Any) -> list[str]:
    now = time.time()
    return [town.post("hackernews", f"northbank {n}", **{"created": now - count + n - 5, **more}) for n in range(count)]


def read(hit: dict[str, Any], **more: Any) -> Any:
    connector = hackernews.Connector(hackernews.Settings(queries=["a"]), context())
    return connector.normalise({"hit": {"objectID": "9", **hit}, **more})


def test_more_than_a_thousand_hits_are_read_by_moving_the_upper_bound(town: Town) -> None:
    """Walking by `page` alone ends at the ceiling and leaves the oldest 300."""
    made = town.preload("hackernews", ["northbank"] * 1300, start=time.time() - 3000, step=2)
    r = reader(town, page_size=400)
    assert r.poll()
    assert r.ids == set(made)
    assert r.gaps == []


def test_hits_of_one_second_across_pages_are_all_read(town: Town) -> None:
    """A bound that excludes its second loses the rest of it; one that includes it does not get past a page of them."""
    now = int(time.time())
    made = [town.post("hackernews", f"northbank {n}", created=now - 50 - n // 13) for n in range(60)]
    r = reader(town)
    assert r.poll()
    assert r.ids == set(made)
    r = reader(town, page_size=7)
    stops = 0
    while not r.poll(1):
        stops += 1
        assert stops < 60
    assert stops > 5
    assert r.ids == set(made)


def test_a_thousand_hits_in_one_second_leave_a_gap_that_says_so(town: Town) -> None:
    now = int(time.time()) - 100
    town.preload("hackernews", ["northbank"] * 1200, start=now, step=0)
    before = fill(town, 3, created=now - 50)
    r = reader(town, page_size=250)
    assert r.poll()
    assert r.ids >= set(before)
    assert [gap.since for gap in r.gaps] == [datetime.fromtimestamp(now, UTC)]
    assert "1000" in r.gaps[0].reason


def test_an_index_that_stood_still_is_caught_up_with(town: Town) -> None:
    """Forty hours late, as in August 2025; a lookback of minutes would lose these."""
    r, hasty = reader(town), reader(town, lookback=1)
    fill(town, 3)
    assert r.poll()
    assert hasty.poll()
    late = [town.post("hackernews", f"northbank {n}", created=time.time() - 40 * 3600) for n in range(8)]
    assert r.poll()
    assert r.ids >= set(late)
    assert hasty.poll()
    assert not hasty.ids & set(late)
    assert len(town.ledger.requests("hackernews")) < 40


def test_what_the_site_deleted_or_killed_becomes_a_tombstone_though_the_index_keeps_it(town: Town) -> None:
    stands, deleted = fill(town, 2)
    dead = fill(town, 1, dead=True)[0]
    town.delete("hackernews", deleted, shown=True)
    r = reader(town, verify=True)
    assert r.poll()
    assert {key for key, m in r.mentions.items() if m.deleted} == {deleted, dead}
    assert r.mentions[deleted].text == ""
    assert r.mentions[stands].text
    asked = items(town)
    assert asked == 3
    assert r.poll()
    assert {key for key, m in r.mentions.items() if m.deleted} == {deleted, dead}, "and stays one"
    assert items(town) == asked, "not asked again at every poll"
    careless = reader(town)
    assert careless.poll()
    assert not careless.mentions[deleted].deleted


def test_a_hit_is_asked_about_again_after_hours(town: Town) -> None:
    (made,) = fill(town, 1)
    r = reader(town, verify=True)
    assert r.poll()
    town.delete("hackernews", made, shown=True)
    assert r.poll()
    assert not r.mentions[made].deleted
    r.state["checked"][made][0] -= hackernews.AGAIN
    assert r.poll()
    assert r.mentions[made].deleted


def test_the_site_out_of_reach_costs_no_hit(town: Town) -> None:
    made = fill(town, 4)
    fault = town.faults.add("hackernews", "status", path="/v0/item")
    r = reader(town, verify=True)
    assert r.poll()
    assert r.ids == set(made)
    assert "unverified" in r.warnings[0]
    town.faults.clear(fault.id)
    town.delete("hackernews", made[0], shown=True)
    assert r.poll()
    assert r.mentions[made[0]].deleted


def items(town: Town) -> int:
    return sum("/v0/item" in row["path"] for row in town.ledger.requests("hackernews"))


def test_stories_and_comments_with_their_entities(town: Town) -> None:
    text = 'It\'s <broken> & "slow"'
    story = town.post("hackernews", text + "\n\nsee https://a.example/b?c=1&d=2", title="Northbank & me", author="ann")
    comment = town.post("hackernews", f"northbank: {text}", parent=story, author="bob")
    below = town.post("hackernews", "northbank too", parent=comment)
    r = reader(town)
    assert r.poll()
    one, two, three = (r.mentions[key] for key in (story, comment, below))
    assert (one.kind, one.name, one.context, one.in_reply_to) == ("Article", "Northbank & me", story, None)
    assert one.content == text + "\nsee https://a.example/b?c=1&d=2"
    assert one.url == f"https://news.ycombinator.com/item?id={story}"
    assert (two.kind, two.name, two.content) == ("Note", "", f"northbank: {text}")
    assert [(m.in_reply_to, m.context) for m in (two, three)] == [(story, story), (comment, story)]
    assert two.attributed_to is not None
    assert (two.attributed_to.native_id, two.attributed_to.handle) == ("bob", "bob")
    assert one.metrics == {"likes": 3, "replies": 0}


def test_kinds_and_several_queries_in_turn(town: Town) -> None:
    story = town.post("hackernews", "northbank")
    comment = town.post("hackernews", "the north bank app", parent=story)
    r = reader(town, queries=["northbank", '"north bank"'], page_size=1)
    assert r.poll()
    assert r.ids == {story, comment}
    r = reader(town, queries=['"north bank"'], kinds=["story"])
    assert r.poll()
    assert r.ids == set()


def test_edits_are_seen_within_the_lookback(town: Town) -> None:
    made = fill(town, 6)
    r = reader(town)
    assert r.poll()
    town.edit("hackernews", made[1], "northbank, in better words")
    assert r.poll()
    assert r.mentions[made[1]].content == "northbank, in better words"


def test_faults_and_malformed_hits(town: Town) -> None:
    made = fill(town, 30)
    bad = fill(town, 1, malformed="missing_id")
    odd = fill(town, 1, malformed="wrong_types")
    nobody = fill(town, 1, malformed="null_author")
    for n, kind in enumerate(("reset", "truncate", "reset_mid", "bad_json", "html", "empty", "status")):
        town.faults.add("hackernews", kind, nth=[n + 2])
    r = reader(town)
    for _ in range(20):
        try:
            if r.poll(3):
                break
        except Transient:
            continue
    assert r.ids == {*made, *odd, *nobody}
    assert not r.ids & set(bad)
    assert len(r.rejects) == 1
    assert r.mentions[odd[0]].flags == ("undated",)
    assert r.mentions[nobody[0]].attributed_to is None


def test_a_smaller_page_than_asked_for_is_no_end(town: Town) -> None:
    made = fill(town, 30)
    town.faults.add("hackernews", "page_cap", depth=4)
    r = reader(town, page_size=50)
    assert r.poll()
    assert r.ids == set(made)


def test_refusals_and_limits(town: Town) -> None:
    town.faults.add("hackernews", "429", nth=[1], reset="none")
    town.faults.add("hackernews", "status", nth=[2], status=400)
    with pytest.raises(RateLimited) as limited:
        reader(town).poll()
    assert 59 < (limited.value.reset_at - datetime.now(UTC)).total_seconds() < 62, "it does not say; a minute is polite"
    with pytest.raises(ConfigError):
        reader(town).poll()


def test_the_watermark_never_falls(town: Town) -> None:
    made = fill(town, 3)
    r = reader(town)
    assert r.poll()
    mark = r.state["searches"]["northbank"]["watermark"]
    town.delete("hackernews", made[-1])
    assert r.poll()
    assert r.state["searches"]["northbank"]["watermark"] >= mark


def test_old_shapes_and_settings() -> None:
    old = read(
        {"created_at": "2007-02-19T19:10:00.000Z", "title": "Y &amp; Z", "url": "https://a.example", "author": "pg"}
    )
    assert (old.name, old.published) == ("Y & Z", datetime(2007, 2, 19, 19, 10, tzinfo=UTC))
    assert read({"comment_text": None, "story_text": None, "title": None}).text == ""
    with pytest.raises(MalformedItem):
        read({"objectID": None})
    for wrong in ({"queries": [" "]}, {"queries": ['"half']}, {"queries": ["a"], "kinds": ["user"]}):
        with pytest.raises(ValidationError):
            hackernews.Settings(**wrong)
    assert hackernews.Settings(queries=["a"]).items_at == hackernews.ITEMS
    assert hackernews.Settings(queries=["a"], base_url="http://127.0.0.1:1/").items_at == "http://127.0.0.1:1"
    assert hackernews.describe(hackernews.Settings(queries=["b", "a"])) == "hackernews a | b comment+story"
