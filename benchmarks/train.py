"""Trains the model of the scorer `earmark`; docs/models.md is its card.

usage: python -m benchmarks.train --data DIR [--out FILE] [--folds 3] [--extra FILE.csv]

DIR holds umsab_train.csv, semeval.csv and vader_tweets.csv; --extra adds a file with the columns language (a code), text, sentiment. Nothing else
is looked at: no validation or test set. With --folds the figures of cross-validation inside these files are printed, and the temperature that
calibrates the probabilities comes from there; --folds 1 holds the first third out only, --folds 0 nothing; both leave the second look out. The same files give the same model, byte for byte, with the same versions of numpy and scipy.
"""

import argparse
import csv
import hashlib
import math
import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from scipy.optimize import minimize, minimize_scalar

from benchmarks import stack
from benchmarks.kin import parts
from config import bench
from config.load import load
from domain.learned import EarmarkScorer
from domain.model import Model, packed
from domain.pieces import grams, is_word, pairs, slot

SLOTS = 1 << 20
RAREST = math.log(60_000)
LABELS = ("negative", "neutral", "positive")
CODES = {
    **{"arabic": "ar", "english": "en", "french": "fr", "german": "de", "hindi": "hi", "italian": "it"},
    **{"portuguese": "pt", "spanish": "es"},
}
DENSE = tuple(f"{kind}.{name}" for kind in ("en", "else") for name in ("compound", "up", "down", "any"))
WORDS, OFTEN = 24_000, 4
FOREIGN = 3.0  # how much heavier a text in another language than English is: there are few
COUNTS = (
    0.5  # share of what mere counting says (naive Bayes) that is added to what was fitted: steadier for rare pieces
)
FOLDS = 3
THREADS = "OPENBLAS_NUM_THREADS"  # one, or the order of sums and with it the last digits depend on the machine's cores
LOOKED_AT_AGAIN = "en"  # the language of the second look, domain/second.py
HEARD = 2.0  # how much heavier a rated text is for the first model
RATED_WEIGHT = 6.0  # … and in the second look, where positive is told from negative: what is neutral it does not say
# What is added to neutral, and to positive against negative, after all labels counted alike: most posts say nothing, and of the others two
# in three praise, in all three files. Halfway there costs nothing where labels are even (docs/measurements.md).
LEANING = (0.2, 0.2)
RATINGS, RATED = "vader_tweets.csv", "rated"
NEAR_ZERO = 0.05  # ratings this near to zero say nothing about a label


@dataclass(frozen=True)
class Texts:
    """Texts with their language and label (a place in LABELS). `source` is the file; classes are balanced within file and language."""

    language: list[str]
    text: list[str]
    label: np.ndarray
    source: list[str]


def read(files: Sequence[Path]) -> Texts:
    rows: list[tuple[str, str, int, str]] = []
    for path in files:
        with path.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                if "mean_rating" in row:
                    rating = float(row["mean_rating"])
                    if abs(rating) > NEAR_ZERO:
                        rows.append(("en", row["text"], 2 if rating > 0 else 0, path.name))
                    continue
                language = CODES.get(row.get("language") or "english", row.get("language") or "en")
                rows.append((language, row["text"], LABELS.index(row["sentiment"]), path.name))
    languages, texts, labels, sources = zip(*rows, strict=True)
    return Texts([*languages], [*texts], np.array(labels), [*sources])


def vocabulary(texts: Iterable[str], scorer: EarmarkScorer) -> list[str]:
    """Words the model is taught, the commonest first."""
    counts = Counter(piece for text in texts for piece in scorer.pieces(text) if is_word(piece))
    often = [(-count, word) for word, count in counts.items() if count >= OFTEN and len(word) <= 24]
    return [word for _, word in sorted(often)[:WORDS]]


def features(given: Texts, scorer: EarmarkScorer) -> tuple[sparse.csr_matrix, np.ndarray]:
    """(how often each slot occurs in each text, the dense features of each text)."""
    columns: list[int] = []
    starts = [0]
    dense = np.zeros((len(given.text), len(DENSE)), np.float32)
    known: dict[str, list[int]] = {}
    for number, (text, language) in enumerate(zip(given.text, given.language, strict=True)):
        found = scorer.pieces(text)
        for piece in found:
            if piece not in known:
                known[piece] = [slot(kind, part, SLOTS - 1) for kind, part in _parts(piece)]
            columns += known[piece]
        columns += [slot("b", pair, SLOTS - 1) for pair in pairs(found)]
        starts.append(len(columns))
        for name, value in scorer.hint(text, language).features.items():
            dense[number, DENSE.index(name)] = value
    matrix = sparse.csr_matrix(
        (np.ones(len(columns), np.float32), np.array(columns, np.int32), np.array(starts)),
        shape=(len(given.text), SLOTS),
    )
    return matrix, dense


