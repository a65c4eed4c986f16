"""What this process remembers of the watched series, and how it is read from the ledger: whole at the start, the last hour at each tick."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

import config
from domain.board import KEEP
from domain.live import AGAIN, Heard, Live, Standing, Watched, begins, bin_of
from domain.rules import SpikeRule
from storage import counts

ANEW = timedelta(hours=1)  # late news older than an hour, and gaps that were filled, are read then
STALE = timedelta(minutes=11)  # a clock that stood still for two bins has missed peaks

Key = tuple[str, str, str]  # topic, platform ("" for all), measure


class Lookout:
    """The board of one process. Everything in it comes from the ledger: losing it costs a reading."""

    def __init__(self) -> None:
        self.live: Live | None = None
        self.rows: list[tuple[SpikeRule, Key]] = []
        self.known: dict[Key, Heard] = {}
        self.begun = self.ticked = datetime(1, 1, 1, tzinfo=UTC)
        self.signature: Any = None
        self.dark: frozenset[tuple[datetime, datetime | None]] = frozenset()
        self.missed: list[tuple[SpikeRule, Key, datetime]] = []  # flags of a past that was read only now

    def tick(
        self, connection: Connection, current: config.Config, now: datetime
    ) -> list[tuple[SpikeRule, Key, Standing]]:
        """Where each watched series stands at `now`."""
        armed = counts.armed_since(connection) or now
        gaps = counts.gaps(connection, now - timedelta(days=KEEP))
        dark = frozenset((g["since"] or now - timedelta(days=KEEP), g["until"]) for g in gaps)
        signature = (current.hash, armed)
        fresh = (
            self.live is None
            or signature != self.signature
            or not self.begun <= now < self.begun + ANEW
            or not self.ticked <= now < self.ticked + STALE
            or bool(self.dark - dark)
        )
        self.missed = []
        if not fresh:
            fresh = not self._update(connection, current, now, armed, gaps)
        if fresh:
            filled = [gap for gap in self.dark - dark if self.signature == signature]
            self._begin(connection, current, now, armed, gaps, filled)
            self.signature, self.begun = signature, now
        self.dark, self.ticked = dark, now
        assert self.live is not None
        heard = [self.known[key] for _, key in self.rows]
        return (
            [(rule, key, s) for (rule, key), s in zip(self.rows, self.live.tick(heard, now), strict=True)]
            if heard
            else []
        )

    def _begin(
        self,
        connection: Connection,
        current: config.Config,
        now: datetime,
        armed: datetime,
        gaps: Sequence[Any],
        filled: Sequence[Any],
    ) -> None:
        found = counts.bins(connection, now - timedelta(days=KEEP + 1), now + timedelta(minutes=1), armed)
        self.known = self._heard(found, armed, gaps, now)
        self.rows = watched(current, set(self.known))
        for _, key in self.rows:
            self.known.setdefault(key, Heard({}, {}))
        self.live = Live([Watched(rule.name, name(key), rule.threshold, float(rule.floor)) for rule, key in self.rows])
        old = self.live.begin([self.known[key] for _, key in self.rows], now) if self.rows else []
        for row, bin_ in old:
            at = begins(bin_)
            if any(since <= at < (until or now) for since, until in filled):
                self.missed.append((*self.rows[row], at))

    def _update(
        self, connection: Connection, current: config.Config, now: datetime, armed: datetime, gaps: Sequence[Any]
    ) -> bool:
        """The last hour anew; False when a series is new and everything must be."""
        since = begins(bin_of(now) - AGAIN)
        found = self._heard(counts.bins(connection, since, now + timedelta(minutes=1), armed), armed, gaps, now)
        if not set(found) <= set(self.known):
            return False
        first = bin_of(since)
        for key, old in self.known.items():
            new = found.get(key)
            live = {b: n for b, n in old.live.items() if b < first}
            usual = {b: n for b, n in old.usual.items() if b < first}
            live.update(new.live if new else {})
            usual.update(new.usual if new else {})
            self.known[key] = Heard(live, usual, new.dark if new else _dark(gaps, now))
        return True

    def _heard(
        self, found: Sequence[counts.Counted], armed: datetime, gaps: Sequence[Any], now: datetime
    ) -> dict[Key, Heard]:
        """By topic, over all platforms and for each. Bins before `armed` were not heard live and raise nothing."""
        live: Mapping[Key, dict[int, float]] = defaultdict(dict)
        usual: Mapping[Key, dict[int, float]] = defaultdict(dict)
        first, dark = bin_of(armed), _dark(gaps, now)
        for row in found:
            for platform in ("", row.platform):
                key = row.topic, platform, row.measure
                usual[key][row.bin] = usual[key].get(row.bin, 0.0) + max(0, row.live + row.before)
                if row.bin >= first and row.live > 0:
                    live[key][row.bin] = live[key].get(row.bin, 0.0) + row.live
        return {key: Heard(live[key], usual[key], dark) for key in usual}


def _dark(gaps: Sequence[Any], now: datetime) -> frozenset[int]:
    """The bins some channel could not read."""
    found: set[int] = set()
    floor = now - timedelta(days=KEEP + 1)
    for gap in gaps:
        since, until = max(gap["since"] or floor, floor), min(gap["until"] or now, now)
        if since < until:
            found.update(range(bin_of(since), bin_of(until - timedelta(microseconds=1)) + 1))
    return frozenset(found)


def watched(current: config.Config, known: set[Key]) -> list[tuple[SpikeRule, Key]]:
    """Each spike rule with each of its series."""
    found = []
    for rule in current.escalations:
        if rule.kind != "spike":
            continue
        for topic in current.topics:
            if rule.topics and topic.name not in rule.topics:
                continue
            found.append((rule, (topic.name, "", rule.measure)))
            if rule.platforms:
                ours = sorted(k for k in known if k[0] == topic.name and k[1] and k[2] == rule.measure)
                found += [(rule, key) for key in ours]
    return found


def name(key: Key) -> str:
    """`topic/measure`, or `topic/platform/measure`."""
    return "/".join(part for part in key if part)
