"""The town: one small server per stand-in found in this folder, and the door by which tests and the story act on them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from town import accounts  # the module: it asks every page of this folder, this one too
from town.faults import Faults
from town.ledger import Ledger
from town.posts import Post
from town.stands import options as known_options
from town.stands import rates as known_rates
from town.stands import stand_ins
from town.story import Story


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
        if unknown := set(options or {}) - set(known_options()):
            raise ValueError(f"unknown option {sorted(unknown)}")
        self.seed = seed
        self.accounts = accounts.ACCOUNTS
        self.rates = known_rates() | (rates or {})
        self.options = known_options() | (options or {})
        self.ledger = Ledger(ledger, record_served=record_served)
        self.faults = Faults(seed)
        self.lock = threading.RLock()
        self.stopping = threading.Event()
        self._seq = 0
        self.stands: dict[str, Any] = {one.name: one(self) for one in stand_ins()}
        self.platforms = {name: stand for name, stand in self.stands.items() if hasattr(stand, "posts")}
        for post in self.ledger.load_posts():
            self._seq = max(self._seq, post.seq)
            self.platforms[post.platform].take(post)
        self.servers = {name: stand.serve((ports or {}).get(name, 0)) for name, stand in self.stands.items()}
        self.story = Story(self, story, speed)

    @property
    def urls(self) -> dict[str, str]:
        return {
            name: f"{stand.scheme}://127.0.0.1:{self.servers[name].server_address[1]}{stand.path}"
            for name, stand in self.stands.items()
        }

    def start(self) -> Town:
        self.story.prepare()
        for server in self.servers.values():
            server.start()
        self.story.start()
        return self

    def stop(self) -> None:
        self.stopping.set()
        self.story.stop()
        # each looks up only every 50 ms: all together, not one after the other
        with ThreadPoolExecutor(len(self.servers)) as ending:
            list(ending.map(lambda server: server.stop(), self.servers.values()))
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
