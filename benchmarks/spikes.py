"""What `earmark detect` prints for each series of a folder, for scoring by the rules of a public benchmark.

usage: python -m benchmarks.spikes --data DIR --out DIR

DIR holds NAME.csv with `timestamp,value`; NAME.csv with `timestamp,value,score,flag` is written to --out.
"""

import argparse
import csv
import time
from datetime import datetime
from pathlib import Path

from domain.spikes import VERSION, detect


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--out", type=Path, required=True)
    args = options.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for path in sorted(args.data.glob("*.csv")):
        with path.open(newline="") as lines:
            rows = [(row["timestamp"], row["value"]) for row in csv.DictReader(lines)]
        start = time.process_time()
        found = list(detect((datetime.fromisoformat(at), float(value)) for at, value in rows))
        seconds = time.process_time() - start
        with (args.out / path.name).open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(("timestamp", "value", "score", "flag"))
            writer.writerows(
                (at, value, score, int(flag)) for (at, value), (score, flag) in zip(rows, found, strict=True)
            )
        flags = sum(flag for _, flag in found)
        print(f"{path.stem}: {len(rows)} rows, {flags} flags, {len(rows) / seconds:.0f} rows/s, detector {VERSION}")


if __name__ == "__main__":
    main()
