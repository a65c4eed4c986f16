"""What is usual: an event is one observation, a new level is learnt, the formula turned round gives the sum back."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from domain import usual
from domain.board import Board
from domain.spikes import Hold, decide
from domain.usual import PART, SHARE, Usual, learn, needed, ranked, raw

DAY = 288  # rows
ROWS, ONSET = 24 * DAY, 15 * DAY
AGO = 7 * DAY + 40


def outages(lasts: int, height: float) -> NDArray[np.float64]:
    """Two of them, `AGO` rows apart, the second one `height` loud."""
    rates = np.full(ROWS, 6.0)
    rates[ONSET : ONSET + lasts] += 300
    rates[ONSET + AGO : ONSET + AGO + lasts] += height
    return rates


def level(times: int, rhythm: float) -> NDArray[np.float64]:
    at = np.arange(ROWS)
    return 20 * (1 + rhythm * np.sin(at / DAY * 2 * np.pi)) * np.where(at >= ONSET, times, 1)


def bursts() -> NDArray[np.float64]:
    """Ten times the talk for half an hour each day."""
    rates = np.full(ROWS, 6.0)
    for day in range(ROWS // DAY):
        at = day * DAY + 7 * day % 250
        rates[at : at + 6] *= 10
    return rates


OUTAGES = [(lasts, height) for lasts in (18, 72) for height in (300.0, 160.0)]
LEVELS = [(times, rhythm) for times in (2, 4, 10) for rhythm in (0.0, 0.8)]


@pytest.fixture(scope="module")
def flags() -> dict[object, list[int]]:
    """The rows that raise a flag, of Poisson talk with each of these rates; all at once, as `detect` would one by one."""
    rates = {one: outages(*one) for one in OUTAGES} | {one: level(*one) for one in LEVELS} | {"bursts": bursts()}
    counts = np.random.default_rng(1).poisson(np.stack(list(rates.values()), 1)).astype(float)
    board = Board(len(rates), cold=math.inf)
    hold = Hold(len(rates), len(board.scales))
    found: dict[object, list[int]] = {name: [] for name in rates}
    for row, said in enumerate(counts):
        board.move(row)
        hold.move(row, board.quiet)
        board.add(said)
        for name, flag in zip(rates, decide(board.look(), hold, 0.5, 1.0)[1], strict=True):
            if flag:
                found[name].append(row)
    return found


@pytest.mark.parametrize("outage", OUTAGES)
def test_a_second_outage_within_the_fortnight_is_found_soon(
    flags: dict[object, list[int]], outage: tuple[int, float]
) -> None:
    """Of an hour and a half or six hours, as high as the first or half as high: within ten minutes."""
    found, second = flags[outage], ONSET + AGO
    assert min(n for n in found if n >= ONSET) == ONSET
    assert second <= min(n for n in found if n > ONSET + DAY) <= second + 2


def test_what_happens_every_day_is_usual(flags: dict[object, list[int]]) -> None:
    assert len([n for n in flags["bursts"] if n >= ONSET]) <= 2  # of nine


@pytest.mark.parametrize("one", LEVELS)
def test_a_new_level_is_told_and_then_learnt(flags: dict[object, list[int]], one: tuple[int, float]) -> None:
    """Talk that stays at a multiple is told at once, not each minute of its rise, and is what is usual within four days."""
    found = [(n - ONSET) / DAY for n in flags[one] if n >= ONSET]
    assert 1 <= len([day for day in found if day < 0.5]) <= 2  # a short scale and a long one
    assert len(found) <= 3
    assert [day for day in found if day >= 4] == []


def test_the_memory_of_an_event_is_its_height_and_a_fifth_of_the_top_percent() -> None:
    dice = np.random.default_rng(2)
    quiet = dice.poisson(8, 4000).astype(float)
    loud = quiet.copy()
    loud[1000:1070] += 500
    without, within = learn(quiet), learn(loud)
    assert within.border == pytest.approx(without.border, abs=1)
    assert within.mean == pytest.approx(without.mean, rel=0.15)
    ceiling = math.sqrt(1 / (1 - SHARE)) / PART**0.75  # raw of a sum as high as the event
    assert 6 < float(raw(np.array(508.0), within)) < ceiling
    assert float(raw(np.array(508.0), Usual(*whole(loud)))) < usual.HALF


def whole(sums: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """The same figures with every row in them, by the definition."""
    order = np.sort(sums)
    at = int(SHARE * len(sums))
    return order[at], order[at + 1 :].mean() - order[at], sums.mean(), sums.std()


@pytest.mark.parametrize("rate", [0.02, 0.7, 30.0])
def test_without_an_event_it_is_the_plain_figures(rate: float) -> None:
    sums = np.random.default_rng(5).poisson(rate, 3000).astype(float)
    found = learn(sums)
    assert (found.border, found.excess, found.mean, found.deviation) == pytest.approx(whole(sums))
    assert ranked(sums, 1500) == np.sort(sums)[1500]


@pytest.mark.parametrize("sums", [[0.0], [7.0] * 50, [0.0] * 400, [0.0] * 99 + [1e12]])
def test_little_to_learn_from(sums: list[float]) -> None:
    found = learn(np.array(sums))
    assert all(math.isfinite(n) for n in (found.border, found.excess, found.mean, found.deviation))


def test_the_threshold_is_the_sum_that_scores_it() -> None:
    found = Usual(30.0, 5.0, 8.0, 6.5)
    for wanted in (1.0, 4.6, 12.0):
        assert float(raw(np.array(needed(found, wanted)), found)) == pytest.approx(wanted)
