"""The ledger for the length of one command."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from console.cli.called import call
from console.cli.common import where
from storage.ledger import Ledger
from workers.bootstrap import Place


class Rehearsal(Ledger):
    """A ledger whose transactions are done whole and then taken back: what a dry run works on."""

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        with self.engine.connect() as connection, connection.begin() as whole:
            yield connection
            whole.rollback()


def open_ledger(database_url: str) -> Ledger:
    """As the command was called: the ledger, or a rehearsal of it."""
    return (Rehearsal if call.dry_run else Ledger)(database_url, name="earmark-command", pool=2)


def ledger() -> Ledger:
    """Of this installation, closed when the command ends."""
    found = open_ledger(where().database_url)
    call.open.callback(found.close)
    return found


@contextmanager
def opened(place: Place | None = None) -> Iterator[Ledger]:
    """Open the ledger of this installation (or of a place already found) and close it when the block ends."""
    ledger = open_ledger((place or where()).database_url)
    try:
        yield ledger
    finally:
        ledger.close()
