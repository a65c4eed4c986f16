"""VADER, with the four numbers of vaderSentiment 3.3.2 to the last bit, at a fraction of its time.

The rules, constants and their order are those of https://github.com/cjhutto/vaderSentiment (Hutto and Gilbert, ICWSM 2014), bugs
included: `tests/test_judge_vader.py` compares the two. The stock package lowers every word of the text again at each scored
word; here words are looked up in one table of those that mean anything, at the speed of C, and only these are visited. A cache of
words already met was tried and is slower on texts that are new: it grows until every look-up waits for memory.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from heapq import heappop, heappush
from itertools import compress, repeat
from typing import NamedTuple

from domain.rounding import rounded
from domain.vader_words import BOOST, BOOST_PAIRS, CONTEXT, IDIOM_KEYS, IDIOMS, NEGATE

NEGATION = -0.74
CAPITALS = 0.733

_made = tuple.__new__
_root = math.sqrt
_PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


class Polarity(NamedTuple):
    """What the stock package answers, in its order."""

    neg: float
    neu: float
    pos: float
    compound: float


class Token:
    """What a word in small letters means to itself and to its neighbours, where that is more than a valence."""

    __slots__ = ("boost", "but", "key", "lower", "negates", "scored", "turns", "valence")

    def __init__(self, lower: str, valence: float | None) -> None:
        self.lower = lower
        self.valence = valence
        self.boost = BOOST.get(lower, 0.0)
        self.scored = valence is not None and not self.boost
        self.negates = lower in NEGATE or "n't" in lower
        self.key = lower in IDIOM_KEYS
        self.but = lower == "but"
        self.turns = bool(self.boost) or self.negates or lower in ("no", "this", "least")


_NEGATING = frozenset(form(word[:-2]) for word in NEGATE if word.endswith("n't") for form in (str, str.capitalize))
# Most words of the lexicon are their valence and nothing else: an object for each would be fetched from afar each time.
Known = float | Token | None

_NOTHING = Token("", None)
_SHORT = Token("", None)  # stands for a word of at most two letters until it is seen whether punctuation is about it
_EMPTY = Polarity(0.0, 0.0, 0.0, 0.0)
_NEUTRAL = Polarity(0.0, 1.0, 0.0, 0.0)


class Vader:
    """The analyzer, over a lexicon and emoji descriptions in the formats of the stock package's two files."""

    def __init__(self, lexicon: Mapping[str, float], emoji: Mapping[str, str]) -> None:
        known = {word: _known(word, lexicon.get(word)) for word in (*lexicon, *BOOST, *NEGATE, *CONTEXT)}
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
        text, words, _, values = self._hits(text)
        if not values:
            return _NEUTRAL if words else _EMPTY
        compound, emphasis = _compound(values, text)
        positive = negative = 0.0
        neutral = len(words)
        for value in values:
            if value > 0:
                positive += value + 1
                neutral -= 1
            elif value < 0:
                negative -= value - 1
                neutral -= 1
        if emphasis:
            if positive > negative:
                positive += emphasis
            elif positive < negative:
                negative += emphasis
        total = positive + negative + neutral
        return _made(
            Polarity,
            (
                rounded(negative / total, 1000.0, 3) if negative else 0.0,
                rounded(neutral / total, 1000.0, 3),
                rounded(positive / total, 1000.0, 3) if positive else 0.0,
                compound,
            ),
        )

    def compound(self, text: str) -> tuple[float, list[tuple[str, float]]]:
        """The compound alone, with each scored word's share of the sum it comes from, in the order of the text."""
        text, words, places, values = self._hits(text)
        if not values:
            return 0.0, []
        told = [(_word(words[place]), value) for place, value in zip(places, values, strict=True)]
        return _compound(values, text)[0], told

    def _hits(self, text: str) -> tuple[str, list[str], list[int], list[float]]:
        """(the text with emoji spelt out, its words, the places of those that are scored, their valences)."""
        if not (self._plain_ascii and text.isascii()):
            text = self._sign.sub(self._spell, text)
        words, of = text.split(), self._of_bare
        tokens = [*map(of, map(str.strip, text.lower().split(), repeat(_PUNCTUATION)))]
        if "'" in text and ("'T" in text or ("'t" in text and not _common(text))):
            _negated(words, tokens)
        places: list[int] = []
        values: list[float] = []
        apart: list[int] = []  # which of them are in capitals or stand near a word that changes them
        shouted, idioms, but, near = False, False, -1, 0
        for place in compress(range(len(words)), tokens):
            token = tokens[place]
            if token is _SHORT:
                token = tokens[place] = self._of_short(words[place].lower())
            if isinstance(token, float):
                if words[place].isupper():
                    shouted = True
                    apart.append(len(places))
                elif place < near:
                    apart.append(len(places))
                places.append(place)
                values.append(token)
            elif token is not None:
                if words[place].isupper():
                    shouted = True
                if token.turns:
                    near = place + 4
                if token.key:
                    near, idioms = place + 4, True
                    apart += range(max(0, len(places) - 2), len(places))
                elif token.but and but < 0:
                    but = place
                if token.scored:
                    apart.append(len(places))
                    places.append(place)
                    values.append(token.valence or 0.0)
        if not places:
            return text, words, places, values
        loud = shouted and not all(map(str.isupper, words))  # a text in capitals throughout shouts at no word
        for index in apart:
            if index < len(places):
                values[index] = _valence(places[index], words, tokens, loud, idioms)
        if idioms and any(_kind_of(place, words) for place in places):
            kept = [index for index, place in enumerate(places) if not _kind_of(place, words)]
            places, values = [places[index] for index in kept], [values[index] for index in kept]
        if but >= 0:
            _turn(values, places, but)
        return text, words, places, values

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


