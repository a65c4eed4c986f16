"""What would have changed a verdict: judged again on demand, under the configuration and model it was judged with."""

import threading
from collections.abc import Iterable

from sqlalchemy import Connection

import config
from config.bench import Bench, bench
from domain.nouns import Verdict
from storage import judged

MOST = 5  # mentions a page explains; each is judged many times
BENCHES = 4  # judges kept: the configuration in force and its predecessors


class Why:
    """Keeps the judges of the newest configurations asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[tuple[int, str], Bench] = {}

    def _bench(self, connection: Connection, found: judged.Judged) -> Bench | None:
        key = (found.configuration, found.learned)
        with self._lock:
            if key not in self._made:
                document = judged.document(connection, found.configuration)
                if document is None:
                    return None
                while len(self._made) >= BENCHES:
                    del self._made[next(iter(self._made))]
                self._made[key] = bench(config.load_document(document), judged.model(connection, found.learned))
            return self._made[key]

    def again(self, connection: Connection, mention_id: int) -> Verdict | None:
        """What the configuration and model of then say of the same mention now; None where a person decided, or they are gone."""
        found = judged.judged(connection, [mention_id]).get(mention_id)
        judge = self._bench(connection, found) if found and found.reason != "person" else None
        return judge.judge(found.stored) if judge and found else None

    def sentences(self, connection: Connection, mention_ids: Iterable[int]) -> dict[int, str]:
        """Mention id → the smallest single change that would have led to another outcome, in words."""
        told = {}
        for id_, found in judged.judged(connection, list(mention_ids)[:MOST]).items():
            judge = self._bench(connection, found) if found.reason != "person" else None
            if judge is not None:
                told[id_] = str(judge.explain(found.stored)["text"])
        return told
