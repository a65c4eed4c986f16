"""The shapes of HubSpot's CRM: properties and what they hold, association types, records and errors as JSON; pure, no storage.

[properties] https://developers.hubspot.com/docs/api-reference/crm-properties-v3/guide
[associations] https://developers.hubspot.com/docs/api-reference/crm-associations-v4/guide (type ids of contacts, tickets and notes)
[errors] https://developers.hubspot.com/docs/api-reference/error-handling
"""

from __future__ import annotations

import json
import re
import uuid
from datetime import UTC, datetime
from typing import Any

from town.http import Response, answer

TYPES = {"contacts": "0-1", "tickets": "0-5", "notes": "0-46"}
STAGES = {"1": "New", "2": "Waiting on contact", "3": "Waiting on us", "4": "Closed"}
KINDS = {  # from, to → the id of "HUBSPOT_DEFINED", [associations]
    ("contacts", "tickets"): 15,
    ("tickets", "contacts"): 16,
    ("contacts", "notes"): 201,
    ("notes", "contacts"): 202,
    ("tickets", "notes"): 227,
    ("notes", "tickets"): 228,
}
MODIFIED = {"contacts": "lastmodifieddate", "tickets": "hs_lastmodifieddate", "notes": "hs_lastmodifieddate"}
REQUIRED = {"contacts": (), "tickets": ("subject", "hs_pipeline_stage"), "notes": ("hs_timestamp",)}
SHOWN = {  # what a reading returns that names no properties
    "contacts": ("createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"),
    "tickets": ("content", "createdate", "hs_lastmodifieddate", "hs_object_id", "hs_pipeline", "hs_pipeline_stage",
                "hs_ticket_category", "hs_ticket_priority", "subject"),
    "notes": ("hs_createdate", "hs_lastmodifieddate", "hs_object_id"),
}  # fmt: skip
LONGEST = 65_536  # characters of a text property, of a note's body
_PRIORITIES = ("LOW", "MEDIUM", "HIGH", "URGENT")


def _property(
    name: str, kind: str = "string", *, unique: bool = False, fixed: bool = False, options: Any = ()
) -> dict[str, Any]:
    return {
        "name": name, "label": name, "type": kind, "fieldType": "text", "groupName": "base", "hasUniqueValue": unique,
        "options": [{"label": one, "value": one} for one in options],
        "modificationMetadata": {"readOnlyValue": fixed},
    }  # fmt: skip


def _own(names: str, **more: Any) -> list[dict[str, Any]]:
    return [_property(name, **more) for name in names.split()]


OWN = {
    "contacts": [
        _property("email", unique=True), *_own("firstname lastname phone mobilephone company city country hs_additional_emails"),
        *_own("createdate lastmodifieddate", kind="datetime", fixed=True), *_own("hs_object_id hs_merged_object_ids", fixed=True),
        _property("lifecyclestage", "enumeration", options=("lead", "customer", "other")),
    ],
    "tickets": [
        *_own("subject content hs_pipeline hs_pipeline_stage hubspot_owner_id hs_ticket_category"), _property("hs_object_id", fixed=True),
        *_own("createdate hs_lastmodifieddate", kind="datetime", fixed=True),
        _property("hs_ticket_priority", "enumeration", options=_PRIORITIES),
    ],
    "notes": [
        *_own("hs_note_body hubspot_owner_id hs_attachment_ids"), _property("hs_timestamp", "datetime"),
        *_own("hs_createdate hs_lastmodifieddate", kind="datetime", fixed=True), _property("hs_object_id", fixed=True),
    ],
}  # fmt: skip