def _parts(piece: str) -> list[tuple[str, str]]:
    return [("w", piece), *(("c", gram) for gram in grams(piece))]


def rarity(counts: sparse.csr_matrix) -> np.ndarray:
    """The inverse document frequency of each slot as a byte; what occurs in one text only is left out."""
    seen = counts.copy()
    seen.sum_duplicates()
    documents = np.bincount(seen.indices, minlength=SLOTS)
    idf = np.log(counts.shape[0] / np.maximum(documents, 1))
    return np.where(documents >= 2, np.clip(np.round(idf / RAREST * 255), 0, 255), 0).astype(np.uint8)


def weighted(counts: sparse.csr_matrix, rare: np.ndarray) -> sparse.csr_matrix:
    """Counts times rarity over the root of the summed squares of every occurrence: domain/model.py adds up the same."""
    idf = rare.astype(np.float32) * np.float32(RAREST / 255)
    length = counts @ (idf * idf)
    scale = 1 / np.sqrt(np.where(length > 0, length, 1))
    out = (sparse.diags(scale.astype(np.float32)) @ counts @ sparse.diags(idf)).tocsr()
    out.sum_duplicates()
    return out


def groups_of(given: Texts) -> np.ndarray:
    """The language of each text, or RATED for those whose label comes from a rating."""
    both = zip(given.language, given.source, strict=True)
    return np.array([RATED if source == RATINGS else language for language, source in both])


def balance(given: Texts) -> np.ndarray:
    """A weight per text that makes the three labels equally heavy within each group."""
    groups = groups_of(given)
    weights = np.ones(len(groups))
    for group in sorted({*groups}):
        for value in range(3):
            here = (groups == group) & (given.label == value)
            if here.any():
                weights[here] = (groups == group).sum() / 3 / here.sum()
    return weights * np.where(np.array(given.language) == "en", 1.0, FOREIGN)


def heard(given: Texts) -> np.ndarray:
    """As the first model hears them: `balance`, a rated text twice."""
    return balance(given) * np.where(groups_of(given) == RATED, HEARD, 1.0)


def counted(x: sparse.csr_matrix, y: np.ndarray, weights: np.ndarray, smooth: float = 0.3) -> np.ndarray:
    """Multinomial naive Bayes on the same features: the logarithm of how much likelier a slot is under each label than on average."""
    sums = np.stack([x.T @ (weights * (y == value)) for value in range(3)], axis=1) + smooth
    logs = np.log(sums / sums.sum(0))
    logs -= logs.mean(1, keepdims=True)
    logs[np.bincount(x.indices, minlength=x.shape[1]) == 0] = 0
    return logs


def fit(
    x: sparse.csr_matrix, dense: np.ndarray, y: np.ndarray, weights: np.ndarray, penalty: float, steps: int
) -> np.ndarray:
    """Multinomial logistic regression by L-BFGS, ridge penalty on all but the bias: (slots + dense + 1) rows of three columns."""
    used, features_of = np.unique(x.indices), x
    x = sparse.hstack([x[:, used], sparse.csr_matrix(dense), np.ones((x.shape[0], 1))]).tocsr().astype(np.float32)
    turned, truth = x.T.tocsr(), np.eye(3, dtype=np.float32)[y]
    share = (weights / weights.sum()).astype(np.float32)
    ridge = np.full((x.shape[1], 1), penalty, np.float32)
    ridge[-1] = 0
    ridge[-1 - dense.shape[1] : -1] = penalty / 10  # few and dense: they need less holding back

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w = flat.reshape(-1, 3).astype(np.float32)
        z = x @ w
        z -= z.max(1, keepdims=True)
        e = np.exp(z)
        total = e.sum(1, keepdims=True)
        value = float((share * (np.log(total[:, 0]) - (z * truth).sum(1))).sum()) + 0.5 * float((ridge * w * w).sum())
        slope = turned @ ((e / total - truth) * share[:, None]) + ridge * w
        return value, slope.ravel().astype(np.float64)

    found = minimize(
        loss, np.zeros(x.shape[1] * 3), jac=True, method="L-BFGS-B", options={"maxiter": steps, "maxcor": 8}
    )
    small = found.x.reshape(-1, 3)
    whole = np.zeros((SLOTS + dense.shape[1] + 1, 3))
    whole[used] = small[: len(used)]
    whole[SLOTS:] = small[len(used) :]
    whole[:SLOTS] += COUNTS * counted(features_of, y, weights)
    return whole


