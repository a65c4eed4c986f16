"""Several searches read as one channel, in turns: what a query becomes that takes more than one, or stands beside subreddits."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from connectors.contract import Inbound, Page, State
from connectors.errors import CursorInvalid
from domain.nouns import Mention
from domain.query_tree import Node


def expand(module: Any, settings: Any, query: Node) -> list[Any]:
    """The settings of each connector a channel is read by: its own, or one per search made from its topics' queries.

    A connector's module takes part by a function `searches(settings, query)`. Raises Unsearchable.
    """
    make = getattr(module, "searches", None)
    return list(make(settings, query)) if make else [settings]


class Several:
    """State: {"v": 1, "turn": name, "parts": {name: the search's own state}}. A search that changed its name begins anew."""

    def __init__(self, parts: Mapping[str, Inbound]) -> None:
        self.parts = dict(parts)

    def fetch_page(self, state: State) -> Page:
        """A page of the search whose turn it is; done when the last one has nothing more."""
        names = list(self.parts)
        turn = state["turn"] if state.get("turn") in names else names[0]
        kept = {name: part for name, part in (state.get("parts") or {}).items() if name in names}
        try:
            page = self.parts[turn].fetch_page(kept.get(turn) or {})
        except CursorInvalid as stale:
            again = {"v": 1, "turn": turn, "parts": {**kept, turn: stale.state}}
            raise CursorInvalid(str(stale), state=again, advice=stale.advice, status=stale.status) from stale
        following = names[(names.index(turn) + 1) % len(names)] if page.done else turn
        whole = {"v": 1, "turn": following, "parts": {**kept, turn: page.state}}
        return replace(page, state=whole, done=page.done and turn == names[-1])

    @property
    def look(self) -> Any:
        """As its parts, which differ in what they search only; None where they cannot."""
        return getattr(next(iter(self.parts.values())), "look", None)

    def normalise(self, raw: Any) -> Mention:
        return next(iter(self.parts.values())).normalise(raw)
