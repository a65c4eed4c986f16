"""The JSON of Zendesk's tickets, comments and audits; pure, no storage.

https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/#json-format and the pages beside it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import Any

PRIORITIES = {"urgent", "high", "normal", "low"}
STATUSES = {"new", "open", "pending", "hold", "solved", "closed"}
TYPES = {"problem", "incident", "question", "task"}
PLAIN = (
    "subject",
    "priority",
    "status",
    "type",
    "assignee_id",
    "group_id",
    "external_id",
    "custom_status_id",
    "due_at",
)


def stamp(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ticket(
    number: int, wanted: dict[str, Any], description: str, requester: int, now: float, base: str
) -> dict[str, Any]:
    """A new ticket as Zendesk shows it: status new unless asked otherwise, subject from the description if none."""
    subject = wanted.get("subject") or description.strip().splitlines()[0][:80]
    outside = wanted.get("external_id")
    return {
        "url": f"{base}/api/v2/tickets/{number}.json",
        "id": number,
        "external_id": None if outside is None else str(outside),
        "via": {"channel": "api", "source": {"from": {}, "to": {}, "rel": None}},
        "created_at": stamp(now),
        "updated_at": stamp(now),
        "generated_timestamp": int(now),
        "type": wanted.get("type"),
        "subject": subject,
        "raw_subject": subject,
        "description": description,
        "priority": wanted.get("priority"),
        "status": wanted.get("status") or "new",
        "recipient": None,
        "requester_id": requester,
        "submitter_id": wanted.get("submitter_id") or 1,
        "assignee_id": wanted.get("assignee_id"),
        "organization_id": None,
        "group_id": wanted.get("group_id"),
        "collaborator_ids": [],
        "follower_ids": [],
        "email_cc_ids": [],
        "forum_topic_id": None,
        "problem_id": None,
        "has_incidents": False,
        "is_public": bool((wanted.get("comment") or {}).get("public", True)),
        "due_at": wanted.get("due_at"),
        "tags": tags(wanted.get("tags") or []),
        "custom_fields": _filled([], wanted.get("custom_fields")),
        "satisfaction_rating": None,
        "sharing_agreement_ids": [],
        "fields": _filled([], wanted.get("custom_fields")),
        "followup_ids": [],
        "brand_id": 360,
        "allow_channelback": False,
        "allow_attachments": True,
        "from_messaging_channel": False,
        "custom_status_id": wanted.get("custom_status_id"),
        "ticket_form_id": wanted.get("ticket_form_id"),
    }


def tags(given: list[str]) -> list[str]:
    """Tags are lower case, without spaces, sorted, each once."""
    return sorted({part for tag in given for part in tag.lower().split()})


def _filled(held: list[dict[str, Any]], given: Any) -> list[dict[str, Any]]:
    """[tickets] "Setting custom field values": only those named change; an empty value clears one."""
    values = {int(one["id"]): one.get("value") for one in [*held, *(given or [])]}
    return [{"id": ident, "value": value} for ident, value in sorted(values.items()) if value not in (None, "")]


def creation(made: dict[str, Any]) -> list[dict[str, Any]]:
    """What was set, field by field; a custom field goes by its id
    (https://developer.zendesk.com/documentation/ticketing/reference-guides/ticket-audit-events-reference/)."""
    shown = ("subject", "priority", "status", "requester_id", "external_id")
    told = [{"type": "Create", "field_name": name, "value": made[name]} for name in shown if made[name] is not None]
    told += [{"type": "Create", "field_name": "tags", "value": made["tags"]}] if made["tags"] else []
    return told + [
        {"type": "Create", "field_name": str(one["id"]), "value": one["value"]} for one in made["custom_fields"]
    ]


def apply(held: dict[str, Any], wanted: dict[str, Any], now: float) -> list[dict[str, Any]]:
    """Change the ticket in place; the events say what changed. `tags` replaces the set, the other two add and take."""
    new = {name: wanted[name] for name in PLAIN if name in wanted}
    if new.get("external_id") is not None and "external_id" in new:
        new["external_id"] = str(new["external_id"])
    kept = tags(wanted["tags"]) if "tags" in wanted else held["tags"]
    kept = tags([*kept, *(wanted.get("additional_tags") or [])])
    gone = set(tags(wanted.get("remove_tags") or []))
    new["tags"] = [tag for tag in kept if tag not in gone]
    events = [
        {"type": "Change", "field_name": name, "previous_value": held.get(name), "value": value}
        for name, value in new.items()
        if held.get(name) != value
    ]
    if "custom_fields" in wanted:
        before = {one["id"]: one["value"] for one in held["custom_fields"]}
        held["custom_fields"] = held["fields"] = _filled(held["custom_fields"], wanted["custom_fields"])
        after = {one["id"]: one["value"] for one in held["custom_fields"]}
        events += [
            {"type": "Change", "field_name": str(ident), "previous_value": before.get(ident), "value": after.get(ident)}
            for ident in sorted(before.keys() | after.keys())
            if before.get(ident) != after.get(ident)
        ]
    held |= new
    if "subject" in new:
        held["raw_subject"] = new["subject"]
    held |= {"updated_at": stamp(now), "generated_timestamp": int(now)}
    return events


def comment(ident: int, given: dict[str, Any], now: float) -> dict[str, Any]:
    body = given["body"]
    return {
        "id": ident,
        "type": "Comment",
        "author_id": given["author_id"],
        "body": body,
        "plain_body": body,
        "html_body": f'<div class="zd-comment" dir="auto"><p dir="auto">{escape(body)}</p></div>',
        "public": given["public"],
        "attachments": [],
        "audit_id": ident,
        "created_at": stamp(now),
        "via": {"channel": "api", "source": {"from": {}, "to": {}, "rel": None}},
        "metadata": {"system": {}, "custom": {}},
    }


def audit(
    ident: int, number: int, said: dict[str, Any] | None, events: list[dict[str, Any]], now: float, author: int
) -> dict[str, Any]:
    noted = [said] if said else []
    listed = [{"id": ident * 100 + i, **event} for i, event in enumerate([*noted, *events])]
    if said:
        listed[0]["id"] = said["id"]
    return {
        "id": ident,
        "ticket_id": number,
        "created_at": stamp(now),
        "author_id": author,
        "events": listed,
        "metadata": {"system": {}, "custom": {}},
        "via": {"channel": "api", "source": {"rel": None}},
    }


def hook_events(held: dict[str, Any], made: dict[str, Any]) -> list[dict[str, Any]]:
    """What a subscriber hears of one audit: an event per kind of change, all naming the ticket.

    https://developer.zendesk.com/api-reference/webhooks/event-types/ticket-events/
    """
    kinds = {"status": "status_changed", "priority": "priority_changed", "assignee_id": "agent_assignment_changed",
             "tags": "tags_changed"}  # fmt: skip
    detail = {
        "id": str(held["id"]),
        "external_id": held["external_id"],
        "actor_id": str(made["author_id"]),
        "status": held["status"].upper(),
        "priority": (held["priority"] or "").upper() or None,
        "assignee_id": None if held["assignee_id"] is None else str(held["assignee_id"]),
        "updated_at": held["updated_at"],
    }
    told: list[tuple[str, dict[str, Any]]] = []
    for event in made["events"]:
        if event["type"] == "Comment":
            said = {"id": str(event["id"]), "body": event["body"], "is_public": event["public"]}
            told.append(("comment_added", {"comment": said}))
        elif event["type"] == "Change" and event["field_name"].isdigit():
            changed = {
                "custom_field": {"id": int(event["field_name"])},
                "current": event["value"],
                "previous": event["previous_value"],
            }
            told.append(("custom_field_changed", changed))
        elif event["type"] == "Change" and event["field_name"] in kinds:
            told.append((kinds[event["field_name"]], {"current": event["value"], "previous": event["previous_value"]}))
    return [
        {
            "type": f"zen:event-type:ticket.{kind}",
            "account_id": 1,
            "time": made["created_at"],
            "zendesk_event_version": "2022-11-06",
            "subject": f"zen:ticket:{held['id']}",
            "detail": detail,
            "event": {**event, "meta": {"sequence": {"id": str(made["id"]), "position": i + 1, "total": len(told)}}},
        }
        for i, (kind, event) in enumerate(told)
    ]


def fits(held: dict[str, Any], query: str) -> bool:
    """field:value terms and bare words, all of which must hold."""
    for term in query.split():
        name, colon, value = term.partition(":")
        if not colon:
            if term.lower() not in f"{held['subject']} {held['description']}".lower():
                return False
        elif name == "type":
            if value != "ticket":
                return False
        elif name == "tags":
            if value.lower() not in held["tags"]:
                return False
        elif str(held.get({"requester": "requester_id"}.get(name, name))) != value.strip('"'):
            return False
    return True
