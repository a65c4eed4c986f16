"""The desk's corrections: stored with who and when, learned from only when it helps, in force everywhere, and taken back."""

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from domain import learning
from domain.intent import Heard
from domain.learning import Learned, Lesson
from domain.nouns import Mention, Stored
from domain.rules import Judgement
from domain.triage import bench, judge
from domain.words import Reading
from storage import corrections, judged
from storage import learning as models
from storage.ledger import Ledger, one
from tests import web
from tests.test_judge_triage import ENGLISH, scorer


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    found = Ledger(database_url)
    yield found
    found.close()


@pytest.fixture(scope="module")
def client(ledger: Ledger, database_url: str) -> Iterator[httpx2.Client]:
    ids = web.people(database_url)
    with web.serve(web.make_app(database_url)) as address, web.enter(ledger, address, ids["agent"]) as found:
        yield found


PLAIN = Judgement(default_team="care", version="r1")


def stored(words: str) -> Stored:
    return Stored(1, 1, Mention("x", words, datetime(2026, 8, 1, tzinfo=UTC), content=words), ("northbank",))


def lessons(count: int, seed: int, taste: str = "lounge") -> list[Lesson]:
    """Posts of which the desk wants those that speak of one thing, whatever the default thinks."""
    dice = random.Random(seed)
    found = []
    for number in range(count):
        wanted = number % 2 == 0
        words = dice.choices(("train", "seat", "today", "window", "coffee", "morning", "city", "again"), k=6)
        said = " ".join([*words, taste if wanted else "garden", str(number)])
        found.append(bench(PLAIN).lesson(stored(said), scorer(), ENGLISH, wanted))
    return found


def test_a_taste_is_learned_and_changes_verdicts() -> None:
    model, report = learning.learn(lessons(120, 1))
    assert model is not None
    assert report.after > 95 > report.before
    assert report.better
    taught = replace(PLAIN, learned=model)
    found = judge(stored("the lounge by the window"), taught, scorer(), ENGLISH)
    assert found.outcome == "ticket"
    assert any(name == "learned: lounge" for name, _ in found.receipt["need"]["shares"])
    assert found.receipt["versions"]["learned"] == model.version
    assert judge(stored("the lounge by the window"), PLAIN, scorer(), ENGLISH).outcome == "ignore"


def test_noise_and_too_little_teach_nothing() -> None:
    dice = random.Random(2)
    noise = [replace(lesson, ticket=dice.random() < 0.5, odds=dice.gauss(0, 1)) for lesson in lessons(100, 3)]
    sure = [replace(lesson, odds=3.0 if lesson.ticket else -3.0) for lesson in noise]
    assert learning.learn(sure)[0] is None  # the default is right every time
    assert learning.learn(lessons(10, 4))[0] is None
    assert learning.learn([])[1].lessons == 0
    assert learning.learn([replace(lesson, ticket=True) for lesson in lessons(60, 5)])[0] is None


def leaning(count: int, seed: int, weakest: float) -> list[Lesson]:
    """Posts of two kinds, seven and three in ten of them tickets; the default knows each, but of every third hardly (`weakest`)."""
    dice = random.Random(seed)
    found = []
    for number in range(count):
        kind, wanted = number % 2, dice.random() < (0.3, 0.7)[number % 2]
        odds = weakest if number % 3 == 0 else 0.4 + 0.4 * dice.random()
        found.append(Lesson(str(number), (f"kind {kind}",), odds if wanted else -odds, wanted))
    return found


def test_a_model_that_is_surer_but_oftener_wrong_is_refused() -> None:
    """Its log loss falls, and with it alone it would be let in; what it says of tickets is worse than chance explains."""
    model, report = learning.learn(leaning(400, 11, 0.05))
    assert report.loss_after < report.loss_before - 0.02
    assert report.after < report.before - 10
    assert model is None
    assert not report.better


def test_a_fall_of_f1_that_chance_explains_refuses_nothing() -> None:
    model, report = learning.learn(leaning(400, 11, 0.5))
    assert report.loss_after < report.loss_before - 0.02
    assert report.after < report.before
    assert model is not None
    assert "within what chance moves it" in report.why


