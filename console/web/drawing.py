"""What a dashboard is drawn from, read when the first figure asks, and what it is made of: figures, tiles, cards."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cached_property
from urllib.parse import urlencode

from markupsafe import Markup
from sqlalchemy import Connection

from console.web import formats, heard
from console.web.texts import _
from storage import boards, talk, worked
from storage.boards import Hole
from storage.inbox_address import MOMENT
from storage.talk import Range, Step

HOUR = timedelta(hours=1)
Datum = str | int | float | datetime  # a cell: a page shows it as its reader writes it, a file plain
MOODS = ("negative", "neutral", "unscored", "positive")
SCORED = ("negative", "neutral", "positive")


@dataclass(frozen=True, slots=True)
class Tile:
    """A headline figure beside the period before. `good`: whether the change is welcome; None: neither."""

    name: str
    value: str
    before: str
    change: str = ""
    good: bool | None = None
    about: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """How one topic or team does."""

    name: str
    href: str
    tiles: Sequence[Tile]


@dataclass(frozen=True, slots=True)
class Figure:
    """One chart: its name, what it shows in words, the picture (or cards), and its rows as a table and as CSV."""

    id: str
    title: str
    about: str
    picture: Markup
    head: tuple[str | datetime, ...]
    rows: Sequence[tuple[Datum, ...]]
    wide: bool = False
    cards: Sequence[Card] = field(default_factory=tuple)
    notes: Sequence[str] = field(default_factory=tuple)  # numbered in the picture, in words below it


@dataclass(frozen=True)
class Drawing:
    """What every figure is drawn from, read when the first of them asks. `zone`: whose clock it shows; its steps go by the range's own."""

    connection: Connection
    wanted: Range
    zone: tzinfo
    steps: tuple[datetime, ...]  # when they begin

    @classmethod
    def of(cls, connection: Connection, wanted: Range, zone: tzinfo) -> "Drawing":
        return cls(connection, wanted, zone, talk.moments(connection, wanted))

    @cached_property
    def told(self) -> talk.Told:
        return talk.read(self.connection, self.wanted)

    @cached_property
    def worked(self) -> tuple[worked.Worked, worked.Worked]:
        """(the range, the period before it)."""
        return worked.read(self.connection, self.wanted)

    @cached_property
    def twice(self) -> "Drawing":
        """The same in steps twice as long."""
        return Drawing.of(self.connection, replace(self.wanted, hours=self.wanted.hours * 2), self.zone)

    @cached_property
    def gaps(self) -> dict[int, str]:
        """Step → why it could not be counted whole."""
        found = boards.holes(self.connection, self.wanted)
        return {n: why for n, at in enumerate(self.steps) if (why := _why(found, at, self.end(at)))}

    def end(self, at: datetime) -> datetime:
        """Of the step that begins `at`: where the next one does."""
        following = bisect_right(self.steps, at)
        return self.steps[following] if following < len(self.steps) else self.wanted.until

    def span(self, at: datetime) -> dict[str, str]:
        """One step from `at`, as the inbox's address says it."""
        since, until = at.astimezone(UTC), self.end(at).astimezone(UTC)
        return {"since": since.strftime(MOMENT), "until": until.strftime(MOMENT)}

    @property
    def whole(self) -> dict[str, str]:
        return {
            "since": self.wanted.since.strftime(MOMENT),
            "until": self.wanted.until.strftime(MOMENT),
        }

    def mentions(self, since: datetime, until: datetime, **more: object) -> str:
        """The list of mentions with the same filter; what `more` says instead of a filter's own values."""
        own = {"topic": self.wanted.topics, "platform": self.wanted.platforms}
        return heard.address(since, until, **{name: chosen for name, chosen in own.items() if chosen} | more)

    def inbox(self, **more: str) -> str:
        """The inbox with the same filter; what `more` says instead of a filter's own values. A merged ticket is counted where it went on."""
        pairs = [
            ("view", "all"),
            ("mark", "unmerged"),
            *(("topic", t) for t in self.wanted.topics if "topic" not in more),
            *(("platform", p) for p in self.wanted.platforms if "platform" not in more),
        ]
        return "/inbox?" + urlencode(pairs + list(more.items()), safe=":")

    def name(self, at: datetime) -> str:
        return formats.at(at, self.zone)

    def tick(self, n: int, at: datetime, count: int) -> str:
        """About seven labels under an axis."""
        if n % max(1, round(count / 7)):
            return ""
        return formats.clock(at, self.zone) if self.wanted.hours < 6 else formats.day(at, self.zone, year=False)


def _why(holes: Sequence[Hole], since: datetime, until: datetime) -> str:
    """The channels that could not be read in a step, at most three by name."""
    there = {hole.channel: hole.reason for hole in holes if hole.since < until and hole.until > since}
    if not there:
        return ""
    named = "; ".join(f"{name} ({why})" for name, why in list(there.items())[:3])
    if len(there) > 3:
        return _("not read: %(channels)s and %(n)s more", channels=named, n=len(there) - 3)
    return _("not read: %(channels)s", channels=named)


def total(steps: Iterable[Step], labels: Sequence[str]) -> int:
    return sum(step.n.get(label, 0) for step in steps for label in labels)
