"""Custom fields of tickets: what the configuration in force says about them, and values read by their types."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import Connection

from storage.ledger import rows

LONGEST = 2000


def known(connection: Connection) -> dict[str, dict[str, Any]]:
    """name → its entry in the configuration (name, label, type, choices, required)."""
    found = rows(
        connection,
        "SELECT jsonb_path_query(document, '$.fields[*]') AS field FROM ("
        "SELECT document FROM configurations WHERE complaints IS NULL ORDER BY id DESC LIMIT 1) c",
    )
    return {row["field"]["name"]: row["field"] for row in found}


def typed(connection: Connection, values: Mapping[str, str]) -> dict[str, Any]:
    """Texts a person typed as values of their fields' types; None for an empty one. Raises ValueError saying what fits."""
    fields = known(connection)
    found = {}
    for name, raw in values.items():
        field = fields.get(name)
        if field is None:
            raise ValueError(f"There is no field “{name}”; there is {', '.join(fields) or 'none'}.")
        found[name] = _typed(field, raw.strip()) if raw.strip() else None
    return found


def missing(connection: Connection, values: Mapping[str, Any]) -> list[str]:
    """Labels of fields a ticket must have before it is finished, and has not."""
    return [
        field.get("label") or name
        for name, field in known(connection).items()
        if field.get("required") and values.get(name) in (None, "")
    ]


def _typed(field: Mapping[str, Any], raw: str) -> Any:
    kind, name = field.get("type", "text"), field["name"]
    try:
        if kind == "number":
            number = float(raw)
            if number != number or number in (float("inf"), float("-inf")):
                raise ValueError
            return int(number) if number.is_integer() else number
        if kind == "date":
            return date.fromisoformat(raw).isoformat()
        if kind == "yes_no":
            return {"yes": True, "true": True, "no": False, "false": False}[raw.lower()]
    except (ValueError, KeyError):
        wanted = {"number": "a number", "date": "a date such as 2026-03-01", "yes_no": "yes or no"}[kind]
        raise ValueError(f"“{name}” takes {wanted}.") from None
    if kind == "choice" and raw not in field.get("choices", ()):
        raise ValueError(f"“{name}” is one of {', '.join(field.get('choices', ()))}.")
    if len(raw) > LONGEST:
        raise ValueError(f"“{name}” has at most {LONGEST:,} characters.")
    return raw
