"""The figures of docs/measurements.md, measured on real processes with shipped defaults.

usage: python -m benchmarks [--quick] [--mentions N] [--data DIR] [--only PART ...]

DIR holds semeval.csv (real tweets); without it the model town's own people speak. Nothing outside this machine is asked.
"""

import argparse
import platform
import sys
from pathlib import Path

import psutil

from benchmarks import journey, texts
from benchmarks.premises import Site, site

PARTS = ("journey", "pair", "pickup", "feeds", "scorer")
SHOWN = (
    "server_version",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_level",
    "wal_compression",
    "shared_buffers",
    "max_wal_size",
    "checkpoint_timeout",
    "autovacuum",
    "default_toast_compression",
)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="8,000 mentions, about a minute")
    options.add_argument("--mentions", type=int, default=80_000)
    options.add_argument("--data", type=Path)
    options.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    args = options.parse_args()
    count = 8_000 if args.quick else args.mentions
    print(f"machine: {platform.machine()}, {psutil.cpu_count()} processors, Python {platform.python_version()}")
    print(
        f"texts: {'tweets of semeval.csv, the brand put in' if args.data else 'what the people of the model town say'}"
    )
    if "journey" in args.only:
        _journey(count, args.data)
    return 0


def _settings(place: Site) -> None:
    found = {name: place.asking.execute(f"SHOW {name}").fetchone()[0] for name in SHOWN}  # type: ignore[index]
    print("postgres:", ", ".join(f"{name} {value}" for name, value in found.items()))
    print("earmark: shipped rules and settings; receipts on; raw payloads kept; desk `log` owed each ticket\n")


def _journey(count: int, data: Path | None) -> None:
    spoken = texts.texts(count + journey.WARM, data)
    stock = journey.Stock(spoken)
    clock = journey.Clockwork(len(spoken))
    with site("en") as place:
        _settings(place)
        place.scheduler()
        place.worker("reader", digest=0, deliver=0)
        journey.store(place, spoken[: journey.WARM], clock.lot(journey.WARM))
        stock.measure()
        stored = journey.store(place, spoken[journey.WARM :], clock.lot(count))
        stock.measure()
        place.end("reader")
        filed = journey.digest(place, ["judge"], count + journey.WARM)
        stock.measure()
        judged = journey.judge(place)
        outcomes = place.asking.execute(
            "SELECT sum(ticketed), sum(in_review), sum(ignored), sum(tickets) FROM runs"
        ).fetchone()
    each = stored.each + filed.each
    print(f"page in to ticket committed, {stored.mentions} mentions, scorer vader, language en (verdicts: {outcomes})")
    print(f"  stock VADER        {stock.each * 1e6:7.1f} µs a text")
    for name, client, postgres in (
        ("normalise and store", stored.client, stored.postgres),
        ("judge", judged, 0.0),
        ("load and file", filed.client - judged, filed.postgres),
    ):
        print(
            f"  {name:20s}{(client + postgres) * 1e6:7.1f} µs = client {client * 1e6:6.1f} + postgres {postgres * 1e6:6.1f}"
        )
    print(f"  together           {each * 1e6:7.1f} µs a mention: {stock.each / each:.2f} of stock VADER's rate")
    print(
        f"  wall: stored {stored.mentions / stored.wall:.0f}/s, filed {filed.mentions / filed.wall:.0f}/s; scheduler "
        f"{(stored.bill.scheduler + filed.bill.scheduler) / count * 1e6:.1f} µs a mention"
    )


if __name__ == "__main__":
    sys.exit(main())
