"""A ledger with people in it, a console over it, an agent who is logged in: what most tests of pages begin with.

A module imports what it wants; what it furnishes otherwise, it defines itself.
"""

from collections.abc import Iterator

import httpx2
import pytest

from storage.ledger import Ledger
from tests import web


@pytest.fixture(scope="module")
def ids(database_url: str) -> dict[str, int]:
    """Role → the id of somebody who has it."""
    return web.people(database_url)


@pytest.fixture(scope="module")
def ledger(database_url: str, ids: dict[str, int]) -> Iterator[Ledger]:
    found = Ledger(database_url)
    yield found
    found.close()


@pytest.fixture(scope="module")
def address(database_url: str, ledger: Ledger) -> Iterator[str]:
    """Where the console is."""
    with web.serve(web.make_app(database_url)) as found:
        yield found


@pytest.fixture(scope="module")
def client(ledger: Ledger, address: str, ids: dict[str, int]) -> Iterator[httpx2.Client]:
    with web.enter(ledger, address, ids["agent"]) as found:
        found.timeout = 30
        yield found
