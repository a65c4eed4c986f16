"""`python -m town`: the whole town as one process, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from town.server import Town
from town.stands import options as known_options


def main(argv: list[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    known = known_options()
    try:
        rates = {name: _rate(value) for name, value in (r.split("=", 1) for r in args.rate)}
        options = {name: type(known[name])(float(value)) for name, value in (o.split("=", 1) for o in args.option)}
    except (KeyError, ValueError) as wrong:
        print(f"town: bad --rate or --option: {wrong}", file=sys.stderr)
        return 2
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    town = Town(
        args.ledger,
        args.seed,
        ports=_ports(args.ports_file),
        rates=rates,
        options=options,
        story=args.story,
        speed=args.speed,
    )
    with town:
        line = json.dumps(town.urls)
        if args.ports_file:
            _write(args.ports_file, line)
        with contextlib.suppress(BrokenPipeError):
            print(line, flush=True)
        done.wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m town", description="The model town on loopback.")
    parser.add_argument("--ledger", type=Path, required=True, help="SQLite file; an existing one is carried on")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--story", choices=["outage"])
    parser.add_argument("--speed", type=float, default=1.0, help="2 tells the story in half the time")
    parser.add_argument("--rate", action="append", default=[], metavar="PLATFORM=LIMIT/SECONDS")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help=", ".join(known_options()))
    parser.add_argument("--ports-file", type=Path, help="where the addresses are written; its ports are taken again")
    return parser


def _rate(value: str) -> tuple[int, int]:
    limit, _, window = value.partition("/")
    return int(limit), int(window)


def _ports(path: Path | None) -> dict[str, int]:
    """The ports of last time, when there was one."""
    try:
        urls: dict[str, Any] = json.loads(path.read_text()) if path and path.exists() else {}
    except ValueError:
        return {}
    return {name: urlsplit(url).port or 0 for name, url in urls.items()}


def _write(path: Path, line: str) -> None:
    """Whole or not at all: a reader never sees half a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    beside.write_text(line + "\n")
    os.replace(beside, path)


if __name__ == "__main__":
    sys.exit(main())
