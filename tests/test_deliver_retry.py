"""The delivery's state machine on paper: whatever the target does, one effect; and every wait ends."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.retry import (
    LIMITS,
    History,
    Trouble,
    after_error,
    after_success,
    back_off,
    breaker,
    next_action,
    poisoned,
)

KINDS = ("transient", "rate-limited", "auth", "config", "refused", "permanent", "error")
QUIET = timedelta(seconds=10)
rolls = st.floats(0, 1)
waits = st.none() | st.timedeltas(timedelta(), timedelta(days=1))
histories = st.builds(
    History,
    doubt=st.booleans(),
    failures=st.integers(0, 500),
    failing_for=st.timedeltas(timedelta(), timedelta(days=30)),
    crashes=st.integers(0, 20),
    rendered=st.booleans(),
)
troubles = st.builds(Trouble, kind=st.sampled_from(KINDS), sent=st.booleans(), looking=st.booleans(), wait=waits)


@given(troubles, histories, rolls)
def test_doubt_is_never_forgotten(trouble, history, roll):
    """A row goes back to plain `retry` only when it is certain that the target does not hold the effect."""
    decision = after_error(trouble, history, QUIET, roll)
    still_open = trouble.looking and history.doubt
    maybe_now = trouble.kind in ("transient", "error") and trouble.sent and not trouble.looking
    if still_open or maybe_now:
        assert decision.state in ("unknown", "dead")
        if decision.state == "dead":
            assert decision.outcome == "unknown"  # so that a person's retry looks first
    if decision.state == "unknown" and maybe_now:
        assert decision.delay >= QUIET


@given(troubles, histories, rolls)
def test_waits_are_bounded_and_never_shorter_than_asked(trouble, history, roll):
    decision = after_error(trouble, history, QUIET, roll)
    asked = trouble.wait or timedelta()
    assert timedelta() <= decision.delay <= max(LIMITS.cap, QUIET, asked)
    if decision.state in ("retry", "unknown") and trouble.kind not in ("auth", "config"):
        assert decision.delay >= asked


@given(troubles, histories, rolls)
def test_a_target_s_wish_to_wait_is_no_failure(trouble, history, roll):
    decision = after_error(trouble, history, QUIET, roll)
    if trouble.kind == "rate-limited":
        assert decision.state in ("retry", "unknown")
        assert (decision.outcome, decision.health) == ("waited", "wait")
    if trouble.kind in ("auth", "config"):
        assert decision.health == "blocked"
        assert decision.state != "dead"


@given(st.lists(rolls, min_size=10, max_size=300), st.booleans())
def test_trouble_without_end_ends(dice, sent):
    """A row that fails at every try is a dead letter soon after its budget, and not before."""
    age = timedelta()
    for failures in range(3000):
        decision = after_error(
            Trouble("transient", sent), History(False, failures, age), QUIET, dice[failures % len(dice)]
        )
        if decision.state == "dead":
            assert age >= LIMITS.budget
            assert failures + 1 >= LIMITS.least_failures
            return
        age += decision.delay + timedelta(minutes=2)
    raise AssertionError("still trying")


@given(st.integers(0, 10_000), rolls)
def test_back_off_is_full_jitter_under_a_cap(failures, roll):
    bound = back_off(failures, 1.0, LIMITS.base, LIMITS.cap)
    assert timedelta() <= back_off(failures, roll, LIMITS.base, LIMITS.cap) <= bound <= LIMITS.cap


@given(st.lists(st.sampled_from(["well", "failed", "wait", "blocked", "same"]), max_size=60), rolls)
def test_the_breaker_counts_failures_in_a_row(story, roll):
    failures, in_a_row = 0, 0
    for health in story:
        failures, opened = breaker(health, failures, roll)
        in_a_row = 0 if health == "well" else in_a_row + (health == "failed")
        assert failures == in_a_row
        assert (opened is not None) == (health == "failed" and in_a_row >= LIMITS.breaker)
        if opened is not None:
            assert timedelta() < opened <= LIMITS.open_cap


def test_a_crash_is_forgiven_longer_once_the_target_may_have_it():
    assert poisoned(History(crashes=3, rendered=False))
    assert not poisoned(History(crashes=3, rendered=True))
    assert poisoned(History(crashes=8, rendered=True))


class Delivery(RuleBasedStateMachine):
    """One effect, a target that may do anything at any moment, and the rules of domain/retry.py followed to the letter."""

    @initialize(looks_up=st.booleans())
    def begin(self, looks_up):
        self.looks_up = looks_up
        self.state, self.effects, self.failures, self.crashes = "new", 0, 0, 0
        self.last = "started"

    def claim(self):
        history = History(self.state == "unknown", self.failures, timedelta(hours=100), self.crashes)
        return history, next_action(history.doubt, self.looks_up)

    def settle(self, decision):
        self.state, self.last = decision.state, decision.outcome
        if decision.outcome in ("retry", "unknown"):
            self.failures += 1

    def open(self):
        return self.state in ("new", "retry", "unknown")

    @precondition(open)
    @rule(accepts=st.booleans(), answers=st.booleans(), kind=st.sampled_from(KINDS), roll=rolls)
    def attempt(self, accepts, answers, kind, roll):
        history, action = self.claim()
        if action == "look-up":
            if not answers:
                self.settle(after_error(Trouble(kind, sent=False, looking=True), history, QUIET, roll))
                return
            if self.effects:
                self.settle(after_success(found=True))
                return
            history = History(False, history.failures, history.failing_for, history.crashes)
        if accepts:
            self.effects += 1
            self.settle(
                after_success(found=False) if answers else after_error(Trouble("transient", True), history, QUIET, roll)
            )
        else:  # a complete refusal, a connection never made, or a loss on the way there
            self.settle(after_error(Trouble(kind, sent=kind == "error" or not answers), history, QUIET, roll))

    @precondition(open)
    @rule(accepted=st.booleans())
    def process_dies_during_the_call(self, accepted):
        """The lease runs out: unknown. A look-up comes first, so only an attempt that was sure to be the first may arrive."""
        _, action = self.claim()
        if action == "deliver" or not self.effects:
            self.effects += accepted
        self.state = self.last = "unknown"
        self.crashes += 1

    @precondition(lambda self: self.state == "blocked")
    @rule()
    def person_resumes(self):
        self.state = "retry"

    @precondition(lambda self: self.state == "dead")
    @rule()
    def person_retries(self):
        """As storage.dead_effects.retry does: the last attempt's outcome tells whether to look first."""
        self.state = "unknown" if self.last == "unknown" else "retry"

    @precondition(lambda self: self.state == "done")
    @rule()
    def all_is_well(self):
        """Nothing happens to what is done."""

    @invariant()
    def one_effect(self):
        if getattr(self, "looks_up", False):
            assert self.effects <= 1

    @invariant()
    def done_means_there(self):
        if getattr(self, "state", "") == "done":
            assert self.effects >= 1


Delivery.TestCase.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
TestDelivery = Delivery.TestCase
