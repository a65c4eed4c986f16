"""Which computers we may speak to. The answer is about the address we connect to, never about the name alone.

Resolving once, refusing when any answer is refused, and connecting to the very address that was checked closes DNS rebinding.
`ipaddress.is_global` alone lets NAT64, 6to4 and multicast through: https://docs.python.org/3/library/ipaddress.html
"""

import ipaddress
import socket
import threading

from connectors.errors import ConfigError, Transient

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_V6_GLOBAL = ipaddress.ip_network("2000::/3")
_REFUSED = tuple(
    ipaddress.ip_network(net)
    for net in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT, RFC 6598
        "192.0.0.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",
        "224.0.0.0/3",  # multicast, reserved, broadcast
        "2001::/23",  # Teredo, ORCHID and other special purposes
        "2001:db8::/32",
        "2002::/16",  # 6to4 carries an IPv4 address
        "3fff::/20",
    )
)
_NEAR = tuple(
    ipaddress.ip_network(net)
    for net in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
)


def normal_host(host: str) -> str:
    """A host as it is compared: lower case, without brackets, final dot and zone."""
    return host.strip("[]").partition("%")[0].rstrip(".").lower()


def public(address: Address) -> bool:
    """Whether an address is a plain public unicast one."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return public(address.ipv4_mapped)
        if address not in _V6_GLOBAL:  # loopback, link-local, unique local, NAT64, multicast: all outside
            return False
    return address.is_global and not any(address.version == net.version and address in net for net in _REFUSED)


def permitted(address: Address, named: bool) -> bool:
    """`named`: the configuration allows this host by name, so loopback and private networks are meant."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    near = named and any(address.version == net.version and address in net for net in _NEAR)
    return near or public(address)


def resolve(host: str, port: int, timeout: float, allow_hosts: frozenset[str]) -> list[str]:
    """The addresses of a host, all of them permitted. Raises ConfigError or Transient (never sent)."""
    name = normal_host(host)
    named = name in {normal_host(allowed) for allowed in allow_hosts}
    found: list[str] = []
    for text in _look_up(name, port, timeout):
        if not permitted(ipaddress.ip_address(text.partition("%")[0]), named):
            raise ConfigError(
                f"{host} is not a public address ({text})",
                advice="If this host is meant, name it under settings: allow_hosts",
            )
        if text not in found:
            found.append(text)
    return found


def _look_up(host: str, port: int, timeout: float) -> list[str]:
    """getaddrinfo takes no time-out, so it runs beside us and is left behind when it takes too long."""
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass  # a name, or one of the many spellings of 127.0.0.1 that only the resolver understands
    answer: list[str] = []
    error: list[OSError | UnicodeError] = []
    worker = threading.Thread(target=_ask, args=(host, port, answer, error), daemon=True, name="resolve")
    worker.start()
    worker.join(max(0.01, timeout))
    if answer:
        return list(answer)
    if error:
        raise Transient(f"{host} cannot be found by name", sent=False, advice="Check host name and DNS") from error[0]
    raise Transient(f"looking up {host} took longer than {timeout:.0f} s", sent=False)


def _ask(host: str, port: int, answer: list[str], error: list[OSError | UnicodeError]) -> None:
    try:
        found = [str(item[4][0]) for item in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as problem:
        error.append(problem)
    else:
        answer.extend(found)
