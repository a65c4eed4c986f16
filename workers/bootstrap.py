"""The one place of the worker processes that chooses: the ledger, the broker, the secret, the judge, the connectors.

Everything else is handed what it needs.
"""

import os
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection

import config
from config.base import seconds
from config.bench import bench
from config.secrets import SecretError
from config.secrets import secret as read_secret
from config.workbench import DEFAULT_LEVELS
from connectors import inbound, outbound
from connectors.contract import Context, Inbound, Outbound, Policy
from connectors.errors import Transient
from connectors.several import Several, expand
from domain.learning import Learned
from domain.query import tree
from domain.query_tree import either
from domain.rules import Topic
from storage import configurations, learning
from storage.desks import Listened
from storage.ledger import Ledger
from workers import services
from workers.file import Desk, Desktop
from workers.poll import Watched

log = structlog.get_logger()

REFRESH_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where this installation keeps things and whom it talks to."""

    database_url: str
    redis_url: str
    secret: bytes
    embedded: bool
    folder: Path


def place(folder: Path) -> Place:
    """DATABASE_URL and REDIS_URL when given, embedded services under `folder` otherwise."""
    database, redis_url = os.environ.get("DATABASE_URL", ""), os.environ.get("REDIS_URL", "")
    embedded = not (database and redis_url)
    if embedded:
        found = services.start(folder)
        database, redis_url = database or found.database_url, redis_url or found.redis_url
    return Place(database, redis_url, instance_secret(folder), embedded, folder)


def instance_secret(folder: Path) -> bytes:
    """The key under which erased people are remembered: EARMARK_SECRET, EARMARK_SECRET_FILE, or made once under `folder`."""
    if os.environ.get("EARMARK_SECRET") or os.environ.get("EARMARK_SECRET_FILE"):
        return read_secret("EARMARK_SECRET").encode()
    path = folder / "secret"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        for _ in range(50):  # another process made the file a moment ago and is about to fill it
            if kept := path.read_bytes():
                return kept
            time.sleep(0.1)
        raise RuntimeError(f"{path} is empty; delete it, or set EARMARK_SECRET") from None
    with os.fdopen(handle, "wb") as out:
        made = secrets.token_hex(32).encode()
        out.write(made)
    return made


@dataclass(slots=True)
class House:
    """One worker process's view: the ledger, and what the configuration in force means, refreshed every two seconds."""

    ledger: Ledger
    secret: bytes
    stopping: Callable[[], bool] = lambda: False
    _version: int = 0
    _checked: float = 0.0
    _config: config.Config | None = None
    _desktop: Desktop | None = None
    _taught: int = 0
    _learned: Learned | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def config(self) -> config.Config:
        """The configuration in force. Raises NotReady before the first one was accepted."""
        with self._lock:
            if self._config is None or time.monotonic() - self._checked > REFRESH_SECONDS:
                self._refresh()
            if self._config is None:
                raise NotReady("no configuration is in force yet: start `earmark scheduler` or `earmark up`")
            return self._config

    def _refresh(self) -> None:
        self._checked = time.monotonic()
        with self.ledger.begin() as connection:
            self._learn(connection)
            if configurations.version(connection) == self._version:
                return
            found = configurations.in_force(connection)
        if found is not None:
            self._config = config.load_document(found.document)
            self._version = found.id
            self._desktop = None

    def _learn(self, connection: Connection) -> None:
        """Take up a model that was put in force; a broken one is refused, and what is in force here stays."""
        version = learning.version(connection)
        if version == self._taught:
            return
        try:
            self._learned = learning.in_force(connection)
        except ValueError as error:
            log.error("learned model refused", model=version, error=str(error))
        else:
            self._desktop = None
        self._taught = version

    def desktop(self) -> Desktop:
        """What the digest step needs, made anew when the configuration changed."""
        current = self.config()
        with self._lock:
            if self._desktop is None:
                self._desktop = desktop(current, self._learned)
            return self._desktop

    def context(self) -> Context:
        return context(self.config(), self.stopping)

    def watched(self, name: str) -> Watched | None:
        """A configured, enabled channel by name."""
        current = self.config()
        found = next((c for c in current.channels if c.name == name and c.enabled), None)
        return watched(current, found) if found else None

    def target(self, name: str, opened: Callable[[Callable[[], None]], object]) -> Outbound | None:
        """A configured, enabled desk or alert route by name; `opened` as in Context."""
        current = self.config()
        found = next(
            (t for t in (*current.desks, *current.alerts, *current.events) if t.name == name and t.enabled), None
        )
        if found is None:
            return None
        module = outbound.load(found.kind)
        return module.Desk(module.Settings(**found.settings), replace(self.context(), opened=opened))


