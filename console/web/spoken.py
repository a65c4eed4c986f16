"""The languages there are, each with its catalogue, and the one a request is answered in.

English sentences are the keys; console/locale/*.po hold the other languages, read once a process. A request's language is a context
variable, which threads of the request inherit: what is said deep below a page needs no argument for it.
"""

import hashlib
import json
import pathlib
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from babel import Locale

FOLDER = pathlib.Path(__file__).parent.parent / "locale"
REGIONS = {"en": "en_GB"}  # where a language's numbers and dates are not those of its first region


@dataclass(frozen=True)
class Language:
    """`messages`: English → one text, or its plural forms; with a context, (context, English) → text. `scripted`: keys static/*.js asks for."""

    code: str
    name: str  # what it calls itself
    locale: "Locale"
    messages: Mapping[str | tuple[str, str], str | tuple[str, ...]] = field(default_factory=dict)
    plural: Callable[[int], int] = lambda n: int(n != 1)
    scripted: tuple[str, ...] = ()

    def text(self, message: str, context: str = "") -> str:
        """English where the catalogue has none: a name from the configuration, or a word somebody stored."""
        found = self.messages.get((context, message) if context else message, message)
        return found if isinstance(found, str) else found[0]

    def texts(self, one: str, many: str, n: int) -> str:
        found = self.messages.get(one)
        if isinstance(found, tuple):
            return found[min(self.plural(n), len(found) - 1)]
        return one if n == 1 else many

    def mark(self, text: str) -> str:
        """A number, a date: what a format made. Only the tests' own language writes something around it."""
        return text

    @cached_property
    def script(self) -> bytes:
        """What static/*.js says, as a script: plural forms stand under the names the browser gives them. Empty in English."""
        if not self.scripted:
            return b""
        texts = {key: self._by_category(self.messages[key]) for key in self.scripted if key in self.messages}
        return f"window.earmarkTexts = {json.dumps(texts, ensure_ascii=False, separators=(',', ':'))};\n".encode()

    @cached_property
    def script_name(self) -> str:
        """Hashed, as all static files: it may be kept for ever."""
        body = self.script
        return f"texts-{self.code}.{hashlib.sha256(body).hexdigest()[:10]}.js" if body else ""

    def _by_category(self, found: str | tuple[str, ...]) -> str | dict[str, str]:
        """https://tc39.es/ecma402/#pluralrules-objects: both go by the CLDR's rules, so any number of a category names its form."""
        if isinstance(found, str):
            return found
        return {self.locale.plural_form(n): found[min(self.plural(n), len(found) - 1)] for n in range(200, -1, -1)}


@cache
def languages() -> dict[str, Language]:
    """English, and what lies in console/locale; code → language."""
    from babel import Locale
    from babel.messages.pofile import read_po

    found = {"en": Language("en", "English", Locale.parse("en_GB"))}
    for path in sorted(FOLDER.glob("*.po")):
        with path.open("rb") as file:
            catalogue = read_po(file, locale=path.stem)
        messages: dict[str | tuple[str, str], str | tuple[str, ...]] = {}
        scripted = []
        for message in catalogue:
            if (
                not message.id
                or message.fuzzy
                or not all(message.string if message.pluralizable else (message.string,))
            ):
                continue
            key = message.id[0] if message.pluralizable else message.id
            messages[(message.context, key) if message.context else key] = (
                tuple(message.string) if message.pluralizable else message.string
            )
            if any(place.endswith(".js") for place, _ in message.locations):
                scripted.append(key)
        locale = Locale.parse(REGIONS.get(path.stem, path.stem))
        name = locale.get_language_name(locale.language) or path.stem
        found[path.stem] = Language(
            path.stem, name[:1].upper() + name[1:], locale, messages, _plural(catalogue.plural_expr), tuple(scripted)
        )
    return found


def _plural(expression: str) -> Callable[[int], int]:
    """A catalogue's own rule, which the standard library reads safely."""
    from gettext import c2py  # type: ignore[attr-defined]

    made: Callable[[int], int] = c2py(expression)
    return made


ANSWERED: ContextVar[Language | None] = ContextVar("language", default=None)


def current() -> Language:
    return ANSWERED.get() or languages()["en"]
