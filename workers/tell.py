"""Who is told of a flag: domain decides (`domain/paging.py`), this page loads what it needs, owes the notices and keeps every decision."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from connectors import outbound
from domain import act_links, paging
from domain.rules import SpikeRule
from storage import escalations, outbox, pages
from workers.tick import Tick

What = Literal["flag.open", "flag.update", "flag.close"]
RECENT = timedelta(days=1)  # in which what is acknowledged is told on


def flag(
    at: Tick, what: What, flag_id: int, rule: SpikeRule, topic: str, series: str, severity: int, shown: Mapping[str, Any], n: int,
    *, signal: str = "", late: bool = False, folded: bool = False,
) -> None:  # fmt: skip
    """Decide about one notice, owe what is to be sent, and write down what is not."""
    if folded:
        pages.keep(at.connection, flag_id, what, [paging.Page("", "held", "folded under the topic's incident")], at.now)
        return
    raised = _raised(at, flag_id, what, rule, topic, series, severity, signal, late)
    enabled = [target.name for target in at.current.alerts if target.enabled]
    fallback = [name for name in enabled if not rule.alerts or name in rule.alerts]
    decided = paging.decide(at.current.paging, raised, fallback, at.now)
    decided = [_able(page, enabled) for page in decided]
    pages.keep(at.connection, flag_id, what, decided, at.now)
    body = _body(
        at,
        flag_id,
        rule.name,
        series,
        severity,
        shown,
        rule.kind,
        asks=("useful", "noise", "late") if what == "flag.close" else ("ack",),
    )
    _owe(at, what, flag_id, n, body, decided)


def due(at: Tick) -> None:
    """What has waited: next levels nobody acknowledged, and digests."""
    waiting = pages.due(at.connection, at.now)
    digest: dict[str, list[int]] = {}
    for row in waiting:
        if row["action"] == "digest":
            digest.setdefault(row["target"], []).append(row["escalation_id"])
        else:
            _climb(at, row["escalation_id"])
    for target, ids in digest.items():
        _digest(at, target, ids)
    pages.done(at.connection, [row["id"] for row in waiting], at.now)


def acknowledged(at: Tick) -> None:
    """Where a flag was told, it is said that somebody looks after it: each message once, and not where it was acknowledged."""
    kinds = {target.name: outbound.load(target.kind) for target in at.current.alerts if target.enabled}
    able = {name: kind.ACKNOWLEDGES for name, kind in kinds.items() if hasattr(kind, "ACKNOWLEDGES")}
    if not able:
        return
    seen: set[tuple[int, str]] = set()
    for row in pages.unheard(at.connection, able, at.now - RECENT):
        flag_id, target, alert = row["flag"], row["target"], able[row["target"]] == "alert"
        if alert and (flag_id, target) in seen:
            continue
        seen.add((flag_id, target))
        there = alert and row["acked_by"].startswith(f"{target}:")
        page = paging.Page(target, "held", "acknowledged there") if there else paging.Page(target, "sent")
        pages.keep(at.connection, flag_id, "flag.ack", [page], at.now)
        if not there:
            _owe_ack(at, row)


def _owe_ack(at: Tick, row: Mapping[str, Any]) -> None:
    found = escalations.get(at.connection, row["flag"])
    if found is None:
        return
    shown = {**found["evidence"], "samples": []}
    body = {
        **_body(at, found["id"], found["rule"], found["series"], found["severity"], shown, found["kind"]),
        "acknowledged_by": row["who"], "message": row["remote_id"],
    }  # fmt: skip
    effect = outbox.Effect(row["target"], "flag.ack", f"{row['key']}-ack", body, escalation_id=found["id"])
    outbox.owe_many(at.connection, at.running(), [effect])
    at.owed.add(row["target"])


def _climb(at: Tick, flag_id: int) -> None:
    row = escalations.get(at.connection, flag_id)
    if row is None:
        return
    rule = next((r for r in at.current.escalations if r.name == row["rule"]), SpikeRule(row["rule"]))
    topic = row["series"].partition("/")[0]
    raised = _raised(at, flag_id, "flag.open", rule, topic, row["series"], row["severity"], "", False)
    enabled = [target.name for target in at.current.alerts if target.enabled]
    decided = [_able(page, enabled) for page in paging.climb(at.current.paging, raised, at.now)]
    if row["state"] != "open":
        decided = [paging.Page("", "held", "the flag is closed", 1)]
    pages.keep(at.connection, flag_id, "flag.open", decided, at.now)
    n = int(row["evidence"].get("notices", 1))
    body = _body(at, flag_id, row["rule"], row["series"], row["severity"], row["evidence"], row["kind"], asks=("ack",))
    _owe(at, "flag.open", flag_id, n, body, decided, level=1)


def _digest(at: Tick, target: str, ids: Sequence[int]) -> None:
    """One notice for all that waited, written as the first one's."""
    found = [row for row in (escalations.get(at.connection, id_) for id_ in ids) if row is not None]
    if not found:
        return
    first = found[0]
    lines = [
        f"{r['opened_at']:%Y-%m-%d %H:%M} UTC  severity {r['severity']}  {r['rule']} on {r['series']}  {r['state']}"
        for r in found
    ]
    body = {
        **_body(at, first["id"], "digest", f"{len(found)} flags", max(r["severity"] for r in found), first["evidence"], "digest"),
        "text": "\n".join(lines), "samples": [],
    }  # fmt: skip
    key = f"em-f{first['id']}-d{at.now:%Y%m%d%H%M}-{target}"
    outbox.owe_many(
        at.connection, at.running(), [outbox.Effect(target, "flag.open", key, body, escalation_id=first["id"])]
    )
    at.owed.add(target)


