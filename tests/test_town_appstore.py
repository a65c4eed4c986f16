"""The App Store stand-in against recorded answers; Apple gives no client library for the public list."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import requests

from tests.support import wait_until
from town.appstore import APP
from town.server import Town


@pytest.fixture
def town() -> Iterator[Town]:
    with Town(seed=7) as town:
        yield town


def get(town: Town, page: int = 1, country: str = "us", app: str = APP) -> Any:
    path = f"/{country}/rss/customerreviews/page={page}/id={app}/sortby=mostrecent/json"
    return requests.get(town.urls["appstore"] + path, timeout=5)


def entries(answer: Any) -> Any:
    return answer.json()["feed"].get("entry")


def ids(answer: Any) -> list[str]:
    return [entry["id"]["label"] for entry in entries(answer) or [] if "im:rating" in entry]


def fill(town: Town, count: int, **more: Any) -> list[str]:
    now = int(time.time())
    return [town.post("appstore", f"review {n}", **{"created": now - count + n - 5, **more}) for n in range(count)]


def test_ten_pages_of_fifty_newest_first_and_the_app_itself_before_them(town: Town) -> None:
    made = town.preload("appstore", [f"review {n}" for n in range(520)], start=time.time() - 9999, step=2)
    pages = [get(town, number) for number in range(1, 11)]
    assert [len(ids(page)) for page in pages] == [50] * 10
    assert [native_id for page in pages for native_id in ids(page)] == made[:19:-1]
    assert "im:name" in entries(pages[0])[0]
    assert all("im:rating" in entry for entry in entries(pages[1]))
    deeper = get(town, 11)
    assert (deeper.status_code, "limited to 10" in deeper.text) == (400, True)
    with Town(options={"appstore_app_entry": False}) as other:
        fill(other, 2)
        assert all("im:rating" in entry for entry in entries(get(other)))


def test_entry_is_a_list_an_object_or_absent() -> None:
    with Town(options={"appstore_app_entry": False}) as town:
        assert "entry" not in get(town).json()["feed"]
        (one,) = fill(town, 1)
        assert entries(get(town))["id"]["label"] == one
        fill(town, 1)
        assert len(entries(get(town))) == 2
        assert "entry" not in get(town, 2).json()["feed"]
        assert "entry" not in get(town, app="1").json()["feed"]


def test_an_entry_looks_as_recorded(town: Town) -> None:
    """https://github.com/DayBySay/Reviewer/blob/master/Tests/ReviewerTests/Fixture.swift: each value under `label`."""
    town.post("appstore", "It crashes & burns", title="Nope", author="ann", rating=2, origin="jp")
    entry = entries(get(town, country="jp"))[1]
    assert set(entry) == {"author", "im:version", "im:rating", "id", "title", "content", "link", "im:voteSum", "im:contentType",
                          "im:voteCount", "updated"}  # fmt: skip
    assert entry["author"]["name"] == {"label": "ann"}
    assert entry["author"]["uri"]["label"].startswith("https://itunes.apple.com/jp/reviews/id")
    assert (entry["im:rating"], entry["content"]) == (
        {"label": "2"},
        {"label": "It crashes & burns", "attributes": {"type": "text"}},
    )
    assert entry["link"]["attributes"]["href"] == f"https://itunes.apple.com/jp/review?id={APP}&type=Purple%20Software"
    assert abs(datetime.fromisoformat(entry["updated"]["label"]).timestamp() - time.time()) < 5


def test_countries_are_apart_and_an_edit_comes_on_top_with_its_id(town: Town) -> None:
    made, other = fill(town, 3), fill(town, 2, origin="de")
    assert (ids(get(town)), ids(get(town, country="de"))) == (made[::-1], other[::-1])
    town.edit("appstore", made[0], "better now")
    town.delete("appstore", made[1])
    assert ids(get(town)) == [made[0], made[2]]


def test_moderated_late_and_without_dates() -> None:
    with Town(options={"appstore_dates": False}) as town:
        late = town.post("appstore", "late", created=time.time() - 3600, visible_in=0.3)
        early = fill(town, 1)
        assert ids(get(town)) == early
        assert "updated" not in entries(get(town))[1]
        wait_until(lambda: ids(get(town)) == [*early, late])


def test_empty_for_no_reason_and_refusals(town: Town) -> None:
    fill(town, 3)
    town.faults.add("appstore", "illformed", nth=[1], mode="noentries")
    assert [len(ids(get(town))) for _ in range(2)] == [0, 3]
    assert requests.get(town.urls["appstore"] + "/us/rss/customerreviews/json", timeout=5).status_code == 404
    with Town(rates={"appstore": (1, 60)}) as busy:
        assert [get(busy).status_code for _ in range(2)] == [200, 403]
