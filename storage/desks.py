"""Desks that speak back: which of their tickets to read again, and what was read, taken over once.

A change there is a row of `desk_events`; what it leads to is written in the same transaction, fenced by the link's lease and version.
Which side holds when both changed a field is decided in domain/desks.py.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal, Protocol
from uuid import UUID

from sqlalchemy import Connection, text

from domain.desks import Field, Said, settle
from storage import bulk, casework, entries, outbox, runs
from storage.casework import LONGEST_NOTE, OWNERS, Change, Hand, Held
from storage.ledger import one, rows

GONE_AFTER = timedelta(hours=1)  # between two sightings of nothing
PUSHES = 3  # in ten minutes, of one ticket: after that the desk holds, or a rule over there and we would never end
Outcome = Literal["applied", "same", "stale", "lost", "gone"]


class Change_(Protocol):
    """A remark as connectors/contract.py has it."""

    event_id: str
    by: str
    email: str
    key: str
    text: str
    public: bool
    fields: Mapping[str, tuple[str, ...]]
    unknown: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Link:
    """A desk's ticket, ours to read until the lease ends. `version` and `wanted_at` as they stood when it was taken."""

    ticket_id: int
    target: str
    remote_id: str
    version: int
    wanted_at: datetime
    lease: UUID
    failures: int


@dataclass(frozen=True, slots=True, order=True)
class Listened:
    """A desk that is asked for something (tickets, contacts) every so many seconds. `fields`: custom fields of ours it has too."""

    target: str
    what: str
    every: int
    fields: tuple[str, ...] = ()


def configure(connection: Connection, wanted: Iterable[Listened]) -> None:
    """Make the table say which desks are listened to, for what, and how often they are asked."""
    listed = sorted(wanted)
    for row in listed:
        connection.execute(
            text(
                "INSERT INTO desk_syncs (target, what, every, fields) VALUES (:target, :what, :every, :fields) ON CONFLICT (target, what) "
                "DO UPDATE SET enabled = true, every = excluded.every, fields = excluded.fields WHERE NOT desk_syncs.enabled "
                "OR desk_syncs.every <> excluded.every OR desk_syncs.fields <> excluded.fields"
            ),
            {"target": row.target, "what": row.what, "every": row.every, "fields": list(row.fields)},
        )
    connection.execute(
        text(
            "UPDATE desk_syncs SET enabled = false WHERE enabled AND (target, what) NOT IN "
            "(SELECT * FROM unnest(CAST(:names AS text[]), CAST(:whats AS text[])))"
        ),
        {"names": [row.target for row in listed], "whats": [row.what for row in listed]},
    )


_CALLABLE = "t.enabled AND t.blocked IS NULL AND (t.open_until IS NULL OR t.open_until <= now())"
_READABLE = "l.wanted_at <= now() AND l.broken_at IS NULL AND (l.lease_until IS NULL OR l.lease_until < now())"


def due(connection: Connection) -> list[str]:
    """Desks to ask, or with tickets to read."""
    found = rows(
        connection,
        f"SELECT DISTINCT s.target FROM desk_syncs s JOIN targets t ON t.name = s.target AND {_CALLABLE} WHERE s.enabled AND (s.due <= now() "  # noqa: S608 our own text
        f"OR s.what = 'tickets' AND EXISTS (SELECT 1 FROM desk_links l WHERE l.target = s.target AND {_READABLE})) ORDER BY 1",
    )
    return [row["target"] for row in found]


def ask(
    connection: Connection, target: str, what: str = "tickets", *, now: bool = False
) -> tuple[dict[str, Any], int] | None:
    """Whether a pull is due, and from where; nobody else pulls until the next is. None: not yet.

    The first of tickets starts where the oldest link or our knowledge of the desk begins: a time out of the ledger, an hour early for its
    clock. The first of contacts starts with them all.
    """
    found = rows(
        connection,
        "UPDATE desk_syncs s SET due = now() + make_interval(secs => s.every) WHERE target = :target AND what = :what AND enabled "
        "AND (due <= now() OR :now) RETURNING state, version, CASE WHEN what = 'tickets' THEN CAST(extract(epoch FROM "
        "least(since, (SELECT min(l.at) FROM desk_links l WHERE l.target = s.target))) AS bigint) - 3600 ELSE 0 END AS start",
        target=target,
        what=what,
        now=now,
    )
    return (found[0]["state"] or {"since": found[0]["start"]}, found[0]["version"]) if found else None


