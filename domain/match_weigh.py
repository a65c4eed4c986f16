"""What agreement and disagreement of two records are worth: log2 of how much likelier a pair is if both are one person. Pure.

Fellegi and Sunter, A Theory for Record Linkage (JASA 1969), with weights of names, towns and fancy handles by how often each value occurs
(Winkler's frequency adjustment: https://www.census.gov/content/dam/Census/library/working-papers/2006/adrm/rrs2006-02.pdf).
An address, a number, an account or an order says "this household or this person"; only the first name tells the two apart, so a
first name that contradicts outweighs what a family shares. The figures were chosen on seed 1 of benchmarks/population.py.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from rapidfuzz.distance import OSA, JaroWinkler

from domain.match_read import NICKNAMES, Trace

CROWD = 20_000  # a list is a sample of at least so many people: five lines do not make a name rare
UNSEEN = {
    "first": 1 / 300,
    "last": 1 / 5_000,
    "place": 1 / 300,
    "tag": 1 / 20_000,
}  # how common a value is before anything was counted
WEIGHT_OF_UNSEEN = 300.0  # records that belief is worth
DIFFER = {"email": -0.6, "phone": -0.4, "handle": -1.2, "place": -6.0, "order": -0.2}  # where something else is shared
SAME = {"email": 4.5, "phone": 3.0, "order": 4.5, "handle": 4.5, "name-handle": 2.0}  # log2 odds, names unknown
FURTHER = 2.5  # a second of these: families share more than one thing
CONFLICT = -12.0  # first names that are two people's


@dataclass(slots=True)
class Crowd:
    """How often each value occurs among the records, and how many there are."""

    size: int = 0
    counts: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in UNSEEN})
    known: dict[str, int] = field(default_factory=lambda: dict.fromkeys(UNSEEN, 0))
    bearers: dict[tuple[str, str], set[str]] = field(default_factory=dict)  # strong value → first names seen with it

    def bits(self, name: str, value: str, m: float = 0.9) -> float:
        """What it is worth that both bear this value: log2 of m over its share among the others."""
        others = max(self.counts[name][value] - 2, 0) + WEIGHT_OF_UNSEEN * UNSEEN[name]
        return math.log2(m * (self.known[name] + WEIGHT_OF_UNSEEN) / max(others, 0.3))

    @property
    def prior(self) -> float:
        """log2 odds of a pair picked blindly: each record has about one fellow."""
        return math.log2(2 / max(self.size, CROWD))


def crowd(traces: Sequence[Trace]) -> Crowd:
    """Count the values."""
    found = Crowd(len(traces))
    for trace in traces:
        for name in UNSEEN:
            if value := getattr(trace, name):
                found.counts[name][value] += 1
                found.known[name] += 1
        for name in ("email", "phone", "order", "handle"):
            value = getattr(trace, name)
            if value and trace.first and not trace.initial:
                found.bearers.setdefault((name, value), set()).add(trace.first)
    return found


@dataclass(frozen=True, slots=True)
class Weighed:
    """log2 odds that both are one person, and what spoke for and against, as (what, detail, bits)."""

    odds: float
    evidence: tuple[tuple[str, str, float], ...]
    shared: bool = False  # something a person or a household has for its own


def weigh(a: Trace, b: Trace, crowd: Crowd) -> Weighed:
    """Compare two records. Without anything shared only names speak here; places and differences are the groups' (match_groups.py)."""
    said: list[tuple[str, str, float]] = []
    shared = _shared(a, b, crowd)
    if shared:
        shared.sort(key=lambda item: -item[2])
        said.append(shared[0])
        said += [(what, detail, min(FURTHER, bits)) for what, detail, bits in shared[1:]]
        _names_of_one_household(a, b, crowd, said)
        _differences(a, b, said)
        return Weighed(sum(bits for _, _, bits in said), tuple(said), shared=True)
    said.append(("prior", "two records picked blindly", crowd.prior))
    _names(a, b, crowd, said)
    near(a, b, said)
    return Weighed(sum(bits for _, _, bits in said), tuple(said))


