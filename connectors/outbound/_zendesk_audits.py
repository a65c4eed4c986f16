"""A Zendesk audit as a remark: who did what to the ticket in one change. Pure.

https://developer.zendesk.com/api-reference/ticketing/tickets/ticket_audits/ · …/ticket_audit_events_reference/
"""

from collections.abc import Mapping
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

    def values(self) -> dict[str, Any]:
        """field → what it was set to last; a rule that answered to the change stands behind it."""
        wanted = ("status", "priority", "assignee_id")
        return {
            str(e["field_name"]): e.get("value")
            for e in self.events
            if e.get("type") in ("Change", "Create") and e.get("field_name") in wanted
        }


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


def remark(audit: Mapping[str, Any], statuses: Mapping[str, str], people: Mapping[int, Account]) -> Remark:
    """The audit in our words. What has no counterpart is said, and changes nothing."""
    read = Reading.of(audit)
    fields: dict[str, tuple[str, ...]] = {}
    unknown: dict[str, str] = {}
    for name, value in read.values().items():
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
