"""The two ways out that speak no HTTP, mailbox and mail server, go through the same guard: addresses, time and size. Real sockets."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from connectors.contract import Context
from connectors.errors import ConfigError, ConnectorError, Transient
from connectors.inbound import imap
from connectors.outbound import smtp
from domain.nouns import Notice
from tests.test_connectors_http import BYPASSES

FLAG = Notice("flag.open", "k", {"id": 7, "rule": "r", "series": "s", "severity": 2, "count": 4, "baseline": 1.0})
GREETING = {"imap": b"* OK ready\r\n", "smtp": b"220 ready\r\n"}
mail = pytest.mark.parametrize("name", ["imap", "smtp"])


def context(allow: frozenset[str] = frozenset({"127.0.0.1"}), deadline: float = 5.0) -> Context:
    return Context(
        now=lambda: datetime.now(UTC),
        secret=lambda name: "secret",
        allow_hosts=allow,
        deadline=deadline,
        max_bytes=100_000,
    )


def ask(name: str, host: str, port: int, given: Context, tls: bool | None = None) -> object:
    """A whole turn with the server. Encryption is asked for wherever the host is not named."""
    tls = not given.allow_hosts if tls is None else tls
    if name == "imap":
        made = imap.Connector(imap.Settings(host=host, port=port, tls=tls, username="a@b.example"), given)
        return made.fetch_page({})
    about = {
        "host": host,
        "port": port,
        "tls": "starttls" if tls else False,
        "sender": "a@b.example",
        "to": ["c@d.example"],
    }
    desk = smtp.Desk(smtp.Settings(**about), given)
    return desk.deliver(FLAG, desk.render(FLAG, None), None)


@contextmanager
def speaking(talk: Callable[[socket.socket], None]) -> Iterator[tuple[int, list[str]]]:
    """A server on loopback that does `talk` with whoever comes; its port, and who came."""
    came: list[str] = []
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                came.append("connected")
                with connection:
                    talk(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], came
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


@mail
@pytest.mark.parametrize("host", BYPASSES)
def test_no_private_address_is_reached(name: str, host: str) -> None:
    """However it is written; a spelling the settings do not take was never connected to either."""
    with speaking(lambda connection: connection.sendall(GREETING[name])) as (port, came):
        with pytest.raises((ConfigError, Transient, ValidationError)) as refused:
            ask(name, host, port, context(frozenset(), deadline=2))
        if isinstance(refused.value, Transient):  # a spelling no resolver knows
            assert refused.value.sent is False
        assert came == []


@mail
@pytest.mark.parametrize("host", ["169.254.169.254", "224.0.0.1", "0.0.0.0", "[fe80::1]"])
def test_a_named_host_is_no_pass_for_metadata(name: str, host: str) -> None:
    with pytest.raises((ConfigError, ValidationError)):
        ask(name, host, 993, context(frozenset({host}), deadline=2))


@mail
def test_a_rebinding_name_is_resolved_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Public when it is checked, ours when it would be asked again: it is not asked again."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def answers(host: str, port: int, *args: int, **more: int) -> object:
        if host != "rebind.example":  # an address: no name to be looked up
            return real(host, port, *args, **more)
        asked.append(host)
        return [(2, 1, 6, "", ("192.0.2.1" if len(asked) == 1 else "127.0.0.1", port))]

    with speaking(lambda connection: connection.sendall(GREETING[name])) as (port, came):
        monkeypatch.setattr(socket, "getaddrinfo", answers)
        monkeypatch.setattr("connectors.guard.public", lambda address: str(address) == "192.0.2.1")
        with pytest.raises(ConnectorError):
            ask(name, "rebind.example", port, context(frozenset(), deadline=0.5))
        assert asked == ["rebind.example"]
        assert came == []


@mail
def test_one_private_address_among_public_ones_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(host: str, port: int, *args: int, **more: int) -> object:
        return [(2, 1, 6, "", (address, port)) for address in ("93.184.216.34", "10.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", answers)
    with pytest.raises(ConfigError, match=r"10\.0\.0\.1"):
        ask(name, "mail.example", 993, context(frozenset(), deadline=2))


@mail
@pytest.mark.parametrize("first", [b"", b"greeting"])
def test_a_drip_is_not_waited_for(name: str, first: bytes) -> None:
    """Each read gets a byte in time; the whole does not."""

    def drip(connection: socket.socket) -> None:
        connection.sendall(GREETING[name] if first else b"")
        for byte in b"* " + b"2" * 200:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)

    with speaking(drip) as (port, _):
        began = time.monotonic()
        with pytest.raises(Transient):
            ask(name, "127.0.0.1", port, context(deadline=0.6))
        assert time.monotonic() - began < 3


@mail
@pytest.mark.parametrize("line", [b"x" * 65_536, b"* " + b"220-more\r\n" * 6_000], ids=["one line", "many lines"])
def test_what_never_ends_is_left_after_its_share(name: str, line: bytes) -> None:
    sent = [0]

    def flood(connection: socket.socket) -> None:
        connection.sendall(GREETING[name])
        connection.recv(1000)
        for _ in range(2000):
            connection.sendall(line)
            sent[0] += len(line)

    with speaking(flood) as (port, _), pytest.raises(ConnectorError):
        ask(name, "127.0.0.1", port, context(deadline=10))
    assert 0 < sent[0] < 30_000_000, "what the buffers of the machine hold, and no more"


@mail
def test_what_a_server_says_cannot_forge_a_line(name: str) -> None:
    evil = {"imap": b"* BYE \x1b[2J all is well\r\n", "smtp": b"554 5.7.1 \x1b[2Jall\x07 is well\r\n"}[name]
    with speaking(lambda connection: connection.sendall(evil)) as (port, _):
        with pytest.raises(ConnectorError) as refused:
            ask(name, "127.0.0.1", port, context())
        assert not [c for c in str(refused.value) + refused.value.advice if ord(c) < 32 or ord(c) == 127]
