"""A monitoring query as a tree: what an operator wrote, with nothing of how it was written. Frozen data and its plain algebra.

docs/queries.md describes the language; domain/query_grammar.py reads it, domain/query_match.py holds it against mentions and
connectors/searches.py asks platforms for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from domain.rules import Topic

FIELDS = ("lang", "author", "platform", "site")


@dataclass(frozen=True, slots=True)
class Term:
    """A word, phrase, #tag or @handle, found as domain/words.py finds it. `exact` keeps a phrase of one word in quotes."""

    text: str


@dataclass(frozen=True, slots=True)
class Wild:
    """A word or phrase with `*` (any letters, or none) or `?` (one letter) in it."""

    text: str


@dataclass(frozen=True, slots=True)
class Field:
    """`name:value`, of FIELDS; the value in lower case."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Near:
    """Both sides with at most `gap` words between them; with `ordered`, the left one first."""

    left: "Node"
    right: "Node"
    gap: int
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Not:
    """What must not hold."""

    part: "Node"


@dataclass(frozen=True, slots=True)
class Both:
    """All of the parts; without parts it always holds."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one of the parts; without parts it never holds."""

    parts: tuple["Node", ...]


Node = Term | Wild | Field | Near | Not | Both | Either
ALWAYS, NEVER = Both(()), Either(())


def both(*parts: Node) -> Node:
    """All of them, as flat as can be."""
    flat: list[Node] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, Both) else (part,))
    if NEVER in flat:
        return NEVER
    kept = tuple(dict.fromkeys(flat))
    return kept[0] if len(kept) == 1 else Both(kept)


def either(*parts: Node) -> Node:
    """One of them, as flat as can be."""
    flat: list[Node] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, Either) else (part,))
    if ALWAYS in flat:
        return ALWAYS
    kept = tuple(dict.fromkeys(flat))
    return kept[0] if len(kept) == 1 else Either(kept)


def lists(topic: Topic) -> Node:
    """The lists of a topic (`any`, `all`, `none`) as a tree; its `query` is text and read by the grammar."""
    parts: list[Node] = [Term(term) for term in topic.all]
    if topic.any:
        parts.append(either(*map(Term, topic.any)))
    if topic.none:
        parts.append(Not(either(*map(Term, topic.none))))
    return both(*parts) if parts else ALWAYS


def terms(node: Node) -> Iterator[str]:
    """Every word and phrase of a tree that a finder may look for."""
    match node:
        case Term(text):
            yield text
        case Not(part):
            yield from terms(part)
        case Near(left, right):
            yield from terms(left)
            yield from terms(right)
        case Both(parts) | Either(parts):
            for part in parts:
                yield from terms(part)


def asks(node: Node, name: str) -> bool:
    """Whether a field such as `lang` is asked about anywhere."""
    match node:
        case Field(field):
            return field == name
        case Not(part):
            return asks(part, name)
        case Both(parts) | Either(parts):
            return any(asks(part, name) for part in parts)
    return False


def leaves(node: Node) -> Iterator[Node]:
    """The leaves that are not behind NOT: what a mention may have to be accepted."""
    match node:
        case Both(parts) | Either(parts):
            for part in parts:
                yield from leaves(part)
        case Near(left, right):
            yield from leaves(left)
            yield from leaves(right)
        case Not():
            return
        case _:
            yield node