def moved(connection: Connection, target: str, what: str, version: int, state: Any) -> int | None:
    """Keep where the next pull starts, in the transaction that took what this one told. None: somebody else pulled; else the new version."""
    new: int | None = one(
        connection,
        "UPDATE desk_syncs SET state = CAST(:state AS jsonb), version = version + 1, pulled_at = now(), error = NULL "
        "WHERE target = :target AND what = :what AND version = :version RETURNING version",
        target=target,
        what=what,
        version=version,
        state=bulk.dumps(state),
    )
    return new


def said(connection: Connection, target: str, error: str, what: str = "tickets") -> None:
    """Why the last pull came to nothing."""
    connection.execute(
        text("UPDATE desk_syncs SET error = :error WHERE target = :target AND what = :what"),
        {"target": target, "what": what, "error": error[:2000]},
    )


def heard(connection: Connection, target: str, remote_ids: Sequence[str]) -> int:
    """These may have changed: read them again. Those that are not ours are nobody's business. A hint during a reading asks for another."""
    found = rows(
        connection,
        "UPDATE desk_links SET wanted_at = CASE WHEN wanted_at > now() THEN wanted_at ELSE clock_timestamp() END "
        "WHERE (ticket_id, target) IN (SELECT ticket_id, target FROM desk_links WHERE target = :target AND remote_id = ANY(:ids) "
        "AND broken_at IS NULL ORDER BY ticket_id FOR UPDATE) RETURNING 1",
        target=target,
        ids=sorted(set(remote_ids)),
    )
    if found:
        connection.execute(text("SELECT pg_notify('earmark', :told)"), {"told": f"sync:{target}"})
    return len(found)


def stray(connection: Connection, ticket_ids: Sequence[int]) -> int:
    """Tickets on which something happened here that the desk was not told of (a post woke one, a rule gave it to somebody): look at them,
    and what differs is told. A post itself is told; what it does to the status is not."""
    found = rows(
        connection,
        "UPDATE desk_links d SET wanted_at = clock_timestamp() FROM (SELECT l.ticket_id, l.target FROM desk_links l "
        "WHERE l.ticket_id = ANY(:ids) AND l.wanted_at IS NULL AND l.broken_at IS NULL "
        "AND EXISTS (SELECT 1 FROM desk_syncs s WHERE s.target = l.target AND s.what = 'tickets' AND s.enabled) "
        "AND EXISTS (SELECT 1 FROM entries e LEFT JOIN runs r ON r.id = e.run_id WHERE e.ticket_id = l.ticket_id "
        "AND e.at > coalesce(l.read_at, l.at) - interval '1 minute' AND r.kind IS DISTINCT FROM 'sync' AND (e.kind = 'mention' "
        "OR e.detail ?| ARRAY['status', 'priority', 'assignee_id', 'tags', 'fields'] AND NOT EXISTS ("
        "SELECT 1 FROM outbox o WHERE o.entry_id = e.id AND o.target = l.target))) ORDER BY l.ticket_id, l.target FOR UPDATE) l "
        "WHERE d.ticket_id = l.ticket_id AND d.target = l.target RETURNING d.target",
        ids=sorted(set(ticket_ids)),
    )
    for target in sorted({row["target"] for row in found}):
        connection.execute(text("SELECT pg_notify('earmark', :told)"), {"told": f"sync:{target}"})
    return len(found)


def claim(connection: Connection, target: str, lease_seconds: float) -> Link | None:
    """The ticket that waits longest for being read."""
    found = rows(
        connection,
        f"""UPDATE desk_links SET lease = gen_random_uuid(), lease_until = now() + make_interval(secs => :seconds)
        WHERE (ticket_id, target) = (SELECT l.ticket_id, l.target FROM desk_links l WHERE l.target = :target AND {_READABLE}
            ORDER BY l.wanted_at, l.ticket_id LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING ticket_id, target, remote_id, version, wanted_at, lease, failures""",  # noqa: S608 our own text
        target=target,
        seconds=lease_seconds,
    )
    return Link(**found[0]) if found else None


