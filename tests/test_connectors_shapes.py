"""`normalise` under any JSON whatever in any field: a mention, or MalformedItem, and nothing else."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import shape
from connectors.errors import MalformedItem
from connectors.inbound import appstore, discourse, feed, file, hackernews, imap, mastodon, reddit, webhook, x
from domain.nouns import Mention
from tests.reading import context

NOW = datetime(2026, 11, 21, tzinfo=UTC)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(st.characters(), max_size=12)
    | st.text("\x00\ud83dé <&a/:", min_size=1, max_size=6)
    | st.text("\x00\ud83dx", min_size=1, max_size=3)
    | st.sampled_from(
        ["[deleted]", "t3_a", "1e999", "-1", "9" * 30, "2026-11-21", "javascript:x", "\ud83d", "a\x00b", "<b>&#0;"]
    )
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)


def holding(names: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={name: JSON for name in names.split()})


REDDIT = holding(
    "name id author author_fullname body selftext title created_utc edited score num_comments permalink link_id parent_id "
    "removed_by_category"
)
POST = holding(
    "id text author_id created_at conversation_id edit_history_tweet_ids lang note_tweet public_metrics referenced_tweets"
)
USER = holding("id name username public_metrics")
ENTRY = holding(
    "id link links title title_detail summary summary_detail content published published_parsed updated updated_parsed "
    "created_parsed author author_detail thr_in-reply-to slash_comments url external_url content_text content_html "
    "date_published date_modified authors language"
)
DISCOURSE = holding(
    "id username name user_id cooked created_at updated_at version topic_id topic_title post_number reply_to_post_number "
    "reply_count reads hidden user_deleted deleted_at"
)
STATUS = holding(
    "id uri url created_at edited_at content spoiler_text visibility language account reblog in_reply_to_id "
    "in_reply_to_account_id favourites_count"
)
ACCOUNT = holding("id acct url display_name followers_count noindex")
HIT = holding(
    "objectID author created_at created_at_i title story_text comment_text parent_id story_id points num_comments"
)
ROW = holding("id text title author url published rating context language event issue comment post entry")
MAIL = holding("uid size at headers parts attachments too_large broken") | st.fixed_dictionaries(
    {
        "headers": st.lists(
            st.tuples(st.sampled_from(["from", "message-id", "date", "subject", "references"]), SCALARS).map(list)
        ),
        "parts": st.lists(st.fixed_dictionaries({"type": SCALARS, "charset": SCALARS, "text": SCALARS}), max_size=2),
    }
)
LABEL = st.fixed_dictionaries({}, optional={"label": JSON, "attributes": JSON}) | JSON
REVIEW = st.fixed_dictionaries(
    {},
    optional={
        name: LABEL for name in ("id", "updated", "title", "content", "im:rating", "im:voteSum", "link", "author")
    },
)
PERSON = st.fixed_dictionaries({}, optional={"uri": LABEL, "name": LABEL}) | JSON
HEAD = holding("language title link author author_detail")
FRAMES = st.fixed_dictionaries(
    {"entry": ENTRY | JSON, "head": HEAD | JSON, "kind": st.sampled_from(["json", "rss20", 1]), "base": JSON}
)


def sound(mention: Mention) -> None:
    json.dumps([mention.native_id, mention.text, mention.url, mention.context, mention.origin]).encode()
    for text in (mention.native_id, mention.text, mention.url or "", mention.context, mention.in_reply_to or ""):
        text.encode()
        assert "\x00" not in text
    author = mention.attributed_to
    for text in (author.native_id, author.handle, author.name, author.url or "") if author else ():
        text.encode()
        assert "\x00" not in text
    assert mention.native_id
    assert shape.EARLIEST <= mention.published <= NOW + shape.AHEAD
    assert (mention.url or "http").startswith("http")
    assert all(isinstance(number, int) and abs(number) < 2**63 for number in mention.metrics.values())
    for text in (mention.published_raw or "",):
        text.encode()
        assert "\x00" not in text


def read(connector: Any, raw: Any) -> None:
    try:
        sound(connector.normalise(raw))
    except MalformedItem:
        return


CONTEXT = context(now=lambda: NOW)
R = reddit.Connector(reddit.Settings(subreddits=["a"]), CONTEXT)
X = x.Connector(x.Settings(query="a"), CONTEXT)
D = discourse.Connector(discourse.Settings(url="https://a.example"), CONTEXT)
M = mastodon.Connector(mastodon.Settings(instance="a.example", tags=["a"]), CONTEXT)
H = hackernews.Connector(hackernews.Settings(queries=["a"]), CONTEXT)
MAILBOX = imap.Connector(imap.Settings(host="a.example", username="me@a.example"), CONTEXT)
A = appstore.Connector(appstore.Settings(app_id="12345"), CONTEXT)
F = feed.Connector(feed.Settings(url="https://a.example/f"), CONTEXT)


@settings(max_examples=300, deadline=None)
@given(REDDIT, st.sampled_from(["t1", "t3", None, 3]))
def test_reddit(data: dict[str, Any], kind: Any) -> None:
    read(R, {"kind": kind, "data": {"name": "t3_a", **data}})


@settings(max_examples=300, deadline=None)
@given(POST | JSON, USER | JSON)
def test_x(post: Any, author: Any) -> None:
    read(X, {"post": {"id": "5", **post} if isinstance(post, dict) else post, "author": author})


@settings(max_examples=300, deadline=None)
@given(FRAMES)
def test_feed(raw: dict[str, Any]) -> None:
    read(F, raw)


@settings(max_examples=200, deadline=None)
@given(DISCOURSE)
def test_discourse(post: dict[str, Any]) -> None:
    read(D, {"id": 7, **post})


@settings(max_examples=200, deadline=None)
@given(STATUS, ACCOUNT, STATUS | JSON, JSON)
def test_mastodon(status: dict[str, Any], account: Any, reblog: Any, parent: Any) -> None:
    read(M, {"status": {"uri": "https://a.example/1", "account": account, "reblog": reblog, **status}, "root": parent})


@settings(max_examples=200, deadline=None)
@given(HIT, st.booleans())
def test_hackernews(hit: dict[str, Any], gone: bool) -> None:
    read(H, {"hit": {"objectID": "9", **hit}, "gone": gone})


@settings(max_examples=200, deadline=None)
@given(MAIL)
def test_imap(mail: dict[str, Any]) -> None:
    read(MAILBOX, mail)


@settings(max_examples=200, deadline=None)
@given(REVIEW, PERSON)
def test_appstore(review: dict[str, Any], author: Any) -> None:
    read(A, {"country": "us", "entry": {"id": {"label": "9"}, "author": author, **review}})


@settings(max_examples=200, deadline=None)
@given(ROW | JSON, st.sampled_from(["generic", "github", "slack", "meta", "stripe", "discourse"]))
def test_webhook_and_file(row: Any, preset: Any) -> None:
    read(
        webhook.Connector(webhook.Settings(preset=preset, secret_env="A"), CONTEXT), {"row": 1, "at": None, "item": row}
    )
    for paths in ({}, {"text": "text.a|text|*.0", "id": "id.0"}):
        read(file.Connector(file.Settings(path="a.csv", fields=paths), CONTEXT), {"line": 1, "row": row})


@settings(max_examples=100, deadline=None)
@given(JSON)
def test_anything(raw: Any) -> None:
    for connector in (R, X, F, MAILBOX, D, M, H, A):
        read(connector, raw)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (1_700_000_000, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ("1700000000.0", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ("2023-11-14T23:13:20+01:00", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ("20231114", datetime(2023, 11, 14, tzinfo=UTC)),
        (True, None),
        ("yesterday", None),
        (float("inf"), None),
        (10**30, None),
        (None, None),
    ],
)
def test_moments(value: object, moment: datetime | None) -> None:
    assert shape.when(value) == moment


def test_clamping_keeps_what_was_said() -> None:
    future = NOW + timedelta(days=9)
    assert shape.clamp(future, "in nine days", NOW) == (NOW, "in nine days", ("date-clamped",))
    assert shape.clamp(NOW + timedelta(minutes=2), "soon", NOW) == (NOW + timedelta(minutes=2), None, ())
    assert shape.clamp(None, None, NOW) == (NOW, "", ("undated",))
