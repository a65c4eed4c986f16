"""What another configuration would have made of the same mentions. Pure: verdicts in, differences out.

Mentions are one ticket when they are of the same author in the same conversation, as filing has it; the first that is to be a ticket
gives it its team and priority.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.nouns import Stored, Verdict

KINDS = ("appear", "vanish", "team", "priority")
EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Judged:
    """One mention under both configurations; None: its topics would not have matched, so it would not be here."""

    stored: Stored
    old: Verdict | None
    new: Verdict | None


@dataclass(slots=True)
class Opened:
    """A ticket as one of the configurations opens it, by its first mention."""

    stored: Stored
    verdict: Verdict


@dataclass(slots=True)
class Ticket:
    """What stands for one author in one conversation: under the old, under the new."""

    old: Opened | None = None
    new: Opened | None = None


@dataclass(slots=True)
class Comparison:
    """Fed mention by mention, in the order of their ids; memory grows with the tickets, not with the mentions."""

    mentions: int = 0
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)  # (old, new) → mentions
    tickets: dict[tuple[str, str], Ticket] = field(default_factory=dict)

    def add(self, judged: Judged) -> None:
        self.mentions += 1
        old, new = _outcome(judged.old), _outcome(judged.new)
        self.outcomes[old, new] += 1
        if "ticket" not in (old, new):
            return
        mention = judged.stored.mention
        who = mention.attributed_to.native_id if mention.attributed_to else ""
        ticket = self.tickets.setdefault((mention.conversation, who), Ticket())
        if old == "ticket" and ticket.old is None and judged.old:
            ticket.old = Opened(judged.stored, judged.old)
        if new == "ticket" and ticket.new is None and judged.new:
            ticket.new = Opened(judged.stored, judged.new)

    def report(self, examples: int = EXAMPLES) -> dict[str, Any]:
        """JSON-ready: how many tickets before and after, and per kind of change how many, with the first few as examples."""
        changes: dict[str, dict[str, Any]] = {kind: {"count": 0, "examples": []} for kind in KINDS}
        moves: Counter[tuple[str, str, str]] = Counter()
        for ticket in self.tickets.values():
            for kind, before, after in _changes(ticket):
                found = changes[kind]
                found["count"] += 1
                moves[kind, before, after] += 1
                if len(found["examples"]) < examples:
                    found["examples"].append(_example(ticket, before, after))
        return {
            "mentions": self.mentions,
            "tickets": {
                "old": sum(ticket.old is not None for ticket in self.tickets.values()),
                "new": sum(ticket.new is not None for ticket in self.tickets.values()),
            },
            "outcomes": [
                {"old": old, "new": new, "mentions": n} for (old, new), n in sorted(self.outcomes.items()) if old != new
            ],
            "changes": changes,
            "moves": [
                {"kind": kind, "old": old, "new": new, "tickets": n}
                for (kind, old, new), n in sorted(moves.items(), key=lambda item: (item[0][0], -item[1], item[0]))
                if kind in ("team", "priority")
            ],
        }


def _outcome(verdict: Verdict | None) -> str:
    return verdict.outcome if verdict else "unmatched"


def _changes(ticket: Ticket) -> Iterable[tuple[str, str, str]]:
    """(kind, before, after) of one ticket."""
    old, new = ticket.old, ticket.new
    if old is None and new is not None:
        yield "appear", "", new.verdict.reason
    elif new is None and old is not None:
        yield "vanish", old.verdict.reason, ""
    elif old is not None and new is not None:
        if old.verdict.team != new.verdict.team:
            yield "team", old.verdict.team, new.verdict.team
        if old.verdict.priority != new.verdict.priority:
            yield "priority", old.verdict.priority, new.verdict.priority


def _example(ticket: Ticket, before: str, after: str) -> dict[str, Any]:
    shown = ticket.new or ticket.old
    assert shown is not None
    text = " ".join(shown.stored.mention.text.split())
    return {
        "mention": shown.stored.id or shown.stored.mention.native_id,
        "text": text if len(text) <= 140 else text[:139] + "…",
        "old": before,
        "new": after,
        "reasons": list(shown.verdict.reasons[:2]),
    }


def entries(old: Iterable[Mapping[str, Any]], new: Iterable[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """What was added to, taken from and changed in a section of a configuration, by the entries' names."""
    before, after = ({str(entry["name"]): entry for entry in some} for some in (old, new))
    changed = []
    for name in before.keys() & after.keys():
        keys = sorted(
            key for key in before[name].keys() | after[name].keys() if before[name].get(key) != after[name].get(key)
        )
        if keys:
            changed.append({"name": name, "keys": keys})
    return {
        "added": [{"name": name} for name in after if name not in before],
        "removed": [{"name": name} for name in before if name not in after],
        "changed": sorted(changed, key=lambda one: str(one["name"])),
    }
