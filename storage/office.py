"""Sessions of their own: the lock of the one leader with the line commits ring on, and the lock that says a process lives.

A lock held by a session goes with it, whatever becomes of the process
(https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS).
"""

import time
from dataclasses import dataclass

import psycopg

from storage import workers as registry
from storage.ledger import raw_url


@dataclass(slots=True)
class Office:
    """The lock of the one leader, and the line on which commits ring (LISTEN)."""

    url: str
    session: psycopg.Connection | None = None

    def held(self) -> bool:
        """Still ours? Asked before every round."""
        if self.session is None:
            return False
        try:
            self.session.execute("SELECT 1")
        except psycopg.Error:
            self.leave()
            return False
        return True

    def take(self) -> bool:
        """Become leader if nobody is; a leader that has been silent is put out of office first."""
        session = psycopg.connect(
            raw_url(self.url), autocommit=True, connect_timeout=3, application_name="earmark-leader"
        )
        row = session.execute("SELECT pg_try_advisory_lock(%s)", (registry.LEADER,)).fetchone()
        if row and row[0]:
            session.execute("LISTEN earmark")
            self.session = session
            return True
        session.close()
        return False

    def leave(self) -> None:
        if self.session is not None:
            self.session.close()
            self.session = None

    def calls(self, seconds: float) -> list[str]:
        """What was notified meanwhile: waits up to `seconds` for the first."""
        if self.session is None:
            time.sleep(seconds)
            return []
        return [call.payload for call in self.session.notifies(timeout=seconds, stop_after=1)]


@dataclass(slots=True)
class Life:
    """The lock of one process: free means that it is gone."""

    url: str
    worker_id: str
    session: psycopg.Connection | None = None

    def hold(self) -> None:
        """Hold it; by a new session after the database came back."""
        if self.session is None or self.session.closed:
            self.session = psycopg.connect(raw_url(self.url), autocommit=True, connect_timeout=3)
            self.session.execute("SELECT pg_advisory_lock(%s)", (registry.lock_key(self.worker_id),))
        else:
            self.session.execute("SELECT 1")

    def end(self) -> None:
        if self.session is not None:
            self.session.close()