class NotReady(Exception):
    """The house has no configuration yet."""


def _secret(name: str) -> str:
    """A secret that is gone while we run, as when its file is being exchanged: the next try may find it."""
    try:
        return read_secret(name)
    except SecretError as error:
        raise Transient(str(error), sent=False, advice="Earmark goes on by itself once it is there") from error


def context(current: config.Config, stopping: Callable[[], bool] = lambda: False) -> Context:
    return Context(
        now=lambda: datetime.now(UTC),
        secret=_secret,
        allow_hosts=frozenset(current.settings.allow_hosts),
        stopping=stopping,
        imports=os.environ.get("EARMARK_IMPORTS", "imports"),
    )


def watched(current: config.Config, channel: Any) -> Watched:
    module = inbound.load(channel.kind)
    wanted = _wanted(current, channel)

    def connect(given: Context) -> Inbound:
        parts = {
            module.describe(settings): module.Connector(settings, given)
            for settings in readers(module, channel, wanted)
        }
        return Several(parts) if len(parts) > 1 else next(iter(parts.values()))

    return Watched(channel.name, wanted, channel.max_pages, connect)


def _wanted(current: config.Config, channel: Any) -> tuple[Topic, ...]:
    """The topics a channel feeds."""
    return tuple(t for t in current.topics if not channel.topics or t.name in channel.topics)


def readers(module: Any, channel: Any, topics: tuple[Topic, ...]) -> list[Any]:
    """The settings a channel is read by: its own, or a search each made from its topics' queries."""
    return expand(module, module.Settings(**channel.settings), either(*map(tree, topics)))


def policies() -> dict[str, Policy]:
    """Platform → what its terms let us do, of every installed connector."""
    modules = [inbound.load(kind) for kind in inbound.kinds()]
    return {module.PLATFORM: module.POLICY for module in modules}


def desktop(current: config.Config, learned: Learned | None = None) -> Desktop:
    levels = {level.priority: level for level in (*DEFAULT_LEVELS, *current.service_levels) if not level.team}
    judges = bench(current, learned)
    return Desktop(
        judge=judges.judge,
        asks_standing=judges.asks_standing,
        topics=tuple(topic.name for topic in current.topics),
        levels=levels,
        desks=tuple(Desk(desk.name, desk.when.teams, desk.when.priorities) for desk in current.desks if desk.enabled),
        linkable=frozenset(platform for platform, policy in policies().items() if policy.link),
        console_url=current.settings.console_url.rstrip("/"),
        same_case=seconds(current.casework.same_case) if current.casework.same_case else 0,
        reopen=seconds(current.casework.reopen),
    )


def channel_rows(current: config.Config) -> list[dict[str, Any]]:
    """Rows for storage.channels.sync: what is read (its hash is the spec) and when."""
    rows = []
    for channel in current.channels:
        module = inbound.load(channel.kind)
        said = " | ".join(module.describe(one) for one in readers(module, channel, _wanted(current, channel)))
        what = f"{channel.kind} {said} {','.join(channel.topics)}"
        every = f"every {channel.seconds}" if channel.seconds else f"cron {channel.cron} {channel.timezone}"
        rows.append(
            {
                "name": channel.name,
                "kind": channel.kind,
                "platform": module.PLATFORM,
                "schedule": every,
                "spec": sha256(what.encode()).hexdigest()[:16],
                "enabled": channel.enabled,
            }
        )
    return rows


def target_rows(current: config.Config) -> list[tuple[str, str, bool]]:
    """Rows for storage.targets.sync_targets."""
    return [(target.name, target.kind, target.enabled) for target in (*current.desks, *current.alerts, *current.events)]


def speaking_rows(current: config.Config) -> list[Listened]:
    """Rows for storage.desks.configure: desks that are listened to, for what, how often, and which custom fields they share."""
    found = []
    for desk in current.desks:
        module = outbound.load(desk.kind)
        settings = module.Settings(**desk.settings) if desk.enabled else None
        for what, ask in (("tickets", "two_way"), ("contacts", "contacts")):
            every = getattr(module, ask)(settings) if settings and hasattr(module, ask) else None
            if every is not None:
                shared = module.shared(settings) if what == "tickets" and hasattr(module, "shared") else ()
                found.append(Listened(desk.name, what, every, tuple(shared)))
    return found
