"""What an author wants, told by words and phrases. Pure; the lists are data (domain/care.py and domain/cues.py, or an operator's)."""

import math
import re
from collections.abc import Sequence
from dataclasses import field

from domain.care import DEFAULT_INTENTS as DEFAULT_INTENTS
from domain.cues import CUES, MANY
from domain.quick import quick
from domain.rounding import rounded
from domain.rules import Intent
from domain.words import Finder, Reading

OTHER = "other"
_SIZES = tuple(math.sqrt(hits) for hits in range(MANY + 1))
_ASKS = re.compile(r"[?？؟](?=[\s\"')!.?]|$)")  # a question mark that ends something: not the one in a link


@quick(frozen=True, slots=True)
class Heard:
    """The intent with the most weight, how clearly it leads (0..1), and the words that spoke for it.

    `spoken`: every intent a listed word spoke for. `cues`: group of domain/cues.py → its words found.
    """

    name: str
    confidence: float
    words: tuple[str, ...] = ()
    spoken: tuple[str, ...] = ()
    cues: dict[str, list[str]] = field(default_factory=dict)


NOTHING_HEARD = Heard(OTHER, 0.0)


class Listener:
    """Intents and cues compiled into one finder. Ties go to the intent that is listed first."""

    def __init__(self, intents: Sequence[Intent]) -> None:
        self._rank = {intent.name: rank for rank, intent in enumerate(intents)}
        self._meaning: dict[str, list[tuple[str, float]]] = {}
        for intent in intents:
            for word in intent.words:
                self._meaning.setdefault(word, []).append((intent.name, intent.weight))
        self._asking = self._meaning.get("?", [])
        self._words = {
            name: {word for word, meant in self._meaning.items() if any(one == name for one, _ in meant)}
            for name in self._rank
        }
        self._cues: dict[str, list[str]] = {}
        for cue in CUES:
            for word in cue.words:
                self._cues.setdefault(word, []).append(cue.name)
        self._votes = {cue.name: (cue.intent, cue.weight) for cue in CUES if cue.intent in self._rank}
        self._finder = Finder(word for word in {**self._meaning, **self._cues} if word != "?")

    def listen(self, reading: Reading) -> Heard:
        found = self._finder.find(reading)
        if self._asking and "?" in reading.folded and _ASKS.search(reading.folded):
            found.append("?")
        if not found:
            return NOTHING_HEARD
        scores: dict[str, float] = {}
        groups: dict[str, list[str]] = {}
        for word in found:
            if word in self._meaning:
                for name, weight in self._meaning[word]:
                    scores[name] = scores.get(name, 0.0) + weight
            if word in self._cues:
                for name in self._cues[word]:
                    if name in groups:
                        groups[name].append(word)
                    else:
                        groups[name] = [word]
        spoken = tuple(scores)
        for group, words in groups.items():
            if group in self._votes:
                name, weight = self._votes[group]
                scores[name] = scores.get(name, 0.0) + weight * _SIZES[min(len(words), MANY)]
        if not scores:
            return Heard(OTHER, 0.0, (), (), groups)
        best = (
            min(scores, key=lambda name: (-scores[name], self._rank[name])) if len(scores) > 1 else next(iter(scores))
        )
        confidence = rounded(scores[best] / (sum(scores.values()) + 0.5), 1000.0, 3)
        return Heard(best, confidence, self._because(best, found, groups), spoken, groups)

    def _because(self, best: str, found: list[str], groups: dict[str, list[str]]) -> tuple[str, ...]:
        """The words of the intent's own list, or else those of the cues that spoke for it."""
        own = self._words[best]
        if words := tuple([word for word in found if word in own]):
            return words
        voted = (words for group, words in groups.items() if self._votes.get(group, ("",))[0] == best)
        return tuple(dict.fromkeys(word for words in voted for word in words))
