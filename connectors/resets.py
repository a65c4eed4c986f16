"""When may we ask again? One reader for every way a platform says it. Pure but for the jitter.

`Retry-After` is seconds or an HTTP-date (RFC 9110, 10.2.3). Where it is missing, platforms use headers of the same name for different
things: Reddit and Product Hunt give seconds to go, X and GitHub an epoch, Mastodon and Yelp an ISO time, Meta minutes. Stack Exchange
says `backoff` in the body, Telegram and Discord `retry_after`, Discourse `wait_seconds`.
"""

import math
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal

Style = Literal["delta", "epoch", "iso", "minutes"]

SHORTEST = 1.0
LONGEST = 86_400.0
UNKNOWN = 60.0  # a 429 that does not say: a minute keeps us polite and costs little
HEADERS = ("x-ratelimit-reset-after", "x-ratelimit-reset", "x-rate-limit-reset", "ratelimit-reset")


def wait(headers: Mapping[str, str], now: datetime, style: Style = "delta", body: Any = None) -> float | None:
    """Seconds to wait, at least 1 and at most a day; None when nothing usable is said. `headers` have lower-case names."""
    here = http_date(headers.get("date")) or now  # both ends by the platform's clock, where it shows one
    for said in (_retry_after(headers.get("retry-after"), here), _reset(headers, here, style), _body(body)):
        if said is not None and math.isfinite(said) and said >= 0:
            return min(max(said, SHORTEST), LONGEST)
    return None


def reset_at(headers: Mapping[str, str], now: datetime, style: Style = "delta", body: Any = None) -> datetime:
    """When to ask again after a refusal. Never earlier than said; a little later, so that not everybody comes at once."""
    seconds = wait(headers, now, style, body)
    seconds = UNKNOWN if seconds is None else seconds
    return now + timedelta(seconds=seconds + random.uniform(0, min(1.0, seconds / 10)))  # noqa: S311 no secret


def exhausted(headers: Mapping[str, str], now: datetime, style: Style = "delta") -> datetime | None:
    """The reset when an answer says that nothing is left of our allowance, else None."""
    for name in ("x-ratelimit-remaining", "x-rate-limit-remaining", "ratelimit-remaining"):
        left = _number(headers.get(name))
        if left is not None and left < 1:
            seconds = wait({k: v for k, v in headers.items() if k != "retry-after"}, now, style)
            return now + timedelta(seconds=seconds) if seconds is not None else None
    return None


def remaining(headers: Mapping[str, str]) -> float | None:
    """What is left of our allowance, where the answer says so."""
    for name in ("x-ratelimit-remaining", "x-rate-limit-remaining", "ratelimit-remaining"):
        if (left := _number(headers.get(name))) is not None:
            return left
    return None


def http_date(value: str | None) -> datetime | None:
    """An HTTP-date as aware UTC, None for anything else."""
    if not value:
        return None
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError, IndexError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _retry_after(value: str | None, here: datetime) -> float | None:
    if value is None:
        return None
    seconds = _number(value)
    if seconds is not None:
        return seconds
    moment = http_date(value)
    return (moment - here).total_seconds() if moment else None


def _reset(headers: Mapping[str, str], here: datetime, style: Style) -> float | None:
    for name in HEADERS:
        value = headers.get(name)
        if value is None:
            continue
        if name.endswith("-after"):
            return _number(value)
        if style == "iso":
            try:
                moment = datetime.fromisoformat(value.strip())
            except ValueError:
                return None
            return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - here).total_seconds()
        number = _number(value)
        if number is None:
            return None
        return {"delta": number, "minutes": number * 60, "epoch": number - here.timestamp()}[style]
    return None


def _body(body: Any) -> float | None:
    if not isinstance(body, dict):
        return None
    inner = [body.get("parameters"), body.get("extras")]
    for holder in (body, *(part for part in inner if isinstance(part, dict))):
        for name in ("retry_after", "backoff", "wait_seconds"):
            if (said := _number(holder.get(name))) is not None:
                return said
    return None


def _number(value: object) -> float | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(str(value).strip())
    except ValueError:
        return None
    return number if math.isfinite(number) else None
