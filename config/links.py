"""What no single entry can know: names across sections, equal names, times, and numbers that make no sense."""

import re
from collections.abc import Iterable

from config import queries, reach
from config.book import Book
from config.clock import cron_problem
from config.complaints import Complaint, nearest
from config.shapes import Entries, kinds, module
from config.source import Node
from domain.nouns import INTENTS

_NAME = re.compile(r"[^\W_][\w.-]{0,62}")
_NAMED = (
    "topics", "intents", "rules", "teams", "channels", "escalations",
    "calendars", "fields", "macros", "routing", "automations", "surveys", "contacts",
)  # fmt: skip
_TARGETS = ("desks", "alerts")
_LINKS = (
    ("channels", ("topics",), "topic"),
    ("rules", ("when", "topic"), "topic"),
    ("rules", ("when", "intent"), "intent"),
    ("rules", ("then", "team"), "team"),
    ("escalations", ("topics",), "topic"),
    ("escalations", ("alerts",), "alert"),
    ("desks", ("when", "teams"), "team"),
    ("service_levels", ("team",), "team"),
    ("service_levels", ("calendar",), "calendar"),
    ("macros", ("team",), "team"),
    ("routing", ("team",), "team"),
    ("routing", ("when", "topic"), "topic"),
    ("routing", ("when", "intent"), "intent"),
    ("routing", ("when", "team"), "team"),
    ("surveys", ("teams",), "team"),
    ("events", ("teams",), "team"),
    ("events", ("topics",), "topic"),
    ("surveys", ("target",), "desk or alert"),
)
_RANGES = (
    ("intents", ("weight",), 0.01, 100),
    ("service_levels", ("first",), 1, 525_600),
    ("service_levels", ("resolve",), 1, 525_600),
    ("service_levels", ("next",), 0, 525_600),
    ("rules", ("when", "compound_at_most"), -1, 1),
    ("rules", ("when", "compound_at_least"), -1, 1),
    ("rules", ("when", "need_at_least"), 0, 1),
    ("rules", ("when", "need_at_most"), 0, 1),
    ("rules", ("when", "urgency_at_least"), 0, 1),
    ("rules", ("when", "confidence_at_least"), 0, 1),
    ("rules", ("when", "rating_at_most"), 0, 1000),
    ("rules", ("when", "rating_at_least"), 0, 1000),
    ("rules", ("when", "followers_at_least"), 0, 10**12),
    ("rules", ("when", "followers_at_most"), 0, 10**12),
    ("rules", ("when", "open_tickets_at_least"), 0, 10**6),
    ("rules", ("when", "tickets_at_least"), 0, 10**6),
    ("rules", ("when", "age_at_most"), 0, 10**6),
    ("rules", ("when", "age_at_least"), 0, 10**6),
    ("rules", ("then", "first"), 1, 525_600),
    ("rules", ("then", "resolve"), 1, 525_600),
    ("escalations", ("authors",), 0, 10**6),
    ("escalations", ("share",), 0.01, 1),
    ("escalations", ("silence",), 1, 100),
    ("escalations", ("followers",), 1, 10**12),
    ("escalations", ("floor",), 1, 10**9),
    ("escalations", ("threshold",), 0.01, 1),
)


def check(book: Book, entries: Entries, vendors: bool) -> None:
    """All of it; names are taken from the files as written, so an entry refused for another reason is still known by its name."""
    _unique(book)
    _numbers(book)
    _times(book)
    if vendors:
        for item in _items(book, "calendars"):
            _holidays(book, item.get("holidays"))
    if book.sources:  # what the ledger holds was read when it came in
        queries.check(book, entries, vendors)
    if book.whole:  # what stands in a file that cannot be read is not missing
        _references(book, vendors)
    reach.check(book, entries)
    _scorer(book)


