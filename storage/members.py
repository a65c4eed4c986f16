"""Who may come in, as an administrator sees and changes it; invitations by which a person sets their own password.

The last administrator cannot be switched off or lowered. An invitation's token leaves this page once; the table holds its hash,
one use and an end, and a new one replaces the old.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from domain.said import Said
from storage import audit, users
from storage.ledger import one, rows
from storage.users import User

INVITED = timedelta(days=3)


class Refused(Exception):
    """What was asked cannot be done; the message says why."""


@dataclass(frozen=True, slots=True)
class Member:
    """A user with what an administrator wants to know of them."""

    id: int
    email: str
    name: str
    role: str
    disabled_at: datetime | None
    created_at: datetime
    last_seen: datetime | None
    sessions: int
    openid: bool
    invited_until: datetime | None


def everybody(connection: Connection) -> list[Member]:
    """All users, those who may come in first. A deployment has tens to hundreds: the list is whole."""
    found = rows(
        connection,
        """SELECT u.id, u.email, u.name, u.role, u.disabled_at, u.created_at, s.last_seen, coalesce(s.n, 0) AS sessions,
            EXISTS (SELECT 1 FROM user_logins l WHERE l.user_id = u.id) AS openid, i.expires_at AS invited_until
        FROM users u LEFT JOIN (SELECT user_id, max(seen_at) AS last_seen, count(*) AS n FROM sessions GROUP BY 1) s ON s.user_id = u.id
        LEFT JOIN invitations i ON i.user_id = u.id AND i.expires_at > now()
        ORDER BY u.disabled_at IS NOT NULL, u.name, u.id""",
    )
    return [Member(**row) for row in found]


def invite(connection: Connection, by: User, email: str, role: str, name: str = "") -> tuple[int, str]:
    """A new user without a password, and the token of the invitation. Raises Refused for a known address or a bad one."""
    email = email.strip().lower()
    if users.by_email(connection, email):
        raise Refused(Said("%(email)s is a user already.", email=email))
    try:
        id_ = users.add(connection, email, secrets.token_urlsafe(24), role, name)
    except ValueError as problem:
        raise Refused(f"{problem}.") from problem
    connection.execute(text("UPDATE users SET password = '' WHERE id = :id"), {"id": id_})
    audit.append(connection, by.actor, "user.add", f"user:{id_}", {"role": role})
    return id_, _token(connection, id_)


def invite_again(connection: Connection, by: User, user_id: int) -> str:
    """A new token for somebody who lost the first, or their password."""
    if _known(connection, user_id).disabled:
        raise Refused("Switch the account on first.")
    audit.append(connection, by.actor, "user.invite", f"user:{user_id}", {})
    return _token(connection, user_id)


def invited(connection: Connection, token: str) -> User | None:
    """Whose invitation this is, while it lasts."""
    found = rows(
        connection,
        "SELECT u.id, u.email, u.name, u.role FROM invitations i JOIN users u ON u.id = i.user_id "
        "WHERE i.hash = :hash AND i.expires_at > now() AND u.disabled_at IS NULL",
        hash=_hash(token),
    )
    return User(**found[0]) if found and token else None


def accept(connection: Connection, token: str, password: str) -> User:
    """Set the password and use the invitation up. Raises Refused when it is over, users.BadPassword for a weak password."""
    user = invited(connection, token)
    gone = connection.execute(text("DELETE FROM invitations WHERE hash = :hash"), {"hash": _hash(token)})
    if user is None or gone.rowcount != 1:
        raise Refused("This invitation was used or is over. Ask for a new one.")
    users.set_password(connection, user.id, password)
    audit.append(connection, user.actor, "user.password", f"user:{user.id}", {})
    return user


def set_role(connection: Connection, by: User, user_id: int, role: str) -> bool:
    """False when it is that already."""
    known = _known(connection, user_id)
    if known.role == role:
        return False
    if role not in users.ROLES:
        raise Refused(Said("There is no role %(role)s.", role=role))
    _not_the_last(connection, known)
    users.set_role(connection, user_id, role)
    audit.append(connection, by.actor, "user.role", f"user:{user_id}", {"role": role})
    return True


def switch(connection: Connection, by: User, user_id: int, *, on: bool) -> bool:
    """Switch an account off (its sessions end) or on again; False when it is so already."""
    known = _known(connection, user_id)
    if known.disabled is not on:
        return False
    if on:
        connection.execute(text("UPDATE users SET disabled_at = NULL WHERE id = :id"), {"id": user_id})
    else:
        _not_the_last(connection, known)
        users.disable(connection, user_id)
    audit.append(connection, by.actor, "user.enable" if on else "user.disable", f"user:{user_id}", {})
    return True


def log_out(connection: Connection, by: User, user_id: int) -> None:
    """End every session of a user, here and on every console."""
    _known(connection, user_id)
    users.end_all(connection, user_id)
    audit.append(connection, by.actor, "user.logout", f"user:{user_id}", {})


@dataclass(frozen=True, slots=True)
class _Known:
    id: int
    role: str
    disabled: bool


def _known(connection: Connection, user_id: int) -> _Known:
    found = rows(
        connection,
        "SELECT id, role, disabled_at IS NOT NULL AS disabled FROM users WHERE id = :id FOR UPDATE",
        id=user_id,
    )
    if not found:
        raise Refused("There is no such user.")
    return _Known(**found[0])


def _not_the_last(connection: Connection, known: _Known) -> None:
    """Two administrators who lower each other at once wait for each other here."""
    if known.role != "admin" or known.disabled:
        return
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('administrators', 7))"))
    others = one(
        connection,
        "SELECT count(*) FROM users WHERE role = 'admin' AND disabled_at IS NULL AND id <> :id",
        id=known.id,
    )
    if not others:
        raise Refused("This is the last administrator; make another one first.")


def _token(connection: Connection, user_id: int) -> str:
    token = secrets.token_urlsafe(32)
    connection.execute(
        text(
            "INSERT INTO invitations (user_id, hash, expires_at) VALUES (:user, :hash, now() + CAST(:age AS interval)) "
            "ON CONFLICT (user_id) DO UPDATE SET hash = EXCLUDED.hash, expires_at = EXCLUDED.expires_at"
        ),
        {"user": user_id, "hash": _hash(token), "age": INVITED},
    )
    return token


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
