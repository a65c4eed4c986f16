"""Mastodon against its stand-in: walked forwards, known by uri, late posts found."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.errors import AuthError, MalformedItem, Permanent, RateLimited, Transient
from connectors.inbound import mastodon
from tests.reading import Reader, context
from town.accounts import ACCOUNTS
from town.server import Town

HOME, ELSEWHERE = ACCOUNTS["mastodon"]["instance"], "example.social"


@pytest.fixture
def town() -> Iterator[Town]:
    with Town(seed=7) as running:
        yield running


def reader(town: Town, instance: str = HOME, **settings: Any) -> Reader:
    base = town.urls["mastodon"] + ("" if instance == HOME else f"/{instance}")
    given = {"instance": instance, "tags": ["northbank"], "base_url": base, "page_size": 5}
    chosen = mastodon.Settings(**{**given, **settings})
    return Reader(lambda: mastodon.Connector(chosen, context()))


def fill(town: Town, count: int, **more: Any) -> list[str]:
    now = time.time()
    return [
        town.post("mastodon", f"post {n} #northbank", **{"created": now - count + n - 5, **more}) for n in range(count)
    ]


def read(status: dict[str, Any], **more: Any) -> Any:
    settings = mastodon.Settings(instance=HOME, tags=["northbank"])
    raw = {"status": {"uri": f"https://{HOME}/users/ann/statuses/9", "id": "9", **status}, **more}
    return mastodon.Connector(settings, context()).normalise(raw)


def test_walks_forward_page_by_page_and_a_stop_leaves_no_hole(town: Town) -> None:
    """since_id in place of min_id would read the newest page and leave what lies between."""
    made = fill(town, 33)
    r = reader(town)
    assert r.poll(1) is False
    assert r.ids == set(made[:5]), "the oldest page first"
    fill(town, 8, created=time.time())
    assert r.poll(2) is False
    assert r.ids == set(made[:15])
    assert r.poll()
    assert len(r.ids) == 41
    assert all("since_id" not in row["query"] for row in town.ledger.requests("mastodon"))


def test_a_second_poll_reads_the_lookback_again_and_finds_edits(town: Town) -> None:
    made = fill(town, 7)
    r = reader(town)
    assert r.poll()
    town.edit("mastodon", made[2], "better words #northbank")
    more = fill(town, 3, created=time.time())
    assert r.poll()
    assert r.ids == {*made, *more}
    assert r.mentions[made[2]].content == "better words #northbank"
    assert r.mentions[made[2]].updated is not None
    assert r.mentions[made[3]].updated is None


def test_what_federates_late_gets_an_id_below_what_was_read_and_is_found(town: Town) -> None:
    """A walk that began at the newest id would never see it."""
    fill(town, 4)
    r, strict = reader(town), reader(town, lookback=0)
    assert r.poll()
    assert strict.poll()
    late = town.post("mastodon", "late #northbank", created=time.time() - 300)
    assert r.poll()
    assert late in r.ids
    assert strict.poll()
    assert late not in strict.ids


def test_the_reset_is_an_iso_time(town: Town) -> None:
    fill(town, 1)
    town.faults.add("mastodon", "429", nth=[1], reset="header", seconds=200)
    with pytest.raises(RateLimited) as limited:
        reader(town).poll()
    waits = (limited.value.reset_at - datetime.now(UTC)).total_seconds()
    assert 190 < waits < 205, "read as a number it would say nothing, and we would come back after a minute"


def test_an_allowance_used_up_closes_the_door_before_it_is_shut() -> None:
    with Town(rates={"mastodon": (1, 300)}) as town:
        fill(town, 9)
        r = reader(town)
        assert r.poll(1) is False
        later = r.pages[0].not_before
        assert later is not None
        assert 250 < (later - datetime.now(UTC)).total_seconds() <= 301


def test_two_instances_give_one_mention_by_its_uri(town: Town) -> None:
    made = [*fill(town, 4), *fill(town, 3, author=f"bob@{ELSEWHERE}")]
    here, there = reader(town), reader(town, ELSEWHERE)
    assert here.poll()
    assert there.poll()
    assert here.ids == there.ids == set(made)
    for uri, mention in here.mentions.items():
        other = there.mentions[uri]
        assert (mention.origin, other.origin) == ("", "")
        assert mention.attributed_to == other.attributed_to
        assert (mention.url, mention.content) == (other.url, other.content)
    author = here.mentions[made[-1]].attributed_to
    assert author is not None
    assert (author.native_id, author.handle) == (f"https://{ELSEWHERE}/@bob", f"bob@{ELSEWHERE}")


def test_replies_belong_to_their_threads_first_post(town: Town) -> None:
    top = fill(town, 1, author="ann")[0]
    reply = fill(town, 1, author=f"bob@{ELSEWHERE}", parent=top)[0]
    below = fill(town, 1, author="ann", parent=reply, created=time.time())[0]
    r = reader(town, page_size=1)
    assert r.poll()
    threads = {uri: (m.in_reply_to, m.context) for uri, m in r.mentions.items()}
    assert threads == {top: (None, top), reply: (top, top), below: (reply, top)}


def test_a_reply_to_somebody_we_never_met_names_what_is_known() -> None:
    own_thread = {"in_reply_to_id": "7", "in_reply_to_account_id": "1", "account": {"id": "1", "acct": "ann"}}
    assert read(own_thread).in_reply_to == f"https://{HOME}/users/ann/statuses/7"
    assert read({**own_thread, "in_reply_to_account_id": "2"}).context == f"https://{HOME}/statuses/7"


def test_content_is_html_and_a_warning_is_its_title(town: Town) -> None:
    text = "Is it <me> & you? #northbank\nsee https://northbank.example/help?a=1&b=2"
    uri = fill(town, 1)[0]
    town.edit("mastodon", uri, text + "\n\nsecond")
    warned = town.post("mastodon", "they lost my #northbank card", title="money", lang="de")
    r = reader(town)
    assert r.poll()
    assert r.mentions[uri].content == text + "\nsecond"
    assert (r.mentions[warned].name, r.mentions[warned].language) == ("money", "de")


def test_a_reblog_names_what_it_repeats() -> None:
    inner = {"uri": "https://example.social/users/bob/statuses/5", "content": "<p>My card</p>", "language": "en"}
    mention = read({"content": "", "reblog": inner, "account": {"acct": "ann", "url": f"https://{HOME}/@ann"}})
    assert (mention.repost_of, mention.content) == (inner["uri"], "My card")
    assert mention.attributed_to.handle == f"ann@{HOME}"
    assert read({"content": "<p>x</p>", "reblog": None}).repost_of is None


@pytest.mark.parametrize(
    ("visibility", "kept"), [("public", True), ("unlisted", True), ("private", False), ("direct", False)]
)
def test_nothing_is_kept_of_what_is_not_public(visibility: str, kept: bool) -> None:
    mention = read({"visibility": visibility, "content": "my number is 555", "account": {"acct": "ann"}})
    assert bool(mention.text) is kept
    assert mention.deleted is not kept
    assert (mention.attributed_to is not None) is kept


def test_old_and_odd_shapes_are_read() -> None:
    old = read({"id": 99, "created_at": "2017-04-05T09:00:00.000Z", "account": {"acct": "ann", "noindex": True}})
    assert old.published == datetime(2017, 4, 5, 9, tzinfo=UTC)
    assert old.flags == ("noindex",)
    assert read({"account": None, "content": None, "created_at": None}).attributed_to is None
    with pytest.raises(MalformedItem):
        read({"uri": None})


@pytest.mark.parametrize(
    ("newest", "starts"),
    [
        ("99120", "99120"),  # before 2.0 ids were counters
        ("01KAFZ5R3W6GQ4N2M0T8V9YJDC", "01KAFZ5R3W6GQ4N2M0T8V9YJDC"),  # GoToSocial's ULIDs
    ],
)
def test_ids_that_tell_no_time_are_gone_on_from(newest: str, starts: str) -> None:
    settings = mastodon.Settings(instance=HOME, tags=["a"])
    assert mastodon.Connector(settings, context())._start(newest) == starts


def test_a_quiet_tag_begins_with_what_it_shows(town: Town) -> None:
    old = fill(town, 3, created=time.time() - 40 * 86_400)
    r = reader(town)
    assert r.poll()
    assert r.ids == set(old)
    count = len(town.ledger.requests("mastodon"))
    more = fill(town, 2, created=time.time())
    assert r.poll()
    assert r.ids == {*old, *more}
    assert len(town.ledger.requests("mastodon")) - count <= 3


def test_several_tags_are_read_in_turn_and_one_malformed_post_costs_only_itself(town: Town) -> None:
    made = fill(town, 6)
    other = [town.post("mastodon", f"about {n} #NorthBankDown") for n in range(6)]
    bad = town.post("mastodon", "no id #northbank", malformed="missing_id")
    odd = town.post("mastodon", "odd #northbank", malformed="wrong_types")
    r = reader(town, tags=["#NorthBank", "northbankdown"], page_size=20)
    assert r.poll()
    assert r.ids == {*made, *other, odd}
    assert bad not in r.ids
    assert len(r.rejects) == 1
    assert r.mentions[odd].flags == ("undated",)


def test_faults_lose_nothing(town: Town) -> None:
    made = fill(town, 30)
    for n, kind in enumerate(("reset", "truncate", "reset_mid", "bad_json", "html", "empty", "status")):
        town.faults.add("mastodon", kind, nth=[n + 2])
    r = reader(town)
    for _ in range(20):
        try:
            if r.poll(3):
                break
        except Transient:
            continue
    assert r.ids == set(made)


def test_members_only_instances_say_what_to_do() -> None:
    with Town(options={"mastodon_login_required": True}) as town:
        made = fill(town, 2)
        with pytest.raises(AuthError) as refused:
            reader(town).poll()
        assert "access_token_env" in refused.value.advice
        r = reader(town, access_token_env="MASTODON_TOKEN")
        assert r.poll()
        assert r.ids == set(made)
        with pytest.raises(AuthError):
            reader(town, access_token_env="X_BEARER_TOKEN").poll()
    with Town() as gone:
        gone.faults.add("mastodon", "status", status=404)
        with pytest.raises(Permanent):
            reader(gone).poll()


def test_settings() -> None:
    settings = mastodon.Settings(instance="https://Mastodon.Social/", tags=["#One", "one", "zwei_3"])
    assert (settings.instance, settings.tags) == ("mastodon.social", ["one", "zwei_3"])
    assert mastodon.describe(settings) == "mastodon mastodon.social #one #zwei_3"
    for wrong in ({"instance": "nowhere", "tags": ["a"]}, {"instance": "a.example", "tags": ["a b"]}, {"tags": ["a"]}):
        with pytest.raises(ValidationError):
            mastodon.Settings(**wrong)  # type: ignore[arg-type]


def test_the_position_never_falls_and_the_first_walk_goes_back_as_far_as_asked(town: Town) -> None:
    old = fill(town, 2, created=time.time() - timedelta(hours=5).total_seconds())
    made = fill(town, 2)
    r = reader(town, backfill=2)
    assert r.poll()
    assert r.ids == set(made)
    before = int(r.state["tags"]["northbank"]["newest"])
    town.delete("mastodon", made[1])
    assert r.poll()
    assert int(r.state["tags"]["northbank"]["newest"]) >= before
    assert not r.ids & set(old)
