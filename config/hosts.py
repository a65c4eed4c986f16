"""Addresses in a configuration, judged by their text. The guarded client judges again by what a name resolves to."""

import ipaddress
import socket
from urllib.parse import urlsplit

from connectors.guard import normal_host, permitted

_LOCAL_ENDINGS = (".localhost", ".local", ".internal", ".lan", ".home.arpa")


def problem(key: str, value: str, allowed: frozenset[str]) -> str:
    """Why an address may not be used, or nothing. Keys that end in `url`, `urls` or are `host` hold addresses."""
    if key == "host":
        return _host_problem(value, allowed)
    if not key.endswith(("url", "urls", "server", "instance")):
        return ""
    try:
        parts = urlsplit(value.strip())
        host = parts.hostname or ""
        _ = parts.port
    except ValueError as error:
        return f"not an address: {error}"
    if "://" not in value and not key.endswith(("url", "urls")):
        return _host_problem(value, allowed)
    if parts.scheme not in ("http", "https"):
        return "an address begins with https:// (or http://)"
    if not host:
        return "the address names no host"
    if parts.username or parts.password:
        return "a secret does not belong in a file: no user or password in an address"
    return _host_problem(host, allowed)


def _host_problem(host: str, allowed: frozenset[str]) -> str:
    host = normal_host(host)
    named = host in {normal_host(name) for name in allowed}
    address = _address(host)
    if permitted(address, named) if address else named or not _local(host):
        return ""
    if named:
        return f'"{host[:80]}" is no address that a server can have; allow_hosts does not change that'
    return f'"{host[:80]}" is a private or loopback host; if that is meant, name it in settings: allow_hosts: ["{host[:80]}"]'


def _local(name: str) -> bool:
    return "." not in name or name.endswith(_LOCAL_ENDINGS)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address a host is, in the spellings resolvers also take: 127.1, 0x7f.0.0.1, 2130706433."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host)) if host[:1].isdigit() else None
    except (OSError, ValueError):
        return None
