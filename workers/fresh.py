"""Mentions this process stored a moment ago: judged from memory, they are not read back. A memory only, and never the truth.

What is remembered counts only for a mention that was claimed, in the version that was claimed: an edit, one more topic or a deletion makes a
new version, and what was erased is no longer claimed. Whatever is not here is read from the ledger.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from domain.nouns import Stored

MOST = 5_000  # mentions; what comes when it is full pushes out what came first
SECONDS = 60.0  # judged by another process, or erased: it is let go of when the next page comes


@dataclass(slots=True)
class Fresh:
    """Filled by the threads that poll, after the commit; emptied by those that judge."""

    most: int = MOST
    _kept: dict[int, tuple[float, Stored]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, stored: Sequence[Stored]) -> None:
        now = time.monotonic()
        with self._lock:
            for id_, (since, _) in list(self._kept.items()):
                if len(self._kept) + len(stored) <= self.most and now - since <= SECONDS:
                    break
                del self._kept[id_]
            self._kept.update((one.id, (now, one)) for one in stored[-self.most :])

    def take(self, claimed: Sequence[tuple[int, int]]) -> dict[int, Stored]:
        """Those of these (id, version) that are remembered so; each is given out once."""
        with self._lock:
            kept = [(version, self._kept.pop(id_, None)) for id_, version in claimed]
        return {one[1].id: one[1] for version, one in kept if one is not None and one[1].version == version}
