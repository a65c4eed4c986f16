"""Once: for any number of messages, pollers, schedulers and leaders that wake up late, one effect and one request."""

import os
import signal
import time
from itertools import pairwise

import dramatiq

from tests.support import wait_until
from tests.town_world import World
from workers.bell import KINDS, broker

pytest_plugins = ["tests.town_fixtures"]


def shout(world: World, times: int) -> None:
    """Each ring of the house, `times` over, past the doorbell's own bound."""
    made = broker(world.redis_url)
    channels = [str(row["id"]) for row in world.rows("SELECT id FROM channels")]
    slots = {"poll": channels, "deliver": ["helpdesk"], "sync": ["helpdesk"], "digest": ["0", "1"]}
    slots |= {kind: [""] for kind in ("watch", "upkeep", "work")}
    for _ in range(times):
        for kind in KINDS:
            for slot in slots[kind]:
                made.enqueue(dramatiq.Message(queue_name=kind, actor_name=kind, args=(slot,), kwargs={}, options={}))
    made.close()


def listings(world: World) -> list[dict]:
    return [row for row in world.town.ledger.requests("reddit") if "access_token" not in row["path"]]


def pages(world: World) -> int:
    return world.ask("SELECT count(*) FROM page_counters")


def test_the_same_message_a_hundred_times_is_one_effect(world: World):
    world.configure(world.reddit("talk"), desks=[world.zendesk()])
    world.talk(40)
    world.scheduler().wait_for_log("leading")
    world.known("talk")
    shout(world, 100)
    for n in range(2):
        world.worker(name=f"worker-{n}").wait_for_log("worker ready")
    world.settle(30)
    shout(world, 100)
    time.sleep(2)
    world.settle(30)
    print(f"{len(listings(world))} requests, {pages(world)} pages")
    assert len(listings(world)) == pages(world) == 1
    world.check()


def test_two_pollers_two_schedulers_and_a_leader_that_wakes_late(make_world):
    """Slow answers, so that polls overlap where they can; every ring is there many times over.

    A neighbour on the same server goes on leading: advisory locks are told apart by database, and so must be who is deposed.
    """
    world, neighbour = make_world(), make_world()
    neighbour.configure(neighbour.reddit("talk"))
    beside = neighbour.scheduler(name="neighbour")
    names = ["talk", "again"]
    subreddits = {"talk": "northbank", "again": "moneytalk"}
    made = [world.reddit(name, every="5s", page_size=10, subreddits=[subreddits[name]]) for name in names]
    world.configure(*made, desks=[world.zendesk()])
    world.town.faults.add("reddit", "drip", path="/new", every=2, seconds=1.0)
    world.talk(30)
    first = world.scheduler(name="first")
    first.wait_for_log("leading")
    second = world.scheduler(name="second")
    for n in range(2):
        world.worker(name=f"worker-{n}")
    world.known(*names)
    wait_until(lambda: len(listings(world)) > 2, 30)
    os.kill(first.pid, signal.SIGSTOP)
    asleep = time.monotonic()
    took = 0.0
    while time.monotonic() - asleep < (13 if took else 15):
        world.talk(3, start=100 + int(time.monotonic() - asleep) * 10)
        world.town.post("reddit", f"northbank elsewhere, {time.monotonic()}", author="else", origin="moneytalk")
        shout(world, 5)
        time.sleep(1)
        took = took or ("leading" in second.read_log()) * (time.monotonic() - asleep)
    print(f"the standby took over {took:.0f} s after the leader was paused")
    assert 0 < took < 15
    os.kill(first.pid, signal.SIGCONT)
    first.wait_for_log("leadership lost", 15)
    assert "leading" in beside.read_log()
    assert "leadership lost" not in beside.read_log()
    until = time.monotonic() + 6
    while time.monotonic() < until:
        shout(world, 5)
        time.sleep(0.5)
    world.rows("UPDATE channels SET paused_at = now() RETURNING id")
    wait_until(lambda: not world.ask("SELECT count(*) FROM channels WHERE lease IS NOT NULL"), 20)
    world.rows("UPDATE channels SET wanted_at = NULL RETURNING id")
    world.settle(30)

    asked = listings(world)
    print(
        f"{len(asked)} requests, {pages(world)} pages, {world.ask('SELECT count(DISTINCT worker) FROM runs')} workers"
    )
    assert len(asked) == pages(world), "a request whose page was dropped, or a page without a request"
    for name, subreddit in subreddits.items():
        mine = sorted((row for row in asked if f"/r/{subreddit}/" in row["path"]), key=lambda row: row["at"])
        overlaps = [b for a, b in pairwise(mine) if b["at"] < a["at"] + a["ms"] / 1000 - 0.005]
        assert not overlaps, f"{name}: two requests at the same time"
        begun = [row["at"] for row in mine if "after=" not in row["query"]]
        steps = [round(b - a, 1) for a, b in pairwise(begun)]
        print(f"{name}: polls begun after {steps} s")
        assert len(begun) >= 3
        assert len(begun) <= (begun[-1] - begun[0]) / 5 + 2, "a tick was taken twice"
    seqs = world.rows("SELECT channel_id, seq FROM page_counters ORDER BY channel_id, seq")
    assert all(b["seq"] == a["seq"] + 1 for a, b in pairwise(seqs) if a["channel_id"] == b["channel_id"])
    world.check()
