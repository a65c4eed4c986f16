"""Trains the second look (domain/second.py) on what the first model says of texts it did not learn from."""

from typing import Any

import numpy as np
from scipy.optimize import minimize

from domain.learned import EarmarkScorer
from domain.second import HINTS, MANNERS, manner, reading

COLUMNS = 2 + len(HINTS) + 2 * len(MANNERS) + 1
PENALTY, STEPS = 1e-4, 200


def seen(texts: list[str], scorer: EarmarkScorer, language: str) -> np.ndarray:
    """What the second look sees of each text but for the first model's sums: HINTS, MANNERS, MANNERS times the compound, 1."""
    out = np.zeros((len(texts), COLUMNS - 2))
    for row, text in zip(out, texts, strict=True):
        hint = scorer.hint(text, language)
        compound, manners = hint.compound or 0.0, manner(scorer.pieces(text))
        read = reading(compound, hint.words)
        row[: len(HINTS)] = [read.get(name, 0.0) for name in HINTS]
        own = np.array([manners.get(name, 0.0) for name in MANNERS])
        row[len(HINTS) : -1] = [*own, *(own * compound)]
        row[-1] = 1.0
    return out


def stacked(sums: np.ndarray, sights: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(COLUMNS, 3) weights of a ridge logistic regression; `sums` are the first model's two, against neutral."""
    x, truth, share = np.hstack([sums, sights]), np.eye(3)[labels], weights / weights.sum()
    ridge = np.full((COLUMNS, 1), PENALTY)
    ridge[-1] = 0

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w = flat.reshape(-1, 3)
        z = x @ w
        z -= z.max(1, keepdims=True)
        e = np.exp(z)
        total = e.sum(1, keepdims=True)
        value = (share * (np.log(total[:, 0]) - (z * truth).sum(1))).sum() + 0.5 * (ridge * w * w).sum()
        return float(value), (x.T @ ((e / total - truth) * share[:, None]) + ridge * w).ravel()

    found = minimize(loss, np.zeros(COLUMNS * 3), jac=True, method="L-BFGS-B", options={"maxiter": STEPS})
    return np.asarray(found.x.reshape(-1, 3))


def answers(w: np.ndarray, sums: np.ndarray, sights: np.ndarray) -> np.ndarray:
    return np.asarray(np.hstack([sums, sights]) @ w)


def header(w: np.ndarray) -> dict[str, Any]:
    """The weights against neutral, as domain/second.py reads them."""
    both = np.round(np.stack([w[:, 0] - w[:, 1], w[:, 2] - w[:, 1]], axis=1), 6)
    own, hints = both[2 + len(HINTS) : -1], both[2 : 2 + len(HINTS)]
    times = own[len(MANNERS) :]
    return {
        "mix": both[:2].T.tolist(),
        "bias": both[-1].tolist(),
        "hints": {name: hints[at].tolist() for at, name in enumerate(HINTS)},
        "manners": {name: [*own[at].tolist(), *times[at].tolist()] for at, name in enumerate(MANNERS)},
    }
