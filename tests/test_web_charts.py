"""The SVG writer: the same data gives the same bytes, nothing in it runs or styles, and a hole is a hole."""

import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from console.web.charts import Point, Scale, Span, line, ticks, time_ticks

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def points(counts: list[int]) -> list[Point]:
    return [Point(NOON + MINUTE * i, n, 0, 1, 2) for i, n in enumerate(counts)]


def draw(counts: list[int], gaps: list[Span] | None = None, **more: bool) -> str:
    return str(line("c", "Title", "About", points(counts), gaps or [], None, MINUTE, **more))


def test_it_is_xml_with_a_title_a_description_and_a_role() -> None:
    root = ElementTree.fromstring(draw([1, 2, 3]))
    space = "{http://www.w3.org/2000/svg}" if root.tag.startswith("{") else ""
    assert root.get("role") == "img"
    named = root.get("aria-labelledby", "").split()
    found = {element.get("id"): element.tag.removeprefix(space) for element in root.iter() if element.get("id")}
    assert [found[name] for name in named] == ["title", "desc"]


def test_it_carries_no_style_no_script_and_no_colour() -> None:
    drawn = draw([1, 5, 2], [Span(NOON, NOON + MINUTE, "a gap")])
    assert not re.search(r"style|<script|on\w+=|fill=|stroke=|#[0-9a-f]{3}", drawn)


def test_hostile_words_stay_words() -> None:
    evil = "</title><script>alert(1)</script>\"'"
    drawn = str(
        line(evil, evil, evil, points([1, 2]), [Span(NOON, NOON + MINUTE, evil)], Span(NOON, NOON, evil), MINUTE)
    )
    assert "<script" not in drawn
    ElementTree.fromstring(drawn)


def test_a_gap_interrupts_the_line_and_is_hatched() -> None:
    gap = Span(NOON + 3 * MINUTE, NOON + 6 * MINUTE, "the feed was cut")
    whole, cut = draw([1] * 10), draw([1] * 10, [gap])
    assert (whole.count('"chart-line"'), cut.count('"chart-line"')) == (1, 2)
    assert ("chart-gap" in whole, "chart-gap" in cut) == (False, True)
    assert "the feed was cut" in cut


def test_the_step_that_still_runs_is_dashed() -> None:
    assert "chart-running" in draw([3, 3, 1], running=True)
    assert "chart-running" not in draw([3, 3, 1])


def test_nothing_gives_nothing() -> None:
    assert draw([]) == ""


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=200))
def test_any_counts_give_the_same_bytes_inside_the_frame(counts: list[int]) -> None:
    drawn = draw(counts)
    assert drawn == draw(counts)
    ElementTree.fromstring(drawn)
    for path in re.findall(r' d="M([^"Z]+)Z?"', drawn):
        for pair in path.split("L"):
            x, y = map(float, pair.split())
            assert 0 <= x <= 860
            assert 0 <= y <= 260


@given(st.floats(0, 1e9))
def test_ticks_are_few_round_and_enough(highest: float) -> None:
    found = ticks(highest)
    assert found[0] == 0
    assert found[-1] >= highest
    assert 2 <= len(found) <= 10


def test_time_ticks_stand_on_round_times() -> None:
    assert [f"{t:%H:%M}" for t in time_ticks(NOON + 7 * MINUTE, NOON + 65 * MINUTE)] == [
        "12:10", "12:20", "12:30", "12:40", "12:50", "13:00",
    ]  # fmt: skip


def test_a_scale_of_one_value_divides_by_nothing() -> None:
    assert Scale(5, 5, 0, 100)(5) == 0
