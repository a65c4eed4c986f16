"""The work step: what happened is worked off. A new ticket is routed, a post wakes what slept, clocks are set, automations answer.

Each batch is one transaction with the events it marks done; what one event spoils is tried again alone and given up, visibly, at last.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import Connection

import config
from config.base import seconds
from config.hooks import EventHook
from config.workbench import enabled_automations, levels, routes
from domain.automations import Automation
from domain.routing import Route
from domain.sla import Levels
from storage import (
    automations,
    casework,
    contacts,
    desk_context,
    desks,
    event_hooks,
    events,
    gathering,
    promises,
    routing,
    sla,
    turns,
)
from storage.events import Happened
from storage.ledger import Ledger, again
from workers.logs import trace

log = structlog.get_logger()

DRAIN_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Bench:
    """The part of the configuration in force that working off events needs."""

    levels: Levels
    routes: tuple[Route, ...]
    automations: tuple[Automation, ...]
    depth: int
    hand_back: timedelta
    console_url: str = ""
    hooks: tuple[EventHook, ...] = ()


def bench(current: config.Config) -> Bench:
    return Bench(
        levels(current),
        routes(current),
        enabled_automations(current),
        current.casework.automation_depth,
        timedelta(seconds=seconds(current.casework.hand_back)),
        current.settings.console_url.rstrip("/"),
        tuple(hook for hook in current.events if hook.enabled),
    )


@dataclass(slots=True)
class Worked:
    """What one drain did."""

    events: int = 0
    given_up: int = 0
    targets: set[str] = field(default_factory=set)


def work(ledger: Ledger, bench: Bench, worker: str, stopping: Callable[[], bool] = lambda: False) -> Worked:
    """Work off what waits, until nothing does, 20 s are over or the process is to stop."""
    done = Worked()
    until = time.monotonic() + DRAIN_SECONDS
    while not stopping() and time.monotonic() < until:
        if not _batch(ledger, bench, worker, done):
            break
    for id_ in ledger.run(events.suspects):
        if stopping():
            break
        _batch(ledger, bench, worker, done, only=id_)
    return done


def _batch(ledger: Ledger, bench: Bench, worker: str, done: Worked, only: int | None = None) -> int:
    taken: list[Happened] = []

    def work_off(connection: Connection) -> tuple[int, set[str]]:
        taken[:] = events.take(connection, only=only)
        targets = answer(connection, bench, taken, worker) if taken else set()
        events.finish(connection, [event.id for event in taken])
        return len(taken), targets

    try:
        count, targets = ledger.run(work_off)
    except Exception as error:
        if again(error) or not taken:
            raise
        said = trace(error)
        log.warning("events failed", count=len(taken), first=taken[0].id, error=said)
        given_up = ledger.run(lambda c: events.failed(c, [event.id for event in taken], said))
        done.given_up += len(given_up)
        if given_up:
            log.error("events given up", ids=given_up)
        return 1
    done.events += count
    done.targets |= targets
    return count


def answer(connection: Connection, bench: Bench, happened: Sequence[Happened], worker: str) -> set[str]:
    """Everything these events lead to. Returns the targets that are owed something."""
    facts = events.facts(connection, happened)
    held = _hold(connection, bench, happened, facts)
    # what was erased while we waited is gone
    happened = [event for event in happened if event.subject != "ticket" or event.subject_id in held]
    created = [event.subject_id for event in happened if event.kind == "ticket.created"]
    spoke = [event.subject_id for event in happened if event.kind == "ticket.mention"]
    told = [
        event.subject_id
        for event in happened
        if event.subject == "interaction" and event.kind.removeprefix("interaction.") in contacts.SPOKEN
    ]
    if created and bench.routes:
        wanted = {
            event.subject_id: facts[event.id]
            for event in happened
            if event.kind == "ticket.created" and facts[event.id].get("number")
        }
        routing.place(connection, wanted, bench.routes, bench.hand_back, worker=worker)
    if created:
        gathering.gather(connection, created)
    if created:
        desk_context.attach(connection, created, worker, bench.console_url)
    if spoke:
        turns.wake_written(connection, spoke)
        promises.remind(connection, spoke, worker)
    if told:
        contacts.join(connection, told, worker)
    if touched := [event.subject_id for event in happened if event.subject == "ticket"]:
        desks.stray(connection, touched)
    done = automations.answer(
        connection,
        bench.automations,
        [automations.as_event(event, facts) for event in happened],
        bench.depth,
        bench.console_url,
    )
    done.targets |= event_hooks.owe(connection, bench.hooks, happened, facts, worker, bench.console_url)
    sla.refresh(connection, [event.subject_id for event in happened if event.subject == "ticket"], bench.levels, worker)
    return done.targets


def _hold(
    connection: Connection, bench: Bench, happened: Sequence[Happened], facts: Mapping[int, Mapping[str, Any]]
) -> set[int]:
    """Lock every ticket that is about to be changed, before the first is: those of the events, and the open ones of customers who did
    something, or whom a rule may link. Returns those that are there."""
    linking = any(action.get("do") == "link" for rule in bench.automations for action in rule.then)
    customers = {facts[event.id].get("customer_id") for event in happened if linking or event.subject != "ticket"}
    ids = {event.subject_id for event in happened if event.subject == "ticket"}
    ids |= set(contacts.tickets_of(connection, [one for one in customers if one]))
    return casework.hold(connection, ids)
