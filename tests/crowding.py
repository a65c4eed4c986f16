"""Everybody at once on few customers: the steps and people of an installation as threads on one ledger, and who deadlocked with whom.

Each thread calls the real functions of storage and workers in transactions of its own. What PostgreSQL ends as a deadlock is noted with
the place in our code and who was waited for, before the ledger runs the transaction anew.
"""

import random
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import Connection, text

import config
from config.workbench import levels
from domain.automations import Automation
from domain.nouns import Mention
from domain.routing import Route
from storage import (
    casework,
    channels,
    deliveries,
    desks,
    erase,
    gathering,
    mentions,
    merges,
    promises,
    talk,
    targets,
    turns,
)
from storage import workers as registry
from storage.ledger import Ledger, again, rows
from storage.page_in import Found, LeaseLost, PageIn
from tests import ledgers
from workers import digest, upkeep, watch, work

CHANNELS = ("x-one", "x-two", "x-three", "x-four")
AUTHORS, THREADS = 12, 8
HAND = casework.Hand("Ada", "command")
CURRENT = config.Config()
DESKTOP = replace(ledgers.desktop(), same_case=3600.0, reopen=3600.0)
BENCH = work.Bench(
    levels(CURRENT),
    (Route("care first", {"topic": ("acme",)}, team="care", priority="high"),),
    (Automation("tag", ("ticket.edit", "ticket.mention"), {}, ({"do": "tag", "tags": ["more"]},), budget=10_000),),
    3,
    timedelta(hours=1),
)


@dataclass(frozen=True, slots=True)
class Deadlock:
    """One that happened: whose transaction was ended, where, and who waited for whom."""

    victim: str
    place: str
    said: str
    others: str

    def __str__(self) -> str:
        return f"{self.victim} at {self.place}\n  {self.said}\n  where {self.others}"


class Crowd:
    """The threads, and what came of them: `done` counts, `deadlocks`, and `errors` that running anew would not mend."""

    def __init__(self, database_url: str, rng: random.Random) -> None:
        self.url, self.rng = database_url, rng
        self.stopping = threading.Event()
        self.deadlocks: list[Deadlock] = []
        self.errors: list[str] = []
        self.done: Counter[str] = Counter()
        self.sessions: dict[int, str] = {}
        self.lock = threading.Lock()
        self.posts = 0

    def run(self, seconds: float) -> None:
        threads = [
            threading.Thread(target=self._loop, args=(step, k, random.Random(self.rng.random())), name=f"{step.__name__}-{k}")
            for step, n in EVERYBODY.items()
            for k in range(n)
        ]  # fmt: skip
        for thread in threads:
            thread.start()
        self.stopping.wait(seconds)
        self.stopping.set()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive(), f"{thread.name} does not come to an end"

    def _loop(self, step: "Step", k: int, rng: random.Random) -> None:
        ledger = Watched(self.url, self)
        try:
            while not self.stopping.is_set():
                try:
                    step(self, ledger, rng, k)
                    self.count(step.__name__)
                except Exception as error:
                    if not again(error) and not isinstance(error, EXPECTED):
                        self.errors.append(f"{step.__name__}: {traceback.format_exc()[-2000:]}")
                self.stopping.wait(rng.random() * 0.1)
        finally:
            ledger.close()

    def count(self, what: str, n: int = 1) -> None:
        with self.lock:
            self.done[what] += n

    def note(self, error: BaseException) -> None:
        original = getattr(error, "orig", None) or error
        if getattr(original, "sqlstate", None) != "40P01":
            return
        said = " ".join(str(original).split())
        frames = [
            f
            for f in traceback.extract_tb(error.__traceback__)
            if "/tests/" not in f.filename and ".venv" not in f.filename
        ]
        place = " < ".join(f"{f.filename.rsplit('/', 1)[-1]}:{f.lineno} {f.name}" for f in reversed(frames[-5:]))
        others = ", ".join(f"{pid} is {who}" for pid, who in self.sessions.items() if f" {pid}" in said)
        self.deadlocks.append(Deadlock(threading.current_thread().name, place, said, others))


class Watched(Ledger):
    """A ledger that tells the crowd of every deadlock, and whose sessions are known by name."""

    def __init__(self, database_url: str, crowd: Crowd) -> None:
        super().__init__(database_url, name="crowd", pool=2)
        self.crowd = crowd

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        try:
            with super().begin() as connection:
                pid = connection.connection.driver_connection.info.backend_pid
                self.crowd.sessions[pid] = threading.current_thread().name
                yield connection
        except BaseException as error:
            self.crowd.note(error)
            raise


