"""Two worker processes against one on the same backlog: segments by turns, since a shared machine's speed wanders."""

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from benchmarks import journey
from benchmarks.premises import Site

WARM = 1000
OVER = 6000  # batches that are under way when a segment ends


@dataclass(slots=True)
class Pair:
    """Mentions filed per second of wall clock, by one worker and by two."""

    one: list[float] = field(default_factory=list)
    two: list[float] = field(default_factory=list)
    cost: dict[int, list[float]] = field(default_factory=lambda: {1: [], 2: []})  # CPU seconds a mention, by workers
    waits: Counter[str] = field(default_factory=Counter)  # what two workers' sessions were seen to wait for
    looks: int = 0

    def look(self, site: Site) -> None:
        """Note what the workers' busy sessions wait for now."""
        rows = site.asking.execute(
            "SELECT coalesce(wait_event_type || ' ' || wait_event, 'none: at work') FROM pg_stat_activity "
            "WHERE application_name = 'earmark-worker' AND state = 'active'"
        )
        self.waits.update(row[0] for row in rows.fetchall())
        self.looks += 1

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
            rates.append(_segment(site, names, segment, found))
    return found


def _segment(site: Site, names: Sequence[str], segment: int, found: Pair) -> float:
    warm = WARM * len(names)
    look = partial(found.look, site) if len(names) > 1 else lambda: None
    step = journey.digest(site, names, site.filed() + warm + segment, warm, look)
    found.cost[len(names)].append(step.each)
    site.wait(lambda: site.number("SELECT count(*) FROM workers WHERE kind = 'worker'") == 0, 20, "workers to sign off")
    return step.mentions / step.wall
