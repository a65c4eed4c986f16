"""History under another configuration: each stored mention judged by the one in force and by the one proposed. Changes nothing.

What a changed query would have found beyond what was stored nobody can know here; what it would no longer accept is counted.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import config
from config.bench import bench
from domain.learning import Learned
from domain.nouns import Stored, Verdict
from domain.query import matching
from domain.replay import Comparison, Judged, entries
from domain.rules import Topic
from storage import learning, replay
from storage.ledger import Ledger

# sections that no verdict is made from
ELSEWHERE = frozenset(
    ("desks", "alerts", "escalations", "service_levels", "calendars", "macros", "automations", "surveys")
)
Seen = tuple[Stored, tuple[str, ...]]


@dataclass(slots=True)
class Side:
    """One configuration, ready to judge what channels saw."""

    current: config.Config
    judge: Callable[[Stored], Verdict]
    feeds: dict[str, tuple[Topic, ...]]
    asks_standing: bool = False  # whether a rule wants to know who the author is to us

    @classmethod
    def of(cls, current: config.Config, learned: Learned | None = None) -> "Side":
        """`learned`: the model in force; an edit is judged with it on both sides."""
        feeds = {
            channel.name: tuple(t for t in current.topics if not channel.topics or t.name in channel.topics)
            for channel in current.channels
        }
        judges = bench(current, learned)
        return cls(current, judges.judge, feeds, judges.asks_standing)

    def verdict(self, stored: Stored, channels: Iterable[str]) -> Verdict | None:
        """None when no topic that its channels feed matches. Of a channel this configuration does not have all topics are asked."""
        asked = {topic: None for name in channels for topic in self.feeds.get(name, self.current.topics)}
        wanted = tuple(topic for topic in self.current.topics if topic in asked) if asked else self.current.topics
        found = matching(wanted, stored.mention)
        return self.judge(replace(stored, topics=found, settled=None)) if found else None


def compare(old: Side, new: Side, seen: Iterable[Seen], done: Callable[[int], None] = lambda n: None) -> Comparison:
    """Both sides over the same mentions."""
    comparison = Comparison()
    for stored, channels in seen:
        comparison.add(Judged(stored, old.verdict(stored, channels), new.verdict(stored, channels)))
        if comparison.mentions % 100 == 0:
            done(comparison.mentions)
    return comparison


def taught(ledger: Ledger) -> Learned | None:
    """The learned model in force. A broken one is refused, as the digest refuses it: history is judged without."""
    with ledger.read() as connection:
        try:
            return learning.in_force(connection)
        except ValueError:
            return None


def stored(ledger: Ledger, days: float, *sides: Side) -> tuple[int, Iterable[Seen]]:
    """How many mentions there are, and they themselves; one read-only snapshot that ends with them.

    Where a side's rules ask for it, each comes with its author's standing as it is now: what it was then is not kept.
    """
    asked = any(side.asks_standing for side in sides)
    with ledger.read() as connection:
        total = replay.count(connection, days)

    def read() -> Iterable[Seen]:
        with ledger.read() as connection:
            for batch in replay.mentions(connection, days, standings=asked):
                yield from batch

    return total, read()


def sections(old: config.Config, new: config.Config, lately: dict[str, int]) -> dict[str, Any]:
    """What an edit adds, removes and changes by name, in every section of named entries; channels with what they found lately."""
    before, after = old.document(), new.document()
    told: dict[str, Any] = {}
    for name in before.keys() | after.keys():
        some, others = before.get(name) or [], after.get(name) or []
        if isinstance(some, list) and isinstance(others, list) and all("name" in one for one in (*some, *others)):
            found = entries(some, others)
            if any(found.values()):
                told[name] = found
        elif some != others:
            told[name] = {"changed": [{"name": name, "keys": []}]}
    for kind in ("removed", "changed"):
        for one in told.get("channels", {}).get(kind, ()):
            one["mentions"] = lately.get(one["name"], 0)
    return dict(sorted(told.items()))


def judges_alike(old: config.Config, new: config.Config) -> bool:
    """Whether no verdict can differ: nothing that judging reads was edited."""
    before, after = old.document(), new.document()
    unlike = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    if unlike - ELSEWHERE - {"settings", "channels"}:
        return False
    feeds = [{c["name"]: c.get("topics") for c in side["channels"]} for side in (before, after)]
    heard = [[side["settings"].get(key) for key in ("scorer", "language")] for side in (before, after)]
    return feeds[0] == feeds[1] and heard[0] == heard[1]