def failed(connection: Connection, link: Link, delay: timedelta) -> None:
    """Reading it came to nothing: again later."""
    connection.execute(
        text(
            "UPDATE desk_links SET lease = NULL, lease_until = NULL, failures = failures + 1, wanted_at = now() + :delay "
            "WHERE ticket_id = :ticket AND target = :target AND lease = :lease"
        ),
        {"ticket": link.ticket_id, "target": link.target, "lease": link.lease, "delay": delay},
    )


def missing(connection: Connection, link: Link, worker: str) -> Outcome:
    """The desk does not have it. Said twice, an hour apart, it is believed: the ticket goes on here alone."""
    if _held(connection, link) is None:
        return "lost"
    since = one(
        connection,
        "UPDATE desk_links SET lease = NULL, lease_until = NULL, missing_at = coalesce(missing_at, now()), "
        "wanted_at = CASE WHEN missing_at < now() - :after THEN NULL ELSE now() + :after END, "
        "broken_at = CASE WHEN missing_at < now() - :after THEN now() END "
        "WHERE ticket_id = :ticket AND target = :target RETURNING broken_at",
        ticket=link.ticket_id,
        target=link.target,
        after=GONE_AFTER,
    )
    if since is not None:
        run = runs.start(connection, "sync", worker)
        body = f"{link.target} no longer has this ticket ({link.remote_id}). It goes on here alone; nothing was made anew there."
        entries.write(connection, run, [{"ticket_id": link.ticket_id, "kind": "system", "body": body,
                                         "detail": {"desk": link.target, "event": "desk_gone"}}])  # fmt: skip
        runs.finish(connection, run)
    return "gone"


def apply(connection: Connection, link: Link, remarks: Sequence[Change_], worker: str) -> Outcome:
    """Take over what is new of a ticket's changes, all of which were read after the link was claimed.

    `stale`: something of ours arrived there meanwhile, so it is to be read again; `lost`: somebody else reads it.
    """
    number = one(connection, "SELECT number FROM tickets WHERE id = :id", id=link.ticket_id)
    if number is None:
        return "lost"
    ticket = casework.locked(connection, number)
    current = _held(connection, link)
    if current is None:
        return "lost"
    if current["version"] != link.version:
        _let_go(connection, link, keep=True)
        return "stale"
    work = _Taking(connection, link, ticket, worker, remarks)
    changed = work.take()
    _let_go(connection, link, keep=current["wanted_at"] != link.wanted_at)
    return "applied" if changed else "same"


def _held(connection: Connection, link: Link) -> Mapping[str, Any] | None:
    """The link's row, locked, while the lease and the desk's ticket are those of `link`."""
    found = rows(
        connection,
        "SELECT version, wanted_at FROM desk_links WHERE ticket_id = :ticket AND target = :target AND lease = :lease "
        "AND remote_id = :remote FOR UPDATE",
        ticket=link.ticket_id,
        target=link.target,
        lease=link.lease,
        remote=link.remote_id,
    )
    return found[0] if found else None


def _let_go(connection: Connection, link: Link, *, keep: bool) -> None:
    connection.execute(
        text(
            "UPDATE desk_links SET lease = NULL, lease_until = NULL, read_at = now(), failures = 0, missing_at = NULL, "
            "wanted_at = CASE WHEN :keep THEN wanted_at END WHERE ticket_id = :ticket AND target = :target"
        ),
        {"ticket": link.ticket_id, "target": link.target, "keep": keep},
    )


