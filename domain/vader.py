"""VADER, with the four numbers of vaderSentiment 3.3.2 to the last bit, at a fraction of its time.

The rules, constants and their order are those of https://github.com/cjhutto/vaderSentiment (Hutto and Gilbert, ICWSM 2014), bugs
included: `tests/test_judge_vader.py` compares the two. The stock package lowers every word of the text again at each scored
word; here words are looked up in one table of those that mean anything, at the speed of C, and only these are visited.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from heapq import heappop, heappush
from itertools import compress
from typing import NamedTuple

from domain.vader_words import BOOST, BOOST_PAIRS, CONTEXT, IDIOM_KEYS, IDIOM_WORDS, IDIOMS, NEGATE

NEGATION = -0.74
CAPITALS = 0.733

_PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


class Polarity(NamedTuple):
    """What the stock package answers, in its order."""

    neg: float
    neu: float
    pos: float
    compound: float


class Token:
    """What a word in small letters means to itself and to its neighbours."""

    __slots__ = ("boost", "key", "lower", "matters", "negates", "scored", "turns", "valence")

    def __init__(self, lower: str, valence: float | None) -> None:
        self.lower = lower
        self.valence = valence
        self.boost = BOOST.get(lower, 0.0)
        self.scored = valence is not None and not self.boost
        self.negates = lower in NEGATE or "n't" in lower
        self.key = lower in IDIOM_KEYS
        self.turns = bool(self.boost) or self.negates or lower in ("no", "this", "least")
        self.matters = self.key or lower == "but"


Tokens = Sequence[Token | None]

_IDIOM_TOKENS = {word: Token(word, None) for word in IDIOM_WORDS}
_NOTHING = Token("", None)
_SHORT = Token("", None)  # stands for a word of at most two letters until it is seen whether punctuation is about it
_EMPTY = Polarity(0.0, 0.0, 0.0, 0.0)
_NEUTRAL = Polarity(0.0, 1.0, 0.0, 0.0)


class Vader:
    """The analyzer, over a lexicon and emoji descriptions in the formats of the stock package's two files."""

    def __init__(self, lexicon: Mapping[str, float], emoji: Mapping[str, str]) -> None:
        known = {word: Token(word, lexicon.get(word)) for word in (*lexicon, *BOOST, *NEGATE, *CONTEXT)}
        short = {word: token for word, token in known.items() if len(word.strip(_PUNCTUATION)) <= 2}
        long = {word: token for word, token in known.items() if len(word) > 2 and word.strip(_PUNCTUATION) == word}
        # The stock package takes the punctuation off a word, but not if that leaves two letters or fewer.
        self._of_bare = {**long, **dict.fromkeys((word.strip(_PUNCTUATION) for word in short), _SHORT)}.get
        self._of_short = short.get
        self._emoji = {sign: text for sign, text in emoji.items() if len(sign) == 1}
        self._sign = _one_of(self._emoji)
        self._plain_ascii = not any(sign.isascii() for sign in self._emoji)

    def polarity(self, text: str) -> Polarity:
        """The four numbers."""
        text, count, hits = self._hits(text)
        if not hits:
            return _NEUTRAL if count else _EMPTY
        valences = [valence for _, _, valence in hits]
        emphasis = _emphasis(text)
        positive = negative = 0.0
        neutral = count
        for valence in valences:
            if valence > 0:
                positive += valence + 1
                neutral -= 1
            elif valence < 0:
                negative -= valence - 1
                neutral -= 1
        if positive > negative:
            positive += emphasis
        elif positive < negative:
            negative += emphasis
        total = positive + negative + neutral
        return Polarity(
            round(negative / total, 3) if negative else 0.0,
            round(neutral / total, 3),
            round(positive / total, 3) if positive else 0.0,
            _compound(valences, emphasis),
        )

    def compound(self, text: str) -> tuple[float, list[tuple[str, float]]]:
        """The compound alone, with each scored word's share of the sum it comes from, in the order of the text."""
        text, _, hits = self._hits(text)
        if not hits:
            return 0.0, []
        words = [(token.lower, valence) for _, token, valence in hits]
        return _compound([valence for _, valence in words], _emphasis(text)), words

    def _hits(self, text: str) -> tuple[str, int, list[tuple[int, Token, float]]]:
        """(the text with emoji spelt out, the number of tokens, the scored tokens with place and valence)."""
        if not (self._plain_ascii and text.isascii()):
            text = self._sign.sub(self._spell, text)
        text = text.strip()
        words, of = text.split(), self._of_bare
        count = len(words)
        tokens = [of(word.strip(_PUNCTUATION).lower()) for word in words]
        if "'" in text and "n't" in text.lower():
            _negated(words, tokens)
        places: list[tuple[int, Token, bool]] = []
        idioms, shouted, but, turn = False, False, -1, -4
        for place in compress(range(count), tokens):
            token = tokens[place]
            if token is _SHORT:
                token = tokens[place] = self._of_short(words[place].lower())
            if token is None:
                continue
            if words[place].isupper():
                shouted = True
            if token.scored:
                places.append((place, token, place - turn < 4 or token.turns))
            if token.turns:
                turn = place
            if token.matters:
                if token.key:
                    idioms = True
                elif but < 0:
                    but = place
        if not places:
            return text, count, []
        if idioms:
            tokens = [token or _IDIOM_TOKENS.get(_word(words[place])) for place, token in enumerate(tokens)]
        loud = [*map(str.isupper, words)] if shouted else ()
        capitals = loud if False in loud else None  # a text in capitals throughout shouts at no word
        hits: list[tuple[int, Token, float]] = []
        for place, token, turned in places:
            if token.key and token.lower == "kind" and place + 1 < count and _lower(tokens[place + 1]) == "of":
                continue
            if turned or idioms:
                value = _valence(token, place, tokens, capitals, idioms)
            else:
                value = token.valence or 0.0
                if capitals and capitals[place]:
                    value += CAPITALS if value > 0 else -CAPITALS
            hits.append((place, token, value))
        return text, count, hits if but < 0 else _turned(hits, but)

    def _spell(self, match: re.Match[str]) -> str:
        at, sign = match.start(), match.group()
        text = self._emoji.get(sign)
        if text is None:
            return sign
        return text if at == 0 or match.string[at - 1] == " " else " " + text


