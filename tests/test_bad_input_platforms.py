"""Bad input by an API: what arrives, and what an operator or an agent then sees. Rows 28 to 36 of the forty."""

import json
import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest

from tests import bad_input
from tests.bad_input import Stage, item, rss
from tests.raw_server import reply
from town.server import Town

TOKEN = {"access_token": "t", "token_type": "bearer", "expires_in": 86400, "scope": "*"}
CREATED = 1795255200  # 21 November 2026, 10:00 UTC
BIG = 2**63 + 11


@pytest.fixture(scope="module")
def stage(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with pytest.MonkeyPatch.context() as patch, bad_input.stage(database_url, tmp_path_factory.mktemp("c")) as made:
        for name, value in (("T_ID", "town-reddit-app"), ("T_SECRET", "town-reddit-secret"), ("T_X", "town-x-bearer")):
            patch.setenv(name, value)
        made.server.routes["/api/v1/access_token"] = reply(json.dumps(TOKEN), 200, content_type="application/json")
        yield made
        made.proof()


def reddit(name: str, url: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name, "kind": "reddit", "every": "1h", "subreddits": [name.replace("-", "_")], "comments": False, "base_url": url,
        "client_id_env": "T_ID", "client_secret_env": "T_SECRET", **more,
    }  # fmt: skip


def x(name: str, url: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "x",
        "every": "1h",
        "query": "acme",
        "bearer_token_env": "T_X",
        "base_url": url,
        **more,
    }


def listing(stage: Stage, name: str, *posts: dict[str, Any], **more: Any) -> None:
    """A Reddit channel that reads these posts."""
    whole = {"kind": "Listing", "data": {"after": None, "children": [{"kind": "t3", "data": post} for post in posts]}}
    stage.server.routes[f"/r/{name.replace('-', '_')}/new"] = reply(json.dumps(whole, ensure_ascii=False).encode())
    stage.read(reddit(name, stage.server.url, **more))


def post(id_: str, title: str = "acme is broken", **fields: Any) -> dict[str, Any]:
    made = {
        "name": f"t3_{id_}",
        "id": id_,
        "title": title,
        "selftext": "",
        "author": "ann",
        "author_fullname": "t2_ann",
    }
    return {
        **made,
        "created_utc": CREATED,
        "permalink": f"/r/x/comments/{id_}/",
        "score": 1,
        "num_comments": 0,
        **fields,
    }


def search(stage: Stage, name: str, *answers: Any) -> None:
    """An X channel that gets these answers, one per page."""
    left = list(answers)
    stage.server.routes["/2/tweets/search/recent"] = lambda line, request: reply(json.dumps(left.pop(0)))(line, request)
    stage.read(x(name, stage.server.url))


def tweet(id_: str, text: Any = "acme is broken", **fields: Any) -> dict[str, Any]:
    return {"id": id_, "text": text, "author_id": "7", "created_at": "2026-11-21T10:00:00.000Z", **fields}


# -- 28 to 30 -----------------------------------------------------------------------------------------------------------


def test_row_28_null_where_text_author_or_numbers_should_be(stage: Stage) -> None:
    nothing = dict.fromkeys(("selftext", "author", "author_fullname", "score", "num_comments", "permalink", "edited"))
    listing(
        stage, "nulls", post("n1", **nothing), post("n2", created_utc=None), {**post("n3"), "name": None, "id": None}
    )
    first, second = stage.mentions("nulls")
    assert "acme is broken" in stage.ticket(first["ticket"])
    assert (first["customer"], second["flags"]) == (None, ["undated"])
    (reject,) = stage.rejects("nulls")
    assert reject["reason"] == "no id"
    assert "1 rejected" in stage.card("nulls")
    search(stage, "x-nulls", {"data": [tweet("1990000000000000001", None), tweet(None)], "includes": None, "meta": {}})
    assert [r["reason"] for r in stage.rejects("x-nulls")] == ["no id"]
    assert "1 not matching 1 rejected" in stage.card("x-nulls")


def test_row_29_a_deleted_or_suspended_author_makes_no_customer(stage: Stage) -> None:
    listing(stage, "no-author", post("a1", author="[deleted]", author_fullname=None))
    found = stage.only("no-author")
    assert (found["author_id"], found["customer"]) == (None, None)
    page = stage.ticket(found["ticket"])
    assert "Unknown author" in page
    assert "the conversation alone holds this ticket" in page
    gone = {"title": "Not Found Error", "resource_id": "7", "detail": "Could not find user", "type": "about:blank"}
    search(stage, "x-no-author", {"data": [tweet("1990000000000000002", author_id=None)], "errors": [gone], "meta": {}})
    assert stage.only("x-no-author")["customer"] is None
    assert stage.ask("SELECT count(*) FROM identities WHERE native_id IN ('', '[deleted]', 'None')") == 0


def test_row_30_numbers_as_text_ids_beyond_2_to_53_and_words_for_truth(stage: Stage) -> None:
    odd = {"score": str(BIG), "num_comments": "12", "edited": "true", "over_18": "false", "created_utc": str(CREATED)}
    listing(stage, "numbers", post("b1", **odd), {**post("b2"), "name": BIG, "score": BIG, "created_utc": 10**30})
    first, second = stage.mentions("numbers")
    assert json.loads(first["metrics"]) == {"replies": 12}
    assert first["published"].timestamp() == CREATED
    assert json.loads(second["metrics"]) == {"replies": 0}  # a score beyond bigint is left out
    assert first["ticket"]
    assert second["ticket"]
    id_ = 1990000000000000003
    search(stage, "x-numbers", {"data": [tweet(id_, edit_history_tweet_ids=[id_])], "meta": {"newest_id": id_}})  # type: ignore[arg-type]
    assert stage.only("x-numbers")["native_id"] == str(id_)
    assert stage.channel("x-numbers")["state"]["since_id"] == str(id_)


# -- 31 to 33 -----------------------------------------------------------------------------------------------------------


def test_row_31_a_text_of_100_kb_is_kept_to_64_scored_whole_and_said(stage: Stage) -> None:
    filler = "and so on it goes. " * 3_300  # the one word that counts stands beyond 60 KB
    listing(stage, "long", post("l1", selftext=filler + "terrible broken acme. " + "x" * 40_000))
    found = stage.only("long")
    assert found["flags"] == ["truncated"]
    assert 65_000 < len(found["content"].encode()) <= 65_536
    assert found["label"] == "negative"
    page = stage.page(f"/tickets/{found['ticket']}")
    assert "Longer than 64 KB: this is its beginning." in page
    assert "terrible broken acme" in page


SCRIPTS = {
    "family": "acme broken 👨‍👩‍👧‍👦 and 🏳️‍🌈",
    "flags": "acme broken 🇩🇪🇫🇷",
    "arabic": "acme مكسور broken جداً",
    "hebrew": "acme שבור broken",
    "combining": "acme broken e\u0301 Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴",
    "zero-width": "acme broken zero\u200bwidth\u200dhere",
    "thai": "acme broken สวัสดีครับ",
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_row_32_every_script_is_kept_and_shown_as_written(stage: Stage, script: str) -> None:
    said = SCRIPTS[script]
    stage.serve(f"script-{script}", reply(rss(item(script, said))))
    found = stage.only(f"script-{script}")
    assert found["name"] == unicodedata.normalize("NFC", said)
    page = stage.page(f"/tickets/{found['ticket']}")
    assert found["name"] in page
    assert 'dir="auto"' in page


def test_row_32_an_override_of_direction_is_stored_and_not_obeyed(stage: Stage) -> None:
    stage.serve("override", reply(rss(item("override", "acme broken \u202egnp.exe"))))
    found = stage.only("override")
    assert "\u202e" in found["name"]
    for path in (f"/tickets/{found['ticket']}", "/inbox"):
        assert "\u202e" not in stage.page(path)


@pytest.mark.parametrize("cut_off", ["👨‍👩‍👧‍👦", "🇩🇪", "e\u0301\u0302"])
def test_row_32_a_cut_never_splits_what_a_reader_sees_as_one(stage: Stage, cut_off: str) -> None:
    whole = unicodedata.normalize("NFC", cut_off)
    for shift in range(3):
        name = f"cut-{len(cut_off)}-{shift}"
        listing(stage, name, post(f"c{len(cut_off)}{shift}", selftext="x" * shift + cut_off * 14_000))
        content = stage.only(name)["content"]
        assert content.removeprefix("x" * shift).replace(whole, "") == ""


@pytest.mark.parametrize("said", ["", "   \n\t ", "https://acme.example/x", "🎉🎉", "12345", "…"])
def test_row_33_text_without_words_is_stored_and_unscored(stage: Stage, said: str) -> None:
    name = f"wordless-{len(said)}-{said.encode().hex()[:6]}"
    link = item(name, "acme", link=f"https://bad.example/{name}") if not said.strip() else item(name, f"{said} acme")
    stage.serve(name, reply(rss(link)))
    found = stage.only(name)
    assert (found["outcome"], found["label"]) == ("ignore", "unscored" if "🎉" not in said else found["label"])
    assert stage.channel(name)["error"] is None


# -- 34 to 36 -----------------------------------------------------------------------------------------------------------


def test_row_34_a_200_with_errors_keeps_its_data_and_says_what_was_left_out(stage: Stage) -> None:
    errors = [{"title": "Not Found Error", "resource_id": "8"}, {"title": "Authorization Error", "resource_id": "9"}]
    search(stage, "partial", {"data": [tweet("1990000000000000010")], "errors": errors, "meta": {"result_count": 1}})
    assert stage.only("partial")["ticket"]
    assert "X left 2 part(s) out: Authorization Error, Not Found Error" in stage.card("partial")


def test_row_34_errors_alone_are_a_failure_and_move_nothing(stage: Stage) -> None:
    search(stage, "errors-only", {"errors": [{"title": "Service Unavailable"}]})
    assert "not a list of posts" in stage.card("errors-only")
    assert stage.channel("errors-only")["state"] == {}


def test_row_35_a_page_token_that_repeats_ends_the_walk(stage: Stage) -> None:
    pages = [{"data": [tweet(f"199000000000000003{n}")], "meta": {"next_token": "again"}} for n in range(9)]
    search(stage, "repeats", *pages)
    assert len(stage.mentions("repeats")) == 2
    assert "the search repeats a page; the walk ends here" in stage.card("repeats")


def test_row_35_a_listing_without_end_stops_at_the_cap_and_goes_on_where_it_was(stage: Stage) -> None:
    n = iter(range(100))
    page = lambda at: {"data": [tweet(f"19900000000000001{at:02}")], "meta": {"next_token": f"t{at}"}}  # noqa: E731
    stage.server.routes["/2/tweets/search/recent"] = lambda line, request: reply(json.dumps(page(next(n))))(
        line, request
    )
    stage.configure(x("endless", stage.server.url, max_pages=3))
    done = stage.poll("endless")
    assert (done.pages, done.more) == (3, True)
    assert stage.poll("endless").pages == 3
    assert "next_token=t2" in [r for r in stage.server.asked if "search/recent" in r.path][-3].path
    assert len(stage.mentions("endless")) == 6


def test_row_36_a_post_found_by_two_channels_is_one_mention_with_two_sightings_and_one_ticket(stage: Stage) -> None:
    with Town(seed=3) as town:
        id_ = town.post("reddit", "acme is broken for me", author="ann", origin="northbank")
        both = [reddit(name, town.urls["reddit"], subreddits=["northbank"]) for name in ("north-one", "north-two")]
        stage.configure(*both)
        for channel in both:
            stage.poll(channel["name"])
            stage.digest()
    first, second = stage.only("north-one"), stage.only("north-two")
    assert first["id"] == second["id"]
    assert first["native_id"] == id_
    assert stage.ask("SELECT count(*) FROM sightings WHERE mention_id = :id", id=first["id"]) == 2
    assert stage.ask("SELECT count(*) FROM ticket_mentions WHERE mention_id = :id", id=first["id"]) == 1
    assert stage.page("/inbox?q=broken").count("acme is broken for me") == 1


# -- and JSON that no reader should follow --------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [100, 600, 900, 970, 980, 990, 5_000, 100_000])
def test_json_nested_too_deeply_is_refused_and_costs_nobody_else(stage: Stage, depth: int) -> None:
    deep = f'{{"id": "20", "text": "acme is broken", "x": {"[" * depth}{"]" * depth}}}'
    good = json.dumps(tweet(f"1990000000000100{depth}"))
    answer = reply(f'{{"data": [{deep}, {good}], "meta": {{}}}}')
    stage.server.routes["/2/tweets/search/recent"] = answer
    stage.read(x(f"deep-{depth}", stage.server.url))
    card = stage.card(f"deep-{depth}")
    if depth < 950:  # what the parser can follow costs the item, not the page
        assert [r["reason"] for r in stage.rejects(f"deep-{depth}")] == ["nested deeper than 64 levels"]
        assert stage.only(f"deep-{depth}")["ticket"]
    else:
        assert "nested too deeply" in card or "1 rejected" in card


def test_json_nested_too_deeply_by_reddit_and_in_a_feed(stage: Stage) -> None:
    stage.server.routes["/r/deep_listing/new"] = reply("[" * 100_000)
    stage.read(reddit("deep-listing", stage.server.url))
    assert "nested too deeply" in stage.card("deep-listing")
    entry = f'{{"id": "deep-entry", "content_text": "acme is broken", "x": {"[" * 300}{"]" * 300}}}'
    stage.serve("deep-feed", reply(f'{{"version": "https://jsonfeed.org/version/1.1", "items": [{entry}]}}'))
    assert [r["reason"] for r in stage.rejects("deep-feed")] == ["nested deeper than 64 levels"]
