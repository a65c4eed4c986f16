"""The state machine of tickets, by properties: every history of moves and posts keeps its promises."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain import lifecycle
from domain.lifecycle import DONE, MOVES, QUIET, STATUSES, arrival, may, refusal

PRIORITIES = ("low", "normal", "high", "urgent")
steps = st.lists(
    st.one_of(
        st.tuples(st.just("move"), st.sampled_from(STATUSES)),
        st.tuples(st.just("post"), st.sampled_from(PRIORITIES), st.integers(0, 30)),
    ),
    max_size=30,
)


def test_the_table_names_only_statuses_and_leaves_nobody_stuck() -> None:
    assert set(MOVES) == set(STATUSES)
    assert all(wanted <= set(STATUSES) for wanted in MOVES.values())
    for start in STATUSES:  # from everywhere a person reaches work and an end
        reached, edge = {start}, [start]
        while edge:
            edge = [n for s in edge for n in MOVES[s] if n not in reached and not reached.add(n)]  # type: ignore[func-returns-value]
        assert {"open", "resolved", "closed"} <= reached | {start}


@given(st.sampled_from(STATUSES), st.sampled_from(STATUSES))
def test_a_refused_move_says_what_is_allowed(status: str, wanted: str) -> None:
    said = refusal(status, wanted)
    assert bool(said) == (not may(status, wanted) and status != wanted)
    if said:
        assert all(name in said for name in MOVES[status])


@given(steps)
def test_nothing_becomes_new_again_and_only_what_is_told_wakes_the_quiet(history: list[tuple]) -> None:  # type: ignore[type-arg]
    status = "new"
    for step in history:
        before = status
        if step[0] == "move":
            status = step[1] if may(status, step[1]) else status
        else:
            _, priority, days = step
            after = arrival(status, priority, timedelta(days=days) if status == "resolved" else None)
            assert after.why
            if after.status is None:
                assert before in DONE  # only what is done lets a new ticket be opened
                continue
            status = after.status
            assert status not in DONE, "who wrote is waited for by somebody"
            if before == "muted":
                assert (status == "open") == (priority in lifecycle.GRAVE)
            if before == "resolved":
                assert days <= lifecycle.REOPEN_DAYS
            if before == "closed":
                raise AssertionError("a post never reopens a closed ticket")
        assert status != "new" or before == "new"
        assert status in STATUSES


def test_quiet_is_what_no_list_of_work_shows() -> None:
    assert {"resolved", "closed", "muted"} == QUIET
