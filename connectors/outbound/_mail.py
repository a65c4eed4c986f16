"""One SMTP connection that ends in time, reads no more than it should and goes where the address guard says.

Standard smtplib speaks the protocol. Its time-outs are per read, so a second pair of eyes closes the socket when the whole is over.
"""

import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any

from connectors import guard
from connectors.errors import Transient

CONNECT = 5.0
ANSWERS = 100_000  # bytes of answers in one connection


class Line:
    """`begin`, perhaps `login`, `mail`, `rcpt`, `whole`: what breaks before `whole` was certainly not sent, in it nobody knows."""

    def __init__(self, host: str, port: int, seconds: float, allow_hosts: frozenset[str]) -> None:
        self.host, self.port, self.allow_hosts = host, port, allow_hosts
        self._ends = time.monotonic() + seconds
        self._client: _Client | None = None
        self._watch: threading.Timer | None = None
        self._twin: socket.socket | None = None

    def begin(self, context: ssl.SSLContext | None, implicit: bool, helo: str) -> None:
        """Connect, greet, and encrypt when there is a context. What the server refuses is raised as smtplib says it."""
        with self._unsent():
            sock = self._connect()
            if context is not None and implicit:
                sock = context.wrap_socket(sock, server_hostname=self.host)
            self._client = client = _Client(sock, self.host, helo)
            client.greet()
            client.ehlo_or_helo_if_needed()
            if context is not None and not implicit:
                client.starttls(context=context)
                client.ehlo_or_helo_if_needed()

    def login(self, username: str, password: str) -> None:
        assert self._client
        with self._unsent():
            self._client.login(username, password)

    def mail(self, sender: str) -> tuple[int, bytes]:
        return self._say(f"MAIL FROM:<{sender}>")

    def rcpt(self, address: str) -> tuple[int, bytes]:
        return self._say(f"RCPT TO:<{address}>")

    def whole(self, message: bytes) -> tuple[int, bytes]:
        """DATA, the message and the dot. From the first byte of the message on, a broken line leaves a doubt."""
        assert self._client
        code, said = self._say("DATA")
        if code != 354:
            if not 400 <= code < 600:
                raise Transient(f"{self.host} answered DATA with something other than SMTP", sent=False)
            return code, said
        body = b"".join(b"." + line if line.startswith(b".") else line for line in message.splitlines(keepends=True))
        try:
            self._client.send(body + b".\r\n")
            return self._client.getreply()
        except OSError as error:  # smtplib's own are of that kind
            raise Transient(f"{self.host} did not say whether it took the mail") from error

    def _say(self, command: str) -> tuple[int, bytes]:
        assert self._client
        with self._unsent():
            try:
                return self._client.docmd(command)
            except smtplib.SMTPResponseException as error:
                return error.smtp_code, bytes(str(error.smtp_error), "utf-8")

    @contextmanager
    def _unsent(self) -> Iterator[None]:
        """What breaks in here breaks before a mail was sent."""
        try:
            yield
        except ssl.SSLCertVerificationError as error:
            words = f"{self.host} shows a certificate we do not trust: {error.verify_message}"
            raise Transient(words, sent=False, advice="See ca_file.") from error
        except smtplib.SMTPException as error:
            if isinstance(error, smtplib.SMTPServerDisconnected):
                raise self._broke(error) from error
            raise
        except OSError as error:
            raise self._broke(error) from error

    def _connect(self) -> socket.socket:
        """To the very address that was checked; the rest of the time is watched from here on."""
        problem: OSError = ConnectionError("no address")
        for address in guard.resolve(self.host, self.port, CONNECT, self.allow_hosts):
            try:
                sock = socket.create_connection((address, self.port), min(CONNECT, max(0.1, self._left())))
            except OSError as error:
                problem = error
                continue
            sock.settimeout(max(0.1, self._left()))
            self._twin = sock.dup()  # encryption takes the socket's number away from it; its twin stays ours
            self._watch = threading.Timer(max(0.1, self._left()), self._cut)
            self._watch.daemon = True
            self._watch.start()
            return sock
        raise problem

    def _cut(self) -> None:
        if self._twin is not None:
            with suppress(OSError):
                self._twin.shutdown(socket.SHUT_RDWR)

    def _left(self) -> float:
        return self._ends - time.monotonic()

    def _broke(self, error: Exception) -> Transient:
        why = "out of time" if self._left() <= 0 or isinstance(error, TimeoutError) else str(error)[:200]
        return Transient(f"no conversation with {self.host}: {why or type(error).__name__}", sent=False)

    def close(self) -> None:
        """Say goodbye without waiting for an answer, and let go of everything."""
        if self._watch is not None:
            self._watch.cancel()
        if self._client is not None:
            with suppress(OSError, smtplib.SMTPException):
                self._client.send(b"QUIT\r\n")
            with suppress(OSError):
                self._client.close()
        if self._twin is not None:
            self._twin.close()

    def __enter__(self) -> "Line":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Client(smtplib.SMTP):
    """smtplib on a connection that is there already, with an end to what it reads."""

    def __init__(self, sock: socket.socket, host: str, helo: str) -> None:
        super().__init__(local_hostname=helo)
        self._host = host  # what a certificate must be for, after STARTTLS
        self.sock = sock
        self._read = 0

    def greet(self) -> None:
        code, said = self.getreply()
        if code != 220:
            raise smtplib.SMTPConnectError(code, said)

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None:
            assert self.sock is not None
            self.file: Any = _Bounded(self)
        return super().getreply()

    def bounded(self, line: bytes) -> bytes:
        self._read += len(line)
        if self._read > ANSWERS:
            raise OSError("the answers are too long")
        return line


class _Bounded:
    """The reading side of the connection; smtplib makes a new one after STARTTLS, the count goes on."""

    def __init__(self, client: _Client) -> None:
        assert client.sock is not None
        self._client, self._file = client, client.sock.makefile("rb")

    def readline(self, size: int) -> bytes:
        return self._client.bounded(self._file.readline(size))

    def close(self) -> None:
        self._file.close()
