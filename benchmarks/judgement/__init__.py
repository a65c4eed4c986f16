"""How well the judge judges: a registry of measures, each of which prints its rows. Nothing that is measured here was trained on.

A measure is a function that takes the data folder and yields rows; a page of this package defines it with `@measure("name")` and is named in
PAGES. `python -m benchmarks.judgement --data DIR [NAME ...]` runs them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

PAGES = ("sentiment", "tickets", "speed")


@dataclass(frozen=True)
class Row:
    """One figure: what was measured, how much, what VADER alone gives, and what is asked of it."""

    what: str
    found: float
    vader: float | None = None
    ask: str = ""
    note: str = ""


Measure = Callable[[Path], Iterator[Row]]
MEASURES: dict[str, Measure] = {}


def measure(name: str) -> Callable[[Measure], Measure]:
    """Enters a measure under a name."""

    def enter(function: Measure) -> Measure:
        MEASURES[name] = function
        return function

    return enter
