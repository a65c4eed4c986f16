"""The Discourse stand-in against what the forum's own code and documentation say, by plain HTTP."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from town.accounts import ACCOUNTS
from town.server import Town


@pytest.fixture
def town() -> Iterator[Town]:
    with Town(seed=7) as town:
        yield town


def get(town: Town, headers: dict[str, str] | None = None, **params: Any) -> requests.Response:
    return requests.get(town.urls["discourse"] + "/posts.json", params=params, headers=headers, timeout=5)


def ids(answer: requests.Response) -> list[str]:
    return [str(post["id"]) for post in answer.json()["latest_posts"]]


def test_fifty_by_id_newest_first_and_before_leaves_its_post_out(town: Town) -> None:
    made = [town.post("discourse", f"post {n}") for n in range(60)]
    assert ids(get(town)) == made[:9:-1]
    assert ids(get(town, before=made[10])) == made[9::-1]
    assert ids(get(town, before=made[0])) == []
    assert ids(get(town, before="x")) == made[:9:-1]  # "x".to_i is 0: no bound
    assert {row["native_id"] for row in town.ledger.served("discourse")} == set(made)


def test_older_forums_count_before_in() -> None:
    with Town(options={"discourse_before": "inclusive"}) as town:
        made = [town.post("discourse", f"post {n}") for n in range(3)]
        assert ids(get(town, before=made[1])) == made[1::-1]


def test_a_post_has_the_serialiser_s_fields(town: Town) -> None:
    """The example of https://docs.discourse.org/#tag/Posts/operation/listPosts, name by name."""
    root = town.post("discourse", "App <down>", title="Is it me?", author="ann", created=1_790_000_000)
    second = town.post("discourse", "same", parent=root, author="bob")
    third = town.post("discourse", "and here", parent=second, quote="same")
    town.edit("discourse", root, "App up")
    newest, reply, post = get(town).json()["latest_posts"]
    documented = {
        *(
            "id",
            "name",
            "username",
            "avatar_template",
            "created_at",
            "cooked",
            "post_number",
            "post_type",
            "updated_at",
        ),
        *(
            "reply_count",
            "reply_to_post_number",
            "quote_count",
            "reads",
            "score",
            "topic_id",
            "topic_slug",
            "topic_title",
        ),
        *("category_id", "version", "user_id", "hidden", "deleted_at", "user_deleted", "raw", "display_username"),
    }
    assert documented <= set(post)
    assert (post["cooked"], post["version"], post["created_at"]) == ("<p>App up</p>", 2, "2026-09-21T14:13:20.000Z")
    assert post["updated_at"] > post["created_at"]
    assert (reply["topic_id"], reply["post_number"], reply["reply_to_post_number"]) == (post["topic_id"], 2, None)
    assert (str(newest["id"]), newest["reply_to_post_number"], 'aside class="quote' in newest["cooked"]) == (
        third,
        2,
        True,
    )


def test_deleted_hidden_and_late_posts(town: Town) -> None:
    kept, own, taken = (town.post("discourse", f"post {n}") for n in range(3))
    flagged = town.post("discourse", "rude", hidden=True)
    late = town.post("discourse", "late", visible_in=0.3)
    town.delete("discourse", own, shown=True)
    town.delete("discourse", taken)
    posts = {str(post["id"]): post for post in get(town).json()["latest_posts"]}
    assert set(posts) == {kept, own, flagged}
    assert (posts[own]["user_deleted"], posts[own]["raw"]) == (True, "(post deleted by author)")
    assert posts[flagged]["hidden"]
    assert "rude" not in posts[flagged]["cooked"]
    time.sleep(0.35)
    assert ids(get(town))[0] == late


def test_refusals(town: Town) -> None:
    own = ACCOUNTS["discourse"]
    good = {"Api-Key": own["api_key"], "Api-Username": "earmark"}
    assert get(town, good).status_code == 200
    assert get(town, {**good, "Api-Key": "wrong"}).json()["error_type"] == "invalid_access"
    assert get(town, {"Api-Key": own["api_key"]}).status_code == 403
    assert requests.get(town.urls["discourse"] + "/nothing.json", timeout=5).json()["error_type"] == "not_found"
    with Town(options={"discourse_login_required": True}) as closed:
        assert get(closed).json()["error_type"] == "not_logged_in"
        assert get(closed, good).status_code == 200


def test_both_kinds_of_429() -> None:
    with Town(rates={"discourse": (1, 60)}) as town:
        assert get(town).status_code == 200
        refused = get(town)
        assert (refused.status_code, refused.headers["Content-Type"]) == (429, "text/plain; charset=utf-8")
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
    with Town() as town:
        town.faults.add("discourse", "429", reset="body", seconds=9)
        refused = get(town)
        assert refused.json()["extras"]["wait_seconds"] == 9
        assert "Retry-After" not in refused.headers


def test_it_goes_on_after_a_restart(tmp_path: Any) -> None:
    with Town(tmp_path / "town.sqlite") as town:
        root = town.post("discourse", "one")
    with Town(tmp_path / "town.sqlite") as town:
        reply = town.post("discourse", "two", parent=root)
        posts = get(town).json()["latest_posts"]
        assert [str(post["id"]) for post in posts] == [reply, root]
        assert posts[0]["post_number"] == 2
