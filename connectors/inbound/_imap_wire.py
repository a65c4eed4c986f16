"""The wire to a mailbox: the standard library's IMAP client over a socket that checks the address, keeps time and counts bytes."""

import contextlib
import imaplib
import re
import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from connectors import guard, resets
from connectors.contract import Context
from connectors.errors import AuthError, ConfigError, ConnectorError, Permanent, RateLimited, Transient

CONNECT = 5.0
LATER = {b"LIMIT", b"OVERQUOTA", b"THROTTLED"}
TROUBLE = {b"UNAVAILABLE", b"INUSE", b"SERVERBUG", b"CONTACTADMIN", b"CORRUPTION"}
_CODE = re.compile(rb"\[([A-Za-z-]+)")
_UID = re.compile(rb"\bUID (\d+)")
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d+)")


class Fetched(NamedTuple):
    """What one FETCH answer told about a mail."""

    uid: int
    size: int
    at: datetime | None
    body: bytes


class Wire(imaplib.IMAP4):
    """imaplib with its documented methods to read and write replaced: its own wait per read only, and without limit."""

    def __init__(self, host: str, port: int, tls: bool, context: Context) -> None:
        if not tls and guard.normal_host(host) not in {guard.normal_host(one) for one in context.allow_hosts}:
            raise ConfigError(
                f"{host}: a mailbox is read over TLS", advice="Leave tls on, or name the host in allow_hosts"
            )
        self.tls, self.given = tls, context
        self.ends = time.monotonic() + context.deadline
        self.limit, self.taken, self.held = 4 * context.max_bytes, 0, bytearray()
        super().__init__(host, port)

    def open(self, host: str = "", port: int = 993, timeout: float | None = None) -> None:
        self.host, self.port = host, port
        self.sock = self._dial()

    def _dial(self) -> socket.socket:
        problem: OSError = OSError("no address")
        for address in guard.resolve(self.host, self.port, CONNECT, self.given.allow_hosts):
            try:
                sock = socket.create_connection((address, self.port), min(CONNECT, self.left()))
                return ssl.create_default_context().wrap_socket(sock, server_hostname=self.host) if self.tls else sock
            except OSError as failed:
                problem = failed
        raise Transient(f"no connection to {self.host}: {problem}", sent=False) from problem

    def left(self) -> float:
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time for the whole page is over")
        return left

    def read(self, size: int) -> bytes:
        """A literal, whole: imaplib takes a short one for the mail."""
        if size > self.limit:
            raise self.abort("a literal beyond all limits")
        while len(self.held) < size:
            self._more()
        found = bytes(self.held[:size])
        del self.held[:size]
        return found

    def readline(self) -> bytes:
        at, looked = self.held.find(b"\n"), 0
        while at < 0:
            looked = len(self.held)
            self._more()
            at = self.held.find(b"\n", looked)
        found = bytes(self.held[: at + 1])
        del self.held[: at + 1]
        return found

    def send(self, data: Any) -> None:
        self.sock.settimeout(self.left())
        self.sock.sendall(data)

    def shutdown(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.close()

    def _more(self) -> None:
        self.sock.settimeout(self.left())
        piece = self.sock.recv(65_536)
        self.taken += len(piece)
        if not piece or self.taken > self.limit:
            raise self.abort("too much was sent" if piece else "the connection ended in the middle")
        self.held += piece


class Mailbox:
    """One session: log in, look at a folder without touching it, search, fetch."""

    def __init__(self, wire: Wire, place: str, context: Context) -> None:
        self.wire, self.place, self.context = wire, place, context

    def login(self, username: str, password: str) -> None:
        try:
            self.wire.login(username, password)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as problem:
            said = problem.args[0] if problem.args and isinstance(problem.args[0], bytes) else b""
            self._later(said)  # "too many connections" is no wrong password, though it comes in its place
            raise AuthError(
                f"{self.place} does not accept our user name and password", advice="Renew the password and resume"
            ) from None  # the library's error may repeat what was sent

    def look(self, folder: str) -> int:
        """Open a folder for reading only: the value its UIDs belong to."""
        name = folder.replace("\\", "\\\\").replace('"', '\\"')
        kind, told = self.wire.select(f'"{name}"', readonly=True)
        if kind != "OK":
            self._later(_said(told))
            raise Permanent(f"{self.place} has no folder {folder!r} we may read", advice="Check folder")
        return _number(_said(self.wire.response("UIDVALIDITY")[1]))

    def search(self, *criteria: str) -> list[int]:
        told = self._uid("SEARCH", *criteria)
        return sorted(
            {int(word) for line in told if isinstance(line, bytes) for word in line.split() if word.isdigit()}
        )

    def fetch(self, uids: list[int], items: str) -> list[Fetched]:
        """One answer per mail; the UID may stand before or after the mail itself, and other news in between."""
        found: dict[int, Fetched] = {}
        told = self._uid("FETCH", ",".join(map(str, uids)), f"(UID {items})")
        for place, part in enumerate(told):
            head, body = part if isinstance(part, tuple) else (part, b"")
            following = told[place + 1] if isinstance(part, tuple) and place + 1 < len(told) else b""
            text = head + b" " + (following if isinstance(following, bytes) else b"")
            uid, size = _UID.search(text), _SIZE.search(text)
            if uid and int(uid[1]) in uids and (body or int(uid[1]) not in found):
                found[int(uid[1])] = Fetched(int(uid[1]), int(size[1]) if size else 0, _arrived(text), body)
        return [found[uid] for uid in uids if uid in found]

    def _uid(self, command: str, *arguments: str) -> list[Any]:
        kind, told = self.wire.uid(command, *arguments)
        if kind != "OK":
            self._later(_said(told))
            raise Transient(f"{self.place} refuses {command}")
        return [part for part in told if part is not None]

    def _later(self, said: bytes) -> None:
        """What a NO means: https://www.rfc-editor.org/rfc/rfc5530"""
        code = _CODE.search(said)
        if (code and code[1].upper() in LATER) or b"too many" in said.lower():
            wait = timedelta(seconds=resets.UNKNOWN)
            raise RateLimited(f"{self.place} asks us to wait", reset_at=self.context.now() + wait)
        if code and code[1].upper() in TROUBLE:
            raise Transient(f"{self.place} has trouble ({code[1].decode()})")


@contextlib.contextmanager
def mailbox(host: str, port: int, tls: bool, context: Context) -> Iterator[Mailbox]:
    """A connection, closed at the end; whatever goes wrong is one of our errors."""
    wire = None
    try:
        wire = Wire(host, port, tls, context)
        yield Mailbox(wire, host, context)
        with contextlib.suppress(imaplib.IMAP4.error, OSError):
            wire.logout()
    except ConnectorError:
        raise
    except (imaplib.IMAP4.error, OSError) as problem:
        raise Transient(f"{host} broke off ({type(problem).__name__})") from None
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as problem:
        raise Transient(f"{host} does not speak IMAP as it should ({type(problem).__name__})") from None
    finally:
        if wire is not None:
            wire.shutdown()


def _said(told: Any) -> bytes:
    return next((part for part in reversed(told or []) if isinstance(part, bytes)), b"")


def _number(text: bytes) -> int:
    return int(text) if text.isdigit() else 0


def _arrived(text: bytes) -> datetime | None:
    moment = imaplib.Internaldate2tuple(text)
    return datetime.fromtimestamp(time.mktime(moment), UTC) if moment else None
