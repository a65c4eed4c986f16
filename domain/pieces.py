"""A post taken apart for the learned scorer: words, marks, emoji and hashtags, in order, in the form they are counted in. Pure.

Training (`benchmarks/train.py`) and scoring read texts through this one page, so that a model never meets pieces it was not taught.
Addresses, handles and numbers become one piece each: who was spoken to says nothing about how somebody feels.
"""

import re
import zlib
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache

HANDLE, LINK, NUMBER, TAG, LONG, LOUD = "<u>", "<l>", "<n>", "#", "<e>", "<C>"
LONGEST = 24  # characters of a word whose n-grams are looked at
_KEPT = 40  # characters of what is remembered; whatever is longer is likely unique
SHORTEST_GRAM, LONGEST_GRAM = 2, 5

_PIECE = re.compile(
    r"https?://\S+|\bhttps?\b|www\.\S+|@\w+|#\w+"
    r"|[^\W\d_]+(?:['\u2019][^\W\d_]+)*|\d+(?:[.,:]\d+)*|[!?.\u2026]+"
    r"|[:;=8xX][-^']?[)(DPp/\\|\]\[3oO*]+|<3+"
    r"|[\U0001F000-\U0001FAFF\u2600-\u27BF\u2B50]"
)
_ELONGATED = re.compile(r"(.)\1{2,}", re.DOTALL)
_ARABIC = re.compile(r"[\u0600-\u06ff]")
# Arabic is written with and without vowel signs, stretching and hamza; https://www.unicode.org/charts/PDF/U0600.pdf
_ARABIC_FORMS = str.maketrans(
    {
        **{chr(code): None for code in (0x0640, *range(0x064B, 0x0653))},
        **{"\u0622": "\u0627", "\u0623": "\u0627", "\u0625": "\u0627", "\u0649": "\u064a", "\u0629": "\u0647"},
    }
)

Split = Callable[[str], list[str]]


def pieces(text: str, split: Split) -> list[str]:
    """The pieces of a text; `split` takes a hashtag (without its sign) apart into words."""
    if not text.isascii() and _ARABIC.search(text):
        text = text.translate(_ARABIC_FORMS)
    out: list[str] = []
    for raw in _PIECE.findall(text):
        if raw[0] == "#":
            out.append(TAG)
            for part in split(raw[1:]):
                out += _word(part)
        else:
            out += _form(raw) if len(raw) <= _KEPT else _form.__wrapped__(raw)
    return out


@lru_cache(maxsize=50_000)
def _form(raw: str) -> tuple[str, ...]:
    """The pieces of what is no hashtag; common words are taken apart once."""
    first = raw[0]
    if first == "@":
        return (HANDLE,)
    if first.isdigit() and raw[-1] not in ")(DPp/\\|][3oO*":
        return (NUMBER,)
    if first.isalpha() and raw[-1].isalnum():
        if raw.startswith(("http", "www.")) and (len(raw) == 4 or not raw.isalpha()):
            return (LINK,)
        return tuple(_word(raw))
    if raw.startswith(("http", "www.")):
        return (LINK,)
    return (_ELONGATED.sub(r"\1\1\1", raw),)


def _word(raw: str) -> Iterator[str]:
    """A word in small letters, at most two of the same in a row, and what was special about its form."""
    lower = raw.lower().replace("\u2019", "'")
    short = _ELONGATED.sub(r"\1\1", lower)
    yield short
    if short != lower:
        yield LONG
    if len(raw) > 2 and raw.isupper():
        yield LOUD


def is_word(piece: str) -> bool:
    return piece[0].isalpha()


def slot(kind: str, text: str, mask: int) -> int:
    """Where a feature's weight stands: CRC-32 is the same in every process and fast. `kind` is w (word), b (pair) or c (n-gram)."""
    return zlib.crc32((kind + text).encode("utf-8", "surrogatepass")) & mask


def slots(kind: str, texts: Collection[str], mask: int) -> list[int]:
    """`slot` of many."""
    crc, before = zlib.crc32, zlib.crc32(kind.encode())
    try:
        return [crc(text.encode(), before) & mask for text in texts]
    except UnicodeEncodeError:  # a lone surrogate
        return [slot(kind, text, mask) for text in texts]


def grams(word: str) -> list[str]:
    """The character n-grams of a word with its borders marked; none for what is not a word."""
    if len(word) < 2 or not is_word(word):
        return []
    marked = f"^{word[:LONGEST]}$"
    size = len(marked)
    return [
        marked[at : at + length]
        for length in range(SHORTEST_GRAM, LONGEST_GRAM + 1)
        if length < size
        for at in range(size - length + 1)
    ]


def pairs(found: list[str]) -> Iterator[str]:
    """Neighbouring pieces as one feature each, with the borders of the text."""
    before = "<s>"
    for piece in found:
        yield f"{before} {piece}"
        before = piece
    yield f"{before} </s>"
