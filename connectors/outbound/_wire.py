"""What every desk spoken to over HTTP shares: one client, and what an answer to a write means.

A complete 4xx did not happen; a 5xx, a reset or a time-out may have. That difference is the whole of exactly once.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from connectors import http, resets
from connectors.contract import Context
from connectors.errors import ConfigError, Permanent, Refused, Transient
from connectors.http import Answer

__all__ = ["Answer", "Wire", "fields"]

_CALL_SECONDS = 20.0  # below the lease of the delivery step, with room for a look-up before
_EXCERPT = 500
_ADDRESS = re.compile(r"[^\s@\"'<>:;,(]+@[^\s@\"'<>:;,)]+")


class Wire:
    """Speaks for one desk; `name` is what operators call it."""

    def __init__(self, name: str, context: Context, base_urls: Iterable[str] = ()) -> None:
        self.name = name
        self.context = context
        self.client = http.Client(context, base_urls)

    def send(self, method: str, url: str, headers: Mapping[str, str], body: str | None = None) -> Answer:
        """One request, never repeated here and never redirected: both would be a second write."""
        deadline = min(self.context.deadline, _CALL_SECONDS)
        return self.client.request(method, url, headers, body, hops=0, deadline=deadline)

    def accept(self, answer: Answer, *good: int) -> None:
        """Return when the status is one of `good` (any 2xx when none is given), else raise what it means for a write."""
        status = answer.status
        if status in good or (not good and 200 <= status < 300):
            return
        if status in (400, 413, 415, 422):
            raise Refused(f"{self.name} refused this item ({status}): {excerpt(answer)}", status=status)
        if status in (404, 410):
            raise Permanent(
                f"{self.name} does not know what this item belongs to ({status}): {excerpt(answer)}", status=status
            )
        if status == 409:
            raise Transient(f"{self.name} says this item is being changed by somebody else ({status})", status=status)
        if status == 503 and "retry-after" in answer.headers:
            now = self.context.now()
            raise Transient(
                f"{self.name} has trouble ({status})", not_before=resets.reset_at(answer.headers, now), status=status
            )
        http.check(answer, self.context.now(), write=True)
        raise ConfigError(
            f"{self.name} answered {status}, which it never should", advice="Check the address.", status=status
        )

    def expect(self, answer: Answer, *good: int) -> Mapping[str, Any]:
        """The JSON object of a good answer. A page of HTML with 200 is a proxy's; nobody knows what lies behind it."""
        self.accept(answer, *good)
        found = answer.json()
        if not isinstance(found, dict):
            raise Transient(f"{self.name} answered with something other than a JSON object", status=answer.status)
        return found


def fields(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object under a name, or an empty one."""
    inner = found.get(name)
    return inner if isinstance(inner, dict) else {}


def excerpt(answer: Answer) -> str:
    """The start of what was said, on one line, so that a person can see why an item is dead; without addresses of people."""
    said = " ".join(answer.body[: 4 * _EXCERPT].decode("utf-8", "replace").split())
    return _ADDRESS.sub("(address)", said)[:_EXCERPT]
