"""Service level clocks as columns: computed from the entries by domain/sla.py, kept so that lists can sort and upkeep can sweep.

The entries are the truth, the columns follow. `sla_at` is when a clock next has something to say; upkeep looks at what is due there and
nowhere else. A warning and a breach are entries (and so events), each once per wait.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from domain import sla
from domain.sla import Clock, Level, Levels, Moment
from storage import bulk, entries, runs
from storage.ledger import one, rows

WORDS = {"first": "first answer", "next": "next answer", "resolve": "resolution"}


@dataclass(slots=True)
class Looked:
    """What a look at the clocks found."""

    tickets: int = 0
    warned: int = 0
    breached: int = 0


@dataclass(frozen=True, slots=True)
class History:
    """What a ticket's clocks are computed from."""

    opened: datetime
    priority: str  # as it was opened
    team: str
    moments: tuple[Moment, ...] = ()
    said: frozenset[str] = field(
        default_factory=frozenset
    )  # warnings and breaches that have their entry: "breach:next:2"
    now: tuple[str, str] = ("", "")  # priority and team as they are


def moments(found: Iterable[Mapping[str, Any]]) -> Iterable[Moment]:
    """Entries (at, kind, detail, arrived: the post's priority) as the clocks take them."""
    for row in found:
        at, kind, detail = row["at"], row["kind"], row["detail"] or {}
        if kind in ("mention", "contact"):
            yield Moment(at, "customer", row["arrived"] or detail.get("arrived") or "")
        if kind == "reply":
            yield Moment(at, "answer")
        for name in ("priority", "team", "status"):  # a priority counts before the status that came with it
            if name in detail:
                yield Moment(at, name, detail[name][1] or "")


def histories(connection: Connection, ids: Sequence[int]) -> dict[int, History]:
    """ticket id → its history. What it was opened with is what its first change of each says it was before, or what it is."""
    tickets = rows(
        connection, "SELECT id, opened_at, priority, team FROM tickets WHERE id = ANY(:ids) ORDER BY id", ids=list(ids)
    )
    found = rows(
        connection,
        """SELECT e.ticket_id, e.at, e.kind, e.detail, v.priority AS arrived FROM entries e
        LEFT JOIN verdicts v ON e.kind = 'mention' AND v.mention_id = e.mention_id AND v.version = e.version
        WHERE e.ticket_id = ANY(:ids) AND (e.kind IN ('mention', 'contact', 'reply') OR e.detail IS NOT NULL)
        ORDER BY e.ticket_id, e.at, e.id""",
        ids=list(ids),
    )
    by_ticket: dict[int, list[Any]] = {}
    for row in found:
        by_ticket.setdefault(row["ticket_id"], []).append(row)
    made = {}
    for ticket in tickets:
        own = by_ticket.get(ticket["id"], [])
        changed = [row["detail"] for row in own if row["detail"]]
        opened = {
            name: next((d[name][0] or "" for d in changed if name in d), ticket[name]) for name in ("priority", "team")
        }
        said = frozenset(d["clock"] for d in changed if "clock" in d)
        made[ticket["id"]] = History(
            ticket["opened_at"],
            opened["priority"],
            opened["team"],
            tuple(moments(own)),
            said,
            (ticket["priority"], ticket["team"]),
        )
    return made


def refresh(connection: Connection, ids: Sequence[int], levels: Levels, worker: str = "") -> Looked:
    """Compute the clocks of these tickets anew, write what changed, and say what ran late. Locks the tickets in id order."""
    wanted = bulk.unique(ids)
    if not wanted:
        return Looked()
    rows(connection, "SELECT 1 FROM tickets WHERE id = ANY(:ids) ORDER BY id FOR UPDATE", ids=wanted)
    now = one(connection, "SELECT now()")
    found = histories(connection, wanted)
    clocks = {
        id_: sla.clocks(history.opened, history.priority, history.team, history.moments, levels, now)
        for id_, history in found.items()
    }
    news = [entry for id_, history in found.items() for entry in _news(id_, clocks[id_], history, levels(*history.now))]
    store(connection, clocks)
    if news:
        run = runs.start(connection, "upkeep", worker)
        entries.write(connection, run, news)
        runs.finish(connection, run)
    kinds = [entry["detail"]["event"] for entry in news]
    return Looked(len(found), kinds.count("warned"), kinds.count("breached"))


