"""The fixtures every other test stands on; marked `outside`, so that they also prove DATABASE_URL and REDIS_URL over TCP."""

import random
import sys

import pytest
import redis
from sqlalchemy import create_engine, text

from storage import migrate
from tests.support import spawn, wait_until

pytestmark = pytest.mark.outside


def test_the_database_is_migrated_and_ours(database_url: str, empty_database_url: str) -> None:
    at, wanted = migrate.current(database_url)
    assert at == wanted is not None
    assert migrate.current(empty_database_url)[0] is None
    engine = create_engine(empty_database_url)
    with engine.begin() as connection:
        assert int(connection.scalar(text("SHOW server_version_num"))) >= 150000
        assert connection.scalar(text("SHOW server_encoding")) == "UTF8"
    engine.dispose()


def test_migrations_run_from_empty_twice(empty_database_url: str) -> None:
    migrate.upgrade(empty_database_url)
    migrate.upgrade(empty_database_url)
    at, wanted = migrate.current(empty_database_url)
    assert at == wanted


def test_the_broker_is_empty_and_ours(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        major, minor = map(int, client.info("server")["redis_version"].split(".")[:2])
        assert (major, minor) >= (6, 2)


def test_random_sources_can_be_repeated(rng: random.Random, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(rng.random(), float)


def test_a_spawned_process_is_heard_and_killed() -> None:
    with spawn([sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(60)"]) as process:
        process.wait_for_log("ready")
        assert process.running
        process.kill()
        assert not process.running


def test_a_wait_that_is_in_vain_fails_with_its_reason() -> None:
    with pytest.raises(AssertionError, match="the cows come home"):
        wait_until(lambda: False, 0.1, "the cows come home")
