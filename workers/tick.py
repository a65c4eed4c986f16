"""One look of the watch at everything: what its pages (evidence, tell, urgent) share while it lasts."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

import config
from storage import runs


@dataclass(slots=True)
class Tick:
    """In one transaction."""

    connection: Connection
    current: config.Config
    now: datetime
    worker: str
    key: bytes = b""  # signs the links of notices
    run: runs.Run | None = None
    owed: set[str] = field(default_factory=set)

    def running(self) -> runs.Run:
        self.run = self.run or runs.start(self.connection, "watch", self.worker)
        return self.run
