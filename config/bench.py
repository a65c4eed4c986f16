"""The judge a configuration asks for: scorer, language detector and rules, bound. Files are read here, so that domain reads none."""

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from config.models import Config
from domain.explain import explain
from domain.language import Classifier, Detector, detector
from domain.nouns import Stored, Verdict
from domain.rules import Judgement
from domain.sentiment import Scorer, vader_scorer
from domain.triage import judge


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


def bench(config: Config) -> Bench:
    """The judge for this configuration. Costs a second: keep it as long as the configuration is in force."""
    package = files("vaderSentiment")
    scorer = vader_scorer(
        (package / "vader_lexicon.txt").read_text(encoding="utf-8"),
        (package / "emoji_utf8_lexicon.txt").read_text(encoding="utf-8"),
        dict(config.lexicon),
    )
    language = config.settings.language
    classifier = _classifier() if language == "auto" else None
    return Bench(config.judgement(), scorer, detector(classifier, language))


@lru_cache(maxsize=1)
def _classifier() -> Classifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # heavy: only where languages are told apart

    made: Classifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    return made
