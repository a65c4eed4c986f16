"""What of the system does not work right now, in sentences for every page. The console itself needs the ledger alone."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from sqlalchemy import Connection

from console.web.texts import N_
from storage import views_health
from storage.posting import Stop

log = structlog.get_logger()
FRESH = 5.0  # seconds an answer of the broker is believed: a page does not wait for a broker that hangs each time

BROKER = N_("The message broker does not answer: what is due waits, and what you do here is kept.")
LEADER = N_("No scheduler leads: nothing new becomes due.")
WORKERS = N_("No worker works: nothing is read, judged or sent.")


@dataclass(slots=True)
class Pulse:
    ping: Callable[[], object] | None = None
    _asked: float = field(default=-FRESH)
    _answered: bool = True

    def broker(self) -> bool:
        """Whether the broker answers; True where none is asked."""
        if self.ping is None:
            return True
        if time.monotonic() - self._asked > FRESH:
            try:
                self._answered = bool(self.ping())
            except Exception as error:  # whatever the client raises, it means the same here
                log.info("the broker does not answer", error=type(error).__name__)
                self._answered = False
            self._asked = time.monotonic()
        return self._answered

    def beat(self, connection: Connection) -> tuple[list[str], Stop | None]:
        """The sentences, none when all is well; and who stopped all posting, if somebody did."""
        leads, works, stopped = views_health.staffed(connection)
        amiss = ((BROKER, not self.broker()), (LEADER, not leads), (WORKERS, not works))
        return [said for said, bad in amiss if bad], stopped
