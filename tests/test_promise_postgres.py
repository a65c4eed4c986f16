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


def outspoken(folder: Path) -> None:
    """Let the log say who waited for whom with which statement, as it does not where people's words are."""
    with (folder / "postgres" / "postgresql.auto.conf").open("a") as settings:
        settings.write("log_error_verbosity = 'default'\nlog_min_error_statement = 'error'\n")
    os.kill(postmaster(folder), signal.SIGHUP)


def crowd(world: World, n: int, rng: random.Random) -> None:
    """Few people in few threads, all at once: every batch wants the same customers, conversations and tickets."""
    threads = [world.town.post("x", f"northbank thread {t}", author=f"a{t}") for t in range(THREADS)]
    now = time.time()
    for i in range(n):
        said = f"northbank is {TROUBLE}, {i}" if rng.random() < 0.5 else f"northbank says {i}"
        parent = rng.choice(threads)
        world.town.post("x", said, author=f"a{rng.randrange(AUTHORS)}", parent=parent, created=now)


def torn(world: World, folder: Path, names: list[str], n: int, rng: random.Random) -> dict[str, int]:
    """Let all work on `n` posts and tear PostgreSQL down at some moment of it; what was to be done then, digests among it."""
    for _ in range(5):
        crowd(world, n, rng)
        world.poll(*names)
        wait_until(lambda: safely(world, "SELECT count(*) FROM digests"), 60, "work to tear")
        time.sleep(rng.uniform(0, 0.4))
        pending = world.pending()
        if "digests" in pending:
            os.kill(postmaster(folder), signal.SIGQUIT)  # pg_ctl stop -m immediate
            return pending
        print("all was judged before it could be torn down; once more")
    raise AssertionError("never torn down in the middle of work")


LONG = (pytest.mark.soak, pytest.mark.timeout(1200))  # some thousand tickets, sent to the desk two at a time


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("n", "restarts"), [(800, 2), pytest.param(1500, 6, marks=LONG)])
def test_restarted_under_load_with_four_workers(service_folder: Path, rng: random.Random, n: int, restarts: int):
    own = supervisor.start(service_folder)
    outspoken(service_folder)
    upgrade(own.database_url)
    with world_on(own.database_url, own.redis_url) as world:
        names = [f"posts{k}" for k in range(4)]
        world.configure(*(world.x(name, query=f"northbank -word{name}") for name in names), desks=[world.zendesk()])
        world.start(workers=4)
        world.known(*names)
        world.settle()
        for nth in range(restarts):
            print(f"restart {nth + 1}: torn with {torn(world, service_folder, names, n, rng)} to do")
            time.sleep(1.0)
            assert supervisor.start(service_folder).database_url == own.database_url
            wait_until(lambda: safely(world, "SELECT 1"), 20)
        crowd(world, n // 4, rng)
        world.poll(*names)
        took = world.settle(max(100, n * restarts / 15))
        deadlocks = world.ask("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        logs = "".join(log.read_text(errors="replace") for log in (service_folder / "postgres" / "log").glob("*.log"))
        logged = logs.count("deadlock detected")
        assert logs.count("received immediate shutdown request") == restarts
        print(f"all done {took:.1f} s after the last restart; deadlocks: {deadlocks} counted, {logged} in the log")
        print("\n".join(part[:1500] for part in logs.split("deadlock detected")[1:]))  # who waited for whom
        assert deadlocks == 0
        assert logged == 0
        assert world.ask("SELECT count(*) FROM dead_letters") == 0, "a restart counted as a mention that kills"
        workers = world.ask("SELECT count(DISTINCT worker) FROM runs WHERE kind = 'digest'")
        assert workers >= 2, "only one worker judged: nothing overlapped"
        world.check()


def safely(world: World, sql: str) -> int:
    """The figure, 0 while the database is away."""
    try:
        return int(world.ask(sql) or 0)
    except Exception:
        return 0
