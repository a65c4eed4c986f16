"""What every route of the web process needs, chosen once in app.py."""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from starlette.requests import Request

from console.web.force import Force
from console.web.why import Why
from storage.ledger import Ledger
from storage.scopes import Scope, ScopedLedger


@dataclass(frozen=True, slots=True)
class House:
    ledger: Ledger
    secret: bytes
    secure_cookies: bool
    base_url: str
    metrics_token: str = ""
    redis_ping: Callable[[], bool] | None = None
    why: Why = field(default_factory=Why)
    force: Force = field(default_factory=Force)

    @property
    def session_cookie(self) -> str:
        """`__Host-` binds a cookie to this host and to TLS; browsers refuse the prefix on plain http."""
        return "__Host-earmark" if self.secure_cookies else "earmark"

    @property
    def login_cookie(self) -> str:
        return "__Host-earmark-login" if self.secure_cookies else "earmark-login"

    @property
    def openid_cookie(self) -> str:
        return "__Host-earmark-openid" if self.secure_cookies else "earmark-openid"

    @property
    def origin(self) -> str:
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}".lower()


def house(request: Request) -> House:
    """With the ledger as the caller may see it: of some teams and topics only, where they are limited (storage/scopes.py)."""
    found: House = request.app.state.house
    scope: Scope | None = getattr(request.state, "scope", None)
    return replace(found, ledger=ScopedLedger(found.ledger, scope)) if scope and scope.limited else found


def address(request: Request) -> str:
    """Where a request comes from, as the server saw it."""
    return request.client.host if request.client else ""


def loopback(request: Request) -> bool:
    """From this machine itself, and not through a proxy on it: what a proxy forwards comes from anywhere."""
    if any(name in request.headers for name in ("x-forwarded-for", "forwarded", "x-real-ip")):
        return False
    try:
        return ipaddress.ip_address(address(request)).is_loopback
    except ValueError:
        return False
