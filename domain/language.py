"""Which language a text is in, and when that cannot be told. Pure: the classifier, which reads a model, is handed in."""

import re
from collections.abc import Callable
from typing import Protocol

Detector = Callable[[str], tuple[str, float]]
UNDETERMINED = ("und", 0.0)  # https://datatracker.ietf.org/doc/html/rfc5646#section-4.1
SURE = 0.9
LIKELY = 0.4
ENOUGH = 4_000  # characters looked at
LEAST_LETTERS = 12  # of the Latin script; below, a classifier guesses

_NOT_PROSE = re.compile(r"https?://\S+|[@#]\w+|[\w.+-]+@[\w-]+\.\w+|\d+|_")
_LETTERS = re.compile(r"[^\W\d_]+")
_CODE = re.compile(r"[a-z]{2,3}")
_NO_LANGUAGE = frozenset(
    ("und", "zxx", "mis", "mul", "qme", "qht", "qam", "qst", "qct", "art")
)  # with X's private codes


class Classifier(Protocol):
    """What py3langid's `LanguageIdentifier` offers, set to give probabilities."""

    def classify(self, text: str) -> tuple[str, float]: ...


def detector(classifier: Classifier | None, language: str = "auto") -> Detector:
    """A detector of prose: handles, links and numbers are left out; what is too short to tell is undetermined.

    Deployments that name their one `language` need no classifier and get that answer for every text.
    """
    if language != "auto":
        answer = (language, 1.0)
        return lambda text: answer
    if classifier is None:
        return lambda text: UNDETERMINED

    def detect(text: str) -> tuple[str, float]:
        prose = _NOT_PROSE.sub(" ", text[:ENOUGH])
        letters = "".join(_LETTERS.findall(prose))
        if not letters or (letters < "\u0250" and len(letters) < LEAST_LETTERS):
            return UNDETERMINED
        code, confidence = classifier.classify(prose.lower() if letters.isupper() else prose)
        return str(code), float(confidence)

    return detect


def primary(tag: str | None) -> str | None:
    """The language of a BCP 47 tag, or None where the tag names none."""
    code = (tag or "").strip().lower().replace("_", "-").partition("-")[0]
    return code if _CODE.fullmatch(code) and code not in _NO_LANGUAGE else None


def language(text: str, hint: str | None, detect: Detector) -> tuple[str, float]:
    """(code, confidence). The platform's hint stands unless the detector is sure: hints tell the author's settings more than the text."""
    code, confidence = detect(text)
    if confidence >= SURE:
        return code, confidence
    hinted = primary(hint)
    if hinted:
        return hinted, confidence if hinted == code else 0.5
    return (code, confidence) if confidence >= LIKELY else UNDETERMINED
