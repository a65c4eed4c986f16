"""How a text feels, and how sure we may be: the seam scorers stand behind, VADER's place in it, and the weight of a rating. Pure."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from domain.nouns import Label, Rating, Sentiment
from domain.vader import Vader, read_emoji, read_lexicon

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
    def score(self, text: str) -> Sentiment: ...


class VaderScorer:
    """VADER with a deployment's overlay: words, and phrases of several words that are scored as one."""

    name = "vader"
    version = VADER_VERSION
    languages = frozenset(("en",))

    def __init__(self, lexicon: Mapping[str, float], emoji: Mapping[str, str], lexicon_hash: str) -> None:
        self.lexicon_hash = lexicon_hash
        phrases = [word for word in lexicon if " " in word]
        self._vader = Vader({**lexicon, **{word.replace(" ", "\u2423"): lexicon[word] for word in phrases}}, emoji)
        self._phrases: re.Pattern[str] | None = None

    def join(self, phrases: list[str]) -> None:
        """Score these phrases as one word each."""
        longest = sorted(phrases, key=len, reverse=True)
        pattern = "|".join(r"\s+".join(re.escape(part) for part in phrase.split()) for phrase in longest)
        self._phrases = re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.IGNORECASE) if longest else None

    def score(self, text: str) -> Sentiment:
        if self._phrases:
            text = self._phrases.sub(lambda match: "\u2423".join(match.group().split()), text)
        compound, words = self._vader.compound(text)
        if not words:
            return Sentiment("unscored", None, self.name, self.version, self.lexicon_hash, (), "no-scorable-words")
        shares = tuple((word.replace("\u2423", " "), round(share, 4)) for word, share in words)
        return Sentiment(label(compound), compound, self.name, self.version, self.lexicon_hash, shares)


def vader_scorer(lexicon_text: str, emoji_text: str, overlay: Mapping[str, float] | None = None) -> VaderScorer:
    """VADER on the stock package's two files, with words and phrases of one's own laid over them."""
    own = {" ".join(word.lower().split()): float(value) for word, value in (overlay or {}).items()}
    digest = hashlib.sha256()
    for part in (lexicon_text, emoji_text, repr(sorted(own.items()))):
        digest.update(part.encode() + b"\x00")
    scorer = VaderScorer({**read_lexicon(lexicon_text), **own}, read_emoji(emoji_text), digest.hexdigest()[:16])
    scorer.join([word for word in own if " " in word])
    return scorer


def label(compound: float) -> Label:
    return "positive" if compound >= POSITIVE else "negative" if compound <= NEGATIVE else "neutral"


def feeling(scorer: Scorer, text: str, language: str, rating: Rating | None = None) -> Sentiment:
    """What the scorer says if it reads the language; a clear rating outweighs it. The compound stays the scorer's own."""
    if scorer.languages and language != "und" and language not in scorer.languages:
        found = Sentiment(
            "unscored", None, scorer.name, scorer.version, scorer.lexicon_hash, (), f"language-{language}"
        )
    else:
        found = scorer.score(text)
    return rated(found, rating)


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
