"""What stopped for good: mentions not judged, effects not delivered, items not read, events nothing could be done about.

Nothing here is silently dropped: each can be looked at, tried again, or given up by somebody the audit names.
A letter's name is its kind and number: `letter:7` for a mention or an effect, `reject:12` for an item.
"""

from typing import Any

from sqlalchemy import Connection, text

from domain.said import Said
from storage import audit, dead_effects, events
from storage.ledger import one, rows

Name = tuple[str, int]  # "letter" or "reject", and its id


class CannotRetry(Exception):
    """The work behind it is gone or done; the message says which."""


def name(raw: str) -> Name:
    """Read `7`, `letter:7` or `reject:12`. Raises ValueError."""
    kind, _, number = raw.rpartition(":")
    if kind not in ("", "letter", "reject") or not number.isdecimal():
        raise ValueError(f"{raw!r} names no dead letter; write 7, letter:7 or reject:12")
    return kind or "letter", int(number)


def everything(connection: Connection, state: str = "open", limit: int = 100) -> list[dict[str, Any]]:
    """Letters and rejects in a state, newest first. No text of a mention or payload: `show` has that."""
    found = rows(
        connection,
        """SELECT * FROM (
            SELECT 'letter:' || d.id AS name, d.kind, CASE d.kind WHEN 'digest' THEN 'mention ' || d.ref_id WHEN 'event' THEN 'event ' || d.ref_id
                ELSE coalesce(o.target || ' ' || o.key, 'outbox ' || d.ref_id) END AS what, d.reason, d.state, d.at
            FROM dead_letters d LEFT JOIN outbox o ON d.kind = 'outbox' AND o.id = d.ref_id
            UNION ALL
            SELECT 'reject:' || r.id, 'reject', coalesce(c.name, 'channel ' || r.channel_id) || coalesce(' ' || r.native_id, ''),
                r.reason, r.state, r.at
            FROM rejects r LEFT JOIN channels c ON c.id = r.channel_id
        ) q WHERE :state = 'any' OR state = :state ORDER BY at DESC, name LIMIT :limit""",
        state=state,
        limit=limit,
    )
    return [dict(row) for row in found]


def show(connection: Connection, wanted: Name) -> dict[str, Any] | None:
    """All that is known of one, with the mention, effect or payload behind it."""
    kind, id_ = wanted
    if kind == "reject":
        found = rows(
            connection,
            "SELECT r.*, c.name AS channel FROM rejects r LEFT JOIN channels c ON c.id = r.channel_id WHERE r.id = :id",
            id=id_,
        )
        return {**found[0], "item_hash": bytes(found[0]["item_hash"]).hex()} if found else None
    found = rows(connection, "SELECT * FROM dead_letters WHERE id = :id", id=id_)
    if not found:
        return None
    letter = dict(found[0])
    if letter["kind"] == "digest":
        behind = rows(
            connection,
            "SELECT id, platform, native_id, url, version, name, content FROM mentions WHERE id = :id",
            id=letter["ref_id"],
        )
        return {**letter, "mention": dict(behind[0]) if behind else None}
    if letter["kind"] == "event":
        behind = rows(connection, "SELECT * FROM events WHERE id = :id", id=letter["ref_id"])
        return {**letter, "event": dict(behind[0]) if behind else None}
    behind = rows(
        connection,
        "SELECT id, target, kind, key, ticket_id, notice, request, state, attempts, error FROM outbox WHERE id = :id",
        id=letter["ref_id"],
    )
    tries = rows(
        connection,
        "SELECT n, at, ended_at, outcome, status, detail FROM attempts WHERE outbox_id = :id ORDER BY id",
        id=letter["ref_id"],
    )
    return {**letter, "effect": dict(behind[0]) if behind else None, "attempts": [dict(row) for row in tries]}


def retry(connection: Connection, wanted: Name, actor: str) -> None:
    """Owe the work again. Raises LookupError for a letter that is not there, CannotRetry for one that is over."""
    kind, id_ = wanted
    letter = _locked(connection, wanted)
    if kind == "reject":
        raise CannotRetry("an item is read again from its raw form, by the command that knows its connector")
    if letter["kind"] == "digest":
        _judge_again(connection, letter, actor)
    elif letter["kind"] == "event":
        if not events.again(connection, letter["ref_id"]):
            raise CannotRetry("the event behind it has been purged")
        _close(connection, letter["id"], "retried", actor)
    else:
        if one(connection, "SELECT error = 'erased' FROM outbox WHERE id = :id", id=letter["ref_id"]):
            raise CannotRetry("the person it was about has been erased")
        if not dead_effects.retry(connection, letter["ref_id"], actor):
            raise CannotRetry("the effect behind it is not dead any more")
    audit.append(connection, actor, "dead.retry", f"{kind}:{id_}", {"kind": letter["kind"], "ref": letter["ref_id"]})


