"""The life of a ticket: which status may follow which, and what a customer's new post does to it. A pure state machine.

new → somebody works on it (open) → we wait for the customer (pending) or for somebody else (hold) → resolved → closed.
Muted is for conversations that go on without needing us: what comes is kept and asks for nobody, until it is grave.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from domain.said import Said

Status = Literal["new", "open", "pending", "hold", "resolved", "closed", "muted"]
STATUSES: tuple[Status, ...] = ("new", "open", "pending", "hold", "resolved", "closed", "muted")
DONE = frozenset({"resolved", "closed"})
PAUSED = frozenset({"pending", "hold", "muted"})  # nobody of ours is waited for: service level clocks stand still
QUIET = DONE | {"muted"}  # not in the list of what is to be done
GRAVE = frozenset({"high", "urgent"})  # what wakes a muted ticket

_WORKING = frozenset({"open", "pending", "hold", "resolved", "closed", "muted"})
MOVES: Mapping[str, frozenset[str]] = {
    "new": _WORKING,
    "open": _WORKING - {"open"},
    "pending": _WORKING - {"pending"},
    "hold": _WORKING - {"hold"},
    "resolved": frozenset({"open", "closed"}),
    "closed": frozenset({"open"}),
    "muted": frozenset({"open", "resolved", "closed"}),
}
REOPEN_DAYS = 7


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a new post means for its conversation's ticket. `status` None: that ticket stays as it is and a new one is opened."""

    status: str | None
    why: str


def may(status: str, wanted: str) -> bool:
    """Whether a person may move a ticket so."""
    return wanted in MOVES.get(status, frozenset())


def refusal(status: str, wanted: str) -> str:
    """Why a move is not allowed, and what is. Empty when it is."""
    if may(status, wanted) or status == wanted:
        return ""
    if wanted not in STATUSES:
        return Said("There is no status “%(name)s”.", name=wanted)
    allowed = ", ".join(name for name in STATUSES if name in MOVES.get(status, ()))
    return Said(
        "A ticket that is %(status)s cannot become %(wanted)s; it can become %(allowed)s.",
        status=Said(status), wanted=Said(wanted), allowed=allowed,
    )  # fmt: skip


def arrival(
    status: str, priority: str, since_resolved: timedelta | None, reopen: timedelta = timedelta(days=REOPEN_DAYS)
) -> Arrival:
    """The status after the customer wrote again. `priority` is the new post's; `since_resolved` how long the ticket was resolved."""
    if status in ("pending", "hold"):
        return Arrival("open", "the customer wrote while we waited")
    if status == "muted":
        if priority in GRAVE:
            return Arrival("open", f"a muted ticket is woken by what is {priority}")
        return Arrival("muted", "muted: kept, and nobody is asked")
    if status == "resolved":
        if since_resolved is not None and since_resolved <= reopen:
            return Arrival("open", "the customer wrote again soon after it was resolved")
        return Arrival(None, "it was resolved too long ago")
    if status == "closed":
        return Arrival(None, "it is closed")
    return Arrival(status, "it is being worked on")
