"""What is wrong with an installation and what to do next: rules over facts that were gathered elsewhere. No I/O, no clock."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

Severity = Literal["error", "warning"]

SILENT_WORKER = 15.0  # seconds without a sign of life
OLD_BACKLOG = timedelta(minutes=5)
OLD_OUTBOX = timedelta(minutes=15)
SKEW = timedelta(seconds=2)
LITTLE_DISK = 0.10
NO_DISK = 0.03
LATE_INTERVALS = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to see to. `check` names what was looked at."""

    check: str
    severity: Severity
    text: str
    advice: str


@dataclass(frozen=True, slots=True)
class ChannelFacts:
    """A channel as its health page shows it."""

    name: str
    state: str
    error: str = ""
    advice: str = ""
    lag: float | None = None
    interval: float = 60.0


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """A desk or alert route: blocked (why), resting until its breaker closes, and how long the oldest effect waits."""

    name: str
    blocked: str = ""
    resting: bool = False
    error: str = ""
    oldest: float = 0.0
    dead: int = 0


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """A folder and the share of its disk that is free."""

    what: str
    path: str
    free: float
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that was looked at. What could not be looked at, because the database is away, is left at its default."""

    database: str = ""  # why it does not answer
    schema: str = ""
    schema_wanted: str = ""
    broker: str = ""  # why it does not answer
    embedded_down: Sequence[str] = ()
    complaints: Sequence[str] = ()
    warnings: Sequence[str] = ()
    refused: str = ""
    in_force: bool = True
    leader: bool = True
    schedulers: int = 1
    workers: int = 1
    digest_threads: int = 1
    channels: Sequence[ChannelFacts] = ()
    targets: Sequence[TargetFacts] = ()
    pending: int = 0
    backlog: float = 0.0  # seconds the oldest mention waits
    dead: int = 0
    rejected: int = 0
    skew: float = 0.0
    disks: Sequence[DiskFacts] = field(default_factory=tuple)
    users: int = 1


CHECKS = (
    "database", "schema", "broker", "configuration", "processes", "channels", "targets", "backlog", "dead letters",
    "clock", "disk", "users",
)  # fmt: skip


def unseen(facts: Facts) -> tuple[str, ...]:
    """Checks that could not be made, because what they look into is away."""
    if not facts.database and facts.schema == facts.schema_wanted:
        return ()
    hidden = ("processes", "channels", "targets", "backlog", "dead letters", "users")
    return ("schema", *hidden, "clock") if facts.database else hidden


def diagnose(facts: Facts) -> list[Finding]:
    """Every finding, errors first, in the order of CHECKS."""
    found = [*_base(facts), *_configuration(facts)]
    if not facts.database and facts.schema == facts.schema_wanted:
        found += [*_processes(facts), *_channels(facts), *_targets(facts), *_work(facts)]
    found += _machine(facts)
    return sorted(found, key=lambda one: (one.severity != "error", CHECKS.index(one.check)))


def _base(facts: Facts) -> Iterator[Finding]:
    for name, check in (("postgres", "database"), ("valkey", "broker")):
        if name in facts.embedded_down:
            advice = "Start it with everything else: `earmark up`. Alone: `earmark services start`."
            yield Finding(check, "error", f"The embedded {name} does not run.", advice)
    if facts.database and "postgres" not in facts.embedded_down:
        yield Finding(
            "database", "error", f"The database does not answer: {facts.database}.",
            "Is DATABASE_URL right and PostgreSQL up? Nothing is lost meanwhile: platforms are read on from where we were.",
        )  # fmt: skip
    if not facts.database and facts.schema != facts.schema_wanted:
        yield Finding(
            "schema", "error",
            f"The database is at schema {facts.schema or 'none'}; this version wants {facts.schema_wanted}.",
            "Start any of `earmark up`, `earmark scheduler`, `earmark status` of this version: they migrate. A newer database "
            "wants a newer Earmark.",
        )  # fmt: skip
    if facts.broker and "valkey" not in facts.embedded_down:
        yield Finding(
            "broker", "error", f"The broker does not answer: {facts.broker}.",
            "Is REDIS_URL right and Redis or Valkey up? The ledger keeps all work; it goes on when the broker is back.",
        )  # fmt: skip


def _configuration(facts: Facts) -> Iterator[Finding]:
    for text in facts.complaints:
        yield Finding(
            "configuration", "error", text, "`earmark check` shows each place; the last good one stays in force."
        )
    for text in facts.warnings:
        yield Finding("configuration", "warning", text, "Set it, or switch off what needs it.")
    if facts.refused and not facts.complaints:
        yield Finding(
            "configuration", "error", f"The scheduler refused the latest edit: {facts.refused.splitlines()[0]}",
            "`earmark check` where the scheduler runs shows each place; the last good one stays in force.",
        )  # fmt: skip
    if not facts.in_force and not facts.database:
        yield Finding(
            "configuration", "error", "No configuration is in force yet.", "Start `earmark up` or `earmark scheduler`."
        )


def _processes(facts: Facts) -> Iterator[Finding]:
    if not facts.leader:
        advice = (
            "A scheduler runs and does not lead: its log says why."
            if facts.schedulers
            else "Start `earmark scheduler`, or `earmark up` for everything."
        )
        yield Finding("processes", "error", "No scheduler leads: nothing becomes due.", advice)
    if not facts.workers:
        yield Finding(
            "processes", "error", "No worker lives: nothing is read, judged or delivered.",
            "Start `earmark worker`, one per processor, or `earmark up` for everything.",
        )  # fmt: skip
    elif not facts.digest_threads:
        yield Finding(
            "processes", "error", "No worker judges: each was started with --digest-threads 0.",
            "Start one `earmark worker` with the default.",
        )  # fmt: skip


def _channels(facts: Facts) -> Iterator[Finding]:
    for one in facts.channels:
        if one.state == "stopped":
            yield Finding(
                "channels", "error", f"{one.name} has stopped: {one.error}",
                f"{one.advice or 'Correct what it says.'} Then: earmark resume {one.name}",
            )  # fmt: skip
        elif one.state == "failing":
            yield Finding(
                "channels", "warning", f"{one.name} fails: {one.error}", one.advice or "It tries again by itself."
            )
        elif one.state in ("reading", "late") and (one.lag or 0) > max(60.0, LATE_INTERVALS * one.interval):
            yield Finding(
                "channels", "warning",
                f"{one.name} was last read {words(one.lag or 0)} ago, with an interval of {words(one.interval)}.",
                "Do workers live, and have they threads to spare? More --poll-threads, or more workers.",
            )  # fmt: skip


def _targets(facts: Facts) -> Iterator[Finding]:
    for one in facts.targets:
        if one.blocked:
            yield Finding(
                "targets", "error", f"{one.name} is blocked: {one.blocked}",
                f"Correct what it says, then: earmark resume {one.name}. What is owed waits and is kept.",
            )  # fmt: skip
        elif one.oldest > OLD_OUTBOX.total_seconds():
            yield Finding(
                "targets", "warning", f"{one.name} has been owed something for {words(one.oldest)}"
                + (f": {one.error}" if one.error else "."),
                "It is tried again by itself." if one.resting or one.error else "Do workers with --deliver-threads live?",
            )  # fmt: skip


def _work(facts: Facts) -> Iterator[Finding]:
    if facts.backlog > OLD_BACKLOG.total_seconds():
        yield Finding(
            "backlog", "warning", f"{facts.pending} mentions wait for their verdict, the oldest for {words(facts.backlog)}.",
            "Start more workers: one `earmark worker` per processor judges some hundred mentions a second.",
        )  # fmt: skip
    if facts.dead:
        yield Finding(
            "dead letters", "error", f"{facts.dead} dead letters wait for a person.",
            "`earmark dead list` says why; then `earmark dead retry NAME` or `earmark dead drop NAME`.",
        )  # fmt: skip
    if facts.rejected:
        yield Finding(
            "dead letters", "warning", f"{facts.rejected} items of platforms could not be read.",
            "`earmark dead list` shows them; after an update of Earmark `earmark dead retry NAME` reads one again.",
        )  # fmt: skip
    if not facts.users:
        yield Finding("users", "warning", "Nobody can log in yet.", "earmark users add you@example.org --role admin")


def _machine(facts: Facts) -> Iterator[Finding]:
    if abs(facts.skew) > SKEW.total_seconds():
        yield Finding(
            "clock", "warning", f"This machine's clock and the database's differ by {abs(facts.skew):.1f} s.",
            "Let both follow NTP. Leases and due times go by the database; webhook signatures and signed requests by this clock.",
        )  # fmt: skip
    for disk in facts.disks:
        if disk.free < LITTLE_DISK:
            yield Finding(
                "disk", "error" if disk.free < NO_DISK else "warning",
                f"{disk.free:.0%} of the disk of {disk.what} ({disk.path}) is free.",
                "PostgreSQL stops when its disk is full. Free some, or keep payloads for fewer days (settings: retention).",
            )  # fmt: skip


def words(seconds: float) -> str:
    """`40 s`, `12 min`, `3 h`, `9 days`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days"