def _one_of(signs: Iterable[str]) -> re.Pattern[str]:
    """A pattern for these characters, and for what lies between them above U+FFFF.

    `re` has a bitmap for the first plane only and tries the others one by one, 1,300 times for each character of a text.
    """
    low = "".join(re.escape(sign) for sign in signs if sign <= "\uffff")
    high = [sign for sign in signs if sign > "\uffff"]
    span = f"{min(high)}-{max(high)}" if high else ""
    return re.compile(f"[{low}{span}]") if low or span else re.compile(r"(?!)")


def _word(raw: str) -> str:
    """A token in small letters, without punctuation about it unless that leaves two letters or fewer."""
    word = raw.strip(_PUNCTUATION)
    return (word if len(word) > 2 else raw).lower()


def _negated(words: Sequence[str], tokens: list[Token | None]) -> None:
    """Enters what negates by an "n't" anywhere in it."""
    for place, raw in enumerate(words):
        if tokens[place] is None and "n't" in (word := _word(raw)):
            tokens[place] = Token(word, None)


def _lower(token: Token | None) -> str:
    return token.lower if token else ""


def _valence(token: Token, at: int, tokens: Tokens, capitals: Sequence[bool] | None, idioms: bool) -> float:
    """A scored word's valence, given the three words before it (and two after, for idioms)."""
    base = value = token.valence or 0.0
    one = (tokens[at - 1] if at else None) or _NOTHING
    two = (tokens[at - 2] if at > 1 else None) or _NOTHING
    three = (tokens[at - 3] if at > 2 else None) or _NOTHING
    if token.lower == "no" and at + 1 < len(tokens) and (tokens[at + 1] or _NOTHING).valence is not None:
        value = 0.0  # negates the next word instead
    if one.lower == "no" or two.lower == "no" or (three.lower == "no" and one.lower in ("or", "nor")):
        value = base * NEGATION
    if capitals and capitals[at]:
        value += CAPITALS if value > 0 else -CAPITALS
    if one.valence is None:
        if one.boost:
            value += _boost(one, value, capitals is not None and capitals[at - 1])
        if one.negates:
            value *= NEGATION
    if two.valence is None:
        if two.boost:
            value += _boost(two, value, capitals is not None and capitals[at - 2]) * 0.95
        if two.negates:
            if two.lower == "never" and one.lower in ("so", "this"):
                value *= 1.25
            elif not (two.lower == "without" and one.lower == "doubt"):
                value *= NEGATION
    if at > 2 and three.valence is None:
        if three.boost:
            value += _boost(three, value, capitals is not None and capitals[at - 3]) * 0.9
        if one.lower in ("so", "this") or (three.lower == "never" and two.lower in ("so", "this")):
            value *= 1.25
        elif three.negates and not (three.lower == "without" and "doubt" in (two.lower, one.lower)):
            value *= NEGATION
        if idioms:
            value = _idiom(value, at, tokens)
    if one.lower == "least" and one.valence is None and two.lower not in ("at", "very"):
        value *= NEGATION
    return value


