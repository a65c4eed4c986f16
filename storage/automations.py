"""Doing what automations decided, each once per event, with a receipt of what it saw and what came of every action.

A receipt is written before anything is done and holds the automation and the event together by a unique key, so that a second worker, or
the same one after a crash, does nothing twice. What an action writes carries the automation's run and a depth one greater, which is how a
loop ends. An action that is refused does not undo the others; it says so on the receipt.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text

from domain.automations import Automation, Event, Planned, would
from domain.routing import Agent, Route, choose
from storage import bulk, casework, contacts, entries, escalations, events, gathering, outbox, routing, runs
from storage.casework import Change, Hand, Refused
from storage.ledger import one, rows
from storage.outbox import Effect

_BRACES = re.compile(r"\{(\w+)\}")


@dataclass(slots=True)
class Done:
    """What a batch of events led to. `targets`: routes that are owed something."""

    done: int = 0
    stopped: int = 0
    failed: int = 0
    targets: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Work:
    """One automation answering one event."""

    connection: Connection
    automation: Automation
    event: Event
    run: int
    facts: dict[str, Any]
    console_url: str
    hand: Hand
    targets: set[str]

    @property
    def ticket(self) -> int | None:
        """The number of the event's ticket, or of the open ticket its customer was last active on."""
        if self.event.subject == "ticket":
            return int(self.facts["number"]) if self.facts.get("number") else None
        customer = self.facts.get("customer_id")
        return contacts.open_ticket(self.connection, customer) if customer else None

    def needed(self) -> int:
        number = self.ticket
        if number is None:
            raise Refused("there is no ticket to do it on")
        return number

    def says(self, words: str) -> str:
        """A text with its facts filled in; one that is not known is left out."""
        facts = {"customer": "the customer", **{k: v for k, v in self.facts.items() if v not in (None, "")}}
        return _BRACES.sub(lambda m: str(facts.get(m[1], "")), words).strip()[:2000]


def answer(
    connection: Connection,
    automations: Sequence[Automation],
    happened: Sequence[Event],
    depth: int,
    console_url: str = "",
) -> Done:
    """Let automations answer these events, in order."""
    done = Done()
    spent = used(connection, [one_.name for one_ in automations])
    for event in happened:
        for planned in would(automations, event, spent, depth):
            outcome = _act(connection, planned, event, console_url, done)
            if outcome == "done":
                spent[planned.automation.name] = spent.get(planned.automation.name, 0) + 1
    return done


def used(connection: Connection, names: Sequence[str]) -> dict[str, int]:
    """How often each acted within the last hour."""
    found = rows(
        connection,
        "SELECT automation, count(*) AS n FROM automation_runs WHERE automation = ANY(:names) AND outcome = 'done' "
        "AND at > now() - interval '1 hour' GROUP BY 1",
        names=list(names),
    )
    return {row["automation"]: row["n"] for row in found}


def _act(connection: Connection, planned: Planned, event: Event, console_url: str, done: Done) -> str:
    one_ = planned.automation
    run = one(
        connection,
        "INSERT INTO automation_runs (automation, version, event_id, kind, subject, subject_id, depth, outcome, matched) "
        "VALUES (:name, :version, :event, :kind, :subject, :id, :depth, :outcome, CAST(:matched AS jsonb)) "
        "ON CONFLICT (automation, event_id) DO NOTHING RETURNING id",
        name=one_.name, version=one_.version, event=event.id, kind=event.kind, subject=event.subject, id=event.subject_id,
        depth=event.depth, outcome="done" if planned.outcome == "do" else planned.outcome,
        matched=bulk.dumps(dict(planned.matched)),
    )  # fmt: skip
    if run is None:
        return "already"
    if planned.outcome != "do":
        done.stopped += 1
        return planned.outcome
    code = one_.name.encode("ascii", "replace").decode().replace("?", "-")
    hand = Hand(f"Automation {one_.name}", f"automation:{code}"[:80], "automation")
    work = Work(connection, one_, event, run, dict(event.facts or {}), console_url, hand, done.targets)
    events.caused_by(connection, event.depth + 1, run)
    said = [_one(work, n, action) for n, action in enumerate(one_.then)]
    events.caused_by(connection, 0, None)
    outcome = "failed" if any("refused" in line for line in said) else "done"
    connection.execute(
        text("UPDATE automation_runs SET actions = CAST(:said AS jsonb), outcome = :outcome WHERE id = :id"),
        {"said": json.dumps(said, default=str), "outcome": outcome, "id": run},
    )
    if outcome == "done":
        done.done += 1
    else:
        done.failed += 1
    return outcome


