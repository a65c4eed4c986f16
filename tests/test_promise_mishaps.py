"""Platforms misbehave: nothing is lost, every mishap is counted, and the channel says what happened. One installation, mishap after mishap."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import run_earmark, wait_until
from tests.town_world import TROUBLE, World, fresh_world

CHANNELS = ("talk", "posts", "news")


@pytest.fixture(scope="module")
def running(services: Any, _template: str, redis_url: str) -> Iterator[World]:
    """Reddit, X and a feed, polled when a test asks."""
    with fresh_world(services.database_url, _template, redis_url) as world:
        # no lookback: a listing is left at known ground, so that a gap shows and pages do not grow with every test
        world.configure(
            world.reddit("talk", page_size=25, lookback=1), world.x("posts", page_size=25, max_pages=2), world.feed("news"),
            desks=[world.zendesk()],
        )  # fmt: skip
        for name in ("reddit", "x", "feeds"):
            world.town.post(name, f"northbank says hello on {name}", author="first")
        world.start()
        world.known(*CHANNELS)
        world.settle()
        world.check()
        yield world


@pytest.fixture
def world(running: World) -> Iterator[World]:
    """Each mishap begins where all is quiet, and ends with both ledgers in agreement."""
    yield running
    running.town.faults.clear()


def channel(world: World, name: str = "talk") -> dict[str, Any]:
    return world.rows("SELECT * FROM channels WHERE name = :name", name=name)[0]


def gaps(world: World, name: str = "talk") -> list[dict[str, Any]]:
    sql = "SELECT g.* FROM gaps g JOIN channels c ON c.id = g.channel_id WHERE c.name = :name ORDER BY g.id"
    return world.rows(sql, name=name)


def pages(world: World, outcome: str, name: str = "talk") -> int:
    sql = "SELECT count(*) FROM page_counters p JOIN channels c ON c.id = p.channel_id WHERE c.name = :name AND outcome = :o"
    return int(world.ask(sql, name=name, o=outcome))


@pytest.mark.parametrize("kind", ["truncate", "reset_mid", "bad_json", "html", "empty"])
@pytest.mark.parametrize(("platform", "name"), [("reddit", "talk"), ("x", "posts")])
def test_a_page_cut_in_half_is_read_again(world: World, platform: str, name: str, kind: str):
    """Counted as a failed page with a gap; the position stays; the gap is closed once the page was read."""
    failed = pages(world, "failed", name)
    ids = [world.town.post(platform, f"northbank {kind} {n}", author=f"u{n}") for n in range(40)]
    world.town.faults.add(platform, kind, path="" if platform == "x" else "/new", nth=[2])
    world.poll(name)
    wait_until(lambda: pages(world, "failed", name) > failed, 20)
    row = channel(world, name)
    print(f"{row['error_kind']}: {row['error']} ({row['advice']})")
    assert row["error"]
    assert gaps(world, name)[-1]["until"] is None, "an open gap, as long as the channel cannot be read"
    world.read_all(name)
    assert gaps(world, name)[-1]["filled_at"] is not None
    assert channel(world, name)["error"] is None
    assert world.ask("SELECT count(*) FROM mentions WHERE native_id = ANY(:ids)", ids=ids) == 40
    world.check()


def test_a_feed_cut_in_half_gives_what_it_had_and_the_rest_next_time(world: World):
    for n in range(20):
        world.town.post("feeds", f"northbank in the news, {n}", author="press")
    world.town.faults.add("feeds", "illformed", mode="cut", nth=[1])
    world.read_all("news")
    print(f"{pages(world, 'cut', 'news')} cut, {pages(world, 'failed', 'news')} failed pages")
    assert pages(world, "cut", "news") + pages(world, "failed", "news") >= 1
    world.read_all("news")
    assert world.ask("SELECT count(*) FROM mentions WHERE content LIKE 'northbank in the news%'") == 20
    world.check()


def test_one_poison_item_in_fifty_costs_one_item(world: World):
    before = world.ask("SELECT count(*) FROM rejects")
    modes = ["missing_id", "wrong_types"]
    for n in range(100):
        more = {"malformed": modes[n // 50]} if n % 50 == 17 else {}
        world.town.post("reddit", f"northbank poison {n}", author=f"u{n}", **more)
    world.read_all("talk")
    rejects = world.rows("SELECT reason, length(payload) AS size FROM rejects ORDER BY id")[before:]
    print(rejects)
    stored = world.ask("SELECT count(*) FROM mentions WHERE name LIKE 'northbank poison%'")
    assert stored + len(rejects) == 100
    assert 1 <= len(rejects) <= 2
    assert all(row["reason"] and row["size"] > 100 for row in rejects), "kept with reason and payload"
    assert channel(world)["error"] is None
    world.check()


@pytest.mark.parametrize("reset", ["retry-after", "date", "header", "none"])
def test_429_is_obeyed_and_is_no_failure(world: World, reset: str):
    """On all three platforms at once. A feed has no reset headers of its own: there, as with none at all, we choose the pause."""
    names = {"reddit": "talk", "x": "posts", "feeds": "news"}
    before = {name: (channel(world, name)["failures"], len(gaps(world, name))) for name in CHANNELS}
    faults = {}
    for platform in names:
        world.town.post(platform, f"northbank under {reset}", author="ann")
        path = "/new" if platform == "reddit" else ""
        faults[platform] = world.town.faults.add(platform, "429", path=path, nth=[1], reset=reset, seconds=2)
    world.poll(*CHANNELS)
    wait_until(lambda: all(channel(world, name)["not_before"] for name in CHANNELS), 20)
    waits = {}
    for platform, name in names.items():
        row = channel(world, name)
        waits[platform] = (row["not_before"] - row["error_at"]).total_seconds()
        print(f"{platform} {reset}: waits {waits[platform]:.1f} s; {row['error']}")
        assert row["error_kind"] == "rate-limited"
        assert (row["failures"], len(gaps(world, name))) == before[name], "being asked to wait is no failure"
        told = reset != "none" and (platform, reset) != ("feeds", "header")
        assert (waits[platform] < 4) == told, "the platform's word counts, where it gave one"
    for name in [names[platform] for platform in names if waits[platform] > 4]:
        world.poll(name)  # a person asks again: that is no leave to break the wait
        assert channel(world, name)["not_before"], "the wait was forgotten"
        world.ask("UPDATE channels SET not_before = now() WHERE name = :name RETURNING 1", name=name)  # time passes
    world.settle(20)
    for platform in names:
        asked = listings(world, platform)
        refused = max(n for n, row in enumerate(asked) if row["status"] == 429)
        pause = asked[refused + 1]["at"] - asked[refused]["at"]
        assert faults[platform].applied == 1
        if waits[platform] < 4:
            assert pause >= 2 - 1.0 * (reset == "date"), "asked again too early"  # a date has whole seconds
    world.check()


def listings(world: World, platform: str) -> list[dict[str, Any]]:
    return [row for row in world.town.ledger.requests(platform) if "access_token" not in row["path"]]


def test_a_listing_that_ends_before_known_ground_leaves_a_gap(world: World):
    known = len(gaps(world))
    now = time.time()
    for n in range(150):
        world.town.post("reddit", f"northbank flood {n}", author=f"u{n}", created=now - 3600 + n * 20)
    world.read_all("talk")  # backfill: older than the watermark, nothing is missed
    time.sleep(1.1)
    for n in range(120):
        world.town.post("reddit", f"northbank deluge {n}", author=f"u{n}", created=time.time())
    world.town.faults.add("reddit", "page_cap", path="/new", depth=50)
    world.read_all("talk")
    found = gaps(world)[known:]
    print(found)
    assert len(found) == 1, "a silent hole"
    assert found[0]["until"] is not None
    assert found[0]["filled_at"] is None
    assert "1000" in found[0]["reason"]
    world.check()


def test_a_walk_longer_than_its_pages_goes_on_with_the_next_ring(world: World):
    """Two pages a ring, six pages to read: nothing waits for the next hour's poll, nothing is left out."""
    ids = world.town.preload("x", [f"northbank long walk {n}" for n in range(140)])
    before = pages(world, "page", "posts")
    world.read_all("posts")
    assert pages(world, "page", "posts") - before >= 6
    assert world.ask("SELECT count(*) FROM mentions WHERE native_id = ANY(:ids)", ids=ids) == 140
    world.check()


