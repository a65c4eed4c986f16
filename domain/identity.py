"""Identities: what a customer goes by, in the one form it is compared in, and when a link needs no person.

A platform account, an e-mail address, a phone number, a customer or order number. Normal forms come from email-validator and
phonenumbers; where a value has none, the message says why. Linking by itself is for attested exact matches only.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

Kind = Literal["account", "email", "phone", "number", "order"]
KINDS: tuple[Kind, ...] = ("account", "email", "phone", "number", "order")
LONGEST = 200

# Mailboxes of a role, not of a person (RFC 2142, and what shops see); nobody is linked or proposed by them.
ROLES = frozenset(
    [
        "abuse",
        "admin",
        "billing",
        "contact",
        "hostmaster",
        "info",
        "kontakt",
        "mail",
        "marketing",
        "news",
        "newsletter",
        "no-reply",
        "noreply",
        "office",
        "postmaster",
        "sales",
        "service",
        "shop",
        "support",
        "team",
        "test",
        "webmaster",
    ]
)
_PLACEHOLDER_HOSTS = (
    "mailinator.com",
    "guerrillamail.com",
    "10minutemail.com",
    "invalid.com",
    "nomail.com",
    "none.com",
)
_REPEATED = re.compile(r"(\d)\1{6,}$|1234567")
_BOT = re.compile(
    r"(^|[_.-])(bot|rss|feed|auto(post|mod)\w*)$|^bot[_.-]|(news|weather|spam|chat|auto)bot$", re.IGNORECASE
)
_NUMBER = re.compile(r"[^\w./#-]", re.UNICODE)


class BadIdentity(ValueError):
    """The value cannot be one of this kind; the message says why."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One of a customer's names in the ledger's form. `native_id` is "@handle" where only the handle is known."""

    kind: str
    platform: str
    native_id: str
    origin: str = ""
    handle: str = ""
    name: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.kind, self.platform, self.origin, self.native_id


def email(raw: str) -> str:
    """An address in the form it is compared in: whole in lower case (no host in use tells them apart). Raises BadIdentity."""
    from email_validator import EmailNotValidError, validate_email

    try:
        return validate_email(raw.strip(), check_deliverability=False, test_environment=True).normalized.lower()
    except EmailNotValidError as error:
        raise BadIdentity(f"email {raw[:80]!r}: {error}") from error


def phone(raw: str, region: str | None = None) -> str:
    """A number as E.164 (https://www.itu.int/rec/T-REC-E.164). `region`: country of numbers without +. Raises BadIdentity."""
    import phonenumbers

    raw = raw.strip().removeprefix("tel:").removeprefix("whatsapp:")
    try:
        number = phonenumbers.parse(raw, region)
    except phonenumbers.NumberParseException as error:
        hint = "" if region or raw.startswith("+") else "; write it with + and the country code, or give --region"
        raise BadIdentity(f"phone {raw[:40]!r}: {error}{hint}") from error
    if not phonenumbers.is_possible_number(number):
        raise BadIdentity(f"phone {raw[:40]!r}: no such number is possible")
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def handle(raw: str) -> str:
    """A handle without its ornaments, in lower case: @Ada, u/ada and https://x.com/ada are ada. Raises BadIdentity."""
    found = raw.strip().rstrip("/").rsplit("/", 1)[-1].strip().lstrip("@").strip().casefold()
    if not found or any(c.isspace() for c in found):
        raise BadIdentity(f"handle {raw[:80]!r}: a handle has characters and no spaces")
    return found


def number(raw: str) -> str:
    """A customer or order number: the digits and letters that count, in upper case, so that "#a-17 " is A-17. Raises BadIdentity."""
    found = _NUMBER.sub("", unicodedata.normalize("NFKC", raw)).strip("#").upper()
    if not found or len(found) > LONGEST:
        raise BadIdentity(f"number {raw[:40]!r}: it has no letter or digit, or is longer than {LONGEST} characters")
    return found


def normal(kind: str, raw: str, platform: str = "", region: str | None = None) -> Identity:
    """Any value in its ledger form. Raises BadIdentity, also for a kind there is none of or an account without a platform."""
    if "\0" in raw or len(raw) > 2_000:
        raise BadIdentity(f"{kind}: a NUL character, or longer than 2,000 characters")
    if kind == "email":
        return Identity("email", "", email(raw))
    if kind == "phone":
        return Identity("phone", "", phone(raw, region))
    if kind == "account":
        if not platform:
            raise BadIdentity("an account names its platform")
        name = handle(raw)
        return Identity("account", platform.strip().lower(), f"@{name}", handle=name)
    if kind == "number":
        if not raw.strip() or len(raw) > LONGEST:
            raise BadIdentity(f"number {raw[:40]!r}: empty, or longer than {LONGEST} characters")
        return Identity("number", "", raw.strip())
    if kind == "order":
        return Identity("order", "", number(raw))
    raise BadIdentity(f"there is no kind {kind!r} of identity; there are {', '.join(KINDS)}")


def mark(identity: Identity) -> str:
    """Why nobody is to be recognised by it: junk (a role's mailbox, a made-up value), bot; empty when it is as good as it looks."""
    if identity.kind == "email":
        local, _, host = identity.native_id.rpartition("@")
        if local.split("+")[0] in ROLES or host in _PLACEHOLDER_HOSTS:
            return "junk"
    if identity.kind == "phone" and _REPEATED.search(identity.native_id):
        return "junk"
    if identity.kind in ("number", "order") and identity.native_id.strip("0.-").upper() in (
        "",
        "N/A",
        "NA",
        "NONE",
        "NULL",
        "TEST",
    ):
        return "junk"
    if identity.kind == "account" and _BOT.search(identity.handle or identity.native_id.lstrip("@")):
        return "bot"
    return ""
