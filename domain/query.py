"""Which topics a mention belongs to, by the monitoring queries operators wrote. Pure."""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from domain.nouns import Mention
from domain.query_grammar import parse
from domain.query_match import Seen, Test, Tongue, compiled
from domain.query_tree import ALWAYS, Node, both, lists, terms
from domain.rules import Topic
from domain.words import Finder, Reading

Compiled = tuple[Finder, tuple[tuple[str, Test], ...]]


def matching(topics: Sequence[Topic], mention: Mention, tongue: Tongue = lambda mention: None) -> tuple[str, ...]:
    """The names of the topics that match, in the order given. Without topics everything matches under an empty name.

    A post deleted upstream has no text left to match and belongs to every topic: its deletion must not be overlooked.
    `tongue` tells the language where the platform does not and a query asks for it; what stays unknown matches.
    """
    if not topics:
        return ("",)
    if mention.deleted:
        return tuple(topic.name for topic in topics)
    finder, tests = _known(topics)
    # A word of its own between title and text: no phrase reaches over it, and no platform's search finds one there.
    text = f"{mention.name}\n_\n{mention.content}" if mention.name and mention.content else mention.text
    reading = Reading(text)
    seen = Seen(mention, reading, set(finder.find(reading)), tongue)
    return tuple([name for name, test in tests if test(seen)])


def tree(topic: Topic) -> Node:
    """What a topic asks for: its lists and its query. Raises BadQuery."""
    return both(lists(topic), parse(topic.query)) if topic.query else lists(topic)


_KNOWN: dict[
    int, tuple[Sequence[Topic], Compiled]
] = {}  # by identity: to compare queries takes as long as to match one


def _known(topics: Sequence[Topic]) -> Compiled:
    """The topics compiled, once for all pages of a poll without a comparison."""
    known = _KNOWN.get(id(topics))
    if known is None or known[0] is not topics:
        if len(_KNOWN) >= 256:
            _KNOWN.clear()
        known = _KNOWN[id(topics)] = (topics, _compiled(tuple(topics)))
    return known[1]


@lru_cache(maxsize=256)
def _compiled(topics: tuple[Topic, ...]) -> Compiled:
    trees = [(topic.name, tree(topic)) for topic in topics]
    return Finder(_all(trees)), tuple((name, _test(node)) for name, node in trees)


def _all(trees: Iterable[tuple[str, Node]]) -> Iterable[str]:
    return (term for _, node in trees for term in terms(node))


def _test(node: Node) -> Test:
    return (lambda seen: True) if node == ALWAYS else compiled(node)
