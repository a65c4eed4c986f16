"""Reddit: new posts and comments of chosen subreddits, and search, by praw with an application's own credentials.

Listings hold about 1000 items: what a busier subreddit wrote before that is a gap. Search finds posts only; comments are read from the
subreddits and matched here. Posts and comments deleted or removed by the time they are listed arrive as tombstones; a deletion later on
is seen only while the item is still within the lookback. https://www.reddit.com/dev/api · https://praw.readthedocs.io
"""

import copy
import hashlib
import html
import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from connectors import shape, walk
from connectors.contract import Context, GapFound, Glance, Page, Policy, State, Subject
from connectors.errors import AuthError, ConfigError, ConnectorError, MalformedItem, RateLimited, Transient
from connectors.searches import Dialect
from connectors.searches import searches as asked
from domain.nouns import Author, Mention
from domain.query_tree import Node
from domain.text import clean, safe_url

if TYPE_CHECKING:
    import praw

    from connectors.http import Answer

PLATFORM = "reddit"
POLICY = Policy(link=False, reply=False, source="https://support.reddithelp.com/hc/en-us/articles/16160319875092")
OAUTH, WWW = "https://oauth.reddit.com", "https://www.reddit.com"
GONE = ("[deleted]", "[removed]", "[ Removed by Reddit ]", "[deleted by user]")
SHOWN = 200  # comments asked for with a post that is looked at
STALE = 120.0  # a walk whose first page is older starts over from the top at once

_tokens: dict[str, tuple[str, int]] = {}  # application tokens last a day; channels of one process share them


