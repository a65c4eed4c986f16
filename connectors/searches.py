"""A monitoring query asked of a platform's own search: always of more than it accepts, never of less.

What a platform cannot be asked (NOT, wildcards, distances, languages it may not know) is left out of the question and looked at when
the answer is here (domain/query.py): a search may bring too much, which is counted as not matching, and must not bring too little.
NOT is never handed on: X and Reddit fold accents and word forms, so that `-cafe` would hide a post about a café nobody excluded.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from domain.query_tree import ALWAYS, NEVER, Both, Either, Field, Near, Node, Not, Term, Wild, both, either
from domain.text import fold
from domain.words import unspaced

MAX_SEARCHES = 20
_WORD = re.compile(r"[^\W_]+")


class Unsearchable(ValueError):
    """The query leaves nothing this platform can be asked. `str()` says what would help."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one platform's search is asked.

    `size`: what `limit` counts. `join`: between terms that must all be there. `alternatives`: whether it knows OR and brackets; without,
    each alternative is a search of its own. `host`: the site its posts live on. `tag`, `author`, `lang`: the question for a #tag, a
    handle or a language, "" where it cannot be asked. `prefix`: whether the last word may be the beginning of one. `verbatim`: ask
    for words with signs in them as they were written too, where nobody says how the platform takes them apart.
    """

    platform: str
    limit: int = 512
    size: Callable[[str], int] = len
    join: str = " "
    alternatives: bool = True
    host: str = ""
    tag: Callable[[str], str] = lambda tag: ""
    author: Callable[[str], str] = lambda handle: ""
    lang: Callable[[str], str] = lambda code: ""
    prefix: bool = False
    verbatim: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """A term as the platform takes it. `alone`: whether it may stand without another."""

    text: str
    alone: bool = True
    last: bool = False


def searches(query: Node, dialect: Dialect) -> list[str]:
    """The searches whose results together hold everything the query accepts there.

    Raises Unsearchable.
    """
    wide = _wide(query, dialect, False)
    if wide == NEVER:
        raise Unsearchable(f"the query accepts nothing on {dialect.platform}")
    if not _anchored(wide):
        raise Unsearchable(
            f"nothing in the query can be searched for on {dialect.platform}: "
            "each alternative needs a whole word, phrase or #tag that is not behind NOT"
        )
    pieces = _fit(wide, dialect) if dialect.alternatives else _flat(wide, dialect)
    found = list(dict.fromkeys(_render(piece, dialect) for piece in pieces))
    if len(found) > MAX_SEARCHES:
        raise Unsearchable(f"the query takes {len(found)} searches on {dialect.platform}, more than {MAX_SEARCHES}")
    return found


# -- the tree a platform can be asked ----------------------------------------------------------------------------------


def _wide(node: Any, dialect: Dialect, negated: bool) -> Any:
    """Everything the node accepts and perhaps more, in leaves the platform knows. ALWAYS: nothing can be asked."""
    match node:
        case Not(part):
            return _wide(part, dialect, not negated)
        case Both(parts) | Either(parts):
            wide = [_wide(part, dialect, negated) for part in parts]
            return both(*wide) if isinstance(node, Both) is not negated else either(*wide)
        case Field("platform", value):
            return ALWAYS if (value == dialect.platform) is not negated else NEVER
        case Field("site", value) if dialect.host:
            here = dialect.host == value or dialect.host.endswith(f".{value}")
            return ALWAYS if here is not negated else NEVER
        case _ if negated:
            return ALWAYS
        case Field(name, value):
            text = dialect.lang(value) if name == "lang" else dialect.author(value) if name == "author" else ""
            return Ask(text, alone=name != "lang") if text else ALWAYS
        case Near(left, right):
            return both(_wide(left, dialect, False), _wide(right, dialect, False))
        case Wild(text):
            return _wild(text, dialect)
        case Term(text):
            return _term(text, dialect)
    raise TypeError(type(node).__name__)


def _term(text: str, dialect: Dialect) -> Any:
    """A word or phrase in each spelling under which it is found here: as written and folded, with and without apostrophes."""
    folded = fold(text).strip()
    if unspaced(folded):
        return Ask(f'"{folded}"' if " " in folded else folded)
    if re.fullmatch(r"#\w*[^\W\d_]\w*", folded) and (tag := dialect.tag(folded)):
        return Ask(tag)
    forms = {form: None for said in (folded, text.strip().lower()) for form in (said, said.replace("'", ""))}
    asks = [Ask(_quoted(words)) for form in forms if (words := _WORD.findall(form))]
    if asks and dialect.verbatim and not re.fullmatch(r"[^\W_]+([\s\-#@]+[^\W_]+)*", folded):
        asks.append(Ask(f'"{folded.replace(chr(34), " ")}"'))
    return either(*asks) if asks else ALWAYS  # type: ignore[arg-type]


def _quoted(words: Sequence[str]) -> str:
    plain = len(words) == 1 and words[0] not in ("or", "and", "not")
    return words[0] if plain else f'"{" ".join(words)}"'


def _wild(text: str, dialect: Dialect) -> Any:
    """The whole words of a phrase with wildcards; where the search completes the last word, the beginning of one."""
    folded = fold(text).strip()
    pieces = folded.split()
    if dialect.prefix and len(pieces) == 1 and re.fullmatch(r"[^\W_]{2,}\*", folded):
        return Ask(folded[:-1], last=True)
    whole = [_term(piece, dialect) for piece in pieces if "*" not in piece and "?" not in piece]
    return both(*whole) if whole else ALWAYS


def _anchored(node: Any) -> bool:
    """Whether something stands in it that the platform takes as a question by itself."""
    if isinstance(node, Ask):
        return node.alone
    return (
        any(map(_anchored, node.parts))
        if isinstance(node, Both)
        else bool(node.parts) and all(map(_anchored, node.parts))
    )


# -- text within its limit ---------------------------------------------------------------------------------------------


def _render(node: Any, dialect: Dialect, inside: bool = False) -> str:
    if isinstance(node, Ask):
        return node.text
    if isinstance(node, Both):
        parts = sorted(node.parts, key=lambda part: isinstance(part, Ask) and part.last)  # stable
        return dialect.join.join(_render(part, dialect, True) for part in parts)
    text = " OR ".join(_render(part, dialect, isinstance(part, Both)) for part in node.parts)
    return f"({text})" if inside else text


def _fits(node: Any, dialect: Dialect) -> bool:
    return dialect.size(_render(node, dialect)) <= dialect.limit


def _fit(node: Any, dialect: Dialect) -> list[Any]:
    """The node, or pieces of it within the limit whose union holds at least as much."""
    if _fits(node, dialect):
        return [node]
    if isinstance(node, Ask):
        words = node.text.strip('"').split()  # part of a phrase is wider than the phrase
        if len(words) < 2:
            raise Unsearchable(f"a word of the query is too long for the search on {dialect.platform}")
        return _fit(Ask(_quoted(words[: len(words) // 2])), dialect)
    if isinstance(node, Either):
        return _packed([piece for part in node.parts for piece in _fit(part, dialect)], dialect)
    choice = max(
        (part for part in node.parts if isinstance(part, Either)), key=lambda part: len(part.parts), default=None
    )
    if choice is None:  # a long chain of AND: without its longest part it accepts more
        least = min(len(node.parts), 2)
        rest = sorted(node.parts, key=lambda part: (_anchored(part), -len(_render(part, dialect))))[1:]
        return _fit(rest[0] if least < 2 or len(rest) == 1 else Both(tuple(rest)), dialect)
    others = [part for part in node.parts if part is not choice]
    if len(choice.parts) == 1:
        return _fit(both(*others, choice.parts[0]), dialect)
    middle = len(choice.parts) // 2
    halves = (either(*choice.parts[:middle]), either(*choice.parts[middle:]))
    return [piece for half in halves for piece in _fit(both(*others, half), dialect)]


def _packed(pieces: Sequence[Any], dialect: Dialect) -> list[Any]:
    """As many alternatives in each search as its limit takes."""
    packed: list[Any] = []
    for piece in pieces:
        joined = either(packed[-1], piece) if packed else piece
        if packed and _fits(joined, dialect):
            packed[-1] = joined
        else:
            packed.append(piece)
    return packed


def _flat(node: Any, dialect: Dialect) -> list[Any]:
    """A search per alternative, for a platform without OR. An AND of many alternatives is asked by those that make fewest."""
    return [piece for line in _lines(node) for piece in _fit(line, dialect)]


def _lines(node: Any) -> list[Any]:
    if isinstance(node, Ask):
        return [node]
    if isinstance(node, Either):
        return list(dict.fromkeys(line for part in node.parts for line in _lines(part)))
    kept: list[list[Any]] = []
    count = 1
    for lines in sorted((_lines(part) for part in node.parts if _anchored(part)), key=len):
        count *= len(lines)
        if kept and count > MAX_SEARCHES:
            break  # what is left out makes the question wider
        kept.append(lines)
    return [_one_last(both(*choice)) for choice in product(*kept)]


def _one_last(node: Any) -> Any:
    """One word alone can be the last; further beginnings of words are left to the look at the answer."""
    if not isinstance(node, Both):
        return node
    last = [part for part in node.parts if isinstance(part, Ask) and part.last]
    kept = [part for part in node.parts if part not in last[1:]]
    return both(*kept)
