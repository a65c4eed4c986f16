"""The watch step: see where each series stands, raise, update and close flags, fold them, and decide who is told.

The detector is domain's (`domain/live.py`), what it needs is read by `workers/lookout.py`; this page files what it says.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

import structlog
from sqlalchemy import Connection

import config
from domain import alerting, flag_life, kinds, severity, spikes
from domain.live import Heard, Standing, bin_of
from domain.rules import SpikeRule
from storage import counts, escalations, filed, finer, incidents, pages, runs
from storage.ledger import Ledger
from workers import evidence, tell, urgent
from workers.lookout import Key, Lookout, name
from workers.tick import Tick

log = structlog.get_logger()

MINUTE = timedelta(minutes=1)
_LOOKOUTS: WeakKeyDictionary[Ledger, Lookout] = WeakKeyDictionary()


def watch(
    ledger: Ledger, current: config.Config, worker: str, now: datetime | None = None, key: bytes = b""
) -> set[str]:
    """Look at every series once; returns the targets that are owed an alert. `key` signs the links in notices."""
    lookout = _LOOKOUTS.setdefault(ledger, Lookout())
    try:
        return ledger.run(lambda c: tick(c, lookout, current, now or datetime.now(UTC), worker, key))
    except BaseException:
        _LOOKOUTS.pop(ledger, None)  # what it remembers may be of a transaction that never was
        raise


def tick(
    connection: Connection, lookout: Lookout, current: config.Config, now: datetime, worker: str, key: bytes = b""
) -> set[str]:
    """One look. Whoever comes second leaves it to the first."""
    if not escalations.alone(connection):
        return set()
    at = Tick(connection, current, now, worker, key)
    filed_since = filed.since_last(connection, now)
    finer.count(connection, filed_since)
    flags = {(row["rule"], row["series"]): row for row in escalations.standing(connection)}
    waiting = pages.waiting(connection)
    for rule, key, standing in lookout.tick(connection, current, now, flags.keys() | waiting):
        _act(at, rule, key, standing, flags.get((rule.name, name(key))), (rule.name, name(key)) in waiting)
    for rule, key, when in lookout.missed:
        _missed(at, rule, key, when)
    _others(at, lookout, flags)
    urgent.look(at, filed_since)
    tell.due(at)
    tell.acknowledged(at)
    desks = [incidents.Desk(d.name, d.when.teams, d.when.priorities) for d in current.desks if d.enabled]
    opened = incidents.open_tickets(connection, worker, current.settings.console_url, current.default_team, desks)
    at.owed |= opened.targets
    escalations.end_incidents(connection)
    if at.run is not None:
        runs.finish(connection, at.run)
    return at.owed


def _others(at: Tick, lookout: Lookout, flags: Mapping[tuple[str, str], Any]) -> None:
    """Share, silence and drift: one flag while it lasts, a day each at most."""
    empty = Heard({}, {})
    for rule in at.current.escalations:
        if rule.kind in ("spike", "mention"):
            continue
        for topic in at.current.topics:
            if rule.topics and topic.name not in rule.topics:
                continue
            everything = lookout.known.get((topic.name, "", "all"), empty)
            negative = lookout.known.get((topic.name, "", "negative"), empty)
            if rule.kind == "drift":
                sign = kinds.drift(*lookout.mood(at.connection, topic.name, at.now), rule.floor)
            else:
                sign = _sign(rule, everything, negative, bin_of(at.now))
            _other(at, rule, topic.name, sign, flags)


def _sign(rule: SpikeRule, everything: Heard, negative: Heard, now: int) -> kinds.Sign | None:
    if rule.kind == "share":
        return kinds.share(negative.live, everything.live, now, rule.share, rule.floor)
    return kinds.silence(everything.live, everything.dark, now, rule.silence)


def _other(
    at: Tick, rule: SpikeRule, topic: str, sign: kinds.Sign | None, flags: Mapping[tuple[str, str], Any]
) -> None:
    series = f"{topic}/{rule.kind}"
    last = flags.get((rule.name, series))
    if last is not None and last["state"] == "open":
        if sign is None:
            escalations.close_flag(at.connection, last["id"])
            n = int(last["evidence"].get("notices", 1)) + 1
            tell.flag(at, "flag.close", last["id"], rule, topic, series, last["severity"], last["evidence"], n)
        return
    if sign is None:
        return
    if last is not None and at.now < last["opened_at"] + timedelta(days=1):
        pages.keep_once(at.connection, last["id"], "flag.open", "again within a day of this flag", at.now)
        return
    until = at.now.replace(second=0, microsecond=0)
    about = counts.About(topic, "", rule.kind != "silence")
    found = counts.samples(at.connection, about, until - timedelta(hours=2), until, evidence.SAMPLES)
    shown = {
        "window": {"from": (until - timedelta(hours=2)).isoformat(), "to": until.isoformat()},
        "text": sign.text, "count": sign.count, "baseline": round(sign.baseline, 2), "threshold": round(sign.threshold, 2),
        "score": round(sign.score, 4), "detector": spikes.VERSION, "rule_version": at.current.hash[:12], "notices": 1,
        "samples": [{"mention_id": r["id"], **{k: r[k] for k in ("platform", "url", "author", "text")}} for r in found],
        "baseline_adapts": evidence.adapting(at, topic),
        "gaps": evidence.gaps(at.connection, at.now - timedelta(days=1)),
    }  # fmt: skip
    level = severity.severity(sign.score, 360, 0, int(sign.count))
    flag = escalations.open_flag(
        at.connection, at.running(), rule.name, series, until, level, sign.count, shown, kind=rule.kind
    )
    if flag is not None:
        escalations.join_incident(at.connection, flag, topic)
        tell.flag(at, "flag.open", flag, rule, topic, series, level, shown, 1)


def _act(at: Tick, rule: SpikeRule, key: Key, standing: Standing, row: Any | None, waiting: bool) -> None:
    last = None
    if row is not None:
        last = flag_life.Last(row["state"] == "open", row["scale"], row["peak"], row["window_start"])
    match flag_life.act(standing, last, waiting, rule.threshold, float(rule.floor)):
        case "open":
            _open(at, rule, key, standing)
        case "update" if row is not None and last is not None:
            _update(at, rule, key, row, standing, last.now(standing), last.scale)
        case "sharper" if row is not None:
            _update(at, rule, key, row, standing, standing.count, standing.scale)
        case "close" if row is not None:
            _close(at, row, standing)
        case "same" if row is not None:
            pages.keep_once(at.connection, row["id"], "flag.open", "the event of this flag goes on", at.now)
        case "over":
            pages.waited(at.connection, rule.name, name(key), at.now)


def _open(at: Tick, rule: SpikeRule, key: Key, standing: Standing) -> None:
    shown = evidence.of_spike(at, rule, key, standing)
    if reason := alerting.not_yet(shown, rule.authors):
        log.info("flag held", rule=rule.name, series=name(key), reason=reason)
        pages.wait(at.connection, rule.name, name(key), reason, at.now)
        return
    pages.waited(at.connection, rule.name, name(key), at.now)
    level = severity.severity(standing.score, standing.scale, shown["reach"], shown["authors"])
    flag = escalations.open_flag(
        at.connection, at.running(), rule.name, name(key), standing.at, level, standing.count, {**shown, "notices": 1},
        scale=standing.scale,
    )  # fmt: skip
    if flag is None:
        return
    log.warning("flag raised", flag_id=flag, rule=rule.name, series=name(key), severity=level)
    folded = _folds(at, flag, key, shown)
    tell.flag(at, "flag.open", flag, rule, key[0], name(key), level, shown, 1, folded=folded)


def _folds(at: Tick, flag: int, key: Key, shown: Mapping[str, Any]) -> bool:
    """Whether what a flag says is told by another of its incident: the topic's for one of its platforms, for one intent a flag on the
    same one. Another intent is another matter."""
    incident, made = escalations.join_incident(at.connection, flag, key[0])
    if made:
        return False
    if "+" in key[2]:
        return shown["intent"] in escalations.intents(at.connection, incident, but=flag)
    return bool(key[1])


def _update(
    at: Tick, rule: SpikeRule, key: Key, last: Mapping[str, Any], standing: Standing, count: float, scale: int
) -> None:
    """A flag that stands tells again when it grew by half, or shows on a shorter scale."""
    n = int(last["evidence"].get("notices", 1)) + 1
    shown = {**evidence.of_spike(at, rule, key, standing), "notices": n}
    level = max(last["severity"], severity.severity(standing.score, standing.scale, shown["reach"], shown["authors"]))
    escalations.update_flag(at.connection, last["id"], level, count, shown, scale)
    tell.flag(at, "flag.update", last["id"], rule, key[0], last["series"], level, shown, n)


def _close(at: Tick, last: Mapping[str, Any], standing: Standing) -> None:
    escalations.close_flag(at.connection, last["id"])
    n = int(last["evidence"].get("notices", 1)) + 1
    rule = next((r for r in at.current.escalations if r.name == last["rule"]), SpikeRule(last["rule"]))
    topic = last["series"].partition("/")[0]
    shown = {**last["evidence"], "count": standing.count}
    tell.flag(at, "flag.close", last["id"], rule, topic, last["series"], last["severity"], shown, n)
    log.info("flag closed", flag_id=last["id"], rule=last["rule"], series=last["series"])


def _missed(at: Tick, rule: SpikeRule, key: Key, when: datetime) -> None:
    """A flag of a past that was read only now: written down as over, and nobody is told."""
    shown = {"window": {"from": when.isoformat(), "to": (when + 5 * MINUTE).isoformat()}, "late": True,
             "detector": spikes.VERSION, "gaps": evidence.gaps(at.connection, when), "notices": 0}  # fmt: skip
    flag = escalations.open_flag(at.connection, at.running(), rule.name, name(key), when, 1, 0.0, shown, closed=True)
    if flag is not None:
        tell.flag(at, "flag.open", flag, rule, key[0], name(key), 1, shown, 1, late=True)
