"""The topics' queries, read as the grammar reads them; a complaint points at the very word in the file."""

from collections.abc import Sequence

from config.book import Book
from config.complaints import Complaint
from config.shapes import Entries, module
from config.source import Node
from connectors.searches import Unsearchable
from connectors.several import expand
from domain.query import tree
from domain.query_grammar import BadQuery, Slip, parse
from domain.query_tree import either


def check(book: Book, entries: Entries, vendors: bool) -> None:
    """Every query of every topic, and what channels that have none of their own can ask their platform."""
    bad = len(book.complaints)
    _topics(book)
    if vendors and book.whole and len(book.complaints) == bad:
        _channels(book, entries)


def _channels(book: Book, entries: Entries) -> None:
    topics = [topic for _, topic in entries.get("topics", [])]
    for item, channel in entries.get("channels", []):
        wanted = [topic for topic in topics if not channel.topics or topic.name in channel.topics]
        connector = module("channels", channel.kind)
        if not hasattr(connector, "searches"):
            continue
        try:
            expand(connector, connector.Settings(**channel.settings), either(*map(tree, wanted)))
        except Unsearchable as nothing:
            said = str(nothing) if wanted else "it has no search of its own, and no topic whose query could be asked"
            book.complain(item.get("kind") or item, "E402", f'the channel "{channel.name}" cannot be read: {said}')


def _topics(book: Book) -> None:
    topics = book.sections.get("topics")
    for item in topics.items if topics is not None else ():
        node = item.get("query")
        if node is None or not isinstance(node.value, str):
            continue
        try:
            parse(node.value)
        except BadQuery as bad:
            _complain(book, node, bad.slip)


def _complain(book: Book, node: Node, slip: Slip) -> None:
    source = book.sources.get(node.file)
    line, column = place(source.lines if source else (), node, slip.at)
    text = source.line(line) if source else ""
    said = f"query: {slip.message}"
    book.complaints.append(
        Complaint(node.file, line, column, said, text, slip.suggestion, width=slip.width, code="E401")
    )


def place(lines: Sequence[str], node: Node, at: int) -> tuple[int, int]:
    """Line and column of a character of a value, whichever way YAML wrote it: plain, quoted, folded or as a block.

    YAML changes only white space (folding, indentation), quotes and `\\` of the text, so the value is followed through the
    file sign by sign; what cannot be followed points at the begin of the value.
    """
    wanted = [sign for sign in node.value[: at + 1] if not sign.isspace()]
    line, column = node.line - 1, node.column - 1
    if wanted and 0 <= line < len(lines) and lines[line][column : column + 1] in ("|", ">"):
        line, column = line + 1, 0
    for number, sign in enumerate(wanted):
        found = _next(lines, line, column, sign)
        if found is None:
            return node.line, node.column
        line, column = found
        if number < len(wanted) - 1:
            column += 1
    return (line + 1, column + 1) if wanted else (node.line, node.column)


def _next(lines: Sequence[str], line: int, column: int, sign: str) -> tuple[int, int] | None:
    """Where a sign stands next, over white space, quotes and backslashes."""
    while line < len(lines):
        text = lines[line]
        while column < len(text):
            if text[column] == sign:
                return line, column
            if not text[column].isspace() and text[column] not in "\"'\\":
                return None
            column += 1
        line, column = line + 1, 0
    return None
