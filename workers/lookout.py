"""What this process remembers of the watched series, and how it is read from the ledger.

At the first start whole; at a restart from the snapshots of the last hour and what was counted since. Each tick reads the last hour, and
one sixtieth of the fourteen days before it, so that late news is known within the hour.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

import config
from domain.board import BIN, DAY, KEEP
from domain.kinds import Mood
from domain.live import AGAIN, Heard, Live, Standing, Watched, begins, bin_of
from domain.rules import SpikeRule
from domain.snapshots import freeze, join, thaw
from domain.spikes import VERSION
from storage import configurations, counts, snapshots

HOUR = timedelta(hours=1)  # between two snapshots
MINUTE = timedelta(minutes=1)
PAST = KEEP * (DAY // BIN)
SLICE = -(-PAST // 60)  # bins of the past that are read anew at each tick

Key = tuple[str, str, str]  # topic, platform ("" for all), measure
Row = tuple[SpikeRule, Key]
Gap = tuple[str, datetime | None]  # channel, since


class Lookout:
    """The board of one process. Everything in it comes from the ledger: losing it costs a reading."""

    def __init__(self) -> None:
        self.live: Live | None = None
        self.rows: list[Row] = []
        self.known: dict[Key, Heard] = {}  # the last hour; fourteen days of what share and silence look at
        self.kept: set[str] = set()  # topics of those
        self.measures: set[str] = set()  # that any rule looks at
        self.saved = self.ticked = datetime(1, 1, 1, tzinfo=UTC)
        self.mark = ""
        self.dark: dict[Gap, datetime | None] = {}
        self.moods: dict[
            str, tuple[datetime, Mood, Mood]
        ] = {}  # per topic: when it was read, the week's, the four weeks' before
        self.begun: dict[str, int] = {}  # topics whose query changed: the bin with which what is usual begins
        self.missed: list[tuple[SpikeRule, Key, datetime]] = []  # flags of a past that was read only now

    def tick(
        self, connection: Connection, current: config.Config, now: datetime, asked: Collection[tuple[str, str]] = ()
    ) -> list[tuple[SpikeRule, Key, Standing]]:
        """Where each series that raises a flag, or is `asked` for by (rule, series), stands at `now`."""
        armed = counts.armed_since(connection) or now
        gaps = counts.gaps(connection, now - timedelta(days=KEEP))
        watching = VERSION, current.escalations, current.topics, armed.astimezone(UTC).isoformat()
        mark = hashlib.sha256(repr(watching).encode()).hexdigest()
        self.kept, self.measures = _kept(current), _asked_for(current)
        if self.live is None or mark != self.mark:
            changed = configurations.topics_changed(connection, now - timedelta(days=KEEP))
            self.begun = {topic: bin_of(at) for topic, at in changed.items()}
        if self.live is None:
            self._restore(connection, current, mark, now, armed, gaps)
        dark: dict[Gap, datetime | None] = {(g["channel"], g["since"]): g["until"] for g in gaps}
        filled = [(since, self.dark[channel, since]) for channel, since in self.dark if (channel, since) not in dark]
        fresh = self.live is None or mark != self.mark or now < self.ticked or bool(filled)
        self.missed = []
        if fresh:
            self._begin(connection, current, now, armed, gaps, filled if self.mark == mark else [])
            new: list[Row] = []
        else:
            new = self._update(connection, current, now, armed, gaps)
        self.mark, self.dark, self.ticked = mark, dark, now
        assert self.live is not None
        found = self._standing(self.live, self.rows, asked, now)
        if new:
            found += self._join(connection, new, now, armed, gaps, asked)
        if fresh or now >= self.saved + HOUR:
            self._save(connection, now)
        return found

    def mood(self, connection: Connection, topic: str, now: datetime) -> tuple[Mood, Mood]:
        """The week's mood and that of the four weeks before it, read once an hour."""
        kept = self.moods.get(topic)
        if kept is None or not kept[0] <= now < kept[0] + HOUR:
            week = now - timedelta(days=7)
            moods = (counts.mood(connection, topic, *span) for span in ((week, now), (week - timedelta(days=28), week)))
            kept = self.moods[topic] = (now, *(Mood(*one) for one in moods))
        return kept[1], kept[2]

    def _standing(
        self, live: Live, rows: Sequence[Row], asked: Collection[tuple[str, str]], now: datetime
    ) -> list[tuple[SpikeRule, Key, Standing]]:
        if not rows:
            return []
        where = live.tick([self.known[key] for _, key in rows], now)
        wanted = [i for i, one in enumerate(live.watched) if i in where.raised or (one.rule, one.series) in asked]
        return [(*rows[i], where[i]) for i in wanted]

    def _begin(
        self,
        connection: Connection,
        current: config.Config,
        now: datetime,
        armed: datetime,
        gaps: Sequence[Any],
        filled: Sequence[tuple[datetime | None, datetime | None]],
    ) -> None:
        counts.unhurried(connection)
        found = counts.bins(connection, now - timedelta(days=KEEP + 1), now + MINUTE, armed, None, self.measures)
        known = self._heard(found, armed, gaps, now)
        self.rows = watched(current, set(known))
        self.known = known
        self.live = self._made(self.rows)
        old = self.live.begin([self.known[key] for _, key in self.rows], now) if self.rows else []
        self._forget(now)
        for row, bin_ in old:
            at = begins(bin_)
            if any((since or at) <= at < (until or now) for since, until in filled):
                self.missed.append((*self.rows[row], at))

    def _made(self, rows: Sequence[Row]) -> Live:
        for _, key in rows:
            self.known.setdefault(key, Heard({}, {}))
        return Live([Watched(rule.name, name(key), rule.threshold, float(rule.floor)) for rule, key in rows])

    def _update(
        self, connection: Connection, current: config.Config, now: datetime, armed: datetime, gaps: Sequence[Any]
    ) -> list[Row]:
        """What was counted since the last tick and in the hour before it, and a slice of the past; returns the series that are new."""
        assert self.live is not None
        dark = _dark(gaps, now)
        first = min(bin_of(now), self.live.board.now if self.rows else bin_of(now)) - AGAIN
        hour = counts.bins(connection, begins(first), now + MINUTE, armed, None, self.measures)
        window = self._heard(hour, armed, gaps, now)
        have = {(rule.name, key) for rule, key in self.rows}
        new = [row for row in watched(current, {*self.known, *window}) if (row[0].name, row[1]) not in have]
        self._hear(window, first, now, dark)
        if now.hour != self.ticked.hour:
            self._forget(now)
        start = bin_of(now) - PAST + int(now.timestamp() // 60) % 60 * SLICE
        end = min(start + SLICE, first)
        if start < end and self.rows:
            past = counts.bins(connection, begins(start), begins(end), armed, None, self.measures)
            late = self._heard(past, armed, gaps, now)
            self.live.late({i: late[key] for i, (_, key) in enumerate(self.rows) if key in late}, start, end)
            self._take({*filter(self._long, {*self.known, *late})}, late, start, end, dark)
        return new

    def _hear(self, window: Mapping[Key, Heard], first: int, now: datetime, dark: frozenset[int]) -> None:
        """The bins from `first` on as they are by now. Of what nobody looks at over days they are all that is kept."""
        nothing, everything = Heard({}, {}, dark), {*self.known, *window}
        long = {key for key in everything if self._long(key)}
        self._take(long, window, first, bin_of(now) + 1, dark)
        for key in everything - long:
            self.known[key] = window.get(key, nothing)

    def _take(
        self, keys: Collection[Key], found: Mapping[Key, Heard], start: int, end: int, dark: frozenset[int]
    ) -> None:
        """These bins of these series as they are by now."""
        nothing = Heard({}, {})
        for key in keys:
            old, new = self.known.get(key) or Heard({}, {}), found.get(key, nothing)
            for bins, more in ((old.live, new.live), (old.usual, new.usual)):
                for bin_ in range(start, end):
                    bins.pop(bin_, None)  # type: ignore[attr-defined]
                bins.update(more)  # type: ignore[attr-defined]
            self.known[key] = replace(old, dark=dark)

    def _long(self, key: Key) -> bool:
        return not key[1] and key[0] in self.kept

    def _forget(self, now: datetime) -> None:
        """Keep the last hour of each series; the board knows the rest. Share and silence look at fourteen days of theirs."""
        recent, old = bin_of(now) - AGAIN, bin_of(now) - PAST - DAY // BIN
        for key, one in self.known.items():
            least = old if self._long(key) else recent
            live, usual = ({b: n for b, n in bins.items() if b >= least} for bins in (one.live, one.usual))
            self.known[key] = Heard(live, usual, one.dark)

    def _join(
        self, connection: Connection, new: Sequence[Row], now: datetime, armed: datetime, gaps: Sequence[Any],
        asked: Collection[tuple[str, str]],
    ) -> list[tuple[SpikeRule, Key, Standing]]:  # fmt: skip
        """Series that were never heard before begin with what is stored of them; the others go on."""
        topics = sorted({key[0] for _, key in new})
        found = counts.bins(connection, now - timedelta(days=KEEP + 1), now + MINUTE, armed, topics, self.measures)
        self.known.update(self._heard(found, armed, gaps, now))
        more = self._made(new)
        more.begin([self.known[key] for _, key in new], now)
        standing = self._standing(more, new, asked, now)
        if self.live is None or not self.rows:
            self.live, self.rows = more, list(new)
        else:
            join(self.live, more)
            self.rows += new
        self._forget(now)
        return standing

    def _save(self, connection: Connection, now: datetime) -> None:
        assert self.live is not None
        states = freeze(self.live) if self.rows else []
        about = {
            "mark": self.mark,
            "bin": self.live.board.now,
            "at": now.isoformat(),
            "dark": [[channel, _text(since), _text(until)] for (channel, since), until in self.dark.items()],
        }
        rows = [(rule.name, *key, state) for (rule, key), state in zip(self.rows, states, strict=True)]
        snapshots.write(connection, about, rows)
        self.saved = now

    def _restore(
        self,
        connection: Connection,
        current: config.Config,
        mark: str,
        now: datetime,
        armed: datetime,
        gaps: Sequence[Any],
    ) -> None:
        """Go on where the last process wrote down where it stood, when that is of this configuration and not of the future."""
        kept = snapshots.read(connection)
        if kept is None or kept.about["mark"] != mark or not kept.rows:
            return
        saved = datetime.fromisoformat(kept.about["at"])
        if not saved <= now < saved + timedelta(days=1):
            return
        rules = {rule.name: rule for rule in current.escalations}
        rows = [(rules[r], (topic, platform, measure)) for r, topic, platform, measure, _ in kept.rows]
        self.known = {}
        if self.kept:
            since = now - timedelta(days=KEEP + 1)
            found = counts.bins(connection, since, now + MINUTE, armed, sorted(self.kept), self.measures)
            self.known = self._heard(found, armed, gaps, now)
        live = self._made(rows)
        if thaw(live, int(kept.about["bin"]), [row[4] for row in kept.rows]):
            self.live, self.rows, self.mark, self.saved, self.ticked = live, rows, mark, saved, saved
            self.dark = {(c, _moment(since)): _moment(until) for c, since, until in kept.about["dark"]}

    def _heard(
        self, found: Sequence[counts.Counted], armed: datetime, gaps: Sequence[Any], now: datetime
    ) -> dict[Key, Heard]:
        """By topic, over all platforms and for each. Bins before `armed` were not heard live and raise nothing."""
        live: Mapping[Key, dict[int, float]] = defaultdict(dict)
        usual: Mapping[Key, dict[int, float]] = defaultdict(dict)
        first, dark = bin_of(armed), _dark(gaps, now)
        for row in found:
            if row.bin < self.begun.get(row.topic, 0):
                continue
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


def watched(current: config.Config, known: Collection[Key]) -> list[tuple[SpikeRule, Key]]:
    """Each spike rule with each of its series."""
    of: Mapping[str, set[Key]] = defaultdict(set)
    for key in known:
        of[key[0]].add(key)
    found = []
    for rule in current.escalations:
        if rule.kind != "spike":
            continue
        for topic in current.topics:
            if rule.topics and topic.name not in rule.topics:
                continue
            ours = of.get(topic.name, set())
            for measure in _measures(rule, ours):
                found.append((rule, (topic.name, "", measure)))
                if rule.platforms:
                    found += [(rule, key) for key in sorted(ours) if key[1] and key[2] == measure]
    return found


def _measures(rule: SpikeRule, known: Collection[Key]) -> list[str]:
    """What a rule looks at: its measure, or negative mentions of each intent it asks for."""
    if not rule.intents:
        return [rule.measure]
    if "*" in rule.intents:
        return sorted({k[2] for k in known if not k[1] and k[2].startswith("negative+")})
    return [f"negative+{intent}" for intent in rule.intents]


def _asked_for(current: config.Config) -> set[str]:
    """What any rule looks at: the measures that are read."""
    found = {"all", "negative"} if _kept(current) else set()
    for rule in current.escalations:
        if rule.kind == "spike":
            found |= {f"negative+{intent}" for intent in rule.intents} or {rule.measure}
    return found


def name(key: Key) -> str:
    """`topic/measure`, or `topic/platform/measure`."""
    return "/".join(part for part in key if part)


def _kept(current: config.Config) -> set[str]:
    """The topics that a rule of another kind looks at over days."""
    found: set[str] = set()
    for rule in current.escalations:
        if rule.kind in ("share", "silence"):
            found |= {topic.name for topic in current.topics if not rule.topics or topic.name in rule.topics}
    return found


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
