"""Seeded mishaps. A fault says which requests it meets; the server and the stand-ins know how to play it."""

from __future__ import annotations

import random
import threading
from dataclasses import asdict, dataclass, field
from typing import Any

BEFORE = {"429", "401", "status", "reset", "redirect"}
AFTER = {"hang", "reset_after", "error_after", "truncate", "reset_mid", "drip", "bad_json", "html", "empty"}
CONTENT = {"malformed", "duplicate", "shift", "page_cap", "illformed", "partial"}


@dataclass
class Fault:
    """One mishap and the requests it applies to; `seen` counts matching requests since it was added."""

    id: int
    platform: str
    kind: str
    path: str = ""
    method: str = ""
    nth: tuple[int, ...] = ()
    every: int = 0
    probability: float | None = None
    times: int | None = None
    options: dict[str, Any] = field(default_factory=dict)
    seen: int = 0
    applied: int = 0

    def meets(self, platform: str, method: str, path: str, seed: int) -> bool:
        if platform != self.platform or self.path not in path or (self.method and method != self.method):
            return False
        if not self.path and ("access_token" in path or path.startswith("session ")):
            return False  # a fault on Reddit or a mailbox means its data, unless the path says otherwise
        self.seen += 1
        if self.times is not None and self.applied >= self.times:
            return False
        hit = not (self.nth or self.every or self.probability is not None)
        hit = hit or self.seen in self.nth or bool(self.every and self.seen % self.every == 0)
        if self.probability is not None:
            hit = hit or random.Random(f"{seed}:{self.id}:{self.seen}").random() < self.probability
        self.applied += hit
        return hit


class Faults:
    """All faults in force."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._last = 0

    def add(self, platform: str, kind: str, *, nth: Any = (), **rest: Any) -> Fault:
        if kind not in BEFORE | AFTER | CONTENT:
            raise ValueError(f"unknown fault {kind!r}")
        own = {k: rest.pop(k) for k in ("path", "method", "every", "probability", "times") if k in rest}
        with self._lock:
            self._last += 1
            nths = (nth,) if isinstance(nth, int) else tuple(nth)
            fault = Fault(self._last, platform, kind, nth=nths, options=rest, **own)
            self._faults.append(fault)
        return fault

    def clear(self, fault_id: int | None = None) -> None:
        with self._lock:
            self._faults = [f for f in self._faults if fault_id is not None and f.id != fault_id]

    def listed(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(f) for f in self._faults]

    def pick(self, platform: str, method: str, path: str) -> list[Fault]:
        """The faults that strike this request: at most one of the transport, any of the content."""
        with self._lock:
            hits = [f for f in self._faults if f.meets(platform, method, path, self.seed)]
        transport = [f for f in hits if f.kind not in CONTENT][:1]
        return transport + [f for f in hits if f.kind in CONTENT]
