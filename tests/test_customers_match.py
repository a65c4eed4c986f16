"""Who may be one person: normal forms, what outweighs what, a population found again, and cost that stays near linear."""

import json
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from benchmarks import train_match
from benchmarks.population import population
from domain import match
from domain.identity import BadIdentity, Identity, mark, normal
from domain.match_read import parts, read
from domain.match_table import WEIGHTS
from tests.support import run_earmark


def links(*rows: dict[str, Any]) -> dict[tuple[str, str], float]:
    found = match.match([{"id": f"{n}", **row} for n, row in enumerate(rows)])
    return {(link.a, link.b): link.confidence for link in found}


@pytest.mark.parametrize(
    ("kind", "raw", "platform", "wanted"),
    [
        ("email", " Ada.Lovelace@EXAMPLE.org ", "", "ada.lovelace@example.org"),
        ("phone", "0151 12345678", "", "+4915112345678"),
        ("phone", "whatsapp:+14155238886", "", "+14155238886"),
        ("account", "https://x.com/Ada_L/", "X", "@ada_l"),
        ("account", "u/Ada", "reddit", "@ada"),
        ("order", " #a-17 ", "", "A-17"),
        ("number", " C-1 ", "", "C-1"),
    ],
)
def test_one_form_for_each(kind: str, raw: str, platform: str, wanted: str) -> None:
    found = normal(kind, raw, platform, "DE")
    assert (found.native_id, normal(kind, found.handle or wanted, platform, "DE")) == (wanted, found)


@pytest.mark.parametrize(
    ("kind", "raw", "platform"),
    [
        ("email", "a@", ""),
        ("phone", "12", ""),
        ("account", "x y", "x"),
        ("account", "ada", ""),
        ("order", " # ", ""),
        ("smoke", "1", ""),
        ("email", "a\0@b.org", ""),
    ],
)
def test_what_cannot_be_one_is_refused(kind: str, raw: str, platform: str) -> None:
    with pytest.raises(BadIdentity):
        normal(kind, raw, platform)


def test_marks_are_for_what_says_nothing_of_a_person() -> None:
    marked = {
        value: mark(normal(kind, value, "x"))
        for kind, value in [
            ("email", "info@shop.de"),
            ("email", "ada@shop.de"),
            ("account", "weather_bot"),
            ("account", "abbot"),
            ("phone", "+4915100000000"),
        ]
    }
    assert marked == {
        "info@shop.de": "junk",
        "ada@shop.de": "",
        "weather_bot": "bot",
        "abbot": "",
        "+4915100000000": "junk",
    }
    assert mark(Identity("order", "", "N/A")) == "junk"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("Müller, Jürgen", ("jurgen", "muller", "")),
        ("Juergen Mueller", ("jurgen", "muller", "")),
        ("Dr. Anna M. van Dijk", ("anna", "vandijk", "m")),
        ("ada", ("ada", "", "")),
        ("", ("", "", "")),
    ],
)
def test_names_in_parts(name: str, wanted: tuple[str, str, str]) -> None:
    assert parts(name) == wanted


def test_what_a_family_shares_is_no_person() -> None:
    shared = {"email": "fam.klein@gmail.com", "phone": "+49301234567", "place": "Ulm"}
    found = links(
        {"name": "Anna Klein", **shared},
        {"name": "Peter Klein", **shared},
        {"name": "Anni Klein", **shared},
        {"name": "Annie Klein", **shared},
    )
    assert ("0", "1") not in found
    assert found[("2", "3")] > 0.8


def test_a_handle_taken_over_by_somebody_else_is_no_link() -> None:
    old, new = (
        {"platform": "x", "handle": "nightfox77", "name": "Ida Wolf"},
        {"platform": "x", "handle": "nightfox77", "name": "Omar Sato"},
    )
    assert links(old, new) == {}
    assert links(old, {**new, "name": "Ida Wolff"})[("0", "1")] > 0.9


def test_a_common_name_in_one_town_is_not_enough_and_a_nickname_with_a_number_is() -> None:
    crowd = [{"name": "John Smith", "place": "London", "email": f"js{n}@mail{n}.org"} for n in range(30)]
    assert links(*crowd) == {}
    found = links(
        {"name": "Bob Vaughanson", "phone": "+49151555123"}, {"name": "Robert Vaughanson", "phone": "0151 555123"}
    )
    assert found[("0", "1")] > 0.9


