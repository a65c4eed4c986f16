"""SIGTERM ends each process within ten seconds: an in-flight delivery stays leased, an in-flight page is dropped."""

import signal
import sys
import time
import urllib.request
from pathlib import Path

import psutil

from tests.support import spawn, spawn_earmark, wait_until
from tests.town_world import World

pytest_plugins = ["tests.town_fixtures"]


def ended(process) -> float:
    """Seconds from SIGTERM to the end."""
    asked = time.monotonic()
    code = process.terminate(timeout=10)
    seconds = time.monotonic() - asked
    print(f"{process.log.stem} ended with {code} in {seconds:.1f} s")
    assert code == 0, process.read_log()[-3000:]
    return seconds


def test_scheduler_worker_and_console_end_within_ten_seconds_whatever_is_in_flight(world: World, tmp_path: Path):
    world.configure(world.reddit("talk"), world.reddit("slow", subreddits=["moneytalk"]), desks=[world.zendesk()])
    world.town.post("reddit", "northbank is broken", author="ann")
    world.town.post("reddit", "northbank is slow", author="bob", origin="moneytalk")
    hung = [
        world.town.faults.add("zendesk", "hang", method="POST", nth=[1], seconds=60),
        world.town.faults.add("reddit", "hang", path="moneytalk", nth=[1], seconds=60),
    ]
    scheduler, worker = world.scheduler(), world.worker()
    announced = tmp_path / "address"
    with spawn_earmark(["console", "--port", "0", "--announce", str(announced)], world.env, name="console") as console:
        address = wait_until(lambda: announced.exists() and announced.read_text())
        held = "SELECT count(*) FROM outbox WHERE state = 'sending'"
        flying = "SELECT state, error FROM outbox"
        wait_until(
            lambda: world.ask(held) == 1 and all(f.applied for f in hung), 30, lambda: f"{world.rows(flying)} {hung}"
        )
        assert ended(worker) < 10
        assert ended(scheduler) < 10
        with urllib.request.urlopen(address + "/healthz", timeout=5) as answer:
            assert answer.status == 200
        assert ended(console) < 10

    row = world.rows("SELECT state, lease_until > now() AS held FROM outbox")[0]
    assert row == {"state": "sending", "held": True}, "an in-flight delivery stays leased"
    assert world.ask("SELECT count(*) FROM mentions") == 1, "an in-flight page is dropped before its transaction"
    assert world.ask("SELECT count(*) FROM workers") == 0, "everybody signed off"
    assert len(world.town.ledger.tickets()) == 1

    world.rows("UPDATE outbox SET lease_until = now() + interval '2 s' RETURNING id")  # a minute, in a hurry
    world.start()
    world.settle(30)
    how = [row["outcome"] for row in world.rows("SELECT outcome FROM attempts ORDER BY id")]
    assert how == ["unknown", "found"]
    world.check()


EARLY = """
import os, signal, uvicorn
listen = uvicorn.Server.capture_signals

def told(server):
    os.kill(os.getpid(), signal.SIGTERM)  # a moment before uvicorn listens for it
    return listen(server)

uvicorn.Server.capture_signals = told
from console.cli.main import app
app()
"""


def test_the_console_ends_when_it_is_told_to_while_it_starts(world: World):
    with spawn([sys.executable, "-c", EARLY, "console", "--port", "0"], world.env, name="console") as console:
        console.wait_for_log('"stopping"')
        assert console.wait(20) == 0, console.read_log()[-3000:]


def test_up_leaves_no_child_behind_when_it_is_told_to_end_while_it_starts_them(world: World):
    world.configure(world.reddit("talk"))
    with spawn_earmark(["up", "--config", str(world.folder), "--port", "0"], world.env, name="up") as everything:
        process = psutil.Process(everything.pid)
        children = wait_until(process.children, 20)
        everything.signal(signal.SIGTERM)
        assert everything.wait(12) == 0, everything.read_log()[-3000:]
        assert [child for child in children if child.is_running()] == []
