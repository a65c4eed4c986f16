"""What every connector offers and what it is given. Inbound: fetch a page, normalise an item. Outbound: deliver a notice.

An inbound connector is a module in `connectors/inbound`; its name is its kind. It holds `PLATFORM`, `POLICY`, `Settings` (a pydantic
model with extra="forbid"), `describe(settings)` and `Connector(settings, context)`; where its state has a place that never goes back,
also `position(state)`. An outbound one is a module in `connectors/outbound` with `Settings`
and `Desk(settings, context)`. Vendor libraries are imported on first use, so that reading configuration stays light.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from domain.nouns import Mention, Notice

State = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Policy:
    """What a platform's terms let us do with its data; code enforces it wherever data is linked, stored or exported.

    `link`: may an account be matched with identifiers from elsewhere. `source`: the terms this was read from.
    """

    link: bool = True
    export_text: bool = True
    reply: bool = False
    retention_days: int | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """What a connector is given instead of reaching for it: the clock, secrets, the hosts it may speak to, when to stop.

    `imports`: the folder files may be read from. `received`: what was pushed to this channel and kept for it, after a row number, at most so many, oldest first.
    `deadline`: seconds of one request; `ends`: time.monotonic() at which all of them together are over.
    `opened`: told how to close each connection made; it is closed when the poll or delivery is over, in whatever circles a library holds it.
    """

    now: Callable[[], datetime]
    secret: Callable[[str], str]
    allow_hosts: frozenset[str] = frozenset()
    stopping: Callable[[], bool] = lambda: False
    imports: str = "imports"
    received: Callable[[int, int], list[tuple[int, Any]]] = lambda after, limit: []
    opened: Callable[[Callable[[], None]], object] = lambda close: None
    max_bytes: int = 10_000_000
    deadline: float = 30.0
    ends: float = math.inf
    user_agent: str = "earmark/0.1 (+https://github.com/earmark)"


@dataclass(frozen=True, slots=True)
class GapFound:
    """An interval the channel cannot read (any more), and why."""

    since: datetime | None
    until: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class Page:
    """One upstream page: the unit of work and of commit.

    `items` are raw and whole, one entry per item the source returned, whatever is wrong with it. `state` is what to store once
    the items are in the ledger, and not before. `done`: nothing more to fetch now. `complete` is False for a page that was cut:
    its items count, the position does not move. `not_before`: no request earlier than this. `uniform` False: its items were not made
    by one program, so that a page of nothing but bad ones says nothing about the next.
    """

    items: list[Any]
    state: State
    done: bool
    complete: bool = True
    not_before: datetime | None = None
    gaps: tuple[GapFound, ...] = ()
    warnings: tuple[str, ...] = ()
    observed: Mapping[str, Any] = field(default_factory=dict)
    bytes: int = 0
    uniform: bool = True


class Inbound(Protocol):
    """A platform we read. `normalise` is pure and raises MalformedItem; `fetch_page` raises the errors of connectors/errors.py."""

    def fetch_page(self, state: State) -> Page: ...

    def normalise(self, raw: Any) -> Mention: ...


@dataclass(frozen=True, slots=True)
class Subject:
    """A post that is to be looked at once more, as the ledger knows it. `raw`: its stored item, where that is still kept.

    `ours`: handles of our own accounts on this platform, whose answers are looked for; none: answers are not asked for.
    """

    native_id: str
    context: str
    raw: Any = None
    ours: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Glance:
    """A post as its platform shows it now (None: it is not there any more), and what answers it; raw, for `normalise`.

    `whole` False: there are more answers than were read.
    """

    post: Any
    answers: tuple[Any, ...] = ()
    whole: bool = True


class Looking(Inbound, Protocol):
    """A platform that can be asked for one post: a connector that can has `look`. None: for this post it cannot."""

    def look(self, subject: Subject) -> Glance | None: ...


@dataclass(frozen=True, slots=True)
class Delivered:
    """That the target holds our effect, under which id. `moved_to`: the target's ticket that goes on where a closed one ended.
    `person`: the id of the contact it was written to, where the target keeps people."""

    remote_id: str = ""
    url: str | None = None
    detail: str = ""
    moved_to: str = ""
    person: str = ""


class Outbound(Protocol):
    """A desk or alert route.

    `render` is pure: the exact request text that is stored before the first call and replayed to the letter. `deliver` raises
    RateLimited, AuthError, Refused, ConfigError, or Transient (`sent=False`: certainly not received; `sent=True`: unknown).
    `find` looks an earlier attempt up: Delivered, or None when the target certainly does not hold it. `quiet` is how long to wait
    before that look-up can be believed. `looks_up` False: the target offers none, so delivery is at least once with a stable id.
    `remote` is the target's id of the ticket an effect belongs to, known once its creation was delivered. A desk with `keeps_people`
    is told in `notice.body["person"]` who the ticket's customer is: id, name, email, phone, tier, vip, attributes, and `contact`, its own
    id of that person where one is known.
    """

    looks_up: bool
    quiet: timedelta

    def render(self, notice: Notice, remote: str | None) -> str: ...

    def deliver(self, notice: Notice, request: str, remote: str | None) -> Delivered: ...

    def find(self, notice: Notice, request: str, remote: str | None) -> Delivered | None: ...


@dataclass(frozen=True, slots=True)
class Told:
    """Which of a desk's tickets may have changed, and where to ask on from. `state` is stored with the names, and not before."""

    remote_ids: tuple[str, ...]
    state: State
    done: bool


@dataclass(frozen=True, slots=True)
class Remark:
    """One change of a desk's ticket, as its own record of changes has it.

    `key`: the effect of ours that it says it is. `fields`: field → the values of ours that fit what it was set to, the likeliest first;
    for `assignee` an e-mail address, or "" for nobody; for `tag:NAME` on or off; for `field:NAME` its text. `unknown`: field → what was said, where nothing of ours fits.
    """

    event_id: str
    by: str = ""
    email: str = ""
    key: str = ""
    text: str = ""
    public: bool = False
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)


class Speaking(Outbound, Protocol):
    """A desk that speaks back. Beside what every desk has, its module says `two_way(settings)`: seconds between two pulls, or None, and,
    where custom fields have a counterpart there, `shared(settings)`: their names here.

    A desk pushes hints only: whatever it says, the ticket is read again. `pull` asks what changed since, from `state` or, on the first
    call, from `{"since": unix seconds}`. `changes` are all of a ticket's, oldest first; None when the desk does not have it (any more).
    """

    def pull(self, state: State) -> Told: ...

    def changes(self, remote: str) -> list[Remark] | None: ...


@dataclass(frozen=True, slots=True)
class Contact:
    """A person as a CRM has them. `was`: ids that were merged into this one. `customer`: our own id, where the CRM keeps it.

    `fields`: a field of ours (tier, customer_number, or an attribute's name) → its value there.
    """

    remote_id: str
    name: str = ""
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    was: tuple[str, ...] = ()
    customer: int | None = None


@dataclass(frozen=True, slots=True)
class Contacts:
    """One page of people that may have changed. `state` is stored with what was taken of them, and not before."""

    people: tuple[Contact, ...]
    state: State
    done: bool


class Knowing(Outbound, Protocol):
    """A desk whose people are read. Beside what every desk has, its module says `contacts(settings)`: seconds between two pulls, or None.

    `people` asks who changed since, from `state` or, on the first call, from `{"since": 0}`; it may name somebody twice.
    """

    def people(self, state: State) -> Contacts: ...
