"""Mastodon: hashtag timelines of one instance, read forwards by id.

`min_id` gives the page just above an id, so a walk goes up page by page and the position moves with each; `since_id` would jump to the
newest page and leave a hole. Posts from other instances arrive late and are given an id of the time they were written, so each walk
begins a lookback below the newest id. A post is known by its `uri`, which is the same on every instance. What was deleted, or lost its tag,
leaves the timeline without a word. https://docs.joinmastodon.org/methods/timelines/#tag
"""

import copy
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from connectors import resets, shape
from connectors.contract import Context, Glance, Page, Policy, State, Subject
from connectors.errors import AuthError, MalformedItem, Transient
from connectors.searches import Unsearchable
from domain.nouns import Author, Mention
from domain.query_tree import Node, Term, leaves
from domain.text import clean, plain, safe_url

if TYPE_CHECKING:
    from connectors.http import Answer, Client

PLATFORM = "mastodon"
POLICY = Policy(source="https://docs.joinmastodon.org/api/guidelines/")
METRICS = {"favourites_count": "likes", "reblogs_count": "shares", "replies_count": "replies"}
FIRST_SNOWFLAKE = datetime(
    2016, 1, 1, tzinfo=UTC
).timestamp()  # Mastodon began that year; smaller ids are older counters
THREADS = 200
SHOWN = 60  # descendants of a status that who brings no token is shown at most


class Settings(BaseModel):
    """A Mastodon channel: hashtags as one instance sees them. Public; some instances want a token."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    instance: str = Field(description="The instance that is asked, as mastodon.social", min_length=3, max_length=253)
    tags: list[str] = Field(
        default=[],
        description="Hashtags to read, with or without #; left out, the #tags and single words of the topics' queries",
        max_length=50,
    )
    local: bool = Field(default=False, description="Only posts written on this instance")
    access_token_env: str = Field(
        default="", description="Environment variable with a token, where an instance wants one"
    )
    lookback: int = Field(default=60, ge=0, le=10_080, description="Minutes read again, for late posts and edits")
    backfill: int = Field(default=24, ge=0, le=175_200, description="Hours to go back when the channel is new")
    page_size: int = Field(default=40, ge=1, le=40, description="Posts per request")
    base_url: str = Field(default="", description="Ask this address instead of the instance (a proxy or stand-in)")

    @field_validator("instance")
    @classmethod
    def _host(cls, instance: str) -> str:
        host = instance.strip().lower().removeprefix("https://").rstrip("/")
        if "." not in host or not host.replace(".", "").replace("-", "").isalnum():
            raise ValueError(f"{instance!r} is not an instance's name, such as mastodon.social")
        return host

    @field_validator("tags")
    @classmethod
    def _names(cls, tags: list[str]) -> list[str]:
        names = list(dict.fromkeys(tag.strip().removeprefix("#").lower() for tag in tags))
        for name in names:
            if not name.replace("_", "").isalnum():
                raise ValueError(f"{name!r} is not a hashtag: letters, digits and _ only")
        return names

    @property
    def address(self) -> str:
        return (self.base_url or f"https://{self.instance}").rstrip("/")


def searches(settings: Settings, query: Node) -> list[Settings]:
    """Timelines are by hashtag: the topics' #tags, and their words as tags. What has none of them is not listed there."""
    if settings.tags:
        return [settings]
    said = (leaf.text.strip().lower().removeprefix("#") for leaf in leaves(query) if isinstance(leaf, Term))
    tags = list(dict.fromkeys(tag for tag in said if tag.replace("_", "").isalnum() and not tag.isdigit()))[:50]
    if not tags:
        raise Unsearchable(
            "mastodon lists posts by hashtag: the query needs a #tag or a single word, or the channel its tags"
        )
    return [settings.model_copy(update={"tags": tags})]


def describe(settings: Settings) -> str:
    """What is read; a change of it is another series of numbers."""
    return f"mastodon {settings.instance} #{' #'.join(sorted(settings.tags))}{' local' if settings.local else ''}"


def position(state: State) -> dict[str, Any]:
    """How far it has read, by listing: never goes back."""
    return {tag: int(place.get("newest") or 0) for tag, place in state.get("tags", {}).items()}


