"""The scorer `earmark`: a small learned model together with VADER and the deployment's lexicon, in several languages. Pure.

English (and Hindi written with Latin letters, which borrows from it) is read by VADER with the overlay; other languages have the overlay's words
for them, emoticons and emoji. What that reading gives is a handful of features beside the model's pieces. The model says, for negative and
for positive against neutral, how much each speaks; the softmax of it is calibrated (docs/models.md).
"""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from domain.lexicons import ANY, GLUE, Phrases, glued, overlays
from domain.model import Model, Said
from domain.nouns import Label, Sentiment
from domain.pieces import HANDLE, LINK, LONG, LOUD, NUMBER, TAG, is_word, pieces
from domain.prose import Splitter, ironic, own_words, spelled
from domain.second import manner, reading
from domain.vader import Vader

ENGLISH = frozenset(("en", "und", "hi"))
SHOWN = 8  # words and pairs a receipt names; what the others add up to stands in one line
DOUBT = 0.5  # by which an ironic text's evidence counts
FAMILIAR = 0.7  # of a text's words must be known, when it is taken for a language that was not taught
OTHERS = "(all others)"
EVEN = (-1.0, 1.0)
Told = Sequence[tuple[str, float]]
NO_MANNERS: Told = ()
_NAMES = {
    HANDLE: "@…",
    LINK: "(link)",
    NUMBER: "(number)",
    TAG: "#",
    LONG: "(stretched)",
    LOUD: "(CAPITALS)",
    "<s>": "(start)",
    "</s>": "(end)",
}


class Hint(NamedTuple):
    """What VADER and the lexicon make of a text: the raw compound, its words with valences, and the features of it."""

    compound: float | None
    words: Sequence[tuple[str, float]]
    features: Mapping[str, float]


class Lexicon:
    """VADER for English, and for each other language the overlay's words of it with the emoji."""

    def __init__(self, lexicon: Mapping[str, float], emoji: Mapping[str, str], own: Mapping[str, float]) -> None:
        self._lexicon, self._emoji, self._own = lexicon, emoji, overlays(own)
        signs = {word: value for word, value in lexicon.items() if not word[0].isalpha()}
        spoken = {word for text in emoji.values() for word in text.split()}
        self._signs = {**signs, **{word: lexicon[word] for word in spoken if word in lexicon}}
        self._of = lru_cache(maxsize=32)(self._made)
        self.known = frozenset((*lexicon, *self._own[ANY]))

    def read(self, text: str, language: str) -> tuple[float, list[tuple[str, float]]]:
        """(compound, scored words with their valences in this text)."""
        vader, phrases = self._of("en" if language in ENGLISH else language, language)
        text = phrases.glue(text)
        compound, words = vader.compound(text)
        if GLUE in text:
            words = [(word.replace(GLUE, " "), valence) for word, valence in words]
        return compound, words

    def _made(self, base: str, language: str) -> tuple[Vader, Phrases]:
        own = {**self._own[ANY], **self._own.get(base, {}), **self._own.get(language, {})}
        under = self._lexicon if base == "en" else self._signs
        tokens = {form: value for word, value in own.items() for form in (glued(word) if " " in word else (word,))}
        signs = {sign: f"{sign} " for sign in own if len(sign) == 1 and not sign.isalnum()}  # stands for itself
        return Vader({**under, **tokens}, {**self._emoji, **signs}), Phrases(own)


class EarmarkScorer:
    """The default scorer."""

    name = "earmark"

    def __init__(self, model: Model, lexicon: Lexicon, lexicon_hash: str) -> None:
        self.model, self._lexicon = model, lexicon
        self.version = model.version
        self.languages = frozenset[
            str
        ]()  # it sees for itself: what a detector takes for Malay may be Hindi it was taught
        self.lexicon_hash = lexicon_hash
        self._split = Splitter(model.words)

    def score(self, text: str, language: str = "und") -> Sentiment:
        """Label, compound (probability of positive less that of negative), probabilities, and what they rest on."""
        text = own_words(text)
        found = self.pieces(text)
        if language not in self.model.languages and language != "und":
            if self.model.coverage(found) < FAMILIAR:
                return self._unscored(f"language-{language}")
            language = "und"
        hint, said = self.hint(text, language), self.model.read(found)
        if not hint.words and not self._knows(said):
            return self._unscored("no-scorable-words")
        dense = self._dense(hint)
        negative = self.model.bias[0] + said.negative + sum(part[1] for part in dense)
        positive = self.model.bias[1] + said.positive + sum(part[2] for part in dense)
        told, manners, turn = _told(dense), NO_MANNERS, EVEN
        if (again := self.model.second.get(language)) is not None:
            read = reading(hint.compound or 0.0, hint.words, len(found))
            look = again.look(negative, positive, hint.compound or 0.0, read, manner(text, found))
            negative, positive, turn = look.negative, look.positive, again.turn
            told, manners = (*_told(dense, turn), *look.hints), look.manners
        irony = ironic(text)
        trust = DOUBT if irony else 1.0
        chances = softmax(negative * trust, positive * trust)
        return Sentiment(
            label(chances),
            round(chances[2] - chances[0], 4),
            self.name,
            self.version,
            self.lexicon_hash,
            shares(said, hint, told, manners, turn),
            f"ironic: {irony}" if irony else "",
            chances,
            hint.compound,
        )

    def _unscored(self, reason: str) -> Sentiment:
        return Sentiment("unscored", None, self.name, self.version, self.lexicon_hash, (), reason)

    def pieces(self, text: str) -> list[str]:
        return pieces(text, self._split)

    def hint(self, text: str, language: str) -> Hint:
        """VADER's reading and its features; the same in training and in scoring."""
        compound, words = self._lexicon.read(spelled(text, self._lexicon.known, self._split), language)
        if not words:
            return Hint(None, (), {})
        up = sum(value for _, value in words if value > 0)
        down = -sum(value for _, value in words if value < 0)
        kind = "en" if language in ENGLISH else "else"
        features = {"compound": compound, "up": up / (up + 3), "down": down / (down + 3), "any": 1.0}
        return Hint(compound, words, {f"{kind}.{name}": value for name, value in features.items() if value})

    def _knows(self, said: Said) -> bool:
        """Whether some piece says something by itself and was taught, or is an emoji."""
        known = self.model.known
        return any(name in known or not (is_word(name) or name[0] in "<#!?.…") for name, _, _ in said.parts)

    def _dense(self, hint: Hint) -> list[tuple[str, float, float]]:
        """What each feature of VADER's reading adds: (name, negative, positive)."""
        weights = self.model.dense
        return [
            (name, weights[name][0] * value, weights[name][1] * value)
            for name, value in hint.features.items()
            if name in weights
        ]