def test_ties_within_a_second_and_items_that_shift_while_paging(world: World):
    """Forty posts of one second over two pages, and five new ones after each page: all are found."""
    now = float(int(time.time()))
    ids = [world.town.post("reddit", f"northbank tie {n}", author=f"u{n}", created=now) for n in range(60)]
    world.town.faults.add("reddit", "shift", path="/new", posts=5, times=3)
    world.read_all("talk")
    world.read_all("talk")
    assert world.ask("SELECT count(*) FROM mentions WHERE native_id = ANY(:ids)", ids=ids) == 60
    assert world.ask("SELECT count(*) FROM mentions WHERE name LIKE '%one more while you were paging%'") == 15
    world.check()


def test_late_arrivals_are_found_by_the_lookback(world: World):
    """Visible two seconds after newer ones were read."""
    late = world.town.post("reddit", "northbank came late", author="ann", created=time.time() - 20, visible_in=2)
    world.town.post("reddit", "northbank came in time", author="bob")
    world.read_all("talk")
    assert not world.ask("SELECT count(*) FROM mentions WHERE native_id = :id", id=late)
    time.sleep(2.1)
    world.read_all("talk")
    assert world.ask("SELECT count(*) FROM mentions WHERE native_id = :id", id=late) == 1
    world.check()


