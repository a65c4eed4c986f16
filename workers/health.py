"""The health step: raise one alarm per channel and episode, owe it to the alert routes, close it when the channel is well again.

What calls for an alarm is decided in domain/health.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection

import config
from domain import health
from domain.health import Alarm, Reading
from storage import alarms, escalations, outbox, runs
from storage.alarms import Newest
from storage.ledger import Ledger

log = structlog.get_logger()


@dataclass(slots=True)
class Memory:
    """What need not be asked again: up to which page new items were looked for, and each silent channel's habit, which does
    not change while it is silent."""

    newest: dict[int, Newest] = field(default_factory=dict)
    habits: dict[int, tuple[datetime, timedelta | None]] = field(default_factory=dict)


class Health:
    """Looks at every channel, round after round."""

    def __init__(self) -> None:
        self._memory = Memory()

    def look(self, ledger: Ledger, current: config.Config, worker: str, now: datetime | None = None) -> set[str]:
        """One look; returns the targets that are owed an alert."""
        routes = [target.name for target in current.alerts if target.enabled]
        url = current.settings.console_url
        at = now or datetime.now(UTC)
        return ledger.run(lambda c: look(c, self._memory, routes, worker, url, at))


def look(
    connection: Connection, memory: Memory, routes: Sequence[str], worker: str, console_url: str, now: datetime
) -> set[str]:
    """Close what is over, raise what is new, in one transaction."""
    if not alarms.alone(connection):
        return set()
    found = alarms.readings(connection, memory.newest)
    memory.newest = {id_: newest for id_, _, newest in found.values()}
    standing: set[tuple[str, str]] = set()
    run = None
    owed: set[str] = set()
    for flag in alarms.open_alarms(connection):
        name = flag["series"].removeprefix(alarms.SERIES)
        reading = found[name][1] if name in found else None
        if not health.over(flag["kind"], flag["window_start"], reading):
            standing.add((name, flag["kind"]))
            continue
        run = run or runs.start(connection, "upkeep", worker)
        owed |= _close(connection, run, flag, name, reading, routes, console_url)
    for name, (id_, reading, _) in found.items():
        alarm = _alarm(connection, id_, reading, memory, now)
        if alarm is None or (name, alarm.kind) in standing or _told(alarm, name, standing):
            continue
        run = run or runs.start(connection, "upkeep", worker)
        owed |= _open(connection, run, alarm, name, routes, console_url, now)
    if run is not None:
        runs.finish(connection, run)
    return owed


def _told(alarm: Alarm, name: str, standing: set[tuple[str, str]]) -> bool:
    """A refused credential also fails for a day: that is the same trouble."""
    return alarm.kind == "failing" and (name, "credential") in standing


def _alarm(connection: Connection, id_: int, reading: Reading, memory: Memory, now: datetime) -> Alarm | None:
    alarm = health.trouble(reading, now)
    if alarm is not None or not health.may_be_silent(reading) or reading.last_new is None:
        return alarm
    known = memory.habits.get(id_)
    if known is None or known[0] != reading.last_new:
        known = reading.last_new, health.habit(alarms.arrivals(connection, id_), reading.interval)
        memory.habits[id_] = known
    return health.silence(reading, known[1])


def _open(
    connection: Connection,
    run: runs.Run,
    alarm: Alarm,
    name: str,
    routes: Sequence[str],
    console_url: str,
    now: datetime,
) -> set[str]:
    evidence = {
        "channel": name,
        "text": alarm.text,
        "advice": alarm.advice,
        "window": {"from": alarm.began.isoformat(), "to": now.isoformat()},
        "notices": 1,
    }
    if alarm.usual is not None:
        evidence["usual_minutes"] = alarm.usual.total_seconds() / 60
    minutes = (now - alarm.began).total_seconds() / 60
    flag = escalations.open_flag(
        connection, run, f"channel-{alarm.kind}", alarms.SERIES + name, alarm.began, alarm.severity, minutes, evidence,
        kind=alarm.kind,
    )  # fmt: skip
    if flag is None:  # this episode was told before
        return set()
    log.warning("channel alarm raised", flag_id=flag, kind=alarm.kind, channel=name)
    return _owe(connection, run, "flag.open", flag, 1, alarm.kind, name, alarm.severity, evidence, routes, console_url)


def _close(
    connection: Connection,
    run: runs.Run,
    flag: Mapping[str, Any],
    name: str,
    reading: Reading | None,
    routes: Sequence[str],
    console_url: str,
) -> set[str]:
    escalations.close_flag(connection, flag["id"])
    said = "The channel is read again." if reading else "The channel is paused or switched off: nobody is waited for."
    if reading and flag["kind"] == "silence":
        said = "Something new has come."
    evidence = {**flag["evidence"], "text": said, "advice": ""}
    log.info("channel alarm closed", flag_id=flag["id"], kind=flag["kind"], channel=name)
    n = int(flag["evidence"].get("notices", 1)) + 1
    return _owe(
        connection, run, "flag.close", flag["id"], n, flag["kind"], name, flag["severity"], evidence, routes, console_url
    )  # fmt: skip


def _owe(
    connection: Connection,
    run: runs.Run,
    what: str,
    flag: int,
    n: int,
    kind: str,
    name: str,
    severity: int,
    evidence: Mapping[str, Any],
    routes: Sequence[str],
    console_url: str,
) -> set[str]:
    """The notice has the fields of every flag; those of a series are empty, `text` and `advice` say it in words."""
    body = {
        "id": flag,
        "rule": f"channel-{kind}",
        "kind": kind,
        "series": alarms.SERIES + name,
        "channel": name,
        "severity": severity,
        "window": evidence["window"],
        "count": None,
        "baseline": None,
        "threshold": None,
        "text": evidence["text"],
        "advice": evidence["advice"],
        "samples": [],
        "url": f"{console_url}/flags/{flag}",
    }
    effects = [outbox.Effect(route, what, f"em-f{flag}-{n}-{route}", body, escalation_id=flag) for route in routes]
    outbox.owe_many(connection, run, effects)
    return {effect.target for effect in effects}
