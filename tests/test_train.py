"""Training: the same files give the same model, byte for byte; copies of a post stay in one part; the second look is explained by shares."""

import csv
import math
import random
from pathlib import Path

import pytest

from benchmarks import train
from benchmarks.kin import parts
from config import bench
from config.load import load
from domain.learned import EarmarkScorer
from domain.model import Model

GOOD = ["great", "lovely", "happy", "thanks", "perfect", "brilliant", "gut", "toll"]
BAD = ["awful", "broken", "refund", "waiting", "worst", "angry", "schlecht", "kaputt"]
PLAIN = ["train", "station", "monday", "the", "a", "of", "bus", "ticket", "office", "der", "die", "heute"]


def _write(folder: Path) -> None:
    """Three small files of made-up posts in the shapes of the public ones."""
    dice = random.Random(5)

    def post(label: str) -> str:
        own = {"negative": BAD, "positive": GOOD, "neutral": PLAIN}[label]
        return " ".join(dice.choice(own if dice.random() < 0.5 else PLAIN) for _ in range(dice.randint(3, 14)))

    labels = ("negative", "neutral", "positive")
    for name, languages in (("umsab_train.csv", ("english", "german")), ("semeval.csv", ("",))):
        with (folder / name).open("w", encoding="utf-8", newline="") as lines:
            rows = csv.writer(lines)
            rows.writerow(("language", "text", "sentiment"))
            rows.writerows((dice.choice(languages), post(label), label) for label in labels * 60)
    with (folder / "vader_tweets.csv").open("w", encoding="utf-8", newline="") as lines:
        rows = csv.writer(lines)
        rows.writerow(("id", "text", "mean_rating"))
        rows.writerows((n, post("positive" if n % 2 else "negative"), 1.5 if n % 2 else -1.5) for n in range(60))


def _trained(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> bytes:
    out = folder / name
    given = ["train", "--data", str(folder), "--out", str(out), "--steps", "15"]
    monkeypatch.setattr("sys.argv", given)
    assert train.main() == 0
    return out.read_bytes()


@pytest.mark.timeout(300)
def test_training_twice_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "SLOTS", 1 << 14)
    _write(tmp_path)
    first = _trained(tmp_path, "one", monkeypatch)
    assert first == _trained(tmp_path, "two", monkeypatch)
    model = Model(first)
    assert set(model.second) == {"en"}
    scorer = EarmarkScorer(model, bench.lexicon(load("config")), "")
    assert scorer.score("awful broken worst", "en").label == "negative"
    assert scorer.score("lovely perfect toll", "de").label == "positive"
    _shares_add_up(scorer)


def _shares_add_up(scorer: EarmarkScorer) -> None:
    """In English, where there is a second look: the shares and the bias every text has are what was decided by."""
    again, first = scorer.model.second["en"], scorer.model.bias
    always = again.turn[0] * first[0] + again.turn[1] * first[1] + again.bias[2]
    dice, checked = random.Random(6), 0
    for _ in range(300):
        words = dice.choices(
            [*BAD, *GOOD, *PLAIN, "I", "you!", "#tag", "http://x.y", "3", "@joe"], k=dice.randint(2, 20)
        )
        found = scorer.score(" ".join(words), "en")
        if found.probabilities is None:
            continue
        negative, _, positive = found.probabilities
        if found.reason or min(negative, positive) < 0.02:
            continue
        checked += 1
        assert sum(share for _, share in found.words) + always == pytest.approx(math.log(positive / negative), abs=0.02)
    assert checked > 10


def test_copies_stay_in_one_part() -> None:
    post = "my parcel has been lost for three weeks and nobody answers the phone"
    copies = [post, f"RT @joe: {post}", f"{post} http://t.co/abc", f"so {post}", post.upper()]
    dice = random.Random(7)
    others = [" ".join("".join(dice.choices("abcdefgh", k=5)) for _ in range(10)) for _ in range(60)]
    found = parts([*copies, *others], 3)
    assert len({*found[: len(copies)]}) == 1
    assert {*found} == {0, 1, 2}
