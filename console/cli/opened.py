"""The ledger for the length of one command."""

from collections.abc import Iterator
from contextlib import contextmanager

from console.cli.common import where
from storage.ledger import Ledger
from workers.bootstrap import Place


@contextmanager
def opened(place: Place | None = None) -> Iterator[Ledger]:
    """Open the ledger of this installation (or of a place already found) and close it when the block ends."""
    ledger = Ledger((place or where()).database_url, name="earmark-command", pool=2)
    try:
        yield ledger
    finally:
        ledger.close()
