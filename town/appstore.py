"""The App Store's public list of customer reviews, as JSON. Apple documents none of it; its readers do.

[feed] an answer as recorded: https://github.com/DayBySay/Reviewer/blob/master/Tests/ReviewerTests/Fixture.swift
[500] 10 pages of 50 a country: https://github.com/facundoolano/app-store-scraper/issues/5, https://github.com/amrrs/itunesr/issues/1
[app] the first entry may be the app itself, and is none when im:rating is there:
https://github.com/plahteenlahti/app-store-scraper/pull/17
[date] `updated` was missing for years: https://github.com/facundoolano/app-store-scraper/issues/13, there since pull 164
[empty] answers without entries and 502 for no reason: issues/50 there, https://github.com/joeseesun/qiaomu-app-review-insights/pull/1
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from town.faults import Fault
from town.http import Request, Response, Stand, answer
from town.ledger import ServedKey
from town.posts import Post

APP, FIRST_ID, PAGES = "1404176564", 11_000_000_000, 10
PATH = re.compile(r"/([a-z]{2})/rss/customerreviews/(?:page=(\d+)/)?id=(\d+)/sortby=mostrecent/json", re.IGNORECASE)
PACIFIC = timezone(timedelta(hours=-7))


class AppStore(Stand):
    """One app, many countries (`origin`); `visible_in` is how long a review waits for Apple's moderation."""

    name = "appstore"
    rates = {"appstore": (60_000, 3600)}
    options = {"appstore_page": 50, "appstore_app_entry": True, "appstore_dates": True}

    def __init__(self, town: Any) -> None:
        super().__init__(town)
        self.posts: dict[str, Post] = {}
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
        origin: str = "us",
        rating: int = 1,
        lang: str | None = None,
        parent: str | None = None,
        malformed: str = "",
        **extra: Any,
    ) -> Post:
        native_id = str(FIRST_ID + seq)
        return Post(
            "appstore",
            origin,
            native_id,
            "review",
            author,
            title or text[:40],
            text,
            float(int(created)),
            visible_from,
            seq,
            None,
            native_id,
            None,
            malformed=malformed,
            extra={"rating": rating, **extra},
        )

    def take(self, post: Post) -> None:
        self.posts[post.native_id] = post

    def warm(self, post: Post) -> None:
        """Rendering is cheap."""

    def edit(self, native_id: str, text: str, now: float) -> list[Post]:
        """A review written anew keeps its id, gets a new date and stands on top again."""
        post = self.posts[native_id]
        post.text, post.edited = text, float(int(now))
        return [post]

    def delete(self, native_id: str, shown: bool) -> Post:
        post = self.posts[native_id]
        post.deleted = "gone"
        return post

    def channel(self, page_size: int) -> dict[str, Any]:
        self.town.options["appstore_page"] = 25  # Apple's choice, and always the same
        return {"kind": "appstore", "app_id": APP, "base_url": self.town.urls["appstore"]}

    def says(self, rng: random.Random, n: int) -> dict[str, Any]:
        return {**super().says(rng, n), "origin": "us"}

    # -- answering ----------------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        match = PATH.fullmatch(request.path)
        if not match or request.method != "GET":
            return self.refuse(404)
        if self.spend()[1] > self.town.rates["appstore"][0]:
            return self.refuse(403)  # no rate headers and no 429: Apple's edge just refuses for a while
        number = int(match[2] or 1)
        if number > PAGES:
            return answer({"errorMessage": f"CustomerReviews RSS page depth is limited to {PAGES}"}, 400)
        return self._list(match[1].lower(), match[3], max(1, number), request)

    def refuse(self, status: int, fault: Fault | None = None) -> Response:
        page = f"<html><head><title>{status}</title></head><body><h1>Http/1.1 Service Unavailable</h1></body></html>"
        return Response(status, page.encode(), {"Content-Type": "text/html"})

    def _list(self, country: str, app: str, number: int, request: Request) -> Response:
        """Newest first by the date of the last change; 50 to a page."""
        now, size = time.time(), int(self.town.options["appstore_page"])
        with self.town.lock:
            shown = [p for p in self.posts.values() if p.origin == country and not p.deleted and p.visible_from <= now]
        shown = sorted(shown, key=lambda p: (p.edited or p.created, p.seq), reverse=True) if app == APP else []
        posts = shown[(number - 1) * size : number * size]
        if number > 1 and posts and request.fault("duplicate"):
            posts = [shown[(number - 1) * size - 1], *posts]
        if request.fault("illformed"):  # [empty]
            posts = []
        self.pages += 1
        bad = request.fault("malformed") if posts else None
        spoilt = random.Random(f"{self.town.seed}:{self.pages}").randrange(len(posts)) if bad else -1
        entries, items = [], []
        for i, post in enumerate(posts):
            mode = bad.options.get("mode", "missing_id") if bad and i == spoilt else post.malformed
            entries.append(spoil(self.entry(post), mode))
            items.append(key(post, mode, entries[-1]))
        if number == 1 and entries and self.town.options["appstore_app_entry"]:
            entries.insert(0, application(country))  # [app]
        response = answer({"feed": feed(country, app, number, entries)})
        response.headers["Content-Type"] = "text/javascript; charset=utf-8"
        response.items = items
        if shift := request.fault("shift"):
            count = int(shift.options.get("posts", 5))
            response.after = lambda: [
                self.town.post(
                    "appstore", f"northbank: one more while you were paging, {i}", author=f"late{i}", origin=country
                )
                for i in range(count)
            ]
        return response

    def entry(self, post: Post) -> dict[str, Any]:
        """[feed]; everything is a label."""
        person = 100_000_000 + int(hashlib.sha256(str(post.author).encode()).hexdigest()[:6], 16)
        found: dict[str, Any] = {
            "author": {"uri": {"label": f"https://itunes.apple.com/{post.origin}/reviews/id{person}"},
                       "name": {"label": post.author}, "label": ""},
            "updated": {"label": datetime.fromtimestamp(post.edited or post.created, UTC).astimezone(PACIFIC).isoformat()},
            "im:rating": {"label": str(post.extra["rating"])}, "im:version": {"label": "3.4.3"},
            "id": {"label": post.native_id}, "title": {"label": post.title},
            "content": {"label": post.text, "attributes": {"type": "text"}},
            "link": {"attributes": {"rel": "related", "href": f"https://itunes.apple.com/{post.origin}/review?id={APP}&type=Purple%20Software"}},
            "im:voteSum": {"label": "1"}, "im:voteCount": {"label": "2"},
            "im:contentType": {"attributes": {"term": "Application", "label": "Application"}},
        }  # fmt: skip
        if not self.town.options["appstore_dates"]:
            del found["updated"]  # [date]
        return found


