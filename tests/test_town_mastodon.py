"""The Mastodon stand-in against its documentation, and driven by Mastodon.py where that is installed."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from tests.support import wait_until
from town.accounts import ACCOUNTS
from town.server import Town

HOME, ELSEWHERE = ACCOUNTS["mastodon"]["instance"], "example.social"


@pytest.fixture
def town() -> Iterator[Town]:
    with Town(seed=7) as town:
        yield town


def get(town: Town, path: str = "timelines/tag/northbank", instance: str = "", token: str = "", **params: Any) -> Any:
    base = town.urls["mastodon"] + (f"/{instance}" if instance else "")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.get(f"{base}/api/v1/{path}", params=params, headers=headers, timeout=5)


def fill(town: Town, count: int, **more: Any) -> list[str]:
    now = time.time()
    return [
        town.post("mastodon", f"post {n} #northbank", **{"created": now - count + n - 5, **more}) for n in range(count)
    ]


def uris(answer: Any) -> list[str]:
    return [status["uri"] for status in answer.json()]


def test_min_id_gives_the_page_just_above_and_since_id_the_newest(town: Town) -> None:
    made = fill(town, 50)
    ids = {status["uri"]: status["id"] for status in get(town, limit=40).json()}
    assert list(ids) == made[:9:-1], "newest first, 40 at most"
    assert uris(get(town, min_id=ids[made[10]], limit=5)) == made[15:10:-1]
    assert uris(get(town, since_id=ids[made[10]], limit=5)) == made[:44:-1], "since_id jumps over what lies between"
    assert uris(get(town, max_id=ids[made[10]], limit=5)) == made[9:4:-1]
    assert len(get(town).json()) == 20
    assert len(get(town, limit=99).json()) == 40
    assert get(town, "timelines/tag/nobody").json() == []
    assert uris(get(town, "timelines/tag/NorthBank", limit=1)) == made[-1:]


def test_links_lead_on_and_an_empty_page_has_none(town: Town) -> None:
    made = fill(town, 6)
    first = get(town, limit=2)
    assert set(first.links) == {"next", "prev"}
    assert [s["uri"] for s in requests.get(first.links["next"]["url"], timeout=5).json()] == made[3:1:-1]
    newest = requests.get(first.links["prev"]["url"], timeout=5)
    assert (newest.json(), newest.links) == ([], {})


def test_a_status_has_the_documented_fields(town: Town) -> None:
    """https://docs.joinmastodon.org/entities/Status/, the ones its example shows."""
    top = town.post("mastodon", "Is it <me> & you? #northbank\nhttps://northbank.example/help", author="ann")
    reply = town.post("mastodon", "same #northbank", author=f"bob@{ELSEWHERE}", parent=top, title="money")
    answer, asked = get(town).json(), get(town).json()[1]
    assert {
        "id", "created_at", "in_reply_to_id", "in_reply_to_account_id", "sensitive", "spoiler_text", "visibility", "language",
        "uri", "url", "replies_count", "reblogs_count", "favourites_count", "edited_at", "content", "reblog", "account",
        "media_attachments", "mentions", "tags", "emojis", "card", "poll",
    } <= set(asked)  # fmt: skip
    assert asked["content"].startswith("<p>Is it &lt;me&gt; &amp; you? <a href=")
    assert '<span class="invisible">https://</span>' in asked["content"]
    assert "<br />" in asked["content"]
    assert (answer[0]["in_reply_to_id"], answer[0]["spoiler_text"]) == (asked["id"], "money")
    assert (asked["account"]["acct"], answer[0]["account"]["acct"]) == ("ann", f"bob@{ELSEWHERE}")
    assert (asked["uri"], answer[0]["uri"]) == (top, reply)
    assert datetime.fromisoformat(asked["created_at"]).tzinfo is UTC


def test_another_instance_has_ids_of_its_own_and_the_same_uri(town: Town) -> None:
    made = fill(town, 3)
    here, there = get(town).json(), get(town, instance=ELSEWHERE).json()
    assert uris(get(town, instance=ELSEWHERE)) == made[::-1]
    assert not {s["id"] for s in here} & {s["id"] for s in there}
    assert there[0]["account"]["acct"] == f"someone@{HOME}"
    assert there[0]["account"]["url"] == here[0]["account"]["url"]
    assert fill(town, 1, author=f"ann@{ELSEWHERE}")[0] not in uris(get(town, local="true"))


def test_what_federates_late_lies_below_what_was_read(town: Town) -> None:
    early = fill(town, 2)
    late = town.post("mastodon", "late #northbank", created=time.time() - 60, visible_in=0.3)
    assert uris(get(town)) == early[::-1]
    wait_until(lambda: uris(get(town)) == [*early[::-1], late])


