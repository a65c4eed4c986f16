"""Mastodon: hashtag timelines and single statuses, of several instances that federate with each other.

[tag] https://docs.joinmastodon.org/methods/timelines/#tag  [status] https://docs.joinmastodon.org/entities/Status/
[limits] https://docs.joinmastodon.org/api/rate-limits/  [page] https://docs.joinmastodon.org/api/guidelines/#pagination
[context] https://docs.joinmastodon.org/methods/statuses/#context
[ids] lib/mastodon/snowflake.rb, [min_id] app/models/concerns/paginable.rb, [feed] app/models/tag_feed.rb of mastodon/mastodon

One port is every instance: `/NAME.example/api/v1/…` asks that one, `/api/v1/…` the home instance. A post has one `uri` and on each
instance an id of its own.
"""

from __future__ import annotations

import random
import re
import time
from bisect import bisect_left, bisect_right
from typing import Any
from urllib.parse import urlencode
from zlib import crc32

from town import mastodon_forms as forms
from town.faults import Fault
from town.http import Request, Response, Stand, answer
from town.posts import Post, Timeline

PATH = re.compile(r"(?:/([a-z0-9-]+(?:\.[a-z0-9-]+)+))?/api/v1/(timelines/tag|statuses)/([^/]+)(/context)?")
BELOW = {True: (4096, 4096), False: (60, 20)}  # [context] descendants and their depth, with a token and without
TAG = re.compile(r"#(\w+)")


