"""Which posts become tickets, and whose: complaints as shipped and trained, the learning curve, teams by example.

As shipped nothing is trained on complaints.csv. Folds leave an industry out; the random posts, which have none, are spread over
the folds by a hash of their id. Banking77 is taught ten examples per intent out of its training file and asked its test file.
"""

import csv
import hashlib
import random
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np

import config
from benchmarks.judgement import Row, measure
from benchmarks.judgement.scores import macro_f1
from config.bench import Bench, bench
from config.models import Config
from domain import cues, need
from domain.conditions import Facts
from domain.learning import Learned, Lesson, _matrix, _solve, _vocabulary, learn
from domain.nouns import Mention, Stored
from domain.teams import Router
from domain.triage import bench as compiled
from domain.triage import decide
from domain.words import Reading

RULES = Path(__file__).parents[2] / "config"
YES_NO = ("True", "False")
INDUSTRIES = ("apparel", "services", "software", "transport")
DRAWS = 10
EXAMPLES = 10


def _rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@cache
def _shipped(scorer: str = "") -> Bench:
    found = config.load(RULES, connectors=False)
    made = Config(rules=found.rules, settings=found.settings.model_copy(update={"scorer": scorer} if scorer else {}))
    return bench(made)


def _stored(rows: Sequence[dict[str, str]]) -> list[Stored]:
    when = datetime(2020, 1, 1, tzinfo=UTC)
    return [Stored(0, 1, Mention("", row["id"], when, content=row["text"]), ("t",)) for row in rows]


def _spread(row: dict[str, str], among: int) -> int:
    return int(hashlib.sha256(row["id"].encode()).hexdigest(), 16) % among


def _industry(row: dict[str, str]) -> int:
    return INDUSTRIES.index(row["domain"]) if row["domain"] in INDUSTRIES else _spread(row, len(INDUSTRIES))


def _score(truth: Sequence[bool], said: Sequence[bool]) -> float:
    return macro_f1([str(one) for one in truth], [str(one) for one in said], YES_NO)


def _judged(judge: Bench, stored: Sequence[Stored], learned: Learned | None = None) -> list[bool]:
    asked = replace(judge, judgement=replace(judge.judgement, learned=learned))
    return [asked.judge(item).outcome == "ticket" for item in stored]


def _known(judge: Bench, stored: Sequence[Stored]) -> list[tuple[Stored, Facts]]:
    """What is told of each post before anything learned is asked: the same for every model."""
    made = compiled(judge.judgement)
    return [(item, made.facts(item, item.mention, judge.scorer, judge.detect)) for item in stored]


def _decided(judge: Bench, known: Sequence[tuple[Stored, Facts]], learned: Learned | None = None) -> list[bool]:
    """As `_judged`, on facts that are known: a model only adds to the need."""
    made, said = compiled(judge.judgement), []
    for item, facts in known:
        if learned is not None:
            shares = learned.shares(Reading(item.mention.text), facts.intent, facts.need.odds)
            value = need.logistic(facts.need.odds + sum(share for _, share in shares))
            facts = replace(facts, need=replace(facts.need, value=round(value, 4)))
        said.append(decide(item, made, facts).outcome == "ticket")
    return said


@measure("complaints")
def complaints(folder: Path) -> Iterator[Row]:
    """As shipped; by industry; and with every weight of the need changed at random."""
    rows = _rows(folder, "complaints.csv")
    truth, stored = [row["complaint"] == "1" for row in rows], _stored(rows)
    said = _judged(_shipped(), stored)
    yield Row("complaint ⇒ ticket, macro-F1, as shipped", _score(truth, said), 62.9, "72", "1,866 posts")
    yield Row("the same with `scorer: vader`", _score(truth, _judged(_shipped("vader"), stored)), 62.9)
    for at, name in enumerate(INDUSTRIES):
        mine = [place for place, row in enumerate(rows) if _industry(row) == at]
        yield Row(
            f"… {name}, with a quarter of the random posts", _score([truth[i] for i in mine], [said[i] for i in mine])
        )
    yield from _shaken(truth, stored)


def _shaken(truth: Sequence[bool], stored: Sequence[Stored]) -> Iterator[Row]:
    dice, kept, scores = random.Random(1), need.WEIGHTS.copy(), []
    for _ in range(15):
        for cue in cues.CUES:
            need.WEIGHTS[cue.name] = need.weights(replace(cue, need=cue.need * dice.uniform(0.5, 1.5)))
        scores.append(_score(truth, _judged(_shipped(), stored)))
    need.WEIGHTS.update(kept)
    yield Row(
        "… worst of 15 with each cue's weight times 0.5 to 1.5 at random",
        min(scores),
        None,
        "",
        f"of {len(cues.CUES)} cues",
    )


def _lessons(judge: Bench, stored: Sequence[Stored], truth: Sequence[bool]) -> list[Lesson]:
    return [judge.lesson(item, wanted) for item, wanted in zip(stored, truth, strict=True)]


