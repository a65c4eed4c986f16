"""What all commands share: where things are, how they are shown, and how they end.

Results go to standard output, messages to standard error; with --json a failure is `{"error", "help"?}` there (console/cli/shape.py).
Exit codes: 0 good, 1 a finding or a failure, 2 usage or configuration.
"""

import json
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

import config
from console.cli.called import call

if (
    TYPE_CHECKING
):  # filters such as `earmark score` need neither the ledger nor pictures, and start in a fraction of a second
    from rich.console import Console

    from workers.bootstrap import Place

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Folder = Annotated[Path, typer.Option("--config", envvar="EARMARK_CONFIG", help="The configuration folder.")]

PATIENCE_SECONDS = 2.0  # after which a person wants to see that something goes on
DATA = Path(os.environ.get("EARMARK_DATA", "var"))


def console(stderr: bool = False) -> "Console":
    """Colour only for a person at a terminal (https://no-color.org)."""
    from rich.console import Console

    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return Console(stderr=stderr, no_color=plain or None, highlight=False, soft_wrap=True)


def say(message: str) -> None:
    call.said.append(message)
    console(stderr=True).print(message, markup=False)


def fail(message: str, advice: str = "", code: int = 1) -> NoReturn:
    """Say what was wrong and what to do next; end."""
    say(f"error: {message}")
    if advice:
        say(f"help: {advice}")
    if call.json:
        show_json({"error": message, **({"help": advice} if advice else {})})
    raise typer.Exit(code)


def where() -> "Place":
    """This installation, migrated; embedded services are started when no address is set."""
    from config.secrets import SecretError
    from storage import migrate
    from workers.bootstrap import place
    from workers.services import ServiceError

    try:
        found = place(DATA)
        at, wanted = migrate.current(found.database_url)
        if at != wanted:
            migrate.upgrade(found.database_url)
    except (ServiceError, SecretError) as error:
        fail(str(error))
    except Exception as error:
        if type(error).__module__.startswith(("sqlalchemy", "psycopg")):
            fail(
                f"the database does not answer ({type(error).__name__})",
                "is DATABASE_URL right and PostgreSQL up? Without DATABASE_URL Earmark brings its own.",
            )
        raise
    return found


def configured(folder: Path, *, connectors: bool = True) -> config.Config:
    """The configuration in the files. Ends with 2 and every complaint when it is not good."""
    try:
        return config.load(folder, connectors=connectors)
    except config.Complaints as complaints:
        say(str(complaints))
        raise typer.Exit(2) from None


def plain(value: Any) -> Any:
    """JSON has no datetimes, bytes or decimals."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


@contextmanager
def working(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A sign that something goes on, once it takes more than two seconds: a bar with a total, a spinner without.

    On standard error, for a person at a terminal only. Yields what to call with how much is done by now.
    """
    out = console(stderr=True)
    if not out.is_terminal or out.is_dumb_terminal:
        yield lambda done: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    columns: list[ProgressColumn] = [SpinnerColumn(), TextColumn("{task.description}", markup=False)]
    if total is not None:
        columns += [BarColumn(), MofNCompleteColumn()]
    progress = Progress(*columns, TimeElapsedColumn(), console=out, transient=True)
    task = progress.add_task(what, total=total)
    late = threading.Timer(PATIENCE_SECONDS, progress.start)
    late.daemon = True
    late.start()
    try:
        yield lambda done: progress.update(task, completed=done)
    finally:
        late.cancel()
        late.join()
        progress.stop()


def show_json(value: Any) -> None:
    call.shown = True
    typer.echo(json.dumps(value, ensure_ascii=False, default=plain))


def show_table(title: str, columns: Sequence[str], lines: Iterable[Sequence[Any]]) -> None:
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for line in lines:
        table.add_row(*("" if cell is None else str(cell) for cell in line))
    console().print(table)


def lines_of(source: str) -> Iterator[tuple[int, str]]:
    """Numbered lines of a file, or of standard input for `-`."""
    if source == "-":
        yield from enumerate(sys.stdin, 1)
        return
    try:
        with open(source, encoding="utf-8") as handle:
            yield from enumerate(handle, 1)
    except OSError as error:
        fail(f"{source}: {error.strerror}", code=2)


@contextmanager
def reading(source: str, number: int) -> Iterator[None]:
    """Name the line a bad input stands in."""
    try:
        yield
    except (ValueError, KeyError, TypeError) as error:
        fail(f"{'standard input' if source == '-' else source}:{number}: {error}", code=2)


def ago(moment: datetime | None, now: datetime) -> str:
    """`12 s ago`, `3 min ago`, `in 5 s`; empty for never."""
    if moment is None:
        return ""
    seconds = (now - moment).total_seconds()
    size = abs(seconds)
    text = f"{size:.0f} s" if size < 90 else f"{size / 60:.0f} min" if size < 5400 else f"{size / 3600:.0f} h"
    return f"{text} ago" if seconds >= 0 else f"in {text}"
