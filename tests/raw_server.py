"""A web server without manners, on loopback: it sends what a test gives it, to the byte, per path."""

import contextlib
import gzip
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked: headers in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Speak = Callable[[socket.socket, Request], None]


def reply(body: bytes | str = b"", status: int = 200, /, **headers: str) -> Speak:
    """A whole answer. Header names are given with underscores; `charset` and the like are the test's business."""
    sent = body.encode() if isinstance(body, str) else body
    fields = {"content-length": str(len(sent)), **{name.replace("_", "-").lower(): v for name, v in headers.items()}}
    head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())

    def speak(line: socket.socket, request: Request) -> None:
        line.sendall(f"{head}connection: close\r\n\r\n".encode("latin-1") + sent)

    return speak


def cut(body: bytes | str, keep: int, **headers: str) -> Speak:
    """The first `keep` bytes of an answer whose announced length is that of all."""
    sent = body.encode() if isinstance(body, str) else body
    return reply(sent[:keep], 200, content_length=str(len(sent)), **headers)


def packed(body: bytes, **headers: str) -> Speak:
    return reply(gzip.compress(body), 200, content_encoding="gzip", **headers)


def drip(body: bytes | str, pause: float = 0.1) -> Speak:
    """A byte each `pause` seconds: no single wait is ever long."""
    sent = body.encode() if isinstance(body, str) else body

    def speak(line: socket.socket, request: Request) -> None:
        line.sendall(f"HTTP/1.1 200 X\r\ncontent-length: {len(sent)}\r\n\r\n".encode())
        for byte in sent:
            line.sendall(bytes([byte]))
            time.sleep(pause)

    return speak


def silence(seconds: float = 30) -> Speak:
    return lambda line, request: time.sleep(seconds)


@dataclass(slots=True)
class RawServer:
    """`routes` may be changed while it runs; a path nobody set is 404. `asked` is what came."""

    url: str
    routes: dict[str, Speak] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)

    def count(self, path: str) -> int:
        return sum(request.path == path for request in self.asked)


@contextmanager
def raw_server() -> Iterator[RawServer]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):  # the client hung up, which is what many of these tests are about
                request = _read(self.request)
                made.asked.append(request)
                made.routes.get(request.path.partition("?")[0], reply(b"nothing here", 404))(self.request, request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        made = RawServer(f"http://127.0.0.1:{server.server_address[1]}")
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield made
        finally:
            server.shutdown()


def _read(line: socket.socket) -> Request:
    data = b""
    while b"\r\n\r\n" not in data:
        data += line.recv(65_536) or b"\r\n\r\n"
    head, _, body = data.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    method, path, *_ = [*first.split(" "), "", ""]
    headers = {name.lower(): value.strip() for name, _, value in (line_.partition(":") for line_ in rest)}
    while len(body) < int(headers.get("content-length") or 0) and (more := line.recv(65_536)):
        body += more
    return Request(method, path, headers, body)
