"""What every long-running process does: a name, signs of life, a lock that says it lives, and a clean end on SIGTERM."""

import os
import secrets
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from storage import workers as registry
from storage.ledger import Ledger
from storage.office import Life

log = structlog.get_logger()

BEAT_SECONDS = 1.0
VERSION = "0.1.0"


def name() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


@dataclass(slots=True)
class Presence:
    """Signs of life each second, in a thread of its own; on the way it frees what processes that are gone still held."""

    ledger: Ledger
    kind: str
    digest_threads: int = 0
    id: str = field(default_factory=name)
    leader: Callable[[], bool] = lambda: False
    stopping: threading.Event = field(default_factory=threading.Event)
    _life: Life = field(init=False)
    _thread: threading.Thread | None = None

    def __post_init__(self) -> None:
        self._life = Life(self.ledger.url, self.id)

    def __enter__(self) -> "Presence":
        self.ledger.run(self._register)
        self._life.hold()
        self._thread = threading.Thread(target=self._beat, name="presence", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        if self._thread:
            self._thread.join(3)
        try:
            self.ledger.run(lambda c: registry.leave(c, self.id), patience=1)
        except Exception as error:
            log.warning("could not sign off; leases end by themselves", error=type(error).__name__)
        self._life.end()

    def _register(self, connection: object) -> None:
        registry.register(
            connection, self.id, self.kind, socket.gethostname(), os.getpid(), VERSION, self.digest_threads
        )

    def _beat(self) -> None:
        while not self.stopping.wait(BEAT_SECONDS):
            try:
                self._life.hold()
                with self.ledger.begin() as connection:
                    if not registry.seen(connection, self.id, self.leader()):
                        self._register(connection)
                with self.ledger.begin() as connection:
                    gone = registry.bury(connection)
                if gone:
                    log.warning("processes are gone; what they held is free", gone=gone)
            except Exception as error:
                log.warning("no sign of life this second", error=type(error).__name__)
                self._life.end()


def on_signals(stop: Callable[[], object]) -> None:
    """SIGTERM and SIGINT ask for a clean end: `stop` is called, in the main thread, between two of its steps."""

    def ask(number: int, _: object) -> None:
        log.info("stopping", signal=signal.Signals(number).name)
        stop()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
