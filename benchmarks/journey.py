"""From a page that comes in to a ticket that is committed: CPU of the workers and PostgreSQL together, by step."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from xml.sax.saxutils import escape

import config
from benchmarks.premises import Bill, Site
from config.bench import bench
from connectors.contract import Context
from connectors.inbound import _feed_read
from connectors.inbound import feed as feeds
from domain.query import matching
from domain.rules import Topic
from storage import digests
from workers.actors import settle

WARM = 600
STEP = 0.01  # seconds between two posts of a platform
LOOK = 0.25  # seconds between two looks at how far the work is


@dataclass(slots=True)
class Stock:
    """What stock VADER takes for the same texts, measured again and again in between, since a shared machine's speed wanders."""

    texts: Sequence[str]
    seconds: list[float] = field(default_factory=list)

    def measure(self, sample: int = 4000) -> None:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

        analyzer = SentimentIntensityAnalyzer()
        at = len(self.seconds) * sample % max(1, len(self.texts) - sample)
        part = self.texts[at : at + sample]
        start = time.process_time()
        for text in part:
            analyzer.polarity_scores(text)
        self.seconds.append((time.process_time() - start) / len(part))

    @property
    def each(self) -> float:
        return statistics.median(self.seconds)


@dataclass(slots=True)
class Step:
    """One step's bill for so many mentions."""

    mentions: int
    bill: Bill
    wall: float

    @property
    def client(self) -> float:
        return self.bill.client / self.mentions

    @property
    def postgres(self) -> float:
        return self.bill.postgres / self.mentions

    @property
    def each(self) -> float:
        return self.client + self.postgres


class Clockwork:
    """Times at which the town's people write: each lot later than the one before, all within the last hour."""

    def __init__(self, total: int) -> None:
        self.at = time.time() - total * STEP - 120

    def lot(self, count: int) -> float:
        start, self.at = self.at, self.at + count * STEP + 1
        return start


def split(texts: Sequence[str]) -> dict[str, Sequence[str]]:
    half = len(texts) // 2
    return {"reddit": texts[:half], "x": texts[half:]}


def store(site: Site, texts: Sequence[str], start: float) -> Step:
    """Poll and store what the town wrote; a worker that does nothing else must be running."""
    goal = site.stored() + len(texts)
    site.post(split(texts), start, STEP)
    before, began = site.bill(), time.monotonic()
    site.read()
    patience = 60 + len(texts) / 100
    site.wait(lambda: site.stored() >= goal, patience, f"storing {len(texts)} mentions", LOOK)
    return Step(len(texts), site.bill().since(before), time.monotonic() - began)


def digest(
    site: Site, names: Sequence[str], goal: int, warm: int = WARM, look: Callable[[], object] = lambda: None
) -> Step:
    """Digest the backlog with workers that do nothing else, until `goal` verdicts stand; the first `warm` do not count."""
    first = site.filed()
    for name in names:
        site.worker(name, "digest")
    site.wait(lambda: site.filed() >= first + warm, 60, "the first verdicts")
    begun, before, began = site.filed(), site.bill(), time.monotonic()
    site.wait(lambda: bool(look()) or site.filed() >= goal, 60 + (goal - begun) / 100, "verdicts", LOOK)
    done = Step(site.filed() - begun, site.bill().since(before), time.monotonic() - began)
    for name in names:
        site.end(name)
    return done


def whole(site: Site, texts: Sequence[str], start: float) -> Step:
    """Poll, store, judge and file by one worker process, as most have it: what it has just stored it need not read back."""
    site.worker("both", "poll", "digest")
    site.wait(lambda: site.number("SELECT count(*) FROM workers WHERE kind = 'worker'") == 1, 30, "the worker")
    for part in (texts[:WARM], texts[WARM:]):  # starting up and the first ones do not count
        done = _through(site, part, start)
        start += len(part) * STEP + 1
    site.end("both")
    return done


def _through(site: Site, texts: Sequence[str], start: float) -> Step:
    """What the town's people write, until its verdicts stand."""
    goal = site.filed() + len(texts)
    site.post(split(texts), start, STEP)
    before, began = site.bill(), time.monotonic()
    site.read()
    site.wait(lambda: site.filed() >= goal, 60 + len(texts) / 50, f"{len(texts)} verdicts", LOOK)
    return Step(len(texts), site.bill().since(before), time.monotonic() - began)


def follow(site: Site, mentions: int) -> Step:
    """Work off what so many mentions set going, by a worker that does nothing else: routing, clocks and automations of the tickets,
    flags, and the hours' figures for dashboards."""
    waiting = (
        "SELECT (SELECT count(*) FROM events WHERE done_at IS NULL) "
        "+ (SELECT count(*) FROM runs WHERE verdicts > 0 AND NOT tallied)"
    )
    every = site.number(waiting)
    site.worker("follow", "work", "watch", "upkeep")
    site.wait(lambda: site.number(waiting) < every, 60, "the first events")
    left, before, began = site.number(waiting), site.bill(), time.monotonic()
    site.wait(lambda: site.number(waiting) == 0, 60 + mentions / 100, "events", LOOK)
    part = max(1, round(mentions * left / max(every, 1)))
    done = Step(part, site.bill().since(before), time.monotonic() - began)
    site.end("follow")
    return done


def judge(site: Site, count: int = 4000, turns: int = 3) -> float:
    """CPU seconds that judging one stored mention takes, without the ledger; each is judged once, as it is at work."""
    decide = bench(config.load(site.files)).judge
    settle()  # as a worker does: this process holds the town
    with site.ledger.begin() as connection:
        newest = site.asking.execute("SELECT id FROM mentions ORDER BY id DESC LIMIT %s", (count * turns,))
        many = list(digests.load(connection, [row[0] for row in newest]).values())
    size = max(1, len(many) // turns)
    return statistics.median(_run(decide, part) / len(part) for part in (many[n * size :][:size] for n in range(turns)))


def _run(decide: Callable[[object], object], many: Sequence[object]) -> float:
    start = time.process_time()
    for stored in many:
        decide(stored)
    return time.process_time() - start


def feed(entries: int, spoken: Sequence[str], turns: int = 5) -> tuple[float, float]:
    """CPU seconds to read one entry of a feed (bytes to mention and topics, by feedparser), and stock VADER's for a text."""
    stock = Stock(spoken)
    stock.measure(2000)
    items = "".join(
        f"<item><guid>{n}</guid><title>No. {n}</title><link>https://news.example/{n}</link>"
        f"<pubDate>Mon, 01 Jun 2026 10:00:00 GMT</pubDate><description>{escape(text)}</description></item>"
        for n, text in enumerate(spoken[:entries])
    )
    body = f'<?xml version="1.0"?><rss version="2.0"><channel><title>News</title>{items}</channel></rss>'.encode()
    context = Context(now=lambda: datetime.now(UTC), secret=str)
    connector = feeds.Connector(feeds.Settings(url="https://news.example/rss"), context)
    topics = (Topic("northbank", any=("northbank", "north bank")),)
    seconds = []
    for _ in range(turns):
        start = time.process_time()
        for raw in _feed_read.read(body, {}, False).entries:
            matching(topics, connector.normalise({"entry": raw}))
        seconds.append((time.process_time() - start) / entries)
    return statistics.median(seconds), stock.each
