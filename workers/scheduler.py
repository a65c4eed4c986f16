"""The scheduler process: one leader applies the configuration, ticks the clock and rings while work is due; a standby waits.

Leadership is a PostgreSQL advisory lock held by a session of its own. A leader checks that session before every round; one that
was paused finds its session ended by the standby and steps down. Whatever a late leader still does is fenced by compare-and-set.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import structlog

import config
from config import secrets
from config.load import examine
from storage import audit, channels, configurations, desks, digests, events, outbox, targets
from storage import workers as registry
from storage.ledger import Ledger
from storage.office import Office
from workers.bell import Bell
from workers.bootstrap import channel_rows, speaking_rows, target_rows
from workers.clock import Clock
from workers.logs import trace

log = structlog.get_logger()

ROUND_SECONDS = 1.0
STALE_SECONDS = 8.0
WATCH_SECONDS = 5.0
UPKEEP_SECONDS = 30.0


@dataclass(slots=True)
class Scheduler:
    """One process that may lead."""

    ledger: Ledger
    bell: Bell
    folder: Path
    stopping: threading.Event
    values: dict[str, str] = field(default_factory=dict)
    leading: bool = False
    clock: Clock | None = None
    office: Office | None = None
    _seen: str = ""
    _watched: float = 0.0
    _kept: float = 0.0

    def run(self) -> None:
        """Rounds until asked to stop. An error costs a round, never the process."""
        self.office = Office(self.ledger.url)
        while not self.stopping.is_set():
            try:
                calls = self._round(self.office)
                for payload in calls:
                    self.called(payload)
            except Exception as error:
                log.warning("a round failed", error=trace(error))
                self._step_down()
                self.stopping.wait(ROUND_SECONDS)
        self._step_down()

    def _round(self, office: Office) -> list[str]:
        if self.leading and not office.held():
            log.warning("leadership lost")
            self._step_down()
        if not self.leading:
            if not office.take():
                self._depose()
                self.stopping.wait(ROUND_SECONDS)
                return []
            self._step_up()
        self.apply()
        assert self.clock is not None
        self.clock.refresh()
        self.ring()
        return office.calls(ROUND_SECONDS)

    def _step_up(self) -> None:
        self.clock = Clock(self.ledger, lambda id_: self.bell.ring("poll", id_) and None)
        self.clock.start()
        self.leading = True
        self._seen = ""
        log.info("leading")

    def _step_down(self) -> None:
        if self.clock is not None:
            self.clock.stop()
            self.clock = None
        if self.office is not None:
            self.office.leave()
        self.leading = False

    def _depose(self) -> None:
        with self.ledger.begin() as connection:
            pid = registry.stale_leader(connection, STALE_SECONDS)
            if pid is not None:
                log.warning("the leader is silent; ending its session", backend=pid)
                registry.end_session(connection, pid)

    def apply(self) -> None:
        """Put an edit of the configuration in force, or refuse it and keep the last good one."""
        seen = fingerprint(self.folder)
        if seen == self._seen:
            return
        wanted, said = read(self.folder, self.values)
        if wanted is None:
            self.ledger.run(lambda c: configurations.refuse(c, seen, said))
            log.error("configuration refused; the last good one stays in force", complaints=said)
        else:
            self.ledger.run(lambda c: put_in_force(c, wanted))
        self._seen = seen

    def ring(self) -> None:
        """Once a round: whatever is due gets a ring, whether or not one was lost."""
        with self.ledger.begin() as connection:
            polls = channels.owed(connection)
            waiting = digests.claimable(connection)
            slots = registry.digest_slots(connection) if waiting else 0
            owed = outbox.due_targets(connection)
            happened = events.waiting(connection)
            speaking = desks.due(connection)
        self.bell.ring_all("poll", polls)
        self.bell.ring_all("digest", range(min(slots, 1 + waiting // digests.BATCH)) if waiting else ())
        self.bell.ring_all("deliver", owed)
        self.bell.ring_all("sync", speaking)
        if happened:
            self.bell.ring("work")
        now = time.monotonic()
        if now - self._watched > WATCH_SECONDS:
            self._watched = now
            self.bell.ring("watch")
        if now - self._kept > UPKEEP_SECONDS:
            self._kept = now
            self.bell.ring("upkeep")

    def called(self, payload: str) -> None:
        """A commit rang: `poll:ID`, `digest`, `deliver`, `watch`, `work`, `upkeep`, `config`."""
        kind, _, slot = payload.partition(":")
        if kind in ("poll", "sync"):
            self.bell.ring(kind, slot)
        elif kind == "config":
            self._seen = ""
        elif kind in ("work", "upkeep"):
            self.bell.ring(kind)
        elif kind in ("digest", "deliver", "watch"):
            self.ring()


def read(folder: Path, values: Mapping[str, str]) -> tuple[config.Config | None, str]:
    """The configuration to put in force, or every complaint about it. A missing secret stops it, or only leaves out who needs it."""
    found = examine(folder, values)
    complaints = [one for one in found.complaints if one.severity == "error"]
    if found.config is None:
        return None, str(config.Complaints(complaints))
    lacking = secrets.missing(found.config, found.places)
    if any(one.severity == "error" for one in lacking):
        return None, str(config.Complaints(lacking))
    return secrets.runnable(found.config), ""


def fingerprint(folder: Path) -> str:
    """The same as long as no file of the configuration changed."""
    found = sha256()
    for path in sorted(folder.glob("*.yaml")):
        found.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()


def put_in_force(connection: object, wanted: config.Config) -> None:
    """The configuration, and the channels and targets that follow from it, in one transaction."""
    new = configurations.accept(connection, wanted.hash, wanted.document())
    channels.sync(connection, channel_rows(wanted))
    targets.sync_targets(connection, target_rows(wanted))
    desks.configure(connection, speaking_rows(wanted))
    if new:  # last: who holds a channel or a target may wait for the audit
        audit.append(connection, "scheduler", "configuration.accepted", f"configuration:{wanted.hash[:12]}", {})