def _judge_again(connection: Connection, letter: Any, actor: str) -> None:
    version = one(connection, "SELECT version FROM mentions WHERE id = :id FOR UPDATE", id=letter["ref_id"])
    if version is None:
        raise CannotRetry("the mention has been erased")
    _close(connection, letter["id"], "retried", actor)
    if version != letter["version"]:
        return  # an edit came meanwhile: its newer version was queued on its own
    connection.execute(
        text("INSERT INTO digests (mention_id, version) VALUES (:id, :version)"),
        {"id": letter["ref_id"], "version": version},
    )
    connection.execute(text("SELECT pg_notify('earmark', 'digest')"))


def drop(connection: Connection, wanted: Name, actor: str) -> None:
    """Give it up: it stays listed as dropped and is tried no more. Raises LookupError, CannotRetry."""
    kind, id_ = wanted
    letter = _locked(connection, wanted)
    if kind == "reject":
        connection.execute(text("UPDATE rejects SET state = 'dropped' WHERE id = :id"), {"id": id_})
    elif letter["kind"] == "outbox":
        dead_effects.drop(connection, letter["ref_id"], actor)
        _close(connection, id_, "dropped", actor)
    else:
        _close(connection, id_, "dropped", actor)
    ref = letter["channel_id"] if kind == "reject" else letter["ref_id"]
    audit.append(connection, actor, "dead.drop", f"{kind}:{id_}", {"ref": ref})


def reopen(connection: Connection, wanted: Name, actor: str) -> None:
    """Take a drop back: it is listed as open again, and what was given up with it is owed again. Raises LookupError, CannotRetry."""
    kind, id_ = wanted
    table = "rejects" if kind == "reject" else "dead_letters"
    found = rows(connection, f"SELECT * FROM {table} WHERE id = :id FOR UPDATE", id=id_)  # noqa: S608 our own names
    if not found:
        raise LookupError(f"there is no {kind}:{id_}")
    letter = found[0]
    if letter["state"] != "dropped" or letter["reason"] == "erased":
        raise CannotRetry(Said("%(name)s is not one that was dropped and can come back", name=f"{kind}:{id_}"))
    if kind == "reject":
        connection.execute(text("UPDATE rejects SET state = 'open' WHERE id = :id"), {"id": id_})
    else:
        if letter["kind"] == "outbox" and letter["reason"] == "create-dropped":
            raise CannotRetry("it was given up with the creation of its ticket; take that drop back")
        connection.execute(
            text("UPDATE dead_letters SET state = 'open', closed_at = NULL, closed_by = NULL WHERE id = :id"),
            {"id": id_},
        )
        if letter["kind"] == "outbox":
            dead_effects.owe_again(connection, letter["ref_id"], letter["closed_at"], actor)
    audit.append(connection, actor, "dead.reopen", f"{kind}:{id_}", {})


def _locked(connection: Connection, wanted: Name) -> Any:
    kind, id_ = wanted
    table = "rejects" if kind == "reject" else "dead_letters"
    found = rows(connection, f"SELECT * FROM {table} WHERE id = :id FOR UPDATE", id=id_)  # noqa: S608 our own names
    if not found:
        raise LookupError(f"there is no {kind}:{id_}")
    retryable = ("open", "dropped") if kind == "letter" and found[0]["kind"] == "digest" else ("open",)
    if found[0]["state"] not in retryable or found[0].get("reason") == "erased":
        raise CannotRetry(Said("%(name)s is %(state)s already", name=f"{kind}:{id_}", state=Said(found[0]["state"])))
    return found[0]


def _close(connection: Connection, id_: int, state: str, actor: str) -> None:
    connection.execute(
        text("UPDATE dead_letters SET state = :state, closed_at = now(), closed_by = :actor WHERE id = :id"),
        {"state": state, "actor": actor, "id": id_},
    )


def rejected(connection: Connection, id_: int) -> Any:
    """An open reject with its channel, locked, for whoever reads it again. Raises LookupError, CannotRetry."""
    found = dict(_locked(connection, ("reject", id_)))
    channel = rows(connection, "SELECT name, kind, platform FROM channels WHERE id = :id", id=found["channel_id"])
    return {**found, "channel": dict(channel[0]) if channel else None}


def stored(connection: Connection, id_: int, actor: str) -> None:
    """The reject was read after all, in this transaction. Its row stays: its page counts it."""
    connection.execute(text("UPDATE rejects SET state = 'stored' WHERE id = :id"), {"id": id_})
    audit.append(connection, actor, "dead.retry", f"reject:{id_}", {"kind": "reject", "ref": id_})
