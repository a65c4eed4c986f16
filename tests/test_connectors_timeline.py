"""Random days in the life of each platform: posts, edits, deletions, late arrivals, ties, faults, page caps and kills.

After quiet, what is stored is what can be seen, each once and in its last version. The seed is in the test's name. A platform is found by
its stand-in (town/stands.py) and needs nothing here.
"""

import gc
from collections.abc import Callable

import psutil
import pytest

from connectors.inbound import reddit
from tests.support import wait_until
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


@pytest.mark.parametrize("name", TOLD)
def test_a_poll_leaves_no_connection_open(name: str, day: Callable[[str, int], Day]) -> None:
    """Whatever circles a library holds them in: the collector does not come by for a while."""
    lived = day(name, 0)
    lived.poll()
    before = psutil.Process().num_fds()
    gc.disable()
    try:
        for _ in range(8):
            assert lived.poll()
        wait_until(lambda: psutil.Process().num_fds() <= before + 2, 5, lambda: f"{psutil.Process().num_fds()} open")
    finally:
        gc.enable()
