"""The desk takes what it is given and does not answer, on 30 % of calls, and workers are killed: exactly one ticket each."""

import random
import signal
import time

import pytest

from tests.support import wait_until
from tests.town_world import Keeper, World

pytest_plugins = ["tests.town_fixtures"]


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("kind", "n", "kills"), [("reset_after", 120, 4), pytest.param("hang", 60, 4, marks=pytest.mark.soak)]
)
def test_accepted_and_no_answer_on_30_percent_of_calls_with_kills(
    world: World, rng: random.Random, kind: str, n: int, kills: int
):
    """`hang` is the true time-out, 20 s a call; a connection that ends after the write leaves us in the same doubt at once."""
    world.configure(world.reddit("talk", comments=True), desks=[world.zendesk()])
    fault = world.town.faults.add("zendesk", kind, method="POST", probability=0.3, seconds=60)
    world.talk(n)
    world.scheduler()
    killed = 0
    with Keeper(lambda: world.worker()) as keeper:
        while killed < kills:
            wait_until(
                lambda: world.ask("SELECT count(*) FROM outbox WHERE state = 'sending'"), 60, "a delivery under way"
            )
            time.sleep(rng.uniform(0.0, 0.4))
            if keeper.current.running:
                keeper.current.signal(signal.SIGKILL)
                killed += 1
            wait_until(lambda died=killed: len(keeper.started) > died, 30)
        world.settle(60 if kind == "reset_after" else 900)
    doubt = world.ask("SELECT count(*) FROM attempts WHERE outcome = 'unknown'")
    found = world.ask("SELECT count(*) FROM attempts WHERE outcome = 'found'")
    tickets = world.ask("SELECT count(*) FROM tickets")
    print(
        f"{killed} kills, {fault.applied} calls without an answer, {doubt} in doubt, {found} found, {tickets} tickets"
    )
    world.check()
    assert world.ask("SELECT count(*) FROM outbox WHERE state = 'dead'") == 0
    assert fault.applied >= 5
    assert found >= 3
