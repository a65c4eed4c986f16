"""Who may look: users, their passwords and sessions, and the throttle at the door.

A session's value is random and leaves this page once, for the cookie; the table holds its hash. The same for a throttle's subject:
a keyed hash of the account or address, so that a copy of the database does not name who tried.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import Connection, text

from domain.said import Said
from storage import events_read
from storage.ledger import one, rows
from storage.scopes import EVERYTHING, Scope
from storage.together import Question, ask

ROLES = ("viewer", "agent", "lead", "admin", "auditor")
IDLE = timedelta(hours=4)
ABSOLUTE = timedelta(
    hours=14
)  # a long shift; https://owasp.org/www-project-application-security-verification-standard/ 7.3
THROTTLE = timedelta(minutes=15)
PER_ACCOUNT, PER_ADDRESS = 10, 40
SHORTEST, LONGEST = 8, 256  # a longer password only buys the attacker our time
COMMON = frozenset(
    [
        "password",
        "password1",
        "passwort",
        "passw0rd",
        "12345678",
        "123456789",
        "1234567890",
        "qwertyui",
        "qwerty123",
        "qwertz123",
        "iloveyou",
        "sunshine",
        "princess",
        "football",
        "baseball",
        "superman",
        "trustno1",
        "letmein1",
        "welcome1",
        "admin123",
        "administrator",
        "abc12345",
        "11111111",
        "00000000",
        "changeme",
    ]
)

_hasher = PasswordHasher()  # argon2id, RFC 9106's second recommended option: 64 MiB, three passes
_at_once = BoundedSemaphore(2)  # 64 MiB each: a burst of logins waits instead of taking the host's memory


class BadPassword(ValueError):
    """The password may not be used; the message says why."""


@dataclass(frozen=True, slots=True)
class User:
    id: int
    email: str
    name: str
    role: str

    @property
    def actor(self) -> str:
        """How the audit names them."""
        return f"user:{self.id}"


@dataclass(frozen=True, slots=True)
class Session:
    """`scope`: what of the tickets its user sees; `place`: in the log of what happened, before anything else of a page is read."""

    user: User
    csrf: str
    expires_at: datetime
    scope: Scope = EVERYTHING
    place: int = 0


def hash_password(password: str) -> str:
    """The stored form; raises BadPassword when it is too short, too long or on every attacker's list."""
    if len(password) < SHORTEST:
        raise BadPassword(Said("a password has at least %(n)s characters; 15 or more are better", n=SHORTEST))
    if len(password) > LONGEST:
        raise BadPassword(Said("a password has at most %(n)s characters", n=LONGEST))
    if password.lower() in COMMON:
        raise BadPassword("this password is on every attacker's list; choose another")
    with _at_once:
        return _hasher.hash(password)


@cache
def _nobody() -> str:
    """What a stranger's password is held against, so that an unknown address takes as long as a known one."""
    return _hasher.hash(secrets.token_hex(16))


def add(connection: Connection, email: str, password: str, role: str, name: str = "") -> int:
    """Create a user and return the id. Raises ValueError for an unknown role or an address without @."""
    email = email.strip().lower()
    if role not in ROLES:
        raise ValueError(f"unknown role {role!r}; one of {', '.join(ROLES)}")
    if "@" not in email or len(email) > 254:
        raise ValueError(f"{email!r} is not an e-mail address")
    return int(
        one(
            connection,
            "INSERT INTO users (email, name, role, password) VALUES (:email, :name, :role, :password) RETURNING id",
            email=email,
            name=name.strip() or email.split("@")[0],
            role=role,
            password=hash_password(password),
        )
    )


def set_password(connection: Connection, user_id: int, password: str) -> None:
    """Change the password; every session of the user ends with it."""
    connection.execute(
        text("UPDATE users SET password = :password WHERE id = :id"),
        {"id": user_id, "password": hash_password(password)},
    )
    end_all(connection, user_id)


def set_role(connection: Connection, user_id: int, role: str) -> None:
    if role not in ROLES:
        raise ValueError(f"unknown role {role!r}; one of {', '.join(ROLES)}")
    connection.execute(text("UPDATE users SET role = :role WHERE id = :id"), {"id": user_id, "role": role})


def disable(connection: Connection, user_id: int) -> None:
    """The user stays in the history and no longer comes in."""
    connection.execute(text("UPDATE users SET disabled_at = now() WHERE id = :id"), {"id": user_id})
    end_all(connection, user_id)


EVERYBODY = Question(
    "SELECT id, email, name, role FROM users WHERE disabled_at IS NULL ORDER BY name, id",
    {},
    lambda found: [User(**row) for row in found],
)
WORKING = Question(  # who can own a ticket
    EVERYBODY.sql, {}, lambda found: [User(**row) for row in found if row["role"] in ("agent", "lead", "admin")]
)


def everybody(connection: Connection) -> list[User]:
    """Users who may come in, by name."""
    return ask(connection, EVERYBODY)


def by_email(connection: Connection, email: str) -> User | None:
    found = rows(
        connection, "SELECT id, email, name, role FROM users WHERE email = :email", email=email.strip().lower()
    )
    return User(**found[0]) if found else None


