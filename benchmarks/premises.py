"""A whole Earmark for a benchmark: servers of its own, the model town, the shipped configuration, real processes, and their bill.

What is not counted: the town (it lives in this process) and the scheduler (it is reported apart).
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import yaml

from storage import channels, configurations, migrate
from storage.ledger import Ledger, raw_url
from town.accounts import ACCOUNTS
from town.server import Town
from workers import services

SHIPPED = Path(__file__).resolve().parents[1] / "config"
EARMARK = Path(sys.executable).with_name("earmark")


@dataclass(slots=True)
class Bill:
    """CPU seconds so far: of the worker processes, of PostgreSQL with every process it ever had, of the scheduler."""

    client: float
    postgres: float
    scheduler: float

    def since(self, earlier: "Bill") -> "Bill":
        return Bill(self.client - earlier.client, self.postgres - earlier.postgres, self.scheduler - earlier.scheduler)


def seconds_of(pid: int) -> float:
    """CPU of a process, its children, and those of its children that have ended."""
    process = psutil.Process(pid)
    total = sum(sum(child.cpu_times()[:4]) for child in _children(process))
    return total + sum(process.cpu_times()[:4])


def _children(process: psutil.Process) -> list[psutil.Process]:
    return [child for child in process.children(recursive=True) if child.is_running()]


class Site:
    """Running servers and processes. `settings` are laid over the shipped ones; `every` is how often channels are polled."""

    def __init__(self, home: Path, town: Town, language: str, every: str, postgres: Sequence[str] = ()) -> None:
        self.home, self.town, self.every = home, town, every
        self.services = services.start(home)
        if postgres:
            self._set(postgres)
        migrate.upgrade(self.services.database_url)
        self.ledger = Ledger(self.services.database_url, name="benchmark", pool=1)
        self.asking = psycopg.connect(raw_url(self.services.database_url), autocommit=True)
        self.files = home / "config"
        self.configure(language)
        self.env = {
            **os.environ,
            "DATABASE_URL": self.services.database_url,
            "REDIS_URL": self.services.redis_url,
            "EARMARK_SECRET": secrets.token_hex(16),
            "EARMARK_LOG_LEVEL": "warning",
            "TOWN_REDDIT_ID": ACCOUNTS["reddit"]["client_id"],
            "TOWN_REDDIT_SECRET": ACCOUNTS["reddit"]["client_secret"],
            "TOWN_X": ACCOUNTS["x"]["bearer"],
        }
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.spent = 0.0  # by workers that have ended

    def _set(self, lines: Sequence[str]) -> None:
        place = services.service_place.load(self.home)
        services.stop(self.home)
        with (place.postgres / "postgresql.conf").open("a") as settings:
            settings.write("\n".join(["", *lines, ""]))
        self.services = services.start(self.home)

    def configure(self, language: str) -> None:
        """The shipped configuration, with the town's channels and the language; where one is named, scored by VADER."""
        self.files.mkdir(exist_ok=True)
        for source in SHIPPED.glob("*.yaml"):
            shutil.copy(source, self.files)
        settings = yaml.safe_load((SHIPPED / "settings.yaml").read_text())
        settings["settings"] |= {"language": language, "allow_hosts": ["127.0.0.1"]}
        if language != "auto":
            settings["settings"]["scorer"] = "vader"
        (self.files / "settings.yaml").write_text(yaml.safe_dump(settings))
        common = {"every": self.every}
        reddit = {
            "subreddits": ["northbank"],
            "client_id_env": "TOWN_REDDIT_ID",
            "client_secret_env": "TOWN_REDDIT_SECRET",
        }
        wanted = [
            {"name": "reddit", "kind": "reddit", **common, **reddit, "base_url": self.town.urls["reddit"]},
            {
                "name": "x",
                "kind": "x",
                **common,
                "query": "northbank",
                "bearer_token_env": "TOWN_X",
                "base_url": self.town.urls["x"],
            },
            {"name": "news", "kind": "feed", **common, "url": f"{self.town.urls['feeds']}/news.rss"},
        ]
        (self.files / "channels.yaml").write_text(yaml.safe_dump({"channels": wanted}))
        desks = yaml.safe_load((SHIPPED / "desks.yaml").read_text())
        desks["desks"][0]["path"] = str(self.home / "desk.jsonl")
        (self.files / "desks.yaml").write_text(yaml.safe_dump(desks))

    # -- processes --------------------------------------------------------------------------------------------------

    def start(self, name: str, *args: str) -> None:
        with (self.home / "processes.log").open("ab") as log:
            command = [str(EARMARK), *(args or (name,))]
            self.running[name] = subprocess.Popen(command, env=self.env, stdout=log, stderr=log, start_new_session=True)

    def scheduler(self) -> None:
        self.start("scheduler", "scheduler", "--config", str(self.files))
        self.wait(lambda: self.number("SELECT count(*) FROM channels") >= 3, 30, "the scheduler")

    def worker(self, name: str, *kinds: str) -> None:
        """One that does these kinds of work alone, or all of them."""
        self.start(name, "worker", *(part for kind in kinds for part in ("--only", kind)))

    def end(self, name: str) -> None:
        process = self.running.pop(name)
        if name != "scheduler":
            self.spent += seconds_of(process.pid)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:  # its servers are to be removed all the same
            process.kill()
            process.wait(20)

    def close(self) -> None:
        for name in list(self.running):
            self.end(name)
        self.asking.close()
        self.ledger.close()
        services.remove(self.home)

    # -- looking ----------------------------------------------------------------------------------------------------

    def number(self, sql: str) -> float:
        found = self.asking.execute(sql).fetchone()
        return float(found[0] or 0) if found else 0.0

    def stored(self) -> int:
        return int(self.number("SELECT sum(new) FROM page_counters"))

    def filed(self) -> int:
        return int(self.number("SELECT sum(verdicts) FROM runs"))

    def setting(self, name: str) -> str:
        """Of the configuration in force."""
        with self.ledger.begin() as connection:
            found = configurations.in_force(connection)
        return str(found.document["settings"].get(name, "as shipped")) if found else ""

    def bill(self) -> Bill:
        postmaster = next(one["pid"] for one in services.status(self.home) if one["name"] == "postgres")
        client = sum(seconds_of(child.pid) for name, child in self.running.items() if name != "scheduler")
        scheduler = seconds_of(self.running["scheduler"].pid) if "scheduler" in self.running else 0.0
        return Bill(self.spent + client, seconds_of(int(str(postmaster))), scheduler)

    def wait(self, condition: Callable[[], bool], patience: float, what: str, every: float = 0.05) -> None:
        """`every`: seconds between two looks, which cost PostgreSQL something that is on the bill."""
        until = time.monotonic() + patience
        while not condition():
            if time.monotonic() > until:
                log = (self.home / "processes.log").read_text(errors="replace")[-3000:]
                raise SystemExit(f"{what}: not within {patience:.0f} s; the processes said last:\n{log}")
            time.sleep(every)

    # -- the town ---------------------------------------------------------------------------------------------------

    def post(self, posts: Mapping[str, Sequence[str]], start: float, step: float) -> None:
        """Let people write, while nobody reads."""
        self.ledger.run(lambda c: channels.pause_all(c, True))
        for platform, texts in posts.items():
            about = {"origin": "northbank", "kind": "t1", "parent": "t3_1"} if platform == "reddit" else {}
            self.town.preload(platform, texts, start=start, step=step, **about)

    def read(self) -> None:
        """Let the channels be polled again, now."""
        self.ledger.run(lambda c: channels.pause_all(c, False))
        for name in ("reddit", "x"):
            self.ledger.run(lambda c, name=name: channels.want(c, name))
        self.asking.execute("NOTIFY earmark, 'deliver'")


@contextmanager
def site(language: str = "auto", every: str = "5s", postgres: Sequence[str] = ()) -> Iterator[Site]:
    """A site in a temporary folder, gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="earmark-bench-"))
    home.chmod(0o711)
    with Town(record_served=False, options={"reddit_depth": 10**9, "reddit_disorder": 0.0}) as town:
        made = Site(home, town, language, every, postgres)
        try:
            yield made
        finally:
            made.close()
            shutil.rmtree(home, ignore_errors=True)
