"""A page on its way in: what was found in it, what could not be read, and the figures its transaction owes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from domain.nouns import Mention
from domain.quick import quick


class LeaseLost(Exception):
    """Another worker owns this channel now: nothing of this page is stored here; its owner reads it again."""


@quick(frozen=True, slots=True)
class Found:
    """An item that could be read, with the topics it matches and its raw form."""

    mention: Mention
    topics: tuple[str, ...]
    payload: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """An item that could not be read."""

    reason: str
    payload: str
    native_id: str | None = None

    @property
    def item_hash(self) -> bytes:
        return sha256(self.payload.encode()).digest()


@dataclass(frozen=True, slots=True)
class PageIn:
    """What is known of one page before its transaction."""

    channel_id: int
    lease: str
    state: dict[str, Any]
    found: Sequence[Found]
    rejected: Sequence[Rejected]
    gaps: Sequence[tuple[datetime | None, datetime | None, str]] = ()
    complete: bool = True
    done: bool = True
    not_before: datetime | None = None
    observed: dict[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    bytes: int = 0
    ms: int = 0


@dataclass(slots=True)
class PageCounts:
    """Where each item of the page went; the seven add up to `returned`."""

    returned: int = 0
    new: int = 0
    edited: int = 0
    deleted: int = 0
    known: int = 0
    not_matching: int = 0
    suppressed: int = 0
    rejected: int = 0
    sightings: int = 0
    gaps: int = 0
    mention_sum: int = 0
    sighting_sum: int = 0
    reject_sum: int = 0
    gap_sum: int = 0
    paused: bool = False  # somebody paused the channel meanwhile: no further page
    since: datetime | None = None  # when the channel was first read
    at: datetime | None = None  # the transaction's time
    fresh: list[tuple[int, Found]] = field(default_factory=list)  # the new ones, by id

    @property
    def queued(self) -> int:
        return self.new + self.edited + self.deleted


Key = tuple[str, str, str]


@quick(frozen=True, slots=True)
class Arrival:
    """An item on its way in, with the id and the counts of the page that brought it."""

    item: Found
    page_id: int
    counts: PageCounts
