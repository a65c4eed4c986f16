"""F1, recall and calibration, from scratch, so that a figure needs nothing but this page."""

from collections.abc import Sequence

LABELS = ("negative", "neutral", "positive")


def f1(truth: Sequence[str], said: Sequence[str], label: str) -> float:
    hit = sum(t == s == label for t, s in zip(truth, said, strict=True))
    whole = sum(t == label for t in truth) + sum(s == label for s in said)
    return 200 * hit / whole if whole else 0.0


def macro_f1(truth: Sequence[str], said: Sequence[str], labels: Sequence[str] = LABELS) -> float:
    """What is none of the labels, such as unscored, counts as wrong."""
    return sum(f1(truth, said, label) for label in labels) / len(labels)


def macro_recall(truth: Sequence[str], said: Sequence[str], labels: Sequence[str] = LABELS) -> float:
    total = 0.0
    for label in labels:
        mine = [s for t, s in zip(truth, said, strict=True) if t == label]
        total += 100 * sum(s == label for s in mine) / len(mine)
    return total / len(labels)


def calibration_error(truth: Sequence[str], chances: Sequence[Sequence[float]], bins: int = 10) -> float:
    """Expected calibration error in points: by how much the probability of the likeliest label misses how often it is right."""
    sums: dict[int, list[float]] = {}
    for label, three in zip(truth, chances, strict=True):
        top = max(three)
        cell = sums.setdefault(min(int(top * bins), bins - 1), [0.0, 0.0])
        cell[0] += top
        cell[1] += LABELS[list(three).index(top)] == label
    return 100 * sum(abs(sure - right) for sure, right in sums.values()) / max(1, len(truth))
