"""Posts and the order they stand in. The town keeps them in memory; the ledger keeps them for good."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Key = tuple[float, int]


@dataclass(slots=True)
class Post:
    """One thing somebody wrote, as the platform holds it."""

    platform: str
    origin: str
    native_id: str
    kind: str
    author: str | None
    title: str
    text: str
    created: float
    visible_from: float
    seq: int
    parent: str | None = None
    thread: str | None = None
    lang: str | None = None
    edited: float | None = None
    deleted: str = ""  # "", "gone" (out of every list) or "shown" (listed as [deleted])
    malformed: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    cache: dict[Any, str] = field(default_factory=dict, repr=False)

    @property
    def root(self) -> str:
        """The id that stays the same over edits; only X gives an edit a new one."""
        return str(self.extra.get("history", [self.native_id])[0])

    @property
    def key(self) -> Key:
        """Where it stands: X orders by id, the others by time of creation."""
        return (int(self.native_id), 0) if self.platform == "x" else (self.created, self.seq)


class Timeline:
    """Posts in order; those that arrive late wait in a heap until they are due."""

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.posts: list[Post] = []
        self.waiting: list[tuple[float, int, Post]] = []
        self.version = 0

    def add(self, post: Post, now: float) -> None:
        if post.deleted == "gone":
            return
        if post.visible_from > now:
            heapq.heappush(self.waiting, (post.visible_from, post.seq, post))
        else:
            self._insert(post)

    def settle(self, now: float) -> None:
        """Let in what became visible since."""
        while self.waiting and self.waiting[0][0] <= now:
            post = heapq.heappop(self.waiting)[2]
            if post.deleted != "gone":
                self._insert(post)

    def _insert(self, post: Post) -> None:
        key = post.key
        at = len(self.keys) if not self.keys or key > self.keys[-1] else bisect_right(self.keys, key)
        self.keys.insert(at, key)
        self.posts.insert(at, post)
        self.version += 1

    def remove(self, post: Post) -> None:
        at = bisect_left(self.keys, post.key)
        if at < len(self.posts) and self.posts[at] is post:
            del self.keys[at], self.posts[at]
        self.version += 1

    def touch(self) -> None:
        self.version += 1

    def older(self, key: Key | None) -> Iterator[Post]:
        """Newest first, strictly older than the key."""
        at = len(self.keys) if key is None else bisect_left(self.keys, key)
        for i in range(at - 1, -1, -1):
            yield self.posts[i]

    def newer(self, key: Key, count: int) -> list[Post]:
        """The `count` posts just newer than the key, newest first."""
        at = bisect_right(self.keys, key)
        return self.posts[at : at + count][::-1]

    def depth(self, key: Key | None) -> int:
        """How many stand before a reader who has come down to the key."""
        return 0 if key is None else len(self.keys) - bisect_left(self.keys, key)
