"""What each inbound connector takes from a page to normalised mentions; pages are fetched once, from the town or what fits the connector.

Fetching is billed apart: the CPU of our own thread while a page was asked for and decoded by the platform's client. For feeds, bytes are
parsed as well, and the same bytes are read by bare feedparser for comparison.
"""

import io
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.texts import texts
from connectors.contract import Context
from connectors.http import Answer
from connectors.inbound import appstore, discourse, feed, file, hackernews, imap, mastodon, reddit, webhook, x
from town.accounts import ACCOUNTS
from town.appstore import APP
from town.server import Town

ITEMS = 400
SECRETS = {
    "ID": ACCOUNTS["reddit"]["client_id"],
    "SECRET": ACCOUNTS["reddit"]["client_secret"],
    "BEARER": ACCOUNTS["x"]["bearer"],
    "MAIL": ACCOUNTS["imap"]["password"],
}
FEEDS = {"RSS": "news.rss", "Atom": "forum.atom", "JSON Feed": "blog.json"}


@dataclass(frozen=True, slots=True)
class Capture:
    """A connector with the items of its pages, and CPU seconds an item that fetching them took."""

    connector: Any
    items: list[Any]
    fetched: float


def run(turns: int) -> Iterator[str]:
    """A line per connector, then the feeds."""
    options = {"reddit_disorder": 0.0, "feed_window": ITEMS}
    with tempfile.TemporaryDirectory() as folder, Town(record_served=False, options=options) as town:
        _write(town)
        context = _context(Path(folder))
        for name, connector in _connectors(town, Path(folder), context).items():
            yield _line(name, _capture(connector), turns)
        yield "feeds, bytes to mentions with all that a page needs, against bare feedparser on the same bytes:"
        for name, path in FEEDS.items():
            yield _feed(name, _body(town, path, context), f"https://town.example/{path}", context, turns)
    for name, body in _articles().items():
        yield _feed(name, body, "https://town.example/articles.xml", context, turns)


def _context(folder: Path) -> Context:
    return Context(
        now=lambda: datetime.now(UTC),
        secret=SECRETS.__getitem__,
        allow_hosts=frozenset({"127.0.0.1"}),
        imports=str(folder),
    )


def _write(town: Town) -> None:
    spoken = texts(ITEMS, None)
    start = time.time() - ITEMS - 60
    reply = {"origin": "northbank", "kind": "t3"}
    town.preload("reddit", spoken, start=start, step=1, **reply)
    for platform in ("x", "appstore", "discourse", "hackernews", "imap"):
        town.preload(platform, spoken, start=start, step=1)
    town.preload("mastodon", [f"{text} #northbank" for text in spoken], start=start, step=1)
    for origin in ("news", "forum", "blog"):
        town.preload("feeds", spoken, start=start, step=1, origin=origin)


def _connectors(town: Town, folder: Path, context: Context) -> dict[str, Any]:
    at, mail = town.urls, ACCOUNTS["imap"]["username"]
    made: dict[str, tuple[Any, dict[str, Any]]] = {
        "reddit": (reddit, {"subreddits": ["northbank"], "client_id_env": "ID", "client_secret_env": "SECRET"}),
        "x": (x, {"query": "northbank", "bearer_token_env": "BEARER"}),
        "mastodon": (mastodon, {"instance": ACCOUNTS["mastodon"]["instance"], "tags": ["northbank"]}),
        "hackernews": (hackernews, {"queries": ["northbank"], "verify": False}),
        "appstore": (appstore, {"app_id": APP}),
        "discourse": (discourse, {"url": "https://forum.example/"}),
    }
    found = {
        name: module.Connector(module.Settings(**settings, base_url=at[name]), context)
        for name, (module, settings) in made.items()
    }
    port = urlsplit(at["imap"]).port
    box = {"host": "127.0.0.1", "port": port, "tls": False, "username": mail, "password_env": "MAIL"}
    found["imap"] = imap.Connector(imap.Settings(**box), context)
    found["webhook"] = _webhook(context)
    for name in ("rows.csv", "rows.jsonl"):
        _rows(folder / name)
        found[f"file, {name.split('.')[1]}"] = file.Connector(file.Settings(path=name), context)
    return found


def _webhook(context: Context) -> Any:
    told = [
        {
            "id": f"m{n}",
            "text": text,
            "author": f"user{n % 9}",
            "url": f"https://s.example/{n}",
            "published": 1_790_000_000 + n,
        }
        for n, text in enumerate(texts(ITEMS, None))
    ]
    kept = [(n + 1, {"at": 1_790_000_000 + n, "body": body}) for n, body in enumerate(told)]
    given = replace(context, received=lambda after, limit: [row for row in kept if row[0] > after][:limit])
    return webhook.Connector(webhook.Settings(secret_env="SECRET"), given)


def _rows(place: Path) -> None:
    rows = [
        {"id": str(n), "text": text, "author": f"user{n % 9}", "published": "2026-11-01T10:00:00Z"}
        for n, text in enumerate(texts(ITEMS, None))
    ]
    if place.suffix == ".csv":
        lines = [
            "id,text,author,published",
            *(",".join(json.dumps(v).replace('\\"', '""') for v in row.values()) for row in rows),
        ]
    else:
        lines = [json.dumps(row) for row in rows]
    place.write_text("\n".join(lines) + "\n")
    os.utime(place, (time.time() - 60,) * 2)


