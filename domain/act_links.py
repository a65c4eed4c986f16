"""Addresses that let whoever holds them do one thing about one flag, until a time. Pure: key and time are arguments.

The signature (HMAC-SHA256) is over flag, act and end, so that a link to acknowledge cannot judge, and none is good for another flag. What
a link does is done once: whoever acknowledges first stays.
"""

import hmac
import re
from hashlib import sha256
from typing import Literal

Act = Literal["ack", "snooze", "useful", "noise", "late"]
ACTS: tuple[Act, ...] = ("ack", "snooze", "useful", "noise", "late")
VALID = 7 * 86_400  # seconds
_TOKEN = re.compile(r"([0-9]{1,18})\.([a-z]{1,10})\.([0-9]{1,12})\.([0-9a-f]{40})")


class BadLink(ValueError):
    """The link was not made here, or is too old; the message says which."""


def link(key: bytes, base_url: str, flag_id: int, what: Act, now: float) -> str:
    """An address that does `what` about a flag, for a week."""
    text = f"{flag_id}.{what}.{int(now) + VALID}"
    return f"{base_url}/flags/act/{text}.{_sign(key, text)}"


def read(key: bytes, token: str, now: float) -> tuple[int, Act]:
    """(flag, act) of a link's last part. Raises BadLink."""
    found = _TOKEN.fullmatch(token)
    what = next((act for act in ACTS if found and act == found[2]), None)
    if not found or what is None or not hmac.compare_digest(found[4], _sign(key, token[: found.end(3)])):
        raise BadLink("This link was not made here.")
    if int(found[3]) < now:
        raise BadLink("This link is older than a week. Open the flag in the console.")
    return int(found[1]), what


def _sign(key: bytes, text: str) -> str:
    return hmac.new(key, f"flag-act|{text}".encode(), sha256).hexdigest()[:40]
