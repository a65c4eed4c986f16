"""What can be said for and against a candidate, as amounts to be weighed; with crossings, since one fact says more beside another. Pure.

Every sign is (what, detail, key, amount); match_judge.py multiplies the amount by the weight of its key (match_table.py). A key names
the kind of pair first: a town says more of namesakes than of two who share a mailbox. What is shared counts by who else goes by it; a
name by how many are expected to bear it, in the country or in the town, bounded by what rarity cannot tell (a son named after his father).
"""

import math
from collections.abc import Generator, Iterator

from domain.match_read import Trace
from domain.match_scene import Pair, Scene, Sign, size
from domain.match_weigh import alike, first_names, near

KEPT = 40  # bearers of one value or name that are looked at; more are "many"
FOUND = {
    "shared": "how often two that share something are one",
    "chain": "how often two of one group are one",
    "names": "how often two of one name are one",
}


def facts(scene: Scene, pair: Pair) -> Iterator[Sign]:
    """What does not depend on how sure other pairs are."""
    candidate = scene.found[pair]
    kind = candidate.kind
    a, b = scene.traces[pair[0]], scene.traces[pair[1]]
    yield "prior", FOUND[kind], f"{kind}: any", 1.0
    if kind == "names":
        yield from _whole_names(scene, pair)
    else:
        if kind == "shared":
            yield from _shared(scene, a, b)
        else:
            held = min(candidate.sure, 0.999)
            middle = scene.traces[(candidate.via or pair)[0]].id
            yield "chain", f"both are {middle}", "chain: legs", math.log2(held / (1 - held))
        yield from _names(scene, kind, a, b)
    yield from _apart(scene, kind, pair)
    yield from size(scene, pair)


def _others(scene: Scene, name: str, value: str, a: Trace, b: Trace) -> int:
    """First names seen with this value that are neither record's; at most four."""
    seen = sorted(scene.crowd.bearers.get((name, value), ()))[:KEPT]
    own = a.first or b.first
    return min(sum(first_names(own, other) == "conflict" for other in seen) if own else max(len(seen) - 1, 0), 4)


def _shared(scene: Scene, a: Trace, b: Trace) -> Iterator[Sign]:
    unnamed = not (a.first and b.first) or a.initial or b.initial
    things = 0
    for name in ("email", "phone", "order"):
        value = getattr(a, name)
        if not value or value != getattr(b, name):
            continue
        things += 1
        yield name, value, f"shared: {name}", 1.0
        if others := _others(scene, name, value, a, b):
            bits = math.log2(1 + others)
            yield name, f"{others} more go by it", f"shared: {name} of several", bits
            if unnamed:
                yield (
                    name,
                    f"{others} more go by it, and no first name tells",
                    f"shared: {name} of several, unnamed",
                    bits,
                )
    if a.handle and a.handle == b.handle and a.platform == b.platform:
        things += 1
        yield "handle", f"{a.platform}:{a.handle}", "shared: account", 1.0
        if unnamed:
            yield "handle", "no first name on one side", "shared: account, unnamed", 1.0
        if others := _others(scene, "handle", a.handle, a, b):
            yield "handle", f"{others} more go by it", "shared: account of several", math.log2(1 + others)
    elif a.handle and a.handle == b.handle:
        things += 1
        yield from _handle(scene, "handle on two platforms", a, b, a)
    for one, other in ((a, b), (b, a)):
        word = "".join(c for c in one.handle if c.isalnum())
        if len(word) > 5 and word == other.local and not (a.email and a.email == b.email):
            things += 1
            yield from _handle(scene, "handle as mailbox", a, b, one)
    if things > 1:
        yield "more", f"{things} things are shared", "shared: further things", math.log2(things)