def _raised(
    at: Tick, flag_id: int, what: What, rule: SpikeRule, topic: str, series: str, severity: int, signal: str, late: bool
) -> paging.Raised:
    row = escalations.get(at.connection, flag_id) or {}
    sent, before = pages.last_sent(at.connection, rule.name, series)
    return paging.Raised(
        topic=topic, kind=rule.kind, severity=severity, what=what, signal=signal, acknowledged=row.get("acked_at") is not None,
        snoozed_until=_snoozed(row), late=late, last_sent=sent, last_severity=before, told=pages.told(at.connection, flag_id),
    )  # fmt: skip


def _snoozed(row: Mapping[str, Any]) -> datetime | None:
    found: datetime | None = row.get("snoozed_until")
    return found


def _able(page: paging.Page, enabled: Sequence[str]) -> paging.Page:
    if page.action == "held" or page.target in enabled:
        return page
    return paging.Page(page.target, "held", "this alert is switched off", page.level)


def _owe(
    at: Tick, what: What, flag_id: int, n: int, body: Mapping[str, Any], decided: Sequence[paging.Page], level: int = 0
) -> None:
    targets = [page.target for page in decided if page.action == "sent"]
    suffix = f"-l{level}" if level else ""
    effects = [outbox.Effect(t, what, f"em-f{flag_id}-{n}-{t}{suffix}", body, escalation_id=flag_id) for t in targets]
    outbox.owe_many(at.connection, at.running(), effects)
    at.owed |= set(targets)


def _body(
    at: Tick,
    flag_id: int,
    rule: str,
    series: str,
    severity: int,
    shown: Mapping[str, Any],
    kind: str,
    asks: Sequence[act_links.Act] = (),
) -> dict[str, Any]:
    """`asks`: what whoever reads it may do by a signed link."""
    base, now = at.current.settings.console_url, at.now.timestamp()
    acts = {act: act_links.link(at.key, base, flag_id, act, now) for act in asks} if at.key else {}
    return {
        "id": flag_id,
        "rule": rule,
        "kind": kind,
        "series": series,
        "severity": severity,
        "window": shown.get("window", {}),
        "count": shown.get("count"),
        "baseline": shown.get("baseline"),
        "threshold": shown.get("threshold"),
        "text": shown.get("text", ""),
        "samples": shown.get("samples", []),
        "url": f"{base}/flags/{flag_id}",
        **({"acts": acts} if acts else {}),
    }
