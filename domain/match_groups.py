"""Records already held together by something shared, as one: what a whole group says for and against another one. Pure.

A name alone is weak; two groups of one name that both have addresses and numbers and share none of them are two people the likelier
the more records they have. And where three groups bear a name, any two of them are a guess.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from domain.match_read import Trace
from domain.match_weigh import Crowd, alike

APART = {"email": -2.2, "phone": -1.6, "order": -0.5}  # both have one, none in common
RIVAL = 2.2  # log2 odds per doubling of those who bear the name
ELSEWHERE = -9.0  # both have a town, and no town in common
STRANGERS = -2.5  # for each record beyond the first of the smaller group: so much known of both, and nothing shared
CROWDED, MANY = -3.0, 5  # a group of so many records is a household nearly as often as a person
SURE = 0.9  # from there on a shared thing holds records together
LARGEST = 12  # records of one group; more are a kiosk or a desk


@dataclass(slots=True)
class Group:
    """What its records know together."""

    members: list[int] = field(default_factory=list)
    values: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, at: int, trace: Trace) -> None:
        self.members.append(at)
        for name in ("email", "phone", "order", "place"):
            if value := getattr(trace, name):
                self.values[name][value] += 1
        if trace.handle:
            self.values[f"handle {trace.platform}"][trace.handle] += 1
        if trace.middle:
            self.values["middle"][trace.middle] += 1


class Groups:
    """Which records hang together, by union and find (https://en.wikipedia.org/wiki/Disjoint-set_data_structure)."""

    def __init__(self, traces: Sequence[Trace], links: Iterable[tuple[int, int]]) -> None:
        self._up = list(range(len(traces)))
        self._size = [1] * len(traces)
        for i, j in links:
            self._join(i, j)
        self.of: dict[int, Group] = {}
        self.bearing: dict[tuple[str, str], set[int]] = defaultdict(set)  # name → groups that bear it
        for at, trace in enumerate(traces):
            root = self.root(at)
            self.of.setdefault(root, Group()).add(at, trace)
            if trace.first and trace.last and not trace.initial:
                self.bearing[trace.first, trace.last].add(root)

    def root(self, at: int) -> int:
        while self._up[at] != at:
            self._up[at] = self._up[self._up[at]]
            at = self._up[at]
        return at

    def _join(self, i: int, j: int) -> None:
        a, b = self.root(i), self.root(j)
        if a == b or self._size[a] + self._size[b] > LARGEST:
            return
        if self._size[a] < self._size[b]:
            a, b = b, a
        self._up[b] = a
        self._size[a] += self._size[b]

    def together(self, i: int, j: int) -> list[int]:
        """Members of the two groups of these records: theirs first, the other's after."""
        return [*self.of[self.root(i)].members, *self.of[self.root(j)].members]

    def rivals(self, a: Trace, b: Trace) -> int:
        """How many more groups bear this name."""
        return max(max(len(self.bearing.get((t.first, t.last), ())) for t in (a, b)) - 2, 0)


def against(one: Group, other: Group, crowd: Crowd) -> list[tuple[str, str, float]]:
    """What the two groups' places, addresses, numbers and accounts say, as (what, detail, bits)."""
    said: list[tuple[str, str, float]] = []
    for name, bits in APART.items():
        x, y = one.values.get(name), other.values.get(name)
        if x and y and not set(x) & set(y):
            seen = min(x.total() * y.total(), 16)
            said.append((name, "both have one, none in common", bits * (1 + 0.5 * math.log2(seen))))
    for name in one.values.keys() & other.values.keys():
        if name.startswith("handle ") and not set(one.values[name]) & set(other.values[name]):
            said.append((name, "another one", -3.0))
    x, y = one.values.get("middle"), other.values.get("middle")
    if x and y:
        same = bool(set(x) & set(y))
        said.append(("middle initial", "the same" if same else "another one", 3.0 if same else -5.0))
    if (known := min(len(one.members), len(other.members))) > 1:
        said.append(("records", f"{known} and more of each, none of which shares anything", STRANGERS * (known - 1)))
    if max(len(one.members), len(other.members)) >= MANY:
        said.append(("records", "one side may be a household", CROWDED))
    said += _places(one.values.get("place"), other.values.get("place"), crowd)
    return said


def _places(x: Counter[str] | None, y: Counter[str] | None, crowd: Crowd) -> list[tuple[str, str, float]]:
    if not x or not y:
        return []
    common = [place for place in x if any(alike(place, other) for other in y)]
    if common:
        return [("place", common[0], min(max(crowd.bits("place", place) for place in common), 8.0))]
    return [("place", f"{next(iter(x))} against {next(iter(y))}", ELSEWHERE)]
