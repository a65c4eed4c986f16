"""A deployment's own words over a scorer's: which count in which language, and phrases that are scored as one word. Pure."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from domain.words import Finder, reading

ANY = ""
GLUE = "\u2423"  # joins the words of a phrase into one token; a sign nobody types
_CODED = re.compile(r"([a-z]{2,3}):(\S.*)", re.DOTALL)


def overlays(own: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Language code (or ANY) to word to valence, from keys such as `outage` and `de:schlecht`."""
    found: dict[str, dict[str, float]] = {ANY: {}}
    for key, value in own.items():
        coded = _CODED.fullmatch(key)
        code, word = (coded[1], coded[2]) if coded else (ANY, key)
        found.setdefault(code, {})[" ".join(word.lower().split())] = float(value)
    return found


class Phrases:
    """Glues the phrases found in a text, so that a scorer of single words meets each as one."""

    def __init__(self, phrases: Iterable[str]) -> None:
        several = [phrase for phrase in phrases if " " in phrase]
        self._finder = Finder(several) if several else None

    def glue(self, text: str) -> str:
        """The text with its phrases glued; longer ones first, so that a part does not break the whole."""
        if self._finder is None:
            return text
        for phrase in sorted(self._finder.find(reading(text)), key=lambda phrase: -len(phrase)):
            text = _form(phrase).sub(_glued, text)
        return text


@lru_cache(maxsize=4096)  # made when a phrase is first met: most never are
def _form(phrase: str) -> re.Pattern[str]:
    parts = r"\s+".join(re.escape(part).replace("'", "['\u2019]?") for part in phrase.split())
    return re.compile(rf"(?<!\w){parts}(?!\w)", re.IGNORECASE)


def _glued(match: re.Match[str]) -> str:
    return GLUE.join(match.group().split())


def glued(phrase: str) -> tuple[str, ...]:
    """The tokens a phrase may become: as written, with a typographic apostrophe and without one."""
    token = phrase.replace(" ", GLUE)
    return (token, token.replace("'", "\u2019"), token.replace("'", "")) if "'" in token else (token,)
