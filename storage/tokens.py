"""Tokens for programs: random, shown once, kept as a hash, with scopes and an end.

A token says no more than its scopes; a route without a scope is closed to all of them (console/web/scopes.py).
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from storage import audit
from storage.ledger import one, rows

PREFIX = "em_"
SCOPES = (
    "customers:read", "customers:write", "interactions:write", "lookup:read", "tickets:read", "tickets:write", "flags:read", "flags:write", "operations:read",
)  # fmt: skip
LONGEST_DAYS = 366


@dataclass(frozen=True, slots=True)
class Token:
    """Who calls. `actor` is how the audit and stored rows name them."""

    id: int
    name: str
    scopes: tuple[str, ...]

    @property
    def actor(self) -> str:
        return f"token:{self.id}"


def add(connection: Connection, name: str, scopes: Sequence[str], days: int, actor: str) -> tuple[int, str, datetime]:
    """Make a token: (id, the token itself, its end). Raises ValueError for an unknown scope, no name or a length of life out of bounds."""
    if unknown := sorted(set(scopes) - set(SCOPES)):
        raise ValueError(f"there is no scope {', '.join(unknown)}; there are {', '.join(SCOPES)}")
    if not scopes or not name.strip() or len(name) > 80:
        raise ValueError("a token has a name of at most 80 characters and at least one scope")
    if not 1 <= days <= LONGEST_DAYS:
        raise ValueError(f"a token lives 1 to {LONGEST_DAYS} days")
    value = PREFIX + secrets.token_urlsafe(32)
    made = rows(
        connection,
        "INSERT INTO api_tokens (name, hash, hint, scopes, created_by, expires_at) "
        "VALUES (:name, :hash, :hint, :scopes, :by, now() + make_interval(days => :days)) RETURNING id, expires_at",
        name=name.strip(),
        hash=_hash(value),
        hint=value[-4:],
        scopes=sorted(set(scopes)),
        by=actor,
        days=days,
    )[0]
    audit.append(connection, actor, "token.add", f"token:{made['id']}", {"scopes": sorted(set(scopes)), "days": days})
    return made["id"], value, made["expires_at"]


def check(connection: Connection, value: str) -> Token | None:
    """Whose token this is, if it stands. Its use is noted to the minute."""
    if not value.startswith(PREFIX) or len(value) > 100:
        return None
    found = rows(
        connection,
        "SELECT id, name, scopes, used_at IS NULL OR used_at < now() - interval '1 minute' AS note FROM api_tokens "
        "WHERE hash = :hash AND revoked_at IS NULL AND expires_at > now()",
        hash=_hash(value),
    )
    if not found:
        return None
    if found[0]["note"]:
        connection.execute(text("UPDATE api_tokens SET used_at = now() WHERE id = :id"), {"id": found[0]["id"]})
    return Token(found[0]["id"], found[0]["name"], tuple(found[0]["scopes"]))


def everything(connection: Connection) -> list[dict[str, Any]]:
    """All tokens without their values, newest first."""
    found = rows(
        connection,
        "SELECT id, name, '…' || hint AS hint, scopes, created_by, created_at, expires_at, revoked_at, used_at, CASE WHEN revoked_at IS NOT NULL "
        "THEN 'revoked' WHEN expires_at < now() THEN 'expired' ELSE 'good' END AS state FROM api_tokens ORDER BY id DESC LIMIT 1000",
    )
    return [dict(row) for row in found]


def revoke(connection: Connection, token_id: int, actor: str) -> bool:
    """End a token now; False when there is none, or it has ended."""
    found = one(
        connection,
        "UPDATE api_tokens SET revoked_at = now() WHERE id = :id AND revoked_at IS NULL RETURNING id",
        id=token_id,
    )
    if found:
        audit.append(connection, actor, "token.revoke", f"token:{token_id}")
    return bool(found)


def _hash(value: str) -> bytes:
    return hashlib.sha256(value.encode()).digest()  # random enough that no salt is needed
