"""The audit as it is read: newest first, by actor, action or object, a page at a time."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from storage.ledger import rows

PAGE = 50


@dataclass(frozen=True, slots=True)
class Link:
    """One row of the chain. `who`: the name behind `user:3`, else the actor as it stands."""

    id: int
    at: datetime
    actor: str
    who: str
    action: str
    object: str
    detail: str


@dataclass(frozen=True, slots=True)
class AuditPage:
    links: list[Link]
    before: int | None  # the id to go on under; None at the end


def read(
    connection: Connection, actor: str = "", action: str = "", object: str = "", before: int | None = None
) -> AuditPage:
    """Rows under `before`, or the newest. An action matches by its beginning: `user` finds `user.role`."""
    parts, values = ["true"], {}
    for name, value in (("actor", actor), ("object", object)):
        if value:
            parts.append(f"a.{name} = :{name}")
            values[name] = value
    if action:
        parts.append("starts_with(a.action, :action)")
        values["action"] = action
    if before is not None:
        parts.append("a.id < :before")
        values["before"] = before  # type: ignore[assignment]
    found = rows(
        connection,
        f"""SELECT a.id, a.at, a.actor, coalesce(u.name, a.actor) AS who, a.action, a.object, a.detail FROM audit a
        LEFT JOIN users u ON a.actor = 'user:' || u.id WHERE {" AND ".join(parts)} ORDER BY a.id DESC LIMIT :limit""",  # noqa: S608 constants
        limit=PAGE + 1,
        **values,
    )
    links = [Link(**row) for row in found[:PAGE]]
    return AuditPage(links, links[-1].id if len(found) > PAGE else None)


def actions(connection: Connection) -> list[str]:
    """What can be looked for: the actions of the last ten thousand rows."""
    found = rows(
        connection,
        "SELECT DISTINCT action FROM (SELECT action FROM audit ORDER BY id DESC LIMIT 10000) recent ORDER BY action",
    )
    return [row["action"] for row in found]
