"""SIGKILL while a page is being stored and right after its commit, whatever kind of position the connector keeps.

Reddit's is a walk down from the newest (tests/test_promise_kills.py); here are cursors that go forward, mailboxes, pushed deliveries
and the rest, each named by its stand-in.
"""

import random
import signal

import pytest

from tests import web
from tests.support import wait_until
from tests.timeline import NAME, TOLD, agree, visible
from tests.town_world import Keeper, World

pytest_plugins = ["tests.town_fixtures"]

POINTS = ("poll-inserted", "poll-committed")
# A cursor that goes forward, a mailbox, and what nobody tells twice; the others have their turn under soak.
QUICK = {"mastodon", "imap", "shop"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.soak) for n in TOLD])
def test_killed_in_and_after_a_commit_the_restarts_alone_make_it_whole(name: str, world: World) -> None:
    stand, rng = world.town.stands[name], random.Random(name)
    world.env |= stand.secrets
    world.configure({"name": NAME, "every": "1h", **stand.channel(10)})
    for n in range(60):
        said = stand.says(rng, n)
        world.town.post(name, said.pop("text"), **said)
    world.scheduler()
    world.known(NAME, timeout=60)
    with pytest.MonkeyPatch.context() as patched, web.serve(web.make_app(world.database_url)) as console:
        for variable, value in stand.secrets.items():
            patched.setenv(variable, value)
        if stand.to is not None:
            stand.to = f"{console}/hooks/{NAME}"
        wait_until(lambda: stand.passes(rng) or stand.rests(), 20)
    world.poll(NAME)
    fail = ",".join(f"{point}:kill" for point in POINTS)
    with Keeper(lambda: world.worker(fail=fail)) as keeper:
        wait_until(lambda: len(world.hits_now()) == len(POINTS), 120, lambda: f"hit: {world.hits_now()}")
        world.settle(60)
    assert sorted(world.hits()) == sorted(POINTS)
    assert [one.wait() for one in keeper.started[:-1]] == [-signal.SIGKILL] * len(POINTS)
    want = visible(stand)
    assert len(want) > 20
    assert world.rows("SELECT reason, error FROM dead_letters") == []
    agree(world.ledger, want)
    assert world.ask("SELECT count(*) FROM digests") == 0
