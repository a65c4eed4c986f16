"""The watch step: hold each series against its rule, raise, update and close flags, and owe the alerts.

The detector is domain's (`domain/spikes.py`); this page feeds it the counts with their gaps and files what it says.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection

import config
from domain import spikes
from domain.rules import SpikeRule
from storage import counts, escalations, outbox, runs
from storage.ledger import Ledger

log = structlog.get_logger()

MINUTE = timedelta(minutes=1)
SAMPLES = 5


def watch(ledger: Ledger, current: config.Config, worker: str) -> set[str]:
    """Look at every series once; returns the targets that are owed an alert."""
    now = datetime.now(UTC)
    targets: set[str] = set()
    alerts = [target.name for target in current.alerts if target.enabled]
    for rule in current.escalations:
        for topic in current.topics:
            if rule.topics and topic.name not in rule.topics:
                continue
            wanted = [name for name in alerts if not rule.alerts or name in rule.alerts]
            targets |= ledger.run(
                lambda c, rule=rule, name=topic.name, wanted=wanted: look(
                    c, rule, name, wanted, now, worker, current.settings.console_url
                )
            )
    return targets


def look(
    connection: Connection,
    rule: SpikeRule,
    topic: str,
    alerts: Sequence[str],
    now: datetime,
    worker: str,
    console_url: str,
) -> set[str]:
    """One series of one rule: read the counts, let the detector run over them, act on where it stands now."""
    since = (now - timedelta(days=rule.baseline)).replace(second=0, microsecond=0)
    armed = (counts.armed_since(connection) or now).replace(second=0, microsecond=0)
    seen = counts.usual(connection, topic, rule.measure, since, armed)
    gaps = counts.gaps(connection, since)
    standing = spikes.replay(rule, seen, now, [(gap["since"], gap["until"]) for gap in gaps], armed)
    series = f"{topic}/{rule.measure}"
    last = escalations.latest(connection, rule.name, series)
    is_open = last is not None and last["state"] == "open"
    if standing.opened is None:
        if is_open:
            return _close(connection, last, alerts, worker, console_url, standing)
        return set()
    if is_open:
        return _update(connection, rule, topic, last, alerts, worker, console_url, standing)
    if last is not None and last["closed_at"] is not None and last["closed_at"] >= standing.opened:
        return set()  # late items changed the past of a flag that was closed: no second one
    return _open(connection, rule, topic, series, alerts, worker, console_url, standing, gaps)


def _evidence(
    connection: Connection, rule: SpikeRule, topic: str, standing: spikes.Standing, gaps: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    until = standing.at + MINUTE
    start = until - timedelta(minutes=rule.window)
    found = counts.samples(connection, topic, rule.measure == "negative", start, until, SAMPLES)
    return {
        "window": {"from": start.isoformat(), "to": until.isoformat()},
        "count": standing.count,
        "baseline": standing.baseline,
        "threshold": standing.threshold,
        "score": standing.score,
        "floor": rule.floor,
        "detector": spikes.VERSION,
        "samples": [
            {"mention_id": row["id"], **{k: row[k] for k in ("platform", "url", "author", "text")}} for row in found
        ],
        "gaps": [
            {
                "channel": gap["channel"],
                "since": gap["since"].isoformat() if gap["since"] else None,
                "until": gap["until"].isoformat() if gap["until"] else None,
                "reason": gap["reason"],
            }
            for gap in gaps
        ],
    }


def _open(
    connection: Connection,
    rule: SpikeRule,
    topic: str,
    series: str,
    alerts: Sequence[str],
    worker: str,
    console_url: str,
    standing: spikes.Standing,
    gaps: Sequence[Mapping[str, Any]],
) -> set[str]:
    assert standing.opened is not None
    run = runs.start(connection, "watch", worker)
    evidence = {**_evidence(connection, rule, topic, standing, gaps), "notices": 1}
    flag = escalations.open_flag(
        connection, run, rule.name, series, standing.opened, standing.severity, float(standing.count), evidence
    )
    if flag is None:
        return set()
    owed = _owe(
        connection, run, "flag.open", flag, 1, rule.name, series, standing.severity, evidence, alerts, console_url
    )
    runs.finish(connection, run)
    log.warning("flag raised", flag_id=flag, rule=rule.name, series=series, severity=standing.severity)
    return owed


def _update(
    connection: Connection,
    rule: SpikeRule,
    topic: str,
    last: Mapping[str, Any],
    alerts: Sequence[str],
    worker: str,
    console_url: str,
    standing: spikes.Standing,
) -> set[str]:
    """A flag that stands tells again only when it grew by half."""
    if standing.count < 1.5 * last["peak"]:
        return set()
    run = runs.start(connection, "watch", worker)
    n = int(last["evidence"].get("notices", 1)) + 1
    gaps = counts.gaps(connection, standing.at - timedelta(minutes=rule.window))
    evidence = {**_evidence(connection, rule, topic, standing, gaps), "notices": n}
    severity = max(last["severity"], standing.severity)
    escalations.update_flag(connection, last["id"], severity, float(standing.count), evidence)
    owed = _owe(
        connection,
        run,
        "flag.update",
        last["id"],
        n,
        rule.name,
        last["series"],
        severity,
        evidence,
        alerts,
        console_url,
    )
    runs.finish(connection, run)
    return owed


def _close(
    connection: Connection,
    last: Mapping[str, Any],
    alerts: Sequence[str],
    worker: str,
    console_url: str,
    standing: spikes.Standing,
) -> set[str]:
    run = runs.start(connection, "watch", worker)
    escalations.close_flag(connection, last["id"])
    n = int(last["evidence"].get("notices", 1)) + 1
    evidence = {**last["evidence"], "count": standing.count}
    owed = _owe(
        connection,
        run,
        "flag.close",
        last["id"],
        n,
        last["rule"],
        last["series"],
        last["severity"],
        evidence,
        alerts,
        console_url,
    )
    runs.finish(connection, run)
    log.info("flag closed", flag_id=last["id"], rule=last["rule"], series=last["series"])
    return owed


def _owe(
    connection: Connection,
    run: runs.Run,
    kind: str,
    flag: int,
    n: int,
    rule: str,
    series: str,
    severity: int,
    evidence: Mapping[str, Any],
    alerts: Sequence[str],
    console_url: str,
) -> set[str]:
    body = {
        "id": flag,
        "rule": rule,
        "series": series,
        "severity": severity,
        "window": evidence["window"],
        "count": evidence["count"],
        "baseline": evidence["baseline"],
        "threshold": evidence["threshold"],
        "samples": evidence["samples"],
        "url": f"{console_url}/flags/{flag}",
    }
    effects = [outbox.Effect(target, kind, f"em-f{flag}-{n}-{target}", body, escalation_id=flag) for target in alerts]
    outbox.owe_many(connection, run, effects)
    return {effect.target for effect in effects}
