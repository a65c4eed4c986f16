"""Random days in the life of one platform, read by the real poll step into a real ledger, with faults and kills on the way.

What is written, edited and deleted, and how a channel listens, the stand-in says itself (town/http.py, Stand): a new platform needs
nothing here.
"""

import itertools
import os
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from unittest import mock

from sqlalchemy import Connection

import config
from connectors import inbound
from domain.rules import Topic
from storage import channels, configurations
from storage.ledger import Ledger, one, rows
from storage.reconcile import reconcile
from tests.reading import context
from tests.support import wait_until
from town.http import Stand
from town.server import Town
from town.stands import stand_ins
from workers import bootstrap, failpoints
from workers import poll as polling

FAULTS: list[tuple[str, dict[str, Any]]] = [  # the first for those alone that say how long to wait
    ("429", {"reset": "retry-after", "seconds": 1}),
    ("status", {"status": 503}),
    ("reset", {}),
    ("truncate", {}),
    ("reset_mid", {}),
    ("hang", {"seconds": 0.6}),
    ("bad_json", {}),
    ("empty", {}),
    ("html", {}),
    ("shift", {"posts": 3}),
    ("duplicate", {}),
    ("malformed", {"mode": "missing_id"}),
]
KILLS = ("poll-before-insert", "poll-inserted", "poll-committed")
DEADLINE = 0.4  # of a request: a platform that hangs costs no more
TOLD = {one.name: one for one in stand_ins() if one.channel is not Stand.channel}  # platforms that can be told a story
NAME, SECRET = "day", b"a secret of thirty-two bytes ..."
TOPIC = Topic(name="northbank", any=("northbank",))