class Connector:
    """State: {"v": 1, "turn": tag, "tags": {tag: {"newest": id, "walk": id | null}}, "threads": {id: [uri, root]}}.

    `newest` is the highest id met and never falls; `walk` is how far the walk under way has come. `threads` remembers what replies
    name by this instance's id only.
    """

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings, self.context = settings, context
        self._http: Client | None = None

    def fetch_page(self, state: State) -> Page:
        """One request. The tags are walked in turn; a walk ends with a page that leads no further."""
        state = copy.deepcopy(state) if state.get("v") == 1 else {"v": 1, "turn": None, "tags": {}, "threads": {}}
        tags = self.settings.tags
        turn = state["turn"] if state.get("turn") in tags else tags[0]
        position = state["tags"].setdefault(turn, {"newest": None, "walk": None})
        above = position["walk"] or self._start(position["newest"])
        answer = self._get(turn, above)
        statuses = _statuses(answer)
        if not statuses and not position["newest"] and not position["walk"]:
            # A tag that was quiet, or a server whose ids are not Mastodon's: begin with what it shows.
            answer = self._get(turn, None)
            statuses = _statuses(answer)
        highest = max((own for own in map(_id, statuses) if own), key=_order, default="")
        if highest and (not position["newest"] or _order(highest) > _order(position["newest"])):
            position["newest"] = highest
        further = bool(highest) and _order(highest) > _order(above)
        position["walk"] = highest if further else None
        last = turn == tags[-1]
        state["turn"] = turn if further else tags[(tags.index(turn) + 1) % len(tags)]
        raws = self._with_threads(state, statuses)
        left = resets.remaining(answer.headers)
        return Page(
            raws,
            state,
            last and not further,
            not_before=resets.exhausted(answer.headers, self.context.now(), "iso"),
            observed={} if left is None else {"remaining": left},
            bytes=len(answer.body),
        )

    def _start(self, newest: str | None) -> str:
        """The id a walk begins above: the lookback below the newest known one, or the backfill before now."""
        now = self.context.now().timestamp()
        if newest is None:
            return _id_at(now - self.settings.backfill * 3600)
        written = _written(newest, now)
        return newest if written is None else _id_at(written - self.settings.lookback * 60)

    def _with_threads(self, state: State, statuses: list[Any]) -> list[Any]:
        """Each status with the uris of the post it answers and of the thread's first, where we met them."""
        threads: dict[str, list[str]] = state.setdefault("threads", {})
        raws = []
        for status in sorted(statuses, key=lambda status: _order(_id(status))):
            about = shape.mapping(status)
            parent, root = threads.get(shape.ident(about.get("in_reply_to_id"))) or ("", "")
            raws.append({"status": status, "parent": parent or None, "root": root or None})
            if (own := _id(status)) and (uri := shape.ident(about.get("uri"))):
                threads.pop(own, None)
                threads[own] = [uri, root or uri]
        state["threads"] = dict(list(threads.items())[-THREADS:])
        return raws

    def normalise(self, raw: Any) -> Mention:
        """One status. A reblog names what it repeats; what is not public is treated as if it were not there."""
        whole = shape.mapping(raw)
        status = shape.mapping(whole.get("status"))
        native_id = shape.ident(status.get("uri")) or shape.ident(status.get("url"))
        if not native_id:
            raise MalformedItem("no uri")
        published, published_raw, flags = shape.clamp(
            shape.when(status.get("created_at")), status.get("created_at"), self.context.now()
        )
        parent = shape.ident(whole.get("parent")) or self._parent(status, native_id)
        context = shape.ident(whole.get("root")) or parent or native_id
        common: dict[str, Any] = {
            "platform": PLATFORM,
            "native_id": native_id,
            "published": published,
            "context": context,
        }
        if status.get("visibility") in ("private", "direct"):  # never listed under a tag; nothing of it is kept
            return Mention(**common, kind="Tombstone")
        again = shape.mapping(status.get("reblog"))
        shown = again or status
        name, cut = clean(shape.words(shown.get("spoiler_text")))
        content, cut_too = clean(plain(shape.words(shown.get("content"))))
        account = shape.mapping(status.get("account"))
        return Mention(
            **common,
            name=name,
            content=content,
            url=safe_url(shape.words(status.get("url"))) or safe_url(native_id),
            language=_language(shown.get("language")),
            updated=shape.when(status.get("edited_at")) if isinstance(status.get("edited_at"), str) else None,
            published_raw=published_raw,
            in_reply_to=parent or None,
            attributed_to=self._author(account),
            repost_of=(shape.ident(again.get("uri")) or shape.ident(again.get("url")) or None),
            metrics=shape.counts(status, METRICS),
            flags=flags
            + (("truncated",) if cut or cut_too else ())
            + (("noindex",) if account.get("noindex") is True else ()),
        )

    def look(self, subject: Subject) -> Glance | None:
        """One status and what answers it, by the id it has on this instance; None where that id is not known any more.

        https://docs.joinmastodon.org/methods/statuses/#get · #context
        """
        own = _id(shape.mapping(subject.raw).get("status"))
        if not own and urlsplit(subject.native_id).hostname == self.settings.instance:
            own = subject.native_id.rstrip("/").rpartition("/")[2]
        if not own:
            return None
        found = self._ask(f"statuses/{quote(own, safe='')}", missing=True)
        if found is None:
            return Glance(None)
        if not subject.ours:
            return Glance(_alone(found.json()))
        below = self._ask(f"statuses/{quote(own, safe='')}/context", missing=True)
        told = shape.mapping(below.json()) if below else {}
        answers = shape.items(told.get("descendants"))
        return Glance(_alone(found.json()), tuple(map(_alone, answers)), whole=len(answers) < SHOWN)

    def _parent(self, status: dict[str, Any], native_id: str) -> str:
        """The uri of the post that is answered, as far as a status tells: in full for one's own thread on one's own instance."""
        above, own = shape.ident(status.get("in_reply_to_id")), shape.ident(status.get("id"))
        if not above:
            return ""
        author = shape.ident(shape.mapping(status.get("account")).get("id"))
        if own and native_id.endswith(f"/{own}") and author == shape.ident(status.get("in_reply_to_account_id")):
            return native_id[: -len(own)] + above
        return f"https://{self.settings.instance}/statuses/{above}"

    def _author(self, account: dict[str, Any]) -> Author | None:
        """By the address of the profile: an account's `id` is the instance's own, and `acct` lacks the domain at home."""
        url = safe_url(shape.words(account.get("url")))
        handle = clean(shape.ident(account.get("acct")), 200)[0]
        if handle and "@" not in handle:
            handle = f"{handle}@{(urlsplit(url).hostname if url else None) or self.settings.instance}"
        if not (url or handle):
            return None
        followers = shape.count(account.get("followers_count"))
        return Author(url or handle, handle, clean(shape.words(account.get("display_name")), 500)[0], url, followers)

    # -- speaking to the instance ----------------------------------------------------------------------------------

    def _get(self, tag: str, above: str | None) -> "Answer":
        settings = self.settings
        asked: dict[str, str | int] = {"limit": settings.page_size}
        asked |= {"local": "true"} if settings.local else {}
        asked |= {"min_id": above} if above else {}
        answer = self._ask(f"timelines/tag/{quote(tag)}?{urlencode(asked)}")
        assert answer is not None
        return answer

    def _ask(self, path: str, *, missing: bool = False) -> "Answer | None":
        """One question. `missing`: what is not there is None and no error."""
        from connectors.http import Client, check

        settings = self.settings
        self._http = self._http or Client(self.context, [settings.address])
        headers = {"accept": "application/json"}
        if settings.access_token_env:
            headers["authorization"] = f"Bearer {self.context.secret(settings.access_token_env)}"
        answer = self._http.get(f"{settings.address}/api/v1/{path}", headers)
        if missing and answer.status in (404, 410):
            return None
        if answer.status in (401, 403, 422) and not settings.access_token_env:  # 422: before version 4.2
            raise AuthError(
                f"{settings.instance} shows its timelines only to its own members",
                advice="Name a token in access_token_env, or ask another instance",
                status=answer.status,
            )
        check(answer, self.context.now(), "iso")
        return answer


