"""Due times are arithmetic: in step, never in the past, one for all that were missed."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.schedule import back_off, next_due, parse

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(("text", "seconds"), [("60s", 60), ("15m", 900), ("1h", 3600), ("1d", 86400), (" 2H ", 7200)])
def test_parse(text: str, seconds: int) -> None:
    assert parse(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "60", "0s", "-1s", "1w", "1.5h", "999d", "1h30m", "٣s s"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="length of time"):
        parse(text)


@given(st.integers(1, 100_000), st.integers(-100_000, 10_000_000))
def test_the_next_is_the_first_after_now_in_step(every: int, late: int) -> None:
    now = NOON + timedelta(seconds=late)
    due = next_due(f"every {every}", NOON, now)
    assert due > now
    assert (due - NOON) % timedelta(seconds=every) == timedelta(0)
    assert due == NOON + timedelta(seconds=every) or due - timedelta(seconds=every) <= now


def test_the_first_is_now_and_cron_follows_its_zone() -> None:
    assert next_due("every 60", None, NOON) == NOON
    assert next_due("cron 0 6 * * * Europe/Berlin", None, NOON) == datetime(2026, 8, 2, 4, tzinfo=UTC)
    assert next_due("cron 0 12 * * * UTC", NOON, NOON) == NOON + timedelta(days=1)
    assert next_due("cron 0 12 * * * UTC", NOON - timedelta(days=30), NOON) == NOON + timedelta(days=1)
    with pytest.raises(ValueError):
        next_due("weekly", None, NOON)


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_backing_off_is_bounded(failures: int, roll: float) -> None:
    base, cap = timedelta(seconds=2), timedelta(minutes=10)
    wait = back_off(failures, roll, base, cap)
    assert timedelta(0) <= wait <= cap
    assert back_off(failures + 1, 1.0, base, cap) >= back_off(failures, 1.0, base, cap)
