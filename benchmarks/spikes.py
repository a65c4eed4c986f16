"""The detector on labelled series: as shipped, leave-one-series-out, and thinned. Scored by a public benchmark's rules.

usage: python -m benchmarks.spikes --data DIR --scorer nab_score.py [--out DIR] [--seeds 20] [--constants]

DIR holds NAME.csv with `timestamp,value` and windows.json; --out keeps what `earmark detect` prints for each. A thinning keeps each
mention with a chance of 0.2, 0.05 or 0.02. Leave-one-out fits the one threshold there is to fit on the
other series, as given and thinned. --constants fits the detector's other numbers in the same way, each at half and at double of what it is
with every threshold: what choosing them on four series costs on one that was not looked at (--seeds 0: on the four as given alone).
"""

import argparse
import csv
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from math import inf
from pathlib import Path
from statistics import mean, quantiles
from typing import Any

import numpy as np

from domain import board as boards
from domain import spikes, usual
from domain.board import Board
from domain.spikes import VERSION, Hold, decide, detect

KEEPS = (0.2, 0.05, 0.02)
SHIPPED = 0.5
GRID = (0.40, 0.42, 0.44, 0.46, 0.48, SHIPPED, 0.52, 0.54, 0.56, 0.60)
PROFILES = ("standard", "low_FP")
CONSTANTS: dict[str, tuple[Any, tuple[float, ...]]] = {  # where it lives, what else it might be
    "LAG": (boards, (240, 960)),
    "KEEP": (boards, (7, 28)),
    "SHARE": (usual, (0.98, 0.995)),
    "EASE": (usual, (0.125, 0.5, 1.0)),
    "LEAN": (usual, (0.2, 0.8)),
    "CALM": (usual, (0.125, 0.5)),
    "PART": (usual, (0.1, 0.4)),
    "FADE": (spikes, (0.25, 1.0)),
}


@dataclass
class Talk:
    """One labelled series and its thinnings: a row per moment, a column per variant, the first as given."""

    name: str
    stamps: list[str]
    values: np.ndarray
    windows: list[list[str]]
    variants: list[str]


def scorer(path: Path) -> dict[str, Any]:
    """The scorer's own functions, without running it."""
    space: dict[str, Any] = {"__name__": "scorer"}
    exec(compile(path.read_text().rsplit("\nmain()", 1)[0], str(path), "exec"), space)
    return space


def talks(folder: Path, seeds: int) -> Iterator[Talk]:
    labelled = json.loads((folder / "windows.json").read_text())
    for name, windows in sorted(labelled.items()):
        with (folder / f"{name}.csv").open(newline="") as lines:
            rows = list(csv.DictReader(lines))
        given = np.array([int(row["value"]) for row in rows])
        columns, names = [given], ["given"]
        for keep in KEEPS:
            for seed in range(seeds):
                dice = np.random.default_rng([seed, int(keep * 100), *name.encode()])
                columns.append(dice.binomial(given, keep))
                names.append(f"{keep}")
        yield Talk(name, [row["timestamp"] for row in rows], np.stack(columns, 1).astype(float), windows, names)


