"""Filing what was decided, in the caller's transaction: the verdict and its receipt, the ticket it opens or joins, what each desk is owed.

Deciding is over when this page begins; it looks up who the author is and which ticket is open, and writes.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from sqlalchemy import Connection

from domain.copies import sketch
from domain.lifecycle import GRAVE
from domain.nouns import Stored, Verdict
from domain.quick import quick
from domain.rules import ServiceLevel
from domain.urgency import TROUBLE
from storage import bulk, copies, customers, filing, outbox, reposts, runs
from storage.entries import write as write_entries
from storage.keys import native

COPIES_SECONDS = (
    30 * 86_400.0
)  # an author's copy joins the ticket of the first while that is open and was active within


@dataclass(frozen=True, slots=True)
class Desk:
    """What filing needs to know of a desk: its name and which tickets it is owed."""

    name: str
    teams: tuple[str, ...] = ()
    priorities: tuple[str, ...] = ()

    def wants(self, verdict: Verdict) -> bool:
        return (not self.teams or verdict.team in self.teams) and (
            not self.priorities or verdict.priority in self.priorities
        )


@dataclass(frozen=True, slots=True)
class Desktop:
    """The part of the configuration in force that filing needs, and the judge made from it."""

    judge: Callable[[Stored], Verdict]
    topics: tuple[str, ...]
    levels: dict[str, ServiceLevel]
    desks: tuple[Desk, ...] = ()
    linkable: frozenset[str] = frozenset()  # platforms whose policy lets accounts be matched with other identifiers
    console_url: str = ""
    asks_standing: bool = False  # whether a rule wants to know who the author is to us
    same_case: float = (
        0  # seconds a ticket stays open to the same customer's posts about the same thing; 0: only conversations join
    )
    reopen: float = 0  # seconds after resolving in which a post reopens the ticket


@quick(frozen=True, slots=True)
class Decided:
    stored: Stored
    verdict: Verdict


def file(connection: Connection, run: runs.Run, desktop: Desktop, lease: str, decided: Sequence[Decided]) -> set[str]:
    """File a batch of decisions; returns the targets that are owed something now."""
    held = filing.take(connection, lease, [item.stored.id for item in decided])
    ours = [item for item in decided if held.get(item.stored.id) == item.stored.version]
    strangers: set[int] = set()
    people = _authors(connection, ours, strangers)
    later = [item for item in ours if item.stored.version > 1]
    linked = filing.linked(connection, [item.stored.id for item in later]) if later else {}
    effects = _file_tickets(connection, run, desktop, ours, people, linked, strangers)
    _join_reposts(connection, run, ours)
    before = filing.counted_before(connection, [item.stored.id for item in later]) if later else {}
    deltas: Counter[tuple[str, str, str, str]] = Counter()
    filing.decide(connection, run, [_decision(item, people, before, deltas) for item in ours])
    outbox.owe_many(connection, run, effects, fresh=True)
    filing.count(connection, deltas)
    return {effect.target for effect in effects}


def _author_key(item: Decided) -> filing.Key | None:
    author = item.stored.mention.attributed_to
    return None if author is None else (item.stored.mention.platform, item.stored.mention.origin, author.native_id)


def _authors(connection: Connection, ours: Sequence[Decided], strangers: set[int]) -> dict[int, int]:
    """mention id → identity id of its author, where there is one; `strangers` takes the identities that are new."""
    rows: dict[filing.Key, dict[str, Any]] = {}
    keys: dict[int, filing.Key] = {}
    for item in ours:
        author, key = item.stored.mention.attributed_to, _author_key(item)
        if author is not None and key is not None:
            keys[item.stored.id] = key
            rows[key] = {
                "platform": key[0],
                "origin": key[1],
                "native_id": key[2],
                "handle": author.handle,
                "name": author.name,
                "url": author.url,
                "followers": author.followers,
            }
    found = filing.identities(connection, list(rows.values()), strangers)
    return {id_: found[key] for id_, key in keys.items()}


def _customers(
    connection: Connection, desktop: Desktop, items: Sequence[Decided], people: dict[int, int], strangers: set[int]
) -> tuple[dict[int, int], set[int]]:
    """identity id → customer id for the authors of tickets: known, matched by an exact attested identifier, or new; and those that are
    new to everybody."""
    wanted = {people[item.stored.id]: item.stored.mention for item in items if item.stored.id in people}
    owned = filing.customers_of(connection, [one for one in wanted if one not in strangers], hold=True)
    named = {}
    who = {}
    for identity, mention in wanted.items():
        author = mention.attributed_to
        if identity not in owned and author is not None:
            named[identity] = author.name or author.handle or author.native_id
            link = mention.platform in desktop.linkable
            who[identity] = customers.Who(mention.platform, mention.origin, author.native_id, author.handle, link)
    newcomers: set[int] = set()
    if named:
        known = customers.match(connection, who.values())
        matched = {
            identity: (known[one.key].customer_id, known[one.key].evidence)
            for identity, one in who.items()
            if one.key in known
        }
        made = filing.make_customers(connection, named, matched, strangers)
        newcomers = {made[one] for one in named if one in strangers and one not in matched}
        owned |= made
    return owned, newcomers


def _file_tickets(
    connection: Connection,
    run: runs.Run,
    desktop: Desktop,
    ours: Sequence[Decided],
    people: dict[int, int],
    linked: dict[int, int],
    strangers: set[int],
) -> list[outbox.Effect]:
    """Open or append. A mention that was filed before (an edit, a deletion) gets an entry on its ticket instead."""
    again_ = [item for item in ours if item.stored.id in linked]
    items = [item for item in ours if item.verdict.outcome == "ticket" and item.stored.id not in linked]
    if not items and not again_:
        return []
    owners, newcomers = _customers(connection, desktop, items, people, strangers)
    keys = {
        item.stored.id: (item.stored.mention.conversation, owners.get(people.get(item.stored.id, -1))) for item in items
    }
    cases = (
        {key: case for item in items if (case := _case(item, (key := keys[item.stored.id])[1]))}
        if desktop.same_case
        else {}
    )
    told = copies.again(connection, _told(items, keys, people, strangers))
    cases = {keys[id_]: one.key for id_, one in told.items()} | cases
    where, made, reopened = filing.open_tickets(
        connection,
        list(keys.values()),
        cases,
        desktop.same_case or COPIES_SECONDS,
        desktop.reopen,
        newcomers,
        linked.values(),
    )
    first: dict[int, Decided] = {}
    for item in items:
        first.setdefault(where[keys[item.stored.id]], item)
    touched = [where[key] for key in keys.values() if where[key] not in made] + list(linked.values())
    grave = [where[keys[item.stored.id]] for item in items if item.verdict.priority in GRAVE]
    known = filing.appended(connection, touched, reopened, grave) if touched else {}
    numbers = filing.tickets(
        connection,
        run,
        [_ticket_row(id_, first[id_], keys[first[id_].stored.id][1], desktop) for id_ in sorted(made)],
    )
    filing.link(connection, run, [(where[keys[item.stored.id]], item.stored.id) for item in items])

    richer = {
        where[keys[item.stored.id]]: subject(item.stored)
        for item in items
        if (one := told.get(item.stored.id)) and one.richer and where[keys[item.stored.id]] not in made
    }
    if richer:
        copies.headlines(connection, richer)
    todo = [(item, where[keys[item.stored.id]], "mention") for item in items]
    todo += [(item, linked[item.stored.id], "deleted" if item.stored.mention.deleted else "edit") for item in again_]
    entries = filing.enter(
        connection,
        run,
        [
            {"ticket_id": ticket, "kind": kind, "mention_id": item.stored.id, "version": item.stored.version}
            for item, ticket, kind in todo
        ],
    )
    _say_woken(connection, run, known)
    effects = []
    for (item, ticket, kind), entry in zip(todo, entries, strict=True):
        if ticket in made:
            number = numbers[ticket]
            targets = _targets(desktop, first[ticket].verdict)
        else:
            row = known.get(ticket)
            if row is None:
                continue
            number, targets = row.number, row.targets
        opens = ticket in made and first[ticket] is item
        for target in targets:
            effects.append(_effect(desktop, target, number, ticket, entry, item, kind, opens, keys))
    return effects


def _join_reposts(connection: Connection, run: runs.Run, ours: Sequence[Decided]) -> None:
    """What repeats a ticket's post is told on that ticket, whichever of the two was judged first."""
    found = [
        reposts.Repost(item.stored.id, item.stored.version, mention.platform, mention.origin, mention.repost_of)
        for item in ours
        if (mention := item.stored.mention).repost_of and item.verdict.reason == "repost"
    ]
    opened = [item.stored.id for item in ours if item.verdict.outcome == "ticket"]
    if found or opened:
        reposts.join(connection, run, found, opened)