def store(connection: Connection, clocks: Mapping[int, Sequence[Clock]]) -> None:
    """The columns of these tickets, in one statement, in id order; a row that would not change is left alone."""
    made = []
    for id_, (first, next_, resolve) in sorted(clocks.items()):
        made.append(
            {
                "id": id_,
                "first_due": first.due,
                "next_due": next_.due,
                "resolve_due": resolve.due,
                "breached_first": first.breached,
                "breached_next": next_.breached if next_.stopped is None else None,
                "breached_resolve": resolve.breached,
                "sla_at": sla.next_look((first, next_, resolve)),
            }
        )
    names = "first_due, next_due, resolve_due, breached_first, breached_next, breached_resolve, sla_at"
    each = [name.strip() for name in names.split(",")]
    bulk.execute(
        connection,
        f"""UPDATE tickets t SET {", ".join(f"{name} = r.{name}" for name in each)}
        FROM json_to_recordset(CAST(:rows AS json)) AS r(id bigint, {", ".join(f"{name} timestamptz" for name in each)})
        WHERE t.id = r.id AND ({", ".join(f"t.{name}" for name in each)}) IS DISTINCT FROM ({", ".join(f"r.{name}" for name in each)})""",  # noqa: S608 our own names
        made,
    )


def _news(ticket_id: int, clocks: Sequence[Clock], history: History, level: Level) -> Iterable[dict[str, Any]]:
    """Entries about what is late or soon will be. A warning that comes with its breach is not given."""
    said = history.said
    for clock in clocks:
        name = f"{clock.name}:{clock.started:%Y%m%d%H%M%S}" if clock.started else clock.name
        if clock.breached and f"breach:{name}" not in said:
            yield _entry(
                ticket_id, f"breach:{name}", "breached", f"The {WORDS[clock.name]} is overdue.", clock, history, level
            )
        elif clock.warned and not clock.breached and clock.stopped is None and f"warning:{name}" not in said:
            yield _entry(
                ticket_id, f"warning:{name}", "warned", f"The {WORDS[clock.name]} is due soon.", clock, history, level
            )


def _entry(
    ticket_id: int, key: str, event: str, body: str, clock: Clock, history: History, level: Level
) -> dict[str, Any]:
    priority, team = history.now
    matched = {"priority": priority, "team": team, "seconds": round(clock.elapsed), "target": round(clock.target)}
    detail = {
        "event": event,
        "clock": key,
        "which": clock.name,
        "elapsed": round(clock.elapsed),
        "target": round(clock.target),
        "rule": {"name": f"service_levels.{clock.name}", "version": level.version, "matched": matched},
    }
    return {"ticket_id": ticket_id, "kind": "system", "body": body, "detail": detail}


def due(connection: Connection, limit: int = 500) -> list[int]:
    """Tickets a clock of which has something to say by now, the longest due first."""
    found = rows(
        connection,
        "SELECT id FROM tickets WHERE sla_at <= now() ORDER BY sla_at LIMIT :limit",
        limit=limit,
    )
    return [row["id"] for row in found]


def shown(connection: Connection, ticket_id: int, levels: Levels) -> tuple[Clock, ...]:
    """The clocks of one ticket as of now, for its page and for commands."""
    found = histories(connection, [ticket_id])
    history = found[ticket_id]
    return sla.clocks(
        history.opened, history.priority, history.team, history.moments, levels, one(connection, "SELECT now()")
    )