class _Taking:
    """One ticket's changes on their way in, the ticket and its link locked."""

    def __init__(
        self, connection: Connection, link: Link, ticket: Held, worker: str, remarks: Sequence[Change_]
    ) -> None:
        self.connection, self.link, self.ticket, self.worker = connection, link, ticket, worker
        self.remarks = list({remark.event_id: remark for remark in remarks}.values())
        self.run = runs.start(connection, "sync", worker)
        where = {"target": link.target, "remote": link.remote_id, "ticket": link.ticket_id}
        known = rows(
            connection,
            "SELECT event_id, overruled FROM desk_events WHERE target = :target AND remote_id = :remote",
            target=where["target"],
            remote=where["remote"],
        )
        self.known: dict[str, set[str]] = {row["event_id"]: set(row["overruled"]) for row in known}
        owed = rows(
            connection,
            "SELECT key, kind, state, notice FROM outbox WHERE ticket_id = :ticket AND target = :target",
            ticket=where["ticket"],
            target=where["target"],
        )
        self.keys = {row["key"] for row in owed}
        seen = {remark.key for remark in self.remarks if remark.key in self.keys}
        self.pending = {
            name
            for row in owed
            if row["kind"] in ("ticket.status", "ticket.update") and row["state"] not in ("done", "dead")
            if row["key"] not in seen
            for name in _named(row["notice"])
        }
        dead = [_named(row["notice"]) for row in owed if row["kind"] == "ticket.update" and row["state"] == "dead"]
        emails = {remark.email for remark in self.remarks if remark.email}
        emails |= {value for remark in self.remarks for value in remark.fields.get("assignee", ()) if value}
        self.people = {
            row["email"].lower(): row["id"]
            for row in rows(
                connection,
                "SELECT id, email FROM users WHERE lower(email) = ANY(:emails) AND disabled_at IS NULL AND role = ANY(:roles)",
                emails=sorted(emails),
                roles=list(OWNERS),
            )
        }
        owner = one(connection, "SELECT email FROM users WHERE id = :id", id=ticket.assignee_id)
        self.local = {"status": ticket.status, "priority": ticket.priority, "assignee": str(owner or "").lower()}
        shared = one(connection, "SELECT fields FROM desk_syncs WHERE target = :t AND what = 'tickets'", t=link.target)
        self.local |= {f"field:{name}": casework.plain(ticket.fields.get(name)) for name in shared or ()}
        self.local |= {f"tag:{casework.desk_tag(tag)}": "on" for tag in ticket.tags}
        said = {name for remark in self.remarks for name in remark.fields if name.startswith("tag:")}
        self.local |= dict.fromkeys(said - self.local.keys(), "off")
        self.initial = {
            name: "off" if name.startswith("tag:") else "" for name in self.local.keys() - {"status", "priority"}
        }
        self.refused = {name for told in dead for name, value in told.items() if self.local.get(name) == value}

    def take(self) -> bool:
        new = [remark for remark in self.remarks if remark.event_id not in self.known]
        theirs = [remark for remark in new if remark.key not in self.keys]
        decided = settle([self._said(remark) for remark in self.remarks], self.local, self.pending, self.initial)
        bulk.execute(
            self.connection,
            "INSERT INTO desk_events (target, remote_id, event_id, ticket_id, key) SELECT target, remote_id, event_id, ticket_id, key "
            "FROM json_to_recordset(CAST(:rows AS json)) AS r(target text, remote_id text, event_id text, ticket_id bigint, key text) "
            "ORDER BY event_id",
            [
                {"target": self.link.target, "remote_id": self.link.remote_id, "event_id": remark.event_id,
                 "ticket_id": self.link.ticket_id, "key": remark.key if remark.key in self.keys else None}
                for remark in new
            ],
        )  # fmt: skip
        self._overrule(decided)
        wanted = {name: field for name, field in decided.items() if field.act == "take"}
        pushed = [name for name, field in decided.items() if field.act == "push" and name not in self.refused]
        if pushed and self._too_often():
            wanted |= {name: decided[name] for name in pushed}
            pushed = []
        for remark in theirs:
            self._write(remark, {name for name, field in wanted.items() if field.event_id == remark.event_id})
        self._owe(pushed)
        runs.finish(self.connection, self.run)
        self._change(wanted)
        return bool(theirs or wanted or pushed)

    def _said(self, remark: Change_) -> Said:
        fields: dict[str, tuple[str, ...] | None] = dict(remark.fields) | dict.fromkeys(remark.unknown)
        owner = fields.get("assignee")
        if owner and owner[0] and owner[0] not in self.people and owner[0] != self.local["assignee"]:
            fields["assignee"] = None  # somebody who has no account here
        ours = remark.key in self.keys
        fresh = frozenset(fields) if remark.event_id not in self.known else frozenset(self.known[remark.event_id])
        return Said(remark.event_id, ours, fields, fresh)

    def _overrule(self, decided: Mapping[str, Field]) -> None:
        """Remember which fields of which change wait for the fate of ours."""
        waits: dict[str, set[str]] = {}
        for name, field in decided.items():
            if field.act == "wait":
                waits.setdefault(field.event_id, set()).add(name)
        for event, names in sorted({**{e: set() for e, was in self.known.items() if was}, **waits}.items()):
            self.connection.execute(
                text(
                    "UPDATE desk_events SET overruled = :names WHERE target = :target AND remote_id = :remote AND event_id = :event"
                ),
                {"names": sorted(names), "target": self.link.target, "remote": self.link.remote_id, "event": event},
            )

    def _write(self, remark: Change_, taken: set[str]) -> None:
        """What was said there, whole, and what was set there and does not hold here."""
        user = self.people.get(remark.email)
        who = "" if user else f"{remark.by or 'somebody'} at {self.link.target}: "
        detail = {"desk": self.link.target, "remote": remark.event_id, "by": remark.by}
        lines = []
        room = LONGEST_NOTE - len(who)
        parts = [remark.text[at : at + room] for at in range(0, len(remark.text), room)]
        for n, part in enumerate(parts):
            lines.append({"kind": "reply" if remark.public else "note", "user_id": user, "body": who + part,
                          "detail": detail | ({"part": [n + 1, len(parts)]} if len(parts) > 1 else {})})  # fmt: skip
        passed = [
            f"{name} {' or '.join(fits) or 'nobody'}" for name, fits in remark.fields.items() if name not in taken
        ]
        told = [*passed, *remark.unknown.values()]
        if told and (
            remark.unknown
            or any(
                self.local.get(name) not in (*fits, None) for name, fits in remark.fields.items() if name not in taken
            )
        ):
            body = f"{remark.by or 'somebody'} at {self.link.target} set {', '.join(told)}; it is otherwise here"
            lines.append({"kind": "system", "body": body, "detail": detail})
        ids = entries.write(self.connection, self.run, [{"ticket_id": self.ticket.id, **line} for line in lines])
        if remark.text:
            casework.touch(self.connection, self.ticket.id)
            others = replace(self.ticket, targets=[name for name in self.ticket.targets if name != self.link.target])
            said_ = f"{remark.by or 'somebody'} at {self.link.target}: {remark.text}"
            notice = {"number": self.ticket.number, "text": said_, "public": False}
            casework.owe(self.connection, self.run, others, ids[0], "ticket.comment", notice)
            if remark.public:
                self.connection.execute(
                    text("UPDATE tickets SET first_at = coalesce(first_at, now()) WHERE id = :id"),
                    {"id": self.ticket.id},
                )

    def _owe(self, names: Sequence[str]) -> None:
        """What differs here and was never told there."""
        if not names:
            return
        notice = {"number": self.ticket.number, **casework.told({name: self.local[name] for name in names})}
        key = f"em-u{self.run.id}-{self.ticket.id}-{self.link.target}"
        if outbox.owe(
            self.connection, self.run, self.link.target, "ticket.update", key, notice, ticket_id=self.ticket.id
        ):
            self.connection.execute(text("SELECT pg_notify('earmark', 'deliver')"))

    def _too_often(self) -> bool:
        recent = one(
            self.connection,
            "SELECT count(*) FROM outbox WHERE ticket_id = :ticket AND target = :target AND key LIKE 'em-u%' "
            "AND created_at > now() - interval '10 minutes'",
            ticket=self.ticket.id,
            target=self.link.target,
        )
        return int(recent) >= PUSHES

    def _change(self, wanted: Mapping[str, Field]) -> None:
        """Set what holds there, in the name of who set it."""
        if not wanted:
            return
        names = {remark.event_id: remark.by for remark in self.remarks}
        by = ", ".join(dict.fromkeys(names[field.event_id] or "somebody" for field in wanted.values()))
        hand = Hand(by, "sync", "sync", desk=self.link.target)
        value = {name: field.value for name, field in wanted.items()}
        owner = value.get("assignee")
        change = Change(
            value.get("status"), value.get("priority"), assignee=None if owner is None else self.people.get(owner, 0),
            why=f"{by} at {self.link.target}", back=True,
        )  # fmt: skip
        tags = {name.removeprefix("tag:"): is_ for name, is_ in value.items() if name.startswith("tag:")}
        gone = [tag for tag in self.ticket.tags if tags.get(casework.desk_tag(tag)) == "off"]
        fields = {name.removeprefix("field:"): held for name, held in value.items() if name.startswith("field:")}
        number, on = self.ticket.number, [tag for tag, is_ in tags.items() if is_ == "on"]
        acts: list[tuple[Collection[str], Callable[[], object]]] = [
            (
                value.keys() & {"status", "priority", "assignee"},
                lambda: casework.change(self.connection, hand, number, change),
            ),
            (tags, lambda: casework.tag(self.connection, hand, number, on, gone)),
            *(
                (("field:" + name,), partial(casework.fill, self.connection, hand, number, {name: held}))
                for name, held in fields.items()
            ),
        ]
        for names_, act in acts:
            if names_:
                self._try(
                    act,
                    by,
                    {name: value[name] for name in value if name in names_ or name.removeprefix("tag:") in names_},
                )

    def _try(self, act: Callable[[], object], by: str, asked: Mapping[str, str]) -> None:
        """What cannot be here (its conversation goes on in another ticket, a value its field does not take): a person should know, nothing more."""
        try:
            act()
        except casework.Refused as refused:
            run = runs.start(self.connection, "sync", self.worker)
            wanted = ", ".join(f"{name} {value or 'nobody'}" for name, value in asked.items())
            body = f"{by} at {self.link.target} set {wanted}: {refused}"
            entries.write(self.connection, run, [{"ticket_id": self.ticket.id, "kind": "system", "body": body,
                                                  "detail": {"desk": self.link.target}}])  # fmt: skip
            runs.finish(self.connection, run)


