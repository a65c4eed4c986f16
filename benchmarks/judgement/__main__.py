"""The figures of judgement in docs/measurements.md.

usage: python -m benchmarks.judgement --data DIR [NAME ...]

DIR holds public sets (its README says which); without names every measure is taken. Exit code 1 when a figure misses what is asked of it.
"""

import argparse
import importlib
import sys
from pathlib import Path

from benchmarks.judgement import MEASURES, PAGES, Row


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("names", nargs="*", metavar="NAME")
    args = options.parse_args()
    for page in PAGES:
        importlib.import_module(f"benchmarks.judgement.{page}")
    if unknown := [name for name in args.names if name not in MEASURES]:
        options.error(f"no measure is named {', '.join(unknown)}; there are {', '.join(MEASURES)}")
    missed = 0
    print("| measure | VADER alone | as shipped | ask | |\n|---|---|---|---|---|")
    for name in args.names or MEASURES:
        for row in MEASURES[name](args.data):
            print(_line(row), flush=True)
            missed += bool(row.ask) and row.found < float(row.ask)
    return 1 if missed else 0


def _line(row: Row) -> str:
    vader = "" if row.vader is None else f"{row.vader:,.1f}"
    ask = f"≥ {float(row.ask):g}" if row.ask else ""
    return f"| {row.what} | {vader} | {row.found:,.1f} | {ask} | {row.note} |"


if __name__ == "__main__":
    sys.exit(main())
