"""Which topics a mention belongs to, by the monitoring queries operators wrote. Pure."""

from collections.abc import Sequence
from functools import lru_cache

from domain.nouns import Mention
from domain.rules import Topic
from domain.words import Finder, Reading


def matching(topics: Sequence[Topic], mention: Mention) -> tuple[str, ...]:
    """The names of the topics that match, in the order given. Without topics everything matches under an empty name.

    A post deleted upstream has no text left to match and belongs to every topic: its deletion must not be overlooked.
    """
    if not topics:
        return ("",)
    if mention.deleted:
        return tuple(topic.name for topic in topics)
    given = tuple(topics)
    found = set(_finder(given).find(Reading(mention.text)))
    return tuple(topic.name for topic in given if _holds(topic, found))


@lru_cache(maxsize=256)
def _finder(topics: tuple[Topic, ...]) -> Finder:
    return Finder(term for topic in topics for term in (*topic.any, *topic.all, *topic.none))


def _holds(topic: Topic, found: set[str]) -> bool:
    return (
        (not topic.any or not found.isdisjoint(topic.any))
        and found.issuperset(topic.all)
        and found.isdisjoint(topic.none)
    )
