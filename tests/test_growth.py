"""Words that grow: shares, not counts; chance left out; sure ones first."""

import random

import pytest

from domain.growth import growth


def test_a_share_that_rose_is_found_and_one_that_stood_still_is_not() -> None:
    found = growth({"gateway": 20, "card": 100}, 200, {"gateway": 2, "card": 50}, 100)
    assert [one.word for one in found] == ["gateway"]
    assert (found[0].now, found[0].before) == (20, 2)
    assert found[0].factor == pytest.approx((20.5 / 201) / (2.5 / 101))


def test_a_new_word_has_grown_and_a_rare_one_has_not() -> None:
    assert [one.word for one in growth({"new": 9, "rare": 2}, 50, {}, 50)] == ["new"]


def test_nothing_is_compared_with_nothing() -> None:
    assert growth({"a": 5}, 5, {}, 0) == growth({}, 0, {"a": 5}, 5) == []


def test_what_chance_does_is_seldom_taken_for_growth(rng: random.Random) -> None:
    """500 words of the same frequency in both periods: one-sided z >= 2 happens to about 2 in 100, and the list is short anyway."""

    def texts() -> dict[str, int]:
        return {f"w{n}": sum(rng.random() < 0.1 for _ in range(200)) for n in range(500)}

    assert len(growth(texts(), 200, texts(), 200, most=500)) < 30
