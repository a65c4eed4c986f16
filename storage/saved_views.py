"""Saved views: an inbox's filter under a name, one's own or shared. The filter is the inbox's address after the question mark."""

from typing import Any

from sqlalchemy import Connection

from domain.said import Said
from storage import audit
from storage.casework import Person, Refused
from storage.ledger import one
from storage.together import Question

LONGEST_NAME, LONGEST_QUERY, MOST = 60, 2000, 200


def save(connection: Connection, user: Person, name: str, query: str, shared: bool = False) -> int:
    """Keep a filter; one of that name and owner is replaced."""
    name, query = " ".join(name.split()), query.strip().removeprefix("/inbox").removeprefix("?")
    if not name or len(name) > LONGEST_NAME:
        raise Refused(Said("A view's name has 1 to %(n)s characters.", n=LONGEST_NAME))
    if len(query) > LONGEST_QUERY:
        raise Refused("This filter is too long to keep.")
    if (
        one(connection, "SELECT count(*) FROM saved_views WHERE owner_id IS NOT DISTINCT FROM :me", me=user.id or None)
        >= MOST
    ):
        raise Refused(Said("At most %(n)s views each.", n=MOST))
    id_ = one(
        connection,
        "INSERT INTO saved_views (owner_id, name, query, shared) VALUES (:me, :name, :query, :shared) "
        "ON CONFLICT (owner_id, name) DO UPDATE SET query = EXCLUDED.query, shared = EXCLUDED.shared RETURNING id",
        me=user.id or None,
        name=name,
        query=query,
        shared=shared,
    )
    audit.append(connection, user.actor, "view.save", f"view:{id_}", {"shared": shared})
    return int(id_)


def everything(user: Person) -> Question[list[dict[str, Any]]]:
    """One's own and the shared ones, by name."""
    return Question(
        "SELECT v.id, v.name, v.query, v.shared, u.name AS owner, v.owner_id IS NOT DISTINCT FROM :me AS mine FROM saved_views v "
        "LEFT JOIN users u ON u.id = v.owner_id WHERE v.shared OR v.owner_id IS NOT DISTINCT FROM :me ORDER BY v.name, v.id LIMIT 500",
        {"me": user.id or None},
        lambda found: [dict(row) for row in found],
    )


def change(
    connection: Connection, user: Person, id_: int, *, name: str | None = None, shared: bool | None = None
) -> bool:
    """Give one's own another name, share it or keep it to oneself; False when there is none. Raises Refused for a name that is taken."""
    if name is not None:
        name = " ".join(name.split())
        if not name or len(name) > LONGEST_NAME:
            raise Refused(Said("A view's name has 1 to %(n)s characters.", n=LONGEST_NAME))
        if one(
            connection,
            "SELECT 1 FROM saved_views WHERE owner_id IS NOT DISTINCT FROM :me AND name = :name AND id <> :id",
            me=user.id or None,
            name=name,
            id=id_,
        ):
            raise Refused(Said("You have a view “%(name)s” already.", name=name))
    done = one(
        connection,
        "UPDATE saved_views SET name = coalesce(:name, name), shared = coalesce(:shared, shared) "
        "WHERE id = :id AND owner_id IS NOT DISTINCT FROM :me RETURNING id",
        id=id_,
        me=user.id or None,
        name=name,
        shared=shared,
    )
    if done:
        audit.append(connection, user.actor, "view.change", f"view:{id_}", {} if shared is None else {"shared": shared})
    return bool(done)


def drop(connection: Connection, user: Person, id_: int) -> bool:
    """Forget one's own; False when there is none."""
    gone = one(
        connection,
        "DELETE FROM saved_views WHERE id = :id AND owner_id IS NOT DISTINCT FROM :me RETURNING id",
        id=id_,
        me=user.id or None,
    )
    if gone:
        audit.append(connection, user.actor, "view.drop", f"view:{id_}", {})
    return bool(gone)