def verify(connection: Connection, email: str, password: str) -> User | None:
    """The user, if the password is theirs. An unknown address costs the same time as a wrong password."""
    found = rows(
        connection,
        "SELECT id, email, name, role, password FROM users WHERE email = :email AND disabled_at IS NULL",
        email=email.strip().lower(),
    )
    stored = found[0]["password"] if found else _nobody()
    try:
        with _at_once:
            _hasher.verify(stored, password[: LONGEST + 1])
    except (VerifyMismatchError, InvalidHashError):
        return None
    if not found:
        return None
    row = dict(found[0])
    row.pop("password")
    return User(**row)


def too_many(connection: Connection, secret: bytes, email: str, address: str) -> int:
    """Note an attempt at the door; the seconds to wait when there were too many from this account or address, else 0.

    The lock makes simultaneous attempts count one after the other.
    """
    wait = 0
    connection.execute(text("DELETE FROM login_attempts WHERE at < now() - CAST(:age AS interval)"), {"age": THROTTLE})
    pairs = sorted(
        [(_subject(secret, "account", email), PER_ACCOUNT), (_subject(secret, "address", address), PER_ADDRESS)]
    )
    for subject, limit in pairs:
        connection.execute(
            text("SELECT pg_advisory_xact_lock(:k)"), {"k": int.from_bytes(subject[:8], "big", signed=True)}
        )
        recent = rows(
            connection,
            "SELECT count(*) AS n, CAST(ceil(extract(epoch FROM min(at) + CAST(:age AS interval) - now())) AS int) AS wait "
            "FROM login_attempts WHERE subject = :subject AND at > now() - CAST(:age AS interval)",
            subject=subject,
            age=THROTTLE,
        )[0]
        if recent["n"] >= limit:
            wait = max(wait, recent["wait"] or 1)
        else:
            connection.execute(text("INSERT INTO login_attempts (subject) VALUES (:s)"), {"s": subject})
    return wait


def forgive(connection: Connection, secret: bytes, email: str, address: str) -> None:
    """A login succeeded: the account starts from zero. The address gets this one attempt back and no more: a team behind one
    address is not locked out by its own logins, and one good account does not wash an attacker's failures away."""
    account, place = _subject(secret, "account", email), _subject(secret, "address", address)
    connection.execute(text("DELETE FROM login_attempts WHERE subject = :s"), {"s": account})
    connection.execute(
        text("DELETE FROM login_attempts WHERE id = (SELECT max(id) FROM login_attempts WHERE subject = :s)"),
        {"s": place},
    )


def begin_session(connection: Connection, user_id: int, *, replaces: str = "") -> str:
    """Open a session and return the cookie's value; the one the browser came with ends."""
    if replaces:
        end_session(connection, replaces)
    connection.execute(
        text("DELETE FROM sessions WHERE expires_at < now() OR seen_at < now() - CAST(:idle AS interval)"),
        {"idle": IDLE},
    )
    value = secrets.token_urlsafe(32)
    connection.execute(
        text(
            "INSERT INTO sessions (hash, user_id, csrf, expires_at) "
            "VALUES (:hash, :user_id, :csrf, now() + CAST(:age AS interval))"
        ),
        {"hash": _hash(value), "user_id": user_id, "csrf": secrets.token_urlsafe(24), "age": ABSOLUTE},
    )
    return value


def session(connection: Connection, value: str) -> Session | None:
    """The session behind a cookie, if neither idle nor old nor its user disabled; seen at most once a minute. One statement, as each page asks."""
    found = rows(
        connection,
        f"SELECT s.csrf, s.expires_at, s.seen_at < now() - interval '1 minute' AS stale, u.id, u.email, u.name, u.role, o.teams, o.topics, "  # noqa: S608 our own text
        f"{events_read.PLACE} AS place FROM sessions s JOIN users u ON u.id = s.user_id LEFT JOIN object_scopes o ON o.subject = 'user:' || u.id "
        "WHERE s.hash = :hash AND u.disabled_at IS NULL AND s.expires_at > now() AND s.seen_at > now() - CAST(:idle AS interval)",
        hash=_hash(value),
        idle=IDLE,
    )
    if not found:
        return None
    row = found[0]
    if row["stale"]:
        connection.execute(text("UPDATE sessions SET seen_at = now() WHERE hash = :hash"), {"hash": _hash(value)})
    user = User(row["id"], row["email"], row["name"], row["role"])
    return Session(user, row["csrf"], row["expires_at"], Scope.stored(row["teams"], row["topics"]), row["place"])


def alive(connection: Connection, value: str) -> bool:
    """Whether the session behind a cookie still lets its user in; asking does not prolong it."""
    return bool(
        rows(
            connection,
            "SELECT 1 FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.hash = :hash AND u.disabled_at IS NULL "
            "AND s.expires_at > now() AND s.seen_at > now() - CAST(:idle AS interval)",
            hash=_hash(value),
            idle=IDLE,
        )
    )


def end_session(connection: Connection, value: str) -> None:
    connection.execute(text("DELETE FROM sessions WHERE hash = :hash"), {"hash": _hash(value)})


def end_all(connection: Connection, user_id: int) -> None:
    connection.execute(text("DELETE FROM sessions WHERE user_id = :id"), {"id": user_id})


def _hash(value: str) -> bytes:
    return hashlib.sha256(value.encode()).digest()


def _subject(secret: bytes, kind: str, name: str) -> bytes:
    return hmac.new(secret, f"login|{kind}|{name.strip().lower()}".encode(), hashlib.sha256).digest()
