"""X: recent search (the last seven days) by tweepy, with an application's bearer token. Every post read costs money.

Search lists newest first. `since_id` stays where it was until a walk has reached its end; page tokens are stored with every page. An edit is
a new post: both are one mention, under the first id of `edit_history_tweet_ids`. Search cannot show what was deleted; posts that become
searchable late are read only with `late`. https://docs.x.com/x-api/posts/search-recent-posts
"""

import copy
import html
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from connectors import resets, shape
from connectors.contract import Context, GapFound, Glance, Page, Policy, State, Subject
from connectors.errors import AuthError, ConfigError, CursorInvalid, MalformedItem, RateLimited, Transient
from connectors.searches import Dialect
from connectors.searches import searches as asked
from domain.nouns import Author, Mention
from domain.query_tree import Node
from domain.text import clean, safe_url

if TYPE_CHECKING:
    import requests
    import tweepy

    from connectors.http import Answer

PLATFORM = "x"
POLICY = Policy(source="https://developer.x.com/en/developer-terms/policy")
HOST, HARDWIRED = "https://api.x.com", "https://api.twitter.com"
WEEK = timedelta(days=7) - timedelta(minutes=2)  # the edge moves while the request travels
SNOWFLAKE_EPOCH = 1288834974657
FIRST_SNOWFLAKE = 30_000_000_000  # ids below were counted one by one
QUOTA_WAIT = timedelta(hours=6)
STALE = 120.0
FIELDS = (
    "id,text,author_id,created_at,conversation_id,edit_history_tweet_ids,in_reply_to_user_id,lang,note_tweet,"
    "public_metrics,referenced_tweets"
)
ASKED = {"tweet.fields": FIELDS, "expansions": "author_id", "user.fields": "id,name,username,public_metrics"}
METRICS = {
    "like_count": "likes",
    "retweet_count": "shares",
    "reply_count": "replies",
    "quote_count": "quotes",
    "impression_count": "views",
}


class Settings(BaseModel):
    """An X channel: one search."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    query: str = Field(
        default="", description="Search, in X's own operators; left out, the topics' queries are asked", max_length=1024
    )
    bearer_token_env: str = Field(default="X_BEARER_TOKEN", description="Environment variable with the bearer token")
    late: int = Field(default=0, ge=0, le=1440, description="Minutes read again for posts found late; each costs money")
    backfill: int = Field(default=1, ge=0, le=167, description="Hours to go back when the channel is new")
    page_size: int = Field(default=100, ge=10, le=100, description="Posts per request")
    base_url: str = Field(default=HOST, description="Address of the API")


# https://docs.x.com/x-api/posts/search/integrate/operators · 512 characters: …/integrate/build-a-query
DIALECT = Dialect(
    PLATFORM,
    host="x.com",
    tag=lambda tag: tag,
    author=lambda handle: f"from:{handle}" if re.fullmatch(r"\w{1,20}", handle, re.ASCII) else "",
    lang=lambda code: f"(lang:{code} OR lang:und)",
)


def searches(settings: Settings, query: Node) -> list[Settings]:
    """One search per piece of the topics' queries, unless the channel has its own."""
    if settings.query:
        return [settings]
    return [settings.model_copy(update={"query": text}) for text in asked(query, DIALECT)]


def describe(settings: Settings) -> str:
    """What is read; a change of it is another series of numbers."""
    return f"x {settings.query}"


def position(state: State) -> dict[str, Any]:
    """How far it has read, by listing: never goes back."""
    return {"": int(state.get("since_id") or 0)}


