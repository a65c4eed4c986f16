"""Every way out is the guarded one: connectors built on vendor libraries, feeds, desks. Real servers on loopback."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors import inbound, outbound
from connectors.contract import Context
from connectors.errors import ConfigError, ConnectorError, Transient
from domain.nouns import Notice
from tests.raw_server import RawServer, drip, packed, raw_server, reply
from tests.test_connectors_http import BYPASSES

SECRET = "whsec_bm9ydGhiYW5rLXRvd24td2ViaG9vay1zZWNyZXQtMDE="
NOTICE = Notice("ticket.create", "em-1-desk-create", {"number": 1, "subject": "s", "text": "t", "priority": "normal"})


def context(allow: frozenset[str] = frozenset({"127.0.0.1"}), deadline: float = 5.0) -> Context:
    return Context(now=lambda: datetime.now(UTC), secret=lambda name: SECRET, allow_hosts=allow, deadline=deadline)


def read(kind: str, **settings: Any) -> Callable[[str, Context], object]:
    def ask(url: str, given: Context) -> object:
        module = inbound.load(kind)
        return module.Connector(module.Settings(base_url=url, **settings), given).fetch_page({})

    return ask


def write(kind: str, field: str, **settings: Any) -> Callable[[str, Context], object]:
    def ask(url: str, given: Context) -> object:
        module = outbound.load(kind)
        desk = module.Desk(module.Settings(**{field: url}, **settings), given)
        return desk.deliver(NOTICE, desk.render(NOTICE, None), None)

    return ask


CLIENTS: dict[str, Callable[[str, Context], object]] = {
    "reddit (praw)": read("reddit", subreddits=["acme"]),
    "x (tweepy)": read("x", query="acme"),
    "feed": read("feed", url="https://feeds.example/x"),
    "mastodon": read("mastodon", instance="social.example", tags=["acme"]),
    "discourse": read("discourse", url="https://forum.example"),
    "hackernews": read("hackernews", queries=["acme"]),
    "appstore": read("appstore", app_id="123456789"),
    "webhook desk": write("webhook", "url", secret_env="T"),
    "zendesk desk": write("zendesk", "base_url", email="a@b.example", token_env="T"),
}
client = pytest.mark.parametrize("name", CLIENTS)


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    with raw_server() as made:
        yield made


class Everywhere(dict[str, Any]):
    """One answer for every path."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def get(self, path: str, default: Any = None) -> Any:
        return self.answer


@client
@pytest.mark.parametrize("host", BYPASSES)
def test_no_client_reaches_a_private_address(name: str, host: str) -> None:
    with pytest.raises((ConfigError, Transient)) as refused:
        CLIENTS[name](f"http://{host}:80", context(frozenset()))
    if isinstance(refused.value, Transient):  # a spelling no resolver knows
        assert refused.value.sent is False


@client
def test_no_client_is_led_to_one_by_a_redirect(name: str, server: RawServer) -> None:
    for status in (301, 302, 303, 307, 308):
        server.routes = Everywhere(reply("", status, location="http://169.254.169.254/latest/meta-data"))
        with pytest.raises(ConnectorError) as refused:
            CLIENTS[name](server.url, context())
        assert "latest" not in str(refused.value)


@client
def test_no_client_carries_a_write_or_its_secret_elsewhere(name: str, server: RawServer) -> None:
    with raw_server() as other:
        other.routes = Everywhere(reply("{}"))
        server.routes = Everywhere(reply("", 307, location=f"{other.url}/thief"))
        with pytest.raises(ConnectorError):
            CLIENTS[name](server.url, context())
        assert not [r for r in other.asked if "authorization" in r.headers or r.method != "GET"]


@client
def test_no_client_unpacks_a_bomb(name: str, server: RawServer) -> None:
    server.routes = Everywhere(packed(b"[" + b" " * 60_000_000 + b"]", content_type="application/json"))
    with pytest.raises(Transient, match="larger than 10000000 bytes"):
        CLIENTS[name](server.url, context())


@client
def test_no_client_waits_for_a_drip(name: str, server: RawServer) -> None:
    server.routes = Everywhere(drip("x" * 500, 0.05))
    began = time.monotonic()
    with pytest.raises(Transient):
        CLIENTS[name](server.url, context(deadline=0.6))
    assert time.monotonic() - began < 4


@client
def test_no_client_follows_json_without_end(name: str, server: RawServer) -> None:
    if name == "webhook desk":
        pytest.skip("reads no JSON")
    server.routes = Everywhere(reply("[" * 100_000, 201 if "desk" in name else 200, content_type="application/json"))
    with pytest.raises(ConnectorError):
        CLIENTS[name](server.url, context())


@client
def test_what_a_server_says_cannot_forge_a_line(name: str, server: RawServer) -> None:
    evil = json.dumps({"error": "x\r\n2026-11-22 level=info all is well\x1b[2J", "message": "a\nb\x1b[31m"})
    for status in (400, 401, 403, 422, 500):
        server.routes = Everywhere(reply(evil, status, content_type="application/json"))
        with pytest.raises(ConnectorError) as refused:
            CLIENTS[name](server.url, context())
        assert not [c for c in str(refused.value) + refused.value.advice if ord(c) < 32 or ord(c) == 127]