@measure("complaints-trained")
def trained(folder: Path) -> Iterator[Row]:
    """A linear model on the judgement's features and n-grams, trained without the industry it is tested on."""
    rows = _rows(folder, "complaints.csv")
    truth = [row["complaint"] == "1" for row in rows]
    lessons = _lessons(_shipped(), _stored(rows), truth)
    odds, wanted = np.array([one.odds for one in lessons]), np.array(truth, dtype=float)
    folds, said = np.array([_industry(row) for row in rows]), np.zeros(len(rows), dtype=bool)
    for fold in range(len(INDUSTRIES)):
        rest = [one for one, at in zip(lessons, folds, strict=True) if at != fold]
        test = [one for one, at in zip(lessons, folds, strict=True) if at == fold]
        vocabulary = _vocabulary(rest)
        scale, bias, weights = _solve(_matrix(rest, vocabulary), odds[folds != fold], wanted[folds != fold], 0.1)
        said[folds == fold] = scale * odds[folds == fold] + bias + _matrix(test, vocabulary) @ weights > 0
    found = _score(truth, said.tolist())
    yield Row(
        "complaint ⇒ ticket, trained leaving the tested industry out",
        found,
        62.9,
        "78",
        "default's log-odds, words, pairs, cues",
    )


@measure("learning-curve")
def curve(folder: Path) -> Iterator[Row]:
    """`earmark learn` on 50 to 600 corrections, ten draws each, tested on the fold left out, through the shipped rules."""
    rows = _rows(folder, "complaints.csv")
    truth, stored, judge = [row["complaint"] == "1" for row in rows], _stored(rows), _shipped()
    lessons = _lessons(judge, stored, truth)
    folds = [_spread(row, 5) for row in rows]
    parts = [
        ([i for i, at in enumerate(folds) if at != f], [i for i, at in enumerate(folds) if at == f]) for f in range(5)
    ]
    known = _known(judge, stored)
    default = _decided(judge, known)
    start = _mean(truth, default, parts)
    whole = list(default)
    for rest, test in parts:
        model, _ = learn([lessons[i] for i in rest])
        if model is not None:
            for i, said in zip(test, _decided(judge, [known[i] for i in test], model), strict=True):
                whole[i] = said
    end = _mean(truth, whole, parts)
    yield Row("learning curve: the default, mean of 5 folds", start)
    yield Row("… a model of all training folds", end)
    for size in (50, 100, 300, 600):
        gains, taken = [], 0
        for draw in range(DRAWS):
            rest, test = parts[draw % 5]
            model, _ = learn([lessons[i] for i in random.Random(draw * 100 + size).sample(rest, size)])
            taken += model is not None
            was = _score([truth[i] for i in test], [default[i] for i in test])
            now = _score([truth[i] for i in test], _decided(judge, [known[i] for i in test], model)) if model else was
            gains.append(now - was)
        gain = statistics.mean(gains)
        ask = f"{start + (end - start) / 3:.2f}" if size == 300 else f"{start - 0.5:.2f}"
        yield Row(
            f"… {size} corrections, mean of {DRAWS} draws",
            start + gain,
            None,
            ask,
            f"{gain:+.1f}, model taken in {taken}, worst draw {min(gains):+.1f}",
        )


def _mean(truth: Sequence[bool], said: Sequence[bool], parts: Sequence[tuple[list[int], list[int]]]) -> float:
    return statistics.mean(_score([truth[i] for i in test], [said[i] for i in test]) for _, test in parts)


@measure("teams")
def teams(folder: Path) -> Iterator[Row]:
    """Ten examples per intent out of the training file, by seed; every text of the test file."""
    taught: dict[str, list[str]] = {}
    for row in _rows(folder, "banking77_train.csv"):
        taught.setdefault(row["category"], []).append(row["text"])
    asked = _rows(folder, "banking77_test.csv")
    strangers = [row["text"] for row in _rows(folder, "tweeteval_val.csv")]
    right, sure, away = [], [], []
    for seed in (1, 2, 3):
        dice = random.Random(seed)
        router = Router([(name, dice.sample(taught[name], EXAMPLES)) for name in sorted(taught)])
        found = [router.route(row["text"]) for row in asked]
        hits = [one is not None and one.team == row["category"] for one, row in zip(found, asked, strict=True)]
        right.append(100 * statistics.mean(hits))
        sure.append(100 * statistics.mean(one is not None and one.confidence >= 0.5 for one in found))
        away.append(
            100 * statistics.mean((one := router.route(text)) is None or one.confidence < 0.5 for text in strangers)
        )
    yield Row(
        "Banking77, ten examples per intent, accuracy, %",
        statistics.mean(right),
        None,
        "75",
        f"3 draws: {', '.join(f'{one:.1f}' for one in right)}",
    )
    yield Row("… of its texts that are routed at team_confidence 0.5, %", statistics.mean(sure))
    yield Row("… of tweets about anything that go to the default team, %", statistics.mean(away))
