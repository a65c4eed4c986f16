"""Who an OpenID provider says somebody is, and which user that is here."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from storage import audit, users
from storage.ledger import one, rows
from storage.users import User


class Outside(Exception):
    """The provider vouched for somebody who may not come in; the message says why."""


@dataclass(frozen=True, slots=True)
class Vouched:
    """A person as the provider names them. `role`: what the configuration makes of their groups; None: it says nothing."""

    issuer: str
    subject: str
    email: str
    email_verified: bool
    name: str
    role: str | None
    governed: bool = False  # the configuration maps groups to roles: what it says counts at each login anew


def user_of(connection: Connection, person: Vouched) -> User:
    """The user behind the subject; a first login is tied to the user of the same verified e-mail address, or makes one.

    Raises Outside for somebody disabled, without a verified address, or without a role. Only issuer and subject identify a person
    for good: an address may be given to somebody else (https://openid.net/specs/openid-connect-core-1_0.html#ClaimStability).
    """
    known = _linked(connection, person) or _first_login(connection, person)
    if known["disabled_at"] is not None:
        raise Outside("Your account here is switched off. Ask an administrator.")
    role = known["role"]
    if person.governed and person.role is None:
        raise Outside("None of your groups has a role here. Ask an administrator.")
    if person.governed and person.role != role:
        role = str(person.role)
        users.set_role(connection, known["id"], role)
        audit.append(connection, "openid", "user.role", f"user:{known['id']}", {"role": role})
    return User(known["id"], known["email"], known["name"], role)


def _linked(connection: Connection, person: Vouched) -> dict[str, object] | None:
    found = rows(
        connection,
        "SELECT u.id, u.email, u.name, u.role, u.disabled_at FROM user_logins l JOIN users u ON u.id = l.user_id "
        "WHERE l.issuer = :issuer AND l.subject = :subject",
        issuer=person.issuer,
        subject=person.subject,
    )
    return dict(found[0]) if found else None


def _first_login(connection: Connection, person: Vouched) -> dict[str, object]:
    if not person.email_verified or "@" not in person.email:
        raise Outside("The provider does not vouch for your e-mail address, so nobody can say who you are here.")
    email = person.email.strip().lower()
    # two first logins of one person at once: the second waits here, then finds the first one's user
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:email, 7))"), {"email": email})
    if (linked := _linked(connection, person)) is not None:
        return linked
    found = rows(
        connection, "SELECT id, email, name, role, disabled_at FROM users WHERE email = :email FOR UPDATE", email=email
    )
    user = dict(found[0]) if found else _made(connection, person, email)
    connection.execute(
        text("INSERT INTO user_logins (issuer, subject, user_id) VALUES (:issuer, :subject, :user)"),
        {"issuer": person.issuer, "subject": person.subject, "user": user["id"]},
    )
    audit.append(connection, "openid", "user.link", f"user:{user['id']}", {})
    return user


def _made(connection: Connection, person: Vouched, email: str) -> dict[str, object]:
    if person.role is None:
        raise Outside("You have no role here yet. Ask an administrator.")
    id_ = one(
        connection,
        "INSERT INTO users (email, name, role, password) VALUES (:email, :name, :role, '') RETURNING id",
        email=email,
        name=person.name.strip()[:120] or email.split("@")[0],
        role=person.role,
    )
    audit.append(connection, "openid", "user.add", f"user:{id_}", {"role": person.role})
    return {
        "id": id_,
        "email": email,
        "name": person.name.strip()[:120] or email,
        "role": person.role,
        "disabled_at": None,
    }