Step = Callable[[Crowd, Ledger, random.Random, int], object]
EXPECTED = (LeaseLost, casework.Refused, merges.Refused, LookupError)


# -- what each of them does, once -------------------------------------------------------------------------------------


def posts(crowd: Crowd, rng: random.Random) -> list[Mention]:
    """New posts, old ones again, edits, a few deletions: few people in few threads, some saying the same twice."""
    made = []
    for _ in range(rng.randrange(5, 60)):
        with crowd.lock:
            crowd.posts += 1
            n = crowd.posts
        fate = rng.random()
        id_ = n if fate < 0.6 else rng.randrange(max(1, n - 200), n + 1)
        about, where = rng.choice(("cards", "money", "branch")), rng.choice(("harbour", "market", "station"))
        word = "help" if rng.random() < 0.6 else "talk"
        said = f"{word} with {about} of mine at the {where}, number {rng.randrange(40)}"
        author = None if id_ % 17 == 0 else ledgers.person(id_ % AUTHORS)
        post = ledgers.post("x", f"p{id_}", said, author, context=f"t{id_ % THREADS}")
        gone = {"kind": "Tombstone", "content": "", "attributed_to": None} if fate > 0.97 else {}
        made.append(replace(post, published=datetime.now(UTC) - timedelta(seconds=id_ % 60), **gone))
    return made


