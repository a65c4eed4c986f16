"""The step that settles what we owe a target: claim, render and keep, look up if in doubt, deliver, finish.

No transaction is open while the target is called. What to make of an error is decided in domain/retry.py; this page does it.
"""

import json
import random
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from connectors.contract import Delivered, Outbound
from connectors.errors import ConnectorError, RateLimited, Transient
from domain import retry
from domain.nouns import Notice
from domain.retry import Decision, History, Trouble
from storage import crm, deliveries, posting, targets
from storage.deliveries import Owed
from storage.ledger import Ledger
from workers import failpoints
from workers.logs import trace
from workers.looking import Looker

log = structlog.get_logger(__name__)

LEASE_SECONDS = 60.0  # more than one call's deadline (Context.deadline); kept up before each call


@dataclass(slots=True)
class Deliveries:
    """How the rows of one round ended, by the attempt's outcome. `more`: time ran out before the rows did."""

    outcomes: dict[str, int] = field(default_factory=dict)
    more: bool = False

    def count(self, outcome: str) -> None:
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    @property
    def settled(self) -> int:
        return self.outcomes.get("done", 0) + self.outcomes.get("found", 0)


def deliver(
    ledger: Ledger,
    target: str,
    desk: Outbound,
    worker_id: str,
    stopping: Callable[[], bool],
    now: Callable[[], datetime],
    deadline_s: float = 20.0,
    lease_seconds: float = LEASE_SECONDS,
    looker: Looker | None = None,
) -> Deliveries:
    """Drain one target for at most `deadline_s`, one row at a time, looking at the stop flag between rows.

    `looker`: looks at the post a public answer belongs to before it leaves (workers/looking.py).
    """
    done, until = Deliveries(), time.monotonic() + deadline_s
    while not stopping():
        if time.monotonic() > until:
            done.more = True
            break
        claimed = ledger.run(lambda c: deliveries.claim(c, target, worker_id, lease_seconds, 1, desk.quiet))
        if not claimed:
            break
        for owed in claimed:
            done.count(_Settling(ledger, desk, owed, now, lease_seconds, looker).settle())
    return done


