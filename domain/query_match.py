"""A query's tree compiled to a test of one mention. Pure; the finder has already looked for every word and phrase at once.

`NOT` is pushed down to the leaves, so that what a mention leaves open (a language nobody told) can hold on both sides: a mention is
never lost over what is not known of it.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from operator import itemgetter
from urllib.parse import urlsplit

from domain.language import primary
from domain.nouns import Mention
from domain.query_tree import Both, Either, Field, Near, Node, Not, Term, Wild
from domain.text import fold
from domain.words import Reading, unspaced

_WORDS = re.compile(r"[\w*?]+")
_PLAIN = re.compile(r"[\w\s'\-*?]*")

Tongue = Callable[[Mention], str | None]  # the language of a mention, None where it cannot be told


class Seen:
    """A mention as the tests see it."""

    __slots__ = ("_starts", "found", "mention", "reading", "tongue")

    def __init__(self, mention: Mention, reading: Reading, found: set[str], tongue: Tongue) -> None:
        self.mention, self.reading, self.found, self.tongue = mention, reading, found, tongue
        self._starts: list[int] | None = None

    @property
    def starts(self) -> list[int]:
        """Where each word begins in the folded text."""
        if self._starts is None:
            self._starts = [match.start() for match in re.finditer(r"\w+", self.reading.folded)]
        return self._starts


Test = Callable[[Seen], bool]
Span = tuple[int, int]  # number of the first word, and of the last
Places = Callable[[Seen], list[Span]]


def compiled(node: Node, negated: bool = False) -> Test:
    """The test of a tree, or of its opposite."""
    match node:
        case Not(part):
            return compiled(part, not negated)
        case Both(parts) | Either(parts):
            return _several(parts, isinstance(node, Both) is not negated, negated)
        case Field(name, value):
            return _field(name, value, negated)
        case Term(text):
            return _absent(frozenset((text,))) if negated else (lambda seen: text in seen.found)
        case Wild(text):
            found = pattern(text).search
            if negated:
                return lambda seen: found(seen.reading.folded) is None
            return lambda seen: found(seen.reading.folded) is not None
        case Near():
            return _near(node, negated)


def _several(parts: Sequence[Node], every: bool, negated: bool) -> Test:
    """Words and phrases alone are one question to the set of what was found; the rest is asked in turn, cheapest first."""
    words = frozenset(part.text for part in parts if isinstance(part, Term))
    rest = [compiled(part, negated) for part in sorted(parts, key=_dear) if not isinstance(part, Term)]
    if words:
        rest.insert(0, _terms(words, every, negated))
    if len(rest) == 1:
        return rest[0]
    if len(rest) == 2:
        first, second = rest
        if every:
            return lambda seen: first(seen) and second(seen)
        return lambda seen: first(seen) or second(seen)
    if every:
        return lambda seen: all(test(seen) for test in rest)
    return lambda seen: any(test(seen) for test in rest)


def _terms(words: frozenset[str], every: bool, negated: bool) -> Test:
    if negated:  # not any of them, or: not all of them
        return _absent(words) if every else (lambda seen: not words <= seen.found)
    if every:
        return lambda seen: words <= seen.found
    disjoint = words.isdisjoint
    return lambda seen: not disjoint(seen.found)


def _absent(words: frozenset[str]) -> Test:
    return lambda seen: words.isdisjoint(seen.found)


def _dear(node: Node) -> int:
    return (Term, Field, Not, Both, Either, Wild, Near).index(type(node))


def _field(name: str, value: str, negated: bool) -> Test:
    if name == "lang":

        def spoken(seen: Seen) -> bool:
            code = primary(seen.mention.language) or seen.tongue(seen.mention)
            return code is None or (code == value) is not negated

        return spoken
    test = {"author": _author, "platform": _platform, "site": _site}[name]
    return lambda seen: test(seen.mention, value) is not negated


def _author(mention: Mention, value: str) -> bool:
    who = mention.attributed_to
    return who is not None and value in (who.handle.removeprefix("u/").lstrip("@").lower(), who.native_id.lower())


def _platform(mention: Mention, value: str) -> bool:
    return mention.platform.lower() == value


def _site(mention: Mention, value: str) -> bool:
    """The host of the mention's own address, or a host above it."""
    try:
        host = (urlsplit(mention.url or "").hostname or "").removeprefix("www.")
    except ValueError:
        return False
    return host == value or host.endswith(f".{value}")


