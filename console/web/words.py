"""How times, amounts, platforms and states are said on a page, in the reader's language (console/web/texts.py)."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from console.web.texts import N_, NN_, _, plural

PLATFORMS = {"reddit": "Reddit", "x": "X", "feeds": "Feed", "feed": "Feed", "rss": "Feed", "zendesk": "Zendesk"}
SENTIMENTS = {"negative": "▼", "neutral": "●", "positive": "▲", "unscored": "○"}
ENTRY = {
    "note": N_("Internal note"),
    "reply": N_("Reply"),
    "withdrawn": N_("Taken back"),
    "status": N_("Change"),
    "system": N_("System"),
    "deleted": N_("Deleted"),
    "repost": N_("Passed on"),
    "edit": N_("Edited"),
    "skip": N_("Skipped"),
    "handoff": N_("Handed over"),
    "promise": N_("Promise"),
    "merge": N_("Merged"),
    "split": N_("Split"),
    "link": N_("Linked"),
    "survey": N_("Survey"),
    "automation": N_("Automation"),
    "contact": N_("Contact"),
}
OUTCOMES = {"ignore": N_("ignored"), "review": N_("in review"), "ticket": N_("ticket")}
CHANNEL_STATES = {  # word -> (what it says, tone)
    "reading": (N_("Reading"), "good"),
    "polling": (N_("Polling now"), "good"),
    "new": (N_("Not read yet"), "calm"),
    "waiting": (N_("Asked to wait"), "calm"),
    "late": (N_("Late"), "warn"),
    "failing": (N_("Failing"), "bad"),
    "stopped": (N_("Needs you"), "bad"),
    "paused": (N_("Paused"), "calm"),
    "off": (N_("Off"), "calm"),
}
SAID = {
    "saved": N_("Saved."),
    "welcome": N_("Your password is set. Log in with it."),
    "same": N_("Nothing to change."),
    "taken": N_("Yours now. Left untouched it goes back to the others."),
    "nothing": N_("Nothing waits for you: no free ticket in your teams that you have not skipped."),
    "skipped": N_("Put back. It is not offered to you again for half a day."),
    "stays": N_("It stays with you."),
    "unread": N_("Marked unread, for you alone."),
    "kept": N_("View saved."),
    "dropped": N_("View deleted."),
    "noted": N_("Note added."),
    "draft": N_("Kept as a draft."),
    "split": N_("This is the new ticket; what stayed is on the one it was part of."),
    "leaves": N_("Your reply leaves in a moment; until then you can take it back."),
    "sent": N_("Your reply is on its way."),
    "withdrawn": N_("Taken back before it left. Your text is in the form again."),
    "ticket": N_("Queued: the ticket opens in a moment."),
    "ignore": N_("Ignored, with your name in the audit."),
    "spam": N_("Ignored as spam."),
    "notours": N_("Ignored: it is not about us."),
    "back": N_("Back in the list, as if nothing had been said."),
    "corrected": N_("Noted, with your name. The next `earmark learn` learns from it."),
    "late": N_("Somebody was quicker, or the post has changed: this one was decided already."),
    "revoked": N_("Revoked: no request with it is let in any more."),
    "now": N_("Brought forward: it goes out as soon as a worker takes it."),
    "posting-stopped": N_("Posting is stopped: nothing that customers read leaves until somebody lets it go on."),
    "posting-goes-on": N_("Posting goes on: what waited leaves now."),
    "target": N_("Unblocked. What waited for it goes out now."),
    "again": N_("Asked for. It is tried again as soon as a worker takes it."),
    "given-up": N_("Dropped. It stays in the list, and the drop can be taken back."),
    "reopened": N_("The drop is taken back."),
    "planned": N_("A worker judges history under the edit now; its report appears below."),
    "polling": N_("Asked for a poll. It starts within a second or two."),
    "paused": N_("Paused. Nothing is read until you resume; the time in between is caught up or listed as a gap."),
    "resumed": N_("Resumed."),
    "unknown": N_("There is no such channel, or it is switched off."),
}

COUNTED = {  # notices with a number of tickets
    "bulk": NN_("%(n)s ticket changed.", "%(n)s tickets changed."),
    "undone": NN_("%(n)s ticket put back as before.", "%(n)s tickets put back as before."),
}
NOUNS = {  # what pages count -> how an amount of it is said
    "batch": NN_("%(n)s batch", "%(n)s batches"),
    "change": NN_("%(n)s change", "%(n)s changes"),
    "channel": NN_("%(n)s channel", "%(n)s channels"),
    "complaint": NN_("%(n)s complaint", "%(n)s complaints"),
    "contact": NN_("%(n)s contact", "%(n)s contacts"),
    "customer": NN_("%(n)s customer", "%(n)s customers"),
    "decision": NN_("%(n)s decision", "%(n)s decisions"),
    "failure": NN_("%(n)s failure", "%(n)s failures"),
    "flag": NN_("%(n)s flag", "%(n)s flags"),
    "follower": NN_("%(n)s follower", "%(n)s followers"),
    "identity": NN_("%(n)s identity", "%(n)s identities"),
    "interaction": NN_("%(n)s interaction", "%(n)s interactions"),
    "item": NN_("%(n)s item", "%(n)s items"),
    "mention": NN_("%(n)s mention", "%(n)s mentions"),
    "open promise": NN_("%(n)s open promise", "%(n)s open promises"),
    "person": NN_("%(n)s person", "%(n)s people"),
    "post": NN_("%(n)s post", "%(n)s posts"),
    "receipt": NN_("%(n)s receipt", "%(n)s receipts"),
    "request": NN_("%(n)s request", "%(n)s requests"),
    "session": NN_("%(n)s session", "%(n)s sessions"),
    "step": NN_("%(n)s step", "%(n)s steps"),
    "team": NN_("%(n)s team", "%(n)s teams"),
    "ticket": NN_("%(n)s ticket", "%(n)s tickets"),
    "user": NN_("%(n)s user", "%(n)s users"),
    "watcher": NN_("%(n)s watcher", "%(n)s watchers"),
    "week": NN_("%(n)s week", "%(n)s weeks"),
    "worker": NN_("%(n)s worker", "%(n)s workers"),
}


def span(length: timedelta) -> str:
    """A length in its largest useful unit: `40 s`, `12 min`, `3 h`, `9 d`."""
    seconds = int(abs(length.total_seconds()))
    if seconds < 60:
        return _("%(n)s s", n=seconds)
    if seconds < 3600:
        return _("%(n)s min", n=seconds // 60)
    if seconds < 48 * 3600:
        hours, minutes = seconds // 3600, seconds % 3600 // 60
        if hours < 3 and minutes:
            return _("%(hours)s h %(minutes)s min", hours=hours, minutes=minutes)
        return _("%(n)s h", n=hours)
    return _("%(n)s d", n=seconds // 86400)


def ago(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return _("never")
    if moment > now + timedelta(seconds=1):
        return _("in %(span)s", span=span(moment - now))
    return _("now") if now - moment < timedelta(seconds=1) else _("%(span)s ago", span=span(now - moment))


def countdown(due: datetime | None, due_for: str, now: datetime) -> str:
    """The clock of a ticket, in words: `answer in 12 min`, `resolve 3 h late`."""
    if due is None:
        return ""
    if due < now:
        return _("%(what)s %(span)s late", what=_(due_for), span=span(now - due))
    return _("%(what)s in %(span)s", what=_(due_for), span=span(due - now))


def pressure(due: datetime | None, now: datetime) -> str:
    """How loudly a clock is shown: late, soon (under half an hour), calm."""
    if due is None:
        return "calm"
    return "late" if due < now else "soon" if due - now < timedelta(minutes=30) else "calm"


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def counted(topic: str, where: str, measure: str) -> str:
    """What a series counts, of what and where: `Negative mentions of northbank on Reddit`."""
    measured = {
        "negative": _("Negative mentions"),
        "neutral": _("Neutral mentions"),
        "positive": _("Positive mentions"),
        "all": _("All mentions"),
    }
    what = measured.get(measure) or _("Mentions: %(measure)s", measure=_(measure))
    if topic:
        what = _("%(what)s of %(topic)s", what=what, topic=topic)
    return _("%(what)s on %(platform)s", what=what, platform=platform(where)) if where else what


def platform(name: str) -> str:
    """Brands as they write themselves; a kind of contact (`call`) in the reader's language."""
    return PLATFORMS.get(name) or _(name.replace("_", " ").capitalize())


class Code(str):
    """A platform or a kind of contact by its code, as files have it; a page says its name."""


def web_link(url: str | None) -> str:
    """The address, if a page may link to it: http and https only."""
    if not url or any(ord(c) < 33 for c in url):
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in ("http", "https") and parts.hostname else ""


def amount(n: int, noun: str) -> str:
    """So many of what `NOUNS` names: `1,234 tickets`."""
    return plural(*NOUNS[noun], n)


def word(name: str) -> str:
    """A state, a priority, an intent as a page says it. What the configuration or a person named stays as it is."""
    return _(name)


def subject(said: str) -> str:
    """What stopped for good, as storage/dead.py names it: `mention 12`, `event 3`, or a target and its key."""
    kind, space, rest = said.partition(" ")
    return f"{_(kind) if rest.isdecimal() else kind}{space}{rest}"


def sentence(said: str | Exception) -> str:
    """A refusal that was written for the command line, as a sentence: with a capital and a full stop."""
    told = _(said)
    return f"{told[:1].upper()}{told[1:]}{'' if told.endswith('.') else '.'}"


def typed(value: str) -> str:
    """Text from a form or an address as the database takes it: PostgreSQL has no NUL, people send none."""
    return value.replace("\x00", "")
