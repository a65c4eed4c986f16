"""Alerts to a Microsoft Teams channel by a workflow's webhook. As documented, not tried live.

https://learn.microsoft.com/en-us/connectors/teams/#microsoft-teams-webhook: 202 says queued, not shown; a card of a wrong shape fails later
inside the flow. No acknowledgement comes back without a bot: the card has signed links instead.
"""

import re
from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field

from connectors.contract import Context, Delivered
from connectors.errors import ConfigError
from connectors.outbound._text import canonical, clean, cut
from connectors.outbound._wire import Wire
from connectors.outbound._words import headline, plain
from domain.nouns import Notice

LABEL = "Microsoft Teams"
KINDS = ("flag.open", "flag.update", "flag.close")
GUARANTEE = "at least once with the effect's key as the card's last line; 202 means queued, and a failure inside the flow is not told"
LIMIT = 12_000  # of 28 KB, with room for escapes
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~])")


class Settings(BaseModel):
    """A workflow that posts what it receives to a channel."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url_env: str = Field(description="Variable that holds the workflow's address; it carries the secret (sig=…).")


class Desk:
    """One workflow."""

    looks_up = False
    quiet = timedelta(0)

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self._context = context

    def render(self, notice: Notice, remote: str | None) -> str:
        said = cut(plain(notice), LIMIT, "[cut: the whole text is in Earmark]")
        body = [
            {"type": "TextBlock", "text": escape(headline(notice)), "weight": "Bolder", "size": "Medium", "wrap": True},
            *({"type": "TextBlock", "text": escape(part), "wrap": True} for part in said.split("\n\n")[:20]),
            {"type": "TextBlock", "text": escape(f"ref {notice.key}"), "isSubtle": True, "size": "Small", "wrap": True},
        ]
        card: dict[str, object] = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "body": body,
        }  # fmt: skip
        if str(notice.body.get("url", "")).startswith("http"):
            acts = {"ack": "Acknowledge", "useful": "Useful", "noise": "Noise", "late": "Too late"}
            links = {"Open": notice.body["url"]} | {
                acts[k]: v for k, v in (notice.body.get("acts") or {}).items() if k in acts
            }
            card["actions"] = [{"type": "Action.OpenUrl", "title": title, "url": url} for title, url in links.items()]
        attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
        return canonical({"type": "message", "attachments": [attachment]})

    def deliver(self, notice: Notice, request: str, remote: str | None) -> Delivered:
        url = self._context.secret(self.settings.url_env).strip()
        if not url.startswith(("https://", "http://")):
            raise ConfigError(f"{self.settings.url_env} holds no address.", advice="Copy the workflow's HTTP POST URL.")
        wire = Wire("Teams", self._context, [url])
        wire.accept(wire.send("POST", url, {"Content-Type": "application/json"}, request))
        return Delivered(remote_id=notice.key, detail="queued")

    def find(self, notice: Notice, request: str, remote: str | None) -> Delivered | None:
        return None


def escape(text: str) -> str:
    """TextBlock renders Markdown: a customer's words stay words."""
    return _MARKDOWN.sub(r"\\\1", clean(text))
