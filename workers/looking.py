"""Look before you post: when an answer's time comes, the post it answers and its thread are asked for again at their platform.

Deleted, edited, or answered by an account of ours: the answer is stopped and its words are a draft again (storage/stopped.py). A platform
that offers no way to ask, or does not answer now, stops nothing: the answer goes, and the ticket says that nobody looked.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import structlog

from connectors.contract import Context, Glance, Inbound, Subject
from connectors.errors import ConnectorError, MalformedItem
from domain.looks import Objection, objection
from domain.nouns import Mention
from domain.rules import Account
from storage import looks, stopped
from storage.deliveries import Owed
from storage.ledger import Ledger
from storage.looks import Wanted
from workers.logs import trace
from workers.poll import Watched

log = structlog.get_logger()

DEADLINE_SECONDS = 10.0  # of a request: an answer does not wait long for a platform that is slow
LOOK_SECONDS = (
    20.0  # of a look with all its requests: well within the answer's lease, whose end in here would count as a crash
)
SAME = "same"


@dataclass(frozen=True, slots=True)
class Looker:
    """`watched` finds a configured channel by name; `ours` are our own accounts."""

    ledger: Ledger
    watched: Callable[[str], Watched | None]
    context: Context
    ours: Sequence[Account] = ()

    def stops(self, owed: Owed) -> bool:
        """True: the answer was taken out of the outbox. False: it may go; what looking gave is noted with it."""
        wanted = self.ledger.run(lambda c: looks.wanted(c, owed.id))
        if wanted is None:
            return False
        found, said = self._see(wanted)
        if found is not None and self.ledger.run(lambda c: stopped.stop(c, owed, found)):
            log.info("look.stopped", key=owed.key, why=found.code)
            return True
        self.ledger.run(lambda c: looks.note(c, wanted.entry, said, self.context.now()))
        return False

    def _see(self, wanted: Wanted) -> tuple[Objection | None, str]:
        """What stops it; and in words for the ticket what looking gave."""
        if wanted.known.changed:  # the ledger knows already, nobody need be asked
            return objection(wanted.known, Mention(wanted.platform, wanted.native_id, self.context.now())), SAME
        try:
            with ExitStack() as opened:
                ends = time.monotonic() + LOOK_SECONDS
                context = replace(self.context, opened=opened.callback, deadline=DEADLINE_SECONDS, ends=ends)
                seen = self._ask(wanted, context)
        except ConnectorError as error:
            return None, str(error)
        except Exception as error:  # a fault of a connector's costs the look, never the answer
            log.error("look.bug", platform=wanted.platform, exception=trace(error))
            return None, f"a mistake of ours ({type(error).__name__})"
        if seen is None:
            return None, f"{wanted.platform} cannot be asked about a single post"
        post, answers = seen
        return objection(wanted.known, post, answers, self.ours), SAME

    def _ask(self, wanted: Wanted, context: Context) -> tuple[Mention | None, list[Mention]] | None:
        """The post and what answers it as they are now, by the first of its channels that can look."""
        handles = [
            account.handle or account.native_id for account in self.ours if account.platform.lower() == wanted.platform
        ]
        ours = tuple(handle.removeprefix("u/").lstrip("@") for handle in handles)
        subject = Subject(wanted.native_id, wanted.context, json.loads(wanted.raw) if wanted.raw else None, ours)
        for name in wanted.channels:
            watched = self.watched(name)
            connector: Any = watched.connect(context) if watched else None
            look = getattr(connector, "look", None)
            glance: Glance | None = look(subject) if look else None
            if glance is not None:
                post = connector.normalise(glance.post) if glance.post is not None else None
                return post, list(_read(connector, glance.answers))
        return None


def _read(connector: Inbound, raws: Sequence[Any]) -> Iterator[Mention]:
    """Answers that can be read; a broken one is none of ours."""
    for raw in raws:
        try:
            yield connector.normalise(raw)
        except MalformedItem:
            continue
