"""What the YAML parser says, in an operator's words and at the place where the slip is."""

import re
from collections.abc import Sequence
from typing import Any

import yaml

_HASH = re.compile(r"[\[,]\s*(#)\w")


def explained(error: yaml.MarkedYAMLError, lines: Sequence[str]) -> tuple[str, int, int]:
    """The sentence, line and column."""
    problem, context = error.problem or "cannot be read", error.context or ""
    mark: Any = error.problem_mark or error.context_mark
    begun: Any = error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    if "\t" in text[: len(text) - len(text.lstrip())]:
        return "a tab in the indentation; YAML takes spaces only", line, column
    if "cannot start any token" in problem:
        sign = text[column - 1 : column]
        said = (
            "a tab where a value begins; YAML takes spaces only"
            if sign == "\t"
            else f"a value that begins with {sign} needs quotes"
        )
        return said, line, column
    if "mapping values are not allowed" in problem:
        return "a second ': ' in one line; put the value in quotes", line, column
    if "quoted scalar" in context and begun:
        return "a quote that is never closed", begun.line + 1, begun.column + 1
    if "flow" in context and (found := _hash(lines, line)):
        return "a # after a space or bracket begins a comment; put the word in quotes", *found
    if "flow" in context and begun and begun.line + 1 < line:
        return "a bracket that is never closed", begun.line + 1, begun.column + 1
    if "flow node" in context:
        return "a value was expected here; is a bracket above never closed?", line, column
    if "expected key" in problem or "expected '-' indicator" in problem or "block end" in problem:
        return f"the indentation fits no line above ({problem.removeprefix('did not find ')})", line, column
    return f"not YAML: {problem}{f' ({context})' if context else ''}", line, column


def _hash(lines: Sequence[str], until: int) -> tuple[int, int] | None:
    """The last bracket before a place whose list is cut off by a hashtag."""
    for number in range(min(until, len(lines)), 0, -1):
        if found := _HASH.search(lines[number - 1]):
            return number, found.start(1) + 1
    return None