class Settings(BaseModel):
    """A Reddit channel. Needs an approved application (https://www.reddit.com/prefs/apps)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subreddits: list[str] = Field(default=[], description="Subreddits to read, without r/", max_length=100)
    posts: bool = Field(default=True, description="Read new posts of the subreddits")
    comments: bool = Field(default=True, description="Read new comments of the subreddits")
    query: str = Field(default="", description="Also search posts on all of Reddit for this", max_length=512)
    search: bool = Field(default=False, description="Also search posts on all of Reddit for the topics' queries")
    client_id_env: str = Field(default="REDDIT_CLIENT_ID", description="Environment variable with the application's id")
    client_secret_env: str = Field(default="REDDIT_CLIENT_SECRET", description="… and with its secret")
    user_agent: str = Field(default="", description="Own user agent, as Reddit asks: platform:app:version (by /u/name)")
    lookback: int = Field(default=60, ge=0, le=10_080, description="Minutes read again, for late items and edits")
    backfill: int = Field(default=24, ge=0, le=8760, description="Hours to go back when the channel is new")
    page_size: int = Field(default=100, ge=1, le=100, description="Items per request")
    base_url: str = Field(default=OAUTH, description="Address of the API")
    auth_url: str = Field(default="", description="Address that gives tokens; with another base_url, that one")

    @field_validator("subreddits")
    @classmethod
    def _names(cls, names: list[str]) -> list[str]:
        names = [name.strip().removeprefix("/").removeprefix("r/").strip("/") for name in names]
        for name in names:
            if not name or not name.replace("_", "").isalnum() or not name.isascii():
                raise ValueError(f"{name!r} is not a subreddit's name")
        return names

    @model_validator(mode="after")
    def _something(self) -> "Settings":
        if not (self.query or self.search) and not (self.subreddits and (self.posts or self.comments)):
            raise ValueError("nothing to read: name subreddits (with posts or comments) or a query")
        return self

    @property
    def tokens_at(self) -> str:
        return self.auth_url or (WWW if self.base_url.rstrip("/") == OAUTH else self.base_url)


# https://support.reddithelp.com/hc/en-us/articles/19696541895316 · 512 characters: https://www.reddit.com/dev/api#GET_search
DIALECT = Dialect(
    PLATFORM,
    join=" AND ",
    host="www.reddit.com",
    author=lambda handle: f"author:{handle}" if re.fullmatch(r"[\w-]{3,20}", handle, re.ASCII) else "",
    verbatim=True,
)


def searches(settings: Settings, query: Node) -> list[Settings]:
    """With `search`, one reader for the subreddits (and the channel's own query) and one per search of the topics' queries."""
    if not settings.search:
        return [settings]
    own = settings.model_copy(update={"search": False})
    made = [own.model_copy(update={"subreddits": [], "query": text}) for text in asked(query, DIALECT)]
    return [own, *made] if own.query or own.subreddits else made


def describe(settings: Settings) -> str:
    """What is read; a change of it is another series of numbers."""
    parts = "+".join(sorted(name.lower() for name in settings.subreddits))
    return f"reddit r/{parts} posts={settings.posts} comments={settings.comments} q={settings.query}"


def position(state: State) -> dict[str, Any]:
    """How far it has read, by listing: never goes back."""
    return {name: place.get("watermark") or 0 for name, place in state.get("listings", {}).items()}


class Connector:
    """State: {"v": 1, "turn": listing, "listings": {name: position}}, a position as connectors/walk.py keeps it."""

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings, self.context = settings, context
        self.paths = _paths(settings)
        self._reddit: praw.Reddit | None = None
        self._gate: _Gate | None = None

    def fetch_page(self, state: State) -> Page:
        """One request. Posts and comments are walked in turn; `done` when each has reached its bound."""
        state = copy.deepcopy(state) if state.get("v") == 1 else {"v": 1, "turn": None, "listings": {}}
        names = list(self.paths)
        turn = state["turn"] if state.get("turn") in names else names[0]
        position = state["listings"].setdefault(turn, {})
        now = self.context.now().timestamp()
        current = position.get("walk") or walk.begin(
            position, now, self.settings.lookback * 60, self.settings.backfill * 3600
        )
        data = self._get(*self.paths[turn], current["token"])
        children = data["children"]
        gaps, warnings, over = self._advance(position, current, children, data.get("after"), now)
        if over and now - current["at"] <= STALE:
            state["turn"] = names[(names.index(turn) + 1) % len(names)]
            done = names.index(turn) == len(names) - 1
        else:
            state["turn"], done = turn, False
        return self._page(children, state, done, gaps, warnings)

    def _advance(
        self, position: dict[str, Any], current: dict[str, Any], children: list[Any], after: object, now: float
    ) -> tuple[tuple[GapFound, ...], tuple[str, ...], bool]:
        """The walk's next position: gaps, warnings, and whether the walk is over."""
        seen = [(_fullname(child), _created(child)) for child in children]
        ids = [native_id for native_id, _ in seen if native_id]
        below = walk.step(current, position, seen, now)
        asked = current["token"]
        head = current.setdefault("head", ids)
        warnings: tuple[str, ...] = ()
        token = shape.ident(after) or None
        if not children and asked and current.get("anchors"):
            # Our anchor was deleted meanwhile; the item above it marks the same place (praw-dev/praw#1043).
            token = current["anchors"].pop()
            warnings = ("the last item of the page before is gone; going on from the one above it",)
        elif children:
            current["anchors"] = [native_id for native_id in ids if native_id != token][-5:]
        current.setdefault("tokens", [])
        if token and token in current["tokens"]:
            token, warnings = None, ("the listing repeats itself; the walk ends here",)
        if token and not below:
            current["token"] = token
            current["tokens"] = [*current["tokens"], token][-200:]
            position["walk"] = current
            return (), warnings, False
        reason = "the listing ended before known posts: it holds about 1000 items"
        gaps = walk.finish(position, current, below, reason)
        walk.remember(position, head)
        return gaps, warnings, True

    def normalise(self, raw: Any) -> Mention:
        """Posts (t3) and comments (t1); what is deleted becomes a tombstone."""
        data = shape.mapping(shape.mapping(raw).get("data"))
        native_id = _fullname(raw)
        if not native_id:
            raise MalformedItem("no id")
        comment = native_id.startswith("t1_")
        published, published_raw, flags = shape.clamp(
            shape.when(data.get("created_utc")), data.get("created_utc"), self.context.now()
        )
        thread = (shape.ident(data.get("link_id")) if comment else "") or native_id
        common: dict[str, Any] = {
            "platform": PLATFORM,
            "native_id": native_id,
            "published": published,
            "context": thread,
        }
        if _gone(data):
            return Mention(**common, kind="Tombstone")
        name, cut = _text(None if comment else data.get("title"))
        content, cut_too = _text(data.get("body") if comment else data.get("selftext"))
        edited = data.get("edited")
        return Mention(
            **common,
            kind="Note" if comment else "Article",
            name=name,
            content=content,
            url=_link(data, native_id),
            updated=None if isinstance(edited, bool) else shape.when(edited),
            published_raw=published_raw,
            in_reply_to=(shape.ident(data.get("parent_id")) or None) if comment else None,
            attributed_to=_author(data),
            metrics=shape.counts(data, {"score": "likes", "num_comments": "replies"}),
            flags=flags + (("truncated",) if cut or cut_too else ()),
        )

    def look(self, subject: Subject) -> Glance | None:
        """A post or comment with what answers it, in one request. https://www.reddit.com/dev/api#GET_comments_{article}"""
        comment = subject.native_id.startswith("t1_")
        thread = subject.context if comment else subject.native_id
        if not thread.startswith("t3_"):
            return None
        asked: dict[str, str | int] = {"limit": SHOWN, "depth": 3, "sort": "new"}
        if comment:
            asked["comment"] = subject.native_id[3:]
        try:
            told = shape.items(self._ask(f"comments/{thread[3:]}", asked))
        except ConnectorError as refused:
            if refused.status == 404:
                return Glance(None)
            raise
        head, below = (_children(told[at]) if len(told) > at else [] for at in (0, 1))
        found = next((thing for thing in (below if comment else head) if _fullname(thing) == subject.native_id), None)
        if found is None:
            return Glance(None)
        answers, whole = _tree(_children(shape.mapping(found.get("data")).get("replies")) if comment else below)
        return Glance(found, tuple(answers), whole)

    # -- speaking to Reddit -----------------------------------------------------------------------------------------

    def _get(self, path: str, params: dict[str, str], after: str | None) -> dict[str, Any]:
        asked: dict[str, str | int] = {"limit": self.settings.page_size, **params}
        if after:
            asked["after"] = after
        try:
            answer = self._ask(path, asked)
        except AuthError as refused:  # an expired token looks like a wrong one: a fresh one tells
            if refused.status != 401:
                raise
            self._forget()
            answer = self._ask(path, asked)
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, dict) or not isinstance(data.get("children"), list):
            raise Transient("Reddit's answer is not a listing")
        return data

    def _ask(self, path: str, params: dict[str, str | int]) -> Any:
        import prawcore.exceptions as core

        reddit = self._client()
        try:
            answer = reddit.request(method="GET", path=path, params=params)
        except core.RequestException as problem:
            if isinstance(problem.original_exception, ConnectorError):
                raise problem.original_exception from problem
            raise Transient(f"Reddit could not be asked: {type(problem.original_exception).__name__}") from problem
        except core.OAuthException as problem:
            raise AuthError("Reddit does not accept the application's id and secret", advice="Renew them") from problem
        except (core.PrawcoreException, KeyError, TypeError, ValueError) as problem:
            raise Transient(f"Reddit's answer cannot be read ({type(problem).__name__})") from problem
        authorizer = _core(reddit).authorizer
        if authorizer.access_token:
            _tokens[self._token_key()] = (authorizer.access_token, authorizer._expiration_timestamp_ns)
        return answer

    def _client(self) -> "praw.Reddit":
        """praw with our client underneath, without its sleeps and its retries."""
        if self._reddit is not None:
            return self._reddit
        import praw
        import requests

        from connectors.sessions import guarded_session

        settings, agent = self.settings, self.settings.user_agent or self.context.user_agent
        urls = (settings.base_url, settings.tokens_at)
        session = guarded_session(requests.Session(), self.context, base_urls=urls, check=self._check)
        reddit = praw.Reddit(
            client_id=self.context.secret(settings.client_id_env),
            client_secret=self.context.secret(settings.client_secret_env),
            user_agent=agent,
            oauth_url=settings.base_url.rstrip("/"),
            reddit_url=settings.tokens_at.rstrip("/"),
            requestor_kwargs={"session": session},
            check_for_updates=False,
            check_for_async=False,
        )
        core = _core(reddit)
        self._gate = core._rate_limiter = _Gate(self.context)
        core._retry_strategy_class = _NoRetry
        token, until = _tokens.get(self._token_key(), (None, 0))
        if token and until > time.monotonic_ns() + 60_000_000_000:
            core.authorizer.access_token, core.authorizer._expiration_timestamp_ns = token, until
        self._reddit = reddit
        return reddit

    def _check(self, answer: "Answer") -> None:
        from connectors.http import MOVED, check

        if answer.status in MOVED:  # Reddit sends readers of a subreddit that does not exist to its search page
            raise ConfigError("Reddit knows no subreddit of this name", advice="Check subreddits", status=answer.status)
        if answer.status == 403:
            raise AuthError(
                "Reddit does not let us read this",
                advice="A subreddit is private or banned, or the application lacks approval",
                status=403,
            )
        check(answer, self.context.now(), "delta")

    def _forget(self) -> None:
        _tokens.pop(self._token_key(), None)
        _core(self._client()).authorizer._clear_access_token()

    def _token_key(self) -> str:
        settings, secret = self.settings, self.context.secret
        parts = (settings.tokens_at, secret(settings.client_id_env), secret(settings.client_secret_env))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _page(
        self, children: list[Any], state: State, done: bool, gaps: tuple[GapFound, ...], warnings: tuple[str, ...]
    ) -> Page:
        assert self._gate is not None
        left = self._gate.left()
        observed = {} if left is None else {"remaining": left}
        size, later = self._gate.size, self._gate.closed_until
        return Page(
            children, state, done, not_before=later, gaps=gaps, warnings=warnings, observed=observed, bytes=size
        )


