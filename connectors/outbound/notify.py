"""Alerts to chat, push and on-call services by one address, through the Apprise library (BSD-2-Clause).

https://appriseit.com/services/ lists the addresses. Apprise calls `requests` by itself; that would pass our address guard by. So only
the services of a short list may be named, and in their modules the name `requests` is bound to a guard that sends through
connectors/http.py, and sends nothing without a delivery under way (`_apprise.py`). Mail is not among them, since the library speaks
SMTP by itself: `kind: smtp` does that. One address per route, so that an attempt is one row.
"""

import json
import re
from datetime import timedelta
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from connectors.contract import Context, Delivered
from connectors.errors import ConfigError
from connectors.outbound._text import canonical, cut
from connectors.outbound._words import headline, plain
from domain.nouns import Notice

LABEL = "Notification services (Apprise)"
KINDS = (
    "ticket.create", "ticket.comment", "ticket.status", "flag.open", "flag.update", "flag.close", "automation.alert", "automation.event",
)  # fmt: skip
GUARANTEE = (
    "at least once with the effect's key as the message's last line; a repeat happens only when the service's answer was lost or it "
    "said no after accepting"
)
BODY_LIMIT = 1_500  # the least of the services that take more than a text message


class Settings(BaseModel):
    """A chat, push or on-call service, by its Apprise address."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url_env: str = Field(
        description="Variable that holds the service's one address, such as slack://…, discord://…, ntfys://…, pagerduty://…, jsons://…"
    )


class Desk:
    """One address of one service."""

    looks_up = False
    quiet = timedelta(0)

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self._context = context

    def render(self, notice: Notice, remote: str | None) -> str:
        text = cut(plain(notice), BODY_LIMIT, "[cut: the whole text is in Earmark]")
        kind = "success" if notice.kind == "flag.close" else "warning" if notice.kind.startswith("flag.") else "info"
        return canonical({"title": _tame(headline(notice)), "body": f"{_tame(text)}\n\nref {notice.key}", "type": kind})

    def deliver(self, notice: Notice, request: str, remote: str | None) -> Delivered:
        from connectors.outbound._apprise import tell  # on first use: reading configuration stays light

        url = self._url()
        kept = json.loads(request)
        tell(url, self._context, {"title": kept["title"], "body": kept["body"], "notify_type": kept["type"]})
        return Delivered(remote_id=notice.key)

    def find(self, notice: Notice, request: str, remote: str | None) -> Delivered | None:
        return None

    def _url(self) -> str:
        urls = self._context.secret(self.settings.url_env).split()
        if len(urls) != 1 or "," in urlsplit(urls[0]).scheme:
            raise ConfigError(
                f"{self.settings.url_env} holds {len(urls)} addresses.", advice="One per route: make more routes."
            )
        return urls[0]


def _tame(text: str) -> str:
    """A customer's @everyone or <!channel> calls nobody: what follows the sign is parted from it by a space without width."""
    return re.sub(r"([@<])(?=\S)", "\\1\u200b", text)
