"""What is wrong with a configuration, for the person who wrote it: where, the line itself, and the nearest name that would do."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Literal

_SECRET = re.compile(
    r"(^|_)(token|passw(or)?d|passphrase|secret|api_?key|(private|access|signing|account|auth)_key|bearer|authorization|cookie|credentials?)$"
)
_LIKELY = ("token", "password", "secret", "api_key", "client_secret", "authorization", "access_token", "private_key")
_PAIR = re.compile(
    r"""(?P<key>[\w.-]+["']?)\s*:\s*(?=(?P<value>\S.*)$)"""
)  # the value is looked at only: pairs may follow in it
VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,126}")
_USERINFO = re.compile(r"(?<=://)[^/\s@]+@")
_SIGNING = re.compile(r"whsec_\S+")


def is_secret(key: str) -> bool:
    """Whether a key by this name holds a secret itself; `…_env` only names the variable that does."""
    return bool(_SECRET.search(key.strip("\"'").lower().replace("-", "_")))


@lru_cache(maxsize=64)  # hundreds of channels may stand on one line
def masked(line: str) -> str:
    """The line as it may be shown: what follows a secret's key (or a misspelt one) is not."""
    line = _SIGNING.sub("whsec_****", _USERINFO.sub("****@", line))
    for pair in _PAIR.finditer(line):
        key = pair["key"].strip("\"'").lower()
        if key.endswith("_env"):
            hides = not VARIABLE.fullmatch(re.split(r"[\s,}#\]]", pair["value"].strip("\"'"))[0].strip("\"'"))
        else:
            hides = is_secret(key) or bool(get_close_matches(key, _LIKELY, 1, 0.75))
        if hides:
            return line[: pair.start("value")] + "****"
    return line


def nearest(word: str, names: Iterable[str]) -> str:
    """The name most like the word, or nothing."""
    known: dict[str, str] = {}
    for name in names:
        known.setdefault(str(name).lower(), str(name))
    found = get_close_matches(str(word).lower(), list(known), 1, 0.6)
    return known[found[0]] if found else ""


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing to mend. Lines and columns count from 1; 0 means that the complaint is about the whole file or no file."""

    file: str
    line: int
    column: int
    message: str
    line_text: str = ""
    suggestion: str = ""
    severity: Literal["error", "warning"] = "error"
    width: int = 1
    code: str = ""  # of config/codes.py

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        kind = f"{self.severity}[{self.code}]" if self.code else self.severity
        head = f"{place}: {kind}: {self.message}" if place else f"{kind}: {self.message}"
        hint = f'did you mean "{self.suggestion}"?' if self.suggestion else ""
        if not self.line_text:
            return f"{head} ({hint})" if hint else head
        text = self.line_text.rstrip()
        start = max(0, self.column - 60) if len(text) > 110 else 0
        shown = text[start : start + 110].replace("\t", " ")
        number = str(self.line).rjust(5)
        caret = " " * max(0, self.column - 1 - start) + "^" * max(
            1, min(self.width, len(shown) - self.column + 1 + start)
        )
        return f"{head}\n{number} | {shown}\n{' ' * 5} | {caret}{' ' + hint if hint else ''}"

    def document(self) -> dict[str, Any]:
        """JSON-ready, for `earmark check --json` and the console."""
        names = ("file", "line", "column", "severity", "code", "message", "line_text", "suggestion")
        return {name: getattr(self, name) for name in names}


class Complaints(Exception):
    """Everything that is wrong, at once; `str()` is what a person reads."""

    def __init__(self, complaints: Iterable[Complaint]) -> None:
        self.list = sorted(complaints, key=lambda one: (one.file, one.line, one.column))
        super().__init__(self.list)

    def __iter__(self) -> Any:
        return iter(self.list)

    def __len__(self) -> int:
        return len(self.list)

    def __str__(self) -> str:
        return "\n".join(str(one) for one in self.list)
