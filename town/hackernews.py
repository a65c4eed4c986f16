"""Hacker News as others read it: the search by Algolia, and the items of the site itself.

[search] https://hn.algolia.com/api  [algolia] https://www.algolia.com/doc/api-reference/search-api-parameters/
[ceiling] 1000 hits of a query, whatever the page: https://github.com/algolia/hn-search/issues/230 and /125
[stall] the index stood still for 36 hours and was filled up afterwards: https://github.com/algolia/hn-search/issues/248
[item] https://github.com/HackerNews/API: an item may be null, deleted or dead
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import time
from datetime import UTC, datetime
from html import escape
from typing import Any

from town.faults import Fault
from town.http import Request, Response, Stand, answer
from town.ledger import ServedKey
from town.posts import Post, Timeline
from town.query import words

FIRST_ID, CEILING = 46_000_000, 1000
ITEM = re.compile(r"/v0/item/(\d+)\.json")
FILTER = re.compile(r"(created_at_i|points|num_comments)\s*(<=|>=|<|>|=)\s*(-?\d+(?:\.\d+)?)")
PARAMETERS = {"query", "tags", "numericFilters", "page", "hitsPerPage", "restrictSearchableAttributes", "advancedSyntax",
              "typoTolerance", "attributesToRetrieve", "attributesToHighlight"}  # fmt: skip
COMPARE = {"<=": float.__le__, ">=": float.__ge__, "<": float.__lt__, ">": float.__gt__, "=": float.__eq__}


class Refused(Exception):
    """A 400 in Algolia's words."""