def test_who_could_as_well_be_another_is_less_sure() -> None:
    asked = {"name": "Edwin Vaughanson", "email": "nightfox77@gmail.com"}
    one = {"name": "Edwin Vaughanson", "phone": "+4915155512301", "order": "A-100001"}
    alone = links(asked, one)[("0", "1")]
    rival = {"name": "Edwin Vaughanson", "phone": "+4915166698702", "order": "B-200002", "place": "Ulm"}
    assert links(asked, one, rival).get(("0", "1"), 0.0) < alone - 0.05


def test_people_are_found_again_and_the_cost_grows_with_their_number() -> None:
    pairs = {}
    for size in (3_000, 6_000):
        rows = population(size, seed=11)
        truth = {row["id"]: row["person"] for row in rows}
        cost = match.Cost()
        found = match.propose([read(row) for row in rows], cost)
        true = sum(n * (n - 1) // 2 for n in Counter(truth.values()).values())
        best = found[: int(true * 0.75)]  # the most certain first
        right = sum(truth[link.a] == truth[link.b] for link in best)
        assert right / len(best) >= 0.99, f"seed 11, {size} records"
        assert right / true >= 0.74
        said = sum(link.confidence for link in found) / len(found)
        was = sum(truth[link.a] == truth[link.b] for link in found) / len(found)
        assert abs(said - was) < 0.02
        pairs[size] = cost.pairs
    assert pairs[6_000] < 3 * pairs[3_000]


def test_the_shares_of_the_evidence_add_up_to_what_is_said() -> None:
    rows = population(1_500, seed=12)
    found = match.propose([read(row) for row in rows])
    assert len(found) > 500
    for link in found:
        odds = sum(bits for _, _, bits in link.evidence)
        assert link.confidence == pytest.approx(1 / (1 + 2**-odds))
        assert len({what for what, _, _ in link.evidence}) == len(link.evidence)
    assert math.isclose(sum(item["weight"] for item in found[0].document()["evidence"]), odds_of(found[0]), abs_tol=0.1)


def odds_of(link: match.Link) -> float:
    return sum(bits for _, _, bits in link.evidence)


def test_no_weight_is_on_the_side_that_makes_no_sense() -> None:
    assert [key for key, bits in WEIGHTS.items() if train_match.side(key) * bits < 0] == []
    assert 30 < len(WEIGHTS) < 100


def test_a_sign_that_comes_out_on_the_wrong_side_is_left_out() -> None:
    rng = np.random.default_rng(5)
    x = np.column_stack([np.ones(4_000), rng.integers(0, 2, (4_000, 2))]).astype(float)
    y = (rng.random(4_000) < 1 / (1 + np.exp(-(2 * x[:, 1] + x[:, 2] - 1)))).astype(float)
    fitted = train_match.fit(["shared: any", "shared: email", "shared: rivals"], x, y)
    assert set(fitted) == {"shared: any", "shared: email"}
    assert fitted["shared: email"] == pytest.approx(2 / math.log(2), rel=0.15)


def test_ten_thousand_records_of_one_kiosk_cost_little_and_say_nothing() -> None:
    cost = match.Cost()
    kiosk = [{"id": str(n), "phone": "+49301112233", "name": f"Guest {chr(97 + n % 26)}{n}"} for n in range(10_000)]
    assert match.match(kiosk, cost) == []
    assert cost.pairs < 400_000


def test_the_command_answers_in_json_lines() -> None:
    lines = [
        {"id": "a", "name": "Ann Lee", "email": "ann@lee.org"},
        {"id": "b", "name": "Annie Lee", "email": "ANN@lee.org"},
        {"id": "c"},
    ]
    done = run_earmark(["match"], input="".join(json.dumps(line) + "\n" for line in lines))
    [found] = [json.loads(line) for line in done.stdout.splitlines()]
    assert (found["a"], found["b"], 0.9 < found["confidence"] <= 1) == ("a", "b", True)
    assert {item["what"] for item in found["evidence"]} >= {"email", "first name"}
    assert run_earmark(["match"], input='{"id": "a"}\n{"id": "a"}\n').returncode == 2
