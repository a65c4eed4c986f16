"""Worlds as fixtures; a test module says `pytest_plugins = ["tests.town_fixtures"]`."""

import contextlib
import os
import random
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest

from storage.ledger import Ledger
from storage.provision import create_database, drop_database
from tests import web
from tests.timeline import NAME, Day
from tests.town_world import World, fresh_world
from town.server import Town


@pytest.fixture
def make_world(services: Any, _template: str, redis_url: str) -> Iterator[Callable[..., World]]:
    """Makes fresh worlds; the second and later ones of a test ring in a numbered database of the broker kept for them."""
    spare = redis_url.rsplit("/", 1)[0] + "/63"
    with contextlib.ExitStack() as worlds:
        made: list[World] = []

        def make(**town: Any) -> World:
            broker = spare if made else redis_url
            made.append(worlds.enter_context(fresh_world(services.database_url, _template, broker, **town)))
            return made[-1]

        yield make


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A fresh world for a test."""
    return make_world()


@pytest.fixture
def day(services: Any, _template: str) -> Iterator[Callable[[str, int], Day]]:
    """A day on a database of its own: the ids of one town are another's too."""
    with contextlib.ExitStack() as ends:

        def begin(name: str, seed: int) -> Day:
            database = f"day_{name}_{seed}"
            url = create_database(services.database_url, database, _template)
            ends.callback(drop_database, services.database_url, database)
            ledger = Ledger(url, pool=2)
            ends.callback(ledger.close)
            town = ends.enter_context(Town(seed=seed))
            ends.enter_context(mock.patch.dict(os.environ, town.stands[name].secrets))
            made = Day(town, town.stands[name], ledger, random.Random(f"{name}{seed}"))
            if made.stand.to is not None:
                made.stand.to = f"{ends.enter_context(web.serve(web.make_app(url)))}/hooks/{NAME}"
            return made

        yield begin
