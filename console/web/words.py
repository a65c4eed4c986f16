"""How times, platforms and states are said on a page. Pure."""

from datetime import UTC, datetime, timedelta, tzinfo
from urllib.parse import urlsplit

PLATFORMS = {"reddit": "Reddit", "x": "X", "feeds": "Feed", "feed": "Feed", "rss": "Feed", "zendesk": "Zendesk"}
SENTIMENTS = {"negative": "▼", "neutral": "●", "positive": "▲", "unscored": "○"}
ENTRY = {
    "note": "Internal note",
    "reply": "Reply",
    "withdrawn": "Taken back",
    "status": "Change",
    "system": "System",
    "deleted": "Deleted",
    "repost": "Passed on",
    "edit": "Edited",
    "skip": "Skipped",
    "handoff": "Handed over",
    "promise": "Promise",
    "merge": "Merged",
    "split": "Split",
    "link": "Linked",
    "survey": "Survey",
    "automation": "Automation",
    "contact": "Contact",
}
CHANNEL_STATES = {  # word -> (what it says, tone)
    "reading": ("Reading", "good"),
    "polling": ("Polling now", "good"),
    "new": ("Not read yet", "calm"),
    "waiting": ("Asked to wait", "calm"),
    "late": ("Late", "warn"),
    "failing": ("Failing", "bad"),
    "stopped": ("Needs you", "bad"),
    "paused": ("Paused", "calm"),
    "off": ("Off", "calm"),
}
SAID = {
    "saved": "Saved.",
    "bulk": "# changed.",
    "undone": "# put back as before.",
    "welcome": "Your password is set. Log in with it.",
    "same": "Nothing to change.",
    "taken": "Yours now. Left untouched it goes back to the others.",
    "nothing": "Nothing waits for you: no free ticket in your teams that you have not skipped.",
    "skipped": "Put back. It is not offered to you again for half a day.",
    "unread": "Marked unread, for you alone.",
    "kept": "View saved.",
    "dropped": "View deleted.",
    "noted": "Note added.",
    "draft": "Kept as a draft.",
    "split": "This is the new ticket; what stayed is on the one it was part of.",
    "leaves": "Your reply leaves in a moment; until then you can take it back.",
    "sent": "Your reply is on its way.",
    "withdrawn": "Taken back before it left. Your text is in the form again.",
    "ticket": "Queued: the ticket opens in a moment.",
    "ignore": "Ignored, with your name in the audit.",
    "spam": "Ignored as spam.",
    "notours": "Ignored: it is not about us.",
    "back": "Back in the list, as if nothing had been said.",
    "corrected": "Noted, with your name. The next `earmark learn` learns from it.",
    "late": "Somebody was quicker, or the post has changed: this one was decided already.",
    "revoked": "Revoked: no request with it is let in any more.",
    "now": "Brought forward: it goes out as soon as a worker takes it.",
    "target": "Unblocked. What waited for it goes out now.",
    "again": "Asked for. It is tried again as soon as a worker takes it.",
    "given-up": "Dropped. It stays in the list, and the drop can be taken back.",
    "reopened": "The drop is taken back.",
    "planned": "A worker judges history under the edit now; its report appears below.",
    "polling": "Asked for a poll. It starts within a second or two.",
    "paused": "Paused. Nothing is read until you resume; the time in between is caught up or listed as a gap.",
    "resumed": "Resumed.",
    "unknown": "There is no such channel, or it is switched off.",
}


def span(length: timedelta) -> str:
    """A length in its largest useful unit: `40 s`, `12 min`, `3 h`, `9 d`."""
    seconds = abs(length.total_seconds())
    if seconds < 60:
        return f"{int(seconds)} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min"
    if seconds < 48 * 3600:
        hours, minutes = int(seconds // 3600), int(seconds % 3600 // 60)
        return f"{hours} h {minutes} min" if hours < 3 and minutes else f"{hours} h"
    return f"{int(seconds // 86400)} d"


def ago(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return "never"
    if moment > now + timedelta(seconds=1):
        return f"in {span(moment - now)}"
    return "now" if now - moment < timedelta(seconds=1) else f"{span(now - moment)} ago"


def countdown(due: datetime | None, due_for: str, now: datetime) -> str:
    """The clock of a ticket, in words: `answer in 12 min`, `resolve 3 h late`."""
    if due is None:
        return ""
    return f"{due_for} {span(now - due)} late" if due < now else f"{due_for} in {span(due - now)}"


def pressure(due: datetime | None, now: datetime) -> str:
    """How loudly a clock is shown: late, soon (under half an hour), calm."""
    if due is None:
        return "calm"
    return "late" if due < now else "soon" if due - now < timedelta(minutes=30) else "calm"


def exact(moment: datetime, where: tzinfo = UTC) -> str:
    return moment.astimezone(where).strftime("%a %-d %b %Y, %H:%M:%S %Z")


def at(moment: datetime, where: tzinfo = UTC) -> str:
    return moment.astimezone(where).strftime("%-d %b %H:%M %Z")


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def platform(name: str) -> str:
    return PLATFORMS.get(name, name.replace("_", " ").capitalize())


def short(n: int) -> str:
    """A number where there is little room: 940, 1.2k, 38k, 4.1M."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if n >= size:
            value = n / size
            return f"{value:.0f}{letter}" if value >= 10 else f"{value:.1f}".rstrip("0").rstrip(".") + letter
    return str(n)


def web_link(url: str | None) -> str:
    """The address, if a page may link to it: http and https only."""
    if not url or any(ord(c) < 33 for c in url):
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in ("http", "https") and parts.hostname else ""


def amount(n: int, one: str, many: str = "") -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def typed(value: str) -> str:
    """Text from a form or an address as the database takes it: PostgreSQL has no NUL, people send none."""
    return value.replace("\x00", "")
