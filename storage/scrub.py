"""Taking a person's words out of stored JSON: notices, evidence. Pure: values in, values out."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

BLANK = "[erased]"
EXCERPT = 40  # an excerpt begins like the text it is taken from


@dataclass(frozen=True, slots=True)
class Marks:
    """What betrays a post or its author: our mention ids, addresses and names compared whole, texts wherever they stand."""

    ids: frozenset[int]
    whole: frozenset[str]
    inside: tuple[str, ...]

    def hit(self, value: str) -> bool:
        return (
            value in self.whole or value.removeprefix("@") in self.whole or any(mark in value for mark in self.inside)
        )


def marks(ids: Iterable[int], whole: Iterable[str | None], texts: Iterable[str | None]) -> Marks:
    """Texts are known again by their first characters; very short ones only as a whole."""
    names = {name for name in whole if name}
    inside = set()
    for said in texts:
        line = (said or "").strip()
        if len(line) >= 12:
            inside.add(line[:EXCERPT])
        elif line:
            names.add(line)
    return Marks(frozenset(ids), frozenset(names), tuple(sorted(inside)))


def scrub(value: Any, marked: Marks) -> Any:
    """The same value without what is marked: items of a list that are about a marked post go, single texts are blanked."""
    if isinstance(value, dict):
        return {name: scrub(inner, marked) for name, inner in value.items()}
    if isinstance(value, list):
        return [scrub(inner, marked) for inner in value if not _about(inner, marked)]
    return BLANK if isinstance(value, str) and marked.hit(value) else value


def _about(item: Any, marked: Marks) -> bool:
    if isinstance(item, dict):
        if any(
            item.get(name) in marked.ids for name in ("mention_id", "mention", "id") if isinstance(item.get(name), int)
        ):
            return True
        return any(isinstance(inner, str) and marked.hit(inner) for inner in item.values())
    if isinstance(item, bool):
        return False
    return isinstance(item, str) and marked.hit(item)