@dataclass(slots=True)
class _Settling:
    """One claimed row on its way. `called` and `looking` say how far it came, for whoever judges an error."""

    ledger: Ledger
    desk: Outbound
    owed: Owed
    now: Callable[[], datetime]
    lease_seconds: float
    looker: Looker | None = None
    called: bool = False
    looking: bool = False
    held_at: float = field(default_factory=time.monotonic)

    def settle(self) -> str:
        """Returns the attempt's outcome."""
        if retry.poisoned(self._history()):
            return self._finish(
                Decision("dead", "unknown" if self.owed.request else "retry", "same", reason="crashed"), None
            )
        try:
            if self._stopped():
                return "stopped"
            if self._halted():
                return self._finish(Decision("unknown" if self.owed.doubt else "retry", "stopped", "same"), None)
            delivered, found = self._try()
        except _LostLease:
            return self._finish(Decision("unknown", "lost", "same"), None)  # fenced: changes the attempt's note alone
        except ConnectorError as error:
            return self._failed(error)
        except Exception as error:  # a bug in a desk costs this row's attempt, never the worker or the queue
            log.error("deliver.bug", target=self.owed.target, key=self.owed.key, exception=trace(error))
            return self._failed(error)
        failpoints.hit("deliver-after-201")
        return self._finish(retry.after_success(found), delivered)

    def _stopped(self) -> bool:
        """Whether a look at the post took the answer back; what may have arrived already is not looked at."""
        if self.looker is None or self.owed.kind != "ticket.reply" or self.owed.doubt:
            return False
        return self.looker.stops(self.owed)

    def _halted(self) -> bool:
        """Whether somebody stopped all posting since this row was claimed."""
        return self.owed.kind in posting.PUBLIC and self.ledger.run(posting.standing) is not None

    def _try(self) -> tuple[Delivered, bool]:
        owed = self.owed
        notice = Notice(owed.kind, owed.key, json.loads(owed.notice))
        request = owed.request
        if request is None:
            notice = self._with_person(notice)
            request = self.desk.render(notice, owed.remote_id)
            self._keep(lambda c: deliveries.rendered(c, owed, request, self.lease_seconds))
        if retry.next_action(owed.doubt, self.desk.looks_up) == "look-up":
            self.looking = True
            found = self.desk.find(notice, request, owed.remote_id)
            if found is not None:
                return found, True
            self.looking = False
        if time.monotonic() - self.held_at > self.lease_seconds / 4:  # slow look-up, or this process was paused
            self._keep(lambda c: deliveries.renew(c, owed, self.lease_seconds))
        self.called = True
        failpoints.hit("deliver-before-call")
        return self.desk.deliver(notice, request, owed.remote_id), False

    def _with_person(self, notice: Notice) -> Notice:
        """For a desk that keeps people: who the ticket's customer is now, not when it was owed."""
        if not getattr(self.desk, "keeps_people", False) or self.owed.ticket_id is None:
            return notice
        who = self.ledger.run(lambda c: crm.person(c, self.owed.ticket_id or 0, self.owed.target))
        return replace(notice, body={**notice.body, "person": who})

    def _keep(self, hold: Callable[..., bool]) -> None:
        asked = time.monotonic()
        if not self.ledger.run(hold):
            raise _LostLease
        self.held_at = asked

    def _history(self) -> History:
        o = self.owed
        return History(o.doubt, o.failures, o.failing_for, o.crashes, rendered=o.request is not None)

    def _failed(self, error: Exception) -> str:
        decision = retry.after_error(self._trouble(error), self._history(), self.desk.quiet, random.random())  # noqa: S311
        return self._finish(decision, None, error)

    def _trouble(self, error: Exception) -> Trouble:
        """The error as data. An attempt that never called has sent nothing, whatever went wrong."""
        kind = error.kind if isinstance(error, ConnectorError) else "error"
        sent = self.called and (error.sent if isinstance(error, Transient) else True)
        reset = error.reset_at if isinstance(error, RateLimited) else getattr(error, "not_before", None)
        wait = None if reset is None else max(reset - self.now(), timedelta())
        return Trouble(kind, sent, self.looking, wait)

    def _finish(self, decision: Decision, delivered: Delivered | None, error: Exception | None = None) -> str:
        said = _said(error) or ("taking it on ended the process too often" if decision.reason == "crashed" else None)
        status: int | None = getattr(error, "status", None)
        detail = said or (delivered.detail if delivered else None) or None

        def write(connection: Connection) -> bool:
            before = targets.failures(connection, self.owed.target)
            ours = deliveries.finish(
                connection,
                self.owed,
                state=decision.state,
                outcome=decision.outcome,
                delay=decision.delay,
                reason=decision.reason,
                error=detail,
                status=status,
                remote_id=delivered.remote_id if delivered else None,
            )
            if not ours:
                return False
            if delivered is not None and self.owed.ticket_id is not None:
                self._link(connection, delivered)
            self._judge(connection, decision, before, said or "", status)
            return True

        ours = self.ledger.run(write)
        outcome = decision.outcome if ours else "lost"
        if not ours and delivered is not None:  # taken over, or erased meanwhile: nobody else will tell where it went
            log.warning("deliver.late", target=self.owed.target, key=self.owed.key, remote=delivered.remote_id)
        log.info(
            "deliver", target=self.owed.target, key=self.owed.key, outcome=outcome, n=self.owed.attempts, error=said
        )
        return outcome

    def _link(self, connection: Connection, delivered: Delivered) -> None:
        remote = delivered.remote_id if self.owed.kind == "ticket.create" else delivered.moved_to
        if remote and self.owed.ticket_id is not None:
            deliveries.link(connection, self.owed.ticket_id, self.owed.target, remote, delivered.url)
        if delivered.person and self.owed.ticket_id is not None:
            crm.written(connection, self.owed.ticket_id, self.owed.target, delivered.person)

    def _judge(self, connection: Connection, decision: Decision, before: int, said: str, status: int | None) -> None:
        """What this call says about the target, for the breaker all workers share."""
        name = self.owed.target
        match decision.health:
            case "well":
                targets.succeeded(connection, name, self.desk.quiet)
            case "failed":
                failures, open_for = retry.breaker("failed", before, random.random())  # noqa: S311 jitter, no secret
                targets.failed(connection, name, failures, open_for, said)
            case "wait":
                targets.wait(connection, name, decision.delay)
            case "blocked" if targets.block(connection, name, said, decision.reason, status):
                log.error("deliver.blocked", target=name, why=said, advice=f"Then: earmark resume {name}")


class _LostLease(Exception):
    """Somebody else may hold the row by now: no call, no writing."""


def _said(error: Exception | None) -> str | None:
    """What to tell people: our own errors speak for themselves, others give their name, never their data."""
    if error is None:
        return None
    if isinstance(error, ConnectorError):
        return f"{error} {error.advice}".strip()[:2000]
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {where.name} ({where.filename.rsplit('/', 1)[-1]}:{where.lineno})"
