"""Memory: the town's worst minute told again and again to real processes, whose resident sets do not grow.

EARMARK_SOAK_MINUTES (30) says for how long. The first half is warming up: pools fill, libraries load, the heap finds its size. Over the
second half the line through the windows' medians (Theil-Sen, so that one odd window moves nothing) must not climb.
"""

import os
import statistics
import threading
import time
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import httpx2
import psutil
import pytest
import yaml

from storage import users
from tests.support import ROOT, spawn_earmark, wait_until
from tests.town_world import World
from tests.web import PASSWORD, log_in
from town.story import Story
from town.tale import Teller

pytest_plugins = ["tests.town_fixtures"]

MINUTES = float(os.environ.get("EARMARK_SOAK_MINUTES", "30"))
WINDOWS = 24  # of equal length, the second dozen is judged
LOOK_SECONDS = 2.0
CLIMB = 0.02  # of its own size a process may seem to grow by, from the first judged window to the last
SLACK = 3.0  # megabytes it may in any case: an allocator's arena or two
SHIPPED = ("escalations", "rules", "settings", "topics")
PAGES = ("/inbox", "/channels", "/status", "/flags", "/customers", "/metrics", "/readyz")


@pytest.mark.soak
@pytest.mark.timeout(MINUTES * 60 + 300)
def test_memory_of_each_process_is_flat_while_the_story_is_told_again_and_again(world: World, tmp_path: Path):
    world.configure(
        world.reddit("talk", every="5s", comments=True, subreddits=["northbank", "moneytalk"]),
        world.x(every="5s", query='northbank OR "north bank"'),
        *(world.feed(name, every="5s", file=file) for name, file in (("news", "news.rss"), ("forum", "forum.atom"))),
        desks=[world.zendesk()],
        **shipped(),
    )
    address = tmp_path / "address"
    console = ("console", "--port", "0", "--announce", str(address))
    scheduler, worker = world.start()
    served = world.processes.enter_context(spawn_earmark(console, world.env, name="console"))
    processes = {"scheduler": scheduler.pid, "worker": worker.pid, "console": served.pid}
    url = wait_until(lambda: address.exists() and address.read_text(), 30)
    over = threading.Event()
    others = [
        threading.Thread(target=tell, args=(world, over), daemon=True),
        threading.Thread(target=look_at_pages, args=(world, url, over), daemon=True),
    ]
    for thread in others:
        thread.start()
    try:
        curve = watch(processes, MINUTES * 60)
    finally:
        over.set()
        for thread in others:
            thread.join(30)
    told = world.ask("SELECT count(*) FROM mentions")
    print(f"{MINUTES:g} minutes, {told} mentions, {world.ask('SELECT count(*) FROM tickets')} tickets; megabytes:")
    for name, sizes in curve.items():
        print(f"  {name:10s} {' '.join(f'{size:.0f}' for size in sizes)}   {verdict(sizes)}")
    assert told > MINUTES * 200, "hardly anything was told"
    for name, sizes in curve.items():
        assert climb(sizes) < max(SLACK, CLIMB * sizes[-1]), f"{name} grows: {verdict(sizes)}"


def shipped() -> dict[str, object]:
    """The rules operators get, with the one setting a town on loopback needs."""
    found: dict[str, object] = {}
    for name in SHIPPED:
        found |= yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text())
    found.pop("alerts", None)
    desks = yaml.safe_load((ROOT / "config" / "desks.yaml").read_text())
    found |= {name: desks[name] for name in ("teams", "default_team", "service_levels")}
    settings = found["settings"]
    assert isinstance(settings, dict)
    settings["allow_hosts"] = ["127.0.0.1"]
    return found


def tell(world: World, over: threading.Event) -> None:
    """The outage, each time with other people's words."""
    n = 0
    while not over.is_set():
        story = Story(world.town, "outage", 1.0)
        story.next, story.elapsed, story.events = 0, 0.0, Teller(world.town.seed + n).outage()
        story.start()
        while story.progress()["state"] != "done" and not over.is_set():
            over.wait(0.5)
        story.pause(True)
        n += 1


def look_at_pages(world: World, url: str, over: threading.Event) -> None:
    """Somebody keeps the console open, and Prometheus asks."""
    with world.ledger.begin() as connection:
        users.add(connection, "ann@example.org", PASSWORD, "lead", "Ann")
    with httpx2.Client(base_url=url, timeout=30) as client:
        assert log_in(client, "ann@example.org").status_code == 303
        while not over.wait(1.0):
            for page in PAGES:
                client.get(page)


def watch(processes: Mapping[str, int], seconds: float) -> dict[str, list[float]]:
    """Median resident megabytes of each process, window by window."""
    found = {name: psutil.Process(pid) for name, pid in processes.items()}
    curve: dict[str, list[float]] = {name: [] for name in processes}
    for _ in range(WINDOWS):
        until = time.monotonic() + seconds / WINDOWS
        seen: dict[str, list[float]] = {name: [] for name in processes}
        while time.monotonic() < until:
            for name, process in found.items():
                seen[name].append(process.memory_info().rss / 1e6)
            time.sleep(LOOK_SECONDS)
        for name, sizes in seen.items():
            curve[name].append(statistics.median(sizes))
        print("  ".join(f"{name} {sizes[-1]:.1f}" for name, sizes in curve.items()), flush=True)
    return curve


def climb(sizes: Sequence[float]) -> float:
    """Megabytes by which the second half climbs: the median slope of all pairs of windows, times the half's length."""
    half = list(enumerate(sizes[len(sizes) // 2 :]))
    slopes = [(there - here) / (later - earlier) for (earlier, here), (later, there) in combinations(half, 2)]
    return statistics.median(slopes) * (len(half) - 1)


def verdict(sizes: Sequence[float]) -> str:
    return f"second half {climb(sizes):+.1f} MB on {sizes[-1]:.0f} MB"


def test_a_leak_would_be_seen():
    flat = [100.0, 120.0, *(130.0 + (n % 3) * 0.4 for n in range(22))]
    leaking = [130.0 + n for n in range(24)]
    assert climb(flat) < 1
    assert climb(leaking) == pytest.approx(11)
    assert climb(leaking) > max(SLACK, CLIMB * leaking[-1])
