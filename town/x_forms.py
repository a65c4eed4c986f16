"""The JSON of X's posts and users, ids that tell the time, and the operators of its queries; no storage.

[fields] https://docs.x.com/x-api/fundamentals/data-dictionary  [operators] https://docs.x.com/x-api/posts/search/integrate/operators
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from town.ledger import ServedKey
from town.posts import Post
from town.query import BadQuery, Match

EPOCH_MS = 1288834974657  # snowflake: milliseconds since this moment, shifted by 22 bits


def snowflake(at: float, seq: int) -> str:
    return str(((int(at * 1000) - EPOCH_MS) << 22) | (seq & 0x3FFFFF))


def moment(native_id: int) -> float:
    return ((native_id >> 22) + EPOCH_MS) / 1000


def stamp(at: float) -> str:
    """Times come with a fraction that is always zero."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def user_id(handle: str) -> str:
    return str(int(hashlib.sha256(handle.lower().encode()).hexdigest()[:14], 16) + 10**9)


def user(handle: str, name: str | None, fields: frozenset[str]) -> str:
    """Defaults are id, name and username; the rest comes out of the handle, so that it stays the same."""
    rng = random.Random(handle)
    data = {"id": user_id(handle), "name": name or handle.replace("_", " ").title(), "username": handle}
    followers = int(10 ** rng.uniform(0.5, 4.2))
    more = {
        "created_at": stamp(1_300_000_000 + rng.randrange(400_000_000)),
        "verified": rng.random() < 0.03,
        "protected": False,
        "description": "",
        "public_metrics": {
            "followers_count": followers,
            "following_count": rng.randrange(900),
            "tweet_count": rng.randrange(20_000),
            "listed_count": rng.randrange(20),
        },
    }
    return json.dumps(data | {k: v for k, v in more.items() if k in fields})


def references(post: Post) -> list[dict[str, str]]:
    kinds = {"retweeted": post.extra.get("retweet_of"), "quoted": post.extra.get("quote_of"), "replied_to": post.parent}
    return [{"type": kind, "id": native_id} for kind, native_id in kinds.items() if native_id]


def tweet(post: Post, wanted: frozenset[str], posts: dict[str, Post]) -> dict[str, Any]:
    """[fields] id, text and edit_history_tweet_ids always; the rest when asked for; null is left out."""
    rng = random.Random(post.native_id)
    above = posts.get(post.parent or "")
    every = {
        "author_id": user_id(post.author) if post.author else None,
        "created_at": stamp(post.created),
        "lang": post.lang or "und",
        "conversation_id": post.thread,
        "referenced_tweets": references(post) or None,
        "in_reply_to_user_id": user_id(above.author) if above and above.author else None,
        "possibly_sensitive": False,
        "reply_settings": "everyone",
        "public_metrics": {
            "retweet_count": rng.randrange(9),
            "reply_count": rng.randrange(6),
            "quote_count": 0,
            "like_count": rng.randrange(40),
            "bookmark_count": 0,
            "impression_count": rng.randrange(5000),
        },
    }
    data = {"id": post.native_id, "text": post.text, "edit_history_tweet_ids": post.extra["history"]}
    return data | {k: v for k, v in every.items() if k in wanted and v is not None}


def key(post: Post, mode: str, text: str) -> ServedKey:
    if mode == "missing_id":
        lost = "malformed:" + hashlib.sha256(text.encode()).hexdigest()[:16]
        return ("x", "", lost, lost, 1)
    return ("x", "", post.native_id, post.root, int(bool(mode)))


def spoil(data: dict[str, Any], mode: str) -> dict[str, Any]:
    if mode == "missing_id":
        del data["id"], data["edit_history_tweet_ids"]
    elif mode == "wrong_types":
        data |= {"text": ["not", "a", "text"], "created_at": 17}
    elif mode == "null_author":
        data["author_id"] = None
    return data


def _has(value: str) -> Match:
    """has:links, has:hashtags, has:mentions, read off the text."""
    marks = {"links": "http", "hashtags": "#", "mentions": "@"}
    if value not in marks:
        raise BadQuery(f"Reference to invalid operator 'has:{value}'")
    return lambda post: marks[value] in post.text


def _is(value: str) -> Match:
    kinds: dict[str, Match] = {
        "retweet": lambda post: bool(post.extra.get("retweet_of")),
        "reply": lambda post: bool(post.parent),
        "quote": lambda post: bool(post.extra.get("quote_of")),
        "verified": lambda post: False,
        "nullcast": lambda post: False,
    }
    if value not in kinds:
        raise BadQuery(f"Reference to invalid operator 'is:{value}'")
    return kinds[value]


OPERATORS: dict[str, Callable[[str], Match]] = {
    "from": lambda value: lambda post: (post.author or "").lower() == value.lstrip("@"),
    "to": lambda value: lambda post: post.text.lower().startswith("@" + value.lstrip("@")),
    "lang": lambda value: lambda post: (post.lang or "und") == value,
    "conversation_id": lambda value: lambda post: post.thread == value,
    "url": lambda value: lambda post: value in post.text.lower(),
    "has": _has,
    "is": _is,
}
