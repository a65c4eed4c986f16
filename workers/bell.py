"""The doorbell: a message says only "look", and losing every one of them loses nothing.

At most one ring waits per kind and slot. A key in the broker names the ring that waits; it is trusted only while that message
is really there, so a broker that was emptied or a worker that was killed never silences the bell.
"""

from collections.abc import Iterable
from uuid import uuid4

import dramatiq
import redis
import structlog
from dramatiq.brokers.redis import RedisBroker
from redis.backoff import NoBackoff
from redis.retry import Retry

log = structlog.get_logger()

KINDS = ("poll", "digest", "deliver", "watch", "upkeep", "work", "sync")
NAMESPACE = "earmark"


def broker(redis_url: str, kinds: Iterable[str] = KINDS) -> RedisBroker:
    """The broker with what a crash needs: dead workers are looked for at each fetch, after 5 s without a sign of life: what a
    killed one had taken rings again. One that only slept finds its rings rung twice, which does nothing twice.

    Dramatiq's own retries and dead letters are off: the ledger owns both
    (https://dramatiq.io/guide.html#message-retries).
    """
    # redis-py would wait up to 10 s between its own tries; whoever rings must not be held up, and consumers come again by themselves
    client = redis.Redis.from_url(
        redis_url, socket_timeout=5, socket_connect_timeout=3, health_check_interval=10, retry=Retry(NoBackoff(), 1)
    )
    made = RedisBroker(
        client=client,
        namespace=NAMESPACE,
        maintenance_chance=1_000_000,
        heartbeat_timeout=5_000,
        dead_message_ttl=3_600_000,
        middleware=[],
    )
    for kind in kinds:
        made.declare_queue(kind)
    return made


class Bell:
    """Rings actors. Never raises: when the broker is away the ring is lost, and the next tick rings again."""

    def __init__(self, made: RedisBroker) -> None:
        self.broker = made
        self.client: redis.Redis = made.client

    def ring(self, kind: str, slot: str | int = "") -> bool:
        """Ask somebody to look at `kind` (for the slot: a channel id, a target, a digest thread). False when a ring waits."""
        key = self._key(kind, slot)
        try:
            return self._ring(kind, str(slot), key)
        except (redis.RedisError, dramatiq.errors.ConnectionError, OSError) as error:
            log.warning("the broker is away; the ledger keeps the work", error=type(error).__name__)
            return False

    def ring_all(self, kind: str, slots: Iterable[str | int]) -> None:
        for slot in slots:
            self.ring(kind, slot)

    def _ring(self, kind: str, slot: str, key: str) -> bool:
        token = f"new:{uuid4()}"
        if not self.client.set(key, token, nx=True, ex=5):
            waiting = (self.client.get(key) or b"").decode()
            if waiting.startswith("new:") or self.client.hexists(f"{NAMESPACE}:{kind}.msgs", waiting):
                return False
            self.client.set(key, token, ex=5)
        message = dramatiq.Message(queue_name=kind, actor_name=kind, args=(slot,), kwargs={}, options={})
        sent = self.broker.enqueue(message)
        self.client.set(key, sent.options["redis_message_id"])
        return True

    def answered(self, kind: str, slot: str) -> None:
        """An actor took the ring: from here on, one more may wait."""
        try:
            self.client.delete(self._key(kind, slot))
        except redis.RedisError as error:
            log.warning("the broker is away", error=type(error).__name__)

    @staticmethod
    def _key(kind: str, slot: str | int) -> str:
        return f"{NAMESPACE}:ring:{kind}:{slot}"
