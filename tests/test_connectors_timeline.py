"""Random days in the life of each platform: posts, edits, deletions, late arrivals, faults, page caps and lost pages.

After quiet, what is stored is what can be seen, each once and in its last version. The seed is in the test's name.
"""

import random
import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from connectors.errors import ConnectorError, CursorInvalid, RateLimited
from connectors.inbound import appstore, discourse, feed, hackernews, imap, mastodon, reddit, x
from tests.reading import Reader, context
from tests.support import wait_until
from town.appstore import APP
from town.server import Town

FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("429", {"reset": "retry-after", "seconds": 0}),
    ("status", {"status": 503}),
    ("reset", {}),
    ("truncate", {}),
    ("reset_mid", {}),
    ("bad_json", {}),
    ("empty", {}),
    ("html", {}),
    ("shift", {"posts": 3}),
    ("duplicate", {}),
    ("malformed", {"mode": "missing_id"}),
]
WORDS = {"mastodon": "#northbank"}  # what a post must hold to be listed, where the platform wants more than a word


def make(town: Town, platform: str, page_size: int) -> Any:
    url = town.urls[platform]
    if platform == "reddit":
        return reddit.Connector(reddit.Settings(subreddits=["northbank"], base_url=url, page_size=page_size), context())
    if platform == "x":
        return x.Connector(
            x.Settings(query="northbank", base_url=url, page_size=max(10, page_size), late=60, backfill=2), context()
        )
    if platform == "discourse":
        town.options["discourse_page"] = page_size  # the forum's choice, not ours
        return discourse.Connector(discourse.Settings(url="https://forum.example", base_url=url), context())
    if platform == "mastodon":
        about: dict[str, Any] = {"instance": "social.northbank.example", "tags": ["northbank"], "base_url": url}
        return mastodon.Connector(mastodon.Settings(**about, page_size=page_size), context())
    if platform == "hackernews":
        return hackernews.Connector(
            hackernews.Settings(queries=["northbank"], base_url=url, page_size=page_size, verify=False), context()
        )
    if platform == "imap":
        place: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": urlsplit(url).port,
            "tls": False,
            "username": "help@northbank.example",
        }
        return imap.Connector(imap.Settings(**place, page_size=page_size), context())
    if platform == "appstore":
        town.options["appstore_page"] = 25  # Apple's choice, and always the same
        return appstore.Connector(appstore.Settings(app_id=APP, base_url=url), context())
    return feed.Connector(feed.Settings(url="https://a.example/news.atom", base_url=url), context())


def visible(town: Town, platform: str, at: float) -> dict[str, str]:
    """What the platform shows by now: id under which we keep it, and text."""
    stand = town.platforms[platform]
    shown = [post for post in stand.posts.values() if not post.deleted and post.visible_from <= at]
    return {(post.extra.get("history") or [post.native_id])[0]: post.text for post in shown}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "platform", ["reddit", "x", "feeds", "discourse", "mastodon", "hackernews", "appstore", "imap"]
)
def test_after_quiet_everything_is_there_once(platform: str, seed: int) -> None:
    rng = random.Random(f"{platform}{seed}")
    reddit._tokens.clear()
    with Town(seed=seed, rates={"reddit": (100_000, 600), "x": (100_000, 900)}, options={"feed_window": 1000}) as town:
        size = [rng.choice((3, 7, 25))]
        reader = Reader(lambda: make(town, platform, size[0]))
        alive: list[str] = []
        marks: list[float] = []
        for _ in range(25):
            for _ in range(rng.randrange(0, 9)):
                alive.append(_post(town, platform, rng, len(alive)))
            if alive and rng.random() < 0.4:
                at = rng.randrange(len(alive))
                _edit_or_delete(town, platform, rng, alive, at)
            if rng.random() < 0.5:
                kind, options = rng.choice(FAULTS)
                town.faults.add(platform, kind, times=rng.randrange(1, 4), nth=[rng.randrange(1, 4)], **options)
            size[0] = rng.choice((size[0], 3, 25))
            _poll(reader, rng)
            marks.append(_watermark(reader.state))
        town.faults.clear()
        wait_until(lambda: time.time() > last_visible(town, platform), 5)
        for _ in range(3):
            wait_until(lambda: _try(reader), 20)
        want = visible(town, platform, time.time())
        kept = {native_id: m.content for native_id, m in reader.mentions.items() if native_id in want}
        assert set(want) - set(kept) == set(), f"seed {seed}"
        assert {k: v for k, v in kept.items() if v != want[k]} == {}
        assert marks == sorted(marks)
        assert platform == "feeds" or reader.gaps == []  # an empty window looks as if it had slid
        assert len(town.ledger.requests(platform)) < 2500


def _post(town: Town, platform: str, rng: random.Random, n: int) -> str:
    late = {"visible_in": rng.choice((0.2, 0.5))} if rng.random() < 0.2 else {}
    if platform == "reddit":
        late["kind"] = rng.choice(("t1", "t3"))
    created = int(time.time()) - rng.choice((1, 1, 60, 300))  # ties within a second are the rule
    origin = {} if platform == "x" else {"origin": {"reddit": "northbank", "appstore": "us"}.get(platform, "news")}
    if platform == "x":
        created -= 30
    return str(town.post(platform, f"{WORDS.get(platform, 'northbank')} no {n}", created=created, **origin, **late))


def _edit_or_delete(town: Town, platform: str, rng: random.Random, alive: list[str], at: int) -> None:
    if platform == "imap" and rng.random() < 0.2:
        town.platforms["imap"].renumber()
    elif platform == "imap" or rng.random() < 0.3:  # a mail cannot be edited
        town.delete(platform, alive.pop(at), shown=rng.random() < 0.5)
    else:
        alive[at] = str(town.edit(platform, alive[at], f"{WORDS.get(platform, 'northbank')} edited {rng.random()}"))


def _poll(reader: Reader, rng: random.Random) -> None:
    connector = reader.make()
    for _ in range(rng.choice((1, 2, 8))):
        try:
            page = connector.fetch_page(reader.state)
        except CursorInvalid as invalid:
            reader.state = invalid.state
            return
        except ConnectorError:
            return
        if rng.random() < 0.15:
            return  # killed before the page's transaction: nothing of it is kept
        reader.take(connector, page)
        if page.done:
            return


def _try(reader: Reader) -> bool:
    try:
        return reader.poll()
    except RateLimited:
        return False


def _watermark(state: dict[str, Any]) -> float:
    """The positions of all listings together; none of them may go back."""
    listings = state.get("listings") or state.get("searches") or state.get("countries")
    if listings:
        return sum(position.get("watermark") or 0 for position in listings.values())
    if "tags" in state:
        return sum(int(position["newest"] or 0) for position in state["tags"].values())
    if "uidvalidity" in state:
        return float((state["uidvalidity"] or 0) * 10**6 + state["uid"])
    return float(state.get("since_id") or 0)


def last_visible(town: Town, platform: str) -> float:
    return max((post.visible_from for post in town.platforms[platform].posts.values()), default=0.0) + 0.1
