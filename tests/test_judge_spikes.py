"""A flag for what is unusual, none for gaps, backfill or ordinary bursts; a second crisis is not hidden; never a look at what comes later."""

import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from domain.board import Board
from domain.live import Heard, Live, Standing, Watched, bin_of
from domain.series import Past, filled
from domain.snapshots import freeze, join, thaw
from domain.spikes import Hold, decide, detect

NOW = datetime(2026, 8, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FIVE = timedelta(minutes=5)
Row = tuple[datetime, float]


def talk(
    days: float, rate: float, crises: Sequence[tuple[datetime, int, float]] = (), step: timedelta = FIVE, seed: int = 1
) -> list[Row]:
    """Poisson talk of `rate` a step; a crisis begins at a time, lasts so many steps and adds so much to each."""
    dice = np.random.default_rng(seed)
    found = []
    for at, n in enumerate(dice.poisson(rate, int(timedelta(days=days) / step))):
        moment = NOW + at * step
        extra = sum(more for since, steps, more in crises if since <= moment < since + steps * step)
        found.append((moment, float(n + extra)))
    return found


def flagged(rows: Sequence[Row]) -> list[datetime]:
    return [at for (at, _), (_, flag) in zip(rows, detect(rows), strict=True) if flag]


NOON = NOW + timedelta(days=6, hours=12)
SIX = NOON + timedelta(hours=6)


def test_an_outage_fires_within_its_first_bins_and_once() -> None:
    found = flagged(talk(8, 6, [(NOON, 24, 100)]))
    assert [at for at in found if NOON <= at < SIX] == [NOON]


def test_half_the_peak_after_a_return_to_baseline_is_a_second_flag() -> None:
    both = flagged(talk(8, 6, [(NOON, 24, 300), (SIX, 24, 200)]))
    assert next(at for at in both if at >= NOON) == NOON
    assert any(SIX <= at <= SIX + 2 * FIVE for at in both)


def test_less_than_half_the_peak_is_held_and_so_is_what_never_calmed() -> None:
    small = flagged(talk(8, 6, [(NOON, 24, 300), (SIX, 24, 60)]))
    assert not [at for at in small if SIX - FIVE <= at <= SIX + timedelta(hours=2)]
    rising = flagged(talk(8, 6, [(NOON, 72, 100), (NOON + timedelta(hours=1), 60, 150)]))
    assert len([at for at in rising if NOON <= at <= SIX]) == 1


@pytest.mark.parametrize("size", [1, 3])
def test_praise_does_not_silence_an_outage(size: int) -> None:
    """Praise at noon is in the series of all mentions; the outage at six is in the negative one, which holds nothing."""
    everything = talk(8, 12, [(NOON, 24, 300), (SIX, 24, 60)])
    negative = talk(8, 2, [(SIX, 24, 60)], seed=size)
    assert any(SIX <= at <= SIX + 2 * FIVE for at in flagged(negative))
    assert any(NOON <= at <= NOON + FIVE for at in flagged(everything))


def test_a_handful_a_day_is_enough_history_for_a_flag() -> None:
    """Six mentions a day: ordinary days raise little, forty in three hours raise at once."""
    rows = talk(20, 6 / 288, [(NOW + timedelta(days=15), 36, 40 / 36)], seed=3)
    found = flagged(rows)
    event = NOW + timedelta(days=15)
    assert any(event <= at <= event + timedelta(minutes=40) for at in found)
    assert len([at for at in found if at < event]) <= 2


@pytest.mark.parametrize("step", [MINUTE, FIVE, timedelta(hours=1), timedelta(days=1)])
def test_any_step_and_never_a_look_ahead(step: timedelta) -> None:
    size = 3000 if step == MINUTE else 700
    rows = talk(size * step / timedelta(days=1), 10, [(NOW + (size - 60) * step, 3, 300)], step, seed=5)
    found = list(detect(rows))
    assert len(found) == len(rows)
    assert any(flag for _, flag in found[size - 60 : size - 50])
    assert sum(flag for _, flag in found[: size - 60]) <= 2
    assert list(detect(rows[: size - 58])) == found[: size - 58]
    assert all(0 <= score <= 1 for score, _ in found)


def test_many_at_once_are_the_same_as_one_by_one() -> None:
    rows = [talk(4, rate, [(NOW + timedelta(days=3), 12, 50)], seed=7) for rate in (0.5, 6, 20)]
    board, hold = Board(3, cold=math.inf), Hold(3, 4)
    together = []
    for at in range(len(rows[0])):
        board.move(at)
        hold.move(at, board.quiet)
        board.add(np.array([one[at][1] for one in rows]))
        together.append(decide(board.look(), hold, 0.5, 1.0)[1])
    assert [bool(f[0]) for f in together] == [flag for _, flag in detect(rows[0])]


# --- bad input -----------------------------------------------------------------------------------------------------
def quiet_after(odd: Sequence[Row]) -> None:
    """No flag from garbage, and the series goes on: a crisis after it is still seen."""
    rows = [*talk(6, 6), *odd]
    assert flagged(rows) == flagged(talk(6, 6))
    last = max(at for at, _ in talk(6, 6))
    later = [(last + n * FIVE, 6.0 if n < 30 else 200.0) for n in range(1, 40)]
    assert any(flag for _, flag in list(detect([*rows, *later]))[-10:])


@pytest.mark.parametrize(
    "odd",
    [
        [(NOW + timedelta(days=6), value) for value in (math.nan, math.inf, -math.inf, -500.0)],
        [(NOW + timedelta(days=6) - FIVE, 900.0)] * 5,
        [(NOW + timedelta(days=1), 900.0), (NOW, 900.0)],
        [(datetime(2099, 1, 1, tzinfo=UTC), 900.0)],
        [(datetime(1, 1, 1, tzinfo=UTC), 900.0)],
    ],
    ids=["no counts", "duplicates", "out of order", "2099", "year 1"],
)
def test_garbage_raises_nothing_and_hides_nothing(odd: list[Row]) -> None:
    quiet_after(odd)


@pytest.mark.parametrize("value", [0.0, 7.0, 1e9])
def test_a_series_that_never_changes_raises_nothing(value: float) -> None:
    rows = [(NOW + n * FIVE, value) for n in range(2500)]
    assert not any(flag for _, flag in detect(rows))


@pytest.mark.parametrize("year", [1, 2099])
def test_any_year_is_a_year(year: int) -> None:
    start = datetime(year, 1, 1, tzinfo=UTC)
    rows = [(start + (at - NOW), n) for at, n in talk(3, 6, [(NOW + timedelta(days=2), 6, 100)])]
    assert flagged(rows)


def test_days_without_a_row_are_neither_zero_nor_a_reason() -> None:
    """What follows a gap of two days is ordinary, and what is usual is what it was."""
    rows = talk(9, 6)
    holed = [row for row in rows if not NOW + timedelta(days=5) <= row[0] < NOW + timedelta(days=7)]
    late = NOW + timedelta(days=7)
    assert len([at for at in flagged(holed) if at >= late]) <= len([at for at in flagged(rows) if at >= late])


def test_odd_rows_alone() -> None:
    rows = [(NOW, 1.0), (NOW, math.nan), (NOW + MINUTE, -5.0), (NOW + 2 * MINUTE, math.inf)]
    assert list(detect(rows)) == [(0.0, False)] * 4
    assert list(detect([])) == []


# --- what is remembered --------------------------------------------------------------------------------------------
def test_memory_is_bounded_and_a_snapshot_is_the_same() -> None:
    dice = random.Random(3)
    for chance in (0.02, 0.6, 1.0):
        past = Past(4032, 0)
        for bin_ in range(9000):
            if dice.random() < chance:
                past.put(bin_, float(dice.randint(1, 50)))
        past.trim()
        assert past.nbytes <= 16_384
        again = Past.unpack(4032, past.pack())
        assert list(again.window(9000)) == list(past.window(9000))
    board = Board(1)
    hold = Hold(1, len(board.scales))
    state = [getattr(board, n).nbytes for n in ("recent", "sums", "border", "excess", "mean", "deviation", "quiet")]
    assert sum(state) + hold.peaks.nbytes + hold.faded.nbytes + hold.told.nbytes + 16_384 <= 32 * 1024


def test_late_news_corrects_the_past_in_both_forms() -> None:
    for bins in ([(1, 2.0), (5, 1.0)], [(n, 1.0) for n in range(100)]):
        past = filled(100, bins)
        past.put(3, 9.0)
        assert past.get(3) == 9.0
        assert past.window(100)[3 - 1 if bins[0][0] == 1 else 3] == 9.0


# --- live ----------------------------------------------------------------------------------------------------------
def heard(days: float, rate: float, more: dict[int, float] | None = None, dark: frozenset[int] = frozenset()) -> Heard:
    end = bin_of(NOW)
    dice = np.random.default_rng(4)
    usual = {end - n: float(v) for n, v in enumerate(dice.poisson(rate, int(days * 288)), 1) if v}
    usual.update({end + b: n for b, n in (more or {}).items()})
    return Heard(usual, usual, dark)


def live(floor: float = 10) -> Live:
    return Live([Watched("r", "bank/negative", 0.5, floor)])


def at(one: Live, what: Heard, minutes: float) -> Standing:
    return one.tick([what], NOW + minutes * MINUTE)[0]


def test_a_restart_knows_what_was_held_and_told() -> None:
    what = heard(9, 2, {0: 90, 1: 90})
    first = live()
    assert first.begin([what], NOW) == []
    assert [at(first, what, m).flag for m in (0, 1, 6)] == [True, False, False]
    second = live()
    assert second.begin([what], NOW + 20 * MINUTE) == [(0, bin_of(NOW))]
    assert not at(second, what, 20).flag


def test_late_items_correct_the_past_without_a_flag() -> None:
    what = heard(9, 2)
    one = live()
    one.begin([what], NOW)
    assert not at(one, what, 0).flag
    late = heard(9, 2, {-10: 200})
    standing = at(one, late, 1)
    assert not standing.flag or standing.scale > 10


def test_a_gap_is_not_usual_and_not_zero() -> None:
    end = bin_of(NOW)
    dark = frozenset(range(end - 4 * 288, end - 12))
    full = heard(9, 5)
    holed = {b: n for b, n in full.live.items() if b not in dark}
    one = live()
    one.begin([Heard(holed, holed, dark)], NOW)
    assert not at(one, Heard({**holed, end: 6.0}, {**holed, end: 6.0}, dark), 1).flag
    assert one.board.mean[0, 0] == pytest.approx(10, rel=0.2)


def test_without_history_only_much_more_than_the_floor_fires() -> None:
    end = bin_of(NOW)
    for n, wanted in ((12.0, False), (60.0, True)):
        one, what = live(), Heard({end: n}, {end: n})
        one.begin([what], NOW)
        assert at(one, what, 0).flag is wanted


def test_a_thawed_snapshot_goes_on_as_if_nothing_had_been() -> None:
    what = heard(9, 2, {0: 90, 1: 90, 30: 140})
    went_on = live()
    went_on.begin([what], NOW)
    for minute in (0, 1, 6):
        at(went_on, what, minute)
    again = live()
    assert thaw(again, went_on.board.now, freeze(went_on))
    for minute in (8, 40, 152):
        assert at(again, what, minute) == at(went_on, what, minute)
    assert not thaw(live(), went_on.board.now, [freeze(went_on)[0][:100]])


def test_series_that_join_stand_where_they_would_alone() -> None:
    what, other = heard(9, 2), heard(9, 7, {0: 200})
    one, two, alone = live(), live(), live()
    for board, series in ((one, what), (two, other), (alone, other)):
        board.begin([series], NOW)
        at(board, series, 0)
    join(one, two)
    assert list(one.tick([what, other], NOW + 6 * MINUTE))[1] == at(alone, other, 6)


def test_news_of_days_ago_corrects_what_is_usual() -> None:
    what = heard(9, 2)
    one = live()
    one.begin([what], NOW)
    end = bin_of(NOW)
    late = {**what.usual, end - 600: 77.0, end - 100: 66.0}
    one.late({0: Heard(late, late)}, end - 700, end - 20)
    assert (one.board.pasts[0].get(end - 600), one.board.pasts[0].get(end - 100)) == (77.0, 66.0)
    assert one.board.recent[0, (end - 100) % 288] == 66.0
    one.late({}, end - 601, end - 599)
    assert one.board.pasts[0].get(end - 600) == 0.0
