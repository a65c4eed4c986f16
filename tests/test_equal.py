"""Page equals command: each page says the command that shows the same, each such command says its page, and both read one grammar."""

import re
import shlex
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest
import typer
from typer.testing import CliRunner

from console import equal
from console.cli.main import app
from console.web.inbox import filter_of, link
from console.web.roles import ROLES
from storage import inbox_address

NOW = datetime(2026, 11, 22, tzinfo=UTC)
INBOX = (  # one table: an address is read by the page, by the command, and written again as it was
    "", "view=late", "q=card+declined", "status=open&status=pending&team=care", "platform=reddit&sentiment=negative&sort=newest&page=2",
    "assignee=me&mark=waiting&mark=unread", "since=2026-11-01T08:00Z&until=2026-11-02T08:00Z", "q=%23tag+%22a+b%22+%2B%26%3D",
)  # fmt: skip
ADDRESSES = (
    "/inbox?view=late&team=care", "/tickets/7", "/customers?q=ann+lee", "/customers/3", "/proposals", "/mentions/12", "/flags?state=open",
    "/flags/4", "/channels", "/status", "/status/outbox?word=held&target=post", "/status/dead?state=any", "/status/dead/letter:3",
    "/admin/users", "/admin/teams", "/admin/tokens", "/admin/audit?action=user", "/review?page=2", "/dashboards", "/status/configuration",
)  # fmt: skip
# forms, files, and what is a part or the way to one of the others
WITHOUT = {
    "/", "/mentions", "/journeys", "/tickets/{number}/merge", "/customers/{customer_id}/merge", "/inbox/news", "/live", "/presence",
    "/flags/{flag_id}/series.csv", "/customers/{customer_id}/mood.csv", "/customers/{customer_id}/said", "/dashboards/{figure}.csv",
}  # fmt: skip


@pytest.mark.parametrize("query", INBOX)
def test_page_and_command_read_one_grammar(query: str) -> None:
    wanted, complaints = inbox_address.read(inbox_address.pairs(query))
    assert complaints == []
    assert filter_of(parse_qsl(query)) == wanted
    again = link(wanted, page=wanted.page).partition("?")[2]
    assert inbox_address.read(inbox_address.pairs(again)) == (wanted, [])
    assert sorted(parse_qsl(again)) == sorted(parse_qsl(query))


@pytest.mark.parametrize(
    "query", ["color=red", "view=none", "sort=size", "page=x", "since=yesterday", "&".join(["team=a"] * 21)]
)
def test_what_a_page_leaves_out_a_command_refuses(query: str) -> None:
    assert inbox_address.read(inbox_address.pairs(query))[1]
    assert CliRunner().invoke(app, ["tickets", "list", query]).exit_code == 2
    assert filter_of(parse_qsl(query)) is not None


@pytest.mark.parametrize("address", ADDRESSES)
def test_there_and_back(address: str) -> None:
    """The command a page says exists, takes what it says, and leads back to the page."""
    path, _, query = address.partition("?")
    words = shlex.split(equal.command(path, parse_qsl(query), NOW))
    assert words[0] == "earmark"
    assert words[-1] == "--json"
    with typer.main.get_command(app).make_context("earmark", words[1:], resilient_parsing=False) as context:
        name, rest = "", words[1:]
        command = context.command
        while hasattr(command, "commands"):
            child = next((w for w in rest if w in command.commands), None)
            if child is None:
                break
            rest = rest[rest.index(child) + 1 :]
            name, command = f"{name} {child}".strip(), command.commands[child]
        with command.make_context(name, rest) as inner:
            assert equal.page(name, inner.params) == address


def test_every_page_has_its_command() -> None:
    pages = {
        path
        for method, path in ROLES
        if method == "GET" and not re.match(r"/(api|static|hooks|login|invitation|survey|flags/act|favicon)", path)
    }
    for path in sorted(pages - WITHOUT - {"/healthz", "/readyz", "/metrics"}):
        assert equal.command(re.sub(r"\{\w+\}", "7", path), [], NOW), path
