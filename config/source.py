"""YAML text to a tree of nodes that know their place. Strict: what an operator types is what we read.

Every scalar stays the string it is until the schema asks for something else: PyYAML alone would make `no` a False, `12:30` the
number 750 and `010` the number 8, and keep the last of two equal keys without a word (https://github.com/yaml/pyyaml/issues/165).
Tags are refused, so no text can build an object; depth, size and aliases are bounded, so none can fill the memory.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

from config.complaints import Complaint, masked
from config.slips import explained

MAX_BYTES = 2_000_000
MAX_DEPTH = 30
MAX_ALIASES = 200
MAX_NODES = 200_000
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLAIN_TAGS = {None, "!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")  # PostgreSQL's jsonb takes no NUL, people see none of them
_NOTHING = {"", "~", "null"}


@dataclass(slots=True)
class Node:
    """A scalar (`value`), a list (`items`) or a mapping (`pairs`), and where it stands. Line and column count from 1."""

    kind: Literal["scalar", "list", "map"]
    value: Any = None
    items: list["Node"] = field(default_factory=list)
    pairs: list[tuple["Node", "Node"]] = field(default_factory=list)
    file: str = ""
    line: int = 0
    column: int = 0
    width: int = 1
    size: int = 1

    def get(self, key: Any) -> "Node | None":
        """The child under a key or an index."""
        if self.kind == "list" and isinstance(key, int):
            return self.items[key] if key < len(self.items) else None
        return next((value for name, value in self.pairs if name.value == key), None)

    def key(self, name: Any) -> "Node | None":
        """The key's own node, for a complaint about the key itself."""
        return next((key for key, _ in self.pairs if key.value == name), None)

    def walk(self) -> Iterator[tuple["Node | None", "Node"]]:
        """Every node below this one with its key (None in lists)."""
        for key, child in [*self.pairs, *((None, item) for item in self.items)]:
            yield key, child
            yield from child.walk()

    def plain(self) -> Any:
        """The value as Python data; a key without a value is left out, so that its default holds."""
        if self.kind == "list":
            return [item.plain() for item in self.items]
        if self.kind == "map":
            return {
                key.value: value.plain()
                for key, value in self.pairs
                if value.kind != "scalar" or value.value is not None
            }
        return self.value


def of(value: Any, depth: int = 0) -> Node:
    """A tree without places, from data that is already Python's (the ledger's JSON)."""
    if depth > MAX_DEPTH:
        raise Refused("nested too deeply", 0, 0)
    if isinstance(value, dict):
        return Node("map", pairs=[(Node("scalar", str(key)), of(child, depth + 1)) for key, child in value.items()])
    if isinstance(value, list | tuple):
        return Node("list", items=[of(child, depth + 1) for child in value])
    return Node("scalar", value)


class Refused(Exception):
    """The text cannot be read on from here."""

    def __init__(self, message: str, line: int, column: int, code: str = "E102") -> None:
        super().__init__(message)
        self.message, self.line, self.column, self.code = message, line, column, code


class Source:
    """One file's text: its lines, its tree and what is wrong with it as YAML."""

    def __init__(self, file: str, text: str | bytes) -> None:
        self.file = file
        self.complaints: list[Complaint] = []
        self.root: Node | None = None
        self.lines: list[str] = []
        try:
            decoded = _decoded(text)
            self.lines = re.split(r"\r\n|\r|\n", decoded)
            self.root = _Composer(self, decoded).document()
        except Refused as refused:
            self.complain(refused.code, refused.message, refused.line, refused.column)

    def complain(self, code: str, message: str, line: int, column: int, suggestion: str = "", width: int = 1) -> None:
        self.complaints.append(
            Complaint(self.file, line, column, message, self.line(line), suggestion, width=width, code=code)
        )

    def line(self, number: int) -> str:
        return masked(self.lines[number - 1]) if 0 < number <= len(self.lines) else ""


def _decoded(text: str | bytes) -> str:
    if len(text) > MAX_BYTES:
        raise Refused(f"larger than {MAX_BYTES:,} bytes; split it into several files", 0, 0, "E101")
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            raise Refused(f"not UTF-8 (byte {error.start}); save the file as UTF-8", line, 1, "E101") from None
    return text.removeprefix("\ufeff")