def _one(work: Work, n: int, action: Mapping[str, Any]) -> dict[str, Any]:
    point = work.connection.begin_nested()
    try:
        did = ACTIONS[action["do"]](work, n, action)
        point.commit()
        return {"do": action["do"], "did": did}
    except (Refused, LookupError, ValueError) as error:
        point.rollback()
        return {"do": action["do"], "refused": str(error) or type(error).__name__}


def _log(work: Work, n: int, action: Mapping[str, Any]) -> str:
    words = work.says(action["text"])
    number = work.ticket
    if number is not None:
        _enter(work, number, words)
        return f"logged on #{number}: {words}"
    return f"logged here: {words}"  # the interaction itself is on the customer's timeline


def _task(work: Work, n: int, action: Mapping[str, Any]) -> str:
    words, number = work.says(action["text"]), work.ticket
    id_ = one(
        work.connection,
        "INSERT INTO tasks (customer_id, ticket_id, what, due, team, source, run_id) SELECT :customer, "
        "(SELECT id FROM tickets WHERE number = :number), :what, now() + make_interval(secs => :due), :team, :source, :run RETURNING id",
        customer=work.facts.get("customer_id"), number=number, what=words, due=_seconds(action.get("due", "1d")),
        team=action.get("team", ""), source=work.hand.actor, run=work.run,
    )  # fmt: skip
    return f"task {id_}: {words}"


def _create_contact(work: Work, n: int, action: Mapping[str, Any]) -> str:
    customer = work.facts.get("customer_id")
    source = action.get("source") or "automation"
    if customer:
        return f"customer {customer} is known"
    made = contacts.create(work.connection, work.facts, source)
    work.facts["customer_id"] = made
    return f"customer {made} from {source}"


def _link(work: Work, n: int, action: Mapping[str, Any]) -> str:
    """A ticket is linked to the customer's other open ones; anything else joins the ticket its customer was last active on."""
    if work.event.subject == "interaction":
        number = contacts.join(work.connection, [work.event.subject_id]).get(work.event.subject_id)
        return f"joined #{number}" if number else "the customer has no open ticket"
    number = work.needed()
    others = contacts.open_tickets(work.connection, work.facts.get("customer_id"), number)
    linked = [other for other in others if gathering.link(work.connection, work.hand, number, other)]
    return (
        f"#{number} is related to {', '.join(f'#{other}' for other in linked)}"
        if linked
        else "the customer has no other open ticket"
    )


def _tag(work: Work, n: int, action: Mapping[str, Any]) -> str:
    number = work.needed()
    casework.tag(work.connection, work.hand, number, action.get("tags", ()), action.get("untag", ()))
    return f"#{number}: {', '.join([*action.get('tags', ()), *('-' + name for name in action.get('untag', ()))])}"


def _assign(work: Work, n: int, action: Mapping[str, Any]) -> str:
    number = work.needed()
    team, agent, why = action.get("team") or None, None, ""
    if action.get("owner"):
        rule = Route(work.automation.name, {}, method=action["owner"])
        known: list[Agent] = routing.agents(work.connection)
        chosen = choose(rule, team or str(work.facts.get("team") or ""), str(work.facts.get("language") or ""), known)
        agent, why = chosen.agent, chosen.why
    changed = casework.change(
        work.connection, work.hand, number, Change(team=team, assignee=agent.id if agent else None, why=why)
    )
    return f"#{number}: {why or team}" if changed else f"#{number}: {why or 'there already'}"


def _priority(work: Work, n: int, action: Mapping[str, Any]) -> str:
    number = work.needed()
    casework.change(work.connection, work.hand, number, Change(priority=action["priority"], why=work.automation.name))
    return f"#{number}: {action['priority']}"


def _flag(work: Work, n: int, action: Mapping[str, Any]) -> str:
    words = work.says(action["text"])
    customer = work.facts.get("customer_id")
    series = f"customer/{customer}" if customer else f"{work.event.subject}/{work.event.subject_id}"
    run = runs.start(work.connection, "automation", work.hand.actor)
    evidence = {
        "text": words,
        "automation": work.automation.name,
        "customer_id": customer,
        "ticket": work.ticket,
        "samples": [],
    }
    day = one(work.connection, "SELECT date_trunc('day', now())")  # one a day and person, however often it happens
    flag = escalations.open_flag(
        work.connection, run, work.automation.name, series, day, 1, 0.0, evidence, "automation"
    )
    runs.finish(work.connection, run)
    return f"flag {flag}: {words}" if flag else "flagged today already"


