"""What a flag was raised on: counts against the baseline with the threshold, who spoke and where, what grew, gaps, versions."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from domain import amplified, spikes, terms
from domain.live import Standing
from domain.rules import SpikeRule
from storage import configurations, counts
from workers.lookout import Key
from workers.tick import Tick

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
SAMPLES = 5
TEXTS = 300  # read for the terms that grew
VOICES = 1_000  # mentions looked at for copies, the newest; the evidence says so when there are more


def of_spike(at: Tick, rule: SpikeRule, key: Key, standing: Standing) -> dict[str, Any]:
    """The evidence of a series that stands out, of the time its scale sums."""
    topic, platform, measure = key
    until = at.now.replace(second=0, microsecond=0)
    start = until - timedelta(minutes=standing.scale)
    about = counts.About(topic, platform, *counts.split(measure))
    voices = counts.voices(at.connection, about, start, until + MINUTE)
    said = counts.texts(at.connection, about, start, until + MINUTE, VOICES)
    heard = amplified.heard(said, voices["mentions"])
    found = counts.samples(at.connection, about, start, until + MINUTE, SAMPLES)
    now = counts.words(at.connection, topic, start, until + MINUTE, TEXTS)
    before = counts.words(at.connection, topic, start - 7 * DAY, start, TEXTS)
    unheard = terms.unheard(now, before)
    samples = [{"mention_id": row["id"], **{k: row[k] for k in ("platform", "url", "author", "text")}} for row in found]
    return {
        "window": {"from": start.isoformat(), "to": until.isoformat()},
        "count": standing.count,
        "baseline": standing.baseline,
        "threshold": standing.border,
        "score": standing.score,
        "minutes": standing.scale,
        "floor": rule.floor,
        "authors": voices["authors"] - heard.only_copied,
        "reach": voices["reach"],
        "copies": heard.copies,
        "reposts": voices["reposts"],
        **({"copies_looked_for_in": len(said)} if voices["mentions"] > len(said) else {}),
        "intent": voices["intent"],
        "platforms": list(voices["platforms"]),
        "first_mention": voices["first_id"],
        "terms": terms.grew(now, before),
        **({"new_languages": unheard} if unheard else {}),
        "links": sorted({s["url"] for s in samples if s["url"]}),
        "detector": spikes.VERSION,
        "rule_version": at.current.hash[:12],
        "samples": samples,
        "gaps": gaps(at.connection, at.now - DAY),
        "baseline_adapts": adapting(at, topic),
    }


def gaps(connection: Connection, since: datetime) -> list[dict[str, Any]]:
    """What was not evaluable, in words a page can show."""
    return [
        {
            "channel": gap["channel"],
            "since": gap["since"].isoformat() if gap["since"] else None,
            "until": gap["until"].isoformat() if gap["until"] else None,
            "reason": gap["reason"],
            "text": f"not evaluable {gap['since']:%H:%M} to {gap['until']:%H:%M}, {gap['channel']} was down"
            if gap["since"] and gap["until"]
            else f"not evaluable, {gap['channel']} is down",
        }
        for gap in counts.gaps(connection, since)
    ]


def adapting(at: Tick, topic: str) -> list[str]:
    """Channels of a topic that began to be read, or to be read differently, within the fortnight that says what is usual."""
    feeds = [channel.name for channel in at.current.channels if not channel.topics or topic in channel.topics]
    since = at.now - 14 * DAY
    changed = configurations.topics_changed(at.connection, since).get(topic)
    said = (
        [f"the query of {topic} changed at {changed:%Y-%m-%d %H:%M} UTC: what is usual begins there"] if changed else []
    )
    return said + [
        f"{row['name']} is read {'so' if row['edited'] else 'only'} since {row['since']:%Y-%m-%d %H:%M} UTC: "
        "what was published before is taken for what is usual where it was read, and raises nothing"
        for row in counts.adapting(at.connection, feeds, since)
    ]