# -- places in the text ----------------------------------------------------------------------------------------------


def _near(node: Near, negated: bool) -> Test:
    """Places are looked up only where both sides are in the text at all."""
    places, there = _places(node), compiled(_anywhere(node))
    return lambda seen: (there(seen) and bool(places(seen))) is not negated


def _anywhere(node: Node) -> Node:
    match node:
        case Near(left, right):
            return Both((_anywhere(left), _anywhere(right)))
        case Either(parts):
            return Either(tuple(map(_anywhere, parts)))
    return node


def _places(node: Node) -> Places:
    """Where a part stands, as spans of words in order of their begin."""
    match node:
        case Term(text) | Wild(text):
            return _standing(pattern(text))
        case Either(parts):
            each = [_places(part) for part in parts]
            return lambda seen: sorted({span for places in each for span in places(seen)})
        case Near(left, right, gap, ordered):
            first, second = _places(left), _places(right)
            return lambda seen: _joined(first(seen), second(seen), gap, ordered)
    raise TypeError(f"{type(node).__name__} has no place in a text")


def _standing(wanted: re.Pattern[str]) -> Places:
    def places(seen: Seen) -> list[Span]:
        starts = seen.starts
        found = []
        for match in wanted.finditer(seen.reading.folded):
            at = bisect_left(starts, match.start())  # a #tag begins before its word, a Han word within one
            first = at if at < len(starts) and starts[at] < match.end() else max(at - 1, 0)
            found.append((first, max(first, bisect_left(starts, match.end()) - 1)))
        return found

    return places


def _joined(left: Sequence[Span], right: Sequence[Span], gap: int, ordered: bool) -> list[Span]:
    """The closest pairs with at most `gap` words between them, as spans over both; in time linear in the text, nearly."""
    found = _after(left, right, gap)
    if not ordered:
        found |= _after(right, left, gap)
    return sorted(found)


def _after(first: Sequence[Span], second: Sequence[Span], gap: int) -> set[Span]:
    """Each of `first` with the next of `second`, and each of `second` with the last of `first` before it."""
    found = set()
    begins = [span[0] for span in second]
    by_end = sorted(first, key=itemgetter(1))
    ends = [span[1] for span in by_end]
    for one in first:
        at = bisect_right(begins, one[1])
        if at < len(begins) and begins[at] - one[1] - 1 <= gap:
            found.add((one[0], second[at][1]))
    for other in second:
        at = bisect_left(ends, other[0]) - 1
        if at >= 0 and other[0] - ends[at] - 1 <= gap:
            found.add((by_end[at][0], other[1]))
    return found


def pattern(text: str) -> re.Pattern[str]:
    """What finds a word or phrase in folded text: the rules of domain/words.py, and wildcards."""
    folded = fold(text).strip()
    return re.compile("|".join(_form(form) for form in dict.fromkeys((folded, folded.replace("'", "")))))


def _form(form: str) -> str:
    if unspaced(form):
        return re.escape(form)
    words = _WORDS.findall(form)
    if words and _PLAIN.fullmatch(form):
        return r"(?<!\w)" + r"\W+".join(map(_piece, words)) + r"(?!\w)"
    begin = r"(?<!\w)" if form[0] in "@#" or form[0].isalnum() else ""
    end = r"(?!\w)" if form[-1].isalnum() or form[-1] in "_*?" else ""
    return begin + r"\s+".join(map(_piece, form.split())) + end


def _piece(word: str) -> str:
    return "".join({"*": r"\w*", "?": r"\w"}.get(sign) or re.escape(sign) for sign in word)
