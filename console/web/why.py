"""What would have changed a verdict: judged again on demand, under the configuration in force."""

import threading
from collections.abc import Iterable

from sqlalchemy import Connection

import config
from config.bench import Bench, bench
from storage import configurations, digests

MOST = 5  # mentions a page explains; each is judged many times


class Why:
    """Keeps the judge of the configuration in force."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: tuple[int, Bench] | None = None

    def _bench(self, connection: Connection) -> Bench | None:
        with self._lock:
            version = configurations.version(connection)
            if self._made is None or self._made[0] != version:
                found = configurations.in_force(connection)
                self._made = (version, bench(config.load_document(found.document))) if found else None
            return self._made[1] if self._made else None

    def sentences(self, connection: Connection, mention_ids: Iterable[int]) -> dict[int, str]:
        """Mention id → the smallest single change that would have led to another outcome, in words."""
        judge = self._bench(connection)
        if judge is None:
            return {}
        stored = digests.load(connection, list(mention_ids)[:MOST])
        return {id_: str(judge.explain(item)["text"]) for id_, item in stored.items() if not item.settled}