class Day:
    """One platform, one channel, one seed."""

    def __init__(self, town: Town, stand: Any, ledger: Ledger, rng: random.Random) -> None:
        self.town, self.stand, self.ledger, self.rng = town, stand, ledger, rng
        self.size = rng.choice((3, 7, 25))
        self.module: ModuleType = inbound.load(stand.channel(self.size)["kind"])
        self.alive: list[str] = []
        self.numbers = itertools.count()
        self.marks: dict[str, Any] = {}
        self.kills = 0
        self.killed: list[float] = []
        self.id = ledger.run(self._configure)

    def _configure(self, connection: Connection) -> int:
        """The channel as an operator would write it, accepted."""
        about = {"name": NAME, "every": "1h", **self.stand.channel(self.size)}
        found = config.load_document({"topics": [{"name": "northbank", "any": ["northbank"]}], "channels": [about]})
        configurations.accept(connection, found.hash, found.document())
        channels.sync(connection, bootstrap.channel_rows(found))
        return int(one(connection, "SELECT id FROM channels"))

    # -- what happens ---------------------------------------------------------------------------------------------

    def hours(self, rounds: int) -> None:
        """People talk, things go wrong, the channel is polled, sometimes to a sudden end."""
        for _ in range(rounds):
            for _ in range(self.rng.randrange(0, 9)):
                self._say()
            if self.alive and self.rng.random() < 0.4:
                self._take_back()
            if self.rng.random() < 0.5:
                kind, options = self.rng.choice(FAULTS if self.stand.says_when else FAULTS[1:])
                times, nth = self.rng.randrange(1, 4), [self.rng.randrange(1, 4)]
                self.town.faults.add(self.stand.name, kind, times=times, nth=nth, **options)
            self.size = self.rng.choice((self.size, 3, 25))
            self.stand.passes(self.rng)
            self.poll(kill=self.rng.choice(KILLS) if self.rng.random() < 0.25 else "")
            self._watch_marks()

    def quiet(self) -> None:
        """Nothing goes wrong any more; everything that is due can be read, and is, several times over."""
        self.town.faults.clear()
        last = max((post.visible_from for post in self.stand.posts.values()), default=0.0) + 0.1
        wait_until(lambda: time.time() > last, 5)
        wait_until(lambda: self.stand.passes(self.rng) or self.stand.rests(), 5)
        for _ in range(3):
            wait_until(self.poll, 20, "a poll that reads to the end")
            self._watch_marks()

    def poll(self, kill: str = "") -> bool:
        """One ring of the bell, if a poll is allowed now. True when nothing more is to be read."""
        self.ledger.run(lambda c: channels.want(c, NAME))
        with failing(kill):
            try:
                done = polling.poll(
                    self.ledger,
                    self.id,
                    lambda _: self._watched(),
                    self._context(),
                    SECRET,
                    "test",
                    lambda queued: None,
                )
            except failpoints.Killed:
                self.kills += 1
                self.killed.append(time.time())
                return False
        return done is not None and not done.error and not done.more

    def _say(self) -> None:
        said = self.stand.says(self.rng, next(self.numbers))
        late = {"visible_in": self.rng.choice((0.2, 0.5))} if self.rng.random() < 0.2 else {}
        self.alive.append(self.town.post(self.stand.name, said.pop("text"), **late, **said))

    def _take_back(self) -> None:
        at = self.rng.randrange(len(self.alive))
        if not self.stand.edits or self.rng.random() < 0.3:
            self.town.delete(self.stand.name, self.alive.pop(at), shown=self.rng.random() < 0.5)
        else:
            text = self.stand.says(self.rng, next(self.numbers))["text"]
            self.alive[at] = self.town.edit(self.stand.name, self.alive[at], f"{text} edited")

    def _watched(self) -> polling.Watched:
        about = {name: value for name, value in self.stand.channel(self.size).items() if name != "kind"}
        settings = self.module.Settings(**about)
        return polling.Watched(
            NAME, (TOPIC,), self.rng.choice((1, 2, 8, 50)), lambda given: self.module.Connector(settings, given)
        )

    def _context(self) -> Any:
        return context(secret=dict(self.stand.secrets).__getitem__, deadline=DEADLINE)

    def _watch_marks(self) -> None:
        position = getattr(self.module, "position", lambda state: {})
        found = position(self.ask("SELECT state FROM channels"))
        went_back = {name: (old, found.get(name)) for name, old in self.marks.items() if not found[name] >= old}
        assert not went_back, f"went back: {went_back}"
        self.marks |= found

    # -- what is there ----------------------------------------------------------------------------------------------

    def ask(self, sql: str) -> Any:
        with self.ledger.begin() as connection:
            return one(connection, sql)

    def check(self) -> None:
        """Both sides agree, nothing was asked too early, and not too much."""
        agree(self.ledger, visible(self.stand))
        self._patient()

    def _patient(self) -> None:
        """No request within the second a refusal asked for, and no more requests than make sense."""
        asked = self.town.ledger.requests(self.stand.name)
        for before, after in itertools.pairwise(asked):
            forgot = any(
                before["at"] <= at <= after["at"] for at in self.killed
            )  # killed before it could write it down
            if before["status"] == 429 and not forgot:
                assert after["at"] >= before["at"] + 1 - 0.05, (before, after)
        assert len(asked) < 2500


def visible(stand: Any) -> dict[str, str]:
    """What a platform shows by now: id under which we keep it, and text."""
    now = time.time()
    shown = [post for post in stand.posts.values() if not post.deleted and post.visible_from <= now]
    return {post.root: post.text for post in shown}


def agree(ledger: Ledger, want: Mapping[str, str]) -> None:
    """Stored = eligible, each once and in its last version; rejects once; the proof green."""
    with ledger.begin() as connection:
        stored = rows(connection, "SELECT native_id, content, deleted_at FROM mentions")
        rejects = rows(connection, "SELECT item_hash FROM rejects GROUP BY channel_id, item_hash HAVING count(*) > 1")
    kept = {row["native_id"]: row["content"] for row in stored}
    assert len(kept) == len(stored), "an id is stored twice"
    assert set(want) - set(kept) == set(), "lost"
    assert {id_: (kept[id_], text) for id_, text in want.items() if kept[id_] != text} == {}, "not the last version"
    assert [row["native_id"] for row in stored if row["native_id"] in want and row["deleted_at"]] == []
    assert rejects == [], "one bad item is kept twice"
    with ledger.read() as connection:
        assert [str(found) for found in reconcile(connection).findings] == []


@contextmanager
def failing(point: str) -> Iterator[None]:
    """The step ends at this point as if the process had."""
    asked = {"EARMARK_FAILPOINTS": "1", "EARMARK_FAIL": f"{point}:raise:always"} if point else {}
    with mock.patch.dict(os.environ, asked):
        yield