def _alert(work: Work, n: int, action: Mapping[str, Any]) -> str:
    words = work.says(action.get("text") or f"{work.automation.name}: {work.event.kind}")
    body = {
        "title": words.splitlines()[0][:200] if words else work.automation.name,
        "text": words,
        "automation": work.automation.name,
    }
    return _owe(work, n, action["routes"], "automation.alert", body)


def _webhook(work: Work, n: int, action: Mapping[str, Any]) -> str:
    event = {
        "id": work.event.id,
        "kind": work.event.kind,
        "subject": work.event.subject,
        "subject_id": work.event.subject_id,
    }
    body = {"title": work.event.kind, "automation": work.automation.name, "event": event, "facts": work.facts}
    return _owe(work, n, action["routes"], "automation.event", body)


def _owe(work: Work, n: int, routes: Sequence[str], kind: str, body: dict[str, Any]) -> str:
    number = work.ticket
    if number is not None:
        body |= {"number": number, "url": f"{work.console_url}/tickets/{number}"}
    ticket = one(work.connection, "SELECT id FROM tickets WHERE number = :n", n=number) if number is not None else None
    run = runs.start(work.connection, "automation", work.hand.actor)
    effects = [
        Effect(route, kind, f"em-a{work.run}-{n}-{route}", json.loads(bulk.anything(body)), ticket) for route in routes
    ]
    outbox.owe_many(work.connection, run, effects)
    runs.finish(work.connection, run)
    work.targets |= set(routes)
    return f"owed to {', '.join(routes)}"


def _enter(work: Work, number: int, words: str) -> None:
    ticket = casework.locked(work.connection, number)
    run = casework.started(work.connection, work.hand)
    detail = {"event": "logged", "automation": work.automation.name}
    entries.write(
        work.connection, run, [{"ticket_id": ticket.id, "kind": "automation", "body": words, "detail": detail}]
    )
    casework.touch(work.connection, ticket.id, work.hand)
    runs.finish(work.connection, run)


def _seconds(length: str) -> int:
    return sum(
        int(number) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[unit]
        for number, unit in re.findall(r"(\d+)([smhd])", length)
    )


ACTIONS: dict[str, Callable[[Work, int, Mapping[str, Any]], str]] = {
    "log": _log, "task": _task, "create_contact": _create_contact, "link": _link, "tag": _tag, "assign": _assign,
    "priority": _priority, "flag": _flag, "alert": _alert, "webhook": _webhook,
}  # fmt: skip


def receipts(connection: Connection, automation: str = "", outcome: str = "", limit: int = 50) -> list[dict[str, Any]]:
    """What automations did and why not, newest first."""
    found = rows(
        connection,
        "SELECT id, automation, version, event_id, kind, subject, subject_id, depth, outcome, matched, actions, at FROM automation_runs "
        "WHERE (:name = '' OR automation = :name) AND (:outcome = '' OR outcome = :outcome) ORDER BY id DESC LIMIT :limit",
        name=automation,
        outcome=outcome,
        limit=limit,
    )
    return [dict(row) for row in found]


def replay(
    connection: Connection, automations: Sequence[Automation], days: int, depth: int, limit: int = 20_000
) -> dict[str, Any]:
    """How often each automation would have answered what happened in the last days. Facts are today's; nothing is done.

    Events are kept for `casework.event_days`; `seen` and `cut` say how far the answer reaches.
    """
    found = rows(
        connection,
        "SELECT id, kind, subject, subject_id, body, depth, cause FROM events WHERE at > now() - make_interval(days => :days) "
        "ORDER BY id DESC LIMIT :limit",
        days=days,
        limit=limit + 1,
    )
    happened = [events.Happened(**row) for row in found[:limit]]
    known = events.facts(connection, happened)
    answered: dict[str, dict[str, Any]] = {
        one_.name: {"times": 0, "stopped": 0, "examples": []} for one_ in automations
    }
    for event in happened:
        for planned in would(automations, as_event(event, known), None, depth):
            line = answered[planned.automation.name]
            line["times" if planned.outcome == "do" else "stopped"] += 1
            if len(line["examples"]) < 5:
                line["examples"].append(
                    {"event": event.id, "kind": event.kind, "subject": event.subject, "id": event.subject_id}
                )
    return {"seen": len(happened), "cut": len(found) > limit, "automations": answered}


def as_event(happened: events.Happened, known: Mapping[int, Mapping[str, Any]]) -> Event:
    return Event(
        happened.id, happened.kind, happened.subject, happened.subject_id, happened.depth, known.get(happened.id)
    )
