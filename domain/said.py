"""A sentence that remembers what it was made of, so that whoever shows it can say it in another language.

It is an English string like any other: programs, logs and the command line show it as it is.
"""

from typing import Any, Self


class Said(str):
    """`Said("At most %(most)s tags.", most=20)`. Numbers are grouped; what is no amount (a ticket's number) is given as text."""

    source: str
    values: dict[str, Any]

    def __new__(cls, source: str, **values: Any) -> Self:
        made = super().__new__(cls, source % {name: _plain(value) for name, value in values.items()})
        made.source, made.values = source, values
        return made


def _plain(value: Any) -> Any:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else value