class _Gate:
    """In place of prawcore's rate limiter, which sleeps: when nothing is left it raises RateLimited instead."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.headers: dict[str, str] = {}
        self.closed_until: datetime | None = None
        self.size = 0

    def call(
        self,
        *,
        method: str,
        request_function: Callable[..., Any],
        set_header_callback: Callable[[], Any],
        url: str,
        **more: Any,
    ) -> Any:
        from connectors import resets

        now = self.context.now()
        if self.closed_until and self.closed_until > now:
            raise RateLimited("Reddit's allowance is used up", reset_at=self.closed_until)
        more["headers"] = set_header_callback()
        response = request_function(method, url, **more)
        self.headers = {name.lower(): value for name, value in response.headers.items()}
        self.size = len(response.content)
        self.closed_until = resets.exhausted(self.headers, self.context.now())
        return response

    def left(self) -> float | None:
        from connectors import resets

        return resets.remaining(self.headers)


class _NoRetry:
    """In place of prawcore's three tries with sleeps between: the database owns retries."""

    def sleep(self) -> None:
        return None

    def should_retry_on_failure(self) -> bool:
        return False


def _children(listing: object) -> list[dict[str, Any]]:
    data = shape.mapping(shape.mapping(listing).get("data"))
    return [shape.mapping(child) for child in shape.items(data.get("children"))]


