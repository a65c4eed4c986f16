"""What we write to HubSpot and read from it, as JSON: contacts, tickets, notes with their associations. Pure.

https://developers.hubspot.com/docs/api-reference/crm-tickets-v3/guide · …/crm-notes-v3/guide · …/crm-associations-v4/guide
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from html import escape, unescape
from typing import Any

from connectors.contract import Contact
from connectors.outbound._text import clean
from domain.nouns import Notice

TYPES = {  # of "HUBSPOT_DEFINED" associations, https://developers.hubspot.com/docs/api-reference/crm-associations-v4/guide
    ("tickets", "contacts"): 16,
    ("notes", "contacts"): 202,
    ("notes", "tickets"): 228,
}
LONGEST = 65_536  # characters of a note or a text property
_TAG = re.compile(r"<[^>]*>")


def near(kind: str, **others: str) -> list[dict[str, Any]]:
    """The associations of a new record with those that are known."""
    return [
        {
            "to": {"id": id_},
            "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": TYPES[kind, other]}],
        }
        for other, id_ in others.items()
        if id_
    ]


def reference(key: str) -> str:
    """The last line of a note: activities have no property of ours to look for."""
    return f"ref {key}"


def bears(body: str, key: str) -> bool:
    """Whether a note is the one of this effect. HubSpot may rewrite its HTML, not its words."""
    lines = [line.strip() for line in unescape(_TAG.sub("\n", body or "")).splitlines() if line.strip()]
    return bool(lines) and lines[-1] == reference(key)


def note(text: str, notice: Notice) -> str:
    """A note's HTML: the text, where the whole of it is, the reference. What does not fit is cut before the last lines."""
    url = str(notice.body.get("url") or "")
    link = f'<p>In Earmark: <a href="{escape(url)}">{escape(url)}</a></p>' if url else ""
    tail = f"{link}<p>{escape(reference(notice.key))}</p>"
    return _html(clean(text).strip() or "(no text)", LONGEST - len(tail)) + tail


def _html(text: str, room: int) -> str:
    """Paragraphs of a text, as many characters of it as fit once escaped; a cut is said."""
    whole = _paragraphs(text)
    if len(whole) <= room:
        return whole
    cut = _paragraphs("[cut: the whole text is in Earmark]")
    low, high = 0, len(text)
    while low < high:  # escaping makes texts longer by what is in them
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(_paragraphs(text[:middle])) + len(cut) <= room else (low, middle - 1)
    return _paragraphs(text[:low]) + cut


def _paragraphs(text: str) -> str:
    return "".join(
        f"<p>{escape(part, quote=False).replace(chr(10), '<br>')}</p>" for part in text.split("\n\n") if part.strip()
    )


def said(notice: Notice) -> str:
    """What a notice tells, in plain text: the posts with their sources, the reasons."""
    body = notice.body
    parts = [str(body.get("text") or "")]
    mentions: list[Mapping[str, Any]] = [
        *(body.get("mentions") or []),
        *([body["mention"]] if body.get("mention") else []),
    ]
    for one in mentions:
        if one.get("text") and str(one["text"]) not in parts:
            parts.append(str(one["text"]))
        parts.append(" · ".join(str(one[name]) for name in ("platform", "author", "published", "url") if one.get(name)))
    if body.get("reasons"):
        parts.append("Why: " + " ".join(str(reason) for reason in body["reasons"]))
    return "\n\n".join(part for part in map(clean, parts) if part.strip())


def when(notice: Notice, now: datetime) -> str:
    """Where an activity stands on the contact's timeline: when the post was published, else now."""
    told = [notice.body.get("mention"), *(notice.body.get("mentions") or [])]
    return next((str(one["published"]) for one in told if one and one.get("published")), None) or now.isoformat()


def names(whole: str) -> dict[str, str]:
    """First and last name as HubSpot keeps them; of one word it is the last name, which lists show."""
    first, _, last = clean(whole).strip().rpartition(" ")
    return {name: part.strip()[:255] for name, part in (("firstname", first), ("lastname", last)) if part.strip()}


def contact(found: Mapping[str, Any], fields: Mapping[str, str], ours: str) -> Contact:
    """A record of theirs in our words. `fields`: property → field of ours; `ours`: the property that holds our customer's id."""
    held = {
        name: clean(str(value)).strip()
        for name, value in (found.get("properties") or {}).items()
        if value not in (None, "")
    }
    merged = tuple(part for part in held.get("hs_merged_object_ids", "").split(";") if part.strip())
    return Contact(
        remote_id=str(found["id"]),
        name=" ".join(part for part in (held.get("firstname"), held.get("lastname")) if part),
        emails=_once([held.get("email", ""), *held.get("hs_additional_emails", "").split(";")]),
        phones=_once([held.get("phone", ""), held.get("mobilephone", "")]),
        fields={name: held[there] for there, name in fields.items() if there in held},
        was=merged,
        customer=int(held[ours]) if held.get(ours, "").isdigit() else None,
    )


def _once(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value.strip() for value in values if value.strip()))


def stamped(value: str) -> int:
    """A time of theirs as milliseconds since 1970."""
    return (
        int(value)
        if value.isdigit()
        else round(datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp() * 1000)
    )
