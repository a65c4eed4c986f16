"""How likely somebody has to act on a text, and how soon: two probabilities out of named shares. Pure.

Log-odds of cues (domain/cues.py), of the intent's words, of mood and of how the text is built are added up and put through the
logistic function. The shares are kept for the receipt. Nothing here was fitted to data; a deployment's own model
(domain/learning.py) adds its share on top.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from domain import cues
from domain.cues import CUES, Cue
from domain.nouns import Mention, Sentiment
from domain.quick import quick
from domain.rounding import rounded
from domain.words import Reading

_DESK = re.compile(r"@\w*(?:help|support|care|serv|ask|assist|cust|contact)\w*", re.IGNORECASE)
_SIZES = tuple(math.sqrt(hits) for hits in range(cues.MANY + 1))
Share = tuple[str, float]  # what speaks for (or against) a need, in log-odds


def _told(name: str, odds: float) -> Share:
    """A share as a receipt shows it."""
    return name, rounded(odds, 1000.0, 3)


def weights(cue: Cue) -> tuple[tuple[Share, float, float], ...]:
    """By number of hits: the share as it is shown, the log-odds of need and of urgency."""
    return tuple((_told(cue.name, cue.need * size), cue.need * size, cue.urgency * size) for size in _SIZES)


# what never changes is rounded once
WEIGHTS = {cue.name: weights(cue) for cue in CUES}
_WORDS_OF = {name: _told(f"words of {name}", odds) for name, odds in cues.INTENT_NEED.items()}
_SAYS_ENOUGH = _told("says it in few words", cues.TO_THE_POINT)
_ADDRESSED = _told("addresses somebody", cues.ADDRESSED)
_TO_SUPPORT = _told("addresses a help desk", cues.TO_SUPPORT)
_INSISTS = _told("insists", cues.DOUBLE_QUESTION)
_EXCLAIMS = _told("exclaims", cues.SHOUTED)
_HAS_LINK = _told("holds a link", cues.HAS_LINK)
_BRIEF = _told("is brief", cues.BRIEF)
_DIRECT = frozenset(("email", "mail", "Email", "Review", "review"))


@quick(frozen=True, slots=True)
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
    shares: list[Share] = []
    total, urgency = 0.0, cues.BASE_URGENCY
    for name, words in groups.items():
        share, need, soon = WEIGHTS[name][min(len(words), cues.MANY)]
        if need:
            shares.append(share)
        total += need
        urgency += soon
    for intent in (spoken := tuple(intents)):
        if intent in _WORDS_OF:
            shares.append(_WORDS_OF[intent])
            total += cues.INTENT_NEED[intent]
        urgency += cues.INTENT_URGENCY.get(intent, 0.0)
    negative, positive = feels
    felt = cues.MOOD_NEED[0] * negative + cues.MOOD_NEED[1] * positive
    if felt:
        shares.append(_told("mood", felt))
    total += felt
    urgency += cues.MOOD_URGENCY[0] * negative + cues.MOOD_URGENCY[1] * positive
    for share in built(mention, reading):
        shares.append(share)
        total += share[1]
    if len(reading.words) <= cues.SHORT and not cues.PLAIN.isdisjoint(spoken):
        shares.append(_SAYS_ENOUGH)
        total += _SAYS_ENOUGH[1]
    odds = base = cues.BASE_NEED + total
    if learn is not None:
        added = learn(base)
        shares += [_told(name, share) for name, share in added if share]
        odds += sum(share for _, share in added)
    if len(shares) > 1:
        shares.sort(key=_size, reverse=True)
    return Need(_shown(odds), _shown(urgency), tuple(shares), rounded(base, 10000.0, 4))


def _shown(odds: float) -> float:
    return rounded(logistic(odds), 10000.0, 4)


def _size(pair: Share) -> float:
    return abs(pair[1])


def built(mention: Mention, reading: Reading) -> list[Share]:
    """Shares of how a text is built: whom it addresses, its marks and length."""
    text = reading.text
    found: list[Share] = []
    if "@" in text or mention.kind in _DIRECT or mention.platform in _DIRECT:
        found.append(_ADDRESSED)
        if "@" in text and _DESK.search(text):
            found.append(_TO_SUPPORT)
    if "??" in text or "?!" in text:
        found.append(_INSISTS)
    if "!" in text:
        found.append(_EXCLAIMS)
    if "http" in text:
        found.append(_HAS_LINK)
    if len(reading.words) < 6:
        found.append(_BRIEF)
    return found
