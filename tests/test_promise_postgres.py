"""PostgreSQL torn down under load, four workers on overlapping customers: no deadlock storm, nothing lost or doubled."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from storage.migrate import upgrade
from tests.support import wait_until
from tests.town_world import TROUBLE, World, world_on
from workers import services as supervisor

AUTHORS, THREADS = 25, 12


def postmaster(folder: Path) -> int:
    return int(next(one["pid"] for one in supervisor.status(folder) if one["name"] == "postgres"))


def crowd(world: World, n: int, rng: random.Random) -> None:
    """Few people in few threads, all at once: every batch wants the same customers, conversations and tickets."""
    threads = [world.town.post("x", f"northbank thread {t}", author=f"a{t}") for t in range(THREADS)]
    now = time.time()
    for i in range(n):
        said = f"northbank is {TROUBLE}, {i}" if rng.random() < 0.5 else f"northbank says {i}"
        parent = rng.choice(threads)
        world.town.post("x", said, author=f"a{rng.randrange(AUTHORS)}", parent=parent, created=now)


LONG = (pytest.mark.soak, pytest.mark.timeout(1200))  # some thousand tickets, sent to the desk two at a time


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("n", "restarts"), [(1200, 2), pytest.param(6000, 6, marks=LONG)])
def test_restarted_under_load_with_four_workers(service_folder: Path, rng: random.Random, n: int, restarts: int):
    own = supervisor.start(service_folder)
    upgrade(own.database_url)
    with world_on(own.database_url, own.redis_url) as world:
        names = [f"posts{k}" for k in range(4)]
        world.configure(*(world.x(name, query=f"northbank -word{name}") for name in names), desks=[world.zendesk()])
        crowd(world, n, rng)
        world.start(workers=4)
        world.known(*names)
        torn = []
        for nth in range(restarts):
            time.sleep(rng.uniform(0.2, 1.0))
            wait_until(lambda: safely(world, "SELECT count(*) FROM digests"), 60, "work to tear")
            torn.append(world.pending())
            os.kill(postmaster(service_folder), signal.SIGQUIT)  # pg_ctl stop -m immediate
            time.sleep(1.0)
            assert supervisor.start(service_folder).database_url == own.database_url
            crowd(world, n // 4, rng)
            wait_until(lambda: safely(world, "SELECT 1"), 20)
            world.poll(*names)
            print(f"restart {nth + 1}: torn with {torn[-1]} to do")
        assert all("digests" in pending or "polls" in pending for pending in torn), torn
        took = world.settle(max(100, n / 10))
        deadlocks = world.ask("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        logs = "".join(log.read_text(errors="replace") for log in (service_folder / "postgres" / "log").glob("*.log"))
        logged = logs.count("deadlock detected")
        assert logs.count("received immediate shutdown request") == restarts
        print(f"all done {took:.1f} s after the last restart; deadlocks: {deadlocks} counted, {logged} in the log")
        print("\n".join(part[:1500] for part in logs.split("deadlock detected")[1:]))  # who waited for whom
        assert deadlocks <= 2
        assert logged <= 2
        workers = world.ask("SELECT count(DISTINCT worker) FROM runs WHERE kind = 'digest'")
        assert workers >= 2, "only one worker judged: nothing overlapped"
        world.check()


def safely(world: World, sql: str) -> int:
    """The figure, 0 while the database is away."""
    try:
        return int(world.ask(sql) or 0)
    except Exception:
        return 0
