"""The town: one small HTTP server per platform, and the door by which tests and the story act on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from town.accounts import ACCOUNTS
from town.appstore import AppStore
from town.control import Control
from town.discourse import Discourse
from town.faults import Faults
from town.feeds import Feeds
from town.hackernews import HackerNews
from town.http import PlatformServer, Stand
from town.imap import Imap, ImapServer
from town.ledger import Ledger
from town.mastodon import Mastodon
from town.posts import Post
from town.reddit import Reddit
from town.smtp import SmtpServer
from town.story import Story
from town.webhook import Receiver, Webhook
from town.x import X
from town.zendesk import Zendesk

# Published limits are per account and plan; these are wide so that only a test that asks for a limit meets one.
RATES = {
    "reddit": (60_000, 600),
    "x": (45_000, 900),
    "zendesk": (100_000, 60),
    "zendesk_ticket": (100_000, 600),
    "mastodon": (30_000, 300),
    "hackernews": (100_000, 3600),
    "appstore": (60_000, 3600),
    "discourse": (60_000, 60),
}
OPTIONS: dict[str, Any] = {
    "reddit_depth": 1000,
    "reddit_token_ttl": 86_400,
    "reddit_disorder": 0.04,
    "x_lag": 0.0,
    "feed_window": 100,
    "feed_max_age": 0,
    "zendesk_search_lag": 30.0,
    "zendesk_key_ttl": 7200.0,
    "mastodon_login_required": False,
    "appstore_page": 50,
    "appstore_app_entry": True,
    "appstore_dates": True,
    "discourse_before": "exclusive",
    "discourse_login_required": False,
    "discourse_page": 50,
    "smtp_certificate": "",
    "smtp_implicit": 0,  # a file with certificate and key: encryption is insisted on
}


class Town:
    """All stand-ins in one process, sharing one ledger, one seed and one list of faults."""

    def __init__(
        self,
        ledger: str | Path | None = None,
        seed: int = 1,
        *,
        ports: dict[str, int] | None = None,
        rates: dict[str, tuple[int, int]] | None = None,
        options: dict[str, Any] | None = None,
        story: str | None = None,
        speed: float = 1.0,
        record_served: bool = True,
    ) -> None:
        if unknown := set(options or {}) - set(OPTIONS):
            raise ValueError(f"unknown option {sorted(unknown)}")
        self.seed = seed
        self.accounts = ACCOUNTS
        self.rates = RATES | (rates or {})
        self.options = OPTIONS | (options or {})
        self.ledger = Ledger(ledger, record_served=record_served)
        self.faults = Faults(seed)
        self.lock = threading.RLock()
        self.stopping = threading.Event()
        self._seq = 0
        self.reddit, self.x, self.feeds = Reddit(self), X(self), Feeds(self)
        self.platforms: dict[str, Any] = {"reddit": self.reddit, "x": self.x, "feeds": self.feeds}
        self.platforms["discourse"] = Discourse(self)
        self.platforms["mastodon"] = Mastodon(self)
        self.platforms["hackernews"] = HackerNews(self)
        self.platforms["appstore"] = AppStore(self)
        stands: list[Stand] = [*self.platforms.values(), Zendesk(self), Webhook(self), Receiver(self), Control(self)]
        self.platforms["imap"] = Imap(self)  # speaks no HTTP, so it has a server of its own
        for post in self.ledger.load_posts():
            self._seq = max(self._seq, post.seq)
            self.platforms[post.platform].take(post)
        self.servers: dict[str, PlatformServer | ImapServer | SmtpServer] = {
            s.name: PlatformServer(self, s, (ports or {}).get(s.name, 0)) for s in stands
        }
        self.servers["smtp"] = SmtpServer(
            self,
            (ports or {}).get("smtp", 0),
            str(self.options["smtp_certificate"]),
            bool(self.options["smtp_implicit"]),
        )
        self.servers["imap"] = ImapServer(self, self.platforms["imap"], (ports or {}).get("imap", 0))
        self.story = Story(self, story, speed)

    @property
    def urls(self) -> dict[str, str]:
        urls = {name: f"http://127.0.0.1:{server.server_address[1]}" for name, server in self.servers.items()}
        urls["webhook"] += "/hooks/earmark"
        urls["smtp"] = urls["smtp"].replace("http:", "smtp:")
        urls["imap"] = urls["imap"].replace("http:", "imap:")
        return urls

    def start(self) -> Town:
        self.story.prepare()
        for server in self.servers.values():
            server.start()
        self.story.start()
        return self

    def stop(self) -> None:
        self.stopping.set()
        self.story.stop()
        for server in self.servers.values():
            server.stop()
        self.ledger.close()

    def __enter__(self) -> Town:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- what people do -----------------------------------------------------------------------------------------

    def post(self, platform: str, text: str, *, meta: dict[str, Any] | None = None, **about: Any) -> str:
        """Somebody writes something; it is in the ledger before anyone can read it."""
        with self.lock:
            post = self._make(platform, text, time.time(), **about)
            self.ledger.save_posts([post], meta=meta)
            self.platforms[platform].take(post)
            return post.native_id

    def post_all(self, posts: Iterable[dict[str, Any]], meta: dict[str, Any], made: Callable[[Post], None]) -> None:
        """Many posts and a note about them in one commit; `made` hears of each before the next is asked for.
        Before the servers start: nobody may read what is not in the ledger."""
        now, done = time.time(), []
        with self.lock:
            for about in posts:
                post = self._make(about.pop("platform"), about.pop("text"), now, **about)
                self.platforms[post.platform].take(post)
                made(post)
                done.append(post)
            self.ledger.save_posts(done, meta=meta)

    def next_seq(self) -> int:
        with self.lock:
            self._seq += 1
            return self._seq

    def _make(
        self,
        platform: str,
        text: str,
        now: float,
        *,
        created: float | None = None,
        visible_in: float = 0.0,
        **about: Any,
    ) -> Post:
        written = now if created is None else float(created)
        visible = now + visible_in if visible_in else min(written, now)
        make: Callable[..., Post] = self.platforms[platform].make
        return make(text, seq=self.next_seq(), created=written, visible_from=visible, **about)

    def edit(self, platform: str, native_id: str, text: str, *, meta: dict[str, Any] | None = None) -> str:
        with self.lock:
            changed = self.platforms[platform].edit(native_id, text, time.time())
            self.ledger.save_posts(changed, meta=meta)
            return str(changed[-1].native_id)

    def delete(self, platform: str, native_id: str, *, shown: bool = False, meta: dict[str, Any] | None = None) -> None:
        with self.lock:
            post = self.platforms[platform].delete(native_id, shown)
            self.ledger.save_posts([post], meta=meta)

    def preload(
        self,
        platform: str,
        texts: Iterable[str],
        *,
        start: float | None = None,
        step: float = 0.01,
        authors: int = 5000,
        **about: Any,
    ) -> list[str]:
        """Many posts at once, one `step` apart from `start` (default: ending now), rendered ahead where that can be."""
        texts = list(texts)
        now = time.time()
        first = now - step * len(texts) if start is None else start
        with self.lock:
            posts = [
                self._make(platform, text, now, created=first + i * step, **({"author": f"user{i % authors}"} | about))
                for i, text in enumerate(texts)
            ]
            self.ledger.save_posts(posts)
            for post in posts:
                self.platforms[platform].take(post)
                self.platforms[platform].warm(post)
        return [post.native_id for post in posts]
