"""The one grammar of ticket filters: the inbox's address, the argument of `earmark tickets list` and what a saved view keeps are the same text."""

from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode

from storage.views import SORTS, VIEWS, Filter

MANY = ("status", "priority", "team", "platform", "topic", "sentiment", "intent", "assignee", "mark")
ONE = ("view", "q", "sort", "page", "since", "until")
SHOWN = ("why", "said", "act", "n")  # what an address says beside its filter
MOST = 20  # values of one field; more is no filter a person made
MOMENT, HOUR = "%Y-%m-%dT%H:%MZ", "%Y-%m-%dT%HZ"
DEFAULTS = {("view", "open"), ("sort", "due"), ("page", "1")}


def pairs(query: str) -> list[tuple[str, str]]:
    """A query as it stands after the question mark; a whole address is taken, too."""
    return parse_qsl(query.removeprefix("/inbox").removeprefix("?"))


def read(given: Iterable[tuple[str, str]]) -> tuple[Filter, list[str]]:
    """The filter, and what of it was not understood: a page leaves that out, a command refuses it."""
    values: dict[str, list[str]] = {}
    complaints = []
    for name, value in given:
        if name in MANY or name in ONE:
            values.setdefault(name, []).append(value.replace("\x00", "")[:200])
        elif name not in SHOWN:
            complaints.append(f"{name}: no such filter; there is {', '.join((*ONE, *MANY))}")
    many = {name: tuple(v for v in values.get(name, ()) if v)[:MOST] for name in MANY}
    complaints += [f"{name}: at most {MOST} values" for name in MANY if len(values.get(name, ())) > MOST]
    view, sort, page = (values.get(name, [""])[-1] for name in ("view", "sort", "page"))
    for name, value, known in (("view", view, VIEWS), ("sort", sort, SORTS)):
        if value and value not in known:
            complaints.append(f"{value}: no such {name}; there is {', '.join(known)}")
    if page and not (page.isdecimal() and len(page) < 8):
        complaints.append(f"{page}: no page")
    times = {name: moment(values.get(name, [""])[-1]) for name in ("since", "until")}
    complaints += [
        f"{values[n][-1]}: no time, such as 2026-11-22T08:00Z" for n, at in times.items() if n in values and at is None
    ]
    found = Filter(
        view=view if view in VIEWS else "open",
        q=values.get("q", [""])[-1].strip(),
        sort=sort if sort in SORTS else "due",
        page=int(page) if page.isdecimal() and len(page) < 8 else 1,
        **times,
        **many,
    )
    return found, complaints


def moment(value: str) -> datetime | None:
    """A time in an address, such as 2026-11-22T08:00Z or, for a whole hour, 2026-11-22T08Z; anything else is no condition."""
    for form in (MOMENT, HOUR):
        try:
            return datetime.strptime(value, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def write(filter: Filter, **changes: object) -> str:
    """The filter as text, with some fields changed; defaults are left out. A change of filter goes back to page 1."""
    values: dict[str, object] = (
        {name: getattr(filter, name) for name in ("view", "q", *MANY, "sort")} | {"page": 1} | changes
    )
    for name in ("since", "until"):
        if (at := getattr(filter, name)) is not None:
            values.setdefault(name, at.strftime(MOMENT))
    said: list[tuple[str, str]] = []
    for name, value in values.items():
        items = value if isinstance(value, tuple | list) else (value,)
        said += [(name, str(v)) for v in items if str(v) and (name, str(v)) not in DEFAULTS]
    return urlencode(said)
