"""Texts that say the same are found, whatever the order they come in, and erased with the person who said it."""

import random
from collections.abc import Iterator
from itertools import combinations

import pytest

from domain.copies import alike, candidates, clusters, normal, sketch
from domain.nouns import Mention
from storage import copies
from storage.ledger import Ledger, one
from tests.ledgers import add_channel, person, post, store

WORDS = [f"word{number}" for number in range(400)]
BASE = "I have been waiting three weeks for my refund from Northbank and nobody answers the phone"


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (BASE.upper() + "!!!", True),
        (f"RT @joe: {BASE} https://t.co/abc", True),
        (BASE.replace("Northbank", "@northbank"), True),
        (BASE.replace("three weeks", "3 weeks"), True),
        (f"{BASE} today", True),
        ("I have been waiting two days for my card and nobody at Northbank answers the mail I sent", False),
        ("nobody answers", False),
    ],
)
def test_what_is_a_copy(other: str, same: bool) -> None:
    assert alike(normal(BASE), normal(other)) is same
    made = sketch(other)
    if same:
        assert made is not None
        assert set(made.bands) & set(sketch(BASE).bands)  # type: ignore[union-attr]  # it is found


def test_a_short_text_is_nobodys_copy() -> None:
    assert sketch("thanks, that worked fine") is None
    assert sketch("") is None
    assert sketch("我的退款在哪里") is None


def variants(rng: random.Random, stories: int, each: int) -> list[str]:
    """Stories told over and over, each time a word or two differently from the last."""
    told = []
    for _ in range(stories):
        words = rng.choices(WORDS, k=25)
        for _ in range(each):
            words = list(words)
            words[rng.randrange(25)] = rng.choice(WORDS)
            told.append(" ".join(words))
    return told


def test_the_order_does_not_change_the_cluster(rng: random.Random) -> None:
    texts = variants(rng, 6, 12)
    sketches = {id_: sketch(text) for id_, text in enumerate(texts, 1)}
    forms = {id_: made.normal for id_, made in sketches.items() if made}
    pairs = candidates({id_: made.bands for id_, made in sketches.items() if made})
    expected = clusters(forms, pairs)
    assert 6 <= len(set(expected.values())) <= 12
    for _ in range(20):
        rng.shuffle(pairs)
        assert clusters(forms, [(b, a) if rng.random() < 0.5 else (a, b) for a, b in pairs]) == expected
    everything = clusters(forms, combinations(forms, 2))
    agreed = sum(expected[id_] == everything[id_] for id_ in forms)
    assert agreed >= 0.9 * len(forms)  # bands find nearly all that comparing everything finds


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    made = Ledger(database_url, name="test", pool=2)
    add_channel(made, "x-one")
    yield made
    made.close()


def keep(ledger: Ledger, texts: list[str], prefix: str) -> list[int]:
    """Store the texts as mentions, with their bands; their ids in the order of the texts."""
    found: list[Mention] = [post("x", f"{prefix}{n}", text, person(n)) for n, text in enumerate(texts)]
    store(ledger, "x-one", found)
    sql = "SELECT id FROM mentions WHERE native_id = :native"
    with ledger.begin() as connection:
        ids = [one(connection, sql, native=mention.native_id) for mention in found]
        made = {id_: sketch(text) for id_, text in zip(ids, texts, strict=True)}
        copies.add(connection, {id_: one_ for id_, one_ in made.items() if one_})
    return ids


def test_the_ledger_tells_the_same_cluster_from_each_of_its_mentions(ledger: Ledger, rng: random.Random) -> None:
    stories = variants(rng, 3, 6)
    order = list(range(len(stories)))
    rng.shuffle(order)
    ids = dict(zip(order, keep(ledger, [stories[at] for at in order], "s"), strict=True))
    with ledger.begin() as connection:
        told = {at: copies.cluster(connection, id_) for at, id_ in ids.items()}
        forms = {ids[at]: normal(text) for at, text in enumerate(stories)}
        expected = clusters(forms, candidates({id_: sketch(form).bands for id_, form in forms.items()}))  # type: ignore[union-attr]
    for at, cluster in told.items():
        assert ids[at] in cluster.mention_ids
        assert cluster.name == expected[ids[at]]
        assert not cluster.more


def test_a_text_told_by_very_many_is_one_cluster_of_which_some_are_shown(ledger: Ledger) -> None:
    ids = keep(ledger, [f"{BASE} number {number % 7}" for number in range(260)], "viral")
    with ledger.begin() as connection:
        found = copies.cluster(connection, ids[130])
    assert found.more
    assert copies.MOST // 2 <= len(found.mention_ids) <= copies.MOST + copies.WIDEST
    assert ids[130] in found.mention_ids


def test_what_is_forgotten_is_found_no_more(ledger: Ledger) -> None:
    first, second = keep(ledger, ["a post of ten words that two people wrote alike"] * 2, "gone")
    with ledger.begin() as connection:
        assert copies.cluster(connection, first).mention_ids == (first, second)
        copies.forget(connection, [second])
        assert copies.cluster(connection, first).mention_ids == (first,)
