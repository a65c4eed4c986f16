"""Discourse: the newest public posts of one forum, with or without a key.

The list stands in the order of ids, which is not that of dates: imported posts are new ids with old dates. So the position is an id, and
`before` walks down to it; older forums count the post `before` names in, newer ones leave it out, and both are read the same. Edits are seen
while the post is still within the lookback. https://docs.discourse.org/#tag/Posts/operation/listPosts
"""

import copy
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from connectors import shape
from connectors.contract import Context, Page, Policy, State
from connectors.errors import MalformedItem, Transient
from domain.nouns import Author, Mention
from domain.text import clean, plain, safe_url

if TYPE_CHECKING:
    from connectors.http import Client

PLATFORM = "discourse"
POLICY = Policy(source="https://meta.discourse.org/t/discourse-api-documentation/22706")
STALE = 120.0  # a walk whose first page is older is followed by one from the top at once
_ASIDE = re.compile(r"<aside\b|</aside\s*>", re.IGNORECASE)


class Settings(BaseModel):
    """A Discourse forum: all its public posts, or what a key may see."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(description="Address of the forum", max_length=2000)
    api_key_env: str = Field(
        default="", description="Environment variable with an API key, for forums that ask for one"
    )
    api_username: str = Field(default="system", description="The user the key acts for", max_length=200)
    origin: str = Field(
        default="", description="Name its posts are kept under; keep it when the forum moves", max_length=200
    )
    lookback: int = Field(default=60, ge=0, le=43_200, description="Minutes read again, for edits and posts shown late")
    backfill: int = Field(default=24, ge=0, le=8760, description="Hours to go back when the channel is new")
    base_url: str = Field(default="", description="Ask this address instead of the url's host (a proxy or stand-in)")

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        parts = urlsplit(url.strip())
        if parts.scheme.lower() not in ("http", "https") or not parts.hostname or parts.username:
            raise ValueError("a forum's address begins with https:// and holds no user name")
        return url.strip().rstrip("/")


def describe(settings: Settings) -> str:
    """What is read; a change of it is another series of numbers."""
    return f"discourse {settings.url}"


def position(state: State) -> dict[str, Any]:
    """How far it has read, by listing: never goes back."""
    return {"": int(state.get("since_id") or 0)}


class Connector:
    """State: {"v": 1, "since_id", "covered", "walk": {"floor", "since", "before", "newest", "at"} | null}.

    A walk ends below `floor` (the highest id of the walk before) and before `since` (a time), whichever lies deeper.
    """

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings, self.context = settings, context
        self.address = (settings.base_url or settings.url).rstrip("/")
        self.origin = settings.origin or (urlsplit(settings.url).hostname or "").lower()
        self._http: Client | None = None

    def fetch_page(self, state: State) -> Page:
        """One request of the walk under way, or the first of a new one."""
        state = copy.deepcopy(state) if state.get("v") == 1 else {"v": 1, "since_id": 0, "covered": None, "walk": None}
        now = self.context.now()
        walk = state.get("walk") or self._begin(state, now)
        posts, size = self._ask(walk["before"])
        ids = [native_id for native_id in map(_number, posts) if native_id]
        walk["newest"] = max([walk["newest"], *ids])
        if posts and not ids:
            return Page(posts, state, True, complete=False, warnings=("a page of posts without ids",), bytes=size)
        lowest = min(ids, default=0)
        ended = not lowest or (walk["before"] and lowest >= walk["before"])  # counted in, the last post comes for ever
        if ended or self._below(walk, posts, ids):
            state |= {"since_id": max(state["since_id"], walk["newest"]), "covered": walk["at"], "walk": None}
            return Page(posts, state, now.timestamp() - walk["at"] <= STALE, bytes=size)
        state["walk"] = {**walk, "before": lowest}
        return Page(posts, state, False, bytes=size)

    def normalise(self, raw: Any) -> Mention:
        """One post. What its author deleted or moderators hid shows the forum's words in place of the author's: a tombstone."""
        post = shape.mapping(raw)
        number = _number(post)
        if not number:
            raise MalformedItem("no id")
        told = post.get("created_at") if isinstance(post.get("created_at"), str) else None
        published, published_raw, flags = shape.clamp(shape.when(told), post.get("created_at"), self.context.now())
        topic, place = shape.count(post.get("topic_id")), shape.count(post.get("post_number"))
        thread = f"t/{topic}" if topic else str(number)
        common: dict[str, Any] = {
            "native_id": str(number),
            "published": published,
            "origin": self.origin,
            "context": thread,
        }
        if post.get("user_deleted") is True or post.get("hidden") is True or post.get("deleted_at"):
            return Mention(PLATFORM, kind="Tombstone", **common)
        first = place == 1
        name, cut = clean(shape.words(post.get("topic_title")) if first else "")
        content, cut_too = clean(plain(own_words(shape.words(post.get("cooked")))))
        above = shape.count(post.get("reply_to_post_number")) or 1
        return Mention(
            PLATFORM,
            **common,
            kind="Article" if first else "Note",
            name=name,
            content=content,
            url=safe_url(f"{self.settings.url}/t/{topic}/{place}") if topic and place else None,
            updated=self._edited(post, published),
            published_raw=published_raw,
            in_reply_to=None if first or not topic else f"{thread}/{above}",
            attributed_to=self._author(post),
            metrics=shape.counts(post, {"reply_count": "replies", "reads": "views"}),
            flags=flags + (("truncated",) if cut or cut_too else ()),
        )

    def _begin(self, state: State, now: datetime) -> dict[str, Any]:
        covered = shape.when(state.get("covered"))
        back = timedelta(minutes=self.settings.lookback) if covered else timedelta(hours=self.settings.backfill)
        since = (covered or now) - back
        return {"floor": state["since_id"], "since": since.timestamp(), "before": 0, "newest": 0, "at": now.timestamp()}

    def _below(self, walk: dict[str, Any], posts: list[Any], ids: list[int]) -> bool:
        """Whether the whole page lies in ground that was read before, by id and by time."""
        moments = (shape.when(shape.mapping(post).get("created_at")) for post in posts)
        newest = max((moment.timestamp() for moment in moments if moment), default=0.0)
        return newest < walk["since"] and (not walk["floor"] or max(ids) <= walk["floor"])

    def _ask(self, before: int) -> tuple[list[Any], int]:
        from connectors.http import Client, check

        self._http = self._http or Client(self.context, [self.address])
        headers = {"accept": "application/json"}
        if self.settings.api_key_env:
            headers["api-key"] = self.context.secret(self.settings.api_key_env)
            headers["api-username"] = self.settings.api_username
        answer = self._http.get(f"{self.address}/posts.json" + (f"?before={before}" if before else ""), headers)
        check(answer, self.context.now())
        told = answer.json()
        posts = told.get("latest_posts") if isinstance(told, dict) else None
        if not isinstance(posts, list):
            raise Transient("the forum's answer is not a list of posts", status=answer.status)
        return posts, len(answer.body)

    def _edited(self, post: dict[str, Any], published: datetime) -> datetime | None:
        """`updated_at` also moves without an edit (when the forum renders a post anew); `version` moves with one only."""
        changed = shape.when(post.get("updated_at")) if isinstance(post.get("updated_at"), str) else None
        return changed if changed and changed > published and (shape.count(post.get("version")) or 1) > 1 else None

    def _author(self, post: dict[str, Any]) -> Author | None:
        handle = clean(shape.words(post.get("username")), 200)[0].strip()
        native_id = shape.ident(post.get("user_id")) or handle.lower()
        if not handle or not native_id:
            return None
        name = clean(shape.words(post.get("name")), 500)[0]
        return Author(native_id, handle, name, safe_url(f"{self.settings.url}/u/{handle}"))


def own_words(cooked: str) -> str:
    """A post's HTML without quotes of other posts and previews of linked pages: they stand in `aside`, which may be nested."""
    kept: list[str] = []
    depth = at = 0
    for mark in _ASIDE.finditer(cooked):
        if depth == 0:
            kept.append(cooked[at : mark.start()])
        depth = depth + 1 if mark.group()[1] != "/" else max(0, depth - 1)
        at = mark.end() if mark.group()[1] == "/" else mark.start()
    return "\n".join([*kept, cooked[at:]]) if depth == 0 else cooked  # torn markup: rather too much than too little


def _number(post: object) -> int:
    return max(shape.count(shape.mapping(post).get("id")) or 0, 0)
