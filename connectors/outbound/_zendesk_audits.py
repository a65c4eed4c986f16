"""A Zendesk audit as a remark: who did what to the ticket in one change. Pure.

https://developer.zendesk.com/api-reference/ticketing/tickets/ticket_audits/ · …/ticket_audit_events_reference/
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.contract import Remark
from connectors.outbound._text import clean

PRIORITIES = ("low", "normal", "high", "urgent")
_MARK = "ref "


@dataclass(frozen=True, slots=True)
class Account:
    """A user there."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Reading:
    """The parts of an audit that matter, whatever else is in it or missing."""

    author: int | None
    events: tuple[Mapping[str, Any], ...]
    key: str

    @classmethod
    def of(cls, audit: Mapping[str, Any]) -> "Reading":
        events = tuple(e for e in audit.get("events") or () if isinstance(e, Mapping))
        author = audit.get("author_id")
        return cls(author if isinstance(author, int) else None, events, _key(audit, events))

    @property
    def people(self) -> set[int]:
        """Who is named: the author, and agents it was given to."""
        owners = (e.get("value") for e in self.events if e.get("field_name") == "assignee_id")
        found = [self.author, *owners]
        return {int(p) for p in found if isinstance(p, int) or (isinstance(p, str) and p.isdigit())}

    @property
    def said(self) -> tuple[str, bool]:
        """The comment's text and whether the customer can read it; a change has one at most."""
        for event in self.events:
            if event.get("type") == "Comment":
                return clean(str(event.get("plain_body") or event.get("body") or "")), bool(event.get("public"))
        return "", False

    def values(self, custom: Mapping[int, str]) -> dict[str, Any]:
        """field → what it was set to last; a rule that answered to the change stands behind it. A tag is on or off by itself.

        A custom field goes by its id in an audit, tags by the whole set before and after.
        """
        found: dict[str, Any] = {}
        for event in self.events:
            name = str(event.get("field_name"))
            if event.get("type") not in ("Change", "Create"):
                continue
            if name in ("status", "priority", "assignee_id"):
                found[name] = event.get("value")
            elif name.isdigit() and int(name) in custom:
                found[f"field:{custom[int(name)]}"] = event.get("value")
            elif name == "tags":
                before, after = _tags(event.get("previous_value")), _tags(event.get("value"))
                found |= {f"tag:{tag}": "off" for tag in before - after} | {
                    f"tag:{tag}": "on" for tag in after - before
                }
        return found


def _tags(value: Any) -> set[str]:
    """A set of tags, which comes as a list or as words."""
    words = value if isinstance(value, list) else str(value or "").split()
    return {str(word) for word in words}


def _key(audit: Mapping[str, Any], events: tuple[Mapping[str, Any], ...]) -> str:
    """The key in the metadata. What was written before there was one is known by its reference line, if it came by the API."""
    metadata = audit.get("metadata") or {}
    custom = metadata.get("custom") if isinstance(metadata, Mapping) else None
    if isinstance(custom, Mapping) and custom.get("earmark"):
        return str(custom["earmark"])
    if (audit.get("via") or {}).get("channel") != "api":
        return ""
    for event in events:
        if event.get("type") == "Comment":
            lines = str(event.get("plain_body") or event.get("body") or "").rstrip().splitlines()
            return lines[-1].strip().removeprefix(_MARK) if lines and lines[-1].strip().startswith(_MARK) else ""
    return ""


def remark(
    audit: Mapping[str, Any],
    statuses: Mapping[str, str],
    people: Mapping[int, Account],
    custom: Mapping[int, str],
    own_tags: Collection[str] = (),
) -> Remark:
    """The audit in our words. What has no counterpart is said, and changes nothing. `own_tags`: set by us on every ticket there."""
    read = Reading.of(audit)
    fields: dict[str, tuple[str, ...]] = {}
    unknown: dict[str, str] = {}
    for name, value in read.values(custom).items():
        if name.startswith("tag:"):
            if name.removeprefix("tag:") not in own_tags:
                fields[name] = (value,)
            continue
        if name.startswith("field:"):
            fields[name] = (_text(value),)
            continue
        fits, what = _ours(name, value, statuses, people)
        ours = "assignee" if name == "assignee_id" else name
        if fits is None:
            unknown[ours] = what
        else:
            fields[ours] = fits
    who = people.get(read.author or 0, Account("", ""))
    text, public = read.said
    return Remark(
        str(audit.get("id")), who.name, who.email.lower(), read.key, text, public, fields, unknown
    )  # fmt: skip


def _text(value: Any) -> str:
    """A custom field's value as text; several choices stand side by side."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return clean(" ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value))


def _ours(
    name: str, value: Any, statuses: Mapping[str, str], people: Mapping[int, Account]
) -> tuple[tuple[str, ...] | None, str]:
    """The values of ours that fit, or None and what was said there."""
    if name == "status":
        fits = tuple(ours for ours, theirs in statuses.items() if theirs == value)
        if value == "closed" and not fits:  # final there: nothing of ours leads to it
            fits = ("closed",)
        return (fits or None), f"status {value}"
    if name == "priority":
        return ((str(value),) if value in PRIORITIES else None), f"priority {value or 'none'}"
    if value in (None, ""):
        return ("",), ""
    who = people.get(int(value)) if str(value).isdigit() else None
    return ((who.email.lower(),) if who and who.email else None), f"owner {who.name if who else value}"
