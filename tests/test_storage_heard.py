"""The list behind a mark goes hour by hour: each mention stands on one page, in the order of time, whatever hours they fall in."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from storage import heard, talk
from storage.heard import PAGE, Asked
from storage.ledger import Ledger
from tests import web

BEGAN = datetime(2026, 3, 2, tzinfo=UTC)


@given(some.lists(some.integers(1, 130), max_size=30))
def test_pages_partition_the_hours(counts: list[int]) -> None:
    hours = [(BEGAN - timedelta(hours=n), count) for n, count in enumerate(counts)]
    everything = [(hour, n) for hour, count in hours for n in range(count)]
    for offset in range(0, len(everything), PAGE):
        chosen, skipped = heard._cut(hours, offset)
        within = [one for one in everything if one[0] in chosen]
        assert within[skipped : skipped + PAGE] == everything[offset : offset + PAGE]
        assert len(chosen) <= PAGE + 1


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    found = Ledger(database_url)
    yield found
    found.close()


def test_every_mention_stands_on_one_page(ledger: Ledger, rng: random.Random) -> None:
    told: list[tuple[datetime, int, str]] = []
    for n in range(170):
        at = BEGAN + timedelta(hours=rng.choice((0, 0, 0, 1, 5, 30, 31)), seconds=rng.randrange(3600))
        mood = rng.choice(("negative", "neutral"))
        id_ = web.mention(ledger, f"h{n}", "said", outcome="ignore", label=mood, author=f"a{n}")
        web.value(ledger, "UPDATE mentions SET published = :at WHERE id = :id RETURNING 1", at=at, id=id_)
        told.append((at, id_, mood))
    while ledger.run(talk.tally):
        pass
    everything = Asked(BEGAN, BEGAN + timedelta(days=3))
    for asked in (everything, replace(everything, moods=("negative",)), replace(everything, hour=5)):
        wanted = [
            id_
            for at, id_, mood in sorted(told, reverse=True)
            if mood in (asked.moods or (mood,)) and (asked.hour is None or at.hour == asked.hour)
        ]
        with ledger.read() as connection:
            first = heard.mentions(connection, asked)
            pages = [heard.mentions(connection, replace(asked, page=n + 1)) for n in range(first.pages)]
        assert first.total == len(wanted)
        assert [one.id for page in pages for one in page.mentions] == wanted

    gone = sorted(told, reverse=True)[10][1]  # erased: the figure keeps it, and nobody is lost from the list for it
    web.value(ledger, "DELETE FROM verdicts WHERE mention_id = :id RETURNING 1", id=gone)
    with ledger.read() as connection:
        pages = [heard.mentions(connection, replace(everything, page=n + 1)) for n in range(4)]
    assert pages[0].total == len(told)
    assert {one.id for page in pages for one in page.mentions} == {id_ for _, id_, _ in told} - {gone}
