"""What a desk's own corrections teach: a small model that adds its share to the need for somebody to act. Pure; numpy and scipy only.

A logistic regression over words, pairs of neighbours and cues, with the default judgement's log-odds as its starting point: without
evidence it says what the default says, and a ridge keeps it near. Whether the model is worth having is decided by cross-validation
on the corrections.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from domain.intent import Heard
from domain.words import Reading

FORMAT = 1
RIDGE = 0.5  # on the weights; to choose it by cross-validation too was worse: a few hundred corrections cannot tell 0.3 from 1
STIFF = 100.0  # how strongly the default's scale and threshold are held: only hundreds of corrections move them
FOLDS = 5
LEAST = 20  # corrections, and five of each kind, before anything is learned
LEAST_OF_EACH = 5
SURE = 0.5  # standard errors by which the log loss must fall
LONGEST = 300  # words of a text that are read
MOST_WEIGHTS = 200_000
TOLD = 6  # words a receipt names


@dataclass(frozen=True, slots=True)
class Learned:
    """A model in force: `scale` and `bias` correct the default's log-odds, `weights` are per part of a text."""

    version: str
    weights: Mapping[str, float]
    scale: float = 1.0
    bias: float = 0.0

    def shares(self, reading: Reading, heard: Heard, odds: float) -> list[tuple[str, float]]:
        """What it adds to the default's log-odds `odds`, in named shares: the heaviest parts, the rest in one."""
        found = parts(reading, heard)
        size = math.sqrt(len(found)) or 1.0
        weights = self.weights
        told = [(part, weights[part] / size) for part in found if part in weights]
        told.sort(key=lambda pair: -abs(pair[1]))
        rest = self.bias + (self.scale - 1.0) * odds + sum(share for _, share in told[TOLD:])
        return [*((f"learned: {part}", share) for part, share in told[:TOLD]), ("learned: in general", rest)]


