"""Reading a rejected item again, from the raw form that was kept: after an update of its connector it may well be readable.

It travels as a page of its own, under the channel's lease, so that counters and promises hold for it as for any other.
"""

import json

from sqlalchemy import Connection

import config
from connectors.errors import MalformedItem
from domain.query import matching
from storage import channels, dead, mentions, page_in
from storage.ledger import Ledger
from workers.bootstrap import context, watched


def reread(ledger: Ledger, current: config.Config, secret: bytes, reject_id: int, actor: str) -> str:
    """Store the item and return where it went: new, edited, known, not matching, suppressed.

    Raises LookupError for a reject that is not there, dead.CannotRetry with the reason when it still cannot be read.
    """
    reject = ledger.run(lambda c: dead.rejected(c, reject_id))
    name = (reject["channel"] or {}).get("name", "")
    channel = next((found for found in current.channels if found.name == name), None)
    if channel is None:
        raise dead.CannotRetry(f"its channel {name or reject['channel_id']} is not configured any more")
    plan = watched(current, channel)
    try:
        mention = plan.connect(context(current)).normalise(json.loads(reject["payload"]))
    except (MalformedItem, ValueError, TypeError, KeyError, AttributeError) as error:
        raise dead.CannotRetry(f"it still cannot be read: {error}") from error
    found = page_in.Found(mention, matching(plan.topics, mention), reject["payload"])
    leased = ledger.run(lambda c: _lease(c, name, actor))
    if leased is None:
        raise dead.CannotRetry(f"channel {name} is being polled, paused or told to wait: try again in a minute")
    page = page_in.PageIn(
        leased.id, leased.lease, leased.state, [found], [], complete=False, warnings=["a reject read again"]
    )

    def store(connection: Connection) -> page_in.PageCounts:
        counts = mentions.store_page(connection, secret, page)
        dead.stored(connection, reject_id, actor)
        return counts

    try:
        counts = ledger.run(store)
    finally:
        ledger.run(lambda c: channels.release(c, leased, satisfied=False))
    places = ("new", "edited", "deleted", "known", "not_matching", "suppressed")
    return next((place.replace("_", " ") for place in places if getattr(counts, place)), "")


def _lease(connection: Connection, name: str, actor: str) -> channels.Leased | None:
    id_ = channels.want(connection, name)
    return None if id_ is None else channels.lease(connection, id_, actor)