def _told(
    items: Sequence[Decided], keys: dict[int, filing.Conversation], people: dict[int, int], strangers: set[int]
) -> list[copies.Told]:
    """What may be a copy of something its author said before; a text without a known author, or too short, is none."""
    found = []
    for item in items:
        mention, id_ = item.stored.mention, item.stored.id
        author = mention.attributed_to
        if author is not None and keys[id_][1] is not None and (made := sketch(mention.text)):
            first = people.get(id_) in strangers
            found.append(copies.Told(id_, mention.platform, native(author.native_id), made, first))
    return found


def _case(item: Decided, customer: int | None) -> str:
    """What a post is about, for joining the customer's open ticket about the same; empty where that cannot be said."""
    if customer is None or not item.stored.topics or item.verdict.intent in ("", "other"):
        return ""
    return f"case:{item.stored.topics[0]}:{item.verdict.intent}"


def _say_woken(connection: Connection, run: runs.Run, known: dict[int, Any]) -> None:
    """A ticket that was resolved or muted and is open again says so."""
    woken = [row for row in known.values() if row.was in ("resolved", "muted") and row.status == "open"]
    write_entries(connection, run, [
        {"ticket_id": row.id, "kind": "status", "body": f"status {row.was} → open: the customer wrote again",
         "detail": {"status": [row.was, "open"], "event": "reopened", "rule": {"name": "casework.reopen", "matched": {"status": row.was}}}}
        for row in woken
    ])  # fmt: skip


