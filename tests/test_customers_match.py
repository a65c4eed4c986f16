"""Who may be one person: normal forms, what outweighs what, a population found again, and cost that stays near linear."""

import json
from typing import Any

import pytest

from benchmarks.population import population
from domain import match
from domain.identity import BadIdentity, Identity, mark, normal
from domain.match_read import parts, read
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


def test_people_are_found_again_and_the_cost_grows_with_their_number() -> None:
    pairs = {}
    for size in (3_000, 6_000):
        rows = population(size, seed=11)
        truth = {row["id"]: row["person"] for row in rows}
        cost = match.Cost()
        found = match.propose([read(row) for row in rows], cost)
        right = sum(truth[link.a] == truth[link.b] for link in found if link.confidence >= 0.9)
        assert right / sum(link.confidence >= 0.9 for link in found) >= 0.985
        pairs[size] = cost.pairs
    assert pairs[6_000] < 3 * pairs[3_000]


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
