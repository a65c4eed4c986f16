"""Planted outages at brands of three sizes: the quick variant of `python -m benchmarks.outages`, with bounds."""

from benchmarks.outages import SIZES, measure

SEED = 7


def test_planted_outages_are_found_and_quiet_days_are_quiet() -> None:
    """Every first outage at a hundred mentions a day and more, the large ones within three quarters of an hour; some where ten are said a
    day. Ten days with two launches raise little."""
    print(f"seed {SEED}")
    small, middle, large = measure(2, 10, 0.5, 5, 5, SEED)
    assert (small.size, middle.size, large.size) == SIZES
    assert (middle.first, large.first) == (2, 2)
    assert small.delays
    assert min(middle.delays) <= 60
    assert sorted(large.delays)[len(large.delays) // 2] <= 45
    assert (sum(small.false) <= 1, sum(middle.false) <= 3, sum(large.false) <= 6) == (True, True, True)
