"""What all configuration models share: strictness, and lengths of time as people write them."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

Names = tuple[str, ...]
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"(?:\d{1,9}[smhd])+")


class Model(BaseModel):
    """Frozen, and no key it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def seconds(text: str) -> int:
    """`45s`, `15m`, `1h30m`, `1d` in seconds; raises ValueError with what to write instead."""
    if not _DURATION.fullmatch(text):
        hint = (
            f'; write "{text}s"'
            if re.fullmatch(r"\d{1,9}", text)
            else "; write a number and s, m, h or d, such as 60s or 1h30m"
        )
        raise ValueError(f'"{text[:40]}" is not a length of time{hint}')
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([smhd])", text))


def _length(text: str) -> str:
    if not 1 <= seconds(text) <= 10 * 366 * 86_400:
        raise ValueError(f"{text} is out of bounds; from 1s to ten years")
    return text


def _wait(text: str) -> str:
    return text if seconds(text) == 0 else _length(text)


Length = Annotated[str, AfterValidator(_length)]
Wait = Annotated[str, AfterValidator(_wait)]  # a length that may be none: 0s
