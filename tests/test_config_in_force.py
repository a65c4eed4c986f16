"""Configuration while everything runs: an edit is in force within seconds, a bad one is refused and said, `try` leaves no trace."""

import json
import re
import time

import pytest

from storage.ledger import Ledger
from tests import web
from tests.bad_input import readable
from tests.support import run_earmark, wait_until
from tests.town_world import World

pytest_plugins = ["tests.town_fixtures"]
IN_FORCE = "SELECT document -> 'channels' -> 0 ->> 'max_pages' FROM configurations WHERE complaints IS NULL ORDER BY id DESC LIMIT 1"


def test_good_bad_good_with_a_running_scheduler(world: World) -> None:
    world.configure(world.reddit("talk", max_pages=2))
    scheduler = world.scheduler()
    world.known("talk")
    ids = web.people(world.database_url)
    ledger = Ledger(world.database_url, pool=1)
    with web.serve(web.make_app(world.database_url)) as address, web.enter(ledger, address, ids["admin"]) as console:
        began = time.monotonic()
        world.configure(world.reddit("talk", max_pages=3), world.feed("added"))
        wait_until(lambda: world.ask(IN_FORCE) == "3", 10)
        assert world.ask("SELECT enabled FROM channels WHERE name = 'added'")
        print(f"in force after {time.monotonic() - began:.1f} s")

        good = (world.folder / "world.yaml").read_text()
        began = time.monotonic()
        (world.folder / "world.yaml").write_text(good.replace('"max_pages": 3', '"max_pagse": 9'))
        page = wait_until(lambda: re.search(r"refused.*?max_pagse", readable(console.get("/status").text)), 10)
        print(f"refused on the page after {time.monotonic() - began:.1f} s")
        assert "world.yaml:" in page[0]
        assert "one before stays in force" in page[0]
        assert "configuration refused" in scheduler.read_log()
        assert world.ask(IN_FORCE) == "3"
        assert world.ask("SELECT count(*) FROM channels WHERE enabled") == 2
        checked = run_earmark(["check", "--config", str(world.folder)], world.env)
        assert checked.returncode == 2
        assert 'did you mean "max_pages"?' in checked.stdout
        told = run_earmark(["status", "--json"], world.env)
        assert told.returncode == 1
        assert "max_pagse" in json.loads(told.stdout)["configuration"]["refused"]

        began = time.monotonic()
        (world.folder / "world.yaml").write_text(good.replace('"max_pages": 3', '"max_pages": 4'))
        wait_until(lambda: world.ask(IN_FORCE) == "4", 10)
        wait_until(lambda: "was refused" not in readable(console.get("/status").text), 5)
        print(f"in force again after {time.monotonic() - began:.1f} s")
        assert scheduler.running
    ledger.close()


def everything(world: World) -> dict[str, int]:
    """How many rows each table holds, and where each sequence stands."""
    tables = world.rows("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'")
    counts = {row["name"]: world.ask(f'SELECT count(*) FROM "{row["name"]}"') for row in tables}
    sequences = world.rows("SELECT sequencename AS name, last_value AS n FROM pg_sequences WHERE schemaname = 'public'")
    return counts | {row["name"]: row["n"] for row in sequences}


@pytest.mark.parametrize("kind", ["reddit", "feed"])
def test_try_shows_a_page_and_stores_nothing(world: World, kind: str) -> None:
    world.town.post("reddit", "northbank is broken again", author="ann", origin="northbank")
    world.town.post("feeds", "northbank is broken again", title="northbank", origin="news")
    world.configure(world.reddit("first") if kind == "reddit" else world.feed("first"))
    before = everything(world)
    assert len(before) > 20
    done = run_earmark(["try", "first", "--config", str(world.folder), "--json"], world.env)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [m["outcome"] for m in told["mentions"]] == ["ticket"]
    assert told["mentions"][0]["reasons"]
    assert everything(world) == before
