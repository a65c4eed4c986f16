"""Macros: several changes to a ticket under one name, as the configuration in force says; first shown, then done."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from domain.said import Said
from storage import casework, turns
from storage.casework import Change, Person, Refused, locked
from storage.ledger import one, rows
from storage.users import User


def known(connection: Connection) -> list[dict[str, Any]]:
    """Macros of the configuration in force, in its order."""
    found = rows(
        connection,
        "SELECT jsonb_path_query(document, '$.macros[*]') AS macro FROM ("
        "SELECT document FROM configurations WHERE complaints IS NULL ORDER BY id DESC LIMIT 1) c",
    )
    return [row["macro"] for row in found]


def named(connection: Connection, name: str) -> dict[str, Any]:
    """Raises Refused naming those there are."""
    found = known(connection)
    for macro in found:
        if macro["name"] == name:
            return macro
    raise Refused(
        Said(
            "There is no macro “%(name)s”; there is %(known)s.",
            name=name,
            known=", ".join(m["name"] for m in found) or Said("none"),
        )
    )


def effects(macro: Mapping[str, Any]) -> list[Said]:
    """What it would do, in words: shown before it is applied."""
    said = [
        Said("%(field)s → %(value)s", field=Said(name), value=macro[name] if name == "team" else Said(macro[name]))
        for name in ("status", "priority", "team")
        if macro.get(name)
    ]
    if macro.get("assign"):
        owner = Said("you") if macro["assign"] == "me" else Said("nobody")
        said.append(Said("owner → %(who)s", who=owner))
    said += [Said("tag %(name)s", name=name) for name in macro.get("tags", ())]
    said += [Said("no tag %(name)s", name=name) for name in macro.get("untag", ())]
    if macro.get("note"):
        said.append(Said("note: %(text)s", text=macro["note"]))
    if macro.get("snooze"):
        said.append(Said("snooze for %(length)s", length=macro["snooze"]))
    return said


def apply(
    connection: Connection, user: Person, number: int, name: str, snooze_seconds: int = 0, seen: int | None = None
) -> list[str]:
    """Do all of it in the caller's transaction, or nothing; what was done. `snooze_seconds`: the macro's, read by who knows lengths."""
    macro = named(connection, name)
    ticket = locked(connection, number, children=True)
    assignee = None
    if macro.get("assign") == "me":
        if not isinstance(user, User):
            raise Refused("This macro assigns to whoever applies it: say who you are (--as).")
        assignee = user.id
    elif macro.get("assign") == "nobody":
        assignee = 0
    if macro.get("note"):
        customer = one(connection, "SELECT name FROM customers WHERE id = :id", id=ticket.customer_id) or "the customer"
        words = macro["note"]
        for key, value in (("customer", customer), ("number", f"#{number}"), ("agent", user.name)):
            words = words.replace("{" + key + "}", str(value))
        casework.note(connection, user, number, words)
        seen = None if seen is None else seen + 1
    if macro.get("tags") or macro.get("untag"):
        changed = casework.tag(connection, user, number, macro.get("tags", ()), macro.get("untag", ()))
        seen = None if seen is None else seen + changed
    wanted = Change(macro.get("status"), macro.get("priority"), macro.get("team") or None, assignee, f"macro {name}")
    casework.change(connection, user, number, wanted, seen)
    if snooze_seconds:
        now: datetime = one(connection, "SELECT now()")
        turns.snooze(connection, user, number, now + timedelta(seconds=snooze_seconds))
    return effects(macro)