def _targets(desktop: Desktop, verdict: Verdict) -> list[str]:
    return [desk.name for desk in desktop.desks if desk.wants(verdict)]


def subject(stored: Stored) -> str:
    """The first line of what was said, at most 120 characters."""
    line = next((line.strip() for line in stored.mention.text.splitlines() if line.strip()), "")
    return line if len(line) <= 120 else line[:119].rstrip() + "…"


def _ticket_row(id_: int, item: Decided, customer: int | None, desktop: Desktop) -> dict[str, Any]:
    verdict = item.verdict
    level = desktop.levels[verdict.priority]
    return {
        "id": id_,
        "customer_id": customer,
        "subject": subject(item.stored) or f"{item.stored.mention.platform} {item.stored.mention.native_id}",
        "priority": verdict.priority,
        "team": verdict.team,
        "intent": verdict.intent,
        "topic": item.stored.topics[0] if item.stored.topics else "",
        "platform": item.stored.mention.platform,
        "label": verdict.sentiment.label,
        "targets": _targets(desktop, verdict),
        "first": verdict.first or level.first,
        "resolve": verdict.resolve or level.resolve,
        "tags": list(verdict.tags),
    }


def said(stored: Stored) -> dict[str, Any]:
    """A mention as a notice carries it."""
    mention, author = stored.mention, stored.mention.attributed_to
    return {
        "platform": mention.platform,
        "url": mention.url,
        "author": (author.name or author.handle or author.native_id) if author else "",
        "text": mention.text,
        "published": mention.published.isoformat(),
    }


def _effect(
    desktop: Desktop,
    target: str,
    number: int,
    ticket: int,
    entry: int,
    item: Decided,
    kind: str,
    opens: bool,
    keys: dict[int, filing.Conversation],
) -> outbox.Effect:
    url = f"{desktop.console_url}/tickets/{number}"
    if not opens:
        lead = {"edit": "The author edited the post.", "deleted": "The author deleted the post."}.get(kind, "")
        body: dict[str, Any] = {"number": number, "text": lead or item.stored.mention.text, "public": False}
        if not item.stored.mention.deleted:
            body["mention"] = said(item.stored)
        return outbox.Effect(target, "ticket.comment", f"em-e{entry}-{target}", body, ticket, entry)
    mention = said(item.stored)
    body = {
        "number": number,
        "subject": subject(item.stored),
        "text": mention["text"],
        "priority": item.verdict.priority,
        "team": item.verdict.team,
        "customer": {"id": keys[item.stored.id][1], "name": mention["author"]},
        "mentions": [mention],
        "reasons": list(item.verdict.reasons),
        "url": url,
    }
    return outbox.Effect(target, "ticket.create", f"em-{number}-{target}-create", body, ticket)


def negative(verdict: Verdict) -> bool:
    """What a negative spike is made of: a bad mood, or trouble told in words no lexicon scores ("the app is down")."""
    label = verdict.sentiment.label
    return label == "negative" or (label in ("neutral", "unscored") and verdict.intent in TROUBLE)


def counted(stored: Stored, verdict: Verdict) -> list[list[str]]:
    """What a verdict adds to the per-minute counts: [topic, measure, minute]. Our own posts and deletions add nothing."""
    if verdict.reason == "own-account" or stored.mention.deleted:
        return []
    minute = stored.mention.published.astimezone(UTC).isoformat(timespec="minutes")
    measures = ["reposts"] if verdict.reason == "repost" else ["all"]
    if measures == ["all"] and negative(verdict):
        measures.append("negative")
    before = ":before" if stored.backfill else ""
    return [[topic, measure + before, minute] for topic in stored.topics for measure in measures]


def _decision(
    item: Decided, people: dict[int, int], before: dict[int, str], deltas: Counter[tuple[str, str, str, str]]
) -> filing.Decision:
    stored, verdict = item.stored, item.verdict
    adds, platform = counted(stored, verdict), stored.mention.platform
    was = before.get(stored.id)
    if stored.mention.deleted and was is not None:  # what was counted stays counted: it was said
        adds = bulk.loads(was)
    else:
        for topic, measure, minute in adds:
            deltas[topic, platform, measure, minute] += 1
        for topic, measure, minute in bulk.loads(was) if was is not None else ():
            deltas[topic, platform, measure, minute] -= 1
    felt = verdict.sentiment
    row = (
        verdict.reason,
        verdict.intent,
        verdict.priority,
        verdict.team,
        stored.topics[0] if stored.topics else "",
        verdict.language,
        felt.label,
        felt.compound,
        felt.scorer,
    )
    receipt = bulk.dumps({**verdict.receipt, "reasons": verdict.reasons})
    id_ = stored.id
    return filing.Decision(
        id_, stored.version, verdict.outcome, people.get(id_), row, receipt, bulk.dumps(adds) if adds else "[]"
    )
