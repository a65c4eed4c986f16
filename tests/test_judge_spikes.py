"""A flag for what is unusual, none for gaps, backfill or ordinary bursts; and never a look at what comes later."""

import random
import time
from datetime import UTC, datetime, timedelta

import pytest

from domain.rules import SpikeRule
from domain.spikes import MINUTE, Spikes, detect, replay

RULE = SpikeRule("negative-spike")
NOW = datetime(2026, 8, 1, 12, 0, 30, tzinfo=UTC)


def quiet(minutes: int, seed: int = 1, share: float = 0.3, until: datetime = NOW) -> dict[datetime, int]:
    """A few mentions per ten minutes, ending at `until`."""
    dice = random.Random(seed)
    end = until.replace(second=0)
    found = {end - tick * MINUTE: int(dice.random() < share) for tick in range(1, minutes + 1)}
    return {minute: count for minute, count in found.items() if count}


def test_the_outage_after_a_short_quiet_history_fires_within_its_minute() -> None:
    seen = quiet(150)
    minute = NOW.replace(second=0) - MINUTE
    assert replay(RULE, seen, NOW).opened is None
    for count in (60, 150):
        standing = replay(RULE, {**seen, minute: count}, NOW)
        assert standing.opened == minute
        assert standing.count >= count > standing.threshold > standing.baseline
        assert standing.score >= RULE.threshold


def test_it_fires_after_backfill_and_backfill_itself_does_not() -> None:
    minute = NOW.replace(second=0) - MINUTE
    seen = quiet(150)
    assert replay(RULE, {**seen, minute: 80}, NOW, armed=minute).opened == minute
    assert replay(RULE, {**seen, minute: 80}, NOW, armed=NOW).opened is None
    assert replay(RULE, {**seen, minute - 3 * MINUTE: 80}, NOW, armed=minute).opened is None


def test_without_any_history_only_much_more_than_the_floor_fires() -> None:
    minute = NOW.replace(second=0) - MINUTE
    assert replay(RULE, {minute: 12}, NOW).opened is None
    assert replay(RULE, {minute: 60}, NOW).opened == minute
    assert replay(RULE, {}, NOW).opened is None


def test_a_flag_closes_when_it_is_quiet_again_and_grows_before() -> None:
    spikes = Spikes(RULE)
    flags = []
    series = [0, 0, 1] * 60 + [20, 30, 40, 60] + [0, 0, 1] * 30
    for tick, count in enumerate(series):
        reading = spikes.update(NOW + tick * MINUTE, count)
        assert 0 <= reading.score <= 1
        if reading.flag:
            flags.append(reading.flag)
    assert flags[0] == "open"
    assert flags[-1] == "close"
    assert set(flags[1:-1]) == {"update"}
    assert flags.count("open") == flags.count("close") == 1


def test_a_gap_and_what_follows_do_not_fire() -> None:
    dice = random.Random(7)
    spikes = Spikes(RULE)
    for tick in range(5000):
        in_gap = 2000 <= tick < 4900
        reading = spikes.update(NOW + tick * MINUTE, dice.randint(0, 6), evaluable=not in_gap)
        if in_gap:
            assert reading.flag is None
        assert reading.flag is None, tick
    history = len(spikes.history)
    assert history < (5000 - 2900) / 5 + 1


def test_a_gap_of_one_channel_does_not_blind_the_others() -> None:
    minute = NOW.replace(second=0) - MINUTE
    seen = {**quiet(600), minute: 80}
    gap = (NOW - timedelta(hours=5), None)
    assert replay(RULE, seen, NOW, [gap]).opened == minute
    silent = {at: n for at, n in quiet(3 * 1440, share=0.9).items() if at < NOW - timedelta(hours=9)}
    back = {at: n for at, n in quiet(60, share=0.9).items()}
    gap = (NOW - timedelta(hours=9), NOW - timedelta(hours=1))
    assert replay(RULE, {**silent, **back}, NOW, [gap]).opened is None


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ordinary_days_do_not_fire_and_an_event_does(seed: int) -> None:
    seen = quiet(10 * 1440, seed, 0.8)
    assert replay(RULE, seen, NOW).opened is None
    event = {NOW.replace(second=0) - tick * MINUTE: 12 for tick in range(1, 6)}
    start = time.perf_counter()
    assert replay(RULE, {**seen, **event}, NOW).opened is not None
    assert time.perf_counter() - start < 1


def test_memory_is_bounded() -> None:
    spikes = Spikes(SpikeRule("r", baseline=1))
    for tick in range(20_000):
        spikes.step(tick % 7)
    assert len(spikes.history.aged) == len(spikes.history.ranked) == spikes.history.keep
    assert spikes.history.total == pytest.approx(sum(spikes.history.aged))
    assert spikes.history.ranked == sorted(spikes.history.aged)


@pytest.mark.parametrize("step", [timedelta(minutes=1), timedelta(minutes=5), timedelta(hours=1), timedelta(days=1)])
def test_detect_sees_the_event_at_any_step_and_never_looks_ahead(step: timedelta) -> None:
    dice = random.Random(5)
    size = 900
    values = [float(dice.randint(5, 15)) for _ in range(size)]
    values[700] = 300.0
    rows = [(NOW + at * step, value) for at, value in enumerate(values)]
    found = list(detect(rows))
    assert len(found) == size
    assert found[700][1]
    assert sum(flag for _, flag in found) <= 2
    assert list(detect(rows[:701])) == found[:701]
    assert all(0 <= score <= 1 for score, _ in found)


def test_detect_takes_odd_rows() -> None:
    rows = [(NOW, 1.0), (NOW, float("nan")), (NOW + MINUTE, -5.0), (NOW + 2 * MINUTE, float("inf"))]
    assert list(detect(rows)) == [(0.0, False)] * 4
    assert list(detect([])) == []