def test_what_is_learned_does_not_depend_on_the_order() -> None:
    taught = lessons(80, 6)
    turned = [*taught[40:], *taught[:40]]
    first, second = learning.learn(taught)[1], learning.learn(turned)[1]
    assert first.after == pytest.approx(second.after, abs=0.5)
    assert first.loss_after == pytest.approx(second.loss_after, abs=1e-3)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"weights": None},
        {"weights": {"a": float("nan")}},
        {"weights": {"a": 5000}},
        {"bias": "x"},
        {"version": "0"},
        {"weights": {"lounge": 9.0}},
    ],
    ids=str,
)
def test_a_broken_model_is_refused(change: dict[str, Any]) -> None:
    good = learning.written(Learned(learning._version({"scale": 1.0, "bias": 0.0, "weights": {"a": 1.0}}), {"a": 1.0}))
    assert learning.read(good).weights == {"a": 1.0}
    with pytest.raises(ValueError, match=r"\w"):
        learning.read({**good, **change})


def test_shares_add_up() -> None:
    model = Learned("v", {"a": 1.0, "b": -2.0, "a b": 0.5}, 1.5, 0.25)
    shares = model.shares(Reading("a b"), Heard("other", 0.0), 2.0)
    size = len(learning.parts(Reading("a b"), Heard("other", 0.0))) ** 0.5
    assert sum(share for _, share in shares) == pytest.approx(-0.5 / size + 0.25 + 0.5 * 2.0)


def test_versions_are_kept_and_a_broken_row_changes_nothing(ledger: Ledger) -> None:
    first, _ = learning.learn(lessons(60, 7))
    second, _ = learning.learn(lessons(80, 8))
    assert first is not None
    assert second is not None
    one_, two = (
        ledger.run(lambda c, m=m: models.keep(c, "test", learning.written(m), {"lessons": 1})) for m in (first, second)
    )
    with ledger.read() as connection:
        assert models.in_force(connection) == second
        assert [kept.in_force for kept in models.kept(connection)][:2] == [True, False]
    ledger.run(lambda c: models.restore(c, "test", one_))
    with ledger.read() as connection:
        assert models.in_force(connection) == first
    with ledger.begin() as connection:
        connection.execute(text("UPDATE models SET body = '{\"format\": 1}' WHERE id = :id"), {"id": two})
    with pytest.raises(ValueError, match="weights"):
        ledger.run(lambda c: models.restore(c, "test", two))
    with pytest.raises(ValueError, match="format"):
        ledger.run(lambda c: models.keep(c, "test", {"format": 9, "version": ""}, {}))
    with ledger.read() as connection:
        assert models.in_force(connection) == first
    ledger.run(lambda c: models.restore(c, "test", 0))
    with ledger.read() as connection:
        assert models.in_force(connection) is None


def test_a_correction_on_the_page_is_stored_and_opens_the_ticket(client: httpx2.Client, ledger: Ledger) -> None:
    id_ = web.mention(ledger, "to-correct", "The lounge was closed", outcome="ignore")
    page = client.get(f"/mentions/{id_}")
    assert page.status_code == 200
    assert "The lounge was closed" in page.text
    token = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert token is not None
    form = {"csrf": token[1], "outcome": "ticket", "intent": "complaint", "sentiment": "", "back": f"/mentions/{id_}"}
    answer = client.post(f"/mentions/{id_}/correct", data=form)
    assert answer.headers["location"] == f"/mentions/{id_}?said=ticket"
    with ledger.read() as connection:
        said = corrections.of(connection, [id_])[id_]
        assert (said.outcome, said.intent, said.label) == ("ticket", "complaint", None)
        assert said.by.startswith("user:")
        assert one(connection, "SELECT count(*) FROM digests WHERE mention_id = :id", id=id_) == 1
        assert (
            judged.judged(connection, [id_])[id_].outcome == "ignore"
        )  # the verdict stays; the decision stands beside it
    assert client.post(f"/mentions/{id_}/correct", data={**form, "back": "//evil.example"}).status_code == 422
    assert client.post(f"/mentions/{id_}/correct", data={**form, "intent": "lunch"}).status_code == 422
    assert client.post("/mentions/999999999/correct", data=form).status_code == 404
