"""Several hosts on one PostgreSQL and one Redis over TCP: the leader and a worker group die under load, and the promises hold.

A host here is a scheduler, a group of workers and a console with a data folder and a copy of the configuration of its own: all
that two share is DATABASE_URL, REDIS_URL and EARMARK_SECRET.
"""

import os
import shutil
import signal
import threading
import time
from pathlib import Path

import httpx2
import pytest

from storage import users
from tests.support import Spawned, spawn_earmark, wait_until
from tests.town_world import World
from tests.web import PASSWORD, log_in

pytest_plugins = ["tests.town_fixtures"]
pytestmark = pytest.mark.outside

WORKERS = 2  # in each group
TAKEOVER_SECONDS = 15.0


class Host:
    """What runs on one computer. Nothing of it writes to the other's files."""

    def __init__(self, world: World, name: str, folder: Path) -> None:
        self.world, self.name, self.folder = world, name, folder / name
        self.config = self.folder / "config"
        shutil.copytree(world.folder, self.config)
        self.env = {**world.env, "EARMARK_DATA": str(self.folder / "var")}

    def run(self, *args: str, name: str) -> Spawned:
        made = spawn_earmark([*args], self.env, cwd=None, name=f"{self.name}-{name}")
        return self.world.processes.enter_context(made)

    def scheduler(self) -> Spawned:
        return self.run("scheduler", "--config", str(self.config), name="scheduler")

    def group(self) -> list[Spawned]:
        return [self.run("worker", name=f"worker-{n}") for n in range(WORKERS)]

    def console(self) -> tuple[Spawned, Path]:
        file = self.folder / "address"
        return self.run("console", "--port", "0", "--announce", str(file), name="console"), file


def test_the_leader_and_a_worker_group_die_under_load(world: World, tmp_path: Path):
    started = time.monotonic()
    world.configure(
        world.reddit("talk", every="2s", comments=True, page_size=25), world.feed(every="2s"), desks=[world.zendesk()]
    )
    one, two = Host(world, "one", tmp_path), Host(world, "two", tmp_path)
    leader = one.scheduler()
    doomed, group = one.group(), two.group()
    consoles = [one.console(), two.console()]
    leader.wait_for_log("leading")
    standby = two.scheduler()
    for worker in doomed + group:
        worker.wait_for_log("worker ready")
    print(f"ready after {time.monotonic() - started:.0f} s")
    addresses = [wait_until(lambda f=file: f.exists() and f.read_text()) for _, file in consoles]
    client = a_person_logs_in(world, addresses[0])
    wait_until(lambda: world.ask("SELECT count(*) FROM workers WHERE kind = 'scheduler'") == 2)
    assert "leading" not in standby.read_log()

    enough = threading.Event()
    talking = threading.Thread(target=talk, args=(world, enough), daemon=True)
    talking.start()
    wait_until(lambda: world.ask("SELECT count(*) FROM verdicts") > 60 and world.pending().get("digests"), 30)
    for victim in (leader, *doomed):
        os.kill(victim.pid, signal.SIGKILL)
    print(f"killed after {time.monotonic() - started:.0f} s")
    killed, busy = time.monotonic(), world.pending()
    assert busy, "nothing was under way"
    standby.wait_for_log("leading", TAKEOVER_SECONDS + 5)
    took = time.monotonic() - killed
    at_takeover = world.ask("SELECT max(id) FROM mentions")
    both_consoles_serve(client, addresses)
    wait_until(
        lambda: world.ask("SELECT max(id) FROM mentions") > at_takeover, 20, "reading goes on under the new leader"
    )
    enough.set()
    talking.join(10)

    print(f"talked for {time.monotonic() - started:.0f} s")
    world.read_all("talk", "news", timeout=40)
    print(
        f"killed with {busy} to do; the standby led after {took:.1f} s; all done after {time.monotonic() - started:.0f} s"
    )
    assert took < TAKEOVER_SECONDS
    assert all(worker.running for worker in group)
    alive = len(group) + 3  # the other scheduler and both consoles
    wait_until(lambda: world.ask("SELECT count(*) FROM workers") == alive, 10, "the dead are buried")
    figures = world.check()
    assert figures["reddit"]["stored"] > 100
    assert figures["feeds"]["stored"] > 10
    both_consoles_serve(client, addresses)
    client.close()


def talk(world: World, enough: threading.Event) -> None:
    """People write as long as the test wants them to."""
    n = 0
    while not enough.wait(0.3):
        world.talk(8, start=n)
        world.town.post("feeds", f"northbank in the news, {n}", title=f"number {n}", origin="news")
        n += 8


def a_person_logs_in(world: World, address: str) -> httpx2.Client:
    with world.ledger.begin() as connection:
        users.add(connection, "ann@example.org", PASSWORD, "agent", "Ann")
    client = httpx2.Client(base_url=address, follow_redirects=False, timeout=10)
    assert log_in(client, "ann@example.org").status_code == 303
    return client


def both_consoles_serve(client: httpx2.Client, addresses: list[str]) -> None:
    """The session begun at the first is good at the second, and so is what it protects."""
    pages = []
    for address in addresses:
        with httpx2.Client(base_url=address, cookies=dict(client.cookies), timeout=10) as here:
            page = here.get("/inbox")
            assert page.status_code == 200, (address, page.status_code)
            assert here.get("/readyz").status_code == 200
            pages.append("Ann" in page.text)
    assert pages == [True, True]
    with httpx2.Client(base_url=addresses[1], timeout=10) as stranger:
        assert stranger.get("/inbox").status_code in (302, 303, 401)
