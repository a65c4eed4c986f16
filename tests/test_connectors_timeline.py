"""Random days in the life of each platform: posts, edits, deletions, late arrivals, ties, faults, page caps and kills.

After quiet, what is stored is what can be seen, each once and in its last version. The seed is in the test's name. A platform is found by
its stand-in (town/stands.py) and needs nothing here.
"""

from collections.abc import Callable

import pytest

from connectors.inbound import reddit
from tests.timeline import TOLD, Day, visible

pytest_plugins = ["tests.town_fixtures"]


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.soak) for n in range(1, 8))])
@pytest.mark.parametrize("name", TOLD)
def test_after_quiet_everything_is_there_once(name: str, seed: int, day: Callable[[str, int], Day]) -> None:
    reddit._tokens.clear()
    lived = day(name, seed)
    lived.hours(25)
    lived.quiet()
    lived.check()
    print(f"{name} {seed}: {len(visible(lived.stand))} shown, {lived.kills} kills")
