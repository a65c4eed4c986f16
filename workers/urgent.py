"""Single mentions that must not wait: what was judged since the last look, read by the runs that filed it."""

from collections.abc import Sequence

from domain.rules import SpikeRule
from domain.urgency import Filed, signals
from storage import escalations, filed
from workers import tell
from workers.tick import Tick

SEVERITY = {"risk": 8, "vip": 7, "reach": 7, "third-complaint": 6, "mood": 5, "promise": 6}


def look(at: Tick, runs: Sequence[int]) -> None:
    """Raise a flag for each mention of these runs that some rule of kind `mention` must not let wait."""
    rules = [rule for rule in at.current.escalations if rule.kind == "mention"]
    for one in filed.mentions(at.connection, runs if rules else ()):
        for rule in rules:
            if rule.topics and one.topic not in rule.topics:
                continue
            found = [s for s in signals(one, rule.followers) if s in rule.signals]
            if found and not one.backfill:
                _raise(at, rule, one, found)


def _raise(at: Tick, rule: SpikeRule, one: Filed, found: list[str]) -> None:
    level = max(SEVERITY[s] for s in found)
    series = f"{one.topic}/mention/{one.mention_id}"
    why = "; ".join(one.why(s) for s in found)
    shown = {
        "window": {"from": one.published.isoformat(), "to": at.now.isoformat()},
        "text": why, "signals": found, "count": 1, "baseline": None, "threshold": None, "notices": 1,
        "samples": [{"mention_id": one.mention_id, "platform": one.platform, "url": one.url, "author": one.author, "text": one.text}],
    }  # fmt: skip
    flag = escalations.open_flag(
        at.connection, at.running(), rule.name, series, one.published, level, 1.0, shown, kind="mention"
    )
    if flag is not None:
        tell.flag(at, "flag.open", flag, rule, one.topic, series, level, shown, 1, signal=found[0])
