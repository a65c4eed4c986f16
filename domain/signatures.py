"""Whether a pushed delivery was signed with the secret we share, and what makes it that delivery. Pure: time is an argument.

The signature is over the bytes as they came, before anything reads them. An empty secret never verifies. Where the sender signs a time, it
may lie five minutes off; the same signature twice is then a replay. Where it does not, the same body twice is the same delivery.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

WINDOW = 300.0  # seconds either way; https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
PRESETS = (
    "generic",
    "github",
    "slack",
    "meta",
    "stripe",
    "discourse",
)  # of inbound webhooks; pagerduty answers alerts only
_BODY_ONLY = {
    "github": "x-hub-signature-256",
    "meta": "x-hub-signature-256",
    "discourse": "x-discourse-event-signature",
}
_STAMP = re.compile(r"[0-9]{1,12}")


class BadSignature(ValueError):
    """The delivery is not to be believed; the message says why and holds nothing of it."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A delivery that was. `proof` tells it from every other; `stamped`: a second one with this proof is a replay."""

    proof: bytes
    stamped: bool
    ident: str = ""  # the sender's own signed id of the event, the same when it tries again


def verify(preset: str, secret: str, headers: Mapping[str, str], body: bytes, now: float) -> Signed:
    """Raises BadSignature. `headers` have lower-case names."""
    if not secret.strip():
        raise BadSignature("no secret is set")
    if preset in _BODY_ONLY:
        given = headers.get(_BODY_ONLY[preset], "")
        _match([given], "sha256=" + hmac.new(secret.encode(), body, sha256).hexdigest())
        return Signed(_proof(preset, given), False)
    if (
        preset == "pagerduty"
    ):  # https://developer.pagerduty.com/docs/verifying-signatures: several while secrets are rotated
        given = headers.get("x-pagerduty-signature", "")
        _match(given.split(",")[:20], "v1=" + hmac.new(secret.encode(), body, sha256).hexdigest())
        return Signed(_proof(preset, given), False)
    ident, stamp, offered = _told(preset, headers)
    if not _STAMP.fullmatch(stamp):
        raise BadSignature("the time of signing is missing")
    if abs(now - int(stamp)) > WINDOW:
        raise BadSignature("signed more than five minutes ago, or ahead: compare the clocks")
    wanted = _wanted(preset, secret, ident, stamp, body)
    _match(offered, wanted)
    return Signed(_proof(preset, stamp, wanted), True, ident)


def twilio(secret: str, headers: Mapping[str, str], url: str, form: Mapping[str, str]) -> Signed:
    """A form Twilio signed: HMAC-SHA1 over the address it was sent to and the fields in order. Raises BadSignature.

    https://www.twilio.com/docs/usage/security#validating-requests. It names no time: the same form twice is the same delivery.
    """
    if not secret.strip():
        raise BadSignature("no secret is set")
    told = url + "".join(name + form[name] for name in sorted(form))
    wanted = base64.b64encode(hmac.digest(secret.encode(), told.encode(), "sha1")).decode()
    _match([headers.get("x-twilio-signature", "")], wanted)
    return Signed(_proof("twilio", wanted), False)


def zendesk(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> Signed:
    """A webhook of Zendesk's: base64(HMAC-SHA256(secret, timestamp + body)), the timestamp in ISO 8601. Raises BadSignature.

    https://developer.zendesk.com/documentation/webhooks/verifying/
    """
    if not secret.strip():
        raise BadSignature("no secret is set")
    stamp = headers.get("x-zendesk-webhook-signature-timestamp", "")[:40]
    try:
        at = datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()
    except ValueError:
        raise BadSignature("the time of signing is missing") from None
    if abs(now - at) > WINDOW:
        raise BadSignature("signed more than five minutes ago, or ahead: compare the clocks")
    wanted = base64.b64encode(hmac.digest(secret.encode(), stamp.encode() + body, "sha256")).decode()
    _match([headers.get("x-zendesk-webhook-signature", "")], wanted)
    return Signed(_proof("zendesk", stamp, wanted), True)


def answers(token: str, query: Mapping[str, str]) -> str:
    """The challenge of a subscription to give back (hub.challenge). Raises BadSignature when the token is not ours."""
    given = query.get("hub.verify_token", "")
    if not token.strip() or query.get("hub.mode") != "subscribe":
        raise BadSignature("no token is set, or this is no subscription")
    _match([given], token)
    return query.get("hub.challenge", "")[:500]


def event(preset: str, signed: Signed, body: Any) -> str:
    """The event's own id, from what was signed: the same when the sender, unsure whether we heard it, tells it again."""
    found = body.get({"slack": "event_id", "stripe": "id"}.get(preset, "")) if isinstance(body, dict) else None
    return signed.ident or (found if isinstance(found, str) else "")


def _told(preset: str, headers: Mapping[str, str]) -> tuple[str, str, list[str]]:
    """(id, time, signatures) as the sender wrote them; several stand side by side while a secret is exchanged."""
    if preset == "slack":
        return "", headers.get("x-slack-request-timestamp", ""), [headers.get("x-slack-signature", "")]
    if preset == "stripe":
        pairs = [part.strip().partition("=") for part in headers.get("stripe-signature", "").split(",")[:20]]
        stamp = next((value for name, _, value in pairs if name == "t"), "")
        return "", stamp, [value for name, _, value in pairs if name == "v1"]
    ident = headers.get("webhook-id", "")
    if not ident or len(ident) > 500:
        raise BadSignature("the id of the delivery is missing")
    return ident, headers.get("webhook-timestamp", ""), headers.get("webhook-signature", "").split(" ")[:20]


def _wanted(preset: str, secret: str, ident: str, stamp: str, body: bytes) -> str:
    if preset == "slack":
        return "v0=" + hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, sha256).hexdigest()
    if preset == "stripe":
        return hmac.new(secret.encode(), f"{stamp}.".encode() + body, sha256).hexdigest()
    if preset != "generic":
        raise BadSignature(f"there is no preset {preset!r}")
    made = hmac.new(_key(secret), f"{ident}.{stamp}.".encode() + body, sha256).digest()
    return "v1," + base64.b64encode(made).decode()


def _key(secret: str) -> bytes:
    """`whsec_` and base64, or the bytes as they stand."""
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise BadSignature("the secret is not base64 after whsec_")
    return key


def _match(offered: list[str], wanted: str) -> None:
    found = [hmac.compare_digest(one.strip().encode(), wanted.encode()) for one in offered if one.strip()]
    if not any(found):
        raise BadSignature("the signature does not fit" if found else "the signature is missing")


def _proof(*parts: str) -> bytes:
    return sha256("|".join(parts).encode()).digest()
