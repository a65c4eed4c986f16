"""Two worker processes against one on the same backlog: segments by turns, since a shared machine's speed wanders."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks import journey
from benchmarks.premises import Site

WARM = 1000
OVER = 4000


@dataclass(slots=True)
class Pair:
    """Mentions filed per second of wall clock, by one worker and by two."""

    one: list[float] = field(default_factory=list)
    two: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        return statistics.median(two / one for one, two in zip(self.one, self.two, strict=True))


def needed(segment: int, turns: int) -> int:
    """Mentions that all turns use up, with what is filed between a turn's end and its workers'."""
    return turns * (2 * segment + 3 * WARM + 2 * OVER)


def run(site: Site, segment: int, turns: int) -> Pair:
    """The backlog must hold `needed(segment, turns)` mentions."""
    found = Pair()
    for _ in range(turns):
        for rates, names in ((found.one, ["a"]), (found.two, ["a", "b"])):
            rates.append(_segment(site, names, segment))
    return found


def _segment(site: Site, names: Sequence[str], segment: int) -> float:
    warm = WARM * len(names)
    step = journey.digest(site, names, site.filed() + warm + segment, warm)
    site.wait(lambda: site.number("SELECT count(*) FROM workers WHERE kind = 'worker'") == 0, 20, "workers to sign off")
    return step.mentions / step.wall
