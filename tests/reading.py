"""Driving an inbound connector by hand, as the poll step does: pages, state by state, each state through JSON."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from connectors.contract import Context, GapFound, Page
from connectors.errors import CursorInvalid, MalformedItem
from domain.nouns import Mention

SECRETS = {
    "REDDIT_CLIENT_ID": "town-reddit-app",
    "REDDIT_CLIENT_SECRET": "town-reddit-secret",
    "MASTODON_TOKEN": "town-mastodon-token",
    "X_BEARER_TOKEN": "town-x-bearer",
    "IMAP_PASSWORD": 'town "imap" password',
    "FEED_PASSWORD": "open sesame",
}


def context(**more: Any) -> Context:
    given: dict[str, Any] = {
        "now": lambda: datetime.now(UTC),
        "secret": SECRETS.__getitem__,
        "allow_hosts": frozenset({"127.0.0.1"}),
        "deadline": 5.0,
    }
    return Context(**{**given, **more})


@dataclass
class Reader:
    """Keeps what a channel would: the state, mentions by id, rejects, gaps. A new connector for every poll."""

    make: Callable[[], Any]
    state: dict[str, Any] = field(default_factory=dict)
    mentions: dict[str, Mention] = field(default_factory=dict)
    rejects: set[str] = field(default_factory=set)
    gaps: list[GapFound] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)

    def poll(self, max_pages: int = 50) -> bool:
        """True when nothing more is to be read now."""
        connector = self.make()
        for _ in range(max_pages):
            try:
                page = connector.fetch_page(self.state)
            except CursorInvalid as invalid:
                self.state = json.loads(json.dumps(invalid.state))
                continue
            self.take(connector, page)
            if page.done:
                return True
        return False

    def take(self, connector: Any, page: Page) -> None:
        for raw in page.items:
            payload = json.dumps(raw, sort_keys=True)
            assert connector_reads_alike(connector, raw, json.loads(payload))
            try:
                mention = connector.normalise(raw)
            except MalformedItem:
                self.rejects.add(payload)
                continue
            assert mention.published.tzinfo is UTC
            assert "\x00" not in mention.text
            mention.text.encode()  # no lone surrogates
            self.mentions[mention.native_id] = mention
        if page.complete:
            self.state = json.loads(json.dumps(page.state))
        self.gaps += page.gaps
        self.warnings += page.warnings
        self.pages.append(page)

    @property
    def ids(self) -> set[str]:
        return set(self.mentions)


def connector_reads_alike(connector: Any, raw: Any, stored: Any) -> bool:
    """What was stored as JSON reads the same as what came over the wire."""
    frozen = datetime(2026, 11, 21, tzinfo=UTC)
    live, connector.context = connector.context, context(now=lambda: frozen)
    try:
        return bool(_read(connector, raw) == _read(connector, stored))
    finally:
        connector.context = live


def _read(connector: Any, raw: Any) -> Any:
    try:
        return connector.normalise(raw)
    except MalformedItem as malformed:
        return str(malformed)
