"""Worlds as fixtures; a test module says `pytest_plugins = ["tests.town_fixtures"]`."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.town_world import World, fresh_world


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
