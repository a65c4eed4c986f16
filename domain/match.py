"""Who may be the same person: pairs proposed with a calibrated confidence and what speaks for each. Pure: records in, links out.

Pairs are looked for within blocks (the same address, number, account, order, or a name as it sounds), so that cost grows nearly with
the number of records; a block of more than WIDEST is parted by further values, and what is still wider is left out and counted:
so many of one name, or of one kiosk's number, say nothing about any two of them. A first look weighs each pair by itself (match_weigh.py)
and finds what hangs together (match_groups.py); then every pair is judged beside its rivals (match_judge.py).
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.match_groups import RIVAL, SURE, Groups, against
from domain.match_judge import judge
from domain.match_read import Trace, read
from domain.match_scene import Candidate, Pair, Scene
from domain.match_weigh import Crowd, Weighed, contradict, crowd, weigh

WIDEST = 60
DOUBTFUL = 0.15  # by the first look; below it the second need not be taken
LEAST = 0.5  # a proposal below even odds is none
SLOPE, SHIFT = 0.62, 0.0  # log2 odds → confidence: evidence is never as independent as the sum supposes
FAINT = -4.0  # log2 odds of names alone below which no town can help
NAMES = ("prior", "first name", "family name", "name", "place", "handle")
CEILING, SPELT = 9.0, 3.5  # log2 odds that names with a town, or a handle that spells a name, can reach

Found = dict[Pair, Candidate]


@dataclass(frozen=True, slots=True)
class Link:
    """Two records that may be one person's. `evidence`: (what, detail, bits for or against), the strongest first."""

    a: str
    b: str
    confidence: float
    evidence: tuple[tuple[str, str, float], ...]

    def document(self) -> dict[str, Any]:
        return {
            "a": self.a,
            "b": self.b,
            "confidence": round(self.confidence, 4),
            "evidence": [
                {"what": what, "detail": detail, "weight": round(bits, 2)} for what, detail, bits in self.evidence
            ],
        }


@dataclass(slots=True)
class Cost:
    """What a run took: records, pairs compared, blocks too wide to compare."""

    records: int = 0
    pairs: int = 0
    too_wide: int = 0


def confidence(odds: float) -> float:
    """log2 odds as a probability, flattened by SLOPE (Platt scaling with the intercept at 0)."""
    return 1 / (1 + 2 ** -min(max(SLOPE * odds + SHIFT, -60), 60))


KEYS: tuple[Callable[[Trace], str], ...] = (
    lambda t: t.email,
    lambda t: t.phone,
    lambda t: t.order,
    lambda t: t.handle,
    lambda t: t.local if len(t.local) > 5 else "",
    lambda t: "".join(c for c in t.handle if c.isalnum()) if len(t.handle) > 5 else "",
    lambda t: f"{t.sound}|{t.first[:2]}" if t.last and len(t.first) > 1 else "",
    lambda t: f"{t.last}|{t.place}" if t.last and t.place else "",
    lambda t: f"{t.first}|{t.last[:3]}" if t.last and len(t.first) > 1 else "",
    lambda t: t.first + t.last if t.last and len(t.first) > 1 else t.tag if not t.last else "",
)
# Which keys look into the same drawer: a mailbox and a handle may be the same word, a spelt-out name and a handle too.
DRAWERS = ("email", "phone", "order", "handle", "word", "word", "sound", "town", "first", "spelt")
PARTING: tuple[Callable[[Trace], str], ...] = (lambda t: f"{t.first[:1]}|{t.last}", lambda t: f"{t.first}|{t.place}")


def candidates(traces: Sequence[Trace], cost: Cost) -> Iterator[tuple[int, int]]:
    """Pairs worth comparing, each once, as places in `traces`."""
    drawers: dict[tuple[str, str], list[int]] = defaultdict(list)
    for at, trace in enumerate(traces):
        for name, key in zip(DRAWERS, KEYS, strict=True):
            if (value := key(trace)) and (not (drawer := drawers[name, value]) or drawer[-1] != at):
                drawer.append(at)
    seen: set[int] = set()
    size = len(traces)
    for block in drawers.values():
        if len(block) < 2:
            continue
        for small in _parted(block, traces, cost, 0):
            for n, i in enumerate(small):
                for j in small[n + 1 :]:
                    pair = i * size + j
                    if pair not in seen:
                        seen.add(pair)
                        yield i, j


def _parted(block: list[int], traces: Sequence[Trace], cost: Cost, depth: int) -> Iterator[list[int]]:
    if len(block) <= WIDEST:
        yield block
    elif depth == len(PARTING):
        cost.too_wide += 1
    else:
        inner: dict[str, list[int]] = defaultdict(list)
        for at in block:
            inner[PARTING[depth](traces[at])].append(at)
        for small in inner.values():
            if len(small) > 1:
                yield from _parted(small, traces, cost, depth + 1)


