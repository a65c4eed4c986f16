"""The clock: an APScheduler job per channel, as a cache of the due times that live in the ledger.

A job that fires sets the channel's next due time by compare-and-set, so of two clocks one wins; the others learn the new time.
An unchanged channel's job is left alone: re-adding an interval job would restart its clock.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from domain.schedule import next_due
from storage import channels
from storage.ledger import Ledger

log = structlog.get_logger()


def trigger(schedule: str, anchor: datetime | None = None) -> BaseTrigger:
    """`every SECONDS` or `cron FIELDS ZONE`, as the channels table holds it."""
    kind, _, rest = schedule.partition(" ")
    if kind == "every":
        return IntervalTrigger(seconds=int(rest), start_date=anchor, timezone=UTC)
    fields, _, zone = rest.rpartition(" ")
    return CronTrigger.from_crontab(fields, timezone=zone)


class Clock:
    """Jobs in memory, due times in the ledger. `struck` is told the id of each channel whose poll became due."""

    def __init__(self, ledger: Ledger, struck: Callable[[int], None]) -> None:
        self.ledger = ledger
        self.struck = struck
        self.known: dict[int, str] = {}
        self.jobs = BackgroundScheduler(
            timezone=UTC,
            executors={"default": {"type": "threadpool", "max_workers": 4}},
            job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1},
        )

    def start(self) -> None:
        self.jobs.start()

    def stop(self) -> None:
        if self.jobs.running:
            self.jobs.shutdown(wait=False)
        self.known.clear()

    def refresh(self) -> None:
        """Add jobs of new channels, replace those whose schedule changed, drop those that are off."""
        with self.ledger.begin() as connection:
            rows = channels.clocks(connection)
        wanted = {row["id"]: row for row in rows}
        for gone in set(self.known) - set(wanted):
            self._drop(gone)
        for id_, row in wanted.items():
            if self.known.get(id_) != row["schedule"] or row["next_due"] is None:
                self._add(row)

    def _drop(self, id_: int) -> None:
        self.known.pop(id_, None)
        if self.jobs.get_job(str(id_)):
            self.jobs.remove_job(str(id_))

    def _add(self, row: Any) -> None:
        due = row["next_due"] or datetime.now(UTC)
        if row["next_due"] is None:
            with self.ledger.begin() as connection:
                channels.first_due(connection, row["id"], due)
        self.jobs.add_job(
            self._fire,
            trigger(row["schedule"], due),
            id=str(row["id"]),
            args=[row["id"], row["schedule"]],
            next_run_time=due,
            replace_existing=True,
        )
        self.known[row["id"]] = row["schedule"]

    def _fire(self, id_: int, schedule: str) -> None:
        def tick(connection: Any) -> bool:
            due = channels.due(connection, id_)
            now = datetime.now(UTC)
            if due is None or due > now + timedelta(milliseconds=50):
                return False  # another clock struck for it
            return channels.tick(connection, id_, due, next_due(schedule, due, now))

        try:
            if self.ledger.run(tick):
                self.struck(id_)
        except Exception as error:
            log.warning("a tick failed; the channel stays due", channel_id=id_, error=type(error).__name__)
            self.known.pop(id_, None)  # the next refresh makes the job anew from the ledger's due time
