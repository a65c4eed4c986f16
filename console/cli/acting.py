"""What commands about tickets share: who acts, one transaction each, filters and times as people write them.

Without --as the command line itself is named as who did it.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from sqlalchemy import Connection

from config.base import seconds
from console.cli.common import fail, show_json
from console.cli.opened import opened
from storage import (
    inbox_address,
    users,
)
from storage.casework import Hand, Person, Refused
from storage.users import User
from storage.views import Filter

T = TypeVar("T")
As = Annotated[str, typer.Option("--as", metavar="EMAIL", help="Who acts; left out: the command line.")]
Number = Annotated[int, typer.Argument(help="The ticket's number.")]
COMMAND = Hand("Command line", "command")


def run(work: Callable[[Connection], T]) -> T:
    """One transaction; a refusal or a ticket that is not there ends with 1 and says why."""
    try:
        with opened() as ledger:
            return ledger.run(work)
    except Refused as refused:
        fail(str(refused))
    except LookupError as error:
        _unknown(error)


def _unknown(error: LookupError) -> NoReturn:
    fail(f"there is no ticket {error}", "earmark tickets list")


def who(connection: Connection, email: str) -> Person:
    """The user of an address, or the command line."""
    if not email:
        return COMMAND
    found = users.by_email(connection, email)
    if found is None:
        fail(f"there is no user {email}", "earmark users list", code=2)
    return found


def agent(connection: Connection, email: str) -> User:
    found = who(connection, email)
    if not isinstance(found, User):
        fail("say for whom: --as EMAIL", code=2)
    return found


def read_filter(query: str, **more: Any) -> Filter:
    """The inbox's address after the question mark as a filter, by the inbox's own parser: page and command list the same."""
    wanted, complaints = inbox_address.read([*inbox_address.pairs(query), *((n, str(v)) for n, v in more.items() if v)])
    if complaints:
        fail(complaints[0], code=2)
    return wanted


def moment(text: str) -> datetime:
    """`4h`, `2d` from now, or an ISO time (UTC without an offset)."""
    try:
        return datetime.now(UTC) + timedelta(seconds=seconds(text))
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{text}: no time", "write 4h, 2d, 2026-03-01 or 2026-03-01T09:00+01:00", code=2)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def done(as_json: bool, words: str, **values: Any) -> None:
    show_json(values) if as_json else print(words)