def _boost(word: Token, value: float, loud: bool) -> float:
    amount = -word.boost if value < 0 else word.boost
    if loud:
        amount += CAPITALS if value > 0 else -CAPITALS
    return amount


def _idiom(value: float, at: int, tokens: Tokens) -> float:
    """Phrases that mean something else than their words, ending, lying or starting at the word."""
    three, two, one, zero, *after = map(_lower, tokens[at - 3 : at + 3])
    for words in ((one, zero), (two, one, zero), (two, one), (three, two, one), (three, two)):
        if words in IDIOMS:
            value = IDIOMS[words]
            break
    value = IDIOMS.get((zero, *after[:1]), value)
    if len(after) > 1:
        value = IDIOMS.get((zero, *after), value)
    for pair in ((three, two), (two, one)):
        value += BOOST_PAIRS.get(pair, 0.0)
    return value


def _turned(hits: list[tuple[int, Token, float]], but: int) -> list[tuple[int, Token, float]]:
    """What stands before the first "but" counts half, what follows one and a half.

    The stock package looks each value up by its first equal in the list it is changing, so that equal values can be turned twice
    and others never; the heaps hold where each value stands, first place on top, to do the same without searching.
    """
    values = [valence for _, _, valence in hits]
    stands: dict[float, list[int]] = {}
    for index, value in enumerate(values):
        stands.setdefault(value, []).append(index)
    for index in range(len(values)):
        value = values[index]
        if value == 0:
            continue
        first = stands[value][0]
        place = hits[first][0]
        if place == but:
            continue
        heappop(stands[value])
        values[first] = value * (0.5 if place < but else 1.5)
        heappush(stands.setdefault(values[first], []), first)
    return [(place, token, value) for (place, token, _), value in zip(hits, values, strict=True)]


def _emphasis(text: str) -> float:
    """Up to four exclamation marks; two, three or more question marks."""
    asked = text.count("?")
    return min(text.count("!"), 4) * 0.292 + (0 if asked < 2 else asked * 0.18 if asked <= 3 else 0.96)


def _compound(valences: list[float], emphasis: float) -> float:
    total = float(sum(valences))
    if total > 0:
        total += emphasis
    elif total < 0:
        total -= emphasis
    return round(max(-1.0, min(1.0, total / math.sqrt(total * total + 15))), 4)


def read_lexicon(text: str) -> dict[str, float]:
    """Word to valence, from the stock package's `vader_lexicon.txt`."""
    rows = (line.strip().split("\t") for line in text.rstrip("\n").split("\n") if line)
    return {row[0]: float(row[1]) for row in rows}


def read_emoji(text: str) -> dict[str, str]:
    """Emoji to words, from the stock package's `emoji_utf8_lexicon.txt`."""
    rows = (line.strip().split("\t") for line in text.rstrip("\n").split("\n"))
    return {row[0]: row[1] for row in rows}
