"""How well and how fast people are found again: `python -m benchmarks.linkage [--records N ...] [--seed S ...]`.

Prints precision and recall over all pairs of records of one person at each confidence and at the aim, links per second of CPU, and how
cost grows. Weights were fitted on other seeds (benchmarks/train_match.py): measure with 2, 3 and 4.
"""

import argparse
import itertools
import json
import time
from collections import Counter, defaultdict
from typing import Any

from benchmarks.population import NAMESAKE, population
from domain import match
from domain.match_read import read

RECALL, PRECISION = 0.75, 0.99  # the aim
STEPS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)


def measure(records: int, seed: int, namesake: float = NAMESAKE) -> dict[str, Any]:
    """One run: the curve, the cost, and how often a confidence was right."""
    rows = population(records, seed, namesake)
    truth = {row["id"]: row["person"] for row in rows}
    of_person = Counter(truth.values())
    true = sum(n * (n - 1) // 2 for n in of_person.values())
    started = time.process_time()
    cost = match.Cost()
    links = match.propose([read(row) for row in rows], cost)
    seconds = time.process_time() - started
    curve, bins = [], defaultdict(lambda: [0, 0, 0.0])
    for step in STEPS:
        taken = [link for link in links if link.confidence >= step]
        right = sum(truth[link.a] == truth[link.b] for link in taken)
        curve.append(
            {"confidence": step, "links": len(taken), "precision": right / max(len(taken), 1), "recall": right / true}
        )
    aim = _aim([truth[link.a] == truth[link.b] for link in links], [link.confidence for link in links], true)
    for link in links:
        bin_ = bins[min(int(link.confidence * 20), 19)]
        bin_[0] += 1
        bin_[1] += truth[link.a] == truth[link.b]
        bin_[2] += link.confidence
    calibration = [{"said": s / n, "was": right / n, "links": n} for _, (n, right, s) in sorted(bins.items())]
    return {
        "records": records, "seed": seed, "true_pairs": true, "pairs_compared": cost.pairs, "blocks_too_wide": cost.too_wide,
        "cpu_seconds": round(seconds, 2), "records_per_second": round(records / seconds), "links_per_second": round(len(links) / seconds),
        "aim": aim, "curve": curve, "calibration": calibration,
    }  # fmt: skip


def _aim(right: list[bool], sure: list[float], true: int) -> dict[str, float | None]:
    """Precision and confidence where RECALL is first had, and the greatest recall that holds PRECISION; links come most certain first."""
    good, best = 0, 0.0
    at: tuple[float | None, float | None] = (None, None)
    for n, hit in enumerate(right, 1):
        good += hit
        if good / n >= PRECISION:
            best = good / true
        if at[0] is None and good >= RECALL * true:
            at = good / n, sure[n - 1]
    return {"precision": at[0], "confidence": at[1], "recall": best}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, nargs="+", default=[100_000])
    parser.add_argument("--seed", type=int, nargs="+", default=[2])
    parser.add_argument("--namesake", type=float, default=NAMESAKE, help="share of people with a stranger's name")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    for records, seed in itertools.product(asked.records, asked.seed):
        found = measure(records, seed, asked.namesake)
        if asked.json:
            print(json.dumps(found))
            continue
        print(
            f"{records} records, seed {seed}: {found['pairs_compared']} pairs compared for {found['true_pairs']} true ones, "
            f"{found['cpu_seconds']} s CPU, {found['records_per_second']} records/s, {found['links_per_second']} links/s"
        )
        aim = found["aim"]
        if aim["precision"] is not None:
            print(f"  at recall {RECALL}: precision {aim['precision']:.4f}, confidence {aim['confidence']:.3f}")
        print(f"  precision {PRECISION} is held to a recall of {aim['recall']:.4f}")
        for point in found["curve"]:
            print(
                f"  from {point['confidence']:.2f}: {point['links']:7d} links, precision {point['precision']:.4f}, recall {point['recall']:.4f}"
            )
        for point in found["calibration"]:
            print(f"  said {point['said']:.3f}, was {point['was']:.3f} ({point['links']})")


if __name__ == "__main__":
    main()
