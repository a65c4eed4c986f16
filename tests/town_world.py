"""A whole installation on the model town, made of real processes: what the tests of the promises share.

`World` holds a town, a migrated database and a numbered database of the broker, a configuration on disk, and starts `earmark`
processes on them. `check` compares the town's ledger with ours by distinct ids, from both sides.
"""

import contextlib
import json
import random
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import redis

from domain.copies import alike, normal
from storage import channels
from storage.ledger import Ledger, one, rows
from storage.provision import create_database, drop_database
from storage.reconcile import reconcile
from tests.support import PATIENCE, Spawned, spawn_earmark, wait_until
from town.accounts import ACCOUNTS
from town.server import Town

BRAND, TROUBLE = "northbank", "broken"  # what the topic listens for, and the word that makes a ticket
SECRETS = {
    "EARMARK_SECRET": "a secret of the tests, 0123456789abcdef",
    "T_REDDIT_ID": ACCOUNTS["reddit"]["client_id"],
    "T_REDDIT_SECRET": ACCOUNTS["reddit"]["client_secret"],
    "T_X_BEARER": ACCOUNTS["x"]["bearer"],
    "T_ZENDESK_TOKEN": ACCOUNTS["zendesk"]["token"],
}
RULES = [
    {
        "name": "trouble",
        "when": {"words": [TROUBLE]},
        "then": {"outcome": "ticket", "priority": "normal"},
        "why": "Something is broken for a customer.",
    },
]


SYLLABLES = [
    "ba",
    "ce",
    "di",
    "fo",
    "gu",
    "ha",
    "je",
    "ki",
    "lo",
    "mu",
    "na",
    "pe",
    "ri",
    "so",
    "tu",
    "va",
    "we",
    "xi",
    "yo",
    "zu",
]


def _own_words(n: int) -> str:
    """Some words no other number has, so that nothing but the beginning of two posts is alike."""
    rng = random.Random(n)
    return " ".join("".join(rng.choices(SYLLABLES, k=3)) for _ in range(9)) + f", {n}"


