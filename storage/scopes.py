"""Whose tickets somebody sees: all, or those of some teams and topics. One value per user or token, empty for everybody by default.

The database enforces it. A limited reader's transaction takes the role `earmark_scoped`, which may read nothing but views that stand in
the tables' place (storage/database_roles.py) and show a ticket, a post, a customer and all that hangs on them by the functions of
migration 0007: a query nobody thought of is limited like the others. Writes are the application's; what they name is held against the same functions first.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, text

from storage import audit
from storage.ledger import Ledger, one, rows

ROLE = "earmark_scoped"
SCHEMA = "earmark_scoped"  # its views
MOST, LONGEST = 100, 200
FUNCTIONS = {  # what an id is of → how it is seen
    "tickets": "earmark_sees_ticket",
    "numbers": "earmark_sees_number",
    "mentions": "earmark_sees_mention",
    "customers": "earmark_sees_customer",
    "identities": "earmark_sees_identity",
    "flags": "earmark_sees_flag",
    "merges": "earmark_sees_merge",
    "proposals": "earmark_sees_proposal",
}
IN_ADDRESSES = {  # a part of an address → what it is of
    "number": "numbers",
    "mention_id": "mentions",
    "customer_id": "customers",
    "other_id": "customers",
    "flag_id": "flags",
    "merge_id": "merges",
    "proposal_id": "proposals",
}
WHOLE = (  # addresses that act on the system as a whole, or name people by other things than our ids: not for who sees a part of it
    "/admin", "/channels", "/status", "/api/v1/channels", "/api/v1/deliveries", "/api/v1/dead-letters", "/api/v1/interactions",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scope:
    """Teams and topics one may see; empty means all of them. Both given: a ticket has to fit both."""

    teams: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()

    @property
    def limited(self) -> bool:
        return bool(self.teams or self.topics)

    @classmethod
    def stored(cls, teams: Sequence[str] | None, topics: Sequence[str] | None) -> "Scope":
        """From a row of `object_scopes`, or none."""
        return cls(tuple(teams or ()), tuple(topics or ()))


EVERYTHING = Scope()


def of(connection: Connection, subject: str) -> Scope:
    """The scope of `user:3` or `token:5`."""
    found = rows(connection, "SELECT teams, topics FROM object_scopes WHERE subject = :subject", subject=subject)
    return Scope.stored(found[0]["teams"], found[0]["topics"]) if found else EVERYTHING


def limit(connection: Connection, subject: str, scope: Scope, actor: str) -> bool:
    """Set a scope, or with an empty one take it away; False when it was so. Raises ValueError for what cannot be limited.

    Administrators and auditors see the whole system: their work is about it.
    """
    teams, topics = _names(scope.teams, "team"), _names(scope.topics, "topic")
    kind, _, number = subject.partition(":")
    if kind == "user":
        role = one(connection, "SELECT role FROM users WHERE id = :id FOR UPDATE", id=int(number))
        if role is None:
            raise ValueError("there is no such user")
        if scope.limited and role in ("admin", "auditor"):
            raise ValueError(f"a user with the role {role} sees everything; choose another role first")
    if of(connection, subject) == Scope(teams, topics):
        return False
    if teams or topics:
        connection.execute(
            text(
                "INSERT INTO object_scopes (subject, teams, topics, by) VALUES (:subject, :teams, :topics, :by) "
                "ON CONFLICT (subject) DO UPDATE SET teams = EXCLUDED.teams, topics = EXCLUDED.topics, by = EXCLUDED.by, at = now()"
            ),
            {"subject": subject, "teams": list(teams), "topics": list(topics), "by": actor},
        )
    else:
        connection.execute(text("DELETE FROM object_scopes WHERE subject = :subject"), {"subject": subject})
    audit.append(connection, actor, "scope.set", subject, {"teams": len(teams), "topics": len(topics)})
    return True


def _names(given: Sequence[str], what: str) -> tuple[str, ...]:
    names = tuple(sorted({name.strip() for name in given if name.strip()}))
    if len(names) > MOST or any(len(name) > LONGEST for name in names):
        raise ValueError(f"at most {MOST} {what}s, each of at most {LONGEST} characters")
    return names


def sees(connection: Connection, scope: Scope, address: Mapping[str, int]) -> bool:
    """Whether everything an address names (`number`, `customer_id` …) is in the scope."""
    confine(connection, scope)
    return all(
        bool(one(connection, f"SELECT {FUNCTIONS[IN_ADDRESSES[name]]}(:id)", id=id_)) for name, id_ in address.items()
    )


def reaches(connection: Connection, wanted: Mapping[str, Sequence[int]]) -> None:
    """Raises LookupError unless all ids are in the scope this transaction is confined to."""
    for what, ids in wanted.items():
        hidden = one(
            connection,
            f"SELECT id FROM unnest(CAST(:ids AS bigint[])) id WHERE NOT coalesce({FUNCTIONS[what]}(id), false) LIMIT 1",  # noqa: S608 our own names
            ids=list(ids),
        )
        if hidden is not None:
            raise LookupError(hidden)


def confine(connection: Connection, scope: Scope) -> None:
    """Tell this transaction whose it is; policies and functions read it from there."""
    connection.execute(
        text(
            "SELECT set_config('earmark.teams', CAST(CAST(:teams AS text[]) AS text), true), "
            "set_config('earmark.topics', CAST(CAST(:topics AS text[]) AS text), true)"
        ),
        {"teams": list(scope.teams), "topics": list(scope.topics)},
    )


class ScopedLedger(Ledger):
    """The ledger as somebody limited sees it: reads under the role that is shown its part, writes that know whose they are."""

    def __init__(self, whole: Ledger, scope: Scope) -> None:
        self.url, self.engine, self.scope = whole.url, whole.engine, scope

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with super().read() as connection:
            confine(connection, self.scope)
            connection.execute(text(f"SET LOCAL search_path = {SCHEMA}, public"))
            connection.execute(text(f"SET LOCAL ROLE {ROLE}"))
            yield connection

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        with super().begin() as connection:
            confine(connection, self.scope)
            yield connection

    @contextmanager
    def glance(self) -> Iterator[Connection]:
        """Whose it is must be said first, so it takes a transaction after all, and only reads."""
        with self.read() as connection:
            yield connection

    def close(self) -> None:
        """The connections are the whole ledger's."""
