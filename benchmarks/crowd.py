"""Many channels, one worker: feeds that answer after a while, polled each minute by one worker process with its shipped threads.

Late is how long after its due time a poll's page is committed. Due times are the ledger's: a channel is due each minute from the moment
the clock first set for it.
"""

import json
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from benchmarks.pickup import percentile
from benchmarks.premises import Bill, Site
from town.server import Town

EVERY = 60


@dataclass(slots=True)
class Seen:
    """Seconds from due to page committed, of every due time that fell into the time looked at."""

    lateness: list[float] = field(default_factory=list)
    missed: int = 0  # due times that no page answered
    polls: int = 0
    failed: int = 0
    bill: Bill = field(default_factory=lambda: Bill(0, 0, 0))
    first: float = 0.0  # seconds until each channel had been read once

    def said(self) -> Iterator[str]:
        late, minutes = self.lateness, sum(second > EVERY for second in self.lateness)
        yield f"{self.polls} polls, {self.failed} failed, {self.missed} due times without a poll, {minutes} late by more than a minute"
        yield f"due to page committed: p50 {statistics.median(late):.2f} s   p99 {percentile(late, 0.99):.2f} s   max {max(late):.2f} s"
        yield f"all read once after {self.first:.0f} s"
        each = {"worker": self.bill.client, "PostgreSQL": self.bill.postgres, "scheduler": self.bill.scheduler}
        costs = ", ".join(f"{name} {spent / max(1, self.polls) * 1000:.1f} ms" for name, spent in each.items())
        yield f"CPU a poll: {costs}"


@contextmanager
def feeds(delay: float) -> Iterator[str]:
    """Answers each GET /N.rss with a small feed whose newest entry is new each minute, after `delay` seconds."""

    class Feed(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(delay)
            name, minute = self.path.strip("/").split(".")[0], int(time.time() // 60)
            items = "".join(
                f"<item><guid>urn:feed:{name}:{n}:0123456789</guid><title>No. {n}</title><link>https://news.example/{name}/{n}</link>"
                f"<description>northbank was mentioned, {n}</description></item>"
                for n in range(minute, minute - 10, -1)
            )
            body = f'<rss version="2.0"><channel><title>{name}</title>{items}</channel></rss>'.encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/rss+xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads, request_queue_size = True, 256

    server = Server(("127.0.0.1", 0), Feed)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def run(count: int, delay: float, minutes: float) -> Seen:
    """`count` channels appear at once, as in an operator's first hour, and are watched for `minutes` from then."""
    home = Path(tempfile.mkdtemp(prefix="earmark-bench-"))
    home.chmod(0o711)
    with Town(record_served=False) as town, feeds(delay) as url:
        site = Site(home, town, "en", f"{EVERY}s")
        try:
            _channels(site, count, url)
            site.scheduler()
            began = time.monotonic()
            site.worker("worker")
            site.wait(lambda: site.number("SELECT count(*) FROM channels WHERE seq > 0") >= count, 120, "a first page")
            first, before = time.monotonic() - began, site.bill()
            polled = site.number("SELECT count(*) FROM page_counters")
            time.sleep(minutes * 60)
            after = site.bill().since(before)
            seen = _seen(site, minutes * 60)
            seen.first, seen.bill = first, after
            seen.polls = int(site.number("SELECT count(*) FROM page_counters") - polled)
            return seen
        finally:
            site.close()
            shutil.rmtree(home, ignore_errors=True)


def _channels(site: Site, count: int, url: str) -> None:
    made = [
        {
            "name": f"feed-{n}",
            "kind": "feed",
            "every": f"{EVERY}s",
            "url": f"https://f{n}.example/{n}.rss",
            "base_url": url,
        }
        for n in range(count)
    ]
    (site.files / "channels.yaml").write_text(json.dumps({"channels": made}, indent=1))  # JSON is YAML


def _seen(site: Site, seconds: float) -> Seen:
    """Each due time since then, and the first page after it; the last minute's may still come."""
    found = Seen(failed=int(site.number("SELECT count(*) FROM page_counters WHERE outcome = 'failed'")))
    rows = site.asking.execute(
        """SELECT c.id, extract(epoch FROM c.next_due), extract(epoch FROM now()),
            array(SELECT extract(epoch FROM p.at) FROM page_counters p WHERE p.channel_id = c.id ORDER BY p.at)
        FROM channels c WHERE enabled"""
    ).fetchall()
    for _, following, now, pages in rows:
        due = float(following) - EVERY
        while due > float(now) - seconds:
            _answer(found, due, float(now), pages)
            due -= EVERY
    return found


def _answer(found: Seen, due: float, now: float, pages: Sequence[float]) -> None:
    page = next((float(at) for at in pages if float(at) >= due), None)
    if page is not None:
        found.lateness.append(page - due)
    elif now - due > EVERY:
        found.missed += 1
        found.lateness.append(now - due)
