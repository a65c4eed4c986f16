"""Rules that can never decide: conditions that exclude each other, and rules that stand below one which takes all of theirs."""

from config.book import Book
from config.shapes import Entries
from config.source import Node
from domain.rules import Rule, When

_BETWEEN = (
    ("need_at_least", "need_at_most"),
    ("compound_at_least", "compound_at_most"),
    ("rating_at_least", "rating_at_most"),
    ("followers_at_least", "followers_at_most"),
    ("age_at_least", "age_at_most"),
)
_CHOICES = ("sentiment", "intent", "topic", "platform", "language", "words", "customer", "tier")
_FLOORS = (
    *(low for low, _ in _BETWEEN),
    "urgency_at_least",
    "confidence_at_least",
    "open_tickets_at_least",
    "tickets_at_least",
)
_CEILINGS = tuple(high for _, high in _BETWEEN)


def check(book: Book, entries: Entries) -> None:
    """Errors for ranges that hold nothing, warnings for rules that are never reached, at the rule's own place."""
    rules: list[tuple[Node, Rule]] = entries.get("rules", [])
    for item, rule in rules:
        _ranges(book, item, rule.when)
    for at, (item, rule) in enumerate(rules):
        above = next((other for _, other in rules[:at] if covers(other.when, rule.when)), None)
        if above is not None:
            said = f'the rule "{rule.name}" never decides: "{above.name}" above it takes all that it would'
            book.complain(item.get("name") or item, "E403", said, "move it up, or delete it", severity="warning")


def _ranges(book: Book, item: Node, when: When) -> None:
    for low, high in _BETWEEN:
        least, most = getattr(when, low), getattr(when, high)
        if least is not None and most is not None and least > most:
            place = item.get("when")
            node = place.key(low) if place is not None else None
            book.complain(node or item, "E403", f"{low} {least:g} and {high} {most:g} exclude each other")


def covers(wide: When, narrow: When) -> bool:
    """Whether every mention that meets `narrow` meets `wide`: each of the wide one's conditions is also the narrow one's, or stricter."""
    for name in _CHOICES:
        outer, inner = getattr(wide, name), getattr(narrow, name)
        if outer and not (inner and set(inner) <= set(outer)):
            return False
    for name in _FLOORS:
        outer, inner = getattr(wide, name), getattr(narrow, name)
        if outer is not None and (inner is None or inner < outer):
            return False
    for name in _CEILINGS:
        outer, inner = getattr(wide, name), getattr(narrow, name)
        if outer is not None and (inner is None or inner > outer):
            return False
    return True
