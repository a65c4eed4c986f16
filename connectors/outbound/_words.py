"""A notice as a person reads it: a headline, and plain text in which what outsiders wrote is quoted and never anything but text."""

from collections.abc import Mapping
from typing import Any

from connectors.outbound._text import clean, cut
from domain.nouns import Notice

HEADLINE_LIMIT = 200
QUOTE_LIMIT = 16_000
_FLAGS = {
    "flag.open": "Flag raised",
    "flag.update": "Flag grew",
    "flag.close": "Flag closed",
    "flag.ack": "Acknowledged",
}
_ACTS = {"ack": "Acknowledge", "useful": "It was useful", "noise": "It was noise", "late": "It was too late"}


def headline(notice: Notice) -> str:
    """One line, whatever the customer's words hold: a line break in a header would begin a header of their own."""
    body = notice.body
    if notice.kind in _FLAGS:
        said = f"{_FLAGS[notice.kind]}: {body.get('rule', '')} on {body.get('series', '')}"
    elif notice.kind.startswith("ticket."):
        number = f"[{body['number']}] " if body.get("number") is not None else ""
        said = number + str(body.get("subject") or _ticket_word(notice))
    else:
        said = str(body.get("title") or body.get("subject") or notice.kind)
    return cut(" ".join(clean(said).split()), HEADLINE_LIMIT, "…").replace("\n", " ") or "(no subject)"


def plain(notice: Notice, quote: str = "> ") -> str:
    """The whole of it. `quote` marks lines that somebody else wrote."""
    parts = _flag(notice.body, quote) if notice.kind in _FLAGS else _ticket(notice.body, quote)
    if notice.body.get("url"):
        parts.append(f"In Earmark: {_line(notice.body['url'])}")
    acts: Mapping[str, Any] = notice.body.get("acts") or {}  # signed links
    parts.append("\n".join(f"{_ACTS[act]}: {_line(address)}" for act, address in acts.items() if act in _ACTS))
    return "\n\n".join(part for part in parts if part.strip()) or "(no text)"


def _ticket_word(notice: Notice) -> str:
    return {"ticket.create": "New ticket", "ticket.status": "Status changed"}.get(notice.kind, "Ticket updated")


def _ticket(body: Mapping[str, Any], quote: str) -> list[str]:
    mention: Mapping[str, Any] = body.get("mention") or {}
    said, post = str(body.get("text") or ""), str(mention.get("text") or "")
    customer: Mapping[str, Any] = body.get("customer") or {}
    facts = [
        f"{label}: {_line(value)}"
        for label, value in (
            ("Customer", customer.get("name")),
            ("Priority", body.get("priority")),
            ("Team", body.get("team")),
            ("Status", body.get("status")),
        )
        if value
    ]
    parts = ["\n".join(facts), quoted(said, quote), quoted(post, quote) if post != said else ""]
    parts.append("\n".join(_source(one) for one in [*(body.get("mentions") or []), mention] if _source(one)))
    if body.get("reasons"):
        parts.append("Why: " + " ".join(_line(reason) for reason in body["reasons"]))
    return parts


def _flag(body: Mapping[str, Any], quote: str) -> list[str]:
    window: Mapping[str, Any] = body.get("window") or {}
    facts = [
        f"{label}: {_line(value)}"
        for label, value in (
            ("By", body.get("acknowledged_by")),
            ("Severity", body.get("severity")),
            ("From", window.get("from")),
            ("To", window.get("to")),
            ("Count", body.get("count")),
            ("Usual", body.get("baseline")),
            ("Threshold", body.get("threshold")),
        )
        if value is not None
    ]
    said = [str(body[key]) for key in ("text", "advice") if body.get(key)]  # an alarm about a channel speaks in words
    samples = [one.get("text") if isinstance(one, Mapping) else one for one in body.get("samples") or []]
    return [*map(clean, said), "\n".join(facts), *(quoted(str(sample), quote) for sample in samples if sample)]


def _source(mention: Mapping[str, Any]) -> str:
    return " · ".join(_line(mention[k]) for k in ("platform", "author", "published", "url") if mention.get(k))


def quoted(text: str, mark: str = "> ") -> str:
    """Each line marked, so that nothing an outsider wrote reads as ours."""
    kept = cut(clean(text), QUOTE_LIMIT, "[cut: the whole text is in Earmark]").strip()
    return "\n".join(mark + line for line in kept.splitlines()) if kept else ""


def _line(value: Any) -> str:
    return " ".join(clean(str(value)).split())
