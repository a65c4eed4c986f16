"""Reddit, as its API pages and recorded traffic describe it.

[api] https://www.reddit.com/dev/api  [wiki] https://github.com/reddit-archive/reddit/wiki/API
[oauth] https://github.com/reddit-archive/reddit/wiki/OAuth2  [praw] https://praw.readthedocs.io
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import random
import re
import time
from heapq import merge
from itertools import islice
from typing import Any
from urllib.parse import parse_qs

from town import reddit_forms as forms
from town.faults import Fault
from town.http import JSON, Request, Response, Stand, answer
from town.posts import Key, Post, Timeline
from town.query import BadQuery, Parser

LISTING = re.compile(r"/r/([A-Za-z0-9_+]+)/(new|comments|search)")
COMMENTS = re.compile(r"(?:/r/[A-Za-z0-9_]+)?/comments/([a-z0-9]+)(?:/[^/]*)?")
# What praw's documentation tells apart: private is Forbidden, banned is NotFound, and a name nobody took redirects to
# the search for subreddits. Asked for alone; in a multireddit they are left out in silence.
CLOSED = {"private_sub": 403, "banned_sub": 404, "no_such_sub": 302}
AGES = {"hour": 3600, "day": 86400, "week": 7 * 86400, "month": 30 * 86400, "year": 365 * 86400, "all": 1e12}


class Reddit(Stand):
    """OAuth and the read side: new submissions, comments, search, info."""

    name = "reddit"
    keys = {"client_id": "town-reddit-app", "client_secret": "town-reddit-secret"}
    secrets = {"REDDIT_CLIENT_ID": keys["client_id"], "REDDIT_CLIENT_SECRET": keys["client_secret"]}
    rates = {"reddit": (60_000, 600)}
    options = {"reddit_depth": 1000, "reddit_token_ttl": 86_400, "reddit_disorder": 0.04}

    def __init__(self, town: Any) -> None:
        super().__init__(town)
        self.posts: dict[str, Post] = {}
        self.lines: dict[tuple[str, str], Timeline] = {}
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
        origin: str = "northbank",
        kind: str = "t3",
        parent: str | None = None,
        lang: str | None = None,
        malformed: str = "",
        **extra: Any,
    ) -> Post:
        native_id = f"{kind}_{forms.base36(60_000_000_000 + seq)}"
        above = self.posts.get(parent or "")
        thread = native_id if kind == "t3" else (above.thread if above else parent)
        return Post(
            "reddit",
            origin,
            native_id,
            kind,
            author,
            title or ("" if kind == "t1" else text[:80]),
            text,
            created,
            visible_from,
            seq,
            parent,
            thread,
            lang,
            malformed=malformed,
            extra=extra,
        )

    def take(self, post: Post) -> None:
        self.posts[post.native_id] = post
        for sub in (post.origin.lower(), "all"):
            self.line(sub, post.kind).add(post, time.time())

    def line(self, sub: str, kind: str) -> Timeline:
        return self.lines.setdefault((sub, kind), Timeline())

    def warm(self, post: Post) -> None:
        self.render(post, True)

    def edit(self, native_id: str, text: str, now: float) -> list[Post]:
        post = self.posts[native_id]
        post.text, post.edited = text, now
        post.cache.clear()
        return [post]

    def delete(self, native_id: str, shown: bool) -> Post:
        """Gone from the lists, or listed as [deleted]; both are seen, and info always shows the husk."""
        post = self.posts[native_id]
        post.deleted = "shown" if shown else "gone"
        post.cache.clear()
        if not shown:
            for sub in (post.origin.lower(), "all"):
                self.line(sub, post.kind).remove(post)
        return post

    def channel(self, page_size: int) -> dict[str, Any]:
        url = self.town.urls["reddit"]
        return {"kind": "reddit", "subreddits": ["northbank"], "base_url": url, "page_size": page_size}

    def says(self, rng: random.Random, n: int) -> dict[str, Any]:
        return {**super().says(rng, n), "origin": "northbank", "kind": rng.choice(("t1", "t3"))}

    # -- answering ----------------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        path = request.path.rstrip("/").removesuffix(".json")
        agent = request.headers.get("User-Agent", "")
        # [wiki] "Many default User-Agents (like "Python/urllib" or "Java") are drastically limited": answered 429.
        if not agent or agent.lower().startswith(("python-requests", "python-urllib", "java/")):
            return self.refuse(429)
        if path == "/api/v1/access_token":
            return self._token(request) if request.method == "POST" else self.refuse(405)
        if not self._authorised(request.headers.get("Authorization", "")):
            return self.refuse(401)
        limit, used, left, _ = self.spend()
        headers = forms.limits(limit, used, left)
        if used > limit:
            response = self.refuse(429)
        elif request.method != "GET":
            response = self.refuse(405)
        elif path == "/api/info":
            names = request.query.get("id", "").split(",")[:100]
            found = [p for n in names if (p := self.posts.get(n)) and p.visible_from <= time.time()]
            response = self._page(found, request, None)
        elif match := COMMENTS.fullmatch(path):
            response = self._comments(match[1], request)
        elif match := LISTING.fullmatch(path):
            response = self._listing(match[1].lower().split("+"), match[2], request)
        else:
            response = self.refuse(404)
        response.headers.update(headers)
        return response

    def refuse(self, status: int, fault: Fault | None = None) -> Response:
        words = {
            400: "Bad Request",
            401: "Unauthorized",
            403: "Forbidden",
            404: "Not Found",
            405: "Method Not Allowed",
            429: "Too Many Requests",
            500: "Internal Server Error",
        }
        response = answer({"message": words.get(status, "Error"), "error": status}, status)
        if status == 401:  # what prawcore reads to tell an expired token from a bad one (RFC 6750 section 3)
            response.headers["WWW-Authenticate"] = 'Bearer realm="reddit", error="invalid_token"'
        return response

    def reset_headers(self, seconds: int) -> dict[str, str]:
        limit = self.town.rates["reddit"][0]
        return forms.limits(limit, limit, seconds)

    def _token(self, request: Request) -> Response:
        """[oauth] application only: grant_type=client_credentials with the app's id and secret by Basic."""
        own = self.town.accounts["reddit"]
        wanted = f"{own['client_id']}:{own['client_secret']}"
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        try:
            plain = base64.b64decode(given, validate=True).decode() if scheme.lower() == "basic" else ""
        except (binascii.Error, UnicodeDecodeError):
            plain = ""
        if not hmac.compare_digest(plain, wanted):
            return answer({"message": "Unauthorized", "error": 401}, 401)
        form = {k: v[0] for k, v in parse_qs(request.body.decode("latin-1")).items()}
        if form.get("grant_type") != "client_credentials":
            return answer({"error": "unsupported_grant_type"})  # [oauth] an error in a 200
        ttl = int(self.town.options["reddit_token_ttl"])
        token = self._sign(f"{time.time() + ttl:.3f}")
        return answer({"access_token": token, "token_type": "bearer", "expires_in": ttl, "scope": "*"})

    def _sign(self, until: str) -> str:
        """A token says when it ends and carries a seal, so that it outlives a restart of the town."""
        secret = self.town.accounts["reddit"]["client_secret"].encode()
        return f"{until}-{hmac.new(secret, until.encode(), hashlib.sha256).hexdigest()[:32]}"

    def _authorised(self, header: str) -> bool:
        scheme, _, token = header.partition(" ")
        until, _, _ = token.partition("-")
        if scheme.lower() != "bearer" or not re.fullmatch(r"\d+\.\d+", until):
            return False
        return hmac.compare_digest(token, self._sign(until)) and float(until) > time.time()

    def _comments(self, article: str, request: Request) -> Response:
        """[api] GET [/r/subreddit]/comments/article: two listings, of the submission and of its comments, answers within `replies`.

        `comment` shows one comment and what answers it; beyond `limit` and `depth` stands a `more` that names what it hides. A deleted
        comment that was answered stays as [deleted], one that was not is left out.
        """
        top, query = self.posts.get(f"t3_{article}"), request.query
        if top is None or top.visible_from > time.time():
            return self.refuse(404)
        raw = query.get("limit", ""), query.get("depth", "")
        room = [min(int(raw[0]), 500) if raw[0].isdigit() else 200]
        deepest = int(raw[1]) if raw[1].isdigit() and int(raw[1]) else 10
        plain, now = query.get("raw_json") == "1", time.time()
        under: dict[str, list[Post]] = {}
        for post in self.posts.values():
            if post.kind == "t1" and post.thread == top.native_id and post.visible_from <= now:
                under.setdefault(post.parent or top.native_id, []).append(post)

        def listed(posts: list[Post], depth: int) -> dict[str, Any]:
            children: list[Any] = []
            kept = [post for post in posts if not post.deleted or under.get(post.native_id)]
            kept.sort(key=lambda post: post.created, reverse=query.get("sort") == "new")
            for at, post in enumerate(kept):
                if depth > deepest or room[0] <= 0:
                    rest = [hidden.native_id[3:] for hidden in kept[at:]]
                    about = {"count": len(rest), "children": rest, "id": rest[0], "name": f"t1_{rest[0]}"}
                    children.append({"kind": "more", "data": {**about, "parent_id": post.parent, "depth": depth - 1}})
                    break
                room[0] -= 1
                shown = json.loads(self.render(post, plain))
                below = under.get(post.native_id, [])
                shown["data"]["replies"] = listed(below, depth + 1) if below else ""
                children.append(shown)
            return {"kind": "Listing", "data": {"after": None, "dist": None, "modhash": "", "children": children}}

        focus = self.posts.get(f"t1_{query['comment']}") if query.get("comment") else None
        comments = listed([focus] if focus else under.get(top.native_id, []), 1)
        head = {"after": None, "dist": 1, "modhash": "", "children": [json.loads(self.render(top, plain))]}
        return answer([{"kind": "Listing", "data": head}, comments])

    # -- listings -----------------------------------------------------------------------------------------------

    def _listing(self, subs: list[str], what: str, request: Request) -> Response:
        if what == "search" and request.query.get("restrict_sr", "").lower() not in ("1", "true", "on"):
            subs = ["all"]  # [api] search leaves the subreddit unless restrict_sr is set
        if len(subs) == 1 and (status := CLOSED.get(subs[0])):
            response = self.refuse(status)
            if status == 302:
                response.headers["Location"] = f"{self.town.urls['reddit']}/subreddits/search?q={subs[0]}"
            return response
        kind = "t1" if what == "comments" else "t3"  # search finds submissions only (CONNECTORS.md 2.1 a)
        keep = None
        if what == "search":
            try:
                keep = self._matcher(request.query)
            except BadQuery:
                return self.refuse(400)
        with self.town.lock:
            lines = [self.line(sub, kind) for sub in subs]
            for line in lines:
                line.settle(time.time())
            return self._walk(lines, request, keep)

    def _matcher(self, query: dict[str, str]) -> Any:
        q = query.get("q", "").strip()
        if not q or query.get("sort", "relevance") not in ("new", "relevance", "hot", "top", "comments"):
            raise BadQuery("q")
        fields = {"author": "author", "subreddit": "origin", "title": "title", "selftext": "text"}

        def field(name: str) -> Any:
            return lambda value: lambda post: value in str(getattr(post, fields[name])).lower()

        matches = Parser(q, {name: field(name) for name in fields}).parse()
        oldest = time.time() - AGES.get(query.get("t", "all"), AGES["all"])
        return lambda post: post.created >= oldest and matches(post)

    def _walk(self, lines: list[Timeline], request: Request, keep: Any) -> Response:
        """[api] "limit: the maximum number of items desired (default: 25, maximum: 100)"; `after` and `before` are
        fullnames. Listings end after about 1000 items (PRAW, ListingGenerator)."""
        query = request.query
        raw = query.get("limit", "25")
        limit = min(int(raw), 100) if raw.isdigit() and int(raw) > 0 else 25
        before, after = query.get("before"), query.get("after")
        cap = request.fault("page_cap")
        depth = int(cap.options.get("depth", 100)) if cap else int(self.town.options["reddit_depth"])
        if before:
            anchor = self.posts.get(before)
            # A deleted or unknown anchor gives an empty page, not an error (praw-dev/praw#1043).
            if anchor is None or anchor.deleted:
                return self._page([], request, None)
            newer = sorted((p for line in lines for p in line.newer(anchor.key, limit)), key=lambda p: p.key)
            return self._page(newer[:limit][::-1], request, None)
        key: Key | None = None
        if after:
            anchor = self.posts.get(after)
            if anchor is None:
                return self._page([], request, None)
            key = anchor.key
        passed = sum(line.depth(key) for line in lines)
        if keep and key:  # a search is as deep in its own results
            passed = sum(1 for line in lines for p in line.newer(key, len(line.keys)) if keep(p)) + 1
        room = max(0, depth - passed)
        walk = (
            lines[0].older(key)
            if len(lines) == 1
            else merge(*(line.older(key) for line in lines), key=lambda p: p.key, reverse=True)
        )
        found = list(islice((p for p in walk if keep is None or keep(p)), min(limit, room) + 1))
        page, more = found[: min(limit, room)], len(found) > min(limit, room)
        if after and request.fault("duplicate") and (again := self.posts[after]).deleted != "gone":
            page.insert(0, again)
        return self._page(page, request, page[-1] if page and more and passed + len(page) < depth else None)

    def _page(self, posts: list[Post], request: Request, last: Post | None) -> Response:
        self.pages += 1
        rng = random.Random(f"{self.town.seed}:{self.pages}")
        if len(posts) > 3 and rng.random() < self.town.options["reddit_disorder"]:
            # About one real page in 27 is not strictly newest first (CONNECTORS.md finding 8; praw-dev/praw#2090).
            at = rng.randrange(len(posts) - 2)
            posts[at], posts[at + 1] = posts[at + 1], posts[at]
        # [api] "all JSON response bodies currently have <, >, and & replaced … add raw_json=1 to opt out".
        plain = request.query.get("raw_json") == "1"
        children, items = [], []
        bad = request.fault("malformed") if posts else None
        spoilt = rng.randrange(len(posts)) if bad else -1
        for i, post in enumerate(posts):
            mode = bad.options.get("mode", "missing_id") if bad and i == spoilt else post.malformed
            text = self.render(post, plain, mode)
            children.append(text)
            items.append(forms.key(post, mode, text))
        after = json.dumps(last.native_id if last else None)
        body = (
            f'{{"kind":"Listing","data":{{"after":{after},"dist":{len(posts)},"modhash":null,"geo_filter":"",'
            f'"children":[{",".join(children)}],"before":null}}}}'
        )
        response = Response(200, body.encode(), {"Content-Type": JSON}, items)
        if shift := request.fault("shift"):
            origin = posts[0].origin if posts else "northbank"
            kind = posts[0].kind if posts else "t3"
            count = int(shift.options.get("posts", 5))
            response.after = lambda: [
                self.town.post(
                    "reddit",
                    f"Northbank: one more while you were paging, {i}",
                    origin=origin,
                    kind=kind,
                    author=f"late{i}",
                    parent=posts[0].parent if posts else None,
                )
                for i in range(count)
            ]
        return response

    def render(self, post: Post, plain: bool, mode: str | None = None) -> str:
        mode = post.malformed if mode is None else mode
        found = post.cache.get((plain, mode))
        if found is None:
            found = json.dumps({"kind": post.kind, "data": forms.spoil(forms.data(post), mode)}, separators=(",", ":"))
            if not plain:
                found = found.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            post.cache[(plain, mode)] = found
        return found


STAND_INS = (Reddit,)