@dataclass(frozen=True, slots=True)
class Lesson:
    """One corrected mention: its parts, the default's log-odds, and whether it was to be a ticket. `key` spreads it over the folds."""

    key: str
    parts: tuple[str, ...]
    odds: float
    ticket: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What cross-validation said: macro-F1 in percent and mean log loss, of the default and of the model."""

    lessons: int
    tickets: int
    before: float
    after: float
    loss_before: float
    loss_after: float
    ridge: float | None
    better: bool
    why: str


def parts(reading: Reading, heard: Heard) -> list[str]:
    """What a text is known by here: words, neighbours, cues and intent."""
    words = reading.words[:LONGEST]
    found = dict.fromkeys(words)
    found.update(dict.fromkeys([f"{left} {right}" for left, right in pairwise(words)]))
    found.update(dict.fromkeys([f"~{cue}" for cue in heard.cues]))
    found[f"={heard.name}"] = None
    return list(found)


def learn(lessons: Sequence[Lesson]) -> tuple[Learned | None, Report]:
    """The model if it is better than the default on lessons it has not seen, and the figures either way."""
    wanted = np.array([lesson.ticket for lesson in lessons], dtype=float)
    odds = np.array([lesson.odds for lesson in lessons], dtype=float)
    tickets = int(wanted.sum())
    before, loss_before = _f1(wanted, odds > 0), _loss(wanted, odds)
    if len(lessons) < LEAST or min(tickets, len(lessons) - tickets) < LEAST_OF_EACH:
        why = f"too few: at least {LEAST} corrections, {LEAST_OF_EACH} of them tickets and {LEAST_OF_EACH} not"
        return None, Report(len(lessons), tickets, before, before, loss_before, loss_before, None, False, why)
    folds = _folds(lessons)
    crossed = _crossed(lessons, wanted, odds, folds, RIDGE)
    after, loss_after = _f1(wanted, crossed > 0), _loss(wanted, crossed)
    gained = _losses(wanted, odds) - _losses(wanted, crossed)
    surer = gained.mean() > SURE * gained.std() / math.sqrt(len(gained))
    better = bool(surer and after > before - _chance(odds, crossed))
    why = "better on corrections it had not seen" if better else "not better on corrections it had not seen"
    if better and after < before:
        why += " by its log loss; the fall of F1 is within what chance moves it"
    report = Report(len(lessons), tickets, before, after, loss_before, loss_after, RIDGE, better, why)
    return (fit(lessons, RIDGE) if better else None), report


def fit(lessons: Sequence[Lesson], ridge: float) -> Learned:
    """The model on all lessons."""
    vocabulary = _vocabulary(lessons)
    scale, bias, weights = _solve(
        _matrix(lessons, vocabulary),
        np.array([lesson.odds for lesson in lessons]),
        np.array([lesson.ticket for lesson in lessons], dtype=float),
        ridge,
    )
    kept = {part: round(float(weights[at]), 4) for part, at in vocabulary.items() if abs(weights[at]) >= 0.005}
    scale, bias = round(scale, 5), round(bias, 5)
    return Learned(_version({"scale": scale, "bias": bias, "weights": kept}), kept, scale, bias)


def written(model: Learned) -> dict[str, Any]:
    """JSON-ready; `read` takes it back."""
    body = {"scale": model.scale, "bias": model.bias, "weights": dict(model.weights)}
    return {"format": FORMAT, "version": model.version, **body}


def read(data: Any) -> Learned:
    """A stored model. Raises ValueError for anything broken: another format, numbers that are none, a version that does not fit."""
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ValueError(f"not a learned model of format {FORMAT}")
    weights, scale, bias = data.get("weights"), data.get("scale"), data.get("bias")
    if not isinstance(weights, dict) or len(weights) > MOST_WEIGHTS:
        raise ValueError("its weights are missing or too many")
    for number in (scale, bias, *weights.values()):
        if not isinstance(number, int | float) or not math.isfinite(number) or abs(number) > 1000:
            raise ValueError("one of its numbers is none, or out of bounds")
    if _version({"scale": scale, "bias": bias, "weights": weights}) != data.get("version"):
        raise ValueError("its content does not fit its version")
    return Learned(str(data["version"]), weights, float(scale or 0.0), float(bias or 0.0))


def _version(body: Mapping[str, Any]) -> str:
    numbers = {part: f"{float(weight):.4f}" for part, weight in body["weights"].items()}
    text = json.dumps([f"{body['scale']:.5f}", f"{body['bias']:.5f}", numbers], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _folds(lessons: Sequence[Lesson]) -> list[int]:
    """A fold per lesson, each kind spread evenly, in the order of a hash of its key."""
    order = sorted(
        range(len(lessons)),
        key=lambda at: (lessons[at].ticket, hashlib.sha256(lessons[at].key.encode("utf-8", "replace")).digest()),
    )
    folds = [0] * len(lessons)
    for place, at in enumerate(order):
        folds[at] = place % FOLDS
    return folds


def _crossed(lessons: Sequence[Lesson], wanted: Any, odds: Any, folds: Sequence[int], ridge: float) -> Any:
    """Log-odds of each lesson by a model that has not seen its fold."""
    found = np.zeros(len(lessons))
    which = np.array(folds)
    for fold in range(FOLDS):
        rest = [lessons[at] for at in np.flatnonzero(which != fold).tolist()]
        test = np.flatnonzero(which == fold).tolist()
        vocabulary = _vocabulary(rest)
        scale, bias, weights = _solve(_matrix(rest, vocabulary), odds[which != fold], wanted[which != fold], ridge)
        found[test] = scale * odds[test] + bias + _matrix([lessons[at] for at in test], vocabulary) @ weights
    return found


def _vocabulary(lessons: Sequence[Lesson]) -> dict[str, int]:
    """Parts that two lessons have."""
    seen: dict[str, int] = {}
    for lesson in lessons:
        for part in lesson.parts:
            seen[part] = seen.get(part, 0) + 1
    known = (part for part, n in seen.items() if n > 1)
    return {part: at for at, part in enumerate(known) if at < MOST_WEIGHTS}


def _matrix(lessons: Sequence[Lesson], vocabulary: Mapping[str, int]) -> Any:
    from scipy.sparse import csr_matrix  # type: ignore[import-untyped]  # heavy: only where something is learned

    starts, columns, values = [0], [], []
    for lesson in lessons:
        size = math.sqrt(len(lesson.parts)) or 1.0
        known = [vocabulary[part] for part in lesson.parts if part in vocabulary]
        columns += known
        values += [1.0 / size] * len(known)
        starts.append(len(columns))
    return csr_matrix((values, columns, starts), shape=(len(lessons), len(vocabulary)))


def _solve(matrix: Any, odds: Any, wanted: Any, ridge: float) -> tuple[float, float, Any]:
    """scale, bias and weights that make the lessons likeliest, held near (1, 0, 0) by the ridge (L-BFGS, Liu and Nocedal 1989).

    While they are sought, each part counts from its mean over the lessons: otherwise words that most texts have would move the
    threshold, which is held stiffly for a reason, through the back door. The bias that is returned makes up for it.
    """
    from scipy.optimize import minimize  # type: ignore[import-untyped]

    mean, turned = np.asarray(matrix.mean(axis=0)).ravel(), matrix.T.tocsr()

    def cost(point: Any) -> tuple[float, Any]:
        scale, bias, weights = point[0], point[1], point[2:]
        logits = scale * odds + bias + matrix @ weights - mean @ weights
        wrong = 1.0 / (1.0 + np.exp(-np.clip(logits, -50, 50))) - wanted
        away = np.array([scale - 1.0, bias])
        total = np.logaddexp(0.0, logits).sum() - wanted @ logits
        total += 0.5 * ridge * (weights @ weights) + 0.5 * STIFF * (away @ away)
        steep = turned @ wrong - mean * wrong.sum() + ridge * weights
        return float(total), np.concatenate(([wrong @ odds, wrong.sum()] + STIFF * away, steep))

    start = np.zeros(2 + matrix.shape[1])
    start[0] = 1.0
    found = minimize(cost, start, jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
    return float(found[0]), float(found[1] - mean @ found[2:]), found[2:]


def _f1(wanted: Any, said: Any) -> float:
    """Mean of the F1 of tickets and of the rest, in percent."""
    total = 0.0
    for kind in (True, False):
        is_kind, says_kind = wanted == kind, said == kind
        both = (is_kind & says_kind).sum()
        total += 200.0 * both / max(1, is_kind.sum() + says_kind.sum())
    return float(total / 2)


def _chance(odds: Any, crossed: Any) -> float:
    """How far chance alone may move the F1, in points: two standard errors of as many tosses as there are changed answers.

    A few hundred corrections cannot tell a point of F1 from nothing (McNemar 1947): to ask that it rise would refuse every other
    model that is better on texts nobody has corrected yet, as trials showed. The log loss, which counts every answer, decides.
    """
    changed = int(((odds > 0) != (crossed > 0)).sum())
    return 200.0 * math.sqrt(changed) / max(1, len(odds))


def _losses(wanted: Any, odds: Any) -> Any:
    return np.logaddexp(0.0, odds) - wanted * odds


def _loss(wanted: Any, odds: Any) -> float:
    return float(_losses(wanted, odds).mean()) if len(wanted) else 0.0