def sums(x: sparse.csr_matrix, dense: np.ndarray, w: np.ndarray) -> np.ndarray:
    return x @ w[:SLOTS] + dense @ w[SLOTS:-1] + w[-1]


def f1(truth: np.ndarray, said: np.ndarray) -> list[float]:
    """F1 of each label, in percent."""
    hits = [((truth == value) & (said == value)).sum() for value in range(3)]
    return [200 * float(hit) / max(1, (truth == v).sum() + (said == v).sum()) for v, hit in enumerate(hits)]


def macro_f1(truth: np.ndarray, said: np.ndarray) -> float:
    return float(np.mean(f1(truth, said)))


def likelihood(z: np.ndarray, y: np.ndarray, weights: np.ndarray) -> float:
    z = z - z.max(1, keepdims=True)
    return float((weights * (np.log(np.exp(z).sum(1)) - z[np.arange(len(y)), y])).sum() / weights.sum())


@dataclass(frozen=True)
class HeldOut:
    """What the first model says of texts it did not learn from, `seen` of them, and the temperature that calibrates it."""

    z: np.ndarray
    seen: np.ndarray
    part: np.ndarray
    temperature: float


def cross_validate(
    given: Texts, counts: sparse.csr_matrix, dense: np.ndarray, penalty: float, steps: int, folds: Sequence[int]
) -> HeldOut:
    """Prints what is got right in texts that were not learned from (these of FOLDS parts; copies stay together)."""
    part = parts(given.text, FOLDS)
    z, weights = np.zeros((len(given.text), 3)), heard(given)
    for fold in folds:
        train, test = part != fold, part == fold
        rare = rarity(counts[train])
        w = fit(weighted(counts[train], rare), dense[train], given.label[train], weights[train], penalty, steps)
        z[test] = sums(weighted(counts[test], rare), dense[test], w)
    seen = np.isin(part, folds)
    even = balance(given)[seen]
    best = minimize_scalar(
        lambda t: likelihood(z[seen] / t, given.label[seen], even), bounds=(0.3, 3), method="bounded"
    ).x
    tell(given, z, seen, f"held out, penalty {penalty:g}, temperature {best:.3f}")
    return HeldOut(z, seen, part, float(best))


def tell(given: Texts, z: np.ndarray, seen: np.ndarray, what: str) -> None:
    """Prints the figures of these answers."""
    label, said, groups = given.label[seen], z[seen].argmax(1), groups_of(given)[seen]
    scores = {code: macro_f1(label[groups == code], said[groups == code]) for code in sorted({*groups} - {RATED})}
    print(f"{what}: macro-F1 " + ", ".join(f"{c} {s:.1f}" for c, s in scores.items()))
    recall = np.mean([(said == v)[(label == v) & (groups == "en")].mean() for v in range(3)])
    rated = f1(label[groups == RATED], said[groups == RATED])
    print(f"  mean {np.mean([*scores.values()]):.2f}; English macro recall {100 * recall:.2f}")
    print(
        f"  rated tweets: F1 negative {rated[0]:.1f}, positive {rated[2]:.1f}, mean {(rated[0] + rated[2]) / 2:.1f}",
        flush=True,
    )


def look_again(given: Texts, held: HeldOut, scorer: EarmarkScorer, rated: float) -> dict[str, Any]:
    """The second look, learned from held out answers; prints what it gets right in parts it did not learn from either."""
    mine = held.seen & (np.array(given.language) == LOOKED_AT_AGAIN)
    sights = stack.sights([given.text[at] for at in np.flatnonzero(mine)], scorer, LOOKED_AT_AGAIN)
    z, labels, part = held.z[mine] / held.temperature, given.label[mine], held.part[mine]
    both = np.stack([z[:, 0] - z[:, 1], z[:, 2] - z[:, 1]], axis=1)
    weights, of_rated = balance(given)[mine], groups_of(given)[mine] == RATED
    clear, seen = weights * np.where(of_rated, rated, 1.0), np.hstack([both, sights])
    after, found, sign = held.z.copy(), np.zeros((mine.sum(), 3)), np.zeros(mine.sum())
    for fold in sorted({*part}):
        rest, test = part != fold, part == fold
        found[test] = seen[test] @ stack.stacked(seen[rest], labels[rest], weights[rest])
        sign[test] = seen[test] @ stack.signed(seen[rest], labels[rest], clear[rest])
    calm = stack.calmer(sign, labels, np.where(of_rated, 0, weights))
    found, sign = stack.leant(found, sign / calm, LEANING)
    after[mine] = stack.answers(found, sign)
    tell(given, after, held.seen, f"after the second look, rated weight {rated:g}, its temperature {calm:.3f}")
    return stack.header(stack.stacked(seen, labels, weights), stack.signed(seen, labels, clear) / calm, LEANING)


