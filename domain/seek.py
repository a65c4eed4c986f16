"""What a person types into a search box: the language of monitoring queries, read kindly, and where its words stand in a text. Pure.

Who monitors writes a query once and is told of every slip; who searches types words. What is no query is therefore read as its words,
and the page says so.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from domain.query_grammar import BadQuery, parse
from domain.query_match import pattern
from domain.query_tree import NEVER, Both, Either, Near, Node, Not, Term, Wild, both

LONGEST = 200  # characters
FARTHEST = 20  # words of a NEAR: each distance is a part of its own
WIDE = 110  # characters of a snippet


@dataclass(frozen=True, slots=True)
class Sought:
    """`node` is NEVER where there is nothing to look for; `note` says what was not taken as written."""

    node: Node
    note: str = ""


@lru_cache(maxsize=256)
def sought(text: str) -> Sought:
    """The tree of what was typed."""
    text = text.strip()[:LONGEST]
    if not text:
        return Sought(NEVER)
    try:
        node = parse(text)
        if far(node) > FARTHEST:
            return Sought(NEVER, f"A search looks at most {FARTHEST} words far: NEAR/{FARTHEST}.")
        return Sought(node)
    except BadQuery as problem:
        words = [Term(word) for word in re.findall(r"\w[\w'’&.@+-]*", text)]
        return Sought(both(*words) if words else NEVER, f"Read as words alone: {problem}.")


def far(node: Node) -> int:
    """The widest NEAR of a tree."""
    match node:
        case Near(left, right, gap):
            return max(gap, far(left), far(right))
        case Not(part):
            return far(part)
        case Both(parts) | Either(parts):
            return max(map(far, parts), default=0)
    return 0


def shown(node: Node) -> Iterator[str]:
    """The words, phrases and wildcards that are looked for, not those that must not be there."""
    match node:
        case Term(text) | Wild(text):
            yield text
        case Near(left, right):
            yield from shown(left)
            yield from shown(right)
        case Both(parts) | Either(parts):
            for part in parts:
                yield from shown(part)


@lru_cache(maxsize=256)
def marker(node: Node) -> "re.Pattern[str] | None":
    """Finds each word of the tree in a text as it is written; None where there is none to find."""
    forms = [pattern(text).pattern for text in dict.fromkeys(shown(node))]
    return re.compile("|".join(f"(?:{form})" for form in forms), re.IGNORECASE) if forms else None


def pieces(text: str, node: Node = NEVER, wide: int = WIDE) -> list[tuple[str, bool]]:
    """One line of a text around the first word that matches, in pieces (text, whether it matches), at most about `wide` characters."""
    line = " ".join(text.split())
    wanted = marker(node)
    first = wanted.search(line) if wanted else None
    begin = 0
    if first and first.end() > wide * 2 // 3:
        begin = line.rfind(" ", 0, max(first.start() - wide // 4, 0)) + 1
    end = len(line)
    if end - begin > wide:
        end = line.rfind(" ", begin, begin + wide)
        end = end if end > (first.end() if first else begin) else min(begin + wide, len(line))
    part = line[begin:end]
    out = [("… ", False)] if begin else []
    at = 0
    for match in wanted.finditer(part) if wanted else ():
        if match.start() == match.end():
            continue
        out += [(part[at : match.start()], False), (match[0], True)]
        at = match.end()
    out += [(part[at:], False)] + ([(" …", False)] if end < len(line) else [])
    return [piece for piece in out if piece[0]]


def rest(subject: str, text: str) -> str:
    """What a text says beyond the subject that was cut from its beginning."""
    head, body = " ".join(subject.split()).rstrip(" …."), " ".join(text.replace("\u02d0", " ").split())
    return body[len(head) :].lstrip(" ….,;:–-") if head and body.startswith(head) else body
