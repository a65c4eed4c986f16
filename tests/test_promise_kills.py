"""Crash-only: SIGKILL at the worst moments, and a restart alone makes it whole. Both ledgers are compared by distinct ids."""

import signal
import time
from dataclasses import replace

import pytest
from sqlalchemy import text

from domain.nouns import Stored, Verdict
from storage.ledger import Ledger, rows
from tests import ledgers
from tests.support import wait_until
from tests.town_world import TROUBLE, Keeper, World
from workers import digest

pytest_plugins = ["tests.town_fixtures"]


CHAIN = ["poll-inserted", "poll-committed", "digest-before-commit", "deliver-after-201"]
POINTS = ["poll-before-insert", *CHAIN, "digest-judged"]


def test_killed_at_one_point_after_the_other_the_restarts_alone_make_it_whole(world: World):
    """The points of issue and design in one story: the worker is started again each time it dies."""
    world.configure(world.reddit("talk", comments=True, page_size=25, max_pages=2), desks=[world.zendesk()])
    world.talk(60)
    world.scheduler()
    # at each point's first passing: a count within one process would hang on how many pages share a commit there
    fail = ",".join(f"{point}:kill" for point in CHAIN)
    with Keeper(lambda: world.worker(fail=fail)) as keeper:
        wait_until(lambda: len(world.hits_now()) == len(CHAIN), 60, lambda: f"hit: {world.hits_now()}")
        world.settle(40)
    assert sorted(world.hits()) == sorted(CHAIN)
    assert len(keeper.started) == len(CHAIN) + 1
    assert all(one.wait() == -signal.SIGKILL for one in keeper.started[:-1])
    figures = world.check()
    assert figures["reddit"]["not_matching"] > 0
    assert world.ask("SELECT count(*) FROM tickets") > 10


@pytest.mark.soak
@pytest.mark.parametrize("point", POINTS)
def test_killed_there_a_restart_alone_makes_it_whole(world: World, point: str):
    world.configure(world.reddit("talk", comments=True, page_size=25, max_pages=2), desks=[world.zendesk()])
    world.talk(60)
    world.scheduler()
    fail = f"{point}:kill:2" if point in ("poll-before-insert", "poll-inserted") else f"{point}:kill"
    doomed = world.worker(fail=fail, name="doomed")
    assert doomed.wait(40) == -signal.SIGKILL, doomed.read_log()
    assert world.hits() == [point]
    before = world.pending()
    world.worker(fail=fail, name="again")  # the point stands in the log: it is passed this time
    world.settle(40)
    print(f"killed with {before} to do")
    figures = world.check()
    assert world.hits() == [point]
    assert figures["reddit"]["not_matching"] > 0
    assert world.ask("SELECT count(*) FROM tickets") > 10


def test_a_mention_that_ends_the_process_is_one_dead_letter_and_its_neighbours_are_judged(world: World):
    """Supervised as `earmark up` does: the worker is started again each time it ends."""
    world.configure(world.reddit("talk"), desks=[world.zendesk()])
    for i in range(200):
        text = "northbank POISON" if i == 77 else f"northbank {TROUBLE if i % 10 == 0 else 'said'} {i}"
        world.town.post("reddit", text, author=f"user{i}")
    world.scheduler()
    started = time.monotonic()
    with Keeper(lambda: world.worker(fail="text=POISON:exit:always")) as keeper:
        wait_until(lambda: world.ask("SELECT count(*) FROM digests"), 30)
        started = time.monotonic()
        wait_until(lambda: world.ask("SELECT count(*) FROM dead_letters"), 60, lambda: str(world.pending()))
        world.settle(30)
        seconds = time.monotonic() - started
    print(f"a dead letter and 199 verdicts after {seconds:.1f} s and {len(keeper.started)} starts")
    assert world.hits() == ["text=POISON"] * 3
    assert seconds < 60
    assert world.ask("SELECT count(*) FROM verdicts") == 199
    assert world.ask("SELECT count(*) FROM dead_letters WHERE kind = 'digest'") == 1
    assert world.ask("SELECT content FROM mentions m JOIN dead_letters d ON d.ref_id = m.id") == "northbank POISON"
    world.check()


class Ended(BaseException):
    """The process is gone, as far as the step is concerned: nothing is caught, nothing is written."""


def test_a_suspect_pays_for_no_start_but_its_own(database_url: str):
    """A mention that was in two batches that died is alone in its third start: no other batch dies on its account."""
    ledger = Ledger(database_url, name="test", pool=2)
    ledgers.add_channel(ledger, "x-one")
    suspect = ledgers.post("x", "innocent", "talk", ledgers.person(1))
    ledgers.store(ledger, "x-one", [suspect])
    ledger.run(lambda c: c.execute(text("UPDATE digests SET attempts = 2")))
    ledgers.store(ledger, "x-one", [ledgers.post("x", f"p{n}", "POISON" if n == 3 else "talk", None) for n in range(6)])

    def judge(stored: Stored) -> Verdict:
        if stored.mention.content == "POISON":
            raise Ended
        return ledgers.judge(stored)

    desktop = replace(ledgers.desktop(), judge=judge)
    for _ in range(3):
        with pytest.raises(Ended):
            digest.drain(ledger, desktop, "tester", lambda: False)
        ledger.run(lambda c: c.execute(text("UPDATE digests SET lease_until = now() - interval '1 s'")))
    digest.drain(ledger, desktop, "tester", lambda: False)
    with ledger.begin() as connection:
        dead = rows(connection, "SELECT m.native_id FROM dead_letters d JOIN mentions m ON m.id = d.ref_id")
        judged = rows(connection, "SELECT m.native_id FROM verdicts v JOIN mentions m ON m.id = v.mention_id")
    ledger.close()
    assert [row["native_id"] for row in dead] == ["p3"]
    assert {row["native_id"] for row in judged} == {"innocent", "p0", "p1", "p2", "p4", "p5"}
