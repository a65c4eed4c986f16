"""A language is named only where it can be told; a hint helps where the text is too short."""

from functools import cache
from pathlib import Path

import pytest
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from config.tongues import tongues
from domain.language import CANDIDATES, Detector, detector, language, primary


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


HARD = (
    "",
    "a",
    "é",
    "e\u0301t\u00e9",
    "\ud800 lone",
    "नमस्ते दुनिया",
    "x" * 9_000,
    "\x00\xff",
    "Добрый день",
    "今日は良い天気",
)


@pytest.mark.parametrize("again", ["unpacked", "kept"])
def test_answers_are_those_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: str) -> None:
    """What is read from the cache answers as what was unpacked, and both as py3langid does, to the last bit."""
    monkeypatch.setenv("EARMARK_DATA", str(tmp_path))
    ours, theirs = tongues(CANDIDATES), LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    assert [*(tmp_path / "cache").iterdir()]
    if again == "kept":
        monkeypatch.setattr("config.tongues._unpacked", None)
        ours = tongues(CANDIDATES)
    theirs.set_languages([*CANDIDATES])
    with (Path(__file__).parents[1] / "domain" / "care.py").open(encoding="utf-8") as lines:
        texts = [*HARD, *(line.strip() for line in lines if not line.strip().isupper())]
    assert [ours.classify(text) for text in texts] == [theirs.classify(text) for text in texts]


def test_a_broken_cache_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_DATA", str(tmp_path))
    tongues(("de", "en"))
    (kept,) = (tmp_path / "cache").iterdir()
    (kept / "follows.npy").write_bytes(b"no array")
    assert tongues(("de", "en")).classify("Guten Morgen, wie geht es")[0] == "de"


def test_an_unknown_language_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_DATA", str(tmp_path))
    with pytest.raises(ValueError, match="xx"):
        tongues(("en", "xx"))
