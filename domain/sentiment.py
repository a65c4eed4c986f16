"""How a text feels, and how sure we may be: the seam scorers stand behind, VADER's place in it, and the weight of a rating. Pure."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from domain.learned import Lexicon
from domain.nouns import Label, Rating, Sentiment
from domain.prose import Splitter, ironic, own_words, spelled
from domain.rounding import rounded
from domain.vader import read_emoji, read_lexicon

POSITIVE = 0.05  # the borders VADER's authors recommend: https://github.com/cjhutto/vaderSentiment#about-the-scoring
NEGATIVE = -0.05
BAD_RATING = 0.25  # of the way from the worst to the best rating
GOOD_RATING = 0.75
VADER_VERSION = "3.3.2"


class Scorer(Protocol):
    """Scores texts. `languages` are the ones it reads; an empty set means any."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def lexicon_hash(self) -> str: ...
    @property
    def languages(self) -> frozenset[str]: ...
    def score(self, text: str, language: str = ...) -> Sentiment: ...


class VaderScorer:
    """VADER with a deployment's words and phrases over it. `words` are common words, to take hashtags apart by."""

    name = "vader"
    version = VADER_VERSION
    languages = frozenset(("en",))

    def __init__(self, lexicon: Lexicon, lexicon_hash: str, words: Iterable[str] = ()) -> None:
        self._lexicon, self.lexicon_hash = lexicon, lexicon_hash
        self._split = Splitter(words)

    def score(self, text: str, language: str = "en") -> Sentiment:
        text = spelled(own_words(text), self._lexicon.known, self._split)
        compound, words = self._lexicon.read(text, "en")
        if not words:
            return Sentiment("unscored", None, self.name, self.version, self.lexicon_hash, (), "no-scorable-words")
        shares = tuple([(word, rounded(share, 10000.0, 4)) for word, share in words])
        irony = ironic(text)
        reason = f"ironic: {irony}" if irony else ""
        return Sentiment(
            label(compound), compound, self.name, self.version, self.lexicon_hash, shares, reason, None, compound
        )


def vader_scorer(lexicon_text: str, emoji_text: str, overlay: Mapping[str, float] | None = None) -> VaderScorer:
    """VADER on the stock package's two files, with words and phrases of one's own laid over them."""
    own = dict(overlay or {})
    digest = hashlib.sha256()
    for part in (lexicon_text, emoji_text, repr(sorted(own.items()))):
        digest.update(part.encode() + b"\x00")
    return VaderScorer(Lexicon(read_lexicon(lexicon_text), read_emoji(emoji_text), own), digest.hexdigest()[:16])


def label(compound: float) -> Label:
    return "positive" if compound >= POSITIVE else "negative" if compound <= NEGATIVE else "neutral"


def feeling(scorer: Scorer, text: str, language: str, rating: Rating | None = None) -> Sentiment:
    """What the scorer says if it reads the language; a clear rating outweighs it. The compound stays the scorer's own."""
    if scorer.languages and language != "und" and language not in scorer.languages:
        found = Sentiment(
            "unscored", None, scorer.name, scorer.version, scorer.lexicon_hash, (), f"language-{language}"
        )
    else:
        found = scorer.score(text, language)
    return rated(found, rating)


def written(found: Sentiment) -> dict[str, Any]:
    """The sentiment as a receipt keeps it; what a scorer does not give is left out."""
    body: dict[str, Any] = {
        "label": found.label,
        "compound": found.compound,
        "scorer": found.scorer,
        "version": found.version,
        "lexicon": found.lexicon,
        "words": [[word, share] for word, share in found.words],
        "reason": found.reason,
    }
    if found.probabilities:
        body["probabilities"] = list(found.probabilities)
    if found.raw is not None:
        body["raw"] = found.raw
    return body


def rated(found: Sentiment, rating: Rating | None) -> Sentiment:
    """The sentiment with the label of a clear rating, which is then its reason."""
    if rating is None:
        return found
    share = rating.share
    if BAD_RATING < share < GOOD_RATING:
        return found
    return replace(
        found,
        label="negative" if share <= BAD_RATING else "positive",
        reason=f"rating {rating.value:g} of {rating.best:g}",
    )
