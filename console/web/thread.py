"""A ticket's history as its page shows it: what people said stands by itself, runs of what merely happened are one line. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from storage.views_ticket import Entry

SPOKEN = frozenset({"mention", "note", "reply", "handoff", "contact", "survey"})
RUN = 3  # from so many on, a run is folded


@dataclass(frozen=True, slots=True)
class Line:
    """One entry, or a folded run of them."""

    entries: tuple[Entry, ...]

    @property
    def folded(self) -> bool:
        return len(self.entries) > 1

    @property
    def by(self) -> str:
        """Who was at work, once each."""
        return ", ".join(dict.fromkeys(entry.user or "Earmark" for entry in self.entries))


def lines(history: Sequence[Entry], open_: Iterable[int] = ()) -> list[Line]:
    """Runs of at least RUN entries nobody said anything in are folded; one that holds an id of `open_` is not."""
    shown = frozenset(open_)
    made: list[Line] = []
    for spoken, run in groupby(history, lambda entry: entry.kind in SPOKEN or bool(entry.before)):
        found = tuple(run)
        if spoken or len(found) < RUN or any(entry.id in shown for entry in found):
            made += [Line((entry,)) for entry in found]
        else:
            made.append(Line(found))
    return made


def last_word(history: Sequence[Entry], me: int) -> Entry | None:
    """A colleague's note that nobody has answered: whoever replies now may think they answer the note."""
    said = [entry for entry in history if entry.kind in SPOKEN]
    last = said[-1] if said else None
    return last if last and last.kind in ("note", "handoff") and last.user_id != me else None


def held_back(history: Sequence[Entry], me: int) -> Entry | None:
    """One's own last answer, if it was stopped before it left and none was sent since."""
    mine = [entry for entry in history if entry.user_id == me and entry.kind in ("reply", "withdrawn")]
    last = mine[-1] if mine else None
    return last if last and "stopped" in (last.detail or {}) else None
