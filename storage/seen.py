"""What a page had shown when somebody sends from it: a send that missed an entry is stopped, with the entries it missed.

A page carries a stamp: the moment it was read and the ids of the newest entries it showed. Ids and times of entries are given before
they are committed, so neither alone says what was seen; an entry that began before the stamp and came late is known by its id.
"""

import re
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from domain.said import Said
from storage.casework import Unseen
from storage.ledger import rows
from storage.together import Question

LATE = timedelta(minutes=10)  # longer than any transaction that writes an entry
_STAMP = re.compile(r"(\d{1,17})((?:\.[0-9a-z]{1,13})*)")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Missed(Unseen):
    """`entries`: what the sender had not seen."""

    def __init__(self, entries: list[int]) -> None:
        n = len(entries)
        super().__init__(
            Said(
                "Nothing was sent: an entry is new on this ticket since your page was read. Your text is kept; read on and decide again."
            )
            if n == 1
            else Said(
                "Nothing was sent: %(n)s entries are new on this ticket since your page was read. "
                "Your text is kept; read on and decide again.",
                n=n,
            )
        )
        self.entries = entries


def stamp(ticket_id: int) -> Question[str]:
    """For a page that shows all entries of this very snapshot."""
    return Question(
        "SELECT now() AS now, ARRAY(SELECT id FROM entries WHERE ticket_id = :id AND at > now() - :late "
        "AND kind <> 'repost' ORDER BY id) AS ids",
        {"id": ticket_id, "late": LATE},
        lambda found: _stamped(**found[0]),
    )


def _stamped(now: datetime, ids: list[int]) -> str:
    micros = int(now.timestamp()) * 1_000_000 + now.microsecond
    return ".".join([str(micros), *map(_short, ids)])


def check(connection: Connection, ticket_id: int, stamped: str) -> None:
    """Raises Missed. An empty stamp is of somebody who does not look at a page: a program. One that is none of ours has seen nothing."""
    if not stamped:
        return
    found = _STAMP.fullmatch(stamped)
    since = datetime.fromtimestamp(0, UTC)
    shown: list[int] = []
    if found:
        since = min(since + timedelta(microseconds=int(found[1])), datetime.now(UTC) + timedelta(days=1)) - LATE
        shown = [int(part, 36) for part in found[2].split(".") if part]
    missed = rows(
        connection,
        "SELECT id FROM entries WHERE ticket_id = :id AND at > :since AND kind <> 'repost' "
        "AND NOT CAST(id AS numeric) = ANY(CAST(:shown AS numeric[])) ORDER BY at, id",
        id=ticket_id,
        since=since,
        shown=shown,
    )
    if missed:
        raise Missed([row["id"] for row in missed])


def _short(number: int) -> str:
    digits = ""
    while number:
        number, last = divmod(number, 36)
        digits = _DIGITS[last] + digits
    return digits or "0"
