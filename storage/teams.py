"""Teams as an administrator sees them: who is in which, what lies with each, and what somebody may see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from storage import routing, scopes
from storage.ledger import rows
from storage.scopes import Scope
from storage.users import User
from storage.views import DUE, OPEN


@dataclass(frozen=True, slots=True)
class Load:
    """What lies with a team now."""

    open: int = 0
    unassigned: int = 0
    late: int = 0


@dataclass(frozen=True, slots=True)
class Agent:
    """Somebody who works: how tickets are handed to them, and what they may see (empty: everything)."""

    id: int
    name: str
    email: str
    role: str
    teams: tuple[str, ...]
    skills: tuple[str, ...]
    languages: tuple[str, ...]
    capacity: int
    available: bool
    load: int
    sees_teams: tuple[str, ...]
    sees_topics: tuple[str, ...]


def loads(connection: Connection) -> dict[str, Load]:
    """Team → what lies with it."""
    found = rows(
        connection,
        f"""SELECT t.team, count(*) AS open, count(*) FILTER (WHERE t.assignee_id IS NULL) AS unassigned,
            count(*) FILTER (WHERE {DUE} < now()) AS late FROM tickets t WHERE {OPEN} GROUP BY 1""",  # noqa: S608 our own text
    )
    return {row["team"]: Load(row["open"], row["unassigned"], row["late"]) for row in found}


def agents(connection: Connection) -> list[Agent]:
    """Everybody who can own a ticket, by name: tens to hundreds, so the list is whole."""
    found = rows(
        connection,
        """SELECT u.id, u.name, u.email, u.role, coalesce(a.teams, '{}') AS teams, coalesce(a.skills, '{}') AS skills,
            coalesce(a.languages, '{}') AS languages, coalesce(a.capacity, 10) AS capacity, coalesce(a.available, true) AS available,
            (SELECT count(*) FROM tickets t WHERE t.assignee_id = u.id AND t.status IN ('new', 'open')) AS load,
            coalesce(s.teams, '{}') AS sees_teams, coalesce(s.topics, '{}') AS sees_topics
        FROM users u LEFT JOIN agents a ON a.user_id = u.id LEFT JOIN object_scopes s ON s.subject = 'user:' || u.id
        WHERE u.disabled_at IS NULL AND u.role <> 'auditor' ORDER BY u.name, u.id""",
    )
    lists = ("teams", "skills", "languages", "sees_teams", "sees_topics")
    return [Agent(**{**row, **{name: tuple(row[name]) for name in lists}}) for row in found]


def set_agent(
    connection: Connection, by: User, user: User, work: Mapping[str, Any], sees_teams: Sequence[str], sees_topics: Sequence[str]
) -> None:  # fmt: skip
    """How somebody is given work (teams, skills, languages, capacity, available) and what they see. Raises ValueError."""
    if user.role in ("agent", "lead", "admin"):
        routing.set_agent(connection, user, by.actor, **work)
    scopes.limit(connection, f"user:{user.id}", Scope(tuple(sees_teams), tuple(sees_topics)), by.actor)
