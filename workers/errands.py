"""Doing what people asked for on the operations pages, in their order: an edit tried on history, a rejected item read again."""

from collections.abc import Callable
from typing import Any

import structlog

import config
from config.complaints import Complaints
from storage import dead, errands, replay
from storage.errands import Errand
from storage.ledger import Ledger
from workers import backtest, skipped
from workers.reread import reread

log = structlog.get_logger()
MOST = 10_000  # mentions of one trial: a minute at most, for upkeep waits for it
Report = dict[str, Any]


def run(ledger: Ledger, current: config.Config, secret: bytes, stopping: Callable[[], bool] = lambda: False) -> int:
    """Everything that waits; how many were done."""
    done = 0
    while not stopping() and (errand := ledger.run(errands.take)) is not None:
        report = _done(ledger, current, secret, errand)
        ledger.run(lambda c, e=errand, r=report: errands.finish(c, e, r))  # type: ignore[misc]
        log.info("errand done", kind=errand.kind, errand=errand.id, refused=report.get("refused"))
        done += 1
    return done


def _done(ledger: Ledger, current: config.Config, secret: bytes, errand: Errand) -> Report:
    try:
        if errand.kind == "plan":
            return plan(ledger, current, str(errand.body["text"]), float(errand.body["days"]))
        return {"said": reread(ledger, current, secret, int(errand.body["reject"]), errand.by)}
    except Complaints as complaints:
        return {"refused": str(complaints)}
    except (LookupError, dead.CannotRetry) as problem:
        return {"refused": str(problem)}


def plan(ledger: Ledger, current: config.Config, text: str, days: float) -> Report:
    """What the edit would change: sections by name, and the tickets of the last days under both. Ids and counts only."""
    new = config.load_edit(current.document(), text)
    with ledger.read() as connection:
        lately = replay.seen_lately(connection, days)
        mentions = replay.count(connection, days)
    report: Report = {"days": days, "sections": backtest.sections(current, new, lately)}
    if backtest.judges_alike(current, new):
        return report
    if mentions > MOST:
        return {**report, "too_many": mentions, "most": MOST}
    learned = backtest.taught(ledger)
    sides = backtest.Side.of(current, learned), backtest.Side.of(new, learned)
    _, seen = backtest.stored(ledger, days, *sides)
    found = backtest.compare(*sides, seen).report(20)
    for change in found["changes"].values():
        for example in change["examples"]:
            example.pop("text", None)
            example.pop("reasons", None)
    skips = skipped.trial(ledger, *sides, days)
    return {**report, **found, **({"skips": skips} if skips["skipped"] else {})}