def _known(lower: str, valence: float | None) -> float | Token:
    token = Token(lower, valence)
    plain = token.scored and not (token.turns or token.key or token.but)
    return float(valence) if plain and valence else token


def _common(text: str) -> bool:
    """Whether each "'t" of a text ends a word that is known to negate, with a space after it: most do, and need no second look."""
    before, *rest = f"{text} ".split("'t")
    for after in rest:
        if after[:1] != " " or before.rpartition(" ")[2] not in _NEGATING:
            return False
        before = after
    return True


def _negated(words: Sequence[str], tokens: list[Known]) -> None:
    """Enters what negates by an "n't" anywhere in it."""
    for place in [place for place, word in enumerate(words) if "'" in word]:
        if tokens[place] is None and "n't" in (lower := _word(words[place])):
            tokens[place] = Token(lower, None)


def _kind_of(place: int, words: Sequence[str]) -> bool:
    return _word(words[place]) == "kind" and place + 1 < len(words) and _word(words[place + 1]) == "of"


def _scores(known: Sequence[Known]) -> bool:
    return any(type(one) is float or (type(one) is Token and one.valence is not None) for one in known)


def _valence(at: int, words: Sequence[str], tokens: Sequence[Known], loud: bool, idioms: bool) -> float:
    """A scored word's valence, given the three words before it (and two after, for idioms)."""
    token, third = tokens[at], tokens[at - 3] if at > 2 else None
    one = before if at and type(before := tokens[at - 1]) is Token else _NOTHING
    two = before if at > 1 and type(before := tokens[at - 2]) is Token else _NOTHING
    three = third if type(third) is Token else _NOTHING
    if type(token) is Token:
        base = value = token.valence or 0.0
        if token.lower == "no" and _scores(tokens[at + 1 : at + 2]):
            value = 0.0  # negates the next word instead
    else:
        base = value = token or 0.0  # type: ignore[assignment]
    if one.lower == "no" or two.lower == "no" or (three.lower == "no" and _word(words[at - 1]) in ("or", "nor")):
        value = base * NEGATION
    if loud and words[at].isupper():
        value += CAPITALS if value > 0 else -CAPITALS
    if one.valence is None:
        if one.boost:
            value += _boost(one, value, loud and words[at - 1].isupper())
        if one.negates:
            value *= NEGATION
    if two.valence is None:
        if two.boost:
            value += _boost(two, value, loud and words[at - 2].isupper()) * 0.95
        if two.negates:
            if two.lower == "never" and one.lower in ("so", "this"):
                value *= 1.25
            elif not (two.lower == "without" and _word(words[at - 1]) == "doubt"):
                value *= NEGATION
    if at > 2 and three.valence is None and type(third) is not float:
        if three.boost:
            value += _boost(three, value, loud and words[at - 3].isupper()) * 0.9
        if one.lower in ("so", "this") or (three.lower == "never" and two.lower in ("so", "this")):
            value *= 1.25
        elif three.negates and not (three.lower == "without" and "doubt" in map(_word, words[at - 2 : at])):
            value *= NEGATION
        if idioms:
            value = _idiom(value, at, words)
    if one.lower == "least" and one.valence is None and (at < 2 or _word(words[at - 2]) not in ("at", "very")):
        value *= NEGATION
    return value