def softmax(negative: float, positive: float) -> tuple[float, float, float]:
    """(negative, neutral, positive) from two sums against neutral."""
    top = max(negative, positive, 0.0)
    parts = math.exp(negative - top), math.exp(-top), math.exp(positive - top)
    whole = sum(parts)
    return round(parts[0] / whole, 4), round(parts[1] / whole, 4), round(parts[2] / whole, 4)


def label(chances: tuple[float, float, float]) -> Label:
    """The likeliest; where two are as likely, neutral, else negative: a person may look."""
    negative, neutral, positive = chances
    return "neutral" if neutral >= max(negative, positive) else "negative" if negative >= positive else "positive"


def _told(dense: Sequence[tuple[str, float, float]], turn: tuple[float, float] = EVEN) -> Told:
    """What each feature of VADER's reading adds to positive less negative, by its name without the language's kind."""
    return [(name.rpartition(".")[2], turn[0] * negative + turn[1] * positive) for name, negative, positive in dense]


def shares(
    said: Said, hint: Hint, told: Told, manners: Told = NO_MANNERS, turn: tuple[float, float] = EVEN
) -> tuple[tuple[str, float], ...]:
    """The heaviest words and pairs with what they add to (positive - negative), then all others in one line.

    What VADER's reading adds is shared out among its words by their valence, so that the shares add up to what was decided by, but for
    the bias every text has. `turn` is what a piece's negative and positive count for.
    """
    found: dict[str, float] = {}
    down, up = turn
    for name, negative, positive in said.parts:
        value = down * negative + up * positive
        found[name] = found[name] + value if name in found else value
    for name, value in manners:
        found[name] = found.get(name, 0.0) + value
    nobody = 0.0  # what is said by words that cancel out to nothing
    sides: dict[str, float] = {}
    for name, value in told:
        side = _ABOUT.get(name, "all")
        sides[side] = sides[side] + value if side in sides else value
    for side, share in sides.items():
        words = behind(side, hint.words)
        whole = sum(value for _, value in words)
        if not whole:
            nobody += share
        for word, value in words:
            found[word] = found.get(word, 0.0) + share * value / whole
    heaviest = sorted([(-abs(value), name) for name, value in found.items() if value >= 0.01 or value <= -0.01])[:SHOWN]
    shown = [(_shown(name), round(found[name], 3)) for _, name in heaviest]
    rest = round(sum(found.values()) + nobody - sum(value for _, value in shown), 3)
    return (*shown, (OTHERS, rest)) if rest else tuple(shown)


# What a feature of VADER's reading is about, where it is not all words.
_ABOUT = {
    **{"up": "up", "ups": "up", "down": "down", "downs": "down", "first": "first", "last": "last", "last says": "last"},
    **{"strongest": "strongest", "strongest says": "strongest"},
}


def behind(side: str, words: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """The words of one side of VADER's reading, each with its weight in it."""
    if side == "up":
        return [(word, value) for word, value in words if value > 0]
    if side == "down":
        return [(word, -value) for word, value in words if value < 0]
    if side == "last":
        words = words[-1:]
    elif side == "first":
        words = words[:1]
    elif side == "strongest":
        words = (max(words, key=lambda pair: abs(pair[1])),) if words else ()
    return [(word, abs(value)) for word, value in words if value]


def _shown(name: str) -> str:
    if "<" not in name and "#" not in name:
        return name
    return " ".join(_NAMES.get(part, part) for part in name.split(" "))