def _named(notice: str) -> dict[str, str]:
    """field → value, of what an effect of ours sets there."""
    body = json.loads(notice)
    found = {name: str(body[name]) for name in ("status", "priority", "assignee") if name in body}
    found |= {f"tag:{tag}": is_ for tag, is_ in (body.get("tags") or {}).items()}
    return found | {f"field:{name}": value for name, value in (body.get("fields") or {}).items()}


def history(connection: Connection, target: str, since: int, what: str = "tickets") -> dict[str, Any] | None:
    """The re-sync under way from `since` (in the unit of this desk's state), begun now or where it was left. None: it is not listened to."""
    found = rows(
        connection,
        "UPDATE desk_syncs SET history = CASE WHEN history ->> 'since' = CAST(:since AS text) THEN history ELSE "
        "jsonb_build_object('since', CAST(:since AS bigint), 'state', jsonb_build_object('since', CAST(:since AS bigint)), 'told', 0, "
        "'ours', 0, 'done', false) END WHERE target = :target AND what = :what AND enabled RETURNING history",
        target=target,
        what=what,
        since=since,
    )
    return dict(found[0]["history"]) if found else None


def remember(
    connection: Connection,
    target: str,
    was: Mapping[str, Any],
    told: int,
    ours: int,
    state: Any,
    done: bool,
    what: str = "tickets",
) -> dict[str, Any]:
    """One page further in a re-sync, in the transaction that took it: so many told, so many of them ours; it goes on behind them."""
    new = {**was, "state": state, "told": was["told"] + told, "ours": was["ours"] + ours, "done": done}
    connection.execute(
        text("UPDATE desk_syncs SET history = CAST(:new AS jsonb) WHERE target = :target AND what = :what"),
        {"target": target, "what": what, "new": bulk.dumps(new)},
    )
    return new