def _boost(word: Token, value: float, loud: bool) -> float:
    amount = -word.boost if value < 0 else word.boost
    if loud:
        amount += CAPITALS if value > 0 else -CAPITALS
    return amount


def _idiom(value: float, at: int, words: Sequence[str]) -> float:
    """Phrases that mean something else than their words, ending, lying or starting at the word."""
    three, two, one, zero, *after = map(_word, words[at - 3 : at + 3])
    for phrase in ((one, zero), (two, one, zero), (two, one), (three, two, one), (three, two)):
        if phrase in IDIOMS:
            value = IDIOMS[phrase]
            break
    value = IDIOMS.get((zero, *after[:1]), value)
    if len(after) > 1:
        value = IDIOMS.get((zero, *after), value)
    for pair in ((three, two), (two, one)):
        value += BOOST_PAIRS.get(pair, 0.0)
    return value


def _turn(values: list[float], places: Sequence[int], but: int) -> None:
    """What stands before the first "but" counts half, what follows one and a half.

    The stock package looks each value up by its first equal in the list it is changing, so that equal values can be turned twice
    and others never; the heaps hold where each value stands, first place on top, to do the same without searching.
    """
    stands: dict[float, list[int]] = {}
    for index, value in enumerate(values):
        stands.setdefault(value, []).append(index)
    for index in range(len(values)):
        value = values[index]
        if value == 0:
            continue
        first = stands[value][0]
        if places[first] == but:
            continue
        heappop(stands[value])
        values[first] = value * (0.5 if places[first] < but else 1.5)
        heappush(stands.setdefault(values[first], []), first)


def _compound(values: list[float], text: str) -> tuple[float, float]:
    """(the compound, the emphasis: up to four exclamation marks; two, three or more question marks)."""
    emphasis, total = 0.0, sum(values)
    if "!" in text:
        emphasis = min(text.count("!"), 4) * 0.292
    if "?" in text and (asked := text.count("?")) > 1:
        emphasis += asked * 0.18 if asked <= 3 else 0.96
    if emphasis:
        if total > 0:
            total += emphasis
        elif total < 0:
            total -= emphasis
    return rounded(total / _root(total * total + 15), 10000.0, 4), emphasis


def read_lexicon(text: str) -> dict[str, float]:
    """Word to valence, from the stock package's `vader_lexicon.txt`."""
    rows = (line.strip().split("\t") for line in text.rstrip("\n").split("\n") if line)
    return {row[0]: float(row[1]) for row in rows}


def read_emoji(text: str) -> dict[str, str]:
    """Emoji to words, from the stock package's `emoji_utf8_lexicon.txt`."""
    rows = (line.strip().split("\t") for line in text.rstrip("\n").split("\n"))
    return {row[0]: row[1] for row in rows}
