"""A Discourse forum: the newest posts of all public topics, as JSON.

[posts] GET /posts.json?before=ID: https://docs.discourse.org/#tag/Posts/operation/listPosts
[query] 50 regular posts of visible topics by id, newest first; `before` names an id that older versions include (`<=`) and newer
ones leave out (`<`): app/controllers/posts_controller.rb and app/queries/latest_posts_query.rb of discourse/discourse
[limits] 429 with Retry-After; from the application JSON with extras.wait_seconds, from the middleware in front of it plain text:
https://meta.discourse.org/t/available-settings-for-global-rate-limits-and-throttling/78612
[keys] Api-Key and Api-Username as headers: https://meta.discourse.org/t/create-and-configure-an-api-key/230124
"""

from __future__ import annotations

import hashlib
import html
import json
import random
import time
from datetime import UTC, datetime
from typing import Any

from town.faults import Fault
from town.http import JSON, Request, Response, Stand, answer
from town.posts import Post

PAGE = 50
FIRST_ID = 70_000
DELETED = "<p>(post deleted by author)</p>"
HIDDEN = "<p>This post was flagged by the community and is temporarily hidden.</p>"


def stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Discourse(Stand):
    """The read side. Without keys what a visitor sees; with wrong keys nothing."""

    name = "discourse"
    keys = {"api_key": "town-discourse-key"}
    rates = {"discourse": (60_000, 60)}
    options = {"discourse_before": "exclusive", "discourse_login_required": False, "discourse_page": 50}

    def __init__(self, town: Any) -> None:
        super().__init__(town)
        self.posts: dict[str, Post] = {}
        self.topics: dict[str, int] = {}  # posts in a topic so far
        self.pages = 0

    # -- what people do -----------------------------------------------------------------------------------------

    def make(
        self,
        text: str,
        *,
        seq: int,
        created: float,
        visible_from: float,
        title: str = "",
        author: str = "someone",
        origin: str = "forum",
        parent: str | None = None,
        lang: str | None = None,
        malformed: str = "",
        **extra: Any,
    ) -> Post:
        """`parent`: the post that is answered. `hidden`: flagged away. `quote`: words of somebody else quoted above."""
        native_id = str(FIRST_ID + seq)
        above = self.posts.get(parent or "")
        topic = above.thread if above else str(1000 + seq)
        number = self.topics[topic] = self.topics.get(topic or "", 0) + 1 if topic else 1
        return Post(
            "discourse",
            origin,
            native_id,
            "post",
            author,
            title or (above.title if above else text[:60]),
            text,
            created,
            visible_from,
            seq,
            parent,
            topic,
            lang,
            malformed=malformed,
            extra={"number": number, **extra},
        )

    def take(self, post: Post) -> None:
        self.posts[post.native_id] = post
        self.topics[post.thread or ""] = max(self.topics.get(post.thread or "", 0), int(post.extra["number"]))

    def warm(self, post: Post) -> None:
        self.render(post, "")

    def edit(self, native_id: str, text: str, now: float) -> list[Post]:
        post = self.posts[native_id]
        post.text, post.edited = text, now
        post.extra["version"] = post.extra.get("version", 1) + 1
        post.cache.clear()
        return [post]

    def delete(self, native_id: str, shown: bool) -> Post:
        """An author's own deletion leaves a husk for a day (`user_deleted`); a moderator's takes the post off the list."""
        post = self.posts[native_id]
        post.deleted = "shown" if shown else "gone"
        post.cache.clear()
        return post

    def channel(self, page_size: int) -> dict[str, Any]:
        self.town.options["discourse_page"] = page_size  # the forum's choice, not ours
        return {"kind": "discourse", "url": "https://forum.example", "base_url": self.town.urls["discourse"]}

    def says(self, rng: random.Random, n: int) -> dict[str, Any]:
        return {**super().says(rng, n), "origin": "news"}

    # -- answering ----------------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        limit, used, left, _ = self.spend()
        if used > limit:
            response = self.slow_down(left)
        elif not self._known(request):
            response = answer(
                {
                    "errors": [
                        "You are not permitted to view the requested resource. The API username or key is invalid."
                    ],
                    "error_type": "invalid_access",
                },
                403,
            )
        elif self.town.options["discourse_login_required"] and "Api-Key" not in request.headers:
            response = self.refuse(403)
        elif request.path not in ("/posts.json", "/posts") or request.method != "GET":
            response = self.refuse(404)
        else:
            response = self._latest(request)
        return response

    def _known(self, request: Request) -> bool:
        own, key = self.town.accounts["discourse"], request.headers.get("Api-Key")
        return key is None or (key == own["api_key"] and bool(request.headers.get("Api-Username")))

    def refuse(self, status: int, fault: Fault | None = None) -> Response:
        if status == 429:
            return self.slow_down(1)
        kinds = {
            403: ("You need to be logged in to do that.", "not_logged_in"),
            404: ("The requested URL or resource could not be found.", "not_found"),
        }
        words, kind = kinds.get(status, ("Oops", "error"))
        if status >= 500:  # nginx answers for an application that is away
            return Response(
                status, b"<html><head><title>502 Bad Gateway</title></head></html>", {"Content-Type": "text/html"}
            )
        return answer({"errors": [words], "error_type": kind}, status)

    def slow_down(self, seconds: int) -> Response:
        """[limits] the middleware's words are no JSON."""
        return Response(
            429,
            b"Slow down, you're making too many requests.\nPlease retry again in %d seconds.\n" % seconds,
            {"Content-Type": "text/plain; charset=utf-8", "Retry-After": str(seconds)},
        )

    def too_many(self, fault: Fault) -> Response:
        """reset="body": the application's own refusal, which tells the time in its body only."""
        if fault.options.get("reset") != "body":
            return super().too_many(fault)
        seconds = int(fault.options.get("seconds", 2))
        return answer(
            {
                "errors": [f"You've performed this action too many times, please try again in {seconds} seconds."],
                "error_type": "rate_limit",
                "extras": {"wait_seconds": seconds, "time_left": f"{seconds} seconds"},
            },
            429,
        )

    def _latest(self, request: Request) -> Response:
        raw = request.query.get("before", "")
        before = int(raw) if raw.isdigit() else 0  # [query] params[:before].to_i; not above 0 is no bound
        inclusive = self.town.options["discourse_before"] == "inclusive"
        now = time.time()
        with self.town.lock:
            found = [
                post
                for post in self.posts.values()
                if post.deleted != "gone"
                and post.visible_from <= now
                and (not before or int(post.native_id) < before + inclusive)
            ]
        found.sort(key=lambda post: -int(post.native_id))
        return self._page(found[: int(self.town.options["discourse_page"])], request)

    # -- rendering ----------------------------------------------------------------------------------------------

    def _page(self, posts: list[Post], request: Request) -> Response:
        self.pages += 1
        bad = request.fault("malformed") if posts else None
        spoilt = random.Random(f"{self.town.seed}:{self.pages}").randrange(len(posts)) if bad else -1
        if posts and request.fault("duplicate"):
            posts = [*posts, posts[-1]]
        texts, items = [], []
        for i, post in enumerate(posts):
            mode = bad.options.get("mode", "missing_id") if bad and i == spoilt else post.malformed
            text = self.render(post, mode)
            texts.append(text)
            native_id = post.native_id
            if mode == "missing_id":
                native_id = "malformed:" + hashlib.sha256(text.encode()).hexdigest()[:16]
            items.append(("discourse", post.origin, native_id, native_id, int(bool(mode))))
        response = Response(
            200,
            ('{"latest_posts":[' + ",".join(texts) + "]}").encode(),
            {"Content-Type": JSON, "Cache-Control": "no-cache, no-store"},
            items,
        )
        if shift := request.fault("shift"):
            count = int(shift.options.get("posts", 5))
            response.after = lambda: [
                self.town.post("discourse", f"northbank: one more while you were paging, {i}", author=f"late{i}")
                for i in range(count)
            ]
        return response

    def render(self, post: Post, mode: str) -> str:
        found = post.cache.get(mode)
        if found is None:
            found = post.cache[mode] = json.dumps(spoil(self.data(post), mode))
        return found

    def data(self, post: Post) -> dict[str, Any]:
        """A post as PostSerializer writes it; who left has no user any more."""
        user = post.author and int(hashlib.sha256(post.author.encode()).hexdigest()[:6], 16)
        above = self.posts.get(post.parent or "")
        slug = "-".join("".join(c if c.isalnum() else " " for c in post.title.lower()).split()[:8])
        paragraphs = "".join(f"<p>{html.escape(part)}</p>" for part in post.text.split("\n") if part)
        if quoted := post.extra.get("quote"):
            paragraphs = (
                f'<aside class="quote no-group" data-username="bob" data-post="1" data-topic="{post.thread}">'
                f'<div class="title"><img width="24" alt="" src="/a.png"> bob:</div><blockquote>'
                f"<p>{html.escape(quoted)}</p></blockquote></aside>"
            ) + paragraphs
        data = {
            "id": int(post.native_id),
            "name": (post.author or "").title() or None,
            "username": post.author,
            "avatar_template": "/letter/{size}.png",
            "created_at": stamp(post.created),
            "cooked": paragraphs,
            "post_number": post.extra["number"],
            "post_type": 1,
            "posts_count": self.topics.get(post.thread or "", 1),
            "updated_at": stamp(post.edited or post.created),
            "reply_count": 0,
            "reply_to_post_number": above.extra["number"] if above and above.extra["number"] > 1 else None,
            "quote_count": int(bool(quoted)),
            "incoming_link_count": 0,
            "reads": 7,
            "readers_count": 6,
            "score": 1.4,
            "yours": False,
            "topic_id": int(post.thread or 0),
            "topic_slug": slug or "topic",
            "topic_title": post.title,
            "topic_html_title": html.escape(post.title),
            "category_id": 4,
            "display_username": post.author,
            "version": post.extra.get("version", 1),
            "user_id": user,
            "moderator": False,
            "admin": False,
            "staff": False,
            "hidden": bool(post.extra.get("hidden")),
            "trust_level": 1,
            "deleted_at": None,
            "user_deleted": False,
            "edit_reason": None,
            "wiki": False,
            "raw": post.text,
            "excerpt": post.text[:100],
        }
        if post.extra.get("hidden"):  # what visitors read in its place
            data |= {"cooked": HIDDEN, "hidden_reason_id": 1, "raw": "", "excerpt": ""}
        if post.deleted:
            data |= {"cooked": DELETED, "user_deleted": True, "raw": "(post deleted by author)", "excerpt": ""}
        return data


def spoil(data: dict[str, Any], mode: str) -> dict[str, Any]:
    """Shapes that cannot be read, and shapes that must be."""
    if mode == "missing_id":
        del data["id"]
    elif mode == "wrong_types":
        data |= {"created_at": 7, "cooked": 42, "topic_id": "x"}
    elif mode == "null_author":
        data |= {"username": None, "name": None, "user_id": None}
    return data


STAND_INS = (Discourse,)
