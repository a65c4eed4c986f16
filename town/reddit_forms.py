"""The JSON of Reddit's submissions and comments, and its rate headers; no storage.

Fields as recorded traffic has them: https://github.com/praw-dev/praw/tree/main/tests/integration/cassettes
"""

from __future__ import annotations

import hashlib
import random
import re
from typing import Any

from town.ledger import ServedKey
from town.posts import Post


def base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits or "0"


def limits(limit: int, used: int, left: int) -> dict[str, str]:
    """Remaining is a float in a string, reset is seconds to go and no epoch (seen in prawcore's cassettes)."""
    return {
        "x-ratelimit-remaining": f"{max(0, limit - used):.1f}",
        "x-ratelimit-used": str(min(used, limit)),
        "x-ratelimit-reset": str(left),
    }


def key(post: Post, mode: str, text: str) -> ServedKey:
    if mode == "missing_id":
        lost = "malformed:" + hashlib.sha256(text.encode()).hexdigest()[:16]
        return ("reddit", post.origin, lost, lost, 1)
    return ("reddit", post.origin, post.native_id, post.native_id, int(bool(mode)))


def data(post: Post) -> dict[str, Any]:
    """The fields of a t1 or t3 that recordings agree on."""
    created = float(int(post.created))  # whole seconds, as a float: ties within a second are the rule
    short = post.native_id[3:]
    rng = random.Random(post.native_id)
    data: dict[str, Any] = {
        "subreddit": post.origin,
        "subreddit_name_prefixed": f"r/{post.origin}",
        "subreddit_id": "t5_2qh1i",
        "id": short,
        "name": post.native_id,
        "author": post.author,
        "score": rng.randrange(1, 90),
        "gilded": 0,
        "created": created,
        "created_utc": created,
        "edited": float(int(post.edited)) if post.edited else False,
        "locked": False,
        "stickied": False,
        "archived": False,
        "distinguished": None,
        "saved": False,
        "author_fullname": "t2_" + hashlib.sha256(str(post.author).encode()).hexdigest()[:7],
    }
    if post.kind == "t3":
        link = f"/r/{post.origin}/comments/{short}/{re.sub(r'[^a-z0-9]+', '_', post.title.lower())[:40].strip('_')}/"
        data |= {
            "title": post.title,
            "selftext": post.text,
            "is_self": True,
            "domain": f"self.{post.origin}",
            "permalink": link,
            "url": f"https://www.reddit.com{link}",
            "num_comments": rng.randrange(9),
            "upvote_ratio": 0.93,
            "over_18": False,
            "removed_by_category": None,
        }
    else:
        thread = (post.thread or "t3_1")[3:]
        data |= {
            "body": post.text,
            "link_id": post.thread or "t3_1",
            "parent_id": post.parent or "t3_1",
            "permalink": f"/r/{post.origin}/comments/{thread}/comment/{short}/",
            "is_submitter": False,
            "link_title": post.title,
            "controversiality": 0,
            "replies": "",
        }
    if post.deleted:  # author and text become [deleted], the title stays, author_fullname goes (seen in recordings)
        data["author"] = "[deleted]"
        data["body" if post.kind == "t1" else "selftext"] = "[deleted]"
        del data["author_fullname"]
    return data


def spoil(data: dict[str, Any], mode: str) -> dict[str, Any]:
    """The malformed shapes of CONNECTORS.md finding 3, and worse."""
    if mode == "missing_id":
        del data["id"], data["name"]
    elif mode == "wrong_types":
        data |= {"created_utc": "yesterday", "body" if "body" in data else "selftext": 42, "edited": "no"}
    elif mode == "null_author":
        data["author"] = None
        del data["author_fullname"]
    return data
