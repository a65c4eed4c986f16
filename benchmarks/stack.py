"""Trains the second look (domain/second.py) on what the first model says of texts it did not learn from."""

from typing import Any

import numpy as np
from scipy.optimize import minimize, minimize_scalar

from domain.learned import EarmarkScorer
from domain.second import HINTS, MANNERS, manner, reading

COLUMNS = 2 + len(HINTS) + 3 * len(MANNERS) + 1
PENALTY, STEPS = 1e-4, 200
NEUTRAL = 1  # its place among the labels
# Whether a text is neutral is not told by its names, dates and length, which say as much of where a set of texts was found.
ABOUT = frozenset(("(names)", "(a name)", "(dates)", "(no capitals)", "(short)"))
_USED = [0.0 if name in ABOUT else 1.0 for name in MANNERS]
OPINION = np.array([*[1.0] * (2 + len(HINTS)), *_USED, *_USED, *[0.0] * len(MANNERS), 1.0])


def sights(texts: list[str], scorer: EarmarkScorer, language: str) -> np.ndarray:
    """What the second look sees of each text but for the first model's sums.

    HINTS, MANNERS, MANNERS times the compound, MANNERS times its sign, 1.
    """
    out = np.zeros((len(texts), COLUMNS - 2))
    for row, text in zip(out, texts, strict=True):
        hint = scorer.hint(text, language)
        found = scorer.pieces(text)
        compound, manners = hint.compound or 0.0, manner(text, found)
        read = reading(compound, hint.words, len(found))
        row[: len(HINTS)] = [read.get(name, 0.0) for name in HINTS]
        own = np.array([manners.get(name, 0.0) for name in MANNERS])
        row[len(HINTS) : -1] = [*own, *(own * compound), *(own * read.get("sign", 0.0))]
        row[-1] = 1.0
    return out


def stacked(seen: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(COLUMNS, 3) weights of a ridge logistic regression: whether there is an opinion, and which. `seen` begins with the first model's two sums, against neutral."""
    x, truth, share = seen * OPINION, np.eye(3)[labels], weights / weights.sum()
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


def signed(seen: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """COLUMNS weights of positive against negative, of texts that are one or the other; ridge logistic regression."""
    clear = labels != NEUTRAL
    x, truth, share = seen[clear], labels[clear] > NEUTRAL, weights[clear] / weights[clear].sum()
    ridge = np.full(COLUMNS, PENALTY)
    ridge[-1] = 0

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        z = x @ w
        value = (share * (np.logaddexp(0, z) - truth * z)).sum() + 0.5 * (ridge * w * w).sum()
        return float(value), x.T @ (share * (1 / (1 + np.exp(-z)) - truth)) + ridge * w

    found = minimize(loss, np.zeros(COLUMNS), jac=True, method="L-BFGS-B", options={"maxiter": STEPS})
    return np.asarray(found.x)


def calmer(sign: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """What `sign`, of texts not learned from, is divided by to be as sure as it is right."""
    clear = (labels != NEUTRAL) & (weights > 0)
    z, truth, share = sign[clear], labels[clear] > NEUTRAL, weights[clear] / weights[clear].sum()
    found = minimize_scalar(
        lambda t: (share * (np.logaddexp(0, z / t) - truth * z / t)).sum(), bounds=(0.3, 4), method="bounded"
    )
    return float(found.x)


def answers(z: np.ndarray, sign: np.ndarray) -> np.ndarray:
    """Logarithms of the three probabilities, as domain/second.py has them: opinion or none by `z`, which by `sign`."""
    opinion = np.logaddexp(z[:, 0], z[:, 2])
    return np.stack([opinion - np.logaddexp(0, sign), z[:, 1], opinion - np.logaddexp(0, -sign)], axis=1)


def leant(z: np.ndarray, sign: np.ndarray, leaning: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """`z` with so much added to neutral, `sign` with so much towards positive."""
    return z + np.array([0.0, leaning[0], 0.0]), sign + leaning[1]


def header(w: np.ndarray, which: np.ndarray, leaning: tuple[float, float]) -> dict[str, Any]:
    """The weights, negative and positive against neutral and positive against negative, as domain/second.py reads them."""
    w, which = w.copy(), which.copy()
    w[-1, NEUTRAL] += leaning[0]
    which[-1] += leaning[1]
    three = np.round(np.stack([w[:, 0] - w[:, 1], w[:, 2] - w[:, 1], which], axis=1), 6)
    hints = three[2 : 2 + len(HINTS)]
    manners = np.split(three[2 + len(HINTS) : -1], 3)
    return {
        "mix": three[:2].T.tolist(),
        "bias": three[-1].tolist(),
        "hints": {name: hints[at].tolist() for at, name in enumerate(HINTS)},
        "manners": {name: np.concatenate([one[at] for one in manners]).tolist() for at, name in enumerate(MANNERS)},
    }