class _Composer:
    """Events to nodes, counting as it goes. Duplicate keys and tags are complaints that do not stop the reading."""

    def __init__(self, source: Source, text: str) -> None:
        self.source, self.text = source, text
        self.anchors: dict[str, Node] = {}
        self.aliases = 0
        self.total = 0
        self.events: Iterator[Any] = iter(())

    def document(self) -> Node | None:
        try:
            # The events alone: scalars are never resolved or constructed, so no tag can run code.
            self.events = yaml.parse(self.text, Loader=_LOADER)
            root, documents = None, 0
            for event in self.events:
                if isinstance(event, yaml.DocumentStartEvent):
                    documents += 1
                    if documents > 1:
                        raise Refused("a second document (---) in one file; put it into its own file", *_place(event))
                    root = self.node(next(self.events), 0)
            return root
        except yaml.MarkedYAMLError as error:
            raise Refused(*explained(error, self.source.lines)) from None
        except yaml.reader.ReaderError as error:
            raise Refused(f"a character that YAML does not allow ({error.reason})", 0, 0) from None
        except (ValueError, OverflowError, RecursionError, StopIteration, yaml.YAMLError) as error:
            raise Refused(f"cannot be read as YAML ({type(error).__name__})", 0, 0) from None

    def node(self, event: Any, depth: int) -> Node:
        line, column = _place(event)
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, line, column)
        if depth > MAX_DEPTH:
            raise Refused(f"nested deeper than {MAX_DEPTH} levels", line, column)
        if event.tag not in _PLAIN_TAGS:
            self.source.complain(
                "E103", f"tags such as {event.tag[:60]} are not read; write the value itself", line, column
            )
        begin, end = event.start_mark, event.end_mark
        if isinstance(event, yaml.ScalarEvent):
            width = end.column - begin.column if end.line == begin.line else 1
            value = None if not event.style and event.value in _NOTHING else event.value
            if _CONTROL.search(event.value):
                self.source.complain("E104", "a control character in a value", line, column)
            node = Node("scalar", value, file=self.source.file, line=line, column=column, width=max(1, width))
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self.sequence(Node("list", file=self.source.file, line=line, column=column), depth)
        else:
            node = self.mapping(Node("map", file=self.source.file, line=line, column=column), depth)
        if event.anchor:
            self.anchors[event.anchor] = node
        return node

    def count(self, node: Node, child: Node) -> None:
        node.size += child.size
        if node.size > MAX_NODES:
            raise Refused(f"more than {MAX_NODES:,} values once its aliases are followed", node.line, node.column)

    def sequence(self, node: Node, depth: int) -> Node:
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            child = self.node(event, depth + 1)
            self.count(node, child)
            node.items.append(child)
        return node

    def mapping(self, node: Node, depth: int) -> Node:
        seen: dict[str, Node] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self.node(event, depth + 1)
            value = self.node(next(self.events), depth + 1)
            self.count(node, value)
            if key.kind != "scalar" or key.value is None:
                self.source.complain("E103", "a key must be a word", key.line, key.column)
            elif key.value == "<<":
                self.source.complain(
                    "E103", "merge keys (<<) are not read; write the keys out", key.line, key.column, width=2
                )
            elif key.value in seen:
                first = seen[key.value].line
                self.source.complain(
                    "E105", f'"{key.value}" is already set in line {first}', key.line, key.column, width=key.width
                )
            else:
                seen[key.value] = key
                node.pairs.append((key, value))
        return node

    def alias(self, event: Any, line: int, column: int) -> Node:
        self.aliases += 1
        if self.aliases > MAX_ALIASES:
            raise Refused(f"more than {MAX_ALIASES} aliases", line, column)
        target = self.anchors.get(event.anchor)
        if target is None:
            raise Refused(f"alias *{event.anchor} stands for nothing above it", line, column)
        return target


def _place(event: Any) -> tuple[int, int]:
    mark: Any = event.start_mark
    return mark.line + 1, mark.column + 1
