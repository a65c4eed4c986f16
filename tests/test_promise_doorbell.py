"""The doorbell is bounded: rings do not pile up where nobody answers, and a backlog needs far fewer rings than rows."""

from datetime import UTC, datetime
from time import monotonic, sleep

import pytest
import redis

from domain.nouns import Author, Mention
from storage import channels, mentions
from storage.page_in import Found, PageIn
from tests.support import wait_until
from tests.town_world import World, queued

pytest_plugins = ["tests.town_fixtures"]


def backlog(world: World, n: int, trouble: int = 0) -> None:
    """`n` mentions waiting for their verdicts, stored by the real ingest; each `trouble`-th is one for a ticket."""
    now = datetime.now(UTC)
    for start in range(0, n, 2000):
        world.ask("UPDATE channels SET wanted_at = now() WHERE name = 'talk' RETURNING id")
        found = []
        for i in range(start, min(n, start + 2000)):
            said = (
                "northbank is broken again" if trouble and i % trouble == 0 else f"northbank, said by one of many, {i}"
            )
            who = Author(f"u{i % 3000}", f"user{i % 3000}")
            found.append(
                Found(
                    Mention("reddit", f"t3_b{i}", now, content=said, context=f"t3_b{i}", attributed_to=who),
                    ("northbank",),
                    "{}",
                )
            )
        with world.ledger.begin() as connection:
            channel = connection.exec_driver_sql("SELECT id FROM channels WHERE name = 'talk'").scalar_one()
            leased = channels.lease(connection, channel, "test")
            assert leased is not None
            mentions.store_page(connection, b"secret", PageIn(channel, leased.lease, {}, found, []))
            channels.release(connection, leased, satisfied=True)


@pytest.mark.parametrize("seconds", [6, pytest.param(30, marks=pytest.mark.soak)])
def test_rings_do_not_pile_up_where_nobody_answers(world: World, seconds: int):
    names = ["talk", "one", "two"]
    world.configure(*(world.reddit(name, every="5s") for name in names), desks=[world.zendesk()])
    world.scheduler().wait_for_log("leading")
    world.known(*names)
    backlog(world, 4000)
    ends = monotonic() + seconds
    most: dict[str, int] = {}
    while monotonic() < ends:
        for queue, waiting in queued(world.redis_url).items():
            most[queue] = max(most.get(queue, 0), waiting)
        sleep(0.2)
    print(f"most messages waiting at once in {seconds} s: {most}")
    assert set(most) >= {"earmark:poll", "earmark:digest", "earmark:watch"}
    assert most.pop("earmark:poll") == len(names)
    assert all(waiting == 1 for waiting in most.values())


@pytest.mark.parametrize("n", [10_000])
def test_a_backlog_drains_without_a_ring_per_mention(world: World, n: int):
    world.configure(world.reddit("talk"))
    scheduler = world.scheduler()
    world.known("talk")
    backlog(world, n, trouble=50)
    before = pushes(world.redis_url)
    started = monotonic()
    worker = world.worker()
    wait_until(lambda: not world.ask("SELECT count(*) FROM digests"), 100, lambda: f"left {world.pending()}")
    seconds, rings = monotonic() - started, pushes(world.redis_url) - before
    print(f"{n} mentions in {seconds:.1f} s with {rings} rings")
    assert scheduler.running
    assert worker.running
    assert world.ask("SELECT count(*) FROM verdicts") == n
    assert world.ask("SELECT count(*) FROM tickets") == n // 50
    assert 1 <= rings < n / 50
    assert rings < 30 + 10 * seconds  # the scheduler's own rounds and the end of each drain


def pushes(redis_url: str) -> int:
    """Messages put into a list so far: each ring is one."""
    with redis.Redis.from_url(redis_url) as client:
        return int(client.info("commandstats").get("cmdstat_rpush", {}).get("calls", 0))


def test_a_worker_does_only_what_it_was_told_to(world: World):
    world.configure(world.reddit("talk"))
    world.scheduler()
    world.known("talk")
    backlog(world, 20, trouble=2)
    world.worker("--only", "poll", "--only", "deliver", name="reader")
    world.poll("talk")
    done = "SELECT count(*) FROM channels WHERE last_poll_at IS NOT NULL AND wanted_at IS NULL"
    wait_until(lambda: world.ask(done), 30, lambda: str(world.rows("SELECT * FROM channels")))
    assert world.ask("SELECT count(*) FROM digests") == 20, "nobody was told to judge"
    world.worker("--only", "digest", name="judge")
    wait_until(lambda: not world.ask("SELECT count(*) FROM digests"), 30, lambda: f"left {world.pending()}")
    assert world.ask("SELECT count(*) FROM tickets") == 10
