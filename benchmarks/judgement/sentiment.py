"""Sentiment as shipped, against VADER alone, on sets that were never trained or tuned on. No language is named to the judge."""

import csv
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from benchmarks.judgement import Row, measure
from benchmarks.judgement.scores import calibration_error, f1, macro_f1, macro_recall
from config.bench import Bench, bench
from config.load import load
from domain.nouns import Sentiment
from domain.sentiment import label

CODES = {
    **{"arabic": "ar", "english": "en", "french": "fr", "german": "de", "hindi": "hi", "italian": "it"},
    **{"portuguese": "pt", "spanish": "es"},
}


@cache
def judge() -> Bench:
    return bench(load("config"))


@cache
def stock() -> SentimentIntensityAnalyzer:
    return SentimentIntensityAnalyzer()


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def feel(text: str) -> Sentiment:
    return judge().feel(text)[1]


def alone(text: str) -> str:
    return label(stock().polarity_scores(text)["compound"])


def _both(found: list[dict[str, str]]) -> tuple[list[str], list[str], list[str], list[Sentiment]]:
    """(truth, VADER's labels, our labels, our answers)."""
    ours = [feel(row["text"]) for row in found]
    return (
        [row["sentiment"] for row in found],
        [alone(row["text"]) for row in found],
        [one.label for one in ours],
        ours,
    )


@measure("umsab")
def umsab(data: Path) -> Iterator[Row]:
    found = rows(data / "umsab_val.csv")
    mine, theirs = [], []
    for language in sorted({row["language"] for row in found}):
        part = [row for row in found if row["language"] == language]
        truth, vader, ours, _ = _both(part)
        told = [judge().feel(row["text"])[0] for row in part]
        right = 100 * sum(code == CODES[language] for code in told) / len(part)
        unread = 100 * sum(one == "unscored" for one in ours) / len(part)
        mine.append(macro_f1(truth, ours))
        theirs.append(macro_f1(truth, vader))
        note = f"language told {right:.1f} %, unscored {unread:.1f} %"
        yield Row(f"UMSAB validation, {language}, macro-F1", mine[-1], theirs[-1], note=note)
    yield Row("UMSAB validation, mean macro-F1 of 8 languages", sum(mine) / 8, sum(theirs) / 8, "57")


@measure("tweeteval")
def tweeteval(data: Path) -> Iterator[Row]:
    truth, vader, ours, answers = _both(rows(data / "tweeteval_val.csv"))
    yield Row("TweetEval validation, macro recall", macro_recall(truth, ours), macro_recall(truth, vader), "65")
    scored = [(t, one.probabilities) for t, one in zip(truth, answers, strict=True) if one.probabilities]
    error = calibration_error([t for t, _ in scored], [chances for _, chances in scored])
    yield Row("TweetEval validation, calibration error (points)", error, note="shares of labels differ from training's")


@measure("sentiment140")
def sentiment140(data: Path) -> Iterator[Row]:
    truth, vader, ours, _ = _both(rows(data / "sentiment140_test.csv"))
    yield Row("Sentiment140, macro-F1", macro_f1(truth, ours), macro_f1(truth, vader), "77")


@measure("vader-tweets")
def vader_tweets(data: Path) -> Iterator[Row]:
    found = rows(data / "vader_tweets.csv")
    truth = [label(float(row["mean_rating"])) for row in found]
    vader, ours = [alone(row["text"]) for row in found], [feel(row["text"]).label for row in found]
    both = [(f1(truth, said, "negative") + f1(truth, said, "positive")) / 2 for said in (vader, ours)]
    yield Row("VADER's own tweets, mean of negative and positive F1", both[1], both[0], f"{both[0] - 1:.1f}")
    yield Row("VADER's own tweets, negative F1", f1(truth, ours, "negative"), f1(truth, vader, "negative"))
