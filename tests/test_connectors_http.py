"""The one way out: what it refuses, when it stops, how it names what went wrong. Real servers on loopback."""

import contextlib
import gzip
import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import pytest
import requests

from connectors import guard, resets
from connectors.contract import Context
from connectors.errors import AuthError, ConfigError, Permanent, RateLimited, Transient
from connectors.http import Answer, Client, check, loads
from connectors.sessions import guarded_session

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class Heard(NamedTuple):
    command: str
    path: str
    headers: Message


Reply = Callable[[BaseHTTPRequestHandler], None]


def context(**more: object) -> Context:
    given = {"now": lambda: datetime.now(UTC), "secret": lambda name: name, "allow_hosts": frozenset({"127.0.0.1"})}
    return Context(**{**given, **more})  # type: ignore[arg-type]


@contextmanager
def server(reply: Reply) -> Iterator[tuple[str, list[Heard]]]:
    seen: list[Heard] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen.append(Heard(self.command, self.path, self.headers))
            with contextlib.suppress(OSError):  # the client hung up, which is what some of these tests are about
                reply(self)

        do_POST = do_GET

        def log_message(self, *args: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{httpd.server_port}", seen
    finally:
        httpd.shutdown()
        httpd.server_close()


def send(handler: BaseHTTPRequestHandler, body: bytes = b"", status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def ok(handler: BaseHTTPRequestHandler) -> None:
    send(handler, b"fine")


BYPASSES = [
    "127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "017700000001", "0.0.0.0", "0", "[::1]", "[::]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::1]", "[2002:7f00:1::]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]", "224.0.0.1", "[ff02::1]", "192.0.0.8", "100.64.0.1", "169.254.169.254",
    "10.0.0.1", "172.16.0.1", "192.168.1.1", "[fe80::1]", "[fc00::1]", "255.255.255.255", "240.0.0.1", "198.18.0.1",
    "192.88.99.1", "LOCALHOST.", "[2001:db8::1]",
]  # fmt: skip


@pytest.mark.parametrize("host", BYPASSES)
def test_every_known_way_round_the_guard_is_closed(host: str) -> None:
    client = Client(context(allow_hosts=frozenset()))
    with pytest.raises((ConfigError, Transient)) as refused:
        client.get(f"http://{host}/")
    if isinstance(refused.value, Transient):  # a resolver that does not know this spelling never connected either
        assert refused.value.sent is False
        assert "by name" in str(refused.value)


@pytest.mark.parametrize("host", BYPASSES)
def test_the_requests_sessions_have_the_same_guard(host: str) -> None:
    session = guarded_session(requests.Session(), context(allow_hosts=frozenset()))
    with pytest.raises((ConfigError, Transient)):
        session.get(f"http://{host}/", timeout=1)


def test_public_addresses_pass_and_a_named_host_is_no_pass_for_metadata() -> None:
    assert guard.public(ipaddress.ip_address("93.184.216.34"))
    assert guard.public(ipaddress.ip_address("2606:2800:220:1:248:1893:25c8:1946"))
    assert guard.permitted(ipaddress.ip_address("10.1.2.3"), named=True)
    for never in ("169.254.169.254", "224.0.0.1", "0.0.0.0", "fe80::1"):
        assert not guard.permitted(ipaddress.ip_address(never), named=True)


