"""What can go wrong with somebody else's computer: wait, stop, or ask a person.

`str(error)` is shown to operators as it stands: what happened, where, what to do next. It never holds a secret or personal text.
"""

import re
from datetime import datetime
from typing import Any

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


class ConnectorError(Exception):
    """A platform or desk could not be used."""

    kind = "error"

    def __init__(self, message: str = "", *, advice: str = "", status: int | None = None) -> None:
        super().__init__(_one_line(message) or (self.__doc__ or "").strip())
        self.advice = _one_line(advice)
        self.status = status


def _one_line(said: str) -> str:
    """Messages quote what a server said: no line ends that forge a log line, no escapes that a terminal obeys."""
    return said if said.isprintable() else _UNPRINTABLE.sub(" ", said)


class AuthError(ConnectorError):
    """The platform refused our credentials: the channel stops until a person renews them."""

    kind = "auth"


class ConfigError(ConnectorError):
    """The platform says the request itself is wrong: fix the configuration."""

    kind = "config"


class RateLimited(ConnectorError):
    """The platform asks us to wait; this is no failure. `reset_at` is aware UTC, never in the past."""

    kind = "rate-limited"

    def __init__(self, message: str = "", *, reset_at: datetime, quota: bool = False, **more: Any) -> None:
        super().__init__(message, **more)
        self.reset_at = reset_at
        self.quota = quota


class Transient(ConnectorError):
    """A time-out, 5xx, broken or half a body: try again later, not before `not_before`. `sent` is False when it never left."""

    kind = "transient"

    def __init__(
        self, message: str = "", *, sent: bool = True, not_before: datetime | None = None, **more: Any
    ) -> None:
        super().__init__(message, **more)
        self.sent = sent
        self.not_before = not_before


class Permanent(ConnectorError):
    """The resource is gone or refuses for good (404, 410)."""

    kind = "permanent"


class Refused(ConnectorError):
    """A desk answered completely and said no to this one item (400, 422): the item is dead, the queue moves on."""

    kind = "refused"


class CursorInvalid(ConnectorError):
    """The stored position is no longer accepted: start the walk anew, keep the watermark. Carries the state to go on with."""

    kind = "cursor"

    def __init__(self, message: str = "", *, state: dict[str, Any], **more: Any) -> None:
        super().__init__(message, **more)
        self.state = state


class SchemaDrift(ConnectorError):
    """Every item of a page is malformed: the platform changed its shape; the position does not move."""

    kind = "drift"


class MalformedItem(ConnectorError):
    """One item cannot be read. It is kept with its payload and this reason; the page goes on."""

    kind = "malformed"
