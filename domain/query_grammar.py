"""A query's text to its tree, by a grammar; what is wrong with it, by place, with what to write instead. Pure.

lark (https://lark-parser.readthedocs.io) reads it with its LALR parser; it is imported on first use, since a topic without a query
needs none.
"""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from domain.query_tree import FIELDS, Either, Field, Near, Node, Not, Term, Wild, both, either

if TYPE_CHECKING:
    from lark import Lark

MAX_LENGTH = 20_000
MAX_DEPTH = 40
MAX_GAP = 1000

GRAMMAR = r"""
start: _either
_either: both | many
many: both (_OR both)+
both: _not (_AND? _not)*
_not: no | _near
no: (NOT | MINUS) _not
_near: _atom | near
near: _atom NEAR _atom
_atom: WORD | PHRASE | group
group: "(" _either ")"

_OR.3: /OR(?![^\s()"])/
_AND.3: /AND(?![^\s()"])/
NOT.3: /NOT(?![^\s()"])/
NEAR.3: /O?NEAR\/\d{1,6}(?![^\s()"])/
MINUS.3: /-(?=[^\s)-])/
PHRASE.2: /([A-Za-z]+:)?"[^"]*"/
WORD.1: /[^\s()"]+/
%ignore /\s+/
"""
_QUOTES = str.maketrans("\u201c\u201d\u201e\u201f\u00ab\u00bb", '"' * 6)
_FIELD = re.compile(r"([A-Za-z]+):(?!//)(.*)", re.DOTALL)
_SIGNS = {"|": "OR", "||": "OR", "&": "AND", "&&": "AND", "+": "AND", "!": "NOT", ",": "OR"}
_LIKE_NEAR = re.compile(r"(O?NEAR)\W?(\d*)", re.IGNORECASE)
_OPERATORS = ("_OR", "_AND", "NOT", "MINUS", "NEAR")
_LANGUAGES = {
    "english": "en",
    "german": "de",
    "french": "fr",
    "spanish": "es",
    "italian": "it",
    "portuguese": "pt",
    "dutch": "nl",
}


@dataclass(frozen=True, slots=True)
class Slip:
    """One thing wrong with a query: where (characters from 0), how wide, and what would do instead."""

    message: str
    at: int
    width: int = 1
    suggestion: str = ""


class BadQuery(ValueError):
    """The text is no query. `str()` is the sentence with its place."""

    def __init__(self, slip: Slip) -> None:
        hint = f'; did you mean "{slip.suggestion}"?' if slip.suggestion else ""
        super().__init__(f"{slip.message} (at character {slip.at + 1}){hint}")
        self.slip = slip


@lru_cache(maxsize=1024)
def parse(text: str) -> Node:
    """The tree of a query. Raises BadQuery with the first thing that is wrong."""
    if len(text) > MAX_LENGTH:
        raise BadQuery(Slip(f"longer than {MAX_LENGTH:,} characters; write it as several topics", MAX_LENGTH))
    text = text.translate(_QUOTES)
    if not text.strip():
        raise BadQuery(Slip("an empty query matches nothing", 0))
    if text.count('"') % 2:
        raise BadQuery(Slip("a quote that is never closed", text.rindex('"')))
    _brackets(text)
    from lark.exceptions import UnexpectedInput

    try:
        tree = _lark().parse(text)
    except UnexpectedInput as problem:
        raise BadQuery(_slip(problem, text)) from None
    return _node(tree.children[0])


@lru_cache(maxsize=1)
def _lark() -> "Lark":
    from lark import Lark

    return Lark(GRAMMAR, parser="lalr", lexer="basic")  # basic: an operator is one wherever it stands


def _brackets(text: str) -> None:
    """Brackets outside quotes pair up, hold something and are not nested without end."""
    opened: list[int] = []
    quoted, before = False, ""
    for at, sign in enumerate(text):
        if sign == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif sign == "(":
            opened.append(at)
            if len(opened) > MAX_DEPTH:
                raise BadQuery(Slip(f"brackets nested deeper than {MAX_DEPTH}", at))
        elif sign == ")":
            if not opened:
                raise BadQuery(Slip("a bracket that closes nothing", at))
            if before == "(":
                raise BadQuery(Slip("nothing stands between these brackets", at))
            opened.pop()
        if not sign.isspace():
            before = sign
    if opened:
        raise BadQuery(Slip("a bracket that is never closed", opened[-1]))


def _slip(problem: Any, text: str) -> Slip:
    """lark's refusal as a sentence. Quotes and brackets are in order, so an operator stands where a term should."""
    token = getattr(problem, "token", None)
    if token is None or token.type == "$END":
        last = re.search(r"(\S+)\s*$", text)
        said, at = (last[1], last.start(1)) if last else ("", 0)
        return Slip(f"{said} needs a term after it", at, len(said))
    history = getattr(problem, "token_history", None) or []
    if history and history[-1].type in _OPERATORS:
        said = str(history[-1])
        return Slip(f"{said} needs a term after it", history[-1].start_pos or 0, len(said))
    if token.type == "NEAR":
        return Slip(
            f"{token} stands between two words, phrases or brackets; put a longer chain in brackets",
            token.start_pos or 0,
            len(token),
        )
    if token.type == "RPAR":
        return Slip("a term is missing before this bracket", token.start_pos or 0)
    return Slip(f"{token} needs a term before it", token.start_pos or 0, len(token))