def _handle(scene: Scene, kind: str, a: Trace, b: Trace, one: Trace) -> Iterator[Sign]:
    """One word as handle here and there: how many would take it, and whether a name alone explains it."""
    yield "handle", one.handle, f"shared: {kind}", 1.0
    digits = min(sum(c.isdigit() for c in one.handle), 4)
    yield "handle", f"{digits} figures in {one.handle}", f"shared: {kind}, figures", float(digits)
    yield "handle", f"{len(one.tag)} letters", f"shared: {kind}, letters", min(len(one.tag), 14) / 7
    crowded = math.log2(1 + max(scene.crowd.counts["tag"][one.tag] - 2, 0))
    if crowded:
        yield (
            "handle",
            f"{scene.crowd.counts['tag'][one.tag]} records have {one.tag}",
            f"shared: {kind}, common",
            min(crowded, 6.0),
        )
        if digits < 3:
            yield "handle", "and few figures", f"shared: {kind}, common, few figures", min(crowded, 6.0)
    who = a if a.first else b
    if who.first and who.last and one.tag in (who.first + who.last, who.last + who.first, who.first[0] + who.last):
        yield (
            "handle",
            f"{one.handle} is how anybody called {who.first} {who.last} would sign",
            f"shared: {kind}, spelt",
            1.0,
        )
    if not (a.first and b.first):
        yield "handle", "no first name on one side", f"shared: {kind}, unnamed", 1.0


def _names(scene: Scene, kind: str, a: Trace, b: Trace) -> Iterator[Sign]:
    level = first_names(a.first, b.first) or "missing"
    detail = a.first if level == "same" else f"{a.first or 'none'} and {b.first or 'none'}"
    rare = (
        scene.crowd.bits("first", a.first) / 8 if level == "same" else 1.0
    )  # the same first name counts by how rare it is
    yield "first name", detail, f"{kind}: first name {level}", rare
    if a.last and b.last:
        if a.last == b.last:
            yield "family name", a.last, f"{kind}: family name same", 1.0
        elif alike(a.last, b.last) or a.sound == b.sound:
            yield "family name", f"{a.last} and {b.last}", f"{kind}: family name alike", 1.0
        else:
            yield "family name", f"{a.last} against {b.last}", f"{kind}: family name differs", 1.0
    if a.place and b.place:
        if alike(a.place, b.place):
            yield "place", a.place, f"{kind}: place same", scene.crowd.bits("place", a.place) / 8
        else:
            yield "place", f"{a.place} against {b.place}", f"{kind}: place differs", 1.0
    for name in ("email", "phone", "handle"):
        x, y = getattr(a, name), getattr(b, name)
        if x and y and x != y and (name != "handle" or a.platform == b.platform):
            yield name, "differs", f"{kind}: {name} differs", 1.0
    if a.middle and b.middle:
        same = "same" if a.middle == b.middle else "differs"
        yield "middle initial", f"{a.middle} and {b.middle}", f"{kind}: middle initial {same}", 1.0


def _soft(bits: float, most: float) -> float:
    """Grows with `bits` and levels out at `most`: log2 odds against chance bounded by another explanation (a son named after the father)."""
    return -math.log2(2**-bits + 2**-most)


def _whole_names(scene: Scene, pair: Pair) -> Iterator[Sign]:
    """Two whole names, or one and the handle that spells it: how many namesakes to expect, in the country or in the town."""
    candidate = scene.found[pair]
    i, j = candidate.via or pair
    a, b = scene.traces[i], scene.traces[j]
    if a.first and b.first and a.last and b.last:
        expected = yield from _two_names(scene, a, b)
        who = f"{a.first} {a.last}"
    else:
        spelt, whole = (a, b) if b.last else (b, a)
        who = f"{whole.first} {whole.last}"
        yield "handle", f"{spelt.handle} spells {who}", "names: spelt", 1.0
        expected = scene.crowd.bits("first", whole.first) + scene.crowd.bits("last", whole.last) + scene.crowd.prior
    town, same = _places(scene, i, j)
    if same:
        expected += scene.crowd.bits("place", town)
        for most in (3, 6, 10):
            yield "name and place", f"{who} in {town}", f"names: rare in town, to {most}", _soft(expected, most)
    else:
        if town:
            yield "place", town, "names: place differs", 1.0
        else:
            yield "name and place", f"{who}, the town not known of both", "names: no place", 1.0
        for most in (0, 3, 6):
            yield "name and place", f"{who} by itself", f"names: rare, to {most}", _soft(expected, most)
    yield from _rivals(scene, i, j, same)
    slips: list[tuple[str, str, float]] = []
    near(a, b, slips)
    for what, detail, _ in slips:
        yield what, detail, f"names: {what} slip", 1.0
    if candidate.via != pair:
        x, y = scene.traces[pair[0]], scene.traces[pair[1]]
        level = first_names(x.first, y.first) or "missing"
        yield (
            "chain",
            f"by the names of {a.id} and {b.id}; their own: {x.first or 'none'} and {y.first or 'none'}",
            f"names: own first name {level}",
            1.0,
        )
        yield "chain", f"{candidate.between} of the two by way of its group", "names: legs", float(candidate.between)