def shipped(talk: Talk, out: Path | None) -> list[bool]:
    """What `earmark detect` says of the series as given."""
    rows = [(datetime.fromisoformat(at), float(n)) for at, n in zip(talk.stamps, talk.values[:, 0], strict=True)]
    start = time.process_time()
    found = list(detect(rows))
    seconds = time.process_time() - start
    if out:
        with (out / f"{talk.name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("timestamp", "value", "score", "flag"))
            writer.writerows(
                (at, n, score, int(flag)) for (_, n), at, (score, flag) in zip(rows, talk.stamps, found, strict=True)
            )
    print(f"{talk.name}: {len(rows)} rows, {sum(f for _, f in found)} flags, {len(rows) / seconds:.0f} rows/s")
    return [flag for _, flag in found]


def flags(talk: Talk) -> dict[float, np.ndarray]:
    """threshold → flags of all variants at once, by the same board, hold and decision."""
    times = [datetime.fromisoformat(at) for at in talk.stamps]
    board = Board(talk.values.shape[1], cold=inf)
    holds = {threshold: Hold(talk.values.shape[1], len(board.scales)) for threshold in GRID}
    found = {threshold: np.zeros(talk.values.shape, bool) for threshold in GRID}
    for at, (moment, counts) in enumerate(zip(times, talk.values, strict=True)):
        before = board.now
        board.move(int((moment - times[0]).total_seconds() // 300), listened=False)
        board.add(counts)
        look = board.look()
        for threshold, hold in holds.items():
            if board.now > before:
                hold.move(board.now, board.quiet)
            found[threshold][at] = decide(look, hold, threshold, 1.0)[1]
    return found


def quartiles(values: list[float]) -> str:
    low, middle, high = quantiles(values, n=4) if len(values) > 1 else values * 3
    return f"mean {mean(values):6.2f}  quartiles {low:6.2f} {middle:6.2f} {high:6.2f}"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--scorer", type=Path, required=True)
    options.add_argument("--out", type=Path)
    options.add_argument("--seeds", type=int, default=20)
    options.add_argument("--constants", action="store_true", help="fit the other numbers as well")
    args = options.parse_args()
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
    score = scorer(args.scorer)
    if args.constants:
        constants(score, list(talks(args.data, args.seeds)))
        return
    measured: list[tuple[Talk, Any, dict[float, np.ndarray]]] = []
    given: list[list[bool]] = []
    for talk in talks(args.data, args.seeds):
        given.append(shipped(talk, args.out))
        labelled = score["Series"](
            talk.name, [{"timestamp": at, "score": 0, "flag": "0"} for at in talk.stamps], talk.windows
        )
        measured.append((talk, labelled, flags(talk)))
    report(score["measure"], measured, given)


def worth(variants: list[dict[str, float]]) -> float:
    """What a series counts when something is fitted: as given and thinned alike, both profiles alike."""
    return mean(one[p] for one in variants for p in PROFILES)


def constants(score: dict[str, Any], found: list[Talk]) -> None:
    """Leave one series out with the numbers of the detector fitted on the other four, one of them changed at a time."""
    labelled = [
        score["Series"](t.name, [{"timestamp": at, "score": 0, "flag": "0"} for at in t.stamps], t.windows)
        for t in found
    ]
    variants = found[0].variants
    table: dict[tuple[str, float], list[list[dict[str, float]]]] = {}  # (numbers, threshold) → series, variant, profile
    for label, module, name, value in [
        ("as shipped", usual, "EASE", usual.EASE),
        *((f"{n} {v}", m, n, v) for n, (m, values) in CONSTANTS.items() for v in values),
    ]:
        kept = getattr(module, name)
        setattr(module, name, value)
        raised = [flags(talk) for talk in found]
        setattr(module, name, kept)
        for threshold in GRID:
            table[label, threshold] = [
                [
                    {p: score["measure"]([one], lambda s, row, f=f[threshold][:, c]: f[row], p)[0] for p in PROFILES}
                    for c in range(len(variants))
                ]
                for one, f in zip(labelled, raised, strict=True)
            ]
        best = max(GRID, key=lambda t: mean(worth(one) for one in table[label, t]))
        said = "  ".join(f"{p} {mean(one[0][p] for one in table[label, best]):6.2f}" for p in PROFILES)
        print(f"{label:12s} best at {best:.2f}: {said}", flush=True)

    def fit(which: list[int]) -> tuple[str, float]:
        return max(table, key=lambda key: sum(worth(table[key][i]) for i in which))

    everyone = list(range(len(found)))
    best_of_all = fit(everyone)
    fitted = {left: fit([i for i in everyone if i != left]) for left in everyone}
    print(f"fitted on all {best_of_all}; " + "; ".join(f"without {found[i].name} {t}" for i, t in fitted.items()))
    for profile in PROFILES:
        inside, left = (
            [table[key][i][0][profile] for i, key in enumerate(keys)]
            for keys in ([best_of_all] * len(found), [fitted[i] for i in everyone])
        )
        print(f"leave-one-out, {profile:9s} {quartiles(left)}  fitted minus left out {mean(inside) - mean(left):.2f}")


def report(measure: Any, measured: list[tuple[Talk, Any, dict[float, np.ndarray]]], given: list[list[bool]]) -> None:
    def points(which: list[int], column: int, threshold: float, profile: str) -> tuple[float, int, int, float]:
        picked = {id(measured[i][1]): measured[i][2][threshold][:, column] for i in which}
        found: tuple[float, int, int, float] = measure(
            [measured[i][1] for i in which], lambda s, row: picked[id(s)][row], profile
        )
        return found

    everyone = list(range(len(measured)))
    variants = measured[0][0].variants
    same = all(list(m[2][SHIPPED][:, 0]) == f for m, f in zip(measured, given, strict=True))
    print(f"detector {VERSION}; many at once flags what `detect` flags row by row: {'yes' if same else 'NO'}")
    for profile in PROFILES:
        value, hits, outside, rate = points(everyone, 0, SHIPPED, profile)
        of = sum(len(m[1].spans) for m in measured)
        print(
            f"as shipped, {profile:9s} {value:6.2f}  windows {hits}/{of}  rows outside {outside}  false alerts/series/week {rate:.2f}"
        )
    table = {
        (i, c, t, p): points([i], c, t, p)[0]
        for i in everyone
        for c in range(len(variants))
        for t in GRID
        for p in PROFILES
    }

    def fit(which: list[int]) -> float:
        """The threshold that serves these series best, as given and thinned."""
        return max(
            GRID, key=lambda t: sum(table[i, c, t, p] for i in which for c in range(len(variants)) for p in PROFILES)
        )

    fitted = {left: fit([i for i in everyone if i != left]) for left in everyone}
    best = fit(everyone)
    print(
        f"fitted threshold {best}; leaving one out {', '.join(f'{measured[i][0].name} {t}' for i, t in fitted.items())}"
    )
    for profile in PROFILES:
        inside = [table[i, 0, best, profile] for i in everyone]
        left = [table[i, 0, fitted[i], profile] for i in everyone]
        print(
            f"leave-one-out, given, {profile:9s} {quartiles(left)}  fitted minus left out {mean(inside) - mean(left):.2f}"
        )
    for keep in KEEPS:
        columns = [c for c, name in enumerate(variants) if name == f"{keep}"]
        for profile in PROFILES:
            whole = [points(everyone, c, SHIPPED, profile) for c in columns]
            left = [table[i, c, fitted[i], profile] for i in everyone for c in columns]
            rate = mean(w[3] for w in whole)
            print(
                f"kept {keep}, as shipped, {profile:9s} {quartiles([w[0] for w in whole])}  "
                f"windows {mean(w[1] for w in whole):.1f}  false alerts/series/week {rate:.2f}"
            )
            print(f"kept {keep}, leave-one-out, {profile:6s} {quartiles(left)}")


if __name__ == "__main__":
    main()