def test_edits_and_deletions_become_versions_and_tombstones(world: World):
    calm = world.town.post("reddit", "northbank is fine", author="ann")
    sorry = world.town.post("reddit", f"northbank is {TROUBLE} here", author="bob")
    tweet = world.town.post("x", "northbank is all right", author="cy")
    world.read_all(*CHANNELS)
    tickets = world.ask("SELECT count(*) FROM tickets")
    world.town.edit("reddit", calm, f"northbank is {TROUBLE} after all")
    world.town.edit("x", tweet, f"northbank is {TROUBLE}, I take it back")
    world.town.delete("reddit", sorry, shown=True)
    world.read_all(*CHANNELS)
    edited = world.rows("SELECT version, kind FROM mentions WHERE native_id = ANY(:ids) ORDER BY id", ids=[calm, tweet])
    assert [row["version"] for row in edited] == [2, 2]
    assert world.ask("SELECT count(*) FROM tickets") == tickets + 2
    gone = world.rows(
        "SELECT kind, content, name, author_id, deleted_at FROM mentions WHERE native_id = :id", id=sorry
    )[0]
    assert (gone["kind"], gone["content"], gone["author_id"]) == ("Tombstone", "", None)
    assert gone["deleted_at"] is not None
    kinds = [
        row["kind"]
        for row in world.rows(
            "SELECT e.kind FROM entries e JOIN mentions m ON m.id = e.mention_id WHERE m.native_id = :id ORDER BY e.id",
            id=sorry,
        )
    ]
    assert kinds == ["mention", "deleted"]
    world.town.edit("reddit", calm, f"northbank is {TROUBLE}, said thrice")
    world.read_all(*CHANNELS)
    assert world.ask("SELECT version FROM mentions WHERE native_id = :id", id=calm) == 3
    world.check(tickets=False)  # the deleted post's ticket stands, though the town's talk no longer asks for it


def test_in_the_end_everything_is_there_and_counted(world: World):
    """Over all mishaps: returned = new + edited + deleted + known + not matching + suppressed + rejected, page by page."""
    world.read_all(*CHANNELS)
    sums = world.rows(
        "SELECT sum(returned) AS returned, sum(new + edited + deleted + known + not_matching + suppressed + rejected) AS kept, "
        "sum(edited) AS edited, sum(deleted) AS deleted, sum(rejected) AS rejected FROM page_counters"
    )[0]
    print(dict(sums))
    assert sums["returned"] == sums["kept"]
    assert min(sums["edited"], sums["deleted"], sums["rejected"]) > 0
    world.check(tickets=False)


def test_an_erased_person_does_not_come_back_by_reading_again(world: World):
    """The posts are still served, within the lookback and after it: each is counted as suppressed."""
    ids = [world.town.post("reddit", f"northbank and the ghost, {n}", author="ghost") for n in range(3)]
    world.read_all("talk")
    assert world.ask("SELECT count(*) FROM mentions WHERE native_id = ANY(:ids)", ids=ids) == 3
    args = ["customers", "erase", "--platform", "reddit", "--account", "ghost", "--yes"]
    done = run_earmark(args, world.env)
    assert done.returncode == 0, done.stderr
    ids.append(world.town.post("reddit", "northbank and the ghost, once more", author="ghost"))
    world.read_all("talk")
    assert world.ask("SELECT count(*) FROM mentions WHERE native_id = ANY(:ids)", ids=ids) == 0
    assert world.ask("SELECT sum(suppressed) FROM page_counters") >= 4
    world.check(tickets=False, suppressed=frozenset(ids))