def _two_names(scene: Scene, a: Trace, b: Trace) -> Generator[Sign, None, float]:
    """How the names agree; returns log2 odds against a namesake among all records."""
    level = first_names(a.first, b.first)
    if level != "same":
        yield "first name", f"{a.first} and {b.first}", f"names: first name {level}", 1.0
    if a.last != b.last:
        yield "family name", f"{a.last} and {b.last}", "names: family name alike", 1.0
    first = 3.0 if level == "initial" else min(scene.crowd.bits("first", a.first), scene.crowd.bits("first", b.first))
    return first + min(scene.crowd.bits("last", a.last), scene.crowd.bits("last", b.last)) + scene.crowd.prior


def _places(scene: Scene, i: int, j: int) -> tuple[str, bool]:
    """The town both groups know, or two that differ; empty where one knows none."""
    x, y = (scene.groups.of[scene.groups.root(at)].values.get("place") for at in (i, j))
    if not x or not y:
        return "", False
    same = next((place for place in x if any(alike(place, other) for other in y)), "")
    return same or f"{next(iter(x))} against {next(iter(y))}", bool(same)


def _rivals(scene: Scene, i: int, j: int, here: bool) -> Iterator[Sign]:
    """Other groups that bear the name: everywhere, and those that may live in the same town."""
    groups = scene.groups
    own = {groups.root(i), groups.root(j)}
    rivals: set[int] = set()
    for trace in (scene.traces[i], scene.traces[j]):
        rivals |= groups.bearing.get((trace.first, trace.last), set()) - own
    if not rivals:
        return
    yield "namesakes", f"{len(rivals)} more bear this name", "names: namesakes", math.log2(1 + len(rivals))
    if not here:
        return
    towns = groups.of[groups.root(i)].values["place"]
    near = 0
    for root in sorted(rivals)[:KEPT]:
        other = groups.of[root].values.get("place")
        near += not other or any(alike(x, y) for x in towns for y in other)
    if near:
        yield "namesakes", f"{near} of them may live there too", "names: namesakes in town", math.log2(1 + near)


def _apart(scene: Scene, kind: str, pair: Pair) -> Iterator[Sign]:
    """What the two groups have and do not have in common."""
    groups = scene.groups
    x, y = groups.root(pair[0]), groups.root(pair[1])
    if x == y:
        return
    one, other = groups.of[x], groups.of[y]
    for name in ("email", "phone", "order"):
        p, q = one.values.get(name), other.values.get(name)
        if p and q and not p.keys() & q.keys():
            seen = min(p.total() * q.total(), 16)
            yield name, "both have one, none in common", f"{kind}: {name} apart", 1.0
            if seen > 1:
                yield name, "and more than one record says so", f"{kind}: {name} apart, often", math.log2(seen)
    for name in one.values.keys() & other.values.keys():
        if name.startswith("handle ") and not one.values[name].keys() & other.values[name].keys():
            yield name, "another one", f"{kind}: account apart", 1.0
    if kind == "names":
        p, q = one.values.get("middle"), other.values.get("middle")
        if p and q:
            same = "same" if p.keys() & q.keys() else "differs"
            yield "middle initial", same, f"names: middle initial {same}", 1.0
