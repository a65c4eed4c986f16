"""The figures of docs/measurements.md, measured on real processes with shipped defaults.

usage: python -m benchmarks [PART ...] [--quick] [--mentions N] [--data DIR]

PART: journey pair pickup feeds connectors crowd scorer; all of them when none is named.

DIR holds semeval.csv (real tweets); without it the model town's own people speak. Nothing outside this machine is asked.
"""

import argparse
import platform
import statistics
import subprocess
import sys
from pathlib import Path

import psutil

from benchmarks import crowd, journey, pair, pickup, texts
from benchmarks.journey import Step, Stock
from benchmarks.pickup import percentile
from benchmarks.premises import Site, site

PARTS = ("journey", "pair", "pickup", "feeds", "connectors", "crowd", "scorer")
SHOWN = (
    *("server_version", "fsync", "synchronous_commit", "full_page_writes", "wal_level", "wal_compression"),
    *("shared_buffers", "max_wal_size", "checkpoint_timeout", "autovacuum", "default_toast_compression"),
)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="8,000 mentions, about a minute")
    options.add_argument("--mentions", type=int, default=80_000)
    options.add_argument("--data", type=Path)
    options.add_argument("--channels", type=int, default=500, help="of the part crowd")
    options.add_argument("--minutes", type=float, default=0, help="of the part crowd; 3, or 1.5 with --quick")
    options.add_argument("--only", nargs="+", choices=PARTS, default=[], help="the same as naming parts")
    options.add_argument("parts", nargs="*", metavar="PART")
    args = options.parse_args()
    if unknown := set(args.parts) - set(PARTS):
        options.error(f"no part is named {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    args.only = [*args.parts, *args.only] or PARTS
    count = 8_000 if args.quick else args.mentions
    print(f"machine: {platform.machine()}, {psutil.cpu_count()} processors, Python {platform.python_version()}")
    print(
        f"texts: {'tweets of semeval.csv, the brand put in' if args.data else 'what the people of the model town say'}"
    )
    if {"journey", "pair"} & set(args.only):
        _work(count, args.data, args.only)
    if "journey" in args.only:
        _whole(count // 2, args.data)
    if "feeds" in args.only:
        _feeds(50 if args.quick else 200, args.data)
    if "connectors" in args.only:
        _connectors(args.quick)
    if "crowd" in args.only:
        _crowd(args.channels, args.minutes or (1.5 if args.quick else 3))
    if "pickup" in args.only:
        _pickup(12 if args.quick else 100)
    if "scorer" in args.only and args.data:
        print("\nthe scorer by itself", flush=True)
        size = ["--texts", "10000"] if args.quick else []
        return subprocess.run([sys.executable, "-m", "benchmarks.scorer", "--data", str(args.data), *size]).returncode
    return 0


def _settings(place: Site) -> None:
    found = {name: place.asking.execute(f"SHOW {name}").fetchone() for name in SHOWN}
    print("postgres:", ", ".join(f"{name} {row[0]}" for name, row in found.items() if row))
    print(
        "earmark: shipped rules and settings, receipts on, raw payloads kept, each ticket owed to a desk\n", flush=True
    )


def _work(count: int, data: Path | None, parts: tuple[str, ...]) -> None:
    """Phase by phase on one site: store, digest, more to digest with language auto, and by one worker and two."""
    segment, turns = (3000, 1) if count < 20_000 else (count // 8, 3)
    auto = count // 4 if "journey" in parts else 0
    pairs = pair.needed(segment, turns) if "pair" in parts else 0
    first = count if "journey" in parts else 0
    spoken = texts.texts(journey.WARM + first + pairs + auto, data)
    stock, clock = Stock(spoken), journey.Clockwork(len(spoken))
    rest = journey.WARM + first
    with site("en") as place:
        _settings(place)
        place.scheduler()
        place.worker("reader", "poll")
        journey.store(place, spoken[: journey.WARM], clock.lot(journey.WARM))
        if first:
            stock.measure()
            stored = journey.store(place, spoken[journey.WARM : rest], clock.lot(first))
            stock.measure()
            place.end("reader")
            filed = journey.digest(place, ["judge"], rest)
            stock.measure()
            after = journey.follow(place, filed.mentions)
            stock.measure()
            _journey(place, stock, stored, filed, journey.judge(place), "en", after)
            place.worker("reader", "poll")
        if pairs:
            journey.store(place, spoken[rest : rest + pairs], clock.lot(pairs))
            place.end("reader")
            _pair(pair.run(place, segment, turns), segment)
            place.worker("last", "digest")
            place.wait(lambda: place.number("SELECT count(*) FROM digests") == 0, 120, "an empty queue")
            place.end("last")
            place.worker("reader", "poll")
        if auto:
            journey.store(place, spoken[rest + pairs :], clock.lot(auto))
            place.end("reader")
            place.configure("auto")
            place.wait(lambda: place.setting("language") == "auto", 20, "the new configuration")
            filed = journey.digest(place, ["judge"], place.filed() + auto)
            stock.measure()
            _journey(place, stock, stored, filed, journey.judge(place), "auto")


def _journey(
    place: Site, stock: Stock, stored: Step, filed: Step, judged: float, language: str, after: Step | None = None
) -> None:
    outcomes = place.asking.execute("SELECT sum(ticketed), sum(in_review), sum(ignored) FROM runs").fetchone()
    each = stored.each + filed.each
    print(
        f"page in to ticket committed: {filed.mentions} mentions, scorer {place.setting('scorer')}, language {language}"
    )
    print(f"  so far {outcomes[0]} to tickets, {outcomes[1]} to review, {outcomes[2]} ignored" if outcomes else "")
    print(f"  stock VADER          {stock.each * 1e6:7.1f} µs a text")
    steps = (
        ("normalise and store", stored.client, stored.postgres),
        ("judge", judged, 0.0),
        ("load and file", filed.client - judged, filed.postgres),
    )
    for name, client, postgres in steps:
        total = client + postgres
        print(
            f"  {name:20s} {total * 1e6:7.1f} µs = client {client * 1e6:5.1f} + PostgreSQL {postgres * 1e6:5.1f}",
            end="",
        )
        print(f"   ({total / stock.each:.2f} of stock VADER's time)")
    print(f"  together             {each * 1e6:7.1f} µs a mention: {stock.each / each:.2f} of stock VADER's rate")
    if after:
        whole = each + after.each
        print(
            f"  what follows         {after.each * 1e6:7.1f} µs = client {after.client * 1e6:5.1f} + PostgreSQL "
            f"{after.postgres * 1e6:5.1f}: events, flags, figures; with it {stock.each / whole:.2f} of the rate"
        )
    wall = f"stored {stored.mentions / stored.wall:.0f}/s, filed {filed.mentions / filed.wall:.0f}/s by one worker"
    print(f"  wall clock: {wall}\n", flush=True)


def _whole(count: int, data: Path | None) -> None:
    """On a site of its own: what the other parts stored would be within the channels' lookback, and be read again."""
    spoken = texts.texts(journey.WARM + count, data)
    stock = Stock(spoken)
    with site("en") as place:
        place.scheduler()
        stock.measure()
        done = journey.whole(place, spoken, journey.Clockwork(len(spoken)).lot(len(spoken)))
        stock.measure()
    print(f"the same by one worker process that polls and digests, {done.mentions} mentions")
    print(
        f"  together             {done.each * 1e6:7.1f} µs a mention = client {done.client * 1e6:5.1f} + PostgreSQL "
        f"{done.postgres * 1e6:5.1f}: {stock.each / done.each:.2f} of stock VADER's rate ({stock.each * 1e6:.1f} µs)"
    )
    print(f"  wall clock: {done.mentions / done.wall:.0f}/s\n", flush=True)


def _pair(found: pair.Pair, segment: int) -> None:
    print(
        f"two worker processes against one, {len(found.one)} turn(s) of {segment} mentions on {psutil.cpu_count()} processors"
    )
    for one, two in zip(found.one, found.two, strict=True):
        print(f"  one {one:7.0f}/s   two {two:7.0f}/s   {two / one:.2f}")
    print(f"  median of the turns: {found.ratio:.2f}")
    one, two = (statistics.median(found.cost[workers]) * 1e6 for workers in (1, 2))
    print(f"  CPU of workers and PostgreSQL a mention: one {one:.0f} µs, two {two:.0f} µs ({two / one:.2f} times)")
    print(f"  {found.looks} looks at two workers' sessions: {dict(found.waits.most_common(6))}")
    print(f"  load of the machine meanwhile: {psutil.getloadavg()[0]:.1f}\n", flush=True)


def _pickup(posts: int) -> None:
    with site("en", every="1s", postgres=["track_commit_timestamp = on"]) as place:
        place.scheduler()
        place.worker("worker")
        moments = pickup.run(place, posts)
    print(f"one post at a time on an idle system, channel polled each second, {len(moments)} posts")
    for name, values in (
        ("page committed to filing begun", [moment.page_to_filing for moment in moments]),
        ("page committed to ticket committed", [moment.page_to_ticket for moment in moments]),
        ("served to ticket committed", [moment.served_to_ticket for moment in moments]),
    ):
        p50, p99 = statistics.median(values), percentile(values, 0.99)
        print(f"  {name:36s} p50 {p50:6.0f} ms   p99 {p99:6.0f} ms")
    print(flush=True)


def _feeds(entries: int, data: Path | None) -> None:
    """feedparser alone costs several times what scoring does; what it takes us to read one entry, without storing it."""
    found, stock = journey.feed(entries, texts.texts(2000, data))
    print(
        f"a feed of {entries} entries, read: {found * 1e6:.0f} µs an entry, {found / stock:.1f} times stock VADER\n",
        flush=True,
    )


def _connectors(quick: bool) -> None:
    from benchmarks import reading

    print("each inbound connector: from a page as its client has it to normalised mentions, CPU of one process")
    for line in reading.run(turns=3 if quick else 9):
        print(f"  {line}", flush=True)
    print(f"  load of the machine meanwhile: {psutil.getloadavg()[0]:.1f}\n", flush=True)


def _crowd(channels: int, minutes: float) -> None:
    delay = 0.1
    print(
        f"{channels} channels a minute, {delay * 1000:.0f} ms each, one worker process as shipped, watched for {minutes:g} minutes"
    )
    for line in crowd.run(channels, delay, minutes).said():
        print(f"  {line}")
    print(f"  load of the machine meanwhile: {psutil.getloadavg()[0]:.1f}\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
