"""Who answers the bell. An actor is three lines: say that the ring was taken, run a step, ring again while work is left.

Each kind of work has threads of its own, so that a slow platform takes no turn from judging. Judging is bound by the processor:
one thread per process, more processes for more.
"""

import gc
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import dramatiq
import structlog

from storage import digests, events, outbox
from storage import workers as registry
from storage.ledger import again
from storage.page_in import PageCounts
from workers import errands, upkeep, watch
from workers.bell import Bell, broker
from workers.bootstrap import House, NotReady
from workers.deliver import deliver
from workers.digest import drain
from workers.fresh import Fresh
from workers.health import Health
from workers.looking import Looker
from workers.poll import poll
from workers.sync import sync
from workers.work import bench, work

log = structlog.get_logger()

THREADS = {"poll": 8, "digest": 1, "deliver": 4, "watch": 1, "upkeep": 1, "work": 1, "sync": 1}
SWEEP_SECONDS = 60.0
LOOKS = {
    "watch": 1000,
    "upkeep": 1000,
    "work": 300,
    "sync": 500,
}  # milliseconds between two looks for a ring; 100 for what people wait for


@dataclass(slots=True)
class Answering:
    """The steps as actors of one worker process."""

    house: House
    bell: Bell
    worker_id: str
    stopping: threading.Event = field(default_factory=threading.Event)
    health: Health = field(default_factory=Health)
    judges: bool = False  # whether a thread of this process digests
    fresh: Fresh = field(default_factory=Fresh)
    _slots: tuple[float, int] = (0.0, 1)

    def poll(self, slot: str) -> None:
        done = poll(
            self.house.ledger,
            int(slot),
            self.house.watched,
            self.house.context(),
            self.house.secret,
            self.worker_id,
            self._stored,
        )
        if done and done.more and not done.error:
            self.bell.ring("poll", slot)

    def _stored(self, counts: Sequence[PageCounts]) -> None:
        """Rows are committed: remember them where they may be judged, wake as many digest threads as there are batches."""
        if self.judges:
            self.fresh.keep([one for count in counts for one in digests.remembered(count)])
        queued = sum(count.queued for count in counts)
        self.bell.ring_all("digest", range(min(self._digest_slots(), 1 + queued // digests.BATCH)))

    def _digest_slots(self) -> int:
        at, slots = self._slots
        if time.monotonic() - at > 5:
            with self.house.ledger.begin() as connection:
                slots = registry.digest_slots(connection)
            self._slots = (time.monotonic(), slots)
        return slots

    def digest(self, slot: str) -> None:
        done = drain(self.house.ledger, self.house.desktop(), self.worker_id, self.stopping.is_set, self.fresh)
        self.bell.ring_all("deliver", sorted(done.targets))
        if done.mentions:
            self.bell.ring("watch")
        with self.house.ledger.begin() as connection:
            left = digests.claimable(connection, 1)
        if left and not self.stopping.is_set():
            self.bell.ring("digest", slot)

    def deliver(self, slot: str) -> None:
        with ExitStack() as opened:
            desk = self.house.target(slot, opened.callback)
            if desk is None:
                return
            looker = Looker(
                self.house.ledger, self.house.watched, self.house.context(), self.house.config().own_accounts
            )
            deliver(
                self.house.ledger,
                slot,
                desk,
                self.worker_id,
                self.stopping.is_set,
                looker.context.now,
                looker=looker,
            )
        with self.house.ledger.begin() as connection:
            left = slot in outbox.due_targets(connection)
        if left and not self.stopping.is_set():
            self.bell.ring("deliver", slot)

    def sync(self, slot: str) -> None:
        with ExitStack() as opened:
            desk = self.house.target(slot, opened.callback)
            if desk is None or not (hasattr(desk, "changes") or hasattr(desk, "people")):
                return
            done = sync(self.house.ledger, slot, desk, self.worker_id, self.stopping.is_set, secret=self.house.secret)
        if done.more and not self.stopping.is_set():
            self.bell.ring("sync", slot)

    def watch(self, slot: str) -> None:
        targets = watch.watch(self.house.ledger, self.house.config(), self.worker_id, key=self.house.secret)
        self.bell.ring_all("deliver", sorted(targets))

    def work(self, slot: str) -> None:
        done = work(self.house.ledger, bench(self.house.config()), self.worker_id, self.stopping.is_set)
        self.bell.ring_all("deliver", sorted(done.targets))
        with self.house.ledger.begin() as connection:
            left = events.waiting(connection)
        if left and not self.stopping.is_set():
            self.bell.ring("work")

    def upkeep(self, slot: str) -> None:
        targets = upkeep.upkeep(self.house.ledger, self.house.config(), self.worker_id, self.health)
        self.bell.ring_all("deliver", sorted(targets))
        errands.run(self.house.ledger, self.house.config(), self.house.secret, self.stopping.is_set)


def _answer(kind: str, step: Callable[[str], None], answering: Answering) -> Callable[[str], None]:
    """One ring taken. What a step raises is logged: the work it left is in the ledger and the next tick rings for it."""

    def answer(slot: str = "") -> None:
        answering.bell.answered(kind, slot)
        if answering.stopping.is_set():
            return
        try:
            step(slot)
        except NotReady as error:
            log.info("not ready", kind=kind, reason=str(error))
        except Exception as error:
            if again(error):
                log.warning("the ledger is away", kind=kind, slot=slot, error=type(error).__name__)
            else:
                log.exception("step failed", kind=kind, slot=slot)

    return answer


def start(redis_url: str, answering: Answering, threads: dict[str, int] | None = None) -> list[dramatiq.Worker]:
    """An actor and threads of its own for each kind, on a broker of its own, prefetching no more than they can answer."""
    groups = []
    for kind, count in {**THREADS, **(threads or {})}.items():
        if count < 1:
            continue
        made = broker(redis_url, [kind])
        step: Callable[[str], None] = getattr(answering, kind)
        dramatiq.actor(_answer(kind, step, answering), broker=made, queue_name=kind, actor_name=kind)
        made.delay_queues.clear()  # nothing is ever sent with a delay, and each queue looked into costs ten looks a second
        worker = dramatiq.Worker(made, worker_threads=count, worker_timeout=LOOKS.get(kind, 100))
        worker.queue_prefetch = count
        worker.delay_prefetch = 1
        worker.start()
        groups.append(worker)
    return groups


def settle() -> None:
    """What was loaded by now stays: the collector need not look through lexicons and libraries again, nor after each page.

    It looks at every fifty thousandth new object, so `sweep` takes away what lies in circles until then.
    https://docs.python.org/3/library/gc.html#gc.freeze
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)


def sweep() -> None:
    """Collect what the libraries of platforms leave in circles: some hundred objects a poll, two thirds of a megabyte a minute. Takes
    milliseconds, since what was there at the start is frozen."""
    gc.collect()


def wait_idle(groups: list[dramatiq.Worker], seconds: float) -> None:
    """Until every thread has put its work down, at most `seconds`."""
    until = time.monotonic() + seconds
    for group in groups:
        for thread in group.workers:
            thread.join(max(0.0, until - time.monotonic()))
