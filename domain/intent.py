"""What an author wants, told by words and phrases. Pure; the lists are data (domain/care.py, or an operator's)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from domain.care import DEFAULT_INTENTS as DEFAULT_INTENTS
from domain.rules import Intent
from domain.words import Finder, Reading

OTHER = "other"
_ASKS = re.compile(r"[?？؟](?=[\s\"')!.?]|$)")  # a question mark that ends something: not the one in a link


@dataclass(frozen=True, slots=True)
class Heard:
    """The intent with the most weight, how clearly it leads (0..1), and the words that spoke for it."""

    name: str
    confidence: float
    words: tuple[str, ...] = ()


NOTHING_HEARD = Heard(OTHER, 0.0)


class Listener:
    """Intents compiled into one finder. Ties go to the intent that is listed first."""

    def __init__(self, intents: Sequence[Intent]) -> None:
        self._rank = {intent.name: rank for rank, intent in enumerate(intents)}
        self._meaning: dict[str, list[tuple[str, float]]] = {}
        for intent in intents:
            for word in intent.words:
                self._meaning.setdefault(word, []).append((intent.name, intent.weight))
        self._asking = self._meaning.get("?", [])
        self._finder = Finder(word for word in self._meaning if word != "?")

    def listen(self, reading: Reading) -> Heard:
        found = self._finder.find(reading)
        if self._asking and "?" in reading.folded and _ASKS.search(reading.folded):
            found.append("?")
        if not found:
            return NOTHING_HEARD
        scores: dict[str, float] = {}
        for word in found:
            for name, weight in self._meaning[word]:
                scores[name] = scores.get(name, 0.0) + weight
        best = min(scores, key=lambda name: (-scores[name], self._rank[name]))
        words = tuple(word for word in found if any(name == best for name, _ in self._meaning[word]))
        return Heard(best, round(scores[best] / (sum(scores.values()) + 0.5), 3), words)
