"""Every pair proposed so far, on one table: how each was found, and what third records say of it. Pure.

A record that could as well be somebody else's is a guess, however well the names agree. So rivals are counted by how sure they are
themselves, which needs all pairs judged once before (match_judge.py).
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from domain.match_groups import Groups
from domain.match_read import Trace
from domain.match_weigh import Crowd, contradict, first_names

Sign = tuple[str, str, str, float]  # what, detail, key of its weight, amount
Pair = tuple[int, int]  # places of two records, the lower first
AGREES = 0.5  # as sure as this a third record is one with another
MANY = 8.0  # rivals; more say nothing more
LARGE = 4  # records of one person; more are a household's, a kiosk's or several people's


@dataclass(frozen=True, slots=True)
class Candidate:
    """How a pair was found. `kind`: shared, chain or names; `sure`: by the first look; `via`: the records whose names were compared, or the
    one a chain goes through; `between`: how many of the two are others of those records' groups."""

    kind: str
    sure: float
    via: Pair | None = None
    between: int = 0


@dataclass(slots=True)
class Scene:
    """Records, how common their values are, what hangs together, every candidate; `sure`: how sure each is by the last look."""

    traces: Sequence[Trace]
    crowd: Crowd
    groups: Groups
    found: Mapping[Pair, Candidate]
    sure: Mapping[Pair, float] = field(default_factory=dict)
    near: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.sure = self.sure or {pair: candidate.sure for pair, candidate in self.found.items()}
        for i, j in self.found:
            self.near[i].append(j)
            self.near[j].append(i)

    def between(self, i: int, j: int) -> float:
        """How sure it is that these are one; 0 where nobody asked."""
        return self.sure.get((i, j) if i < j else (j, i), 0.0)


def company(scene: Scene, pair: Pair) -> Iterator[Sign]:
    """Third records, a group counted once: those that could be one of the two instead, and those of another name."""
    kind, of = scene.found[pair].kind, scene.groups.root
    roots = {of(pair[0]), of(pair[1])}
    rivals: dict[int, float] = {}
    clashes: dict[int, float] = {}
    for one, other in (pair, pair[::-1]):
        for k in scene.near[one]:
            root = of(k) if kind == "names" else k
            # by names: a record of the two groups is no rival; else this passes over only the one a group is known by, as it was fitted
            if k == other or root in roots or scene.between(k, other) >= AGREES:
                continue
            side = clashes if contradict(scene.traces[k], scene.traces[other]) else rivals
            side[root] = max(side.get(root, 0.0), scene.between(one, k))
    for what, found, key, detail in (
        ("rivals", rivals, "rivals", "would fit one of the two as well"),
        ("other names", clashes, "clashes", "of another name fit one of the two"),
    ):
        if found:
            yield what, f"{len(found)} {detail}", f"{kind}: {key}", math.log2(1 + min(sum(found.values()), MANY))


def size(scene: Scene, pair: Pair) -> Iterator[Sign]:
    """How many records hang together here, and how many of them bear another first name."""
    kind, groups = scene.found[pair].kind, scene.groups
    members = [k for root in {groups.root(pair[0]), groups.root(pair[1])} for k in groups.of[root].members]
    own = scene.traces[pair[0]].first or scene.traces[pair[1]].first
    others = sum(first_names(own, scene.traces[k].first) == "conflict" for k in members)
    if others:
        yield (
            "records",
            f"{others} of their group bear another first name",
            f"{kind}: household",
            math.log2(1 + min(others, 7)),
        )
    if kind == "names" and len(members) > 2:
        yield (
            "records",
            f"{len(members)} records, and the two sides share nothing",
            "names: sizes",
            math.log2(len(members) / 2),
        )
    if len(members) > LARGE:
        yield (
            "records",
            f"{len(members)} records hang together here",
            f"{kind}: large group",
            math.log2(len(members) / LARGE),
        )
