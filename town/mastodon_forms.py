"""The JSON of Mastodon's statuses and accounts, and its rate headers; no storage.

[status] https://docs.joinmastodon.org/entities/Status/  [account] https://docs.joinmastodon.org/entities/Account/
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
from zlib import crc32

from town.ledger import ServedKey
from town.posts import Post

PIECES = re.compile(r"#(\w+)|(https?://)([^\s<>]+)")


def stamp(at: float) -> str:
    """ISO 8601 in UTC with milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def limits(limit: int, used: int, seconds: int) -> dict[str, str]:
    """The reset is an ISO time with microseconds and no number (app/controllers/concerns/rate_limit_headers.rb)."""
    until = datetime.fromtimestamp(time.time() + seconds, UTC).isoformat(timespec="microseconds")
    return {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(max(0, limit - used)),
        "X-RateLimit-Reset": until.replace("+00:00", "Z"),
    }


def key(post: Post, mode: str, status: dict[str, Any]) -> ServedKey:
    if mode == "missing_id":
        lost = "malformed:" + hashlib.sha256(json.dumps(status).encode()).hexdigest()[:16]
        return ("mastodon", "", lost, lost, 1)
    return ("mastodon", "", post.native_id, post.native_id, int(bool(mode)))


def markup(text: str, instance: str) -> str:
    """Content is HTML: paragraphs, line breaks, entities; the beginning of a link is hidden by a class."""

    def linked(match: re.Match[str]) -> str:
        if match[1]:
            return f'<a href="https://{instance}/tags/{match[1].lower()}" class="mention hashtag" rel="tag">#<span>{match[1]}</span></a>'
        return (
            f'<a href="{match[0]}" target="_blank" rel="nofollow noopener" translate="no">'
            f'<span class="invisible">{match[2]}</span><span class="">{match[3]}</span></a>'
        )

    parts = [part.replace("\n", "<br />") for part in PIECES.sub(linked, escape(text)).split("\n\n")]
    return "".join(f"<p>{part}</p>" for part in parts)


def account(post: Post, instance: str) -> dict[str, Any]:
    """[account] `acct` bears no domain on the account's own instance; `id` is this instance's, `url` and `uri` are everybody's."""
    name, home = (post.author or "someone").partition("@")[0], post.extra["instance"]
    rng = random.Random(f"{name}@{home}")
    return {
        "id": str(108_000_000_000_000_000 + crc32(f"{name}@{home}/{instance}".encode())), "username": name,
        "acct": name if home == instance else f"{name}@{home}", "display_name": name.title(), "locked": False, "bot": False,
        "discoverable": True, "indexable": False, "group": False, "noindex": bool(post.extra.get("noindex")),
        "created_at": "2022-11-05T00:00:00.000Z", "note": "<p></p>", "url": f"https://{home}/@{name}",
        "uri": f"https://{home}/users/{name}", "avatar": f"https://{home}/avatars/original/missing.png",
        "followers_count": rng.randrange(2000), "following_count": rng.randrange(500),
        "statuses_count": rng.randrange(1, 9000), "last_status_at": "2026-11-21", "emojis": [], "fields": [],
    }  # fmt: skip


def status(post: Post, own_id: str, instance: str) -> dict[str, Any]:
    """[status]; `edited_at`, `in_reply_to_id`, `language`, `url`, `card` and `poll` may be null."""
    home, rng = post.extra["instance"], random.Random(post.native_id)
    name = (post.author or "someone").partition("@")[0]
    last = post.native_id.removesuffix("/activity").rsplit("/", 1)[-1]
    return {
        "id": own_id, "created_at": stamp(post.created), "in_reply_to_id": None, "in_reply_to_account_id": None,
        "sensitive": bool(post.title), "spoiler_text": post.title, "visibility": post.extra.get("visibility", "public"),
        "language": post.lang, "uri": post.native_id, "url": f"https://{home}/@{name}/{last}",
        "replies_count": rng.randrange(4), "reblogs_count": rng.randrange(9), "favourites_count": rng.randrange(30),
        "quotes_count": 0, "edited_at": stamp(post.edited) if post.edited else None,
        "content": markup(post.text, home), "reblog": None, "account": account(post, instance), "media_attachments": [],
        "mentions": [], "tags": [{"name": tag, "url": f"https://{instance}/tags/{tag}"} for tag in re.findall(r"#(\w+)", post.text)],
        "emojis": [], "card": None, "poll": None,
    }  # fmt: skip


def spoil(status: dict[str, Any], mode: str) -> dict[str, Any]:
    """The malformed shapes every stand-in knows."""
    if mode == "missing_id":
        return {name: value for name, value in status.items() if name not in ("id", "uri", "url")}
    if mode == "wrong_types":
        return status | {"content": 42, "created_at": "yesterday", "tags": None, "favourites_count": "many"}
    return status | {"account": None} if mode == "null_author" else status
