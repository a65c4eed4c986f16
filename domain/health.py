"""Whether a channel needs a person: arithmetic on what the ledger knows of it. No clock, no SQL.

Three alarms, each told once per episode: the platform refused our credential, a channel has failed for a day, a channel
brings nothing new for longer than its own habit explains.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

AlarmKind = Literal["credential", "failing", "silence"]

FAILING_AFTER = timedelta(days=1)
MIN_GAPS = 8  # fewer pauses between arrivals are no habit
SHORTEST_SILENCE = timedelta(hours=1)
STRETCH = 1.5  # how much longer than its longest usual pause a channel may be silent
STOPPED = ("auth", "config")  # error kinds after which a channel is not read until a person acts


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of one channel that is on and not paused. `failing_since`: the first failure of this row of failures."""

    interval: timedelta
    since: datetime
    error: str = ""
    error_kind: str = ""
    error_at: datetime | None = None
    failing_since: datetime | None = None
    last_success: datetime | None = None
    last_new: datetime | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something a person must know. `began` names the episode: the same trouble has the same one."""

    kind: AlarmKind
    began: datetime
    severity: int
    text: str
    advice: str
    usual: timedelta | None = None


def trouble(reading: Reading, now: datetime) -> Alarm | None:
    """The alarm an error calls for: at once where the channel has stopped, after a day where it still tries."""
    if not reading.error:
        return None
    if reading.error_kind == "auth":
        return Alarm(
            "credential", reading.error_at or now, 3, f"The platform refuses our credential: {reading.error}",
            "Renew the credential, then `earmark resume` the channel.",
        )  # fmt: skip
    if reading.error_kind == "config":
        return Alarm(
            "failing", reading.error_at or now, 2, f"The channel has stopped: {reading.error}",
            "Correct the configuration, or `earmark resume` the channel when the platform has changed its mind.",
        )  # fmt: skip
    began = reading.failing_since
    if began is None:  # asked to wait again and again: no failure, and yet nothing is read
        heard = reading.last_success or reading.since
        if now - heard < FAILING_AFTER + reading.interval:
            return None
        began = heard
    if now - began < FAILING_AFTER:
        return None
    return Alarm(
        "failing", began, 2, f"Nothing could be read for {words(now - began)}: {reading.error}",
        "The channel keeps trying and recovers by itself. See `earmark channels` for the advice, or pause it.",
    )  # fmt: skip


def silence(reading: Reading, limit: timedelta | None) -> Alarm | None:
    """The alarm for a channel that is read well and brings nothing new for longer than `limit`, its habit."""
    if limit is None or reading.error or reading.last_success is None or reading.last_new is None:
        return None
    silent = reading.last_success - reading.last_new  # later than the last success nobody has looked
    if silent <= limit:
        return None
    return Alarm(
        "silence", reading.last_new, 1, f"Nothing new for {words(silent)}; it is seldom silent for {words(limit)}.",
        "Look at the source: has it moved, or has its talk? Is the query still what you mean? `earmark try` shows a first page.",
        limit,
    )  # fmt: skip


def habit(arrivals: Sequence[datetime], interval: timedelta) -> timedelta | None:
    """How long a channel may be silent, from when new items last came: one and a half times its longest usual pause.

    The single longest pause of twenty or more is left out: one outage does not make a habit. Nights and weekends are in it once
    they were lived through. None when too few pauses are known.
    """
    moments = sorted(arrivals)
    pauses = sorted(later - earlier for earlier, later in pairwise(moments))
    if len(pauses) < MIN_GAPS:
        return None
    longest = pauses[-2] if len(pauses) >= 20 else pauses[-1]
    return max(SHORTEST_SILENCE, longest * STRETCH + 2 * interval)


def may_be_silent(reading: Reading) -> bool:
    """Whether it is worth looking up the habit: a cheap test that passes few channels."""
    if reading.error or reading.last_success is None or reading.last_new is None:
        return False
    return reading.last_success - reading.last_new > SHORTEST_SILENCE


def over(kind: AlarmKind, flagged: datetime, reading: Reading | None) -> bool:
    """Whether an open alarm that began at `flagged` is over. A channel that was paused or taken away (None) needs nobody."""
    if reading is None:
        return True
    if kind == "silence":
        return reading.last_new is not None and reading.last_new > flagged
    return not reading.error and reading.last_success is not None and reading.last_success > flagged


def words(length: timedelta) -> str:
    """`50 min`, `5 h`, `3 days`."""
    minutes = int(length.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"