class HackerNews(Stand):
    """`visible_in` of a post is how late the index takes it in; the site has it at once."""

    name = "hackernews"
    rates = {"hackernews": (100_000, 3600)}

    def __init__(self, town: Any) -> None:
        super().__init__(town)
        self.posts: dict[str, Post] = {}
        self.line = Timeline()
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
        kind: str = "story",
        parent: str | None = None,
        lang: str | None = None,
        malformed: str = "",
        origin: str = "",
        **extra: Any,
    ) -> Post:
        """A post with a parent is a comment. `dead`: killed by flags. Times are whole seconds."""
        native_id = str(FIRST_ID + seq)
        above = self.posts.get(parent or "")
        kind = "comment" if parent else kind
        thread = above.thread if above else parent or native_id
        return Post(
            "hackernews",
            "",
            native_id,
            kind,
            author,
            title or ("" if kind == "comment" else text[:80]),
            text,
            float(int(created)),
            visible_from,
            seq,
            parent,
            thread,
            None,
            malformed=malformed,
            extra=extra,
        )

    def take(self, post: Post) -> None:
        self.posts[post.native_id] = post
        self.line.add(post, time.time())

    def warm(self, post: Post) -> None:
        """Rendering is cheap."""

    def edit(self, native_id: str, text: str, now: float) -> list[Post]:
        """Authors may edit for two hours; the id stays."""
        post = self.posts[native_id]
        post.text, post.edited = text, now
        return [post]

    def delete(self, native_id: str, shown: bool) -> Post:
        """`shown`: the index goes on showing what the site deleted (it is told of changes, and misses some)."""
        post = self.posts[native_id]
        post.deleted = "shown" if shown else "gone"
        if not shown:
            self.line.remove(post)
        return post

    def channel(self, page_size: int) -> dict[str, Any]:
        about = {"kind": "hackernews", "queries": ["northbank"], "base_url": self.town.urls["hackernews"]}
        return {**about, "page_size": page_size, "verify": False}

    def says(self, rng: random.Random, n: int) -> dict[str, Any]:
        return {**super().says(rng, n), "origin": "news"}

    # -- answering ----------------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        if request.method != "GET":
            return self.refuse(405)
        if match := ITEM.fullmatch(request.path):
            return answer(self._item(match[1]))
        if request.path not in ("/api/v1/search_by_date", "/api/v1/search"):
            return self.refuse(404)
        if self.spend()[1] > self.town.rates["hackernews"][0]:
            return self.refuse(429)
        try:
            return self._search(request)
        except Refused as refused:
            return answer({"message": str(refused), "status": 400}, 400)

    def refuse(self, status: int, fault: Fault | None = None) -> Response:
        """No rate headers, and a 429 does not say until when."""
        words = {404: "Path not found", 405: "Method not allowed", 429: "Too Many Requests"}
        return answer({"message": words.get(status, "Internal error"), "status": status}, status)

    def _item(self, native_id: str) -> dict[str, Any] | None:
        """[item] only id, type and time are left of what was deleted; an id nobody used is null, with status 200."""
        post = self.posts.get(native_id)
        if post is None or post.created > time.time():
            return None
        item: dict[str, Any] = {"id": int(native_id), "type": post.kind, "time": int(post.created)}
        if post.parent:
            item["parent"] = int(post.parent)
        if post.deleted:
            return item | {"deleted": True}
        item |= {"by": post.author, "text": markup(post.text)}
        if post.kind == "story":
            item |= {"title": escape(post.title, quote=False), "score": 3, "descendants": 0}
        kids = [
            int(one.native_id) for one in self.posts.values() if one.parent == native_id and one.created <= time.time()
        ]
        if kids:  # "The ids of the item's comments, in ranked display order"
            item["kids"] = kids
        return item | {"dead": True} if post.extra.get("dead") else item

    def _search(self, request: Request) -> Response:
        query = request.query
        for name in query:
            if name not in PARAMETERS:
                raise Refused(f"Unknown parameter: {name}")
        size, page = min(_whole(query, "hitsPerPage", 20), CEILING), _whole(query, "page", 0)
        if cap := request.fault("page_cap"):
            size = min(size, int(cap.options.get("depth", 100)))
        keep = [
            *_filters(query.get("numericFilters", "")),
            _tags(query.get("tags", "")),
            _matcher(query.get("query", "")),
        ]
        with self.town.lock:
            self.line.settle(time.time())
            found = [post for post in self.line.older(None) if all(test(post) for test in keep)]
        told = {"query": query.get("query", ""), "page": page, "hitsPerPage": size, "exhaustiveNbHits": True,
                "params": request.raw_query, "processingTimeMS": 2}  # fmt: skip
        if page * size >= CEILING:  # [ceiling] as the issue shows it
            told |= {"nbHits": 0, "nbPages": 0, "message": f"you can only fetch the {CEILING} hits for this query. You can extend"
                     " the number of hits returned via the paginationLimitedTo index parameter or use the browse method."}  # fmt: skip
            return answer({"hits": [], **told})
        hits = found[page * size : min((page + 1) * size, CEILING)]
        if hits and request.fault("duplicate"):
            hits.append(hits[0])
        return self._page(hits, told | {"nbHits": len(found), "nbPages": -(-min(len(found), CEILING) // size)}, request)

    def _page(self, posts: list[Post], told: dict[str, Any], request: Request) -> Response:
        self.pages += 1
        bad = request.fault("malformed") if posts else None
        spoilt = random.Random(f"{self.town.seed}:{self.pages}").randrange(len(posts)) if bad else -1
        hits, items = [], []
        for i, post in enumerate(posts):
            mode = bad.options.get("mode", "missing_id") if bad and i == spoilt else post.malformed
            hits.append(spoil(hit(post, self.posts.get(post.thread or "")), mode))
            items.append(key(post, mode, hits[-1]))
        response = answer({"hits": hits, **told})
        response.items = items
        if shift := request.fault("shift"):
            count, said = int(shift.options.get("posts", 5)), request.query.get("query", "")
            response.after = lambda: [
                self.town.post("hackernews", f"{said}: one more while you were paging, {i}", author=f"late{i}")
                for i in range(count)
            ]
        return response


def _whole(query: dict[str, str], name: str, default: int) -> int:
    raw = query.get(name, str(default))
    if not raw.isdigit() or (name == "hitsPerPage" and not int(raw)):
        raise Refused(f"Invalid value for {name!r} parameter, expected an unsigned integer")
    return int(raw)


def _filters(given: str) -> list[Any]:
    """[algolia] numericFilters: comma is AND."""
    tests = []
    for part in filter(None, given.split(",")):
        match = FILTER.fullmatch(part.strip())
        if not match:
            raise Refused(f"invalid numeric attribute({part}): expected operator")
        name, operator, number = match[1], COMPARE[match[2]], float(match[3])

        def test(post: Post, name: str = name, operator: Any = operator, number: float = number) -> bool:
            return bool(operator(post.created if name == "created_at_i" else 3.0, number))

        tests.append(test)
    return tests


def _tags(given: str) -> Any:
    """[search] ANDed, ORed where in brackets."""
    groups = [set(part.strip("()").split(",")) for part in re.findall(r"\([^)]*\)|[^,()]+", given)]
    return lambda post: all(group & set(tags(post)) for group in groups)


def _matcher(query: str) -> Any:
    """Every word must be there; the last may be the beginning of one; "…" is a phrase (advancedSyntax)."""
    phrases = [words(phrase) for phrase in re.findall(r'"([^"]*)"', query)]
    rest = words(re.sub(r'"[^"]*"', " ", query)).split()
    prefix = rest.pop() if rest and not query.rstrip().endswith('"') else ""

    def test(post: Post) -> bool:
        text = words(f"{post.title} {post.text} {post.author}")
        return (all(phrase in text for phrase in phrases) and all(f" {word} " in text for word in rest)
                and f" {prefix}" in text)  # fmt: skip

    return test


def tags(post: Post) -> list[str]:
    return [post.kind, f"author_{post.author}", f"story_{post.thread}"]


def markup(text: str) -> str:
    """Paragraphs begin with <p> that is never closed; slashes and apostrophes are entities; links are cut short."""

    def linked(match: re.Match[str]) -> str:
        address = match[0].replace("/", "&#x2F;")
        return f'<a href="{address}" rel="nofollow">{address}</a>'

    escaped = escape(text, quote=False).replace("'", "&#x27;").replace('"', "&quot;")
    return re.sub(r"https?://[^\s<]+", linked, escaped).replace("\n\n", "<p>")


def hit(post: Post, story: Post | None) -> dict[str, Any]:
    """A hit as the search shows it: https://hn.algolia.com/api, "Response"."""
    made = datetime.fromtimestamp(post.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    found: dict[str, Any] = {
        "objectID": post.native_id, "author": post.author, "created_at": made, "created_at_i": int(post.created),
        "_tags": tags(post), "updated_at": made, "story_id": int(post.thread or 0),
        "_highlightResult": {"author": {"matchLevel": "none", "matchedWords": [], "value": post.author}},
    }  # fmt: skip
    if post.kind == "comment":
        return found | {"comment_text": markup(post.text), "parent_id": int(post.parent or 0),
                        "story_title": story.title if story else None, "story_url": None}  # fmt: skip
    return found | {
        "title": post.title,
        "story_text": markup(post.text),
        "points": 3,
        "num_comments": 0,
        "children": [],
    }


def key(post: Post, mode: str, shown: dict[str, Any]) -> ServedKey:
    if mode == "missing_id":
        lost = "malformed:" + hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:16]
        return ("hackernews", "", lost, lost, 1)
    return ("hackernews", "", post.native_id, post.native_id, int(bool(mode)))


def spoil(shown: dict[str, Any], mode: str) -> dict[str, Any]:
    """The malformed shapes every stand-in knows."""
    if mode == "missing_id":
        return {name: value for name, value in shown.items() if name != "objectID"}
    if mode == "wrong_types":
        return shown | {
            "story_text": 42,
            "comment_text": 42,
            "created_at_i": "yesterday",
            "created_at": None,
            "_tags": None,
        }
    return shown | {"author": None} if mode == "null_author" else shown


STAND_INS = (HackerNews,)