def feed(country: str, app: str, number: int, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """No entry: the key is absent. One entry: an object. More: a list (XML turned into JSON)."""
    base = f"https://itunes.apple.com/{country}/rss/customerreviews"
    told: dict[str, Any] = {
        "author": {"name": {"label": "iTunes Store"}, "uri": {"label": f"http://www.apple.com/{country}/itunes/"}},
        "updated": {"label": "2026-11-21T03:05:00-07:00"}, "rights": {"label": "Copyright 2008 Apple Inc."},
        "title": {"label": "iTunes Store: Customer Reviews"}, "icon": {"label": "http://itunes.apple.com/favicon.ico"},
        "link": [{"attributes": {"rel": "self", "href": f"{base}/page={number}/id={app}/sortby=mostrecent/json"}}],
        "id": {"label": f"{base}/id={app}/sortby=mostrecent/json"},
    }  # fmt: skip
    return told | ({"entry": entries[0] if len(entries) == 1 else entries} if entries else {})


def application(country: str) -> dict[str, Any]:
    return {
        "im:name": {"label": "Northbank"}, "rights": {"label": "© Northbank plc"}, "im:artist": {"label": "Northbank plc"},
        "im:price": {"label": "Get", "attributes": {"amount": "0.00000", "currency": "USD"}}, "title": {"label": "Northbank"},
        "id": {"label": f"https://apps.apple.com/{country}/app/northbank/id{APP}", "attributes": {"im:id": APP}},
        "im:contentType": {"attributes": {"term": "Application", "label": "Application"}},
    }  # fmt: skip


def key(post: Post, mode: str, entry: dict[str, Any]) -> ServedKey:
    if mode == "missing_id":
        lost = "malformed:" + hashlib.sha256(json.dumps(entry).encode()).hexdigest()[:16]
        return ("appstore", post.origin, lost, lost, 1)
    return ("appstore", post.origin, post.native_id, post.native_id, int(bool(mode)))


def spoil(entry: dict[str, Any], mode: str) -> dict[str, Any]:
    """The malformed shapes every stand-in knows."""
    if mode == "missing_id":
        return {name: value for name, value in entry.items() if name != "id"}
    if mode == "wrong_types":
        return entry | {"im:rating": {"label": "five"}, "updated": {"label": "yesterday"}, "content": 42}
    return entry | {"author": None} if mode == "null_author" else entry


STAND_INS = (AppStore,)
