"""What of a text is its author's own words, and how they are meant to be read: quotes and signatures out, hashtags and stretched
words spelled out, marks of irony noticed. Pure; knows no scorer."""

import math
import re
from collections.abc import Collection, Iterable

_QUOTED = re.compile(r"^[ \t]*>.*$", re.MULTILINE)
# What mail programs put above the mail they answer, in the commonest languages; RFC 3676 section 4.3 for "-- ".
_TAIL = re.compile(
    r"^(?:-- ?$|_{5,}\s*$|-{2,} ?(?:original message|forwarded message|ursprüngliche nachricht|mensaje original|message d'origine)"
    r"|(?:on|am|el|le|il|em)\b.{4,120}\b(?:wrote|schrieb|escribió|a écrit|ha scritto|escreveu)\b.{0,60}:[ \t]*$"
    r"|(?:sent from my|gesendet von|von meinem|enviado desde mi|envoyé de mon|inviato da|enviado do meu)\b.{0,60}$)",
    re.MULTILINE | re.IGNORECASE,
)
_LAST_LINE = re.compile(r"(?<=[.!?\s])sent from my \w+\W*$", re.IGNORECASE)
_TAG = re.compile(r"#(\w+)")
_LETTERS = re.compile(r"[^\W\d_]{3,}")
_RUN = re.compile(r"(.)\1{2,}", re.DOTALL)
_THREE = re.compile(r"(.)\1\1", re.DOTALL)
_RUN_OF_LETTERS = re.compile(r"([^\W\d_])\1\1")
_CAMEL = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\dA-Za-z_]+|[A-Z]")
_IRONY = re.compile(
    r"(?:^|\s)/s(?:$|\s)|#(?:sarcasm|sarcastic|irony|ironic|not)\b|\byeah,? right\b|\b(?:oh|lol|haha|wow|well|just),? (?:great|brilliant|fantastic|wonderful|lovely|perfect)\b"
    r"|\bthanks (?:for nothing|a lot for)\b|\U0001f644|\U0001f643|\bslow clap\b|\U0001f44f ?\U0001f44f",
    re.IGNORECASE,
)
# One part of each of them; a text without any is not ironic. Parts without i: its case has forms of its own.
_IRONIC_PARTS = ("/s", "#", "ght", "great", "br", "fantast", "wonderf", "lovely", "perfect", "thanks", "clap")
_IRONIC_SIGNS = ("\U0001f644", "\U0001f643", "\U0001f44f")
# ASCII has no such forms, so that there the parts can be whole.
_IRONIC_ASCII = (
    *("/s", "#sarcas", "#iron", "#not", "yeah right", "yeah, right", "thanks for nothing", "thanks a lot", "slow clap"),
    *(" great", " brilliant", " fantastic", " wonderful", " lovely", " perfect"),
)
LONGEST_TAG = 40


def own_words(text: str) -> str:
    """The text without quoted mails and signatures. When nothing else is left, the whole text: somebody posted it after all."""
    if "\n" not in text:
        if "ent from my " not in text:
            return text
        return _LAST_LINE.sub("", text) or text
    tail = _TAIL.search(text)
    kept = text[: tail.start()] if tail else text
    if ">" in kept:
        kept = _QUOTED.sub("", kept)
    return kept if kept.strip() else text


def ironic(text: str) -> str:
    """The first mark of irony or sarcasm, or nothing."""
    folded = text.casefold()
    for part in _IRONIC_ASCII if text.isascii() else (*_IRONIC_PARTS, *_IRONIC_SIGNS):
        if part in folded:
            break
    else:
        return ""
    match = _IRONY.search(text)
    return match.group().strip() if match else ""


class Splitter:
    """Takes hashtags apart: at capitals and underscores, else into the words that are likeliest together.

    `ranked` are words, the commonest first. A word's cost is the logarithm of its rank (Zipf); a tag that cannot be made of known words
    stays whole. Costs time in the square of LONGEST_TAG at most; tags are remembered.
    """

    def __init__(self, ranked: Iterable[str] = ()) -> None:
        words = [*dict.fromkeys(ranked)]
        scale = math.log(max(2, len(words)))
        self._costs = {word: math.log((rank + 1) * scale) for rank, word in enumerate(words)}
        self._longest: dict[str, int] = {}  # first two letters → length of the longest word that begins so
        for word in self._costs:
            self._longest[word[:2]] = max(self._longest.get(word[:2], 0), len(word))
        self._known: dict[str, list[str]] = {}

    @property
    def words(self) -> Collection[str]:
        return self._costs.keys()

    def __call__(self, tag: str) -> list[str]:
        found = self._known.get(tag)
        if found is None:
            if len(self._known) >= 20_000:
                self._known.clear()
            found = self._known[tag] = self._split(tag)
        return found

    def _split(self, tag: str) -> list[str]:
        parts = [part for piece in tag[:200].split("_") if piece for part in _humps(piece)]
        return [word for part in parts for word in self._likeliest(part)] or [tag]

    def _likeliest(self, part: str) -> list[str]:
        low = part.lower()
        if low in self._costs or len(low) > LONGEST_TAG or len(low) < 5:
            return [part]
        size = len(low)
        best: list[tuple[float, int]] = [(0.0, 0), *[(math.inf, 0)] * size]
        for start in range(size):
            before = best[start][0]
            if before == math.inf:
                continue
            for end in range(start + 1, min(size, start + max(1, self._longest.get(low[start : start + 2], 0))) + 1):
                cost = self._costs.get(low[start:end])
                if cost is not None and before + cost < best[end][0]:
                    best[end] = (before + cost, start)
        if math.isinf(best[-1][0]):
            return [part]
        words, end = [], len(low)
        while end:
            start = best[end][1]
            words.append(part[start:end])
            end = start
        words.reverse()
        return words if sum(map(len, words)) > 2.4 * len(words) else [part]  # crumbs of one or two letters are no words


def _humps(piece: str) -> list[str]:
    return _CAMEL.findall(piece) or [piece] if piece != piece.lower() and piece != piece.upper() else [piece]


def spelled(text: str, known: Collection[str], split: Splitter) -> str:
    """The text with hashtags as words, and stretched words as the known word they stand for (`sooo goooood`)."""
    if "#" in text:
        text = _TAG.sub(lambda match: " ".join(split(match[1])), text)
    if _THREE.search(text) and _RUN_OF_LETTERS.search(text):
        text = _LETTERS.sub(lambda match: _unstretched(match.group(), known), text)
    return text


def _unstretched(word: str, known: Collection[str]) -> str:
    if len(word) > 60 or not _RUN.search(word) or word.lower() in known:
        return word
    for form in (_RUN.sub(r"\1\1", word), _RUN.sub(r"\1", word)):
        if form.lower() in known:
            return form
    return word
