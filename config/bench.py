"""The judge a configuration asks for: scorer, language detector and rules, bound. Files are read here, so that domain reads none."""

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import entry_points
from importlib.resources import files
from typing import Any

from config.models import Config
from domain.explain import explain
from domain.language import CANDIDATES, Classifier, Detector, detector, language
from domain.learned import EarmarkScorer, Lexicon
from domain.learning import Learned, Lesson
from domain.model import Model
from domain.nouns import Rating, Sentiment, Stored, Verdict
from domain.rules import Judgement
from domain.sentiment import Scorer, VaderScorer, feeling
from domain.triage import bench as compiled
from domain.triage import judge
from domain.vader import read_emoji, read_lexicon

SCORERS = ("earmark", "vader")
GROUP = "earmark.scorers"  # entry points of other packages: a callable that takes the deployment's lexicon and returns a Scorer


@dataclass(frozen=True, slots=True)
class Bench:
    """Judges mentions, and says what would have changed a verdict."""

    judgement: Judgement
    scorer: Scorer
    detect: Detector

    def judge(self, stored: Stored) -> Verdict:
        return judge(stored, self.judgement, self.scorer, self.detect)

    def explain(self, stored: Stored) -> dict[str, Any]:
        """{"text", "change", "outcome"}: the smallest single change that gives another outcome, found by judging again."""
        return explain(stored, self.judgement, self.scorer, self.detect)

    @property
    def asks_standing(self) -> bool:
        """Whether a rule asks what the author is to us."""
        return compiled(self.judgement).asks_standing

    def lesson(self, stored: Stored, ticket: bool) -> Lesson:
        """A corrected mention as domain/learning.py takes it."""
        return compiled(self.judgement).lesson(stored, self.scorer, self.detect, ticket)

    def feel(self, text: str, hint: str | None = None, rating: Rating | None = None) -> tuple[str, Sentiment]:
        """(language, sentiment) of a text, without intent and triage; `hint` is the language its source names."""
        code, _ = language(text, hint, self.detect)
        return code, feeling(self.scorer, text, code, rating)


def bench(config: Config, learned: Learned | None = None) -> Bench:
    """The judge for this configuration, and what corrections taught. Costs a second: keep it as long as the configuration is in force."""
    spoken = config.settings.language
    classifier = _classifier() if spoken == "auto" else None
    judgement = replace(config.judgement(), learned=learned)
    return Bench(judgement, scorer(config), detector(classifier, spoken))


def scorer(config: Config) -> Scorer:
    """What scores sentiment here. Raises ValueError for a name nobody offers."""
    name = config.settings.scorer
    if name == "vader":
        return VaderScorer(lexicon(config), lexicon_hash(config), model().words)
    if name == "earmark":
        return EarmarkScorer(model(), lexicon(config), lexicon_hash(config))
    for entry in entry_points(group=GROUP, name=name):
        made: Scorer = entry.load()(dict(config.lexicon))
        return made
    raise ValueError(f'no scorer is named "{name}"; there are {", ".join(scorer_names())}')


def scorer_names() -> tuple[str, ...]:
    """Ours, and those other packages bring."""
    return (*SCORERS, *sorted({entry.name for entry in entry_points(group=GROUP)} - {*SCORERS}))


def lexicon(config: Config) -> Lexicon:
    """VADER's own words and emoji with the deployment's words over them."""
    words, emoji = _stock()
    return Lexicon(read_lexicon(words), read_emoji(emoji), dict(config.lexicon))


def lexicon_hash(config: Config) -> str:
    """Changes when any word that is scored by does; with the model's, where that is used."""
    digest = hashlib.sha256()
    for part in (*_stock(), repr(sorted(config.lexicon.items()))):
        digest.update(part.encode() + b"\x00")
    if config.settings.scorer == "earmark":
        digest.update(model().hash.encode())
    return digest.hexdigest()[:16]


@lru_cache(maxsize=1)
def model() -> Model:
    """The shipped model; docs/models.md says what it learned from."""
    return Model((files("config") / "shipped" / "sentiment.model").read_bytes())


@lru_cache(maxsize=1)
def _stock() -> tuple[str, str]:
    package = files("vaderSentiment")
    names = ("vader_lexicon.txt", "emoji_utf8_lexicon.txt")
    lexicon_text, emoji_text = ((package / name).read_text(encoding="utf-8") for name in names)
    return lexicon_text, emoji_text


@lru_cache(maxsize=1)
def _classifier() -> Classifier:
    from config.tongues import tongues  # heavy: only where languages are told apart

    return tongues(CANDIDATES)
