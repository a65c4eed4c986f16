"""What must not stand in a file: secrets, and addresses inside our own network that nobody allowed."""

import re
from collections.abc import Iterator

from config import hosts
from config.book import Book
from config.complaints import VARIABLE, is_secret, nearest
from config.shapes import REGISTRIES, Entries, module
from config.source import Node


def check(book: Book, entries: Entries, vendors: bool) -> None:
    """Over every channel, desk and alert, whether or not the rest of it fits."""
    settings = entries.get("settings")
    allowed = frozenset(settings.allow_hosts if settings else ())
    for section, item in _connected(book):
        for key, node in item.walk():
            if key is None:
                continue
            _secret(book, key, node, section, item)
            if vendors:
                _host(book, key.value, node, allowed)
    if "settings" in book.sections:
        for key, node in book.sections["settings"].walk():
            if key is not None:
                _secret(book, key, node, "settings", book.sections["settings"])


def _connected(book: Book) -> Iterator[tuple[str, Node]]:
    for section in REGISTRIES:
        node = book.sections.get(section)
        for item in node.items if node is not None and node.kind == "list" else ():
            yield section, item


def _secret(book: Book, key: Node, node: Node, section: str, item: Node) -> None:
    empty = node.kind == "scalar" and node.value is None
    if is_secret(key.value) and not empty:
        book.complain(
            key,
            "E501",
            f"a secret does not belong in a file: put it in the environment{_instead(key.value, section, item)}",
        )
    elif (
        key.value.endswith("_env") and node.kind == "scalar" and node.value and not VARIABLE.fullmatch(str(node.value))
    ):
        book.complain(
            key,
            "E502",
            f"{key.value} names an environment variable (capital letters, digits, _), it does not hold the secret",
        )


def _instead(key: str, section: str, item: Node) -> str:
    """The key that names the variable, if the connector has one that fits."""
    kind = item.get("kind")
    if kind is None or not isinstance(kind.value, str):
        return ""
    try:
        known = [name for name in module(section, kind.value).Settings.model_fields if name.endswith("_env")]
    except Exception:  # shapes.py complains about a kind that is unknown or cannot be loaded
        return ""
    wanted = f"{key.lower()}_env"
    name = wanted if wanted in known else nearest(wanted, known)
    variable = re.sub(r"[^A-Z0-9]+", "_", f"{kind.value}_{key}".upper()).strip("_")
    return f" and write {name}: {variable}" if name else ""


def _host(book: Book, key: str, node: Node, allowed: frozenset[str]) -> None:
    for value in node.items if node.kind == "list" else [node]:
        if value.kind == "scalar" and isinstance(value.value, str) and "${" not in value.value:
            problem = hosts.problem(key, value.value, allowed)
            if problem and not book.blames(value):
                book.complain(value, "E503", problem)