def test_one_bad_address_among_good_ones_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(host: str, port: int, **_: object) -> list[object]:
        return [(2, 1, 6, "", ("93.184.216.34", port)), (2, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", answers)
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1"):
        guard.resolve("rebind.example", 80, 5, frozenset())


def test_a_rebinding_name_is_resolved_once_and_connected_to_what_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = socket.getaddrinfo

    def answers(host: str, port: int, *args: int, **more: int) -> object:
        if host != "rebind.example":
            return real(host, port, *args, **more)
        asked.append(host)
        return [(2, 1, 6, "", ("127.0.0.1" if len(asked) == 1 else "169.254.169.254", port))]

    with server(ok) as (url, _):
        monkeypatch.setattr(socket, "getaddrinfo", answers)
        named = url.replace("127.0.0.1", "rebind.example")
        client = Client(context(allow_hosts=frozenset({"rebind.example"})), [named])
        assert client.get(named).body == b"fine"
    assert len(asked) == 1


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://example.com/", "gopher://example.com/", "/etc/passwd", "http://"]
)
def test_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        Client(context()).get(url)


def test_unusual_ports_and_inline_credentials_are_refused() -> None:
    with pytest.raises(ConfigError, match="port 5432"):
        Client(context()).get("http://127.0.0.1:5432/")
    with pytest.raises(ConfigError, match="user name"):
        Client(context()).get("http://me:pw@127.0.0.1/")


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with server(ok) as (url, _):
        assert Client(context(), [url]).get(url).body == b"fine"
        assert guarded_session(requests.Session(), context(), base_urls=[url]).get(url, timeout=1).content == b"fine"


def test_redirects_are_followed_checked_and_stripped_of_credentials() -> None:
    with server(ok) as (other, heard):

        def away(handler: BaseHTTPRequestHandler) -> None:
            send(handler, status=301, Location=other + "/new")

        with server(away) as (url, _):
            headers = {"Authorization": "Bearer s", "Cookie": "a=b", "X-Api-Key": "k", "Accept": "text/plain"}
            answer = Client(context(), [url, other]).get(url, headers)
            assert (answer.body, answer.moved, answer.url) == (b"fine", other + "/new", other + "/new")
            with pytest.raises(ConfigError, match="port"):
                Client(context(), [url]).get(url)
    sent = {name.lower() for name in heard[0].headers}
    assert not sent & {"authorization", "cookie", "x-api-key"}
    assert "accept" in sent


def test_a_redirect_inwards_a_circle_and_a_chain_too_long_end() -> None:
    def route(handler: BaseHTTPRequestHandler) -> None:
        step = int(handler.path.strip("/") or 0) if handler.path.strip("/").isdigit() else -1
        target = {"/in": "http://169.254.169.254/latest", "/circle": "/circle", "/file": "file:///etc/passwd"}
        send(handler, status=302, Location=target.get(handler.path, f"/{step + 1}"))

    with server(route) as (url, heard):
        client = Client(context(), [url])
        for path in ("/in", "/file"):
            with pytest.raises(ConfigError):
                client.get(url + path)
        with pytest.raises(Permanent):
            client.get(url + "/circle")
        heard.clear()
        with pytest.raises(Permanent):
            client.get(url + "/0")
        assert len(heard) == 6


def test_a_temporary_redirect_is_not_reported_as_a_move_and_a_write_is_not_repeated_elsewhere() -> None:
    def route(handler: BaseHTTPRequestHandler) -> None:
        send(handler, b"fine") if handler.path == "/b" else send(handler, status=302, Location="/b")

    with server(route) as (url, heard):
        assert Client(context(), [url]).get(url + "/a").moved is None
        answer = Client(context(), [url]).request("POST", url + "/a", content="{}")
        assert answer.status == 302
        assert [h.command for h in heard] == ["GET", "GET", "POST"]


@pytest.mark.parametrize("where", ["headers", "body"])
def test_a_drip_ends_at_the_deadline(where: str) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
        if where == "body":
            handler.wfile.write(head)
        for byte in head * 9:
            handler.wfile.write(bytes([byte]))
            time.sleep(0.1)

    with server(drip) as (url, _):
        started = time.monotonic()
        with pytest.raises(Transient) as ended:
            Client(context(deadline=0.7), [url]).get(url)
        assert ended.value.sent
        assert 0.6 < time.monotonic() - started < 2
        session = guarded_session(requests.Session(), context(deadline=0.7), base_urls=[url])
        started = time.monotonic()
        with pytest.raises(Transient):
            session.get(url)
        assert time.monotonic() - started < 2


def test_many_requests_together_end_when_they_are_to_end() -> None:
    """Each is answered well before its own deadline; all of them share the end."""

    def route(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.3)
        send(handler, b"fine")

    with server(route) as (url, heard):
        started = time.monotonic()
        client = Client(context(deadline=5.0, ends=started + 1.0), [url])
        assert client.get(url).body == b"fine"
        with pytest.raises(Transient):
            [client.get(url) for _ in range(20)]
        assert time.monotonic() - started < 2
        assert 1 <= len(heard) <= 4


def test_a_gzip_bomb_and_a_large_page_stop_at_the_limit() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)

    def route(handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/bomb":
            send(handler, bomb, Content_Encoding="gzip")
        else:
            send(handler, b"x" * 3_000_000)

    with server(route) as (url, _):
        client = Client(context(max_bytes=1_000_000), [url])
        for path in ("/bomb", "/large"):
            with pytest.raises(Transient, match="larger than 1000000"):
                client.get(url + path)


def test_packed_bodies_of_all_kinds() -> None:
    two = gzip.compress(b"one ") + gzip.compress(b"two")
    bodies = {"/plain": b"not packed", "/two": two, "/padded": gzip.compress(b"padded") + b"\0" * 9, "/cut": two[:-9]}

    def route(handler: BaseHTTPRequestHandler) -> None:
        send(handler, bodies.get(handler.path, b""), Content_Encoding="br" if handler.path == "/br" else "gzip")

    with server(route) as (url, heard):
        client = Client(context(), [url])
        assert client.get(url + "/plain").body == b"not packed"
        assert client.get(url + "/two").body == b"one two"
        assert client.get(url + "/padded").body == b"padded"
        assert client.get(url + "/empty").body == b""
        assert heard[0].headers["accept-encoding"] == "gzip"
        cut = client.get(url + "/cut", partial=True)
        assert cut.cut
        assert cut.body.startswith(b"one ")
        for path in ("/cut", "/br"):
            with pytest.raises(Transient):
                client.get(url + path)


def test_a_body_cut_short_is_an_error_or_a_marked_part() -> None:
    def half(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        handler.close_connection = True

    with server(half) as (url, _):
        with pytest.raises(Transient) as broken:
            Client(context(), [url]).get(url)
        assert broken.value.sent
        answer = Client(context(), [url]).get(url, partial=True)
        assert (answer.body, answer.cut) == (b"half", True)


def test_what_never_left_is_told_from_what_may_have_arrived() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        with pytest.raises(Transient) as never:
            Client(context(), [url]).request("POST", url, content="{}")
        assert never.value.sent is False

    def hang_up(handler: BaseHTTPRequestHandler) -> None:
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.close_connection = True

    with server(hang_up) as (url, _), pytest.raises(Transient) as unknown:
        Client(context(), [url]).request("POST", url, content="{}")
    assert unknown.value.sent is True


def test_a_server_without_encryption_behind_https_was_never_told_anything() -> None:
    with server(ok) as (url, heard):
        url = url.replace("http:", "https:")
        with pytest.raises(Transient) as never:
            Client(context(), [url]).request("POST", url, content="secret")
    assert never.value.sent is False
    assert heard == []


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    return Answer(
        status, {k.replace("_", "-"): v for k, v in headers.items()}, body, "https://api.example/2/x?key=secret"
    )


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (answer(401), AuthError), (answer(403), AuthError), (answer(404), Permanent), (answer(410), Permanent),
        (answer(400), ConfigError), (answer(302), ConfigError), (answer(408), Transient), (answer(500), Transient),
        (answer(503), Transient), (answer(503, retry_after="9"), RateLimited), (answer(429), RateLimited),
    ],
)  # fmt: skip
def test_statuses_have_one_meaning(given: Answer, error: type[Exception]) -> None:
    with pytest.raises(error) as said:
        check(given, NOW)
    assert "secret" not in str(said.value)


