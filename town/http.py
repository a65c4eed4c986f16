"""HTTP for every stand-in: reads a request, lets it be answered, plays the faults, writes the ledger."""

from __future__ import annotations

import contextlib
import json
import random
import select
import socket
import struct
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

from town.faults import AFTER, BEFORE, Fault
from town.ledger import ServedKey

if TYPE_CHECKING:
    from town.server import Town

JSON = "application/json; charset=utf-8"


@dataclass
class Request:
    method: str
    path: str
    raw_query: str
    headers: Any
    body: bytes
    faults: list[Fault] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.query = {k: v[-1] for k, v in parse_qs(self.raw_query, keep_blank_values=True).items()}

    def fault(self, kind: str) -> Fault | None:
        return next((f for f in self.faults if f.kind == kind), None)

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Response:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    items: list[ServedKey] = field(default_factory=list)
    after: Any = None  # called once the answer has left (posts that shift the next page)


def answer(data: Any, status: int = 200, **headers: str) -> Response:
    """A JSON answer; header names are written with underscores."""
    named = {k.replace("_", "-"): v for k, v in headers.items()}
    return Response(status, json.dumps(data).encode(), {"Content-Type": JSON, **named})


class Stand:
    """One platform: answers requests, and knows its own words for failure. A page names its own in STAND_INS.

    `keys`: what a client must present. `rates`: bucket → requests and seconds. `options`: its switches, and how they stand.
    A platform where people write also has `posts`, `make`, `take`, `warm`, `edit` and `delete` (town/server.py calls them), and says how
    to tell it a story: `channel`, `says`, `passes`, `secrets`, `edits`, `says_when`; one that pushes delivers `to` an address it is given.
    """

    name = ""
    scheme = "http"
    path = ""  # what follows host and port in its address
    keys: ClassVar[Mapping[str, str]] = {}
    rates: ClassVar[Mapping[str, tuple[int, int]]] = {}
    options: ClassVar[Mapping[str, Any]] = {}
    secrets: ClassVar[Mapping[str, str]] = {}  # variables a channel of `channel` reads its credentials from
    edits = True  # whether what was written can be changed there
    says_when = True  # whether it says how long to wait when it refuses for now
    to: str | None = None  # where it delivers, for one that pushes; empty until somebody subscribes

    def __init__(self, town: Town) -> None:
        self.town = town

    def serve(self, port: int) -> Any:
        """A server with start, stop and server_address: `port`, or a free one when it is 0 or taken."""
        return PlatformServer(self.town, self, port)

    def channel(self, page_size: int) -> dict[str, Any]:
        """What an operator would write to listen here for northbank, in pages of this size where the reader may choose."""
        raise NotImplementedError

    def says(self, rng: random.Random, n: int) -> dict[str, Any]:
        """What somebody writes next on a random day, as arguments of Town.post; ties within a second are the rule."""
        return {"text": f"northbank no {n}", "created": int(time.time()) - rng.choice((1, 1, 60, 300))}

    def passes(self, rng: random.Random) -> None:
        """Time passes: what it does by itself, or what befalls it, on a random day."""

    def rests(self) -> bool:
        """Whether it has nothing left to do by itself."""
        return True

    def handle(self, request: Request) -> Response:
        raise NotImplementedError

    def refuse(self, status: int, fault: Fault | None = None) -> Response:
        """What the platform says with this status; overridden where it has its own body or headers."""
        return answer({"message": HTTPStatus(status).phrase, "error": status}, status)

    def too_many(self, fault: Fault) -> Response:
        """429, with the reset told in the way the fault asks for."""
        seconds = int(fault.options.get("seconds", 2))
        reset = fault.options.get("reset", "retry-after")
        response = self.refuse(429, fault)
        if reset == "retry-after":
            response.headers["Retry-After"] = str(seconds)
        elif reset == "date":  # RFC 9110 section 10.2.3: an HTTP-date is as good as a number of seconds
            response.headers["Retry-After"] = formatdate(time.time() + seconds, usegmt=True)
        elif reset == "header":
            response.headers.update(self.reset_headers(seconds))
        return response

    def reset_headers(self, seconds: int) -> dict[str, str]:
        return {}

    def spend(self, bucket: str = "", rate: str = "") -> tuple[int, int, int, float]:
        """Count one request in the current window: limit, used, seconds left, epoch of the reset."""
        limit, window = self.town.rates[rate or self.name]
        now = time.time()
        with self.town.lock:
            windows = self.__dict__.setdefault("_windows", {})
            start, used = windows.get(bucket, (now, 0))
            if now >= start + window:
                start, used = now, 0
            windows[bucket] = (start, used + 1)
        return limit, used + 1, max(1, int(start + window - now + 0.999)), start + window


