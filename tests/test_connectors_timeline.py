"""Random days in the life of each platform: posts, edits, deletions, late arrivals, ties, faults, page caps and kills.

After quiet, what is stored is what can be seen, each once and in its last version. The seed is in the test's name. A platform is found by
its stand-in (town/stands.py) and needs nothing here.
"""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from unittest import mock

import pytest

from connectors.inbound import reddit
from storage.ledger import Ledger
from storage.provision import create_database, drop_database
from tests import web
from tests.timeline import NAME, Day
from town.http import Stand
from town.server import Town
from town.stands import stand_ins
from workers.services import Services

TOLD = {one.name: one for one in stand_ins() if one.channel is not Stand.channel}


@pytest.fixture
def day(services: Services, _template: str) -> Iterator[Callable[[str, int], Day]]:
    """A day on a database of its own: the ids of one town are another's too."""
    with ExitStack() as ends:

        def begin(name: str, seed: int) -> Day:
            database = f"day_{name}_{seed}"
            url = create_database(services.database_url, database, _template)
            ends.callback(drop_database, services.database_url, database)
            ledger = Ledger(url, pool=2)
            ends.enter_context(mock.patch.dict(os.environ, TOLD[name].secrets))
            ends.callback(ledger.close)
            town = ends.enter_context(Town(seed=seed))
            made = Day(town, town.stands[name], ledger, random.Random(f"{name}{seed}"))
            if made.stand.to is not None:
                made.stand.to = f"{ends.enter_context(web.serve(web.make_app(url)))}/hooks/{NAME}"
            return made

        yield begin


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.soak) for n in range(1, 8))])
@pytest.mark.parametrize("name", TOLD)
def test_after_quiet_everything_is_there_once(name: str, seed: int, day: Callable[[str, int], Day]) -> None:
    reddit._tokens.clear()
    lived = day(name, seed)
    lived.hours(25)
    lived.quiet()
    lived.check()
    print(f"{name} {seed}: {len(lived.visible())} shown, {lived.kills} kills")