def model_bytes(
    w: np.ndarray,
    rare: np.ndarray,
    temperature: float,
    words: Sequence[str],
    about: dict[str, Any],
    again: dict[str, Any] | None = None,
) -> bytes:
    """The weights against neutral, as bytes on a quadratic scale, with the rarity folded in."""
    against = np.stack([w[:, 0] - w[:, 1], w[:, 2] - w[:, 1]]) / temperature
    folded = against[:, :SLOTS] * (rare * RAREST / 255)
    scale = float(np.abs(folded).max())
    steps = np.round(127 * np.sqrt(np.abs(folded) / scale)) * np.sign(folded)
    columns = [(part + 128).astype(np.uint8).tobytes() for part in steps]
    header = {
        "version": "4",
        "languages": sorted(CODES.values()),
        "scale": scale,
        "rarest": RAREST,
        "bias": [round(float(value), 6) for value in against[:, -1]],
        "dense": {name: [round(float(v), 6) for v in against[:, SLOTS + n]] for n, name in enumerate(DENSE)},
        "about": about,
        "second": {LOOKED_AT_AGAIN: again} if again else {},
    }
    return packed(header, columns[0], columns[1], rare.tobytes(), words)


def blank(words: Sequence[str]) -> EarmarkScorer:
    """The scorer without a model: its reading of texts is what training needs."""
    nothing = bytes([128]) * 2
    header = {"version": "0", "languages": [], "scale": 0.0, "rarest": RAREST, "bias": [0, 0], "dense": {}, "about": {}}
    model = Model(packed(header, nothing, nothing, bytes(2), words))
    return EarmarkScorer(model, bench.lexicon(load("config")), "")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--out", type=Path)
    options.add_argument("--extra", type=Path, nargs="*", default=[])
    options.add_argument(
        "--folds", type=int, default=FOLDS, choices=range(FOLDS + 1), help="how many parts are held out in turn"
    )
    options.add_argument(
        "--penalty", type=float, nargs="*", default=[3e-5], help="several are compared; the last is used"
    )
    options.add_argument(
        "--rated", type=float, nargs="*", default=[RATED_WEIGHT], help="weights of a rated text, likewise"
    )
    options.add_argument("--steps", type=int, default=60)
    args = options.parse_args()
    names = ("umsab_train.csv", "semeval.csv", "vader_tweets.csv")
    files = [*(args.data / name for name in names), *args.extra]
    given = read(files)
    words = vocabulary(given.text, blank([]))
    scorer = blank(words)
    counts, dense = features(given, scorer)
    print(
        f"{len(given.text)} texts, {len(words)} words, {counts.nnz / len(given.text):.0f} features a text", flush=True
    )
    temperature, again = 1.0, None
    for penalty in args.penalty if args.folds else ():
        held = cross_validate(given, counts, dense, penalty, args.steps, range(args.folds))
        temperature = held.temperature
    if args.folds > 1:
        for rated in args.rated:
            again = look_again(given, held, scorer, rated)
    if args.out:
        rare = rarity(counts)
        w = fit(weighted(counts, rare), dense, given.label, heard(given), args.penalty[-1], args.steps)
        about = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
        args.out.write_bytes(
            model_bytes(w, rare, temperature, words, {"files": about, "texts": len(given.text)}, again)
        )
        print(f"{args.out}: {args.out.stat().st_size / 1e6:.2f} MB, {Model(args.out.read_bytes()).hash}")
    return 0


if __name__ == "__main__":
    if os.environ.get(THREADS) != "1":  # numpy reads it when it is imported: begin again with it
        os.execve(
            sys.executable, [sys.executable, "-m", "benchmarks.train", *sys.argv[1:]], {**os.environ, THREADS: "1"}
        )
    sys.exit(main())