def _node(part: Any) -> Node:
    """A branch of lark's tree, or a token at its end."""
    if not hasattr(part, "children"):
        return _leaf(part)
    if part.data == "near":
        left, sign, right = part.children
        return _near(_near_side(left, sign), str(sign), _near_side(right, sign), sign.start_pos or 0)
    parts = [_node(child) for child in part.children if getattr(child, "type", "") not in _OPERATORS]
    if part.data == "no":
        return Not(parts[0])
    return either(*parts) if part.data == "many" else both(*parts)


def _near(left: Node, sign: str, right: Node, at: int) -> Near:
    gap = int(sign.partition("/")[2])
    if gap > MAX_GAP:
        raise BadQuery(Slip(f"{sign} is wider than any post; at most {MAX_GAP}", at, len(sign)))
    return Near(left, right, gap, sign.startswith("O"))


def _near_side(part: Any, sign: Any) -> Node:
    """Words, phrases, OR of them, and other NEARs have places in a text; fields, NOT and AND have none."""
    node = _node(part)
    if bad := _placeless(node):
        raise BadQuery(Slip(f"{bad} has no place in the text, so nothing can be near it", sign.start_pos, len(sign)))
    return node


def _placeless(node: Node) -> str:
    if isinstance(node, Term | Wild):
        return ""
    if isinstance(node, Near):
        return _placeless(node.left) or _placeless(node.right)
    if isinstance(node, Field):
        return f"{node.name}:{node.value}"
    if isinstance(node, Not):
        return "NOT"
    return next(filter(None, map(_placeless, node.parts)), "" if isinstance(node, Either) else "AND")


def _leaf(token: Any) -> Node:
    said, at = str(token), int(token.start_pos or 0)
    quoted = token.type == "PHRASE"
    if match := _FIELD.fullmatch(said):
        return _field(match[1], match[2].strip('"'), at, len(said))
    text = said.strip('"') if quoted else said
    if not quoted:
        _misspelt(text, at)
    if "*" in text or "?" in text.rstrip("?"):
        return _wild(text, at, len(said))
    if not quoted and text.endswith("?") and re.search(r"\w", text):
        return _wild(text, at, len(said))
    if not text.strip() or not re.search(r"[^\s*?.,;:!'\-]", text):
        raise BadQuery(Slip(f"{said} holds no word", at, len(said)))
    return Term(" ".join(text.split()))


def _field(name: str, value: str, at: int, width: int) -> Field:
    if name not in FIELDS:
        near = get_close_matches(name.lower(), FIELDS, 1, 0.5)
        known = ", ".join(f"{field}:" for field in FIELDS)
        hint = f"{near[0]}:{value}" if near else f'"{name}:{value}"'
        raise BadQuery(Slip(f"unknown field {name}: (known: {known}; in quotes it is searched for)", at, width, hint))
    value = value.strip().lower()
    if name == "author":
        value = value.removeprefix("u/").lstrip("@")
    if name == "site":
        value = value.removeprefix("https://").removeprefix("http://").removeprefix("www.").rstrip("/")
    if not value or (name == "lang" and not re.fullmatch(r"[a-z]{2,3}", value)):
        example = {"lang": "lang:de", "site": "site:example.com"}.get(name, f"{name}:reddit")
        meant = _LANGUAGES.get(value, "")
        raise BadQuery(Slip(f"{name}: takes a value, such as {example}", at, width, meant and f"lang:{meant}"))
    if name == "site" and not re.fullmatch(r"[\w-]+(\.[\w-]+)+", value):
        raise BadQuery(Slip("site: takes a host, such as site:example.com", at, width))
    return Field(name, value)


def _wild(text: str, at: int, width: int) -> Wild:
    for word in text.split():
        if ("*" in word or "?" in word) and len(re.findall(r"\w", word)) < 2:
            raise BadQuery(Slip(f"{word} needs two letters beside its wildcard", at, width))
    if not re.fullmatch(r"[#@]?[\w*?'\-\s]+", text):
        raise BadQuery(Slip("a wildcard stands in words of letters and digits only", at, width))
    return Wild(" ".join(text.split()))


def _misspelt(word: str, at: int) -> None:
    """Operators as people write them elsewhere. In quotes the same word is searched for."""
    right = _SIGNS.get(word) or (word.upper() if word in ("or", "and", "not", "Or", "And", "Not") else "")
    if not right and (match := _LIKE_NEAR.fullmatch(word)) and (word.isupper() or match[2]):
        right = f"{match[1].upper()}/{int(match[2] or 5)}"
    if right:
        said = (
            "is no operator" if word in _SIGNS else "is searched for as a word" if word.islower() else "is incomplete"
        )
        raise BadQuery(Slip(f'{word} {said}; write {right}, or "{word}" for the word', at, len(word), right))
