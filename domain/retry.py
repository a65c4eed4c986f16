"""What to do after a delivery was tried: arithmetic and cases only. The clock, the dice and the doing are the step's.

An effect is *in doubt* when an earlier attempt may have reached the target. Doubt ends by a look-up or a complete answer, never by
waiting alone (https://datatracker.ietf.org/doc/html/rfc9110#section-9.2.2: a client must not blindly repeat what is not idempotent).
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

State = Literal["done", "retry", "unknown", "dead", "blocked"]
Health = Literal["well", "failed", "wait", "blocked", "same"]
Action = Literal["deliver", "look-up"]


@dataclass(frozen=True, slots=True)
class Limits:
    """When to give up. The budget alone kills nothing: while a breaker is open, rows grow old without having been tried."""

    base: timedelta = timedelta(seconds=2)
    cap: timedelta = timedelta(minutes=10)
    budget: timedelta = timedelta(hours=72)
    least_failures: int = 5
    errors: int = 8  # of our own making: a bug does not heal in 72 hours
    crashes_rendering: int = 3
    crashes_calling: int = 8
    breaker: int = 5
    open_base: timedelta = timedelta(seconds=10)
    open_cap: timedelta = timedelta(minutes=10)


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class History:
    """What one effect went through so far. `failures` leaves out waits the target asked for and crashes of our own."""

    doubt: bool = False
    failures: int = 0
    failing_for: timedelta = timedelta()
    crashes: int = 0
    rendered: bool = True


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error as data. `looking`: it met the look-up, so this attempt sent nothing and the earlier doubt stands."""

    kind: str
    sent: bool = True
    looking: bool = False
    wait: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The row's next state, when it is due, how its attempt ended and what that says about the target."""

    state: State
    outcome: str
    health: Health
    delay: timedelta = timedelta()
    reason: str = ""


def next_action(doubt: bool, looks_up: bool) -> Action:
    """Look first whenever an earlier attempt may have arrived and the target can be asked."""
    return "look-up" if doubt and looks_up else "deliver"


def after_success(found: bool) -> Decision:
    return Decision("done", "found" if found else "done", "well")


def after_error(trouble: Trouble, history: History, quiet: timedelta, roll: float, limits: Limits = LIMITS) -> Decision:
    """Where an effect goes after an error. `roll` in 0..1 is the dice for the jitter."""
    open_doubt = trouble.looking and history.doubt
    again: State = "unknown" if open_doubt else "retry"
    match trouble.kind:
        case "rate-limited":
            return Decision(again, "waited", "wait", trouble.wait or limits.base, "rate-limited")
        case "auth" | "config":
            return Decision("unknown" if open_doubt else "blocked", "blocked", "blocked", reason=trouble.kind)
        case "refused" | "permanent":
            return Decision("dead", "unknown" if open_doubt else "refused", "well", reason=trouble.kind)
    ours = trouble.kind != "transient"
    health: Health = "same" if ours else "failed"
    maybe = open_doubt or (trouble.sent and not trouble.looking)
    outcome = "unknown" if maybe else "retry"
    if _spent(ours, history, limits):
        return Decision("dead", outcome, health, reason="error" if ours else "budget")
    delay = max(trouble.wait or timedelta(), back_off(history.failures, roll, limits.base, limits.cap))
    if maybe:
        return Decision("unknown", outcome, health, max(delay, quiet), trouble.kind)
    return Decision("retry", outcome, health, delay, trouble.kind)


def poisoned(history: History, limits: Limits = LIMITS) -> bool:
    """Whether this effect took down the process too often to be tried again."""
    return history.crashes >= (limits.crashes_calling if history.rendered else limits.crashes_rendering)


def back_off(failures: int, roll: float, base: timedelta, cap: timedelta) -> timedelta:
    """How long to leave something alone: the share `roll` of a bound that doubles. 0..1 is full jitter, a half to 1 never zero.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    return min(cap, base * float(2 ** min(failures, 20))) * roll


def breaker(health: Health, failures: int, roll: float, limits: Limits = LIMITS) -> tuple[int, timedelta | None]:
    """(consecutive failures of the target, how long to leave it alone). None: the breaker is closed."""
    if health == "well":
        return 0, None
    if health != "failed":
        return failures, None
    failures += 1
    if failures < limits.breaker:
        return failures, None
    half = 0.5 + roll / 2  # never zero: an open breaker is open for a while
    return failures, back_off(failures - limits.breaker, half, limits.open_base, limits.open_cap)


def _spent(ours: bool, history: History, limits: Limits) -> bool:
    failures = history.failures + 1
    if ours:
        return failures >= limits.errors
    return failures >= limits.least_failures and history.failing_for >= limits.budget
