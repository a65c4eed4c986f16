"""Text on its way out: nothing a desk's database refuses, nothing it would cut off unseen."""

import json
import re
from typing import Any

# JSON allows \u0000, PostgreSQL-backed desks do not (https://github.com/getsentry/sentry/issues/109559); lone surrogates are no text.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")


def clean(value: str) -> str:
    """The text without control characters and lone surrogates."""
    return _UNFIT.sub("", value)


def cut(value: str, limit: int, note: str = "[cut]") -> str:
    """At most `limit` bytes of UTF-8; what was cut is said at the end, never silent."""
    raw = value.encode("utf-8", "replace")
    if len(raw) <= limit:
        return value
    tail = f"\n{note}"
    return raw[: max(0, limit - len(tail.encode()))].decode("utf-8", "ignore") + tail


def canonical(value: Any) -> str:
    """The one JSON text of a value: ASCII, sorted, without spaces, so that a replay is the same to the byte."""
    return json.dumps(_cleaned(value), ensure_ascii=True, sort_keys=True, separators=(",", ":"))


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(k)): _cleaned(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(v) for v in value]
    return value