def _capture(connector: Any) -> Capture:
    state: dict[str, Any] = {}
    items: list[Any] = []
    spent = 0.0
    connector.fetch_page({})  # libraries are loaded, and a token asked for, once per process
    for _ in range(100):
        start = time.thread_time()
        page = connector.fetch_page(state)
        spent += time.thread_time() - start
        items += page.items
        state = json.loads(json.dumps(page.state))
        if page.done or len(items) >= ITEMS:
            break
    if not items:
        raise SystemExit(f"{type(connector).__module__}: the town gave no items")
    return Capture(connector, items, spent / len(items))


def each(work: Callable[[], int], turns: int) -> float:
    """CPU seconds of this thread an item: the median of the turns."""
    seconds = []
    for _ in range(turns):
        start = time.thread_time()
        count = work()
        seconds.append((time.thread_time() - start) / count)
    return statistics.median(seconds)


def _line(name: str, found: Capture, turns: int) -> str:
    def normalise() -> int:
        for raw in found.items:
            found.connector.normalise(raw)
        return len(found.items)

    cost = each(normalise, turns)
    return f"{name:12s} {1 / cost:8.0f} items per CPU second   {cost * 1e6:6.1f} µs an item, fetching it {found.fetched * 1e6:6.0f} µs"


# -- feeds ----------------------------------------------------------------------------------------------------------------


class _Canned:
    """A client that has its answer already."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    def get(self, *_: object, **__: object) -> Answer:
        return self.answer


def _body(town: Town, path: str, context: Context) -> bytes:
    from connectors.http import Client

    address = f"{town.urls['feeds']}/{path}"
    return Client(context, [address]).get(address).body


def _feed(name: str, body: bytes, url: str, context: Context, turns: int) -> str:
    import feedparser

    kind = "application/feed+json" if body[:1] == b"{" else "application/xml; charset=utf-8"
    answer = Answer(200, {"content-type": kind}, body, url)
    warm: dict[str, Any] = {}

    def ours() -> int:
        connector = feed.Connector(feed.Settings(url=url), context)
        connector._http = _Canned(answer)  # type: ignore[assignment]
        page = connector.fetch_page(warm)
        for raw in page.items:
            connector.normalise(raw)
        warm.update(page.state)
        return len(page.items)

    def bare(**options: Any) -> int:
        return len(feedparser.parse(io.BytesIO(body), response_headers={"content-type": kind}, **options).entries)

    def light() -> int:
        return bare(resolve_relative_uris=False, sanitize_html=False)

    if kind == "application/feed+json":  # feedparser reads none
        return f"{name:24s} {1 / each(ours, turns):8.0f} items per CPU second"
    costs = _by_turns((ours, bare, light), turns)
    return (
        f"{name:24s} {1 / costs[0]:8.0f} items per CPU second: {costs[1] / costs[0]:.2f} of bare feedparser, "
        f"{costs[2] / costs[0]:.2f} of it without sanitising and resolving"
    )


def _by_turns(works: Sequence[Callable[[], int]], turns: int) -> list[float]:
    """As `each`, one after the other in each turn: a shared machine's speed wanders. Shares are of the medians."""
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(turns):
        for index, work in enumerate(works):
            seconds[index].append(each(work, 1))
    return [statistics.median(found) for found in seconds]


def _articles() -> dict[str, bytes]:
    """What news sites and blogs serve: whole articles in HTML, categories, several links, authors."""
    said = texts(5 * 60, None)
    return {"RSS of articles": _rss(said), "Atom of articles": _atom(said)}


def _html(said: Sequence[str], n: int) -> str:
    parts = "".join(
        f'<p class="a">{said[5 * n + k]} <a href="/more/{n}?a=1&amp;b={k}">read <b>more</b></a></p>' for k in range(5)
    )
    return f'<div><img src="https://cdn.example/{n}.jpg" alt="a picture"/>{parts}<ul><li>one</li><li>two &amp; three</li></ul></div>'


def _rss(said: Sequence[str]) -> bytes:
    items = "".join(
        f"<item><title>No. {n} &amp; more</title><link>https://news.example/{n}</link><guid isPermaLink='false'>urn:a:{n:020d}</guid>"
        f"<dc:creator><![CDATA[Ann {n % 7}]]></dc:creator><category>money</category><category><![CDATA[banks]]></category>"
        f"<pubDate>Mon, 01 Jun 2026 10:{n % 60:02d}:00 GMT</pubDate><slash:comments>{n}</slash:comments>"
        f"<description><![CDATA[<p>{said[5 * n]}</p>]]></description><content:encoded><![CDATA[{_html(said, n)}]]></content:encoded></item>"
        for n in range(60)
    )
    spaces = (
        'xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/" '
        'xmlns:slash="http://purl.org/rss/1.0/modules/slash/"'
    )
    head = "<title>News</title><link>https://news.example</link><language>en-GB</language>"
    return f'<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" {spaces}><channel>{head}{items}</channel></rss>'.encode()


def _atom(said: Sequence[str]) -> bytes:
    from html import escape

    items = "".join(
        f"<entry><id>tag:a.example,2026:{n:08d}</id><title type='html'>No. {n}</title><link rel='alternate' href='https://a.example/{n}'/>"
        f"<published>2026-06-01T10:{n % 60:02d}:00Z</published><updated>2026-06-01T11:00:00+02:00</updated>"
        f"<author><name>Ann {n % 7}</name><uri>https://a.example/ann</uri></author><category term='money'/>"
        f"<summary>{escape(said[5 * n])}</summary><content type='html'>{escape(_html(said, n))}</content></entry>"
        for n in range(60)
    )
    head = "<title>A</title><id>tag:a.example,2026:f</id><updated>2026-06-01T10:00:00Z</updated>"
    return f'<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en">{head}{items}</feed>'.encode()