def _tree(things: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], bool]:
    """Comments with all that is shown below them, and whether that is all there is."""
    found, whole = [], True
    waiting = list(things)
    while waiting:
        thing = waiting.pop()
        if thing.get("kind") == "more":
            whole = False
            continue
        found.append(thing)
        waiting += _children(shape.mapping(thing.get("data")).get("replies"))
    return found, whole


def _core(reddit: "praw.Reddit") -> Any:
    """prawcore's session: where its sleeping parts are exchanged for ours."""
    assert reddit._core is not None
    return reddit._core


def _paths(settings: Settings) -> dict[str, tuple[str, dict[str, str]]]:
    """What is read, by name: path and parameters."""
    several = "+".join(settings.subreddits)
    found: dict[str, tuple[str, dict[str, str]]] = {}
    if several and settings.posts:
        found["new"] = (f"r/{several}/new", {})
    if several and settings.comments:
        found["comments"] = (f"r/{several}/comments", {})
    if settings.query:
        found["search"] = ("r/all/search", {"q": settings.query, "sort": "new", "t": "all", "type": "link"})
    if not found:
        raise ConfigError("nothing to read")
    return found


def _fullname(raw: object) -> str:
    """`t3_abc`: from `name`, else from the kind and the short id."""
    thing = shape.mapping(raw)
    data = shape.mapping(thing.get("data"))
    name = shape.ident(data.get("name"))
    if name.startswith(("t1_", "t3_")):
        return name
    kind, short = thing.get("kind"), shape.ident(data.get("id"))
    return f"{kind}_{short}" if short and kind in ("t1", "t3") else ""


def _created(raw: object) -> float | None:
    moment = shape.when(shape.mapping(shape.mapping(raw).get("data")).get("created_utc"))
    return moment.timestamp() if moment else None


def _gone(data: dict[str, Any]) -> bool:
    """Deleted by its author or removed by a moderator. An author alone who left does not take the post along."""
    text = data.get("body") if "body" in data else data.get("selftext")
    return (
        (isinstance(text, str) and text.strip() in GONE)
        or data.get("title") in GONE
        or data.get("removed_by_category")
        in ("deleted", "moderator", "reddit", "copyright_takedown", "content_takedown")
    )


def _text(value: object) -> tuple[str, bool]:
    """Markdown as it was written; its character references (&#x200B; and the like) are part of markdown."""
    text = shape.words(value)
    return clean(html.unescape(text) if "&" in text else text)


def _author(data: dict[str, Any]) -> Author | None:
    handle, _ = clean(shape.words(data.get("author")), 200)
    if not handle or handle in GONE:
        return None
    native_id = shape.ident(data.get("author_fullname")) or handle.lower()
    return Author(native_id, handle, url=safe_url(f"{WWW}/user/{handle}"))


def _link(data: dict[str, Any], native_id: str) -> str | None:
    permalink = shape.words(data.get("permalink"))
    if permalink.startswith("/"):
        return safe_url(WWW + permalink)
    short, thread = native_id[3:], shape.ident(data.get("link_id"))[3:]
    return safe_url(f"{WWW}/comments/{thread}/_/{short}" if thread else f"{WWW}/comments/{short}")