class Handler(BaseHTTPRequestHandler):
    """One connection, kept alive as HTTP/1.1 says."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: PlatformServer

    def handle_any(self) -> None:
        started = time.time()
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.command, unquote(parts.path), parts.query, self.headers, body)
        town, stand = self.server.town, self.server.stand
        if stand.name != "control":
            request.faults = town.faults.pick(stand.name, request.method, request.path)
        mishap = next((f for f in request.faults if f.kind in BEFORE | AFTER), None)
        response = self._before(stand, mishap) if mishap and mishap.kind in BEFORE else self._handle(stand, request)
        if mishap and mishap.kind == "hang":
            self._note(request, response, started, False)
            self._hang(float(mishap.options.get("seconds", 60)))
            return
        with town.ledger.leaving():
            whole = False
            try:
                whole = self._after(response, mishap) if mishap else self._send(response)
            except OSError:
                self.close_connection = True  # the client went away: nothing was served
            if stand.name != "control":
                self._note(request, response, started, whole)
        if response.after:
            response.after()

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = handle_any

    def _handle(self, stand: Stand, request: Request) -> Response:
        try:
            return stand.handle(request)
        except (ValueError, KeyError, TypeError) as error:
            if stand.name != "control":
                raise
            return answer({"error": f"{type(error).__name__}: {error}"}, 400)

    def _before(self, stand: Stand, mishap: Fault) -> Response:
        if mishap.kind == "429":
            return stand.too_many(mishap)
        if mishap.kind == "401":
            return stand.refuse(401, mishap)
        if mishap.kind == "status":
            return stand.refuse(int(mishap.options.get("status", 503)), mishap)
        if mishap.kind == "redirect":
            return Response(int(mishap.options.get("status", 302)), b"", {"Location": str(mishap.options["location"])})
        return Response(0)

    def _after(self, response: Response, mishap: Fault) -> bool:
        """Play the mishap on the way out; true when the answer left whole."""
        kind, opts = mishap.kind, mishap.options
        if kind in ("reset", "reset_after"):
            self._reset()
            return False
        if kind == "error_after":
            self._send(self.server.stand.refuse(int(opts.get("status", 500)), mishap))
            return False
        if kind in ("truncate", "reset_mid", "drip"):
            return self._partly(response, kind, float(opts.get("seconds", 5)))
        if kind in ("bad_json", "html", "empty"):
            page = b"<!DOCTYPE html><html><body><h1>We'll be right back</h1></body></html>"
            body = {"html": page, "empty": b"", "bad_json": response.body[: len(response.body) * 2 // 3] + b"}"}[kind]
            shown = "text/html" if kind == "html" else response.headers.get("Content-Type", JSON)
            self._send(Response(200, body, {"Content-Type": shown}))
            return False
        return self._send(response)

    def _head(self, response: Response) -> bytes:
        lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}", f"Date: {formatdate(usegmt=True)}"]
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        if response.status not in (204, 304):
            lines.append(f"Content-Length: {len(response.body)}")
        if self.close_connection:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _send(self, response: Response) -> bool:
        body = b"" if self.command == "HEAD" or response.status in (204, 304) else response.body
        self.connection.sendall(self._head(response) + body)
        return True

    def _partly(self, response: Response, kind: str, seconds: float) -> bool:
        """Half a body and an end, half a body and a reset, or the whole of it drop by drop."""
        self.close_connection = True
        if kind == "drip":
            self.connection.sendall(self._head(response))
            size = max(1, len(response.body) // 20)
            for at in range(0, len(response.body), size):
                if self.server.town.stopping.wait(seconds / 20):
                    return False
                self.connection.sendall(response.body[at : at + size])
            return True
        self.connection.sendall(self._head(response) + response.body[: len(response.body) // 2])
        if kind == "reset_mid":
            time.sleep(0.05)  # let the half arrive: a reset discards what the reader has not taken yet
            self._reset()
        return False

    def _reset(self) -> None:
        """Close with RST: linger zero, and both of the file objects gone, or the socket stays open."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.connection.close()

    def _hang(self, seconds: float) -> None:
        self.close_connection = True
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.server.town.stopping.is_set():
            ready, _, _ = select.select([self.connection], [], [], 0.1)
            if ready and not self.connection.recv(1, socket.MSG_PEEK):
                return

    def _note(self, request: Request, response: Response, started: float, whole: bool) -> None:
        items = response.items if whole else []
        faults = ",".join(f.kind for f in request.faults)
        row = (
            self.server.stand.name,
            request.method,
            request.path,
            request.raw_query,
            response.status,
            started,
            round((time.time() - started) * 1000, 2),
            faults,
            len(items),
            request.headers.get("User-Agent", ""),
        )
        self.server.town.ledger.note_request(row, items)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: the ledger is the log."""


class PlatformServer(ThreadingHTTPServer):
    """A port of the town; falls back to a free one when the wanted port is taken."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, town: Town, stand: Stand, port: int) -> None:
        self.town, self.stand = town, stand
        self._open: set[socket.socket] = set()
        try:
            super().__init__(("127.0.0.1", port), Handler)
        except OSError:
            if not port:
                raise
            super().__init__(("127.0.0.1", 0), Handler)

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, args=(0.05,), name=f"town-{self.stand.name}", daemon=True).start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no event; anything else is a bug of the town and should be seen."""
        if not isinstance(sys.exc_info()[1], OSError):
            traceback.print_exc()
