"""The one way out: a client that checks every address, ends every request in time and reads no more than it should.

Time-outs of HTTP libraries are per read: a server that drips a byte each second holds a worker for ever. Here the socket itself knows
when the whole request ends. Decompression is bounded by hand, since `iter_bytes` of the library inflates a chunk whole.
"""

import json
import ssl
import time
import weakref
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpcore2
import httpx2
from pydantic_core import from_json

from connectors import guard, resets
from connectors.contract import Context
from connectors.errors import AuthError, ConfigError, Permanent, RateLimited, Transient

CONNECT, READ = 5.0, 20.0
HOPS = 5
MOVED = {301, 302, 303, 307, 308}
# What may follow a redirect to another host; everything else could be a credential.
HARMLESS = {"accept", "accept-encoding", "accept-language", "user-agent"}

_ends: ContextVar[float] = ContextVar("ends")  # time.monotonic() at which the request under way is over


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. `moved`: where the resource lives for good. `cut`: the body ended before its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    moved: str | None = None
    cut: bool = False

    def json(self) -> Any:
        return loads(self.body)


class Client:
    """`base_urls` are the addresses the configuration names: their ports are allowed, else only 80 and 443."""

    def __init__(self, context: Context, base_urls: Iterable[str] = ()) -> None:
        self.context = context
        self.configured = {_host_port(url) for url in base_urls if url}
        self.transport = httpx2.HTTPTransport(verify=_trusted(), trust_env=False)
        pool = self.transport._pool
        assert isinstance(pool, httpcore2.ConnectionPool)
        pool._network_backend = Backend(context.allow_hosts)  # no public way in; test_connectors_http keeps watch
        context.opened(self.transport.close)
        weakref.finalize(self, self.transport.close)

    def get(self, url: str, headers: Mapping[str, str] | None = None, *, partial: bool = False) -> Answer:
        return self.request("GET", url, headers, partial=partial)

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        content: bytes | str | None = None,
        *,
        hops: int | None = None,
        partial: bool = False,
        deadline: float | None = None,
    ) -> Answer:
        """One request with its redirects (none for a write). `partial`: a body cut short is an answer with `cut`, not an error."""
        hops = hops if hops is not None else HOPS if method in ("GET", "HEAD") else 0
        given = {"user-agent": self.context.user_agent, "accept-encoding": "gzip"}
        given |= {name.lower(): value for name, value in (headers or {}).items()}
        data = content.encode() if isinstance(content, str) else content
        token = _ends.set(min(time.monotonic() + (deadline or self.context.deadline), self.context.ends))
        try:
            return self._follow(method, url, given, data, hops, partial)
        finally:
            _ends.reset(token)

    def close(self) -> None:
        self.transport.close()

    def _follow(
        self, method: str, url: str, headers: dict[str, str], data: bytes | None, hops: int, partial: bool
    ) -> Answer:
        moved, seen, for_good = None, {url}, True
        while True:
            answer = self._once(method, url, headers, data, partial)
            target = answer.headers.get("location")
            if hops == 0 or answer.status not in MOVED or not target:
                return Answer(answer.status, answer.headers, answer.body, url, moved, answer.cut)
            target = _joined(url, target)
            if len(seen) > hops or target in seen:
                raise Permanent(f"{_place(url)} redirects in circles or too often", status=answer.status)
            if url.startswith("https:") and not target.lower().startswith("https:"):
                raise ConfigError(f"{_place(url)} redirects to an address without encryption", status=answer.status)
            for_good = for_good and answer.status in (301, 308)
            moved = target if for_good else moved
            if _origin(target) != _origin(url):
                headers = {name: value for name, value in headers.items() if name in HARMLESS}
            url = target
            seen.add(url)

    def _once(self, method: str, url: str, headers: dict[str, str], data: bytes | None, partial: bool) -> Answer:
        self._check(url)
        try:
            request = httpx2.Request(
                method, url, headers=headers, content=data, extensions={"timeout": {"connect": CONNECT, "read": READ}}
            )
            response = self.transport.handle_request(request)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, ssl.SSLError) as problem:
            raise Transient(f"no connection to {_place(url)}: {_said(problem)}", sent=False) from problem
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol, httpx2.LocalProtocolError, ValueError) as problem:
            raise ConfigError(f"{_place(url)} cannot be asked: {_said(problem)}") from problem
        except (httpx2.TransportError, OSError) as problem:
            raise Transient(f"no answer from {_place(url)}: {_said(problem)}") from problem
        told = _headers(response.headers)
        try:
            body, cut = self._body(method, response, told, _place(url), partial)
        finally:
            response.close()
        return Answer(response.status_code, told, body, url, cut=cut)

    def _body(
        self, method: str, response: httpx2.Response, headers: Mapping[str, str], place: str, partial: bool
    ) -> tuple[bytes, bool]:
        parts, size, cut = [], 0, False
        try:
            for part in inflate(response.iter_raw(), headers.get("content-encoding", ""), self.context.max_bytes):
                parts.append(part)
                size += len(part)
                if size > self.context.max_bytes:
                    raise Transient(
                        f"the answer of {place} is larger than {self.context.max_bytes} bytes",
                        status=response.status_code,
                    )
        except (httpx2.TimeoutException, TimeoutError) as problem:
            raise Transient(f"{place} did not finish its answer in time") from problem
        except (httpx2.TransportError, OSError, zlib.error, EOFError) as problem:
            if not partial:
                raise Transient(f"{place} broke off in the middle of its answer") from problem
            cut = True
        return b"".join(parts), cut

    def _check(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            host, port = _host_port(url)
        except ValueError as problem:
            raise ConfigError("the address is not valid") from problem
        if parts.scheme.lower() not in ("http", "https") or not host:
            raise ConfigError(f"{parts.scheme or 'this'}: is not an address we read", advice="Use http or https")
        if parts.username or parts.password:
            raise ConfigError(f"the address of {host} holds a user name", advice="Use username and password_env")
        if (
            port not in (80, 443)
            and (host, port) not in self.configured
            and f"{host}:{port}" not in self.context.allow_hosts
        ):
            raise ConfigError(f"{host}: port {port} is not allowed", advice="Only 80 and 443, or a configured address")


@cache
def _trusted() -> ssl.SSLContext:
    """The system's certificates, read once per process: reading them takes 20 ms, and each poll has a client of its own."""
    return httpx2.create_ssl_context(trust_env=False)


class Backend(httpcore2.SyncBackend):
    """Resolves once, checks, connects to what it checked; hands out streams that know when the request ends."""

    def __init__(self, allow_hosts: frozenset[str]) -> None:
        self.allow_hosts = allow_hosts

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        problem: Exception = httpcore2.ConnectError("no address")
        for address in guard.resolve(host, port, _left(CONNECT), self.allow_hosts):
            try:
                return Stream(super().connect_tcp(address, port, _left(timeout), local_address, socket_options))
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as failed:
                problem = failed
        raise problem

    def connect_unix_socket(self, *args: Any, **kwargs: Any) -> httpcore2.NetworkStream:
        raise ConfigError("Unix sockets are not read")


class Stream(httpcore2.NetworkStream):
    """A connection whose every wait is cut to what is left of the whole request."""

    def __init__(self, inner: httpcore2.NetworkStream) -> None:
        self.inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.inner.read(max_bytes, _left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for at in range(0, len(buffer), 65_536):
            self.inner.write(buffer[at : at + 65_536], _left(timeout))

    def close(self) -> None:
        self.inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return Stream(self.inner.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self.inner.get_extra_info(info)


def _left(timeout: float | None) -> float:
    left = _ends.get(time.monotonic() + READ) - time.monotonic()
    if left <= 0:
        raise httpcore2.ReadTimeout("the time for the whole request is over")
    return min(left, timeout or READ)


def inflate(chunks: Iterator[bytes], encoding: str, limit: int) -> Iterator[bytes]:
    """Decoded bytes in pieces of at most 64 KB; the caller stops when it has enough. Ends with EOFError when cut."""
    names = [name.strip().lower() for name in encoding.split(",") if name.strip().lower() not in ("", "identity")]
    if not names:
        yield from chunks
        return
    if len(names) > 1 or names[0] not in ("gzip", "x-gzip", "deflate"):
        raise Transient(f"the answer is packed as {encoding[:40]!r}, which was not asked for")
    packed, started = zlib.decompressobj(47), False  # 32 + 15: gzip or zlib, by its header
    for chunk in chunks:
        if not started and chunk and not _packed(chunk):  # servers that announce gzip and send plain text
            yield chunk
            yield from chunks
            return
        started = started or bool(chunk)
        while chunk:
            yield packed.decompress(chunk, 65_536)
            chunk = packed.unconsumed_tail or packed.unused_data
            if packed.eof:
                if chunk[:2] != b"\x1f\x8b":  # padding after the last member
                    return
                packed = zlib.decompressobj(47)
    if started and not packed.eof:
        raise EOFError


def _packed(chunk: bytes) -> bool:
    return chunk[:2] == b"\x1f\x8b" or (len(chunk) > 1 and chunk[0] & 15 == 8 and (chunk[0] * 256 + chunk[1]) % 31 == 0)


def check(answer: Answer, now: datetime, reset: resets.Style = "delta", *, write: bool = False) -> None:
    """Raise what a status means. `write`: after a 5xx nobody knows whether the effect happened."""
    status, place = answer.status, _place(answer.url)
    if 200 <= status < 300 or status == 304:
        return
    if status == 429 or (status == 503 and "retry-after" in answer.headers and not write):
        when = resets.reset_at(answer.headers, now, reset, _maybe_json(answer))
        raise RateLimited(f"{place} asks us to wait until {when:%H:%M:%S} UTC", reset_at=when, status=status)
    if status in (401, 407):
        raise AuthError(f"{place} does not accept our credentials", advice="Renew them and resume", status=status)
    if status == 403:
        raise AuthError(f"{place} forbids this to our credentials", advice="Check permissions", status=status)
    if status in (404, 410, 451):
        raise Permanent(f"{place} is gone ({status})", advice="Check the address", status=status)
    if status >= 500 or status in (408, 421, 425):
        raise Transient(f"{place} has trouble ({status})", status=status)
    if status in MOVED:
        raise ConfigError(f"{place} has moved", advice="Ask at the new address", status=status)
    raise ConfigError(f"{place} refuses the request ({status}){_reason(answer)}", status=status)


def loads(body: bytes | str) -> Any:
    """JSON from outside. Raises Transient for anything that is none; NaN and its kind, which no database takes, are null."""
    try:
        return from_json(body, allow_inf_nan=False, cache_strings="keys")  # stricter than json, in half of its time
    except ValueError:
        pass
    try:
        text = body.decode("utf-8-sig", "replace") if isinstance(body, bytes) and not _wide(body) else body
        return json.loads(text, parse_constant=lambda _: None)
    except RecursionError as problem:
        raise Transient("the answer is JSON nested too deeply to be read") from problem
    except ValueError as problem:
        raise Transient("the answer is not the JSON it should be") from problem


def _wide(body: bytes) -> bool:
    return body[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in body[:4]


def _maybe_json(answer: Answer) -> Any:
    try:
        return loads(answer.body[:100_000])
    except Transient:
        return None


def _reason(answer: Answer) -> str:
    """The platform's own words, where it has the usual ones."""
    told = _maybe_json(answer)
    if not isinstance(told, dict):
        return ""
    first = told.get("errors")
    holder = first[0] if isinstance(first, list) and first and isinstance(first[0], dict) else told
    words = (
        holder.get("message") or holder.get("detail") or told.get("detail") or told.get("message") or told.get("error")
    )
    return f": {words[:200]}" if isinstance(words, str) else ""


def _joined(url: str, target: str) -> str:
    try:
        return urljoin(url, target)
    except ValueError as problem:
        raise ConfigError(f"{_place(url)} redirects to an address that is none") from problem


def _headers(headers: httpx2.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _said(problem: Exception) -> str:
    return str(problem)[:200] or type(problem).__name__


def _place(url: str) -> str:
    """Host and path: queries hold keys and personal words."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname or '?'}{parts.path[:120]}"
    except ValueError:
        return "this address"


def _host_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return guard.normal_host(parts.hostname or ""), parts.port or (443 if parts.scheme.lower() == "https" else 80)


def _origin(url: str) -> tuple[str, str, int]:
    return (urlsplit(url).scheme.lower(), *_host_port(url))