def _shared(a: Trace, b: Trace, crowd: Crowd) -> list[tuple[str, str, float]]:
    """What both give that a household or a person has for its own."""
    found = []
    for name in ("email", "phone", "order"):
        value = getattr(a, name)
        if value and value == getattr(b, name):
            bearers = len(crowd.bearers.get((name, value), ()))
            found.append((name, value, SAME[name] - 1.5 * max(bearers - 1, 0)))
    if a.handle and a.handle == b.handle:
        if a.platform == b.platform:
            found.append(("handle", f"{a.platform}:{a.handle}", SAME["handle"]))
        else:
            found.append(("handle", f"{a.handle} on {a.platform} and {b.platform}", _rare_handle(a, b, crowd)))
    for one, other in ((a, b), (b, a)):
        word = "".join(c for c in one.handle if c.isalnum())
        if len(word) > 5 and word == other.local and not (a.email and a.email == b.email):
            detail = f"{one.handle} is the mailbox of {other.email}"
            found.append(("handle", detail, _rare_handle(one, other, crowd) - 0.5))
    return found


def _rare_handle(trace: Trace, other: Trace, crowd: Crowd) -> float:
    """A handle that is only a name is borne by many; one with figures or fancy words by few."""
    if len(trace.handle) < 5:
        return -4.0
    digits = sum(c.isdigit() for c in trace.handle)
    spelt = max(_spelt(trace.tag, who) for who in (trace, other))
    crowded = crowd.counts["tag"][trace.tag] > 6
    return 1.0 - spelt + min(digits, 3) * 0.9 - (1.5 if crowded and digits < 2 else 0.0)


def _spelt(tag: str, who: Trace) -> float:
    """How much of a handle the bearer's name explains, in bits it is worth less."""
    if who.first and who.last and tag in (who.first + who.last, who.last + who.first, who.first[0] + who.last):
        return 2.0
    return 1.5 if len(who.first) > 2 and who.first in tag else 0.0


def _names_of_one_household(a: Trace, b: Trace, crowd: Crowd, said: list[tuple[str, str, float]]) -> None:
    level = first_names(a.first, b.first)
    if level == "same" and said[0][0] == "handle" and len(a.first) > 2 and a.first in a.tag and a.first in b.tag:
        said.append(("first name", f"{a.first}, which the handle says already", 1.5))
    elif level == "same":
        said.append(("first name", a.first, 5.0))
    elif level == "nickname":
        said.append(("first name", f"{a.first} and {b.first}: short for the same", 4.0))
    elif level == "alike":
        said.append(("first name", f"{a.first} and {b.first}", 2.5))
    elif level == "initial":
        said.append(("first name", f"{a.first} and {b.first}", 0.0))
    elif level == "conflict":
        said.append(("first name", f"{a.first} against {b.first}", CONFLICT))
    if a.last and b.last:
        if a.last == b.last or alike(a.last, b.last) or a.sound == b.sound:
            said.append(("family name", a.last, 1.0))
        else:
            said.append(("family name", f"{a.last} against {b.last}", -5.0))


def _names(a: Trace, b: Trace, crowd: Crowd, said: list[tuple[str, str, float]]) -> None:
    if not (a.first and b.first and a.last and b.last):
        _half_named(a, b, crowd, said)
        return
    if a.last == b.last:
        said.append(("family name", a.last, crowd.bits("last", a.last)))
    elif alike(a.last, b.last):
        said.append(
            (
                "family name",
                f"{a.last} and {b.last}",
                max(min(crowd.bits("last", a.last), crowd.bits("last", b.last)) - 4.0, 1.0),
            )
        )
    else:
        said.append(("family name", f"{a.last} against {b.last}", -6.0))
    level = first_names(a.first, b.first)
    bits = min(crowd.bits("first", a.first), crowd.bits("first", b.first))
    if level == "same":
        said.append(("first name", a.first, bits))
    elif level == "nickname":
        said.append(("first name", f"{a.first} and {b.first}: short for the same", max(bits - 3.5, 2.0)))
    elif level == "alike":
        said.append(("first name", f"{a.first} and {b.first}", max(bits - 3.5, 1.5)))
    elif level == "initial":
        said.append(("first name", f"{a.first} and {b.first}", 1.5))
    else:
        said.append(("first name", f"{a.first} against {b.first}", CONFLICT))