def test_a_write_that_met_a_503_is_unknown_even_with_a_time_to_come_back() -> None:
    with pytest.raises(Transient) as unknown:
        check(answer(503, retry_after="9"), NOW, write=True)
    assert unknown.value.sent


def test_the_platforms_own_words_are_told() -> None:
    with pytest.raises(ConfigError, match="Query too long"):
        check(answer(400, b'{"errors": [{"message": "Query too long"}]}'), NOW)


@pytest.mark.parametrize(
    ("headers", "style", "seconds"),
    [
        ({"retry-after": "7"}, "delta", 7),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 GMT"}, "delta", 30),
        ({"retry-after": "Sat, 21 Nov 2026 13:00:30 GMT", "date": "Sat, 21 Nov 2026 13:00:00 GMT"}, "delta", 30),
        ({"x-ratelimit-reset": "42"}, "delta", 42),
        ({"x-ratelimit-reset": "2"}, "minutes", 120),
        ({"x-rate-limit-reset": str(int(NOW.timestamp()) + 90)}, "epoch", 90),
        ({"x-ratelimit-reset": "2026-11-21T12:05:00Z"}, "iso", 300),
        ({"x-ratelimit-reset-after": "1.5"}, "delta", 1.5),
        ({"retry-after": "-5", "x-ratelimit-reset": "5"}, "delta", 5),
        ({"retry-after": "0"}, "delta", 1),
        ({"retry-after": "999999999"}, "delta", 86400),
        ({"retry-after": "soon", "x-ratelimit-reset": "nan"}, "delta", None),
        ({"x-rate-limit-reset": "17"}, "epoch", None),
        ({}, "delta", None),
    ],
)
def test_resets_in_all_their_dialects(headers: dict[str, str], style: resets.Style, seconds: float | None) -> None:
    assert resets.wait(headers, NOW, style) == seconds
    low = timedelta(seconds=seconds if seconds is not None else resets.UNKNOWN)
    assert low <= resets.reset_at(headers, NOW, style) - NOW <= low + timedelta(seconds=1)


def test_resets_in_bodies() -> None:
    assert resets.wait({}, NOW, body={"parameters": {"retry_after": 3}}) == 3
    assert resets.wait({}, NOW, body={"backoff": 12}) == 12
    assert resets.wait({}, NOW, body=["no"]) is None


def test_json_from_outside() -> None:
    assert loads(b'\xef\xbb\xbf{"a": NaN}') == {"a": None}
    for broken in (b"", b"<html>", b'{"a": 1', b"[" * 100_000):
        with pytest.raises(Transient):
            loads(broken)
