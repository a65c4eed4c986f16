"""What others push to `/hooks/NAME` of the console: signed, kept there, and read here like any other channel.

The console checks the signature (domain/signatures.py) and stores the delivery before it acknowledges it; the poll of this channel reads the
stored ones in order. Which part of a delivery is the text, the author and so on is told by dotted paths.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from connectors import fields, shape
from connectors.contract import Context, Page, Policy, State
from connectors.errors import MalformedItem
from domain.nouns import Author, Mention, Rating
from domain.text import clean, plain, safe_url

PLATFORM = "webhook"
POLICY = Policy(source="https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md")


class Fields(BaseModel):
    """Where things stand: dotted paths; `a|b` takes the first that holds something, `*` every member of a list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    items: str = Field(default="", description="The mentions in a delivery; empty: the delivery is one")
    id: str = Field(default="", description="Its id; without one a hash of the content stands for it")
    text: str = Field(default="", description="What was said")
    title: str = Field(default="", description="The title above it")
    author: str = Field(default="", description="The author's stable id or name")
    url: str = Field(default="", description="Where it can be read")
    published: str = Field(default="", description="When: ISO time or epoch in seconds or milliseconds")
    rating: str = Field(default="", description="Stars, as a number up to rating_best")
    context: str = Field(default="", description="The thread it belongs to")


_ISSUE = "comment|review|issue|pull_request|discussion"
MAPS: dict[str, dict[str, str]] = {
    "generic": {name: name for name in Fields.model_fields if name != "items"},
    "stripe": {name: name for name in Fields.model_fields if name != "items"},
    "github": {
        **{
            ours: "|".join(f"{part}.{theirs}" for part in _ISSUE.split("|"))
            for ours, theirs in (("id", "node_id"), ("text", "body"), ("author", "user.login"), ("url", "html_url"))
        },
        "published": "comment.created_at|issue.created_at|pull_request.created_at|discussion.created_at",
        "context": "issue.node_id|pull_request.node_id|discussion.node_id",
        "title": "issue.title|pull_request.title|discussion.title",
    },
    "slack": {
        "id": "event.client_msg_id|event.ts",
        "text": "event.text",
        "author": "event.user",
        "published": "event.ts",
        "context": "event.thread_ts|event.ts",
    },
    "meta": {
        "items": "entry.*.changes.*.value|entry.*.messaging.*",
        "id": "comment_id|post_id|message.mid|id",
        "text": "message.text|message|text",
        "author": "from.id|sender.id",
        "published": "created_time|timestamp",
        "context": "post_id|media.id|sender.id",
    },
    "discourse": {
        "id": "post.id",
        "text": "post.cooked",
        "title": "post.topic_title",
        "author": "post.username",
        "published": "post.created_at",
        "context": "post.topic_id",
    },
}


class Settings(BaseModel):
    """A webhook channel: others push, at /hooks/ and the channel's name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: Literal["generic", "github", "slack", "meta", "stripe", "discourse"] = Field(
        default="generic", description="Whose way of signing; generic is Standard Webhooks"
    )
    secret_env: str = Field(description="Environment variable with the secret shared with the sender", min_length=1)
    verify_token_env: str = Field(default="", description="Meta only: variable with the token of a subscription")
    origin: str = Field(default="", description="Name its mentions are kept under", max_length=200)
    fields: Fields = Field(default=Fields(), description="Where things stand in a delivery, over the preset's own map")
    rating_best: float = Field(default=5, gt=0, le=1000, description="The best rating there is")
    page_size: int = Field(default=100, ge=1, le=1000, description="Deliveries per page")

    def map(self) -> dict[str, str]:
        """The preset's paths, and over them those that were written."""
        return {**MAPS[self.preset], **{name: path for name, path in self.fields.model_dump().items() if path}}


def describe(settings: Settings) -> str:
    """What is read; a change of it is another series of numbers. The rows go on where they were."""
    return f"webhook {settings.preset} {settings.origin}"


def position(state: State) -> dict[str, Any]:
    """How far it has read, by listing: never goes back."""
    return {"": shape.count(state.get("row")) or 0}


class Connector:
    """State: {"v": 1, "row": the last stored delivery that was read}."""

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings, self.context = settings, context
        self.paths = settings.map()

    def fetch_page(self, state: State) -> Page:
        """The next deliveries, oldest first, each with all the mentions it holds."""
        after = shape.count(state.get("row")) or 0
        waiting = self.context.received(after, self.settings.page_size)
        items = [item for row, told in waiting for item in self._items(row, shape.mapping(told))]
        last = waiting[-1][0] if waiting else after
        return Page(items, {"v": 1, "row": last}, len(waiting) < self.settings.page_size, uniform=False)

    def normalise(self, raw: Any) -> Mention:
        """One mention of a delivery. Raises MalformedItem where no text is found: the delivery is about something else."""
        whole = shape.mapping(raw)
        item = whole.get("item")
        said = self._text(item, "text")
        content, cut = clean(plain(said) if self.settings.preset == "discourse" else said)
        name, cut_too = clean(self._text(item, "title"), 2000)
        if not (content.strip() or name.strip()):
            raise MalformedItem(f"no text at {self.paths.get('text', '')!r}")
        told = fields.value_at(item, self.paths.get("published", ""))
        moment = fields.moment(told) or shape.when(whole.get("at"))
        published, published_raw, flags = shape.clamp(moment, told, self.context.now())
        native_id = shape.ident(fields.value_at(item, self.paths.get("id", ""))) or "sha256:" + fields.content_hash(
            item
        )
        handle = clean(self._text(item, "author"), 200)[0].strip()
        return Mention(
            PLATFORM,
            native_id,
            published,
            origin=self.settings.origin,
            kind="Review" if (rating := self._rating(item)) else "Note",
            name=name,
            content=content,
            url=safe_url(fields.value_at(item, self.paths.get("url", ""))),
            published_raw=published_raw,
            context=shape.ident(fields.value_at(item, self.paths.get("context", ""))) or native_id,
            attributed_to=Author(handle.lower(), handle) if handle else None,
            rating=rating,
            flags=flags + (("truncated",) if cut or cut_too else ()),
        )

    def _items(self, row: int, told: dict[str, Any]) -> list[dict[str, Any]]:
        """A delivery that holds none of the items it should is one item: rejected and visible, not dropped."""
        body = told.get("body")
        path = self.paths.get("items", "")
        held = [found for part in path.split("|") for found in fields.walk(body, part.split("."))] if path else [body]
        return [{"row": row, "at": told.get("at"), "item": item} for item in held or [body]]

    def _text(self, item: Any, name: str) -> str:
        return shape.words(fields.value_at(item, self.paths.get(name, "")))

    def _rating(self, item: Any) -> Rating | None:
        return fields.stars(fields.value_at(item, self.paths.get("rating", "")), self.settings.rating_best)
