"""The clock of a story: does what the tale says when it is due, and remembers how far it came."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

from town.posts import Post
from town.tale import LENGTH, Event, Teller, phase_at


class Story:
    """Tells one tale once. Progress is committed with each post, so a restart repeats and skips nothing."""

    def __init__(self, town: Any, name: str | None, speed: float) -> None:
        if name not in (None, "outage"):
            raise ValueError(f"unknown story {name!r}")
        self.town, self.name, self.speed = town, name, speed
        self.events: list[Event] = Teller(town.seed).outage() if name else []
        saved = town.ledger.meta("story", {}) if name else {}
        self.next: int = saved.get("next", 0)
        self.elapsed: float = saved.get("elapsed", 0.0)
        self.ids: dict[str, str] = {}
        self._paused = False
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None

    def prepare(self) -> None:
        """Before anyone reads: what was said in the hours before, or what an earlier run has told."""
        if self.name:
            self._remember()
            if not self.town.ledger.meta("story"):
                self._baseline()

    def start(self) -> None:
        if not self.name:
            return
        self._thread = threading.Thread(target=self._tell, name="story", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        with self._wake:
            self._wake.notify_all()
        if self._thread:
            self._thread.join(5)

    def pause(self, paused: bool) -> None:
        with self._wake:
            self._paused = paused
            self._wake.notify_all()

    def progress(self) -> dict[str, Any]:
        if not self.name:
            return {"name": None, "state": "none"}
        over = self.next >= len(self.events)
        return {
            "name": self.name,
            "state": "done" if over else "paused" if self._paused else "running",
            "next": self.next,
            "total": len(self.events),
            "elapsed": round(self.elapsed, 2),
            "length": LENGTH,
            "phase": "after" if over else phase_at(self.elapsed),
            "by_platform": Counter(e.platform for e in self.events[: self.next] if e.act == "post"),
        }

    def _remember(self) -> None:
        """Which post of the ledger is which of the tale; an edited tweet is known by its newest id."""
        for platform in self.town.platforms.values():
            for post in sorted(platform.posts.values(), key=lambda p: p.seq):
                if "story" in post.extra:
                    self._note(post)

    def _baseline(self) -> None:
        """Hours of quiet talk, visible since it was written."""
        now = time.time()
        told = (self._about(event) | {"created": now + event.at} for event in Teller(self.town.seed + 1).quiet())
        self.town.post_all(told, {"story": {"next": 0}}, self._note)

    def _note(self, post: Post) -> None:
        self.ids[post.extra["story"]] = post.native_id

    def _about(self, event: Event) -> dict[str, Any]:
        args = dict(event.args)
        for link in ("parent", "retweet_of"):
            if link in args:  # so far the key of an earlier post
                args[link] = self.ids.get(args[link])
        if "visible_in" in args:
            args["visible_in"] /= self.speed
        return {"platform": event.platform, "story": event.key, **args}

    def _tell(self) -> None:
        mark = time.monotonic()
        while self.next < len(self.events) and not self.town.stopping.is_set():
            event = self.events[self.next]
            with self._wake:
                due = (event.at - self.elapsed) / self.speed
                self._wake.wait(0.2 if self._paused else max(0.0, min(due, 0.2)))
            now = time.monotonic()
            if not self._paused:
                self.elapsed += (now - mark) * self.speed
            mark = now
            if not self._paused and self.elapsed >= event.at and not self.town.stopping.is_set():
                self._do(event, {"story": {"next": self.next + 1, "elapsed": self.elapsed}})
                self.next += 1

    def _do(self, event: Event, meta: dict[str, Any]) -> None:
        known = self.ids.get(event.key)
        if event.act == "post":
            about = self._about(event)
            self.ids[event.key] = self.town.post(about.pop("platform"), about.pop("text"), meta=meta, **about)
        elif event.act == "edit" and known:
            self.ids[event.key] = self.town.edit(event.platform, known, event.args["text"], meta=meta)
        elif event.act == "delete" and known:
            self.town.delete(event.platform, known, meta=meta, **event.args)
        else:
            if event.act == "fault":
                self.town.faults.add(event.platform, **event.args)
            self.town.ledger.set_meta(**meta)
