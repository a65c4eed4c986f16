"""How sure a proposal is: a logistic regression over its signs. Pure.

The log2 odds are the sum of amount times weight; what each sign adds is its share of the evidence, so a link is explained by the very
figures that made it. All pairs are judged twice by the same table: first with rivals as sure as the first look has them, then with
rivals as sure as the first judging made them. Weights: match_table.py, fitted by benchmarks/train_match.py.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from domain.match_scene import Pair, Scene, Sign, company
from domain.match_signs import facts
from domain.match_table import WEIGHTS

FURTHEST = 40.0  # log2 odds; a confidence is no number beyond


@dataclass(frozen=True, slots=True)
class Judged:
    """`confidence` in 0..1; `evidence`: (what, detail, log2 odds for or against), the strongest first, adding up to the whole."""

    confidence: float
    evidence: tuple[tuple[str, str, float], ...]


def confidence(odds: float) -> float:
    """log2 odds as a probability."""
    return float(1 / (1 + 2 ** -max(min(odds, FURTHEST), -FURTHEST)))


def judge(scene: Scene, weights: Mapping[str, float] = WEIGHTS) -> dict[Pair, Judged]:
    """Every candidate of the scene, judged twice."""
    known = {pair: tuple(facts(scene, pair)) for pair in scene.found}
    lone = {pair: total(signs, weights) for pair, signs in known.items()}
    scene.sure = {pair: confidence(odds + total(company(scene, pair), weights)) for pair, odds in lone.items()}
    return {pair: _judged((*signs, *company(scene, pair)), weights) for pair, signs in known.items()}


def total(signs: Iterable[Sign], weights: Mapping[str, float]) -> float:
    """log2 odds of some signs; one without a weight says nothing."""
    return sum(weights.get(key, 0.0) * amount for _, _, key, amount in signs)


def _judged(signs: Iterable[Sign], weights: Mapping[str, float]) -> Judged:
    """Shares of one thing are told as one, by the detail that counts most."""
    shares: dict[str, float] = {}
    told: dict[str, tuple[float, str]] = {}
    for what, detail, key, amount in signs:
        bits = weights.get(key, 0.0) * amount
        shares[what] = shares.get(what, 0.0) + bits
        if what not in told or abs(bits) > told[what][0]:
            told[what] = abs(bits), detail
    evidence = sorted(((what, told[what][1], bits) for what, bits in shares.items()), key=lambda item: -abs(item[2]))
    return Judged(confidence(sum(shares.values())), tuple(evidence))