class Mastodon(Stand):
    """The read side. Who posts where: `author` is "ann" (home) or "ann@elsewhere.example"."""

    name = "mastodon"
    keys = {"token": "town-mastodon-token", "instance": "social.northbank.example"}
    rates = {"mastodon": (30_000, 300)}
    options = {"mastodon_login_required": False}

    def __init__(self, town: Any) -> None:
        super().__init__(town)
        self.home = town.accounts["mastodon"]["instance"]
        self.posts: dict[str, Post] = {}
        self.lines: dict[str, Timeline] = {}
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
        lang: str | None = "en",
        parent: str | None = None,
        visibility: str = "public",
        title: str = "",
        reblog_of: str | None = None,
        tags: list[str] | None = None,
        malformed: str = "",
        origin: str = "",
        **extra: Any,
    ) -> Post:
        """`title` is a content warning. A post from elsewhere arrives with its own time: [ids] around_create gives it an id
        of that time, so it may land below what a reader has read already."""
        created = int(created * 1000) / 1000
        name, _, instance = author.partition("@")
        instance = instance or self.home
        native_id = f"https://{instance}/users/{name}/statuses/{self.id_on(instance, created, seq)}"
        if reblog_of:
            native_id += "/activity"
        about = {"visibility": visibility, "reblog_of": reblog_of, "tags": tags, "instance": instance, **extra}
        return Post(
            "mastodon",
            "",
            native_id,
            "status",
            author,
            title,
            text,
            created,
            visible_from,
            seq,
            parent,
            native_id,
            lang,
            malformed=malformed,
            extra={k: v for k, v in about.items() if v},
        )

    def id_on(self, instance: str, created: float, seq: int) -> int:
        """[ids] 48 bits of milliseconds and 16 of sequence. Elsewhere the same post has another id."""
        shift = 0 if instance == self.home else 1 + crc32(instance.encode()) % 900
        return (round(created * 1000) + shift << 16) | (seq & 0xFFFF)

    def take(self, post: Post) -> None:
        self.posts[post.native_id] = post
        for tag in self._tags(post):
            self.lines.setdefault(tag, Timeline()).add(post, time.time())

    def warm(self, post: Post) -> None:
        """Rendering is cheap."""

    def _tags(self, post: Post) -> set[str]:
        """[feed] public statuses only, and no reblogs."""
        if post.extra.get("visibility") != "public" or post.extra.get("reblog_of"):
            return set()
        return {tag.lower() for tag in [*TAG.findall(post.text), *post.extra.get("tags", [])]}

    def edit(self, native_id: str, text: str, now: float) -> list[Post]:
        """The id stays; a status whose tag was edited away leaves that timeline."""
        post = self.posts[native_id]
        before = self._tags(post)
        post.text, post.edited = text, now
        after = self._tags(post)
        for tag in before - after:
            self.lines[tag].remove(post)
        for tag in after - before:
            self.lines.setdefault(tag, Timeline()).add(post, now)
        return [post]

    def delete(self, native_id: str, shown: bool) -> Post:
        post = self.posts[native_id]
        post.deleted = "gone"
        for tag in self._tags(post):
            self.lines[tag].remove(post)
        return post

    def channel(self, page_size: int) -> dict[str, Any]:
        about = {"kind": "mastodon", "instance": self.home, "tags": ["northbank"]}
        return {**about, "base_url": self.town.urls["mastodon"], "page_size": page_size}

    def says(self, rng: random.Random, n: int) -> dict[str, Any]:
        told = super().says(rng, n)
        return {**told, "text": f"#{told['text']}", "origin": "news"}  # what is listed under a tag bears it

    # -- answering ----------------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        match = PATH.fullmatch(request.path)
        if not match:
            return self.refuse(404)
        limit, used, left, _ = self.spend(match[1] or self.home)
        headers = forms.limits(limit, used, left)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if used > limit:
            response = self.refuse(429)
        elif request.method != "GET":
            response = self.refuse(404)
        elif scheme and (scheme != "Bearer" or token != self.town.accounts["mastodon"]["token"]):
            response = self.refuse(401)
        elif not scheme and self.town.options["mastodon_login_required"]:  # public preview switched off: [tag] 401
            response = answer({"error": "This method requires an authenticated user"}, 401)
        elif match[2] == "statuses" and match[4]:
            response = self._context(match[1] or self.home, match[3], bool(scheme))
        elif match[2] == "statuses":
            response = self._status(match[1] or self.home, match[3])
        elif match[4]:
            response = self.refuse(404)
        else:
            response = self._tag(match[1] or self.home, match[3], request)
        response.headers.update(headers)
        return response

    def refuse(self, status: int, fault: Fault | None = None) -> Response:
        """https://docs.joinmastodon.org/entities/Error/"""
        words = {
            401: "The access token is invalid",
            404: "Record not found",
            429: "Too many requests",
            503: "There was a temporary problem serving your request, please try again",
        }
        return answer({"error": words.get(status, "An unexpected error occurred")}, status)

    def reset_headers(self, seconds: int) -> dict[str, str]:
        limit = self.town.rates["mastodon"][0]
        return forms.limits(limit, limit, seconds)

    def _status(self, instance: str, own_id: str) -> Response:
        post = self._found(instance, own_id)
        return answer(self.render(post, instance)) if post else self.refuse(404)

    def _found(self, instance: str, own_id: str) -> Post | None:
        now = time.time()
        for post in self.posts.values():
            if str(self._id(instance, post)) == own_id and not post.deleted and post.visible_from <= now:
                return post
        return None

    def _context(self, instance: str, own_id: str, known: bool) -> Response:
        """[context] what it answers, oldest first, and what answers it, the whole tree below; 404 for what is gone."""
        post, now = self._found(instance, own_id), time.time()
        if post is None:
            return self.refuse(404)
        above, over = [], self.posts.get(post.parent or "")
        while over and not over.deleted:
            above.insert(0, over)
            over = self.posts.get(over.parent or "")
        most, deepest = BELOW[known]
        below: list[Post] = []
        layer = [post.native_id]
        for _ in range(deepest):
            under = [
                one
                for one in self.posts.values()
                if one.parent in layer and not one.deleted and one.visible_from <= now
            ]
            below += under
            layer = [one.native_id for one in under]
            if not layer:
                break
        return answer(
            {
                "ancestors": [self.render(one, instance) for one in above[-(4096 if known else 40) :]],
                "descendants": [self.render(one, instance) for one in below[:most]],
            }
        )

    def _id(self, instance: str, post: Post) -> int:
        return self.id_on(instance, post.created, post.seq)

    def _tag(self, instance: str, tag: str, request: Request) -> Response:
        """[tag] newest first, 20 when not said, 40 at most; a tag nobody used is an empty list.

        [min_id] with `min_id` the page just above it, with `since_id` the newest page that is above it; both listed newest first.
        """
        query = request.query
        raw = query.get("limit", "")
        limit = min(int(raw), 40) if raw.isdigit() and int(raw) else 20  # limit_param: twice the default at most
        if cap := request.fault("page_cap"):
            limit = min(limit, int(cap.options.get("depth", 20)))
        with self.town.lock:
            line = self.lines.get(tag.lower(), Timeline())
            line.settle(time.time())
            posts = line.posts
            if query.get("local") == "true":
                posts = [post for post in posts if post.extra["instance"] == instance]

            def place(post: Post) -> int:
                return self._id(instance, post)

            end = bisect_left(posts, _number(query["max_id"]), key=place) if query.get("max_id") else len(posts)
            if query.get("min_id"):
                start = bisect_right(posts, _number(query["min_id"]), key=place)
                found = posts[start : min(end, start + limit)]
                if request.fault("duplicate") and start:
                    found = [posts[start - 1], *found]
            else:
                start = bisect_right(posts, _number(query["since_id"]), key=place) if query.get("since_id") else 0
                found = posts[max(start, end - limit) : end]
        return self._page(found[::-1], instance, tag, request)

    def _page(self, posts: list[Post], instance: str, tag: str, request: Request) -> Response:
        self.pages += 1
        bad = request.fault("malformed") if posts else None
        spoilt = random.Random(f"{self.town.seed}:{self.pages}").randrange(len(posts)) if bad else -1
        statuses, items = [], []
        for i, post in enumerate(posts):
            mode = bad.options.get("mode", "missing_id") if bad and i == spoilt else post.malformed
            statuses.append(forms.spoil(self.render(post, instance), mode))
            items.append(forms.key(post, mode, statuses[-1]))
        response = answer(statuses)
        response.items = items
        if posts:  # [page] absent on an empty page
            base = f"{self.town.urls['mastodon']}{request.path}"
            kept = {name: request.query[name] for name in ("limit", "local") if name in request.query}
            older = urlencode(kept | {"max_id": self._id(instance, posts[-1])})
            newer = urlencode(kept | {"min_id": self._id(instance, posts[0])})
            response.headers["Link"] = f'<{base}?{older}>; rel="next", <{base}?{newer}>; rel="prev"'
        if shift := request.fault("shift"):
            count = int(shift.options.get("posts", 5))
            response.after = lambda: [
                self.town.post("mastodon", f"One more while you were paging, {i} #{tag}", author=f"late{i}")
                for i in range(count)
            ]
        return response

    def render(self, post: Post, instance: str) -> dict[str, Any]:
        above, inner = self.posts.get(post.parent or ""), self.posts.get(post.extra.get("reblog_of", ""))
        status = forms.status(post, str(self._id(instance, post)), instance)
        if above:
            status["in_reply_to_id"] = str(self._id(instance, above))
            status["in_reply_to_account_id"] = forms.account(above, instance)["id"]
        if inner:
            status["reblog"] = self.render(inner, instance)
        return status


def _number(given: str) -> int:
    """PostgreSQL's cast in Rails: what begins with no digit is zero."""
    digits = re.match(r"\d{1,19}", given)
    return int(digits[0]) if digits else 0


STAND_INS = (Mastodon,)