def _half_named(a: Trace, b: Trace, crowd: Crowd, said: list[tuple[str, str, float]]) -> None:
    """One side has no whole name: what its handle spells out may stand for it."""
    for one, other in ((a, b), (b, a)):
        if one.tag and other.first and other.last and not one.last and not other.initial:
            spelt = {other.first + other.last, other.last + other.first}
            if one.tag in spelt and (not one.first or first_names(one.first, other.first) != "conflict"):
                bits = crowd.bits("first", other.first) + crowd.bits("last", other.last)
                said.append(("handle", f"{one.handle} spells {other.first} {other.last}", bits - 2.0))
                return
    said.append(("name", "not given", 0.0))


def near(a: Trace, b: Trace, said: list[tuple[str, str, float]]) -> None:
    """An address or number that is one slip away from the other's."""
    if a.email and b.email and a.email.partition("@")[2] == b.email.partition("@")[2]:
        x, y = a.email.partition("@")[0], b.email.partition("@")[0]
        if min(len(x), len(y)) > 5 and OSA.distance(x, y, score_cutoff=1) == 1 and _not_counted_on(x, y):
            said.append(("email", f"{a.email} and {b.email}", 7.0))
    if a.phone and b.phone and len(a.phone) == len(b.phone) and OSA.distance(a.phone, b.phone, score_cutoff=1) == 1:
        said.append(("phone", f"{a.phone} and {b.phone}", 7.0))


def _not_counted_on(x: str, y: str) -> bool:
    """ada1 and ada2 are two mailboxes; adq1 is a slip."""
    return "".join(c for c in x if not c.isdigit()) != "".join(c for c in y if not c.isdigit())


def _differences(a: Trace, b: Trace, said: list[tuple[str, str, float]]) -> None:
    near = {what for what, _, _ in said}
    for name, bits in DIFFER.items():
        x, y = getattr(a, name), getattr(b, name)
        if not x or not y or x == y or name in near or (name == "handle" and a.platform != b.platform):
            continue
        if name != "place" or not alike(x, y):
            said.append((name, "differs", bits))
    if a.middle and b.middle and a.middle != b.middle:
        said.append(("middle initial", f"{a.middle} against {b.middle}", -4.0))


@lru_cache(400_000)
def alike(x: str, y: str) -> bool:
    """One slip away, or nearly the same to the eye."""
    if x == y:
        return True
    if min(len(x), len(y)) < 4 or abs(len(x) - len(y)) > 2:
        return False
    return OSA.distance(x, y, score_cutoff=1) <= 1 or (min(len(x), len(y)) > 7 and JaroWinkler.similarity(x, y) > 0.95)


@lru_cache(400_000)
def first_names(x: str, y: str) -> str:
    """same, nickname, initial, alike, conflict; empty when one is not given."""
    if not x or not y:
        return ""
    if x == y:
        return "same" if len(x) > 1 else "initial"
    if len(x) == 1 or len(y) == 1:
        return "initial" if x[0] == y[0] else _initial_of(x, y)
    if NICKNAMES.get(x, frozenset()) & NICKNAMES.get(y, frozenset()):
        return "nickname"
    if len(x) >= 3 and len(y) >= 3 and (x.startswith(y) or y.startswith(x)):
        return "nickname"
    if OSA.distance(x, y, score_cutoff=1) <= 1 and min(len(x), len(y)) > 3 and not (x in NICKNAMES and y in NICKNAMES):
        return "alike"
    return "conflict"


def contradict(a: Trace, b: Trace) -> bool:
    """Whether the names are two people's: what lies between them does not make them one."""
    if first_names(a.first, b.first) == "conflict":
        return True
    return bool(a.last and b.last and a.sound != b.sound and not alike(a.last, b.last))


def _initial_of(x: str, y: str) -> str:
    """B. Smith may be William: a nickname's letter."""
    short, long = (x, y) if len(x) == 1 else (y, x)
    groups = NICKNAMES.get(long, frozenset())
    return (
        "initial"
        if groups and any(name[0] == short and own & groups for name, own in NICKNAMES.items())
        else "conflict"
    )