class World:
    """One installation. Leaving it ends what was started in it."""

    def __init__(self, database_url: str, redis_url: str, folder: Path, town: Town) -> None:
        self.database_url, self.redis_url, self.town = database_url, redis_url, town
        self.folder = folder / "config"
        self.folder.mkdir()
        self.fail_log = folder / "failpoints"
        self.ledger = Ledger(database_url, name="test", pool=2)
        self.processes = contextlib.ExitStack()
        self.env: dict[str, str] = {
            **SECRETS,
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "EARMARK_DATA": str(folder / "var"),
        }

    # -- configuration --------------------------------------------------------------------------------------------

    def reddit(self, name: str = "talk", every: str = "1h", **more: Any) -> dict[str, Any]:
        return {
            "name": name, "kind": "reddit", "every": every, "subreddits": [BRAND], "comments": False, "lookback": 10,
            "client_id_env": "T_REDDIT_ID", "client_secret_env": "T_REDDIT_SECRET",
            "base_url": self.town.urls["reddit"], **more,
        }  # fmt: skip

    def x(self, name: str = "posts", every: str = "1h", **more: Any) -> dict[str, Any]:
        return {
            "name": name, "kind": "x", "every": every, "query": BRAND, "bearer_token_env": "T_X_BEARER",
            "base_url": self.town.urls["x"], **more,
        }  # fmt: skip

    def feed(self, name: str = "news", every: str = "1h", file: str = "news.rss", **more: Any) -> dict[str, Any]:
        url = f"https://news.example/{file}"
        return {"name": name, "kind": "feed", "every": every, "url": url, "base_url": self.town.urls["feeds"], **more}

    def zendesk(self, name: str = "helpdesk", quiet: float = 0.3) -> dict[str, Any]:
        account = {"email": ACCOUNTS["zendesk"]["email"], "token_env": "T_ZENDESK_TOKEN"}
        return {"name": name, "kind": "zendesk", "base_url": self.town.urls["zendesk"], "quiet": quiet, **account}

    def configure(self, *channels_: Mapping[str, Any], desks: Sequence[Mapping[str, Any]] = (), **more: Any) -> None:
        """Write the configuration; JSON is YAML. Put in place whole, as an editor would."""
        document = {
            "topics": [{"name": BRAND, "any": [BRAND]}],
            "channels": list(channels_),
            "desks": list(desks),
            "rules": RULES,
            "settings": {"language": "en", "allow_hosts": ["127.0.0.1"]},
            **more,
        }
        beside = self.folder / "world.new"
        beside.write_text(json.dumps(document, indent=1))
        beside.rename(self.folder / "world.yaml")

    # -- processes ------------------------------------------------------------------------------------------------

    def scheduler(self, name: str = "scheduler", **env: str) -> Spawned:
        args = ["scheduler", "--config", str(self.folder)]
        return self.processes.enter_context(spawn_earmark(args, {**self.env, **env}, name=name))

    def worker(self, *args: str, fail: str = "", name: str = "worker", **env: str) -> Spawned:
        """`fail` names failpoints as workers/failpoints.py reads them; hits are kept in `fail_log`."""
        if fail:
            env |= {"EARMARK_FAILPOINTS": "1", "EARMARK_FAIL": fail, "EARMARK_FAIL_LOG": str(self.fail_log)}
        return self.processes.enter_context(spawn_earmark(["worker", *args], {**self.env, **env}, name=name))

    def start(self, workers: int = 1) -> list[Spawned]:
        """A scheduler and workers, ready."""
        started = [self.scheduler(), *(self.worker(name=f"worker-{n}") for n in range(workers))]
        started[0].wait_for_log("leading")
        for one_ in started[1:]:
            one_.wait_for_log("worker ready")
        return started

    def stop(self) -> None:
        self.processes.close()

    def hits_now(self) -> list[str]:
        return self.fail_log.read_text().split() if self.fail_log.exists() else []

    def hits(self) -> list[str]:
        """The failpoints that were hit, printed: a test that never reached its point proves nothing."""
        found = self.hits_now()
        print("failpoints hit:", found)
        return found

    # -- acting and looking ---------------------------------------------------------------------------------------

    def talk(self, n: int, trouble: int = 4, authors: int = 7, start: int = 0) -> list[str]:
        """Posts about the brand: each `trouble`-th is one for a ticket and gets comments, each ninth is about something else."""
        made = []
        for i in range(start, start + n):
            own = _own_words(i)  # two posts of one author are no copies of each other
            said = f"northbank is {TROUBLE} again, {own}" if i % trouble == 0 else f"northbank opened a branch, {own}"
            if i % 9 == 8:
                said = f"something else entirely, {own}"
            made.append(self.town.post("reddit", said, author=f"user{i % authors}"))
            for k in range(2 if i % trouble == 0 else 0):
                text = f"my northbank card is {TROUBLE} too, {_own_words(1000 * (k + 1) + i)}"
                author = f"user{(i + k) % authors}"
                made.append(self.town.post("reddit", text, author=author, kind="t1", parent=made[-1 - k]))
        return made

    def poll(self, *names: str) -> None:
        """Ask for polls now, as `earmark poll NAME` does."""

        def ask(connection: Any) -> None:
            for name in names:
                id_ = channels.want(connection, name)
                assert id_ is not None, f"no channel {name}"
                self.ledger.notify(connection, f"poll:{id_}")

        self.ledger.run(ask)

    def ask(self, sql: str, **values: Any) -> Any:
        with self.ledger.begin() as connection:
            return one(connection, sql, **values)

    def rows(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        with self.ledger.begin() as connection:
            return [dict(row) for row in rows(connection, sql, **values)]

    def known(self, *names: str, timeout: float = PATIENCE) -> None:
        """Wait until the channels are in the ledger."""
        wanted = set(names)
        wait_until(lambda: wanted <= {r["name"] for r in self.rows("SELECT name FROM channels WHERE enabled")}, timeout)

    def pending(self) -> dict[str, int]:
        """What is still to be done; empty when all is quiet."""
        found = self.rows(
            "SELECT (SELECT count(*) FROM channels WHERE enabled AND (wanted_at IS NOT NULL OR lease IS NOT NULL)) AS polls, "
            "(SELECT count(*) FROM digests) AS digests, "
            "(SELECT count(*) FROM outbox WHERE state NOT IN ('done', 'dead')) AS owed"
        )[0]
        return {name: n for name, n in found.items() if n}

    def settle(self, timeout: float = 30) -> float:
        """Wait until nothing is left to do; the seconds it took."""
        started = time.monotonic()
        wait_until(lambda: not self.pending(), timeout, lambda: f"quiet; still {self.pending()}")
        return time.monotonic() - started

    def read_all(self, *names: str, timeout: float = 40) -> None:
        """Poll and wait until everything that came of it is done."""
        self.poll(*names)
        self.settle(timeout)

    # -- both ledgers ---------------------------------------------------------------------------------------------

    def check(
        self, *, rejected: int | None = None, suppressed: frozenset[str] = frozenset(), tickets: bool = True
    ) -> dict[str, Any]:
        """Nothing lost, nothing doubled, proof green. Returns the figures, for the test to look at."""
        figures = {
            name: self._platform(name, suppressed)
            for name in sorted({r["platform"] for r in self.town.ledger.served()})
        }
        bad = sum(f["rejected"] for f in figures.values())
        stored_rejects = self.ask("SELECT count(DISTINCT item_hash) FROM rejects")
        assert stored_rejects == (bad if rejected is None else rejected), (stored_rejects, figures)
        self._judged()
        if tickets:
            self._tickets()
        self._desk()
        with self.ledger.read() as connection:
            report = reconcile(connection)
        assert report.findings == [], "\n".join(map(str, report.findings))
        assert report.good
        print("both ledgers agree:", figures)
        return figures

    def _platform(self, name: str, suppressed: frozenset[str]) -> dict[str, int]:
        """Served = stored + rejected + not matching + suppressed, as disjoint sets of ids."""
        served = [row for row in self.town.ledger.served() if row["platform"] == name]
        sent = {row["root"] for row in served if not row["malformed"]}
        bad = {row["native_id"] for row in served if row["malformed"]}
        ours = "feed" if name == "feeds" else name
        listed = [r["native_id"] for r in self.rows("SELECT native_id FROM mentions WHERE platform = :p", p=ours)]
        stored = set(listed)
        assert len(listed) == len(stored), f"{name}: an id is stored twice"
        # an item the town spoilt but that could be read all the same (no author) is stored like any other
        readable = bad & stored
        missing = sent - stored
        texts = {p["native_id"]: f"{p['title'] or ''}\n{p['text']}".lower() for p in self.town.ledger.posts(name)}
        matching = {id_ for id_ in missing if BRAND in texts.get(id_, "")}
        assert matching == missing & suppressed, f"{name}: lost {sorted(matching - suppressed)[:10]}"
        assert stored <= sent | readable, f"{name}: invented {sorted(stored - sent - readable)[:10]}"
        assert not stored & suppressed, f"{name}: suppressed, yet stored"
        return {
            "served": len(sent | bad), "stored": len(stored), "rejected": len(bad - readable),
            "not_matching": len(missing - matching), "suppressed": len(matching),
        }  # fmt: skip

    def _judged(self) -> None:
        """Every mention has exactly one verdict or dead letter at its version; the queue is empty."""
        wrong = self.rows(
            "SELECT m.id, m.version, (SELECT count(*) FROM verdicts v WHERE v.mention_id = m.id AND v.version = m.version) "
            "+ (SELECT count(*) FROM dead_letters d WHERE d.kind = 'digest' AND d.ref_id = m.id AND d.version = m.version) AS n "
            "FROM mentions m"
        )
        assert [row for row in wrong if row["n"] != 1] == []
        assert self.ask("SELECT count(*) FROM digests") == 0

    def _tickets(self) -> None:
        """Every conversation the town's talk asks for is in one ticket per customer, with others only where the same was said."""
        doubled = self.rows(
            "SELECT conversation, customer_id, count(*) AS n FROM ticket_conversations GROUP BY 1, 2 HAVING count(*) > 1"
        )
        assert doubled == []
        asked = {
            (post["platform"], post["native_id"]): post["author"]
            for post in self.town.ledger.posts()
            if TROUBLE in f"{post['title'] or ''} {post['text']}".lower() and not post["deleted"]
        }
        stored = self.rows(
            "SELECT m.platform, m.native_id, m.context, v.outcome FROM mentions m "
            "LEFT JOIN verdicts v ON v.mention_id = m.id AND v.version = m.version WHERE m.deleted_at IS NULL"
        )
        judged = [row for row in stored if row["outcome"] is not None]
        wanted = {
            (row["platform"], row["context"], asked[key])
            for row in judged
            if (key := ("feeds" if row["platform"] == "feed" else row["platform"], row["native_id"])) in asked
        }
        held = self.ask("SELECT count(*) FROM ticket_conversations WHERE conversation NOT LIKE 'case:%'")
        assert held == len(wanted), (
            f"{held} conversations in tickets for {len(wanted)} pairs of customer and conversation"
        )
        count = self.ask(
            "SELECT count(*) FROM tickets t WHERE EXISTS (SELECT 1 FROM ticket_mentions l WHERE l.ticket_id = t.id)"
        )
        assert count == len(wanted) - self._shared(), f"{count} tickets for {len(wanted)} pairs"

    def _shared(self) -> int:
        """How many conversations stand on a ticket of another one; each of their posts says what another of the ticket says."""
        said: dict[int, dict[str, str]] = {}
        for row in self.rows(
            "SELECT l.ticket_id, m.platform || m.origin || m.context AS conversation, m.name || ' ' || m.content AS text "
            "FROM ticket_mentions l JOIN mentions m ON m.id = l.mention_id ORDER BY m.id"
        ):
            said.setdefault(row["ticket_id"], {}).setdefault(row["conversation"], normal(row["text"]))
        for ticket, texts in said.items():
            for conversation, text in texts.items():
                others = [other for key, other in texts.items() if key != conversation]
                assert not others or any(alike(text, other) for other in others), (
                    f"ticket {ticket} holds what is no copy"
                )
        return sum(len(texts) - 1 for texts in said.values())

    def _desk(self) -> None:
        """What the desk holds is what we filed: a ticket for each of ours, a comment for each we owe, none twice."""
        done = self.rows(
            "SELECT o.kind, count(*) AS n FROM outbox o JOIN targets t ON t.name = o.target "
            "WHERE t.kind = 'zendesk' AND o.state = 'done' GROUP BY 1"
        )
        owed = Counter({row["kind"]: row["n"] for row in done})
        desk = self.town.ledger.summary()["desks"]["zendesk"]
        assert desk["tickets"] == desk["distinct"] == owed["ticket.create"], (desk, owed)
        assert desk["comments"] == owed["ticket.comment"], (desk, owed)
        numbers = {
            f"em-{r['number']}-helpdesk"
            for r in self.rows("SELECT number FROM tickets WHERE 'helpdesk' = ANY(targets)")
        }
        remote = {str(t["external_id"]).removesuffix("-create") for t in self.town.ledger.tickets()}
        assert remote == numbers, (sorted(remote ^ numbers)[:10], len(remote), len(numbers))


class Keeper:
    """Starts a process again when it ends, at most once a second, as `earmark up` does. Keeps count."""

    def __init__(self, start: Callable[[], Spawned]) -> None:
        self._start = start
        self.started: list[Spawned] = [start()]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._mend, daemon=True)

    def __enter__(self) -> "Keeper":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    @property
    def current(self) -> Spawned:
        return self.started[-1]

    def _mend(self) -> None:
        while not self._stop.wait(0.2):
            if not self.current.running and not self._stop.wait(0.8):
                self.started.append(self._start())


@contextlib.contextmanager
def world_on(database_url: str, redis_url: str, **town: Any) -> Iterator[World]:
    """A world on a database and a broker that are there; its processes are killed at the end."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    folder = Path(tempfile.mkdtemp(prefix="earmark-world-"))
    try:
        with Town(**{"seed": 7, **town}) as made:
            world = World(database_url, redis_url, folder, made)
            try:
                yield world
            finally:
                world.stop()
                world.ledger.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def fresh_world(base_url: str, template: str, redis_url: str, **town: Any) -> Iterator[World]:
    """A world with a database of its own, copied from the migrated template."""
    name = f"world_{time.monotonic_ns()}"
    url = create_database(base_url, name, template)
    try:
        with world_on(url, redis_url, **town) as world:
            yield world
    finally:
        drop_database(base_url, name)


def queued(redis_url: str) -> dict[str, int]:
    """Messages waiting in each queue of the doorbell."""
    with redis.Redis.from_url(redis_url) as client:
        return {key.decode(): client.llen(key) for key in client.keys("earmark:*") if client.type(key) == b"list"}