def stamp(at: float) -> str:
    """To the millisecond, as all of HubSpot's times."""
    return datetime.fromtimestamp(round(at, 3), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def millis(value: str) -> int:
    return round(datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp() * 1000)


class Refused(Exception):
    """An answer other than the wanted one; rolls the transaction back."""

    def __init__(self, response: Response) -> None:
        self.response = response


def error(status: int, message: str, category: str, **more: Any) -> Response:
    """[errors] every field but the message is optional, and none of them is stable."""
    said = {"status": "error", "message": message, "correlationId": str(uuid.uuid4()), "category": category}
    return answer(said | more, status)


def invalid(message: str, **more: Any) -> Refused:
    return Refused(error(400, message, "VALIDATION_ERROR", **more))


def unfit(problems: list[dict[str, Any]]) -> Refused:
    """Wrong values: a list in JSON within the message, as github.com/HubSpot/hubspot-api-nodejs/issues show it."""
    return invalid(f"Property values were not valid: {json.dumps(problems)}")


def checked(known: dict[str, dict[str, Any]], given: Any) -> dict[str, str | None]:
    """Values to be written. All are strings; an empty one clears. Raises Refused for what does not exist, is read only or does not fit."""
    if not isinstance(given, dict):
        raise invalid("Invalid input JSON on line 1: properties must be an object")
    problems, held = [], dict[str, str | None]()
    for name, value in given.items():
        found = known.get(name)
        text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        if found is None:
            problems.append(_problem(name, "PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist'))
        elif found["modificationMetadata"]["readOnlyValue"]:
            problems.append(
                _problem(name, "READ_ONLY_VALUE", f'"{name}" is a read only property; its value cannot be set.')
            )
        elif text and found["options"] and text not in [option["value"] for option in found["options"]]:
            problems.append(_problem(name, "INVALID_OPTION", f"{text} was not one of the allowed options"))
        elif len(text) > LONGEST:
            problems.append(_problem(name, "INVALID_STRING_LENGTH", f"the text has more than {LONGEST} characters"))
        elif text and name == "email" and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s.]+", text):
            problems.append(_problem(name, "INVALID_EMAIL", f"Email address {text} is invalid"))
        elif text and found["type"] == "datetime" and not _time(text):
            problems.append(_problem(name, "INVALID_DATE", f"{text} is no time"))
        elif text and name == "hs_pipeline_stage" and text not in STAGES:
            problems.append(_problem(name, "INVALID_OPTION", f"{text} is not a valid pipeline stage ID"))
        else:
            held[name] = (
                text.lower() if name == "email" else _time(text) if found["type"] == "datetime" else text
            ) or None
    if problems:
        raise unfit(problems)
    return held


def _problem(name: str, code: str, message: str) -> dict[str, Any]:
    return {"isValid": False, "message": message, "error": code, "name": name, "localizedErrorMessage": message}


def _time(text: str) -> str | None:
    """Milliseconds since 1970, or ISO 8601."""
    try:
        return stamp(int(text) / 1000) if text.isdigit() else stamp(millis(text) / 1000)
    except (ValueError, OverflowError):
        return None


def record(number: int, kind: str, data: dict[str, Any], wanted: list[str], archived: bool) -> dict[str, Any]:
    """A record with the properties asked for; what is not known is left out in silence, what is empty is null."""
    names = dict.fromkeys([*(wanted or SHOWN[kind]), "hs_object_id"])
    shown = {name: data.get(name) for name in names if name in data or name in {own["name"] for own in OWN[kind]}}
    born = data.get("createdate") or data.get("hs_createdate")
    return {
        "id": str(number),
        "properties": shown,
        "createdAt": born,
        "updatedAt": data[MODIFIED[kind]],
        "archived": archived,
    }


def fits(data: dict[str, Any], filters: list[dict[str, Any]], known: dict[str, dict[str, Any]]) -> bool:
    """Whether a record passes all filters of one group. Numbers and times are compared as numbers."""
    for one in filters:
        name, operator, value = one.get("propertyName"), one.get("operator"), one.get("value")
        if name not in known:
            raise invalid(f"There was a problem with the request. Unknown property {name}")
        held = data.get(name)
        if operator in ("HAS_PROPERTY", "NOT_HAS_PROPERTY"):
            if (held is None) == (operator == "HAS_PROPERTY"):
                return False
            continue
        if held is None:
            return False
        kind = known[name]["type"]
        x: Any = millis(held) if kind == "datetime" else int(held) if name == "hs_object_id" else str(held).lower()
        y: Any = int(value) if kind == "datetime" or name == "hs_object_id" else str(value).lower()
        passed = {"EQ": x == y, "NEQ": x != y, "GT": x > y, "GTE": x >= y, "LT": x < y, "LTE": x <= y}.get(operator)
        if passed is None:
            raise invalid(f"There was a problem with the request. Unknown operator {operator}")
        if not passed:
            return False
    return True