def _alone(status: Any) -> dict[str, Any]:
    """A status as `normalise` takes it, without what a walk knows of its thread."""
    return {"status": status, "parent": None, "root": None}


def _statuses(answer: "Answer") -> list[Any]:
    told = answer.json()
    if not isinstance(told, list):
        raise Transient("the instance's answer is not a list of posts", status=answer.status)
    return told


def _id(status: object) -> str:
    return shape.ident(shape.mapping(status).get("id"))


def _order(native_id: str) -> tuple[int, str]:
    """Ids are text and sort by length, then by letter; so do the counters of old servers and the ULIDs of others."""
    return len(native_id), native_id


def _id_at(moment: float) -> str:
    """The lowest id of a moment: milliseconds, and 16 bits (lib/mastodon/snowflake.rb of mastodon/mastodon)."""
    return str(max(0, int(moment * 1000)) << 16)


def _written(native_id: str, now: float) -> float | None:
    """When an id was made; None for one that is not Mastodon's."""
    if not (native_id.isascii() and native_id.isdigit() and len(native_id) < 20):
        return None
    moment = (int(native_id) >> 16) / 1000
    return min(moment, now) if FIRST_SNOWFLAKE < moment < now + 86_400 else None


def _language(value: object) -> str | None:
    text = shape.words(value).strip()
    return text[:35] if text and text.isascii() and text.replace("-", "").isalnum() else None
