"""The digest step: claim a batch, judge each mention, have what was decided filed in one transaction.

Judging is domain's, filing is workers/file.py's; this page claims, loads and counts. A batch that raised is split in halves; a mention with two
starts goes alone, with three it is a dead letter: a text that kills the process takes no neighbour with it.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import structlog
from sqlalchemy import Connection

from domain.nouns import Stored
from storage import digests, runs, standing
from storage.ledger import Ledger, again
from workers import failpoints
from workers.file import Decided, Desktop, file
from workers.fresh import Fresh
from workers.logs import trace

log = structlog.get_logger()

DRAIN_SECONDS = 20.0
RETRY_SECONDS = 5.0


@dataclass(slots=True)
class Digested:
    """What one drain did."""

    mentions: int = 0
    tickets: int = 0
    dead: int = 0
    targets: set[str] = field(default_factory=set)
    fresh: Fresh = field(default_factory=Fresh, repr=False)  # what it need not read


def drain(
    ledger: Ledger, desktop: Desktop, worker: str, stopping: Callable[[], bool], fresh: Fresh | None = None
) -> Digested:
    """Digest batches until nothing is due, 20 s are over, or the process is to stop. `fresh`: what this process stored itself."""
    done = Digested(fresh=fresh or Fresh())
    until = time.monotonic() + DRAIN_SECONDS
    _turn(ledger, desktop, worker, done, suspects=True)  # first, lest a backlog keep it waiting
    while not stopping() and time.monotonic() < until:
        # a suspect is claimed only when its turn has come: a start it did not have must not count against it
        fresh = _turn(ledger, desktop, worker, done, suspects=False)
        if fresh < digests.BATCH and not _turn(ledger, desktop, worker, done, suspects=True) and not fresh:
            break
    return done


def _turn(ledger: Ledger, desktop: Desktop, worker: str, done: Digested, *, suspects: bool) -> int:
    """Claim and digest a batch, or one suspect; how many were claimed."""
    claimed = ledger.run(lambda c: digests.claim(c, worker, suspects=suspects))
    if claimed.mentions:
        _batch(ledger, desktop, worker, claimed, claimed.mentions, done)
    return len(claimed.mentions)


def _batch(
    ledger: Ledger,
    desktop: Desktop,
    worker: str,
    claimed: digests.Claimed,
    part: Sequence[tuple[int, int, int]],
    done: Digested,
) -> None:
    worn = [item for item in part if item[2] > digests.STARTS]
    fresh = [item for item in part if item[2] <= digests.STARTS]
    for mention_id, _, attempts in worn:
        _dead(ledger, worker, claimed, mention_id, f"the process ended {attempts - 1} times while judging it", None)
        done.dead += 1
    if not fresh:
        return
    try:
        _digest(ledger, desktop, worker, claimed.lease, fresh, done)
    except Exception as error:
        if again(error):
            ledger.run(lambda c: digests.give_back(c, claimed.lease))
            raise
        if len(fresh) > 1:
            middle = len(fresh) // 2
            _batch(ledger, desktop, worker, claimed, fresh[:middle], done)
            _batch(ledger, desktop, worker, claimed, fresh[middle:], done)
            return
        _failed(ledger, worker, claimed, fresh[0], error, done)


def _failed(
    ledger: Ledger, worker: str, claimed: digests.Claimed, item: tuple[int, int, int], error: Exception, done: Digested
) -> None:
    mention_id, _, attempts = item
    said = trace(error)
    log.warning("mention failed", mention_id=mention_id, attempt=attempts, error=said)
    if attempts >= digests.STARTS:
        _dead(ledger, worker, claimed, mention_id, "judging it raised an error each time", said)
        done.dead += 1
    else:
        ledger.run(lambda c: digests.put_off(c, claimed.lease, mention_id, RETRY_SECONDS, said))


def _dead(
    ledger: Ledger, worker: str, claimed: digests.Claimed, mention_id: int, reason: str, error: str | None
) -> None:
    def work(connection: Connection) -> None:
        run = runs.start(connection, "digest", worker)
        digests.bury(connection, run, claimed.lease, mention_id, reason, error)
        runs.finish(connection, run)

    ledger.run(work)
    log.error("mention is a dead letter", mention_id=mention_id, reason=reason)


def _load(
    ledger: Ledger, desktop: Desktop, claimed: Sequence[tuple[int, int, int]], memory: Fresh
) -> dict[int, Stored]:
    """The mentions to judge, in order of id; read are those that are not remembered."""
    held = memory.take([item[:2] for item in claimed])
    missing = [id_ for id_, _, _ in claimed if id_ not in held]
    if missing or desktop.asks_standing:
        with ledger.begin() as connection:
            held |= digests.load(connection, missing) if missing else {}
            if desktop.asks_standing:
                held = standing.known(connection, held)
    return dict(sorted(held.items()))


def _digest(
    ledger: Ledger,
    desktop: Desktop,
    worker: str,
    lease: str,
    claimed: Sequence[tuple[int, int, int]],
    done: Digested,
) -> None:
    started = time.monotonic()
    loaded = _load(ledger, desktop, claimed, done.fresh)
    order = {name: n for n, name in enumerate(desktop.topics)}
    decided = []
    for stored in loaded.values():
        if len(stored.topics) > 1:
            topics = sorted(stored.topics, key=lambda name: order.get(name, len(order)))
            stored = replace(stored, topics=tuple(topics))
        failpoints.hit_mention(stored.mention.content)
        decided.append(Decided(stored, desktop.judge(stored)))
    failpoints.hit("digest-judged")

    def work(connection: Connection) -> tuple[runs.Run, set[str]]:
        run = runs.start(connection, "digest", worker)
        targets = file(connection, run, desktop, lease, decided)
        run.ms = int((time.monotonic() - started) * 1000)
        runs.finish(connection, run)
        failpoints.hit("digest-before-commit")
        return run, targets

    run, targets = ledger.run(work)
    done.mentions += run.verdicts
    done.tickets += run.tickets
    done.targets |= targets
