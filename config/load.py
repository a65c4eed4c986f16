"""The one door: a folder of YAML becomes a Config, or every complaint about it at once."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config import links, safety, shapes
from config.book import Book
from config.complaints import Complaint, Complaints, nearest
from config.models import Config
from config.source import Node, Refused, Source, of

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Examined:
    """What came of a look at a folder: a Config when nothing stands against it, the complaints (warnings too), and where names stand."""

    config: Config | None
    complaints: tuple[Complaint, ...]
    places: Mapping[str, Complaint]
    files: tuple[str, ...]


def load(folder: str | Path, values: Mapping[str, str] | None = None, *, connectors: bool = True) -> Config:
    """The configuration in a folder; `values` fill its `${NAME}` placeholders. Raises Complaints with everything that is wrong.

    Without `connectors`, what belongs to channels, desks and calendars is not held against their libraries, which takes most of the
    time: enough for who judges texts and reads and sends nothing.
    """
    examined = examine(folder, values, connectors=connectors)
    if examined.config is None:
        raise Complaints(one for one in examined.complaints if one.severity == "error")
    return examined.config


def examine(folder: str | Path, values: Mapping[str, str] | None = None, *, connectors: bool = True) -> Examined:
    """Like load, but hands everything back: for `earmark check`, the watcher and the console."""
    texts, complaints = _files(Path(folder))
    return examine_texts(texts, values, complaints, connectors=connectors)


def examine_texts(
    texts: Iterable[tuple[str, str | bytes]],
    values: Mapping[str, str] | None = None,
    complaints: Iterable[Complaint] = (),
    *,
    connectors: bool = True,
) -> Examined:
    """The same for files already in hand, as (name, text) in order."""
    book = Book(complaints=list(complaints))
    for name, text in texts:
        _add(book, Source(name, text), values or {})
    config = _config(book, vendors=connectors)
    places = links.places(book)
    return Examined(config, tuple(Complaints(book.complaints)), places, tuple(book.sources))


def load_document(document: Mapping[str, Any]) -> Config:
    """The configuration as the ledger holds it. It passed the connectors' own models when it came in, so they are not loaded here."""
    book = Book()
    try:
        root = of(document)
    except Refused as refused:
        raise Complaints([Complaint("", 0, 0, refused.message, code=refused.code)]) from None
    _take_sections(book, root)
    config = _config(book, vendors=False)
    if config is None:
        raise Complaints(book.errors)
    return config


def load_edit(document: Mapping[str, Any], text: str, name: str = "edit.yaml") -> Config:
    """The configuration as the ledger holds it, with the sections of an edited file in place of its own. Raises Complaints."""
    book = Book()
    _add(book, Source(name, text), {})
    rest = {section: value for section, value in document.items() if section not in book.sections}
    try:
        _take_sections(book, of(rest))
    except Refused as refused:
        raise Complaints([Complaint("", 0, 0, refused.message, code=refused.code)]) from None
    config = _config(book, vendors=False)
    if config is None or book.errors:
        raise Complaints(book.errors)
    return config


def _files(folder: Path) -> tuple[list[tuple[str, bytes]], list[Complaint]]:
    texts: list[tuple[str, bytes]] = []
    complaints: list[Complaint] = []
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.is_file() and not entry.name.startswith("."))
    except OSError as error:
        return [], [Complaint(str(folder), 0, 0, f"cannot be read as a folder: {error.strerror}", code="E101")]
    for name in names:
        path = folder / name
        if name.endswith(".yml"):
            complaints.append(Complaint(str(path), 0, 0, "is not read; name it .yaml", severity="warning", code="E107"))
        if not name.endswith(".yaml"):
            continue
        try:
            texts.append((str(path), path.read_bytes()))
        except OSError as error:
            complaints.append(Complaint(str(path), 0, 0, f"cannot be read: {error.strerror}", code="E101"))
    if not texts and all(one.severity == "warning" for one in complaints):
        complaints.append(Complaint(str(folder), 0, 0, "holds no *.yaml file", code="E101"))
    return texts, complaints


def _add(book: Book, source: Source, values: Mapping[str, str]) -> None:
    book.sources[source.file] = source
    book.complaints += source.complaints
    book.whole = book.whole and (source.root is not None or not source.complaints)
    if source.root is None or (source.root.kind == "scalar" and source.root.value is None):
        return
    if source.root.kind != "map":
        book.whole = False
        book.complain(source.root, "E204", "a file holds sections: topics:, channels:, rules: …")
        return
    _fill(book, source.root, values)
    _take_sections(book, source.root)


def _fill(book: Book, root: Node, values: Mapping[str, str]) -> None:
    """Placeholders are filled after parsing, so that a value cannot change the structure."""
    filled: set[int] = set()  # an aliased node is met more than once
    for _, node in root.walk():
        if node.kind != "scalar" or not isinstance(node.value, str) or "${" not in node.value or id(node) in filled:
            continue
        filled.add(id(node))
        unknown = [name for name in _PLACEHOLDER.findall(node.value) if name not in values]
        if unknown:
            advice = "" if values else "; secrets are named by a key that ends in _env, other values are written out"
            book.complain(node, "E106", f"nothing fills ${{{unknown[0]}}}{advice}", nearest(unknown[0], values))
        else:
            node.value = _PLACEHOLDER.sub(lambda match: values[match[1]], node.value)


def _take_sections(book: Book, root: Node) -> None:
    """Lists of several files follow each other in file order, mappings join, and a single value may stand once."""
    for key, value in root.pairs:
        if key.value not in Config.model_fields:
            book.complain(key, "E201", f'unknown section "{key.value[:60]}"', nearest(key.value, Config.model_fields))
            continue
        if value.kind == "scalar" and value.value is None:
            continue
        earlier = book.sections.get(key.value)
        if earlier is None:
            book.sections[key.value] = Node(
                value.kind,
                value.value,
                list(value.items),
                list(value.pairs),
                value.file,
                value.line,
                value.column,
                value.width,
            )
        elif earlier.kind == value.kind == "list":
            earlier.items += value.items
        elif earlier.kind == value.kind == "map":
            _join(book, earlier, value)
        else:
            book.complain(key, "E105", f'"{key.value}" is already set in {earlier.file}:{earlier.line}')


def _join(book: Book, into: Node, more: Node) -> None:
    for key, value in more.pairs:
        first = into.key(key.value)
        if first is None:
            into.pairs.append((key, value))
        else:
            book.complain(key, "E105", f'"{key.value}" is already set in {first.file}:{first.line}')


def _config(book: Book, vendors: bool) -> Config | None:
    entries = shapes.read(book, vendors)
    links.check(book, entries, vendors)
    safety.check(book, entries, vendors)
    if book.errors:
        return None
    whole: dict[str, Any] = {
        name: tuple(model for _, model in found) if isinstance(found, list) else found
        for name, found in entries.items()
    }
    return Config(**whole)
