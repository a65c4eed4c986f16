"""What takes long to sum is summed once and shown again: at once as it was, while it is summed anew beside the page."""

import threading
import time
from collections.abc import Callable, Hashable
from contextvars import copy_context
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

import structlog

T = TypeVar("T")
log = structlog.get_logger()

MOST = 64  # of a process; the oldest goes


@dataclass(frozen=True, slots=True)
class Sum(Generic[T]):
    found: T
    at: datetime
    made: float  # monotonic


class Kept(Generic[T]):
    """Results by key. Older than `seconds` they are still given, and made anew in a thread; only the first asker of a key waits."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._sums: dict[Hashable, Sum[T]] = {}
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> tuple[T, datetime]:
        """(the result, when it was made). `make` may run in a thread of its own, in the context of whoever asked."""
        kept = self._sums.get(key)
        if kept is None:
            with self._one(key):  # two first askers: the second takes what the first made
                kept = self._sums.get(key) or self._make(key, make)
        elif kept.made + self.seconds < time.monotonic() and (lock := self._one(key)).acquire(blocking=False):
            context = copy_context()
            threading.Thread(target=context.run, args=(self._anew, key, make, lock), name="sum", daemon=True).start()
        return kept.found, kept.at

    def _anew(self, key: Hashable, make: Callable[[], T], lock: threading.Lock) -> None:
        try:
            self._make(key, make)
        except Exception as error:  # what was kept is shown on; the next asker tries again
            log.warning("could not sum anew", error=type(error).__name__)
        finally:
            lock.release()

    def _make(self, key: Hashable, make: Callable[[], T]) -> Sum[T]:
        found = Sum(make(), datetime.now(UTC), time.monotonic())
        with self._lock:
            self._sums.pop(key, None)
            self._sums[key] = found
            while len(self._sums) > MOST:
                oldest = next(iter(self._sums))
                del self._sums[oldest]
                self._making.pop(oldest, None)
        return found

    def _one(self, key: Hashable) -> threading.Lock:
        with self._lock:
            return self._making.setdefault(key, threading.Lock())