def _scorer(book: Book) -> None:
    from config.bench import scorer_names  # here, since bench reads the same models

    settings = book.sections.get("settings")
    node = settings.get("scorer") if settings is not None else None
    if node is not None and isinstance(node.value, str) and node.value not in scorer_names():
        book.complain(node, "E301", f'no scorer is named "{node.value[:60]}"', nearest(node.value, scorer_names()))


def places(book: Book) -> dict[str, Complaint]:
    """Where each channel, desk and alert stands, as `channels/NAME`: for complaints made later, about missing secrets."""
    found = {}
    for section in ("channels", *_TARGETS, "events"):
        for item in _items(book, section):
            name = item.get("name")
            if name is not None:
                text = book.sources[name.file].line(name.line) if name.file in book.sources else ""
                found[f"{section}/{name.value}"] = Complaint(
                    name.file, name.line, name.column, "", text, width=name.width
                )
    return found


def _items(book: Book, section: str) -> list[Node]:
    node = book.sections.get(section)
    return [item for item in node.items if item.kind == "map"] if node is not None and node.kind == "list" else []


def _names(book: Book, *sections: str) -> list[str]:
    nodes = [item.get("name") for section in sections for item in _items(book, section)]
    return [node.value for node in nodes if node is not None and isinstance(node.value, str)]


def _unique(book: Book) -> None:
    for group in (*((name,) for name in _NAMED), (*_TARGETS, "events")):
        _unique_by(book, [item for section in group for item in _items(book, section)], "name")
    _unique_levels(book)
    for item in (item for section in (*_NAMED, *_TARGETS, "events") for item in _items(book, section)):
        name = item.get("name")
        if name is not None and isinstance(name.value, str) and not _NAME.fullmatch(name.value):
            slug = re.sub(r"[^\w.-]+", "-", name.value).strip("-_.").lower()[:63]
            book.complain(
                name,
                "E303",
                "a name has up to 63 letters, digits, '-', '_' or '.' and begins with a letter or digit",
                slug,
            )


def _unique_levels(book: Book) -> None:
    """One service level per priority and team."""
    by_team: dict[str, list[Node]] = {}
    for item in _items(book, "service_levels"):
        by_team.setdefault(_text(item, "team"), []).append(item)
    for items in by_team.values():
        _unique_by(book, items, "priority")


def _unique_by(book: Book, items: Iterable[Node], key: str) -> None:
    seen: dict[str, Node] = {}
    for item in items:
        node = item.get(key)
        if node is None or not isinstance(node.value, str):
            continue
        first = seen.setdefault(node.value.casefold(), node)
        if first is not node:
            book.complain(node, "E302", f'the {key} "{node.value[:60]}" is already used in {first.file}:{first.line}')


def _numbers(book: Book) -> None:
    """Ranges of domain's plain dataclasses, which carry no constraints of their own."""
    for section, path, low, high in _RANGES:
        for item in _items(book, section):
            _range(book, item, path, low, high)
    for word, _ in book.sections["lexicon"].pairs if "lexicon" in book.sections else ():
        if not word.value.strip():
            book.complain(word, "E205", "an empty word has no valence")
    for item in _items(book, "alerts"):
        if item.key("when") is not None:
            book.complain(
                item.key("when") or item,
                "E305",
                "when chooses tickets for a desk; an escalation names its alerts itself",
            )
    for item in _items(book, "service_levels"):
        first, resolve = _number(_at(item, ("first",))), _number(_at(item, ("resolve",)))
        if first is not None and resolve is not None and resolve < first:
            book.complain(_at(item, ("resolve",)), "E305", "resolve: must not be before the first answer")


def _range(book: Book, item: Node, path: tuple[str, ...], low: float, high: float) -> None:
    node = _at(item, path)
    value = _number(node)
    if value is not None and not low <= value <= high:  # a NaN is in no range
        book.complain(node, "E304", f"{path[-1]}: must be at least {low:g} and at most {high:g}")


