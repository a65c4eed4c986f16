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
_NOT_PROSE_WITHOUT_MAIL = re.compile(
    r"https?://\S+|[@#]\w+|\d+|_"
)  # a tenth of the time, and as good where there is none
_MAIL = re.compile(r"[\w.+-]@")
_ONLY_LETTERS = {code: None for code in range(128) if not chr(code).isalpha()}
_LETTERS = re.compile(r"[^\W\d_]+")
_CODE = re.compile(r"[a-z]{2,3}")
_NO_LANGUAGE = frozenset(
    ("und", "zxx", "mis", "mul", "qme", "qht", "qam", "qst", "qct", "art")
)  # with X's private codes

# What people write in on social networks. Among all 120 of its languages the classifier takes a short post for Galician, Ligurian or
# Somali too easily: with these alone it errs half as often (docs/measurements.md).
_SPOKEN = """
ar bg bn ca cs da de el en es et fa fi fr gu he hi hr hu hy id it ja ka kk kn ko lt lv mk ml mr ms ne nl no pa pl pt ro ru si sk sl sq sr
sv sw ta te th tl tr uk ur vi zh
"""
CANDIDATES = tuple(_SPOKEN.split())
# Hindi in Latin letters, which no classifier knows: little words that hardly stand in any other language, then those that stand in some.
_HINDI_ALONE = """
aaj aap aapke abhi agar aisa apna apne apni baat bahut bhi diya gaya gya hai hain hua humko hoga hota hoti jab kab kabhi kaise karna karne
karo karta karte kisi kiya koi kuch kya kyu kyun lekin liye mera mere meri mujhe nahi nahin nhi rahe raha rahi rha rhe sirf tera tere teri
toh tum tumhara wala wale woh yaar yeh accha acha achha bhagwan bola bolo chahiye dekho desh dil dost ghar hamara hamare hamesha huye hone
iske isko jaane jaan jaata jaise kaam karega karenge khush kyonki kyuki logo matlab milega paisa pyaar pyar saath sabko uska uske usko unka
waise yaha zindagi hota hue jab tab tak apko aapko apka kaha jaha
"""
_HINDI_TOO = "aa ab aur ek jo na ne se me bhai hi ho hu hum hun ji ka kar ke ki ko mein par sab tha thi ye"
_ONLY_HINDI = frozenset(_HINDI_ALONE.split())
_HINDI = _ONLY_HINDI.union(_HINDI_TOO.split())


class Classifier(Protocol):
    """What domain/tongues.py offers, and py3langid's `LanguageIdentifier` when it is set to give probabilities."""

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
        text = text[:ENOUGH]
        prose = (_NOT_PROSE if _MAIL.search(text) else _NOT_PROSE_WITHOUT_MAIL).sub(" ", text)
        letters = prose.translate(_ONLY_LETTERS) if prose.isascii() else "".join(_LETTERS.findall(prose))
        if not letters or (letters < "\u0250" and len(letters) < LEAST_LETTERS):
            return UNDETERMINED
        if _is_hindi(prose):
            return "hi", 0.95
        code, confidence = classifier.classify(prose.lower() if letters.isupper() else prose)
        return str(code), float(confidence)

    return detect


def _is_hindi(prose: str) -> bool:
    """Whether a text in Latin letters is Hindi: a sixth of its words are its little words, and one is nobody else's."""
    words = prose.lower().split()
    found = [word for word in words if word.strip(".,!?…") in _HINDI]
    return len(found) * 6 >= len(words) and len(found) > 1 and any(word.strip(".,!?…") in _ONLY_HINDI for word in found)


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