def forget(connection: Connection, target: str, what: str = "tickets") -> None:
    """The re-sync is over."""
    connection.execute(
        text("UPDATE desk_syncs SET history = NULL WHERE target = :target AND what = :what"),
        {"target": target, "what": what},
    )


def standing(connection: Connection, target: str) -> dict[str, Any] | None:
    """How far we are with a desk: for pages and commands. `contacts`: where its people are read."""
    found = rows(
        connection,
        "SELECT s.target, s.what, s.enabled, s.pulled_at, s.error, s.history, (SELECT count(*) FROM desk_links l WHERE l.target = s.target) "
        "AS links, (SELECT count(*) FROM desk_links l WHERE l.target = s.target AND l.wanted_at IS NOT NULL AND l.broken_at IS NULL) AS waiting, "
        "(SELECT count(*) FROM desk_links l WHERE l.target = s.target AND l.broken_at IS NOT NULL) AS broken, "
        "(SELECT count(*) FROM identities i JOIN customer_identities c ON c.identity_id = i.id WHERE i.kind = 'number' "
        "AND i.platform = s.target) AS people FROM desk_syncs s WHERE s.target = :target ORDER BY s.what DESC",
        target=target,
    )
    if not found:
        return None
    first = dict(found[0])
    pulls = {row["what"]: {name: row[name] for name in ("enabled", "pulled_at", "error", "history")} for row in found}
    return {name: value for name, value in first.items() if name != "what"} | {"pulls": pulls}
