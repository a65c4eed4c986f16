"""The real servers, for every test that wants them: embedded ones, or those TEST_DATABASE_URL and TEST_REDIS_URL name."""

import itertools
import os
import random
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import redis
from httpx2._config import DEFAULT_TIMEOUT_CONFIG

from storage.provision import create_database, drop_database
from tests.support import new_service_folder, remove_service_folder, sweep_service_folders
from workers import services as supervisor
from workers.services import Services

# A property holds or not; how long a busy machine takes for one example says nothing about it.
hypothesis.settings.register_profile("earmark", deadline=None)
hypothesis.settings.load_profile("earmark")
# Nor for a page: where a test bounds an answer it says so itself, and is not bounded by its client's five seconds.
DEFAULT_TIMEOUT_CONFIG.read = 60

_slots = itertools.count(1)

# A file is one process's (`make test`), so the run ends with its last long one: those that took longest when all were last measured
# begin first. Only the order hangs on this list; a file that is not in it comes after, one that is gone costs nothing.
LONGEST_FIRST = [
    "web_axe", "commands_walk", "services", "web_keyboard", "judge_spikes", "customers_import", "connectors_shapes",
    "api_schema", "bad_input_feeds", "promise_once", "deliver_kills", "promise_stop", "connectors_timeline",
    "config_in_force", "promise_doorbell", "promise_postgres", "bad_input_platforms", "promise_clock",
    "sync_zendesk", "sync_hubspot", "promise_mishaps", "security_text", "ledger_reconcile", "promise_kills",
    "operations_backup", "connectors_kills", "web_texts_browser", "web_browser", "web_ticket_browser", "outages",
    "backtest_alerts", "seed", "canary", "town_story", "web_roles", "promise_hosts", "promise_broker", "web_door",
    "ledger_commands", "judge_triage", "web_inbox_browser", "promise_desk", "judge_vader", "web_dashboards",
    "web_armour", "connectors_new", "deliver_desks", "detect",
]  # fmt: skip


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {f"test_{name}": n for n, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


@pytest.fixture(scope="session")
def services() -> Iterator[Services]:
    """One PostgreSQL and one Valkey for the run, outside the checkout. Tests that kill servers take `service_folder`."""
    database_url, redis_url = os.environ.get("TEST_DATABASE_URL"), os.environ.get("TEST_REDIS_URL")
    if database_url and redis_url:
        yield Services(Path("/nonexistent"), database_url, redis_url)
        return
    sweep_service_folders()
    folder = new_service_folder()
    try:
        started = supervisor.start(folder)
        _forget_power_cuts(folder)
        yield started
    finally:
        remove_service_folder(folder)


def _forget_power_cuts(folder: Path) -> None:
    """Nothing here outlives the machine, so the shared server need not wait for its disk: making a database costs a third of the time.

    What Earmark promises of commits is a setting of its own servers (tests/test_services.py), and those that tests tear down keep it.
    https://www.postgresql.org/docs/current/runtime-config-wal.html#GUC-FSYNC: read again on SIGHUP.
    """
    with (folder / "postgres" / "postgresql.auto.conf").open("a") as settings:
        settings.write("fsync = off\n")
    postmaster = next(row["pid"] for row in supervisor.status(folder) if row["name"] == "postgres")
    os.kill(int(str(postmaster)), signal.SIGHUP)


@pytest.fixture
def service_folder() -> Iterator[Path]:
    """A folder for servers of the test's own; whatever it leaves running there is stopped and removed."""
    folder = new_service_folder()
    try:
        yield folder
    finally:
        remove_service_folder(folder)


@pytest.fixture(scope="session")
def _template(services: Services) -> Iterator[str]:
    """A database migrated once; copying it takes a tenth of the time of migrating again."""
    from storage.migrate import upgrade

    name = f"template_{secrets.token_hex(4)}"
    upgrade(create_database(services.database_url, name))
    yield name
    drop_database(services.database_url, name)


@pytest.fixture(scope="module")
def database_url(services: Services, _template: str) -> Iterator[str]:
    """A fresh, migrated database for the module."""
    yield from _database(services, _template)


@pytest.fixture
def empty_database_url(services: Services) -> Iterator[str]:
    """A fresh database without a table."""
    yield from _database(services, None)


@pytest.fixture(scope="module")
def redis_url(services: Services) -> Iterator[str]:
    """One of the broker's numbered databases, empty, for the module. FLUSHALL would hit the others': use FLUSHDB."""
    base = services.redis_url.rsplit("/", 1)[0]
    with redis.Redis.from_url(f"{base}/0") as client:
        slots = int(client.config_get("databases")["databases"])
    url = f"{base}/{next(_slots) % slots}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """A random source whose seed is printed with a failure; EARMARK_SEED=n repeats it."""
    seed = int(os.environ.get("EARMARK_SEED") or secrets.randbits(32))
    print(f"EARMARK_SEED={seed} ({request.node.nodeid})")
    return random.Random(seed)


def _database(services: Services, template: str | None) -> Iterator[str]:
    name = f"test_{secrets.token_hex(4)}"
    yield create_database(services.database_url, name, template)
    drop_database(services.database_url, name)
