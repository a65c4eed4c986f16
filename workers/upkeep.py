"""The upkeep step: clocks that ran out, promises that passed, what slept or lay untouched, channels that need a person, and what has
been kept long enough."""

from datetime import timedelta

import structlog
from sqlalchemy import Connection

import config
from config.base import seconds
from storage import contacts, events, promises, retention, routing, sla, surveys, talk, turns
from storage.ledger import Ledger
from storage.surveys import Ask
from workers.health import Health
from workers.work import Bench, bench

log = structlog.get_logger()


def upkeep(ledger: Ledger, current: config.Config, worker: str, health: Health) -> set[str]:
    """What time brings, each in a transaction of its own. Returns the targets that are owed something."""
    made = bench(current)
    found = tend(ledger, current, made, worker)
    if any(found.values()):
        log.info("tickets looked after", **found)
    while ledger.run(talk.tally):
        pass
    owed = ask(ledger, current, worker)
    owed |= health.look(ledger, current, worker)
    kept = current.settings.retention
    purged = ledger.run(lambda c: retention.purge(c, payload_days=kept.payload_days, attempt_days=kept.attempt_days))
    purged["events"] = ledger.run(lambda c: events.purge(c, current.casework.event_days))
    purged["survey_links"] = ledger.run(surveys.forget_links)
    if any(purged.values()):
        log.info("purged", **purged)
    return owed


def tend(ledger: Ledger, current: config.Config, made: Bench, worker: str) -> dict[str, int]:
    """Tickets time has something to say about; how many of each."""
    clocks = sla.Looked()
    while (now := ledger.run(lambda c: sla.refresh(c, sla.due(c), made.levels, worker))).tickets:
        clocks = sla.Looked(clocks.tickets + now.tickets, clocks.warned + now.warned, clocks.breached + now.breached)
    return {
        "warned": clocks.warned,
        "breached": clocks.breached,
        "woken": ledger.run(turns.wake),
        "promises_passed": ledger.run(lambda c: promises.passed(c, worker)),
        "handed_back": ledger.run(lambda c: hand_back(c, made, worker)),
        "silent": ledger.run(lambda c: contacts.look_for_silence(c, seconds(current.casework.silent))),
    }


def hand_back(connection: Connection, made: Bench, worker: str) -> int:
    """What an owner let lie goes to the next, if a route knows one who has not had it."""
    ids = routing.hand_back(connection, worker)
    if ids:
        routing.place(
            connection,
            events.tickets(connection, ids),
            made.routes,
            made.hand_back,
            routing.tried(connection, ids),
            worker,
        )
    return len(ids)


def ask(ledger: Ledger, current: config.Config, worker: str) -> set[str]:
    """Surveys about what was resolved; the targets that are owed a mail."""
    url = current.settings.console_url.rstrip("/")
    asked = {}
    for one in current.surveys:
        if one.enabled and url:  # without an address of ours there is nothing a link could lead to
            survey = Ask(
                one.name, one.kind, one.target, one.question, _length(one.after), _length(one.throttle), _length(one.expires),
                one.teams, one.share,
            )  # fmt: skip
            asked[one.target] = asked.get(one.target, 0) + ledger.run(
                lambda c, s=survey: surveys.ask(c, s, url, worker)
            )  # type: ignore[misc]
    return {target for target, count in asked.items() if count}


def _length(text: str) -> timedelta:
    return timedelta(seconds=seconds(text))