class Connector:
    """State: {"v": 1, "since_id", "covered", "walk": {"since_id", "start", "token", "newest", "at"} | null, "gap_since"}.

    `covered`: the time up to which everything was read. It, not the age of the newest post, says whether something was missed.
    """

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings, self.context = settings, context
        self._api: tweepy.Client | None = None

    def fetch_page(self, state: State) -> Page:
        """One request of the walk under way, or the first of a new one."""
        state = (
            copy.deepcopy(state) if state.get("v") == 1 else {"v": 1, "since_id": None, "covered": None, "walk": None}
        )
        now = self.context.now()
        gaps: tuple[GapFound, ...] = ()
        walk = state.get("walk")
        if not walk:
            walk, gaps = self._begin(state, now)
        response = self._ask(walk, state)
        told = _listing(response)
        posts, meta = shape.items(told.get("data")), shape.mapping(told.get("meta"))
        ids = [int(found) for found in (_own_id(post) for post in posts) if found.isdigit()]
        walk["newest"] = str(max([int(walk["newest"] or 0), *ids])) if ids or walk["newest"] else None
        walk["pages"] += 1
        token, warnings = shape.ident(meta.get("next_token")) or None, _warnings(told)
        if token and token in walk["tokens"]:
            token, warnings = None, (*warnings, "the search repeats a page; the walk ends here")
        done = token is None
        if token:
            walk["token"], walk["tokens"] = token, [*walk["tokens"], token][-100:]
            state["walk"] = walk
        else:
            newest = [int(found) for found in (state.get("since_id"), walk["newest"]) if found]
            state |= {"since_id": str(max(newest)) if newest else None, "covered": walk["at"], "walk": None}
            done = now.timestamp() - walk["at"] <= STALE  # a walk resumed after a pause is followed by one from the top
        headers = {name.lower(): value for name, value in response.headers.items()}
        left = resets.remaining(headers)
        return Page(
            _together(posts, shape.mapping(told.get("includes"))),
            state,
            done,
            not_before=resets.exhausted(headers, now, "epoch"),
            gaps=gaps,
            warnings=warnings,
            observed={} if left is None else {"remaining": left},
            bytes=len(response.content),
        )

    def _begin(self, state: State, now: datetime) -> tuple[dict[str, Any], tuple[GapFound, ...]]:
        """A new walk's bounds: by id as long as X accepts it, else by time; what lies beyond the seven days is a gap."""
        edge, covered = now - WEEK, shape.when(state.get("covered"))
        since_id = state.get("since_id")
        gaps: tuple[GapFound, ...] = ()
        start: datetime | None = None
        if covered is None:
            since_id, start = None, max(edge, now - timedelta(hours=self.settings.backfill))
        elif (
            self.settings.late or not since_id or state.get("by_time") or _moment(since_id) < edge + timedelta(hours=1)
        ):
            since_id, start = None, max(edge, covered - timedelta(minutes=self.settings.late, seconds=60))
            if covered < edge:
                gaps = (GapFound(covered, edge, "X searches the last seven days only"),)
        state.pop("by_time", None)
        walk: dict[str, Any] = {
            "since_id": since_id,
            "start": start.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if start else None,
            "token": None,
            "tokens": [],
            "newest": None,
            "pages": 0,
            "at": now.timestamp(),
        }
        return walk, gaps

    def normalise(self, raw: Any) -> Mention:
        """One post with its author, if X told who it is."""
        post, user = shape.mapping(shape.mapping(raw).get("post")), shape.mapping(shape.mapping(raw).get("author"))
        history = [found for found in map(shape.ident, shape.items(post.get("edit_history_tweet_ids"))) if found]
        own = shape.ident(post.get("id"))
        native_id = history[0] if history else own
        if not native_id:
            raise MalformedItem("no id")
        now = self.context.now()
        created = shape.when(post.get("created_at")) if isinstance(post.get("created_at"), str) else None
        created = created or _made(own)
        edited = len(history) > 1 and own != native_id
        first = _moment(native_id) if edited else None
        published, published_raw, flags = shape.clamp(
            first if first and created and first <= created else created, post.get("created_at"), now
        )
        note = shape.mapping(post.get("note_tweet")).get("text")  # posts over 280 characters
        content, cut = clean(html.unescape(shape.words(note) or shape.words(post.get("text"))))
        related = {
            shape.ident(r.get("type")): shape.ident(r.get("id"))
            for r in map(shape.mapping, shape.items(post.get("referenced_tweets")))
        }
        handle = clean(shape.words(user.get("username")), 200)[0]
        return Mention(
            PLATFORM,
            native_id,
            published,
            content=content,
            url=safe_url(f"https://x.com/{handle or 'i/web'}/status/{own or native_id}"),
            language=_language(post.get("lang")),
            updated=_moment(own) if edited and own.isdigit() else None,
            published_raw=published_raw,
            in_reply_to=related.get("replied_to") or None,
            context=shape.ident(post.get("conversation_id")) or native_id,
            attributed_to=_author(post, user, handle),
            repost_of=related.get("retweeted") or None,
            metrics=shape.counts(post.get("public_metrics"), METRICS),
            flags=flags + (("truncated",) if cut else ()),
        )

    def look(self, subject: Subject) -> Glance | None:
        """The post's newest edition, and what accounts of ours wrote in its conversation; each post that is read costs money.

        https://docs.x.com/x-api/posts/lookup/introduction
        """
        found = self._one(subject.native_id)
        if found is None:
            return Glance(None)
        # an id asked for gives the edition of that id, https://docs.x.com/x-api/fundamentals/edit-posts
        history = shape.items(shape.mapping(found["post"]).get("edit_history_tweet_ids"))
        newest = shape.ident(history[-1]) if history else ""
        if newest and newest != _own_id(found["post"]):
            found = self._one(newest) or found
        ours = [f"from:{handle}" for handle in subject.ours if re.fullmatch(r"\w{1,20}", handle, re.ASCII)][:10]
        if not ours:
            return Glance(found)
        asked = {"query": f"conversation_id:{subject.context} ({' OR '.join(ours)})", "max_results": 10, **ASKED}
        told = _listing(self._request("/2/tweets/search/recent", asked))
        answers = _together(shape.items(told.get("data")), shape.mapping(told.get("includes")))
        return Glance(found, tuple(answers), whole="next_token" not in shape.mapping(told.get("meta")))

    def _one(self, native_id: str) -> dict[str, Any] | None:
        from connectors.http import loads

        told = shape.mapping(loads(self._request("/2/tweets", {"ids": native_id, **ASKED}).content))
        posts = _together(shape.items(told.get("data")), shape.mapping(told.get("includes")))
        return posts[0] if posts else None

    # -- speaking to X ----------------------------------------------------------------------------------------------

    def _ask(self, walk: dict[str, Any], state: State) -> "requests.Response":
        asked: dict[str, Any] = {"query": self.settings.query, "max_results": self.settings.page_size}
        asked |= ASKED
        asked |= {"since_id": walk["since_id"], "start_time": walk["start"], "next_token": walk["token"]}
        try:
            return self._request("/2/tweets/search/recent", {k: v for k, v in asked.items() if v is not None})
        except _BadPosition as problem:
            start_over = {**state, "walk": None, "by_time": True}
            raise CursorInvalid("X no longer accepts our position", state=start_over, status=400) from problem

    def _request(self, path: str, params: dict[str, Any]) -> "requests.Response":
        answer: requests.Response = self._client().request("GET", path, params=params)
        return answer

    def _client(self) -> "tweepy.Client":
        """tweepy with our client underneath; it never waits or tries again by itself."""
        if self._api is None:
            import requests
            import tweepy

            from connectors.sessions import guarded_session

            bearer = self.context.secret(self.settings.bearer_token_env)
            self._api = tweepy.Client(bearer, return_type=requests.Response, wait_on_rate_limit=False)
            rewrite = {HARDWIRED: self.settings.base_url.rstrip("/")}
            guarded_session(self._api.session, self.context, rewrite, check=self._check)
        return self._api

    def _check(self, answer: "Answer") -> None:
        """X says in the body what its statuses mean."""
        from connectors.http import check

        if answer.status < 400:
            return
        text = answer.body[:20_000].decode("utf-8", "replace").lower()
        if answer.status == 402 or (answer.status in (403, 429) and ("usagecap" in text or "usage-capped" in text)):
            raise RateLimited(
                "the amount of posts paid for at X is used up",
                reset_at=self.context.now() + QUOTA_WAIT,
                quota=True,
                advice="Raise the spending limit or wait for the next period",
                status=answer.status,
            )
        if answer.status == 403 and "client-not-enrolled" in text:
            raise AuthError(
                "the application is not enrolled for this search", advice="Attach it to a project", status=403
            )
        if answer.status == 400 and any(
            name in text for name in ("since_id", "start_time", "next_token", "pagination_token")
        ):
            raise _BadPosition("position", status=400)
        check(answer, self.context.now(), "epoch")


