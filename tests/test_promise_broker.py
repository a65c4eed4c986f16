"""The broker is disposable: flushed, killed, restarted empty; nothing is lost or doubled, and work goes on at once."""

import os
import signal
import time
from pathlib import Path

import pytest
import redis

from tests.support import wait_until
from tests.town_world import fresh_world
from workers import services as supervisor

pytest_plugins = ["tests.town_fixtures"]

BACK = 10.0  # seconds after the broker's return within which everything is done


def broker_pid(folder: Path) -> int:
    return int(next(one["pid"] for one in supervisor.status(folder) if one["name"] == "valkey"))


@pytest.mark.parametrize("away", [8, pytest.param(30, marks=pytest.mark.soak)])
def test_flushed_and_killed_with_work_queued(services, _template: str, service_folder: Path, away: int):  # noqa: PT019
    own = supervisor.start(service_folder)
    with fresh_world(services.database_url, _template, own.redis_url) as world:
        world.configure(world.reddit("talk", comments=True, page_size=25), desks=[world.zendesk()])
        world.talk(80)
        world.start()
        world.known("talk")
        flushes = 0
        wait_until(lambda: world.ask("SELECT count(*) FROM mentions"), 20)
        with redis.Redis.from_url(own.redis_url) as client:
            while world.pending() and flushes < 100:
                client.flushall()
                flushes += 1
                time.sleep(0.1)
        world.settle(20)
        print(f"flushed {flushes} times while work was queued")
        assert flushes > 5
        world.check()

        world.talk(60, start=100)
        world.poll("talk")
        os.kill(broker_pid(service_folder), signal.SIGKILL)
        world.talk(30, start=200)
        world.poll("talk")
        time.sleep(away)
        assert world.pending(), "nothing was left to do: the kill came too late to prove anything"
        assert supervisor.start(service_folder).redis_url == own.redis_url
        took = world.settle(30)
        print(f"broker away for {away} s; all was done {took:.1f} s after its return, empty")
        world.check()
        assert world.ask("SELECT count(*) FROM mentions WHERE content LIKE '%, 2__'") > 5
        assert took < BACK