def poll(crowd: Crowd, ledger: Ledger, rng: random.Random, k: int) -> None:
    id_ = ledger.run(lambda c: channels.want(c, CHANNELS[k]))
    leased = ledger.run(lambda c: channels.lease(c, id_ or 0, f"worker-{k}"))
    if leased is None:
        return
    items = [Found(mention, ("acme",), "{}") for mention in posts(crowd, rng)]
    parts = items[: len(items) // 2], items[len(items) // 2 :]
    pages = [PageIn(leased.id, leased.lease, {}, part, []) for part in parts]
    try:
        ledger.run(lambda c: mentions.store_pages(c, ledgers.SECRET, pages))
    finally:
        ledger.run(lambda c: channels.release(c, leased, satisfied=True))


def judge(crowd: Crowd, ledger: Ledger, rng: random.Random, k: int) -> None:
    crowd.count("mentions", digest.drain(ledger, DESKTOP, f"worker-{k}", crowd.stopping.is_set).mentions)


def deliver(crowd: Crowd, ledger: Ledger, rng: random.Random, k: int) -> None:
    target = ledgers.DESKS[k % 2]
    while claimed := ledger.run(lambda c: deliveries.claim(c, target, f"worker-{rng.randrange(4)}", 60)):
        ledger.run(partial(_call, claimed[0], rng.random() < 0.9))
        crowd.count("deliveries")
        if crowd.stopping.is_set():
            return


def _call(owed: deliveries.Owed, well: bool, connection: Connection) -> None:
    deliveries.rendered(connection, owed, owed.notice, 60)
    targets.failures(connection, owed.target)
    outcome = "done" if well else "retry"
    if deliveries.finish(connection, owed, state=outcome, outcome=outcome, remote_id=f"r{owed.ticket_id}"):
        if well and owed.kind == "ticket.create" and owed.ticket_id:
            deliveries.link(connection, owed.ticket_id, owed.target, f"r{owed.ticket_id}", None)
        targets.succeeded(connection, owed.target, timedelta())


def work_off(crowd: Crowd, ledger: Ledger, rng: random.Random, k: int) -> None:
    done = work.work(ledger, BENCH, f"worker-{k}", crowd.stopping.is_set)
    crowd.count("events", done.events)
    crowd.errors.extend(["events were given up"] * done.given_up)


def tend(crowd: Crowd, ledger: Ledger, rng: random.Random, k: int) -> None:
    late = "SELECT id FROM tickets WHERE status <> 'closed' AND id % 7 = :n ORDER BY id FOR UPDATE SKIP LOCKED"
    with ledger.begin() as c:  # time passed
        some = [row["id"] for row in rows(c, late, n=rng.randrange(7))]
        c.execute(text("UPDATE tickets SET sla_at = now() WHERE id = ANY(:ids)"), {"ids": some})
    upkeep.tend(ledger, CURRENT, BENCH, "upkeep")
    while ledger.run(talk.tally):
        pass


def look(crowd: Crowd, ledger: Ledger, rng: random.Random, k: int) -> None:
    watch.watch(ledger, CURRENT, "watcher")


def act(crowd: Crowd, ledger: Ledger, rng: random.Random, k: int) -> None:
    """What people do, with one ticket or with several."""
    lately = "SELECT number FROM tickets WHERE merged_into IS NULL ORDER BY id DESC LIMIT 60"
    with ledger.begin() as c:
        found = [row["number"] for row in rows(c, lately)]
    if len(found) < 6:
        return
    some = rng.sample(found, 6)
    one = some[0]
    change = casework.Change(status=rng.choice(("open", "pending", "resolved")), priority=rng.choice(("low", "high")))
    acts: list[Callable[[Connection], object]] = [
        lambda c: casework.change(c, HAND, one, change),
        lambda c: turns.bulk(c, HAND, some, change, ["bulk"]),
        lambda c: turns.snooze(c, HAND, one, datetime.now(UTC) + timedelta(seconds=1)),
        lambda c: gathering.link(c, HAND, one, some[1]),
        lambda c: gathering.adopt(c, HAND, one, some[1:4]),
        lambda c: gathering.merge(c, HAND, one, some[1]),
        lambda c: casework.note(c, HAND, one, "a word"),
        lambda c: promises.make(c, HAND, one, "a call back", datetime.now(UTC) + timedelta(seconds=0.5)),
        lambda c: promises.settle(c, HAND, rng.randrange(1, 20), "kept"),
    ]
    ledger.run(rng.choices(acts, weights=(6, 6, 2, 2, 2, 1, 1, 2, 2))[0])


def listen(crowd: Crowd, ledger: Ledger, rng: random.Random, k: int) -> None:
    """A desk says that some of its tickets changed, and they are read."""
    with ledger.begin() as c:
        found = [row["remote_id"] for row in rows(c, "SELECT remote_id FROM desk_links WHERE target = 'desk'")]
    ledger.run(lambda c: desks.heard(c, "desk", rng.sample(found, min(8, len(found)))))
    while (link := ledger.run(lambda c: desks.claim(c, "desk", 30))) and not crowd.stopping.is_set():
        ledger.run(partial(desks.apply, link=link, remarks=[], worker="sync"))
        crowd.count("read at the desk")


def unify(crowd: Crowd, ledger: Ledger, rng: random.Random, k: int) -> None:
    """Two customers are one, and two again."""
    with ledger.begin() as c:
        people = [row["id"] for row in rows(c, "SELECT id FROM customers WHERE merged_into IS NULL ORDER BY id")]
    if len(people) > 4:
        winner, loser = rng.sample(people, 2)
        merged = ledger.run(lambda c: merges.merge(c, winner, loser, "command"))
        crowd.stopping.wait(0.3)
        ledger.run(lambda c: merges.unmerge(c, merged, "command"))
    crowd.stopping.wait(1)


def forget(crowd: Crowd, ledger: Ledger, rng: random.Random, k: int) -> None:
    """Somebody asks to be forgotten."""
    crowd.stopping.wait(1.5)
    with ledger.begin() as c:
        people = [row["id"] for row in rows(c, "SELECT id FROM customers ORDER BY id")]
    if people:
        ledger.run(lambda c: erase.erase(c, ledgers.SECRET, rng.choice(people), "command"))


def bury(crowd: Crowd, ledger: Ledger, rng: random.Random, k: int) -> None:
    """After a restart of the database processes live, but their locks are free and their last signs old."""
    for n in range(4):
        ledger.run(lambda c, n=n: registry.register(c, f"worker-{n}", "worker", "here", n, "1", 1))
    with ledger.begin() as c:
        c.execute(text("UPDATE workers SET seen_at = now() - interval '4 seconds'"))
    crowd.count("buried", len(ledger.run(registry.bury)))


def leave(crowd: Crowd, ledger: Ledger, rng: random.Random, k: int) -> None:
    ledger.run(lambda c: registry.leave(c, f"worker-{rng.randrange(4)}"))


def configure(crowd: Crowd, ledger: Ledger, rng: random.Random, k: int) -> None:
    """The channels are put in force, as a new leader does."""
    ledgers.add_channel(ledger, *CHANNELS)


def terminate(crowd: Crowd, ledger: Ledger, rng: random.Random, k: int) -> None:
    """A session ends in the middle of whatever it does."""
    others = "SELECT pid FROM pg_stat_activity WHERE application_name = 'crowd' AND datname = current_database() AND pid <> pg_backend_pid()"
    with ledger.begin() as c:
        pid = rng.choice([row["pid"] for row in rows(c, f"{others} ORDER BY pid")])
        c.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
    crowd.stopping.wait(0.3)


EVERYBODY: dict[Step, int] = {
    poll: 4, judge: 4, deliver: 2, work_off: 2, tend: 1, look: 1, act: 2, listen: 1, unify: 1, forget: 1, bury: 1, leave: 1, configure: 1, terminate: 1,
}  # fmt: skip