class _BadPosition(ConfigError):
    """A 400 that names one of the parameters that hold our position."""


def _listing(response: "requests.Response") -> dict[str, Any]:
    from connectors.http import loads

    told = loads(response.content)
    if not isinstance(told, dict) or not (isinstance(told.get("data"), list) or isinstance(told.get("meta"), dict)):
        raise Transient("X's answer is not a list of posts", status=response.status_code)
    return told


def _together(posts: list[Any], includes: dict[str, Any]) -> list[dict[str, Any]]:
    """Each post with its author, so that an item can be read and kept alone."""
    users = {shape.ident(user.get("id")): user for user in map(shape.mapping, shape.items(includes.get("users")))}
    return [
        {"post": post, "author": users.get(shape.ident(shape.mapping(post).get("author_id")) or "?")} for post in posts
    ]


def _warnings(told: dict[str, Any]) -> tuple[str, ...]:
    """A 200 may carry errors about parts X left out: an author who is gone, a post that may not be shown."""
    errors = [shape.mapping(error) for error in shape.items(told.get("errors"))]
    if not errors:
        return ()
    titles = sorted({clean(shape.words(error.get("title")) or "error", 80)[0] for error in errors})
    return (f"X left {len(errors)} part(s) out: {', '.join(titles)}",)


def _own_id(post: object) -> str:
    return shape.ident(shape.mapping(post).get("id"))


def _moment(native_id: str) -> datetime:
    """When an id was made. https://docs.x.com/x-api/fundamentals/x-ids"""
    try:
        return datetime.fromtimestamp(((int(native_id) >> 22) + SNOWFLAKE_EPOCH) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return shape.EARLIEST


def _made(native_id: str) -> datetime | None:
    """X tells the time only when asked for it; the id holds it in any case, but for those of before November 2010."""
    return _moment(native_id) if native_id.isdigit() and int(native_id) > FIRST_SNOWFLAKE else None


def _language(value: object) -> str | None:
    """BCP 47; `und` and X's own codes for links, tags and media (qme, zxx, art …) name no language."""
    text = shape.words(value).strip().lower()
    known = text and text != "und" and text not in ("zxx", "art") and not (len(text) == 3 and text.startswith("q"))
    return text[:35] if known and text.replace("-", "").isalnum() else None


def _author(post: dict[str, Any], user: dict[str, Any], handle: str) -> Author | None:
    native_id = shape.ident(user.get("id")) or shape.ident(post.get("author_id"))
    if not native_id:
        return None
    return Author(
        native_id,
        handle,
        clean(shape.words(user.get("name")), 500)[0],
        safe_url(f"https://x.com/{handle}") if handle else None,
        shape.count(shape.mapping(user.get("public_metrics")).get("followers_count")),
    )
