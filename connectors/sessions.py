"""The guarded client underneath praw's and tweepy's `requests` sessions: same deadlines, same address check, same limits.

The libraries keep what they are good at (tokens, parameters, headers); the bytes go through connectors/http.py.
"""

import io
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from connectors.contract import Context
from connectors.http import Answer, Client, loads

UNSENT = {"accept-encoding", "connection", "content-length", "host"}  # ours to say


def guarded_session(
    session: requests.Session,
    context: Context,
    rewrite: Mapping[str, str] | None = None,
    base_urls: Iterable[str] = (),
    check: Callable[[Answer], None] | None = None,
) -> requests.Session:
    """Put our client under a vendor library's session. `check` sees each answer first; what it raises passes through."""
    adapter = Adapter(Client(context, [*(rewrite or {}).values(), *base_urls]), rewrite or {}, check)
    session.trust_env = False
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter)
    return session


class Adapter(BaseAdapter):
    """`rewrite` maps the beginning of a hard-wired address to the configured one (tweepy knows only api.twitter.com)."""

    def __init__(self, client: Client, rewrite: Mapping[str, str], check: Callable[[Answer], None] | None) -> None:
        super().__init__()
        self.client, self.rewrite, self.check = client, dict(rewrite), check

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Raises the errors of connectors/errors.py; time-outs given by the library are replaced by our deadline."""
        url = str(request.url)
        for old, new in self.rewrite.items():
            if url.startswith(old):
                url = new.rstrip("/") + url[len(old) :]
        headers = {str(k): v if isinstance(v, str) else v.decode("latin-1") for k, v in request.headers.items()}
        headers = {name: value for name, value in headers.items() if name.lower() not in UNSENT}
        answer = self.client.request(str(request.method), url, headers, request.body, hops=0)
        if self.check:
            self.check(answer)
        return _response(request, answer)

    def close(self) -> None:
        self.client.close()


class _Response(requests.Response):
    def json(self, **kwargs: Any) -> Any:
        return loads(self.content)


def _response(request: requests.PreparedRequest, answer: Answer) -> requests.Response:
    response = _Response()
    response.status_code = answer.status
    response.headers = CaseInsensitiveDict(answer.headers)
    response.url, response.request, response.encoding = answer.url, request, "utf-8"
    response._content = answer.body
    response.raw = io.BytesIO(answer.body)
    return response
