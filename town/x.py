"""X API v2: recent search and look-up by id.

[search] https://docs.x.com/x-api/posts/search-recent-posts  [paginate] https://docs.x.com/x-api/posts/search/integrate/paginate
[fields] https://docs.x.com/x-api/fundamentals/fields  [errors] https://docs.x.com/x-api/fundamentals/response-codes-and-errors
[edits] https://docs.x.com/x-api/fundamentals/edit-posts  [limits] https://docs.x.com/x-api/fundamentals/rate-limits
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import random
import re
import time
from datetime import datetime
from typing import Any

from town import x_forms as forms
from town.faults import Fault
from town.http import JSON, Request, Response, Stand, answer
from town.posts import Post, Timeline
from town.query import BadQuery, Match, Parser
from town.x_forms import moment, snowflake, stamp, user_id

WEEK = 7 * 86400
TWEET_FIELDS = {
    "article",
    "attachments",
    "author_id",
    "card_uri",
    "context_annotations",
    "conversation_id",
    "created_at",
    "display_text_range",
    "edit_controls",
    "edit_history_tweet_ids",
    "entities",
    "geo",
    "id",
    "in_reply_to_user_id",
    "lang",
    "note_tweet",
    "possibly_sensitive",
    "public_metrics",
    "referenced_tweets",
    "reply_settings",
    "source",
    "text",
    "withheld",
}
USER_FIELDS = {
    "created_at",
    "description",
    "entities",
    "id",
    "location",
    "most_recent_tweet_id",
    "name",
    "pinned_tweet_id",
    "profile_image_url",
    "protected",
    "public_metrics",
    "url",
    "username",
    "verified",
    "verified_type",
    "withheld",
}
EXPANSIONS = {
    "article.cover_media",
    "attachments.media_keys",
    "attachments.poll_ids",
    "author_id",
    "edit_history_tweet_ids",
    "entities.mentions.username",
    "geo.place_id",
    "in_reply_to_user_id",
    "entities.note.mentions.username",
    "referenced_tweets.id",
    "referenced_tweets.id.author_id",
}
PARAMETERS = {
    "query",
    "max_results",
    "next_token",
    "pagination_token",
    "since_id",
    "until_id",
    "start_time",
    "end_time",
    "sort_order",
    "expansions",
    "tweet.fields",
    "user.fields",
    "media.fields",
    "poll.fields",
    "place.fields",
    "ids",
}


class Invalid(Exception):
    """A 400; carries the parameter and what is wrong with it."""

    def __init__(self, name: str, value: str, message: str) -> None:
        self.error = {"parameters": {name: [value]}, "message": message}


class X(Stand):
    """Recent search over the last seven days, newest first."""

    name = "x"
    keys = {"bearer": "town-x-bearer"}
    secrets = {"X_BEARER_TOKEN": keys["bearer"]}
    rates = {"x": (45_000, 900)}
    options = {"x_lag": 0.0}

    def __init__(self, town: Any) -> None:
        super().__init__(town)
        self.posts: dict[str, Post] = {}
        self.line = Timeline()
        self.names: dict[str, str] = {}
        self.queries: dict[str, Match] = {}
        self.users: dict[tuple[str, frozenset[str]], str] = {}
        self.pages = 0

    # -- what people do -----------------------------------------------------------------------------------------

    def make(
        self,
        text: str,
        *,
        seq: int,
        created: float,
        visible_from: float,
        author: str = "someone",
        name: str = "",
        lang: str | None = "en",
        parent: str | None = None,
        retweet_of: str | None = None,
        quote_of: str | None = None,
        malformed: str = "",
        origin: str = "",
        title: str = "",
        **extra: Any,
    ) -> Post:
        native_id = snowflake(created, seq)
        if retweet_of and (original := self.posts.get(retweet_of)):
            # A retweet's text is "RT @name: " and the beginning of the original ([fields], referenced_tweets).
            whole = f"RT @{original.author}: {original.text}"
            text = whole if len(whole) <= 140 else whole[:139] + "…"
        above = self.posts.get(parent or "")
        thread = (above.thread if above else parent) or native_id
        about = {"name": name, "retweet_of": retweet_of, "quote_of": quote_of, "history": [native_id], **extra}
        lag = float(self.town.options["x_lag"])
        return Post(
            "x",
            "",
            native_id,
            "tweet",
            author,
            "",
            text,
            created,
            visible_from + lag,
            seq,
            parent,
            thread,
            lang,
            malformed=malformed,
            extra={k: v for k, v in about.items() if v},
        )

    def take(self, post: Post) -> None:
        self.posts[post.native_id] = post
        if name := post.extra.get("name"):
            self.names[post.author or ""] = name
        self.line.add(post, time.time())

    def warm(self, post: Post) -> None:
        """Nothing ahead: the rendering depends on the fields asked for and is kept from then on."""

    def edit(self, native_id: str, text: str, now: float) -> list[Post]:
        """[edits] an edit is a new post with a new id; search gives the latest version only."""
        old = self.posts[native_id]
        seq = self.town.next_seq()
        new_id = snowflake(now, seq)
        history = [*old.extra["history"], new_id]
        new = Post(
            "x",
            "",
            new_id,
            "tweet",
            old.author,
            "",
            text,
            now,
            now,
            seq,
            old.parent,
            old.thread,
            old.lang,
            edited=now,
            extra=old.extra | {"history": history},
        )
        old.deleted = "gone"
        old.extra = old.extra | {"replaced_by": new_id}
        self.line.remove(old)
        self.take(new)
        return [old, new]

    def delete(self, native_id: str, shown: bool) -> Post:
        post = self.posts[native_id]
        post.deleted = "gone"
        self.line.remove(post)
        return post

    def channel(self, page_size: int) -> dict[str, Any]:
        about = {"kind": "x", "query": "northbank", "base_url": self.town.urls["x"]}
        return {**about, "page_size": max(10, page_size), "late": 60, "backfill": 2}

    def says(self, rng: random.Random, n: int) -> dict[str, Any]:
        told = super().says(rng, n)
        return {**told, "created": told["created"] - 30}

    # -- answering ----------------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        if request.headers.get("Authorization", "") != f"Bearer {self.town.accounts['x']['bearer']}":
            return self.refuse(401)
        limit, used, _, reset = self.spend(request.path)
        headers = {
            "x-rate-limit-limit": str(limit),
            "x-rate-limit-remaining": str(max(0, limit - used)),
            "x-rate-limit-reset": str(int(reset)),
        }  # [limits] an epoch; and no Retry-After
        routes = {"/2/tweets/search/recent": self._search, "/2/tweets": self._lookup}
        route = routes.get(request.path)
        if used > limit:
            response = self.refuse(429)
        elif request.method != "GET" or route is None:
            response = self.refuse(404)
        else:
            try:
                self._check_parameters(request.query)
                response = route(request)
            except Invalid as invalid:
                response = answer(
                    {
                        "errors": [invalid.error],
                        "title": "Invalid Request",
                        "detail": "One or more parameters to your request was invalid.",
                        "type": "https://api.twitter.com/2/problems/invalid-request",
                    },
                    400,
                )
        response.headers.update(headers)
        return response

    def refuse(self, status: int, fault: Fault | None = None) -> Response:
        """[errors] problem details."""
        if fault and fault.options.get("quota"):
            return answer(
                {
                    "title": "UsageCapExceeded",
                    "detail": "Usage cap exceeded: Monthly product cap",
                    "period": "Monthly",
                    "scope": "Product",
                    "status": status,
                    "type": "https://api.twitter.com/2/problems/usage-capped",
                },
                status,
            )
        words = {
            401: "Unauthorized",
            403: "Forbidden",
            404: "Not Found",
            429: "Too Many Requests",
            500: "Internal Server Error",
            503: "Service Unavailable",
        }
        word = words.get(status, "Error")
        return answer({"title": word, "detail": word, "type": "about:blank", "status": status}, status)

    def reset_headers(self, seconds: int) -> dict[str, str]:
        return {
            "x-rate-limit-limit": str(self.town.rates["x"][0]),
            "x-rate-limit-remaining": "0",
            "x-rate-limit-reset": str(int(time.time()) + seconds),
        }

    def _check_parameters(self, query: dict[str, str]) -> None:
        for name, value in query.items():
            if name not in PARAMETERS:
                raise Invalid(
                    name, value, f"The query parameter [{name}] is not one of [{','.join(sorted(PARAMETERS))}]"
                )
        for name, known in (("tweet.fields", TWEET_FIELDS), ("user.fields", USER_FIELDS), ("expansions", EXPANSIONS)):
            for value in filter(None, query.get(name, "").split(",")):
                if value not in known:
                    raise Invalid(
                        name,
                        value,
                        f"The `{name}` query parameter value [{value}] is not one of [{','.join(sorted(known))}]",
                    )

    # -- search -------------------------------------------------------------------------------------------------

    def _search(self, request: Request) -> Response:
        query = request.query
        text = query.get("query", "")
        size = self._size(query.get("max_results", "10"))
        matches = self._matcher(text)
        lower, upper = self._bounds(query)
        token = query.get("next_token") or query.get("pagination_token")
        if token:
            upper = min(upper, self._opened(token, text))
        found: list[Post] = []
        more = False
        repeated = None
        with self.town.lock:
            self.line.settle(time.time())
            for post in self.line.older((upper, 0)):
                if post.key[0] <= lower:
                    break
                if not self._fits(post, text, matches):
                    continue
                if len(found) == size:
                    more = True
                    break
                found.append(post)
            if token and request.fault("duplicate"):
                repeated = next((p for p in self.line.newer((upper - 1, 0), 1) if self._fits(p, text, matches)), None)
        last = found[-1] if found and more else None
        if repeated:
            found.insert(0, repeated)
        return self._page(found, request, self._token(last, text) if last else None)

    def _size(self, raw: str) -> int:
        """[search] 10 to 100, 10 when not given."""
        if not raw.isdigit() or not 10 <= int(raw) <= 100:
            raise Invalid(
                "max_results", raw, f"The `max_results` query parameter value [{raw}] is not between 10 and 100"
            )
        return int(raw)

    def _matcher(self, text: str) -> Match:
        """[search] up to 512 characters; really evaluated."""
        if not text:
            raise Invalid("query", text, "The `query` query parameter can not be empty")
        if len(text) > 512:
            raise Invalid("query", text, f"Query too long: {len(text)} characters; the maximum is 512")
        if text not in self.queries:
            try:
                parser = Parser(text, forms.OPERATORS)
                match = parser.parse()
            except BadQuery as bad:
                raise Invalid("query", text, f"There were errors processing your request: {bad}") from bad
            if not parser.standalone:
                raise Invalid(
                    "query",
                    text,
                    "There were errors processing your request: Rules must contain at least "
                    "one positive, non-stopword clause (at position 1)",
                )
            self.queries[text] = match
        return self.queries[text]

    def _fits(self, post: Post, text: str, matches: Match) -> bool:
        known = post.cache.get(("fits", text))
        if known is None:
            known = post.cache[("fits", text)] = "1" if matches(post) else ""
        return bool(known)

    def _bounds(self, query: dict[str, str]) -> tuple[int, int]:
        """Ids strictly between the two: since_id and until_id exclude themselves, start_time includes its second and
        end_time excludes it; with since_id given, start_time is ignored ([search])."""
        now = time.time()
        oldest, upper = now - WEEK, 1 << 63
        lower = int(snowflake(oldest, 0)) - 1
        if since := query.get("since_id"):
            if not re.fullmatch(r"\d{1,19}", since):
                raise Invalid("since_id", since, f"The `since_id` query parameter value [{since}] is not valid")
            if moment(int(since)) < oldest:
                raise Invalid(
                    "since_id",
                    since,
                    f"'since_id' must be a tweet id created after {stamp(oldest)}. Please "
                    f"use a 'since_id' that is larger than {lower}",
                )
            lower = int(since)
        elif start := query.get("start_time"):
            at = self._time("start_time", start)
            if at < oldest:
                raise Invalid(
                    "start_time",
                    start,
                    f"Invalid 'start_time':'{start}'. 'start_time' must be on or after {stamp(oldest)}",
                )
            lower = int(snowflake(at, 0)) - 1
        if until := query.get("until_id"):
            if not re.fullmatch(r"\d{1,19}", until):
                raise Invalid("until_id", until, f"The `until_id` query parameter value [{until}] is not valid")
            upper = int(until)
        elif end := query.get("end_time"):
            at = self._time("end_time", end)
            if at > now - 10:
                raise Invalid(
                    "end_time",
                    end,
                    f"Invalid 'end_time':'{end}'. 'end_time' must be a minimum of 10 seconds "
                    "prior to the request time.",
                )
            upper = int(snowflake(at, 0))
        return lower, upper

    def _time(self, name: str, value: str) -> float:
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", value):
            raise Invalid(
                name, value, f"The `{name}` query parameter value [{value}] is not a valid ISO 8601 date-time"
            )
        return datetime.fromisoformat(value).timestamp()

    def _token(self, last: Post, text: str) -> str:
        """Opaque, and it does not expire ([paginate])."""
        mark = hashlib.sha256(text.encode()).hexdigest()[:8]
        return "b26v89c19zqg8o3f" + base64.b32encode(f"{last.native_id}.{mark}".encode()).decode().rstrip("=").lower()

    def _opened(self, token: str, text: str) -> int:
        body = token.removeprefix("b26v89c19zqg8o3f").upper()
        try:
            native_id, _, mark = base64.b32decode(body + "=" * (-len(body) % 8)).decode().partition(".")
            if mark != hashlib.sha256(text.encode()).hexdigest()[:8]:
                raise ValueError(mark)
            return int(native_id)
        except (ValueError, binascii.Error) as bad:
            raise Invalid(
                "next_token", token, f"The `next_token` query parameter value [{token}] is not valid"
            ) from bad

    def _lookup(self, request: Request) -> Response:
        """GET /2/tweets?ids=…: what is missing comes under errors, with status 200 ([errors], partial errors)."""
        ids = [i for i in request.query.get("ids", "").split(",") if i]
        if not ids or len(ids) > 100 or not all(re.fullmatch(r"\d{1,19}", i) for i in ids):
            raise Invalid("ids", request.query.get("ids", ""), "The `ids` query parameter must hold 1 to 100 ids")
        found, errors = [], []
        for native_id in ids:
            post = self.posts.get(native_id)
            while post and (newer := post.extra.get("replaced_by")):
                post = self.posts.get(newer)
            if post and not post.deleted and post.visible_from <= time.time():
                found.append(post)
            else:
                errors.append(
                    {
                        "value": native_id,
                        "detail": f"Could not find tweet with ids: [{native_id}].",
                        "title": "Not Found Error",
                        "resource_type": "tweet",
                        "parameter": "ids",
                        "resource_id": native_id,
                        "type": "https://api.twitter.com/2/problems/resource-not-found",
                    }
                )
        return self._page(found, request, None, errors=errors, meta=False)

    # -- rendering ----------------------------------------------------------------------------------------------

    def _page(
        self,
        posts: list[Post],
        request: Request,
        token: str | None,
        *,
        errors: list[dict[str, Any]] | None = None,
        meta: bool = True,
    ) -> Response:
        self.pages += 1
        query = request.query
        wanted = frozenset(filter(None, query.get("tweet.fields", "").split(",")))
        expand = set(query.get("expansions", "").split(","))
        if "author_id" in expand:
            wanted |= {"author_id"}  # [fields] an expansion brings the field it expands
        bad = request.fault("malformed") if posts else None
        spoilt = random.Random(f"{self.town.seed}:{self.pages}").randrange(len(posts)) if bad else -1
        texts, items = [], []
        for i, post in enumerate(posts):
            mode = bad.options.get("mode", "missing_id") if bad and i == spoilt else post.malformed
            text = self._render(post, wanted, mode)
            texts.append(text)
            items.append(forms.key(post, mode, text))
        errors = list(errors or [])
        users = dict.fromkeys(p.author for p in posts if p.author) if "author_id" in expand else {}
        if users and request.fault("partial"):  # an author that cannot be shown: an error beside the data
            lost = users.popitem()[0]
            errors.append(
                {
                    "value": user_id(lost),
                    "detail": f"User has been suspended: [{user_id(lost)}].",
                    "title": "Forbidden",
                    "resource_type": "user",
                    "parameter": "author_id",
                    "resource_id": user_id(lost),
                    "type": "https://api.twitter.com/2/problems/resource-not-found",
                }
            )
        parts = [f'"data":[{",".join(texts)}]'] if texts else []  # no results: "data" is absent
        includes = self._includes(posts, users, expand, wanted, query.get("user.fields", ""))
        if includes:
            parts.append(f'"includes":{includes}')
        if errors:
            parts.append(f'"errors":{json.dumps(errors)}')
        if meta:
            ids = [p.native_id for p in posts]
            about: dict[str, Any] = {"result_count": len(posts)}
            if ids:
                about = {"newest_id": max(ids, key=int), "oldest_id": min(ids, key=int), **about}
            if token:
                about["next_token"] = token
            parts.append(f'"meta":{json.dumps(about)}')
        response = Response(200, ("{" + ",".join(parts) + "}").encode(), {"Content-Type": JSON}, items)
        if shift := request.fault("shift"):
            count = int(shift.options.get("posts", 5))
            response.after = lambda: [
                self.town.post("x", f"Northbank: one more while you were paging, {i}", author=f"late{i}")
                for i in range(count)
            ]
        return response

    def _includes(
        self, posts: list[Post], users: dict[Any, None], expand: set[str], wanted: frozenset[str], fields: str
    ) -> str:
        parts = []
        if users:
            extra = frozenset(filter(None, fields.split(",")))
            parts.append(f'"users":[{",".join(self._user(u, extra) for u in users)}]')
        if "referenced_tweets.id" in expand:
            ids = dict.fromkeys(r["id"] for p in posts for r in forms.references(p))
            whole = [self._render(p, wanted, "") for i in ids if (p := self.posts.get(i)) and not p.deleted]
            if whole:
                parts.append(f'"tweets":[{",".join(whole)}]')
        return "{" + ",".join(parts) + "}" if parts else ""

    def _user(self, handle: str, fields: frozenset[str]) -> str:
        if (handle, fields) not in self.users:
            self.users[(handle, fields)] = forms.user(handle, self.names.get(handle), fields)
        return self.users[(handle, fields)]

    def _render(self, post: Post, wanted: frozenset[str], mode: str) -> str:
        found = post.cache.get((wanted, mode))
        if found is None:
            found = post.cache[(wanted, mode)] = json.dumps(forms.spoil(forms.tweet(post, wanted, self.posts), mode))
        return found


STAND_INS = (X,)
