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
from storage import scopes as scopes_
from storage.ledger import one, rows
from storage.scopes import EVERYTHING, Scope

PREFIX = "em_"
SCOPES = (
    "mentions:read", "corrections:write", "customers:read", "customers:write", "interactions:write", "lookup:read", "tickets:read", "tickets:write",
    "flags:read", "flags:write", "operations:read", "operations:write", "reports:read", "audit:read",
)  # fmt: skip
UNLIMITED = frozenset(
    {"interactions:write", "operations:read", "operations:write", "reports:read", "audit:read"}
)  # about the whole system
LONGEST_DAYS = 366
PER_MINUTE, MOST_PER_MINUTE = 600, 100_000


@dataclass(frozen=True, slots=True)
class Token:
    """Who calls. `actor` is how the audit and stored rows name them."""

    id: int
    name: str
    scopes: tuple[str, ...]
    per_minute: int = PER_MINUTE
    used: int = 0  # requests in the minute that runs, this one included
    left_seconds: int = 60  # of that minute
    scope: Scope = EVERYTHING

    @property
    def actor(self) -> str:
        return f"token:{self.id}"


def add(
    connection: Connection, name: str, scopes: Sequence[str], days: int, actor: str, *, per_minute: int = PER_MINUTE,
    scope: Scope = EVERYTHING,
) -> tuple[int, str, datetime]:  # fmt: skip
    """Make a token: (id, the token itself, its end). Raises ValueError for an unknown scope, no name or a length of life out of bounds."""
    if unknown := sorted(set(scopes) - set(SCOPES)):
        raise ValueError(f"there is no scope {', '.join(unknown)}; there are {', '.join(SCOPES)}")
    if not scopes or not name.strip() or len(name) > 80:
        raise ValueError("a token has a name of at most 80 characters and at least one scope")
    if not 1 <= days <= LONGEST_DAYS:
        raise ValueError(f"a token lives 1 to {LONGEST_DAYS} days")
    if not 1 <= per_minute <= MOST_PER_MINUTE:
        raise ValueError(f"a token makes 1 to {MOST_PER_MINUTE:,} requests a minute")
    if scope.limited and (wide := sorted(set(scopes) & UNLIMITED)):
        raise ValueError(f"{', '.join(wide)} cannot be limited to teams or topics")
    value = PREFIX + secrets.token_urlsafe(32)
    made = rows(
        connection,
        "INSERT INTO api_tokens (name, hash, hint, scopes, created_by, per_minute, expires_at) "
        "VALUES (:name, :hash, :hint, :scopes, :by, :per_minute, now() + make_interval(days => :days)) RETURNING id, expires_at",
        name=name.strip(),
        hash=_hash(value),
        hint=value[-4:],
        scopes=sorted(set(scopes)),
        by=actor,
        per_minute=per_minute,
        days=days,
    )[0]
    if scope.limited:
        scopes_.limit(connection, f"token:{made['id']}", scope, actor)
    audit.append(connection, actor, "token.add", f"token:{made['id']}", {"scopes": sorted(set(scopes)), "days": days})
    return made["id"], value, made["expires_at"]


def check(connection: Connection, value: str) -> Token | None:
    """Whose token this is, if it stands. Its use is noted to the minute, and the request counted in the same statement."""
    if not value.startswith(PREFIX) or len(value) > 100:
        return None
    found = rows(
        connection,
        """WITH known AS (SELECT id, name, scopes, per_minute, used_at IS NULL OR used_at < now() - interval '1 minute' AS note
            FROM api_tokens WHERE hash = :hash AND revoked_at IS NULL AND expires_at > now()),
        counted AS (INSERT INTO token_rates AS r (token_id, minute, n) SELECT id, date_trunc('minute', now()), 1 FROM known
            ON CONFLICT (token_id) DO UPDATE SET n = CASE WHEN r.minute = EXCLUDED.minute THEN r.n + 1 ELSE 1 END, minute = EXCLUDED.minute
            RETURNING n, minute)
        SELECT k.*, c.n AS used, CAST(ceil(extract(epoch FROM c.minute + interval '1 minute' - now())) AS int) AS left_seconds, s.teams, s.topics
        FROM known k CROSS JOIN counted c LEFT JOIN object_scopes s ON s.subject = 'token:' || k.id""",
        hash=_hash(value),
    )
    if not found:
        return None
    row = found[0]
    if row["note"]:
        connection.execute(text("UPDATE api_tokens SET used_at = now() WHERE id = :id"), {"id": row["id"]})
    scope = Scope(tuple(row["teams"] or ()), tuple(row["topics"] or ()))
    return Token(
        row["id"], row["name"], tuple(row["scopes"]), row["per_minute"], row["used"], row["left_seconds"], scope
    )


def everything(connection: Connection) -> list[dict[str, Any]]:
    """All tokens without their values, newest first."""
    found = rows(
        connection,
        "SELECT id, name, '…' || hint AS hint, scopes, created_by, created_at, expires_at, revoked_at, used_at, per_minute, "
        "coalesce(s.teams, '{}') AS teams, coalesce(s.topics, '{}') AS topics, CASE WHEN revoked_at IS NOT NULL "
        "THEN 'revoked' WHEN expires_at < now() THEN 'expired' ELSE 'good' END AS state FROM api_tokens LEFT JOIN object_scopes s ON s.subject = 'token:' || id ORDER BY id DESC LIMIT 1000",
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
