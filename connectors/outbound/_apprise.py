"""Apprise with its way out guarded: in the modules of its services `requests` is ours.

Only services of the list may be used: each is a single module whose every call goes through `requests`
(tests/test_deliver_notify.py reads that from the library's source).
"""

import logging
import sys
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import apprise
import requests

from connectors.contract import Context
from connectors.errors import ConfigError, ConnectorError, Permanent, Transient
from connectors.http import Answer
from connectors.outbound._wire import Wire
from connectors.sessions import guarded_session

SCHEMAS = {
    "discord", "form", "forms", "gchat", "gotify", "gotifys", "json", "jsons", "mmost", "mmosts", "ntfy", "ntfys", "opsgenie",
    "pagerduty", "signl4", "slack", "tgram", "twilio", "webex", "workflow", "workflows", "wxteams", "xml", "xmls", "zulip",
}  # fmt: skip


def tell(url: str, context: Context, message: dict[str, Any]) -> None:
    """Send one message to one address. Raises the errors of connectors/errors.py, never showing the address."""
    library, plugin = _plugin(url)
    base = f"{'https' if plugin.secure else 'http'}://{plugin.host}:{plugin.port}" if plugin.port else ""
    wire = Wire(f"The {urlsplit(url).scheme} service", context)
    call = _Call(guarded_session(requests.Session(), context, base_urls=[base], check=_meaning(wire)))
    token = _calls.set(call)
    try:
        said = library.notify(**message, body_format="text")
    finally:
        _calls.reset(token)
    if call.error is not None:
        raise call.error
    if not said:
        raise Transient(f"{wire.name} did not accept the message.", sent=call.made > 0, advice="Check its address.")


def _plugin(url: str) -> tuple[Any, Any]:
    """The library with the one service of an address, its way out guarded. Raises ConfigError, never showing the address."""
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # it logs answers and parts of addresses
    scheme = url.partition("://")[0].lower()
    if scheme not in SCHEMAS:
        advice = "Mail goes by kind: smtp. Known: " + ", ".join(sorted(SCHEMAS))
        raise ConfigError(f"{scheme[:30]!r} is not a service we notify.", advice=advice)
    asset = apprise.AppriseAsset(
        app_id="Earmark", app_desc="Earmark", app_url="", async_mode=False, secure_logging=True
    )
    plugin = apprise.Apprise.instantiate(url, asset=asset)
    if plugin is None:
        raise ConfigError(f"The {scheme} address is not complete.", advice="See appriseit.com/services.")
    if getattr(plugin, "template", None) or getattr(plugin, "attachment", None):
        raise ConfigError("An address may not name a template: it would be read from a file or fetched.")
    plugin.overflow_mode = apprise.OverflowMode.TRUNCATE  # split into several, one message could arrive by halves
    for kind in type(plugin).__mro__:
        module = sys.modules.get(kind.__module__)
        if module is not None and getattr(module, "requests", None) is requests:
            module.requests = _guarded  # type: ignore[attr-defined]
    library = apprise.Apprise(asset=asset)
    library.add(plugin)
    return library, plugin


@dataclass(slots=True)
class _Call:
    """One delivery's way out, and the first thing that went wrong on it: the library swallows what it does not know."""

    session: requests.Session
    error: ConnectorError | None = None
    made: int = 0


_calls: ContextVar[_Call] = ContextVar("calls")


class _Guarded:
    """What Apprise's modules see as `requests`: its constants and errors as they are, its calls through our client."""

    def __getattr__(self, name: str) -> Any:
        if name in ("Session", "session", "sessions", "api", "adapters"):
            raise AttributeError(f"requests.{name} would pass the address guard by")
        return getattr(requests, name)

    def request(self, method: str, url: str, **options: Any) -> requests.Response:
        call = _calls.get(None)
        if call is None:
            raise RuntimeError("no delivery is under way")
        for name in ("verify", "timeout", "proxies", "cert", "stream", "allow_redirects", "hooks"):  # ours to say
            options.pop(name, None)
        try:
            call.made += 1
            return call.session.request(method, url, allow_redirects=False, **options)
        except ConnectorError as error:
            _discreet(error, url)
            call.error = call.error or error
            raise

    def get(self, url: str, params: Any = None, **options: Any) -> requests.Response:
        return self.request("GET", url, params=params, **options)

    def post(self, url: str, data: Any = None, json: Any = None, **options: Any) -> requests.Response:
        return self.request("POST", url, data=data, json=json, **options)

    def put(self, url: str, data: Any = None, **options: Any) -> requests.Response:
        return self.request("PUT", url, data=data, **options)

    def patch(self, url: str, data: Any = None, **options: Any) -> requests.Response:
        return self.request("PATCH", url, data=data, **options)

    def delete(self, url: str, **options: Any) -> requests.Response:
        return self.request("DELETE", url, **options)

    def head(self, url: str, **options: Any) -> requests.Response:
        return self.request("HEAD", url, **options)

    def options(self, url: str, **options: Any) -> requests.Response:
        return self.request("OPTIONS", url, **options)


_guarded = _Guarded()


def _meaning(wire: Wire) -> Any:
    """What an answer says, before the library sees it: it would make a mere no of everything."""

    def check(answer: Answer) -> None:
        try:
            wire.accept(answer)
        except Permanent as error:
            raise ConfigError(f"{wire.name} knows no such address ({answer.status}).", status=answer.status) from error

    return check


def _discreet(error: ConnectorError, url: str) -> None:
    """The path of such an address is its secret: it stays out of what people and logs read."""
    parts = urlsplit(url)
    words = str(error)
    for secret in (parts.path, parts.path[:120], parts.query):
        if len(secret) > 1:
            words = words.replace(secret, "/…")
    error.args = (words,)
    error.__cause__ = error.__context__ = None