def _number(node: Node) -> float | None:
    try:
        return float(node.value) if node.kind == "scalar" and node.value is not None else None
    except (TypeError, ValueError, OverflowError):
        return None  # shapes.py has said so


def _at(node: Node, path: Iterable[str]) -> Node:
    """The node at a path of keys; where a step leads nowhere, a place without a value."""
    for step in path:
        node = node.get(step) or Node("map", file=node.file, line=node.line, column=node.column, width=node.width)
    return node


def _text(item: Node, key: str) -> str:
    node = item.get(key)
    return node.value if node is not None and isinstance(node.value, str) else ""


def _times(book: Book) -> None:
    for item in _items(book, "channels"):
        cron, zone = _text(item, "cron"), _text(item, "timezone") or "UTC"
        if cron and _text(item, "every"):
            book.complain(item.key("cron") or item, "E305", "a channel has every or cron, not both")
        problem, key = cron_problem(cron, zone)
        if problem:
            book.complain(_at(item, (key,)), "E306", problem)
    for item in _items(book, "calendars"):
        problem, key = cron_problem("", _text(item, "timezone") or "UTC")
        if problem:
            book.complain(_at(item, (key,)), "E306", problem)


def _holidays(book: Book, node: Node | None) -> None:
    if node is None or not _text(node, "country"):
        return
    from config.workbench import holidays_problem  # only a calendar with holidays pays for the import

    if problem := holidays_problem(_text(node, "country"), _text(node, "region")):
        book.complain(_at(node, ("country",)), "E307", problem)


def _references(book: Book, vendors: bool) -> None:
    known = {
        "topic": _names(book, "topics"),
        "team": _names(book, "teams"),
        "intent": [*_names(book, "intents"), *INTENTS],
        "alert": _names(book, "alerts"),
        "calendar": _names(book, "calendars"),
        "desk or alert": _names(book, *_TARGETS),
    }
    for section, path, word in _LINKS:
        for item in _items(book, section):
            _known(book, _at(item, path), known[word], word)
    for item in _items(book, "automations"):
        actions = item.get("then")
        for action in actions.items if actions is not None and actions.kind == "list" else ():
            _known(book, _at(action, ("routes",)), known["alert"], "alert")
            _known(book, _at(action, ("team",)), known["team"], "team")
    if "casework" in book.sections:
        _known(book, _at(book.sections["casework"], ("reply_by",)), known["desk or alert"], "desk or alert")
    if "default_team" in book.sections:
        _known(book, book.sections["default_team"], known["team"], "team")
    for item in _items(book, "own_accounts"):
        if not _text(item, "handle") and not _text(item, "native_id"):
            book.complain(item, "E203", "one of our own accounts is known by its handle or its native_id")
    if vendors:
        _platform_references(book)


def _platform_references(book: Book) -> None:
    """The connectors' platforms are only asked for when something names one, since that loads them all."""
    nodes = [_at(item, ("platform",)) for item in _items(book, "own_accounts")]
    nodes += [_at(item, ("when", "platform")) for item in _items(book, "rules")]
    nodes = [node for node in nodes if node.kind != "map"]
    known = _platforms() if nodes else []
    for node in nodes:
        _known(book, node, known, "platform")


def _platforms() -> list[str]:
    found = set()
    for kind in kinds("channels"):
        try:
            found.add(str(module("channels", kind).PLATFORM))
        except Exception:  # a connector that cannot be loaded is complained about where a channel uses it
            found.add(str(kind))
    return sorted(found)


def _known(book: Book, node: Node, known: Iterable[str], word: str) -> None:
    """A name, or each of a list of names; anything else is a complaint of shapes.py already."""
    for one in node.items if node.kind == "list" else [node]:
        if one.kind == "scalar" and isinstance(one.value, str) and one.value and one.value not in known:
            listed = ", ".join(list(dict.fromkeys(known))[:12]) or "none is configured"
            book.complain(one, "E301", f'unknown {word} "{one.value[:60]}"; known: {listed}', nearest(one.value, known))
