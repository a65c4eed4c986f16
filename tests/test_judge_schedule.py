"""Due times are arithmetic: in step, never in the past, one for all that were missed."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.schedule import next_due

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)


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
