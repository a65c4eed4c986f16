"""Events told to others: an outbox row for each subscription that wants one, in the transaction that works the event off.

Ids and states only, no text and no name: a receiver that wants more asks the API, by rights of its own. What belongs to one ticket or flag
goes out in the order it happened, since a row of the outbox waits for the earlier ones of its ticket; `sequence` orders the rest.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection

from storage import bulk, outbox, runs
from storage.events import Happened
from storage.ledger import rows
from storage.outbox import Effect

KIND = "event"
TICKET = (
    "number",
    "status",
    "priority",
    "team",
    "topic",
    "intent",
    "platform",
    "sentiment",
    "tag",
    "customer_id",
    "assignee_id",
)


class Hook(Protocol):
    """A subscription."""

    @property
    def name(self) -> str: ...

    def wants(self, kind: str, team: str, topic: str) -> bool: ...


def owe(
    connection: Connection, hooks: Sequence[Hook], happened: Sequence[Happened], facts: Mapping[int, Mapping[str, Any]], worker: str,
    console_url: str = "",
) -> set[str]:  # fmt: skip
    """Owe each event to who wants it, once; returns the names that are owed something."""
    if not hooks:
        return set()
    flags = _flags(connection, [event.subject_id for event in happened if event.subject == "flag"])
    effects = []
    for event in happened:
        known = flags.get(event.subject_id, {}) if event.subject == "flag" else facts.get(event.id, {})
        team, topic = (str(known.get(name) or "") for name in ("team", "topic"))
        for hook in hooks:
            if hook.wants(event.kind, team, topic):
                effects.append(_effect(hook.name, event, known, console_url))
    if not effects:
        return set()
    run = runs.start(connection, "events", worker)
    outbox.owe_many(connection, run, effects)
    runs.finish(connection, run)
    return {effect.target for effect in effects}


def _effect(target: str, event: Happened, known: Mapping[str, Any], console_url: str) -> Effect:
    data: dict[str, Any] = {event.subject: event.subject_id, **{k: v for k, v in event.body.items() if _code(v)}}
    if event.subject == "ticket":
        data |= {name: known[name] for name in TICKET if known.get(name) is not None} | {"ticket": known.get("number")}
        data["url"] = f"{console_url}/tickets/{known.get('number')}"
    elif event.subject == "flag":
        data |= dict(known) | {"url": f"{console_url}/flags/{event.subject_id}"}
    body = {
        "type": event.kind, "timestamp": event.at.isoformat() if event.at else "", "sequence": event.id, "data": data,
    }  # fmt: skip
    return Effect(
        target, KIND, f"em-ev{event.id}-{target}", body,
        ticket_id=event.subject_id if event.subject == "ticket" else None,
        escalation_id=event.subject_id if event.subject == "flag" else None,
    )  # fmt: skip


def _code(value: Any) -> bool:
    """What an event's body says in ids and codes; a text of somebody's is not passed on."""
    return isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= 60 and " " not in value)


def _flags(connection: Connection, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    if not ids:
        return {}
    found = rows(
        connection,
        "SELECT id, rule, split_part(series, '/', 1) AS topic, series, kind, state, severity FROM escalations WHERE id = ANY(:ids)",
        ids=bulk.unique(ids),
    )
    return {
        row["id"]: {name: row[name] for name in ("rule", "topic", "series", "kind", "state", "severity")}
        for row in found
    }


def told(connection: Connection, target: str = "", state: str = "", limit: int = 50) -> list[dict[str, Any]]:
    """Events that were told or wait to be, the newest first."""
    found = rows(
        connection,
        "SELECT id, target, CASE WHEN notice LIKE '{%' THEN CAST(notice AS json) ->> 'type' END AS type, state, attempts, created_at, done_at, error "
        "FROM outbox WHERE kind = :kind AND (:target = '' OR target = :target) AND (:state = '' OR state = :state) ORDER BY id DESC LIMIT :limit",
        kind=KIND,
        target=target,
        state=state,
        limit=limit,
    )
    return [dict(row) for row in found]
