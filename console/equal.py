"""Which command says what a page shows, and which page shows what a command says: one table, read by both. Pure.

A command is what stands behind `earmark`; `page` is an address of the console without its host.
"""

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

Pairs = list[tuple[str, str]]
DAYS = {"24h": 1, "7d": 7, "30d": 30, "90d": 90}  # ranges of a dashboard
SHOWN = ("why", "said", "act", "n")  # of an address: how it is shown, not what


@dataclass(frozen=True, slots=True)
class Equal:
    """`asked`: parameter of the page's query → option of the command, "" for its argument. A name in the page's path is its argument."""

    page: str
    command: str
    asked: Mapping[str, str]
    argument: str = ""  # how the command calls the name in the path

    def match(self, path: str) -> str | None:
        """The part of the path that is the command's argument; None where this is not the page."""
        pattern = "([^/]+)".join(map(re.escape, re.split(r"\{\w+\}", self.page)))
        found = re.fullmatch(pattern, path)
        return None if found is None else (found[1] if found.groups() else "")


TABLE = (
    Equal("/tickets/{number}", "tickets show", {}, "number"),
    Equal("/customers", "customers list", {"q": ""}, "wanted"),
    Equal("/customers/{id}", "customers show", {}, "customer"),
    Equal("/proposals", "customers proposals", {}),
    Equal("/mentions/{id}", "explain", {}, "mention"),
    Equal("/flags", "flags list", {"state": "--state", "page": "--page"}),
    Equal("/flags/{id}", "flags show", {}, "flag"),
    Equal("/channels", "channels", {}),
    Equal("/status", "status", {}),
    Equal("/status/outbox", "outbox list", {"word": "--state", "target": "--target", "before": "--before"}),
    Equal("/status/dead", "dead list", {"state": "--state"}),
    Equal("/status/dead/{name}", "dead show", {}, "name"),
    Equal("/status/configuration", "plan", {}),
    Equal("/admin/users", "users list", {}),
    Equal("/admin/teams", "agents list", {}),
    Equal("/admin/tokens", "tokens list", {}),
    Equal(
        "/admin/audit",
        "audit list",
        {"actor": "--actor", "action": "--action", "object": "--object", "before": "--before"},
    ),
    Equal("/review", "tickets review", {"page": "--page"}),
)


def command(path: str, query: Iterable[tuple[str, str]], now: datetime) -> str:
    """The command that says what this page shows, ready to be copied; empty where there is none."""
    pairs = [(name, value) for name, value in query if value and name not in SHOWN]
    if path == "/inbox":
        return _line("tickets list", [urlencode(pairs)] if pairs else [])
    if path == "/dashboards":
        since = now - timedelta(days=DAYS.get(dict(pairs).get("range", ""), 7))
        return _line("report", ["--since", f"{since:%Y-%m-%d}"])
    for row in TABLE:
        argument = row.match(path)
        if argument is None:
            continue
        words = [argument] if argument else []
        for name, value in pairs:
            if name in row.asked:
                words += [row.asked[name], value] if row.asked[name] else [value]
        return _line(row.command, words)
    return ""


def _line(command: str, words: list[str]) -> str:
    return shlex.join(["earmark", *command.split(), *words, "--json"])


def page(command: str, given: Mapping[str, Any]) -> str:
    """The page that shows what this command said, by the names of its parameters; empty where there is none."""
    if command == "tickets list":
        pairs: Pairs = parse_qsl(str(given.get("query") or "").removeprefix("/inbox").removeprefix("?"))
        pairs += [
            (name, str(given[name])) for name in ("view", "q", "sort", "page") if given.get(name) not in (None, "", 1)
        ]
        return "/inbox" + (f"?{urlencode(pairs)}" if pairs else "")
    if command == "report":
        return "/dashboards"
    row = next((row for row in TABLE if row.command == command), None)
    if row is None:
        return ""
    asked = {name: option.removeprefix("--") or row.argument for name, option in row.asked.items()}
    pairs = [(name, str(given[key])) for name, key in asked.items() if given.get(key) not in (None, "", 1)]
    argument = quote(str(given.get(row.argument, "")), safe=":")
    return re.sub(r"\{\w+\}", lambda _: argument, row.page) + (f"?{urlencode(pairs)}" if pairs else "")