def test_edits_keep_the_id_and_deletions_are_gone(town: Town) -> None:
    edited, deleted, untagged = fill(town, 3)
    ids = {s["uri"]: s["id"] for s in get(town).json()}
    town.edit("mastodon", edited, "better words #northbank")
    town.edit("mastodon", untagged, "without the tag")
    town.delete("mastodon", deleted)
    (left,) = get(town).json()
    assert (left["id"], left["uri"]) == (ids[edited], edited)
    assert left["edited_at"] > left["created_at"]
    assert get(town, f"statuses/{ids[untagged]}").json()["content"] == "<p>without the tag</p>"
    gone = get(town, f"statuses/{ids[deleted]}")
    assert (gone.status_code, gone.json()) == (404, {"error": "Record not found"})


def test_only_public_posts_and_no_reblogs_are_listed(town: Town) -> None:
    (seen,) = fill(town, 1)
    fill(town, 1, visibility="private")
    fill(town, 1, visibility="unlisted")
    again = fill(town, 1, reblog_of=seen)
    assert uris(get(town)) == [seen]
    own = again[0].removesuffix("/activity").rsplit("/", 1)[-1]
    assert get(town, f"statuses/{own}").json()["reblog"]["uri"] == seen


def test_refusals(town: Town) -> None:
    fill(town, 1)
    assert get(town, token=ACCOUNTS["mastodon"]["token"]).status_code == 200
    wrong = get(town, token="wrong")
    assert (wrong.status_code, wrong.json()) == (401, {"error": "The access token is invalid"})
    assert requests.post(town.urls["mastodon"] + "/api/v1/timelines/tag/a", timeout=5).status_code == 404
    with Town(options={"mastodon_login_required": True}) as closed:
        assert get(closed).status_code == 401
        assert get(closed, token=ACCOUNTS["mastodon"]["token"]).status_code == 200


def test_limits_are_told_with_an_iso_time() -> None:
    with Town(rates={"mastodon": (2, 300)}) as town:
        answers = [get(town) for _ in range(3)]
        assert [a.status_code for a in answers] == [200, 200, 429]
        assert [a.headers["X-RateLimit-Remaining"] for a in answers] == ["1", "0", "0"]
        reset = datetime.fromisoformat(answers[2].headers["X-RateLimit-Reset"])
        assert 290 < reset.timestamp() - time.time() <= 301
        assert "Retry-After" not in answers[2].headers
        assert get(town, instance=ELSEWHERE).status_code == 200, "each instance counts for itself"


def test_mastodon_py_reads_it(town: Town) -> None:
    """The library of the platform's own documentation (https://docs.joinmastodon.org/client/libraries/). No dependency of ours."""
    mastodon = pytest.importorskip("mastodon")
    made = fill(town, 45)
    api = mastodon.Mastodon(
        api_base_url=town.urls["mastodon"], access_token=ACCOUNTS["mastodon"]["token"], version_check_mode="none",
        ratelimit_method="throw", request_timeout=5,
    )  # fmt: skip
    page = api.timeline_hashtag("northbank", limit=40)
    assert [status.uri for status in page] == made[:4:-1]
    assert [status.uri for status in api.fetch_next(page)] == made[4::-1]
    assert page[0].created_at == api.status(page[0].id).created_at
    assert [s.uri for s in api.timeline_hashtag("northbank", min_id=page[-1].id, limit=3)] == made[8:5:-1]
    town.delete("mastodon", made[-1])
    with pytest.raises(mastodon.MastodonNotFoundError):
        api.status(page[0].id)
    town.faults.add("mastodon", "429", reset="header", seconds=30)
    with pytest.raises(mastodon.MastodonRatelimitError):
        api.timeline_hashtag("northbank")


def test_mastodon_py_reads_what_answers_a_post(town: Town) -> None:
    mastodon = pytest.importorskip("mastodon")
    first = town.post("mastodon", "my card #northbank")
    second = town.post("mastodon", "mine too", parent=first, author="bob@elsewhere.example")
    third = town.post("mastodon", "we look into it", parent=second, author="bank")
    api = mastodon.Mastodon(api_base_url=town.urls["mastodon"], version_check_mode="none")
    found = api.status_context(first.rsplit("/", 1)[1])
    assert [status["uri"] for status in found["descendants"]] == [second, third]
    assert found["ancestors"] == []
    below = api.status_context(third.rsplit("/", 1)[1])
    assert [status["uri"] for status in below["ancestors"]] == [first, second]
    town.delete("mastodon", first)
    assert get(town, f"statuses/{first.rsplit('/', 1)[1]}/context").status_code == 404
