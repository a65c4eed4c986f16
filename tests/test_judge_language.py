"""A language is named only where it can be told; a hint helps where the text is too short."""

from functools import cache

import pytest
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from domain.language import Detector, detector, language, primary


@cache
def detect() -> Detector:
    return detector(LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True))


@pytest.mark.parametrize(
    ("text", "hint", "code"),
    [
        ("I have been waiting for my new card for three weeks and nobody answers the phone", None, "en"),
        ("Ich warte seit drei Wochen auf meine neue Karte und niemand geht ans Telefon", "en", "de"),
        ("Llevo tres semanas esperando mi tarjeta y nadie contesta el teléfono", None, "es"),
        ("カードが届きません、どうなっていますか", None, "ja"),
        ("ok", None, "und"),
        ("ok", "de", "de"),
        ("ok", "pt-BR", "pt"),
        ("ok", "qme", "und"),
        ("", None, "und"),
        ("🙂🙂 12345 @handle https://example.com/some/long/path", None, "und"),
    ],
)
def test_language(text: str, hint: str | None, code: str) -> None:
    assert language(text, hint, detect())[0] == code


def test_a_deployment_of_one_language_needs_no_classifier() -> None:
    assert language("Guten Tag", "de", detector(None, "en")) == ("en", 1.0)
    assert language("Guten Tag", "de", detector(None)) == ("de", 0.5)


@pytest.mark.parametrize(
    ("tag", "code"), [("en-GB", "en"), ("zh_Hant", "zh"), ("und", None), ("", None), (None, None), ("nonsense", None)]
)
def test_primary(tag: str | None, code: str | None) -> None:
    assert primary(tag) == code
