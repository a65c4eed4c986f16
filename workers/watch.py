"""The watch step: see where each series stands, raise, update and close flags, fold them, and decide who is told.

The detector is domain's (`domain/live.py`), what it needs is read by `workers/lookout.py`; this page files what it says.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

import structlog
from sqlalchemy import Connection

import config
from domain import kinds, severity, spikes, terms
from domain.board import SCALES
from domain.live import Heard, Standing, bin_of
from domain.rules import SpikeRule
from storage import counts, escalations, incidents, runs
from storage.ledger import Ledger
from workers import tell, urgent
from workers.lookout import Key, Lookout, name

log = structlog.get_logger()

MINUTE = timedelta(minutes=1)
SAMPLES = 5
TEXTS = 300  # read for the terms that grew
_LOOKOUTS: WeakKeyDictionary[Ledger, Lookout] = WeakKeyDictionary()


@dataclass(slots=True)
class Tick:
    """One look at everything, in one transaction."""

    connection: Connection
    current: config.Config
    now: datetime
    worker: str
    run: runs.Run | None = None
    owed: set[str] = field(default_factory=set)

    def running(self) -> runs.Run:
        self.run = self.run or runs.start(self.connection, "watch", self.worker)
        return self.run


def watch(ledger: Ledger, current: config.Config, worker: str, now: datetime | None = None) -> set[str]:
    """Look at every series once; returns the targets that are owed an alert."""
    lookout = _LOOKOUTS.setdefault(ledger, Lookout())
    try:
        return ledger.run(lambda c: tick(c, lookout, current, now or datetime.now(UTC), worker))
    except BaseException:
        _LOOKOUTS.pop(ledger, None)  # what it remembers may be of a transaction that never was
        raise


def tick(connection: Connection, lookout: Lookout, current: config.Config, now: datetime, worker: str) -> set[str]:
    """One look. Whoever comes second leaves it to the first."""
    if not escalations.alone(connection):
        return set()
    at = Tick(connection, current, now, worker)
    flags = {(row["rule"], row["series"]): row for row in escalations.standing(connection)}
    for rule, key, standing in lookout.tick(connection, current, now, _open_of(flags)):
        _act(at, rule, key, standing, flags.get((rule.name, name(key))))
    for rule, key, when in lookout.missed:
        _missed(at, rule, key, when)
    _others(at, lookout, flags)
    urgent.look(at)
    tell.due(at)
    desks = [incidents.Desk(d.name, d.when.teams, d.when.priorities) for d in current.desks if d.enabled]
    opened = incidents.open_tickets(connection, worker, current.settings.console_url, current.default_team, desks)
    at.owed |= opened.targets
    escalations.end_incidents(connection)
    if at.run is not None:
        runs.finish(connection, at.run)
    return at.owed


def _open_of(flags: Mapping[tuple[str, str], Any]) -> set[tuple[str, str]]:
    return {key for key, row in flags.items() if row["state"] == "open"}


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
            _other(at, rule, topic.name, _sign(rule, everything, negative, bin_of(at.now)), flags)


def _sign(rule: SpikeRule, everything: Heard, negative: Heard, now: int) -> kinds.Sign | None:
    if rule.kind == "share":
        return kinds.share(negative.live, everything.live, now, rule.share, rule.floor)
    if rule.kind == "silence":
        return kinds.silence(everything.live, everything.dark, now, rule.silence)
    return kinds.drift(negative.live, everything.live, now, rule.floor)


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
    if sign is None or (last is not None and at.now < last["opened_at"] + timedelta(days=1)):
        return
    until = at.now.replace(second=0, microsecond=0)
    found = counts.samples(at.connection, topic, rule.kind != "silence", until - timedelta(hours=2), until, SAMPLES)
    shown = {
        "window": {"from": (until - timedelta(hours=2)).isoformat(), "to": until.isoformat()},
        "text": sign.text, "count": sign.count, "baseline": round(sign.baseline, 2), "threshold": round(sign.threshold, 2),
        "score": round(sign.score, 4), "detector": spikes.VERSION, "rule_version": at.current.hash[:12], "notices": 1,
        "samples": [{"mention_id": r["id"], **{k: r[k] for k in ("platform", "url", "author", "text")}} for r in found],
        "gaps": gaps(at.connection, at.now - timedelta(days=1)),
    }  # fmt: skip
    level = severity.severity(sign.score, 360, 0, int(sign.count))
    flag = escalations.open_flag(
        at.connection, at.running(), rule.name, series, until, level, sign.count, shown, kind=rule.kind
    )
    if flag is not None:
        escalations.join_incident(at.connection, flag, topic)
        tell.flag(at, "flag.open", flag, rule, topic, series, level, shown, 1)


def _act(at: Tick, rule: SpikeRule, key: Key, standing: Standing, last: Any | None) -> None:
    if last is not None and last["state"] == "open":
        scale = SCALES.index(last["scale"]) if last["scale"] in SCALES else 0
        calm = standing.calm[min(scale, len(standing.calm) - 1)]
        if calm >= max(timedelta(minutes=20), MINUTE * min(2 * last["scale"], 240)):
            _close(at, last, standing)
        elif standing.counts[min(scale, len(standing.counts) - 1)] >= 1.5 * last["peak"]:
            _update(at, rule, key, last, standing, standing.counts[min(scale, len(standing.counts) - 1)])
        return
    if not standing.flag or (last is not None and _same(last, standing)):
        return
    _open(at, rule, key, standing)


def _same(last: Mapping[str, Any], standing: Standing) -> bool:
    """Whether the last flag was of this very event: talk has not been usual since it opened."""
    return standing.rested is None or last["window_start"] >= standing.rested


def evidence(at: Tick, rule: SpikeRule, key: Key, standing: Standing) -> dict[str, Any]:
    """Counts against the baseline with the threshold, who spoke and where, terms that grew, samples, gaps, versions."""
    topic, platform, measure = key
    until = at.now.replace(second=0, microsecond=0)
    start = until - timedelta(minutes=standing.scale)
    negative = measure == "negative"
    voices = counts.voices(at.connection, topic, platform, negative, start, until + MINUTE)
    found = counts.samples(at.connection, topic, negative, start, until + MINUTE, SAMPLES)
    day = timedelta(days=1)
    said = counts.words(at.connection, topic, start, until + MINUTE, TEXTS)
    before = counts.words(at.connection, topic, start - 7 * day, start, TEXTS)
    samples = [{"mention_id": row["id"], **{k: row[k] for k in ("platform", "url", "author", "text")}} for row in found]
    return {
        "window": {"from": start.isoformat(), "to": until.isoformat()},
        "count": standing.count,
        "baseline": standing.baseline,
        "threshold": standing.border,
        "score": standing.score,
        "minutes": standing.scale,
        "floor": rule.floor,
        "authors": voices["authors"],
        "reach": voices["reach"],
        "reposts": voices["reposts"],
        "intent": voices["intent"],
        "platforms": list(voices["platforms"]),
        "first_mention": voices["first_id"],
        "terms": terms.grew(said, before),
        "links": sorted({s["url"] for s in samples if s["url"]}),
        "detector": spikes.VERSION,
        "rule_version": at.current.hash[:12],
        "samples": samples,
        "gaps": gaps(at.connection, at.now - day),
    }


def gaps(connection: Connection, since: datetime) -> list[dict[str, Any]]:
    """What was not evaluable, in words a page can show."""
    return [
        {
            "channel": gap["channel"],
            "since": gap["since"].isoformat() if gap["since"] else None,
            "until": gap["until"].isoformat() if gap["until"] else None,
            "reason": gap["reason"],
            "text": f"not evaluable {gap['since']:%H:%M} to {gap['until']:%H:%M}, {gap['channel']} was down"
            if gap["since"] and gap["until"]
            else f"not evaluable, {gap['channel']} is down",
        }
        for gap in counts.gaps(connection, since)
    ]


def _open(at: Tick, rule: SpikeRule, key: Key, standing: Standing) -> None:
    shown = evidence(at, rule, key, standing)
    if shown["authors"] < rule.authors:
        log.info("flag held", rule=rule.name, series=name(key), reason="too few authors", authors=shown["authors"])
        return
    level = severity.severity(standing.score, standing.scale, shown["reach"], shown["authors"])
    flag = escalations.open_flag(
        at.connection, at.running(), rule.name, name(key), standing.at, level, standing.count, {**shown, "notices": 1},
        scale=standing.scale,
    )  # fmt: skip
    if flag is None:
        return
    log.warning("flag raised", flag_id=flag, rule=rule.name, series=name(key), severity=level)
    _, made = escalations.join_incident(at.connection, flag, key[0])
    tell.flag(at, "flag.open", flag, rule, key[0], name(key), level, shown, 1, folded=not made and bool(key[1]))


def _update(at: Tick, rule: SpikeRule, key: Key, last: Mapping[str, Any], standing: Standing, count: float) -> None:
    """A flag that stands tells again when it grew by half."""
    n = int(last["evidence"].get("notices", 1)) + 1
    shown = {**evidence(at, rule, key, standing), "notices": n}
    level = max(last["severity"], severity.severity(standing.score, standing.scale, shown["reach"], shown["authors"]))
    escalations.update_flag(at.connection, last["id"], level, count, shown)
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
             "detector": spikes.VERSION, "gaps": gaps(at.connection, when), "notices": 0}  # fmt: skip
    flag = escalations.open_flag(at.connection, at.running(), rule.name, name(key), when, 1, 0.0, shown, closed=True)
    if flag is not None:
        tell.flag(at, "flag.open", flag, rule, key[0], name(key), 1, shown, 1, late=True)
