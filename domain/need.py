"""How likely somebody has to act on a text, and how soon: two probabilities out of named shares. Pure.

Log-odds of cues (domain/cues.py), of the intent's words, of mood and of how the text is built are added up and put through the
logistic function. The shares are kept for the receipt. Nothing here was fitted to data; a deployment's own model
(domain/learning.py) adds its share on top.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from domain import cues
from domain.cues import CUES
from domain.nouns import Mention, Sentiment
from domain.words import Reading

_DESK = re.compile(r"@\w*(?:help|support|care|serv|ask|assist|cust|contact)\w*", re.IGNORECASE)
_SIZES = tuple(math.sqrt(hits) for hits in range(cues.MANY + 1))
_WEIGHTS = {cue.name: tuple((cue.need * size, cue.urgency * size) for size in _SIZES) for cue in CUES}
_DIRECT = frozenset(("email", "mail", "Email", "Review", "review"))


@dataclass(frozen=True, slots=True)
class Need:
    """`value`: a person has to act, 0..1; `urgency`: soon, 0..1; `shares`: what made the value, in log-odds, largest first; `odds`: their
    sum without what was learned."""

    value: float
    urgency: float
    shares: tuple[tuple[str, float], ...] = ()
    odds: float = 0.0


NO_NEED = Need(0.0, 0.0)


def logistic(odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-odds)) if odds > -700 else 0.0


def mood(sentiment: Sentiment, stars: float | None = None) -> tuple[float, float]:
    """(negative, positive), 0..1 each: the stars if clear, the scorer's probabilities if it gives them, else by its compound."""
    if stars is not None and not 2.0 < stars < 4.0:
        return (1.0, 0.0) if stars <= 2.0 else (0.0, 1.0)
    if sentiment.probabilities is not None:
        return sentiment.probabilities[0], sentiment.probabilities[2]
    if sentiment.compound is None:
        return 0.25, 0.25
    return max(0.0, -sentiment.compound), max(0.0, sentiment.compound)


def weigh(
    mention: Mention,
    reading: Reading,
    groups: Mapping[str, Sequence[str]],
    intents: Iterable[str],
    feels: tuple[float, float],
    learn: Callable[[float], list[tuple[str, float]]] | None = None,
) -> Need:
    """`groups`: cue name → its words found; `intents`: those some word spoke for; `learn`: a deployment's model, which is told the
    log-odds so far and answers with its shares."""
    shares: list[tuple[str, float]] = []
    urgency = cues.BASE_URGENCY
    for name, words in groups.items():
        need, soon = _WEIGHTS[name][min(len(words), cues.MANY)]
        shares.append((name, need))
        urgency += soon
    for intent in (spoken := tuple(intents)):
        shares.append((f"words of {intent}", cues.INTENT_NEED.get(intent, 0.0)))
        urgency += cues.INTENT_URGENCY.get(intent, 0.0)
    negative, positive = feels
    shares.append(("mood", cues.MOOD_NEED[0] * negative + cues.MOOD_NEED[1] * positive))
    urgency += cues.MOOD_URGENCY[0] * negative + cues.MOOD_URGENCY[1] * positive
    shares += built(mention, reading)
    if len(reading.words) <= cues.SHORT and not cues.PLAIN.isdisjoint(spoken):
        shares.append(("says it in few words", cues.TO_THE_POINT))
    odds = base = cues.BASE_NEED + sum([share for _, share in shares])
    if learn is not None:
        added = learn(base)
        shares += added
        odds += sum(share for _, share in added)
    told = [(name, round(share, 3)) for name, share in shares if share]
    told.sort(key=_size, reverse=True)
    return Need(round(logistic(odds), 4), round(logistic(urgency), 4), tuple(told), round(base, 4))


def _size(pair: tuple[str, float]) -> float:
    return abs(pair[1])


def built(mention: Mention, reading: Reading) -> list[tuple[str, float]]:
    """Shares of how a text is built: whom it addresses, its marks and length."""
    text, found = reading.text, []
    if "@" in text or mention.kind in _DIRECT or mention.platform in _DIRECT:
        found.append(("addresses somebody", cues.ADDRESSED))
        if "@" in text and _DESK.search(text):
            found.append(("addresses a help desk", cues.TO_SUPPORT))
    if "??" in text or "?!" in text:
        found.append(("insists", cues.DOUBLE_QUESTION))
    if "!" in text:
        found.append(("exclaims", cues.SHOUTED))
    if "http" in text:
        found.append(("holds a link", cues.HAS_LINK))
    if len(reading.words) < 6:
        found.append(("is brief", cues.BRIEF))
    return found
