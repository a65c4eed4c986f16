"""App Store reviews against their stand-in: odd shapes, empty answers, the end after 500, countries apart."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.errors import ConfigError, MalformedItem, Transient
from connectors.inbound import appstore
from domain.nouns import Rating
from tests.reading import Reader, context
from town.appstore import APP
from town.server import Town


@pytest.fixture
def town() -> Iterator[Town]:
    with Town(seed=7, options={"appstore_page": 5}) as running:
        yield running


def reader(town: Town, **settings: Any) -> Reader:
    chosen = appstore.Settings(**{"app_id": APP, "base_url": town.urls["appstore"], **settings})
    return Reader(lambda: appstore.Connector(chosen, context()))


def fill(town: Town, count: int, **more: Any) -> list[str]:
    now = int(time.time())
    return [town.post("appstore", f"review {n}", **{"created": now - count + n - 5, **more}) for n in range(count)]


def read(entry: dict[str, Any]) -> Any:
    connector = appstore.Connector(appstore.Settings(app_id=APP), context())
    return connector.normalise({"country": "us", "entry": {"id": {"label": "9"}, **entry}})


def test_a_list_an_object_and_nothing() -> None:
    """An `entry` that is one review is no list of fields, and the absence of one is no failure where there were none."""
    with Town(options={"appstore_app_entry": False}) as town:
        r = reader(town)
        assert r.poll()
        assert r.ids == set()
        one = fill(town, 1)
        assert r.poll()
        assert r.ids == set(one)
        assert r.rejects == set()
        more = fill(town, 4)
        assert r.poll()
        assert r.ids == {*one, *more}


@pytest.mark.parametrize("listed", [True, False])
def test_the_app_itself_is_left_out_by_what_it_lacks_and_not_by_its_place(listed: bool) -> None:
    """Dropping the first entry loses a review wherever the app is not listed."""
    with Town(options={"appstore_app_entry": listed}) as town:
        made = fill(town, 3)
        r = reader(town)
        assert r.poll()
        assert r.ids == set(made)
        assert r.rejects == set()


def test_an_empty_answer_after_reviews_is_a_failure_and_moves_nothing(town: Town) -> None:
    made = fill(town, 3)
    r = reader(town)
    assert r.poll()
    before = dict(r.state)
    fault = town.faults.add("appstore", "illformed", mode="noentries")
    fresh = fill(town, 2, created=time.time())
    with pytest.raises(Transient, match="where there were some"):
        r.poll()
    assert r.state == before
    town.faults.clear(fault.id)
    assert r.poll()
    assert r.ids == {*made, *fresh}
    assert r.gaps == []


def test_an_empty_later_page_is_no_end_of_the_list(town: Town) -> None:
    made = fill(town, 18)
    r = reader(town)
    assert r.poll()
    fresh = fill(town, 12, created=time.time())
    fault = town.faults.add("appstore", "illformed", nth=[2, 3])
    for _ in range(2):
        with pytest.raises(Transient):
            r.poll()
    town.faults.clear(fault.id)
    assert r.poll()
    assert r.ids == {*made, *fresh}
    assert r.gaps == []


def test_an_app_that_lost_its_reviews_is_believed_in_the_end(town: Town) -> None:
    (only,) = fill(town, 1)
    r = reader(town)
    assert r.poll()
    town.delete("appstore", only)
    with pytest.raises(Transient):
        r.poll()
    r.state["countries"]["us"]["filled"] -= appstore.PATIENCE[True]
    assert r.poll()


def test_one_country_that_shows_nothing_keeps_no_other_waiting(town: Town) -> None:
    here, there = fill(town, 2), fill(town, 2, origin="de")
    r = reader(town, countries=["us", "DE"])
    assert r.poll()
    fresh = fill(town, 1, origin="de", created=time.time())
    town.faults.add("appstore", "illformed", path="/us/")
    assert r.poll()
    assert r.ids == {*here, *there, *fresh}
    assert "US" in r.warnings[0]
    assert {m.origin for m in r.mentions.values()} == {"us", "de"}


def test_more_than_ten_pages_between_two_polls_leave_a_gap(town: Town) -> None:
    old = fill(town, 4, created=time.time() - 9 * 86_400)
    r = reader(town)
    assert r.poll()
    assert r.gaps == []
    made = [town.post("appstore", f"review {n}", created=time.time() - 200 + n) for n in range(60)]
    assert r.poll()
    assert r.ids == {*old, *made[10:]}
    (gap,) = r.gaps
    assert "500" in gap.reason
    assert gap.until == datetime.fromtimestamp(
        int(min(r.mentions[key].published.timestamp() for key in made[10:])), UTC
    )
    assert max(int(row["path"].split("page=")[1].split("/")[0]) for row in town.ledger.requests("appstore")) == 10


def test_a_first_reading_of_a_long_list_owes_no_gap(town: Town) -> None:
    made = fill(town, 60)
    r = reader(town)
    assert r.poll(3) is False
    assert r.poll()
    assert r.ids == set(made[10:])
    assert r.gaps == []


def test_lists_without_dates_are_walked_to_known_ground() -> None:
    with Town(options={"appstore_page": 5, "appstore_dates": False}) as town:
        made = fill(town, 23)
        r = reader(town)
        assert r.poll()
        assert r.ids == set(made)
        assert r.mentions[made[0]].flags == ("undated",)
        asked = len(town.ledger.requests("appstore"))
        fresh = fill(town, 7, created=time.time())
        assert r.poll()
        assert r.ids == {*made, *fresh}
        assert len(town.ledger.requests("appstore")) - asked <= 3


def test_an_edited_review_keeps_its_id(town: Town) -> None:
    made = fill(town, 12)
    r = reader(town)
    assert r.poll()
    first = r.mentions[made[2]].published
    town.edit("appstore", made[2], "they fixed it")
    assert r.poll()
    assert r.ids == set(made)
    assert r.mentions[made[2]].content == "they fixed it"
    assert r.mentions[made[2]].published > first


def test_reviews_moderated_late_are_found_within_the_lookback(town: Town) -> None:
    """They take their old place, below pages that are known."""
    fill(town, 16)
    r, hasty = reader(town), reader(town, lookback=0)
    assert r.poll()
    assert hasty.poll()
    late = town.post("appstore", "late", created=time.time() - 5 * 86_400)
    assert r.poll()
    assert late in r.ids
    assert hasty.poll()
    assert late not in hasty.ids


def test_fields(town: Town) -> None:
    key = town.post("appstore", "It crashes & burns <3", title="Nope", author="ann", rating=2, origin="jp")
    other = town.post("appstore", "Fine", author="ann", rating=5, origin="jp")
    r = reader(town, countries=["jp"])
    assert r.poll()
    mention = r.mentions[key]
    assert (mention.kind, mention.origin, mention.name, mention.content) == (
        "Review",
        "jp",
        "Nope",
        "It crashes & burns <3",
    )
    assert mention.rating == Rating(2.0, 5.0, 1.0)
    assert r.mentions[other].rating == Rating(5.0, 5.0, 1.0)
    assert mention.url == f"https://itunes.apple.com/jp/review?id={APP}&type=Purple%20Software"
    assert mention.attributed_to is not None
    assert mention.attributed_to.native_id.isdigit()
    assert mention.attributed_to.handle == "ann"
    assert mention.attributed_to == r.mentions[other].attributed_to
    assert mention.metrics == {"likes": 1}
    assert abs(mention.published.timestamp() - time.time()) < 60, "the date bears California's offset"


def test_odd_shapes() -> None:
    assert [read({"im:rating": {"label": stars}}).rating for stars in ("0", "6", "five", None)] == [None] * 4
    assert read({"author": {"name": {"label": "ann"}}}).attributed_to.native_id == "ann"
    assert read({"author": None, "title": None, "content": 42, "link": []}).text == ""
    with pytest.raises(MalformedItem):
        read({"id": None})


def test_faults_and_malformed_reviews(town: Town) -> None:
    made = fill(town, 20)
    bad, odd, nobody = (fill(town, 1, malformed=mode)[0] for mode in ("missing_id", "wrong_types", "null_author"))
    for n, kind in enumerate(("reset", "truncate", "reset_mid", "bad_json", "html", "empty", "status")):
        town.faults.add("appstore", kind, nth=[n + 2], **({"status": 403} if kind == "status" else {}))
    town.faults.add("appstore", "shift", nth=[1], posts=3)
    r = reader(town)
    for _ in range(20):
        try:
            if r.poll(2):
                break
        except Transient:
            continue
    assert r.poll()
    assert r.ids >= {*made, odd, nobody}
    assert len(r.ids) == len(made) + 2 + 3
    assert bad not in r.ids
    assert len(r.rejects) == 1
    assert (r.mentions[odd].rating, r.mentions[odd].flags) == (None, ("undated",))


def test_refusals_and_settings(town: Town) -> None:
    town.faults.add("appstore", "status", nth=[1], status=400)
    with pytest.raises(ConfigError):
        reader(town).poll()
    settings = appstore.Settings(app_id=f"id{APP}", countries=["US", "de", "us"])
    assert (settings.app, settings.countries) == (APP, ["us", "de"])
    assert appstore.describe(settings) == f"appstore {APP} de+us"
    for wrong in ({"app_id": "northbank"}, {"app_id": APP, "countries": ["usa"]}, {"app_id": APP, "countries": []}):
        with pytest.raises(ValidationError):
            appstore.Settings(**wrong)  # type: ignore[arg-type]
