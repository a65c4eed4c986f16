"""Who is told and who is not, what a single mention says, what a share and a silence are, and a threshold within a budget."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from domain import alerting, kinds
from domain.alerting import not_yet
from domain.flag_life import Last, act
from domain.live import Standing
from domain.paging import Page, PageRoute, Paging, Quiet, Raised, climb, decide
from domain.terms import grew, unheard
from domain.urgency import Filed, signals

NOON = datetime(2026, 8, 3, 12, tzinfo=UTC)
NIGHT = datetime(2026, 8, 3, 2, tzinfo=UTC)
FLAG = Raised("bank", "spike", 5)
QUIET = Paging(quiet=Quiet("22:00-07:00", severity=9))


@pytest.mark.parametrize(
    ("paging", "flag", "now", "action", "reason"),
    [
        (Paging(), FLAG, NOON, "sent", ""),
        (QUIET, FLAG, NIGHT, "held", "quiet hours"),
        (QUIET, FLAG, NOON, "sent", ""),
        (QUIET, Raised("bank", "mention", 8, signal="risk"), NIGHT, "sent", ""),
        (QUIET, Raised("bank", "spike", 9), NIGHT, "sent", ""),
        (Paging(), Raised("bank", "spike", 5, last_sent=NOON - timedelta(minutes=59), last_severity=5), NOON, "held", "cool-down"),
        (Paging(), Raised("bank", "spike", 6, last_sent=NOON - timedelta(minutes=59), last_severity=5), NOON, "sent", ""),
        (Paging(), Raised("bank", "spike", 5, last_sent=NOON - timedelta(minutes=60), last_severity=5), NOON, "sent", ""),
        (Paging(digest_below=6), FLAG, NOON, "digest", "severity 5"),
        (Paging(), Raised("bank", "spike", 5, snoozed_until=NOON + timedelta(hours=1)), NOON, "held", "snoozed"),
        (Paging(), Raised("bank", "spike", 5, late=True), NOON, "held", "the past"),
        (Paging(routes=(PageRoute(("a",), topics=("shop",)),)), FLAG, NOON, "held", "no route"),
    ],
)  # fmt: skip
def test_every_flag_is_told_or_held_for_a_reason(
    paging: Paging, flag: Raised, now: datetime, action: str, reason: str
) -> None:
    (page,) = decide(paging, flag, ["chat"], now)
    assert (page.action, page.reason.startswith(reason)) == (action, True)


def test_routes_by_severity_topic_and_time_and_the_next_level() -> None:
    routes = (
        PageRoute(("boss",), severity=8),
        PageRoute(("day",), hours="08:00-18:00"),
        PageRoute(("night",), then=("boss",), after=10),
    )
    paging = Paging(routes=routes)
    assert [p.target for p in decide(paging, Raised("bank", "spike", 9), [], NOON)] == ["boss"]
    assert [p.target for p in decide(paging, FLAG, [], NOON)] == ["day"]
    assert decide(paging, FLAG, [], NIGHT) == [Page("night", "sent", "", 0, NIGHT + timedelta(minutes=10))]
    only = Paging(routes=routes[2:])
    assert [p.target for p in climb(only, FLAG, NIGHT)] == ["boss"]
    assert climb(only, Raised("bank", "spike", 5, acknowledged=True), NIGHT)[0].action == "held"


def filed(**more: object) -> Filed:
    plain = {"mention_id": 1, "topic": "bank", "platform": "x", "url": None, "author": "", "text": "", "published": NOON, "intent": "service",
             "label": "negative", "followers": 10, "vip": False, "complaints": 1, "pleased": 0, "promise": False, "backfill": False}  # fmt: skip
    return Filed(**{**plain, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({}, []), ({"intent": "risk", "label": "neutral"}, ["risk"]), ({"vip": True}, ["vip"]), ({"vip": True, "label": "positive"}, []),
        ({"followers": 200_000}, ["reach"]), ({"complaints": 3}, ["third-complaint"]), ({"complaints": 4}, []),
        ({"pleased": 3}, ["mood"]), ({"promise": True}, ["promise"]),
    ],
)  # fmt: skip
def test_a_single_mention_that_must_not_wait(more: dict[str, object], wanted: list[str]) -> None:
    assert signals(filed(**more), 100_000) == wanted


def test_a_share_needs_enough_and_more_than_usual() -> None:
    everything = {b: 2.0 for b in range(4000)}
    usual = {b: 0.4 for b in range(4000)}
    bad = {**usual, **{b: 1.6 for b in range(3976, 4000)}}
    assert kinds.share(usual, everything, 3999, 0.4, 10) is None
    found = kinds.share(bad, everything, 3999, 0.4, 10)
    assert found is not None
    assert found.text.startswith("80%")
    assert kinds.share({3999: 3.0}, {3999: 3.0}, 3999, 0.4, 10) is None  # three of three say nothing


def test_silence_is_not_a_gap() -> None:
    said = {b: 1.0 for b in range(0, 3000, 3)}
    assert kinds.silence(said, frozenset(), 3010, 3) is None
    assert kinds.silence(said, frozenset(), 3100, 3) is not None
    assert kinds.silence(said, frozenset(range(3000, 3100)), 3100, 3) is None


@pytest.mark.parametrize(
    ("week", "before", "found"),
    [
        ((40, 100), (40, 400), True),
        ((10, 100), (40, 400), False),
        ((16, 100), (40, 400), False),  # its lower bound is not half as much again
        ((20, 29), (40, 400), False),  # too few to say
        ((40, 100), (0, 20), False),
    ],
)
def test_a_week_that_drifts(week: tuple[int, int], before: tuple[int, int], found: bool) -> None:
    sign = kinds.drift(kinds.Mood(*week), kinds.Mood(*before), 10)
    assert (sign is not None) == found
    assert sign is None or (sign.count, sign.text) == (
        40,
        "40% of the week's mentions are negative; of the four weeks before were 10%.",
    )


def test_terms_that_grew() -> None:
    before = [("en", f"the branch opens at {n}") for n in range(50)]
    said = ["the app is down again", "app down since noon", "is the app down", "the branch is open"]
    now = [("en", text) for text in said]
    assert {t["word"] for t in grew(now, before)} == {"app", "down"}
    assert grew([], before) == grew(now, []) == []


LITTLE = {
    "en": ["the", "and", "not", "but", "with", "this", "that", "they", "have", "from"],
    "de": ["der", "die", "und", "nicht", "aber", "mit", "dass", "sie", "haben", "von"],
    "fr": ["les", "des", "pas", "mais", "avec", "cette", "que", "elles", "ont", "pour"],
}


@pytest.mark.parametrize("language", LITTLE)
def test_little_words_that_are_said_oftener_are_no_terms(language: str) -> None:
    """Each little word stands in two fifths of the texts before and, by its nature, in more of the complaints; two words are the matter."""
    dice = np.random.default_rng(len(language) + ord(language[0]))
    little, things = LITTLE[language], [f"thing{n}" for n in range(200)]

    def text(often: float) -> list[str]:
        return [w for w in little if dice.random() < often] + [str(w) for w in dice.choice(things, 5)]

    before = [(language, " ".join(text(0.4))) for _ in range(300)]
    now = [(language, " ".join([*text(0.55), *(["karte", "outage"] if n % 2 else [])])) for n in range(60)]
    found = [t["word"] for t in grew(now, before)]
    assert found[:2] == ["karte", "outage"]
    assert not set(found) & set(little)
    assert (
        len(grew([(language, " ".join(text(0.4))) for _ in range(60)], before)) <= 1
    )  # of two hundred words, by chance


def test_a_language_that_is_new_is_said_and_gives_no_terms() -> None:
    before = [("en", f"the branch opens at {n}") for n in range(50)] + [("de", "die Filiale ist offen")] * 4
    english = [("en", f"the app is down {n}") for n in range(10)]
    german = [("de", f"und die App ist nicht da, {n}") for n in range(30)]
    assert {t["word"] for t in grew(english + german, before)} == {"app", "down"}
    assert unheard(english + german, before) == {"de": 30}
    heard = [*before, *(("de", f"die Filiale ist offen und nicht zu, {n}") for n in range(60))]
    found = {t["word"]: t["now"] for t in grew(english + german, heard)}
    assert found == {"app": 40, "down": 10}
    assert unheard(english + german, heard) == unheard(german, []) == {}


def test_a_threshold_within_a_budget() -> None:
    dice = np.random.default_rng(2)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    values = dice.negative_binomial(1, 0.1, 6 * 288)
    rows = [(start + n * timedelta(minutes=5), float(v)) for n, v in enumerate(values)]
    loose, tight = alerting.run(rows, 0.3, 1.0), alerting.within_budget(rows, 1 / 7, 1.0)
    assert loose.a_day > tight.a_day
    assert tight.a_day <= 1 / 7
    assert tight.threshold > 0.3
    assert alerting.suggested([0.7, 0.8, 0.9], [0.5, 0.55, 0.6]) == 0.62
    assert alerting.suggested([0.7], [0.5]) is None


# --- the life of a flag ----------------------------------------------------------------------------------------------
CALM = (timedelta(0),) * 4


def at_noon(
    flag: bool = False,
    score: float = 0.6,
    counts: float = 50,
    rested: datetime | None = None,
    calm: timedelta | None = None,
) -> Standing:
    return Standing(
        NOON, flag, score, 10, counts, 5, 30, rested, (calm,) * 4 if calm is not None else CALM, (counts,) * 4
    )


@pytest.mark.parametrize(
    ("standing", "last", "waiting", "wanted"),
    [
        (at_noon(flag=True), None, False, "open"),
        (at_noon(), None, False, ""),
        (at_noon(counts=75), Last(True, 10, 50, NOON), False, "update"),
        (at_noon(counts=74), Last(True, 10, 50, NOON), False, ""),
        (at_noon(flag=True, counts=74), Last(True, 1440, 50, NOON), False, "sharper"),  # an outage while a slow day stands
        (at_noon(counts=74), Last(True, 1440, 50, NOON), False, ""),
        (at_noon(score=0.1, calm=timedelta(minutes=20)), Last(True, 10, 50, NOON), False, "close"),
        (at_noon(flag=True, counts=60), Last(False, 10, 50, NOON), False, "same"),  # it has not rested
        (at_noon(flag=True, counts=60, rested=NOON), Last(False, 10, 50, NOON - timedelta(hours=3)), False, "open"),
        (at_noon(counts=500), Last(False, 10, 50, NOON), False, "open"),  # a small flag does not hide a crisis of the same day
        (at_noon(score=0.3, counts=500), Last(False, 10, 50, NOON), False, ""),
        (at_noon(), None, True, "open"),  # held back before, and it stands out as it did
        (at_noon(score=0.3), None, True, "over"),
        (at_noon(counts=3), None, True, "over"),
    ],
)  # fmt: skip
def test_what_becomes_of_a_flag(standing: Standing, last: Last | None, waiting: bool, wanted: str) -> None:
    assert act(standing, last, waiting, 0.5, 5) == wanted


def test_copies_do_not_count_towards_the_threshold() -> None:
    shown = {"authors": 40, "count": 60.0, "copies": 0, "threshold": 30.0}
    assert not_yet(shown, 3) == ""
    assert not_yet({**shown, "copies": 30}, 3) == ""
    assert "31 of 60 are copies" in not_yet({**shown, "copies": 31}, 3)
    assert "too few authors: 2" in not_yet({**shown, "authors": 2}, 3)
