"""Skips as training for the queue: which of the tickets people put back would not have been offered under an edit."""

from collections import Counter
from typing import Any

from storage import digests, replay, skips, standing
from storage.ledger import Ledger
from workers.backtest import Side

Report = dict[str, Any]


def trial(ledger: Ledger, old: Side, new: Side, days: float) -> Report:
    """Skipped tickets and, of them, those none of whose posts would open one now; by the rule that had opened them.

    A ticket that was not opened by a rule, or whose posts are gone, is counted and left out.
    """
    with ledger.read() as connection:
        found = skips.skipped(connection, days)
        ids = sorted({mention for row in found for mention in row["mentions"]})
        stored = digests.load(connection, ids) if ids else {}
        if old.asks_standing or new.asks_standing:
            stored = standing.known(connection, stored)
        channels = replay.channels(connection, ids) if ids else {}
    tried, kept_out = Counter[str](), Counter[str]()
    for row in found:
        posts = [stored[id_] for id_ in row["mentions"] if id_ in stored]
        if not row["rule"] or not posts:
            continue
        tried[row["rule"]] += 1
        verdicts = [new.verdict(post, channels.get(post.id, ())) for post in posts]
        if not any(verdict and verdict.outcome == "ticket" for verdict in verdicts):
            kept_out[row["rule"]] += 1
    return {
        "skipped": len(found),
        "judged": sum(tried.values()),
        "not_offered": sum(kept_out.values()),
        "rules": [{"rule": rule, "skipped": n, "not_offered": kept_out[rule]} for rule, n in tried.most_common()],
    }
