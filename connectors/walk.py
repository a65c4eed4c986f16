"""Reading a newest-first listing without losing anything: the arithmetic of the two-phase watermark. Pure.

A walk goes from the newest item down to a bound fixed when it began (the watermark less a lookback for late arrivals). Its page token
is stored with every page, so it goes on in the next poll or process. Only when it reaches the bound, or the listing ends, does the
watermark move to the newest item it met. A listing that ends before known ground leaves a gap record.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from connectors.contract import GapFound

RING = 300  # ids kept to recognise known ground when times do not
DEEP = 500  # a listing that was empty when we last looked and is shorter than this now was read whole


def begin(position: dict[str, Any], now: float, lookback: float, backfill: float) -> dict[str, Any]:
    """A new walk. The first one ever goes back `backfill` seconds and owes no gap for what is older."""
    watermark = position.get("watermark")
    lower = now - backfill if watermark is None else watermark - lookback
    return {
        "lower": lower,
        "upper": None,
        "oldest": None,
        "token": None,
        "met": False,
        "items": 0,
        "pages": 0,
        "at": now,
    }


def step(walk: dict[str, Any], position: dict[str, Any], seen: Iterable[tuple[str, float | None]], now: float) -> bool:
    """Take one page of (id, created) in; True when the whole page lies below the bound.

    One item below it is not enough: real pages are not strictly newest first. Ties with the bound are above it.
    """
    known = set(position.get("recent", ()))
    watermark = position.get("watermark")
    times = []
    for native_id, created in seen:
        walk["items"] += 1
        walk["met"] = walk["met"] or native_id in known
        if created is not None:
            created = min(created, now)  # a post from the future must not carry the watermark there
            times.append(created)
            walk["upper"] = created if walk["upper"] is None else max(walk["upper"], created)
            walk["oldest"] = created if walk["oldest"] is None else min(walk["oldest"], created)
            walk["met"] = walk["met"] or (watermark is not None and created <= watermark)
    walk["pages"] += 1
    return bool(times) and max(times) < walk["lower"]


def finish(position: dict[str, Any], walk: dict[str, Any], reached: bool, reason: str) -> tuple[GapFound, ...]:
    """End the walk: the watermark moves, never back. A listing that ended above known ground is a gap."""
    watermark = position.get("watermark")
    position["walk"] = None
    gaps: tuple[GapFound, ...] = ()
    begun = bool(position.get("recent")) or walk["items"] >= DEEP
    if not reached and watermark is not None and walk["items"] and not walk["met"] and begun:
        until = walk["oldest"]
        gaps = (GapFound(_moment(watermark), _moment(until) if until is not None else None, reason),)
    newest = [moment for moment in (watermark, walk["upper"]) if moment is not None]
    position["watermark"] = max(newest) if newest else walk["at"]
    return gaps


def remember(position: dict[str, Any], ids: Iterable[str], size: int = RING) -> None:
    """Keep the newest ids met, without doubles."""
    fresh = list(dict.fromkeys(ids))
    known = set(fresh)
    position["recent"] = (fresh + [old for old in position.get("recent", ()) if old not in known])[:size]


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
