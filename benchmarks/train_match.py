"""Fit the weights of domain/match_table.py: `python -m benchmarks.train_match > domain/match_table.py` (some minutes).

A logistic regression over the signs of domain/match_signs.py on made-up populations (benchmarks/population.py) whose seeds are not
those the figures are reported for (2, 3 and 4) nor those of the tests. Few signs, a ridge, and each sign keeps the side that makes sense: what
comes out on the other side is left out and the rest fitted again, so that no quirk of the generator is learnt as its opposite. Newton's
method; the same seeds give the same table. What cannot be guarded against: a real population differs from this generator.
"""

import argparse
import math
import re
import sys
from dataclasses import dataclass

import numpy as np

from benchmarks.population import population
from domain import match
from domain.match_judge import confidence
from domain.match_read import read
from domain.match_scene import Pair, Scene, company
from domain.match_signs import facts

TRAINED = ((100_000, 1), (100_000, 5), (100_000, 6), (20_000, 8), (20_000, 9))
RIDGE = 3.0
SEEN = 60  # pairs a sign must have been seen on
ROUNDS = 3  # rivals are as sure as the table of the round before makes them
FREE = re.compile(r": (any|handle on two platforms|handle as mailbox|spelt|no place)$")
AGAINST = re.compile(
    r"of several|unnamed|common|, spelt|differs|conflict|apart|clashes|rivals|namesakes|household|large group|sizes|legs|"
    r"names: (first|family) name|own first name (missing|initial|conflict)"
)
STEPS = re.compile(r"^chain: legs$")  # the one leg that speaks for a pair


def side(key: str) -> int:
    """1 where a sign may only speak for a pair, -1 only against, 0 either."""
    if FREE.search(key):
        return 0
    return -1 if AGAINST.search(key) and not STEPS.search(key) else 1


@dataclass
class Part:
    """One population: its scene, the truth, and what does not change between rounds as (row, key, amount)."""

    scene: Scene
    pairs: list[Pair]
    right: np.ndarray
    fixed: list[tuple[int, str, float]]


def part(records: int, seed: int) -> Part:
    rows = population(records, seed)
    scene = match.first_look([read(row) for row in rows])
    pairs = list(scene.found)
    right = np.array([rows[i]["person"] == rows[j]["person"] for i, j in pairs], dtype=float)
    fixed = [(n, key, x) for n, pair in enumerate(pairs) for _, _, key, x in facts(scene, pair)]
    return Part(scene, pairs, right, fixed)


def table(parts: list[Part]) -> tuple[list[str], list[np.ndarray]]:
    """The keys seen often enough, and for each part its pairs as rows and keys as columns."""
    found = [
        [*p.fixed, *((n, key, x) for n, pair in enumerate(p.pairs) for _, _, key, x in company(p.scene, pair))]
        for p in parts
    ]
    counts: dict[str, int] = {}
    for said in found:
        for _, key, _ in said:
            counts[key] = counts.get(key, 0) + 1
    keys = sorted(
        key for key, n in counts.items() if n >= SEEN and not key.endswith("first name missing")
    )  # what the others are measured by
    place = {key: at for at, key in enumerate(keys)}
    filled = []
    for p, said in zip(parts, found, strict=True):
        matrix = np.zeros((len(p.pairs), len(keys)))
        known = [(n, place[key], x) for n, key, x in said if key in place]
        np.add.at(matrix, ([n for n, _, _ in known], [k for _, k, _ in known]), [x for _, _, x in known])
        filled.append(matrix)
    return keys, filled


def newton(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Weights of greatest likelihood under the ridge, in natural logarithms."""
    w = np.zeros(x.shape[1])
    for _ in range(40):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        curve = (x * (p * (1 - p))[:, None]).T @ x + RIDGE * np.eye(len(w))
        step = np.linalg.solve(curve, x.T @ (y - p) - RIDGE * w)
        w += step
        if np.abs(step).max() < 1e-6:
            break
    return w


def fit(keys: list[str], x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Weights in log2 odds; the worst half of those on the wrong side leaves at a time."""
    live = list(range(len(keys)))
    while True:
        w = newton(x[:, live], y)
        wrong = sorted(((abs(c), at) for at, c in zip(live, w, strict=True) if side(keys[at]) * c < 0), reverse=True)
        if not wrong:
            return {keys[at]: float(c) / math.log(2) for at, c in zip(live, w, strict=True)}
        leaving = {at for _, at in wrong[: (len(wrong) + 1) // 2]}
        live = [at for at in live if at not in leaving]


def once(parts: list[Part], weights: dict[str, float]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Keys, pairs and truth, rivals being as sure as the weights make them from the first look's; without weights, the first look's."""
    for p in parts:
        p.scene.sure = {pair: candidate.sure for pair, candidate in p.scene.found.items()}
    keys, matrices = table(parts)
    if weights:
        column = np.array([weights.get(key, 0.0) for key in keys])
        for p, matrix in zip(parts, matrices, strict=True):
            p.scene.sure = dict(zip(p.pairs, map(confidence, (matrix @ column).tolist()), strict=True))
        keys, matrices = table(parts)
    return keys, np.vstack(matrices), np.concatenate([p.right for p in parts])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two populations of 20,000: to see that it works")
    asked = parser.parse_args()
    parts = []
    for records, seed in TRAINED[-2:] if asked.quick else TRAINED:
        parts.append(part(records, seed))
        print(f"read {records} records of seed {seed}: {len(parts[-1].pairs)} pairs", file=sys.stderr)
    weights: dict[str, float] = {}
    for _ in range(ROUNDS):
        weights = fit(*once(parts, weights))
    print(
        '"""Weights of the signs of match_signs.py in log2 odds: what `python -m benchmarks.train_match` printed. Not for editing by hand."""\n'
    )
    print("WEIGHTS: dict[str, float] = {")
    for key, bits in sorted(weights.items()):
        if abs(bits) >= 0.005:
            print(f'    "{key}": {bits:.2f},')
    print("}")


if __name__ == "__main__":
    main()
