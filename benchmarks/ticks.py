"""Ten thousand series: a minute tick on one core, a start from what is stored, and the memory of each.

usage: python -m benchmarks.ticks [--series 10000] [--ticks 10]
"""

import argparse
import time
from datetime import UTC, datetime, timedelta
from statistics import median

import numpy as np

from domain.live import AGAIN, Heard, Live, Watched, bin_of
from domain.snapshots import freeze, thaw

NOW = datetime(2026, 8, 1, tzinfo=UTC)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--series", type=int, default=10_000)
    options.add_argument("--ticks", type=int, default=11)
    options.add_argument(
        "--begun", type=int, default=200, help="series that begin from all that is stored; the rest is like them"
    )
    args = options.parse_args()
    dice = np.random.default_rng(1)
    end = bin_of(NOW)
    heard = []
    for n in range(args.begun):  # one in a hundred is busy, the others say something now and then
        bins = dice.choice(14 * 288, size=4000 if n % 100 == 0 else 60, replace=False)
        said = {int(end - 1 - b): float(v) for b, v in zip(bins, dice.poisson(3, len(bins)) + 1, strict=True)}
        heard.append(Heard(said, said))
    watched = [Watched("r", f"s{n}", 0.5, 10.0) for n in range(args.series)]
    few = Live(watched[: args.begun])
    start = time.process_time()
    few.begin(heard[: args.begun], NOW)
    spent_each = (time.process_time() - start) / args.begun
    print(f"the very first start, from all that is stored: {1000 * spent_each:.1f} ms a series ({args.begun} of them)")
    pattern = freeze(few)
    live = Live(watched)
    assert thaw(live, few.board.now, [pattern[n % args.begun] for n in range(args.series)])
    heard = [heard[n % args.begun] for n in range(args.series)]
    first = bin_of(NOW) - AGAIN
    window = [Heard(*({b: n for b, n in one.live.items() if b >= first},) * 2) for one in heard]
    spent, last, raised = [], NOW, 0
    for minute in range(args.ticks):
        last = NOW + minute * timedelta(minutes=1)
        start = time.process_time()
        raised += len(live.tick(window, last).raised)
        spent.append(time.process_time() - start)
    print(f"a minute tick: median {median(spent):.2f} s, most {max(spent):.2f} s ({raised} flags)")
    start = time.process_time()
    rows = freeze(live)
    print(f"snapshot: {time.process_time() - start:.2f} s, {sum(map(len, rows)) / len(rows) / 1024:.1f} KB a series")
    start = time.process_time()
    again = Live(watched)
    assert thaw(again, live.board.now, rows)
    restored = time.process_time() - start
    again.tick(window, last + timedelta(hours=1))
    print(f"a restart: {restored:.2f} s for the rows, {time.process_time() - start:.2f} s with the hour since")
    sizes = sorted(past.nbytes for past in live.board.pasts)
    print(f"bins of a series: median {sizes[len(sizes) // 2]} bytes, most {sizes[-1]}")


if __name__ == "__main__":
    main()