def propose(
    traces: Sequence[Trace], cost: Cost | None = None, progress: Callable[[int], None] = lambda done: None
) -> list[Link]:
    """Every proposal, the most certain first; ids break ties, so that the same records give the same answer."""
    scene = first_look(traces, cost, progress)
    found = [
        Link(traces[i].id, traces[j].id, seen.confidence, seen.evidence)
        for (i, j), seen in judge(scene).items()
        if seen.confidence >= LEAST
    ]
    return sorted(found, key=lambda link: (-link.confidence, link.a, link.b))


def first_look(
    traces: Sequence[Trace], cost: Cost | None = None, progress: Callable[[int], None] = lambda done: None
) -> Scene:
    """The first look: every pair that may be one person, how it was found, and how sure that is by weights of match_weigh.py.

    What is shared links first and makes groups; then names are weighed between groups.
    """
    cost = cost if cost is not None else Cost()
    cost.records = len(traces)
    known = crowd(traces)
    found: Found = {}
    named: list[tuple[int, int, Weighed]] = []
    for i, j in candidates(traces, cost):
        cost.pairs += 1
        if cost.pairs % 5_000 == 0:
            progress(cost.pairs)
        weighed = weigh(traces[i], traces[j], known)
        if weighed.shared:
            if (sure := confidence(weighed.odds)) >= DOUBTFUL:
                found[i, j] = Candidate("shared", sure)
        elif weighed.odds > FAINT:
            named.append((i, j, weighed))
    groups = Groups(traces, (pair for pair, seen in found.items() if seen.sure >= SURE))
    _inside(traces, groups, found)
    _between(traces, groups, known, named, found)
    return Scene(traces, known, groups, found)


def _inside(traces: Sequence[Trace], groups: Groups, found: Found) -> None:
    """Two of a group that share nothing themselves are one by what lies between them, unless their first names are two people's."""
    for group in groups.of.values():
        if len(group.members) < 3:
            continue
        for n, i in enumerate(group.members):
            for j in group.members[n + 1 :]:
                if (i, j) in found or contradict(traces[i], traces[j]):
                    continue
                through = [
                    (_sure(found, i, k) * _sure(found, k, j), k) for k in group.members if k not in (i, j)
                ]  # fmt: skip
                sure, k = max(through)
                if sure >= DOUBTFUL:
                    found[i, j] = Candidate("chain", sure, (k, k))


def _sure(found: Found, i: int, j: int) -> float:
    seen = found.get((min(i, j), max(i, j)))
    return seen.sure if seen else 0.0


def _same(found: Found, i: int, j: int) -> float:
    """How sure it is that two members of one group are one person: what links them, else through others."""
    return 1.0 if i == j else _sure(found, i, j) or LEAST


def _capped(evidence: Sequence[tuple[str, str, float]]) -> float:
    """The sum, with what names and a town can say together bounded: fathers and sons, and namesakes in one town, share all of it."""
    told = sum(bits for what, _, bits in evidence if what in NAMES)
    most = SPELT if any(what == "handle" for what, _, _ in evidence) else CEILING
    return min(told, most) + sum(bits for what, _, bits in evidence if what not in NAMES)


def _between(
    traces: Sequence[Trace], groups: Groups, known: Crowd, named: Sequence[tuple[int, int, Weighed]], found: Found
) -> None:
    """Groups of one name: their best pair of names, what the groups say, and how many others bear the name."""
    best: dict[tuple[int, int], tuple[int, int, Weighed]] = {}
    for i, j, weighed in named:
        x, y = sorted((groups.root(i), groups.root(j)))
        if x != y and ((x, y) not in best or best[x, y][2].odds < weighed.odds):
            best[x, y] = i, j, weighed
    for (x, y), (i, j, weighed) in best.items():
        evidence = [*weighed.evidence, *against(groups.of[x], groups.of[y], known)]
        if rivals := groups.rivals(traces[i], traces[j]):
            evidence.append(("namesakes", f"{rivals} more bear this name", -RIVAL * math.log2(1 + rivals)))
        sure = confidence(_capped(evidence))
        if sure < DOUBTFUL:
            continue
        near, far = (i, j) if groups.root(i) == x else (j, i)
        for a in groups.of[x].members:
            for b in groups.of[y].members:
                # no surer than that each is the one whose name was compared
                own = sure * _same(found, a, near) * _same(found, b, far)
                pair = min(a, b), max(a, b)
                if own >= DOUBTFUL and pair not in found and not contradict(traces[a], traces[b]):
                    found[pair] = Candidate("names", own, (i, j), (a != near) + (b != far))


def match(rows: Iterable[Mapping[str, Any]], cost: Cost | None = None, region: str | None = None) -> list[Link]:
    """Lines of `earmark match` in, links out."""
    return propose([read(row, region) for row in rows], cost)
