"""What all commands do alike, in one place: with --json they say JSON on standard output also when they fail, and those that change
something take --dry-run and --no-input.

A dry run does the same work in the same transactions and takes each back (`Rehearsal` in console/cli/opened.py), so that its output has the
same shape and what would be refused is refused.
"""

import os
import sys
from functools import cache
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from console.cli.called import call
from console.cli.common import fail, show_json
from console.equal import page

# frames and styles are for a person at a terminal; a pipe, a log or a plain terminal gets letters
MARKUP: Any = "rich" if sys.stdout.isatty() and os.environ.get("TERM") != "dumb" else None
NOTHING = "dry run: nothing was changed"


def _failed(error: str) -> None:
    """The error as JSON, once, where JSON was asked for."""
    if call.json and not call.shown:
        show_json({"error": error})


class _Alike:
    """How every command ends."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        call.begin()
        call.json = "--json" in args
        return super().parse_args(ctx, args)  # type: ignore[misc,no-any-return]

    def invoke(self, ctx: Any) -> Any:
        call.json = call.json or bool(ctx.params.get("as_json"))
        try:
            done = super().invoke(ctx)  # type: ignore[misc]
        except typer.Exit as end:
            if end.exit_code:
                _failed("\n".join(call.said) or "failed")
            raise
        except typer.Abort:
            _failed("not confirmed: nothing was done")
            raise
        except Exception as error:
            if said := getattr(error, "format_message", None):  # a call that cannot be understood
                _failed(str(said()))
            raise
        finally:
            call.open.close()
            if call.dry_run:
                typer.echo(NOTHING, err=True)
                call.dry_run = False
        return done


class Command(_Alike, TyperCommand):
    def invoke(self, ctx: Any) -> Any:
        """And where a page of the console shows the same, its address, on standard error."""
        done = super().invoke(ctx)
        path = ctx.command_path.partition(" ")[2]
        if where := page(path, ctx.params):
            typer.echo(f"page: {os.environ.get('EARMARK_CONSOLE_URL', '').rstrip('/')}{where}", err=True)
        return done


class Group(_Alike, TyperGroup):
    pass


def _dry(value: bool) -> None:
    call.dry_run = call.dry_run or value


def _quiet(value: bool) -> None:
    call.no_input = call.no_input or value


DryRun = Annotated[
    bool,
    typer.Option("--dry-run", callback=_dry, expose_value=False, help="Only say what would be done."),
]
NoInput = Annotated[
    bool,
    typer.Option("--no-input", callback=_quiet, expose_value=False, help="Never ask."),
]


@cache
def _options() -> list[Any]:
    """The two options as typer makes them."""
    made = typer.Typer(add_completion=False)

    @made.command()
    def any_(dry_run: DryRun = False, no_input: NoInput = False) -> None: ...

    return list(typer.main.get_command(made).params)


class _Changing:
    """Adds the two options to a command's own."""

    def __init__(self, *args: Any, params: list[Any] | None = None, **more: Any) -> None:
        super().__init__(*args, params=[*(params or []), *_options()], **more)


class Changing(_Changing, Command):
    """A command that changes what is stored."""


class ChangingGroup(_Changing, Group):
    """A command with commands below it that changes what is stored when it is called by itself."""


def sure(question: str, yes: bool, advice: str = "add --yes") -> None:
    """Ask a person at a terminal; without one, with --no-input or --json the answer must have come with the call."""
    if yes or call.dry_run:
        return
    if call.no_input or call.json or not sys.stdin.isatty():
        fail("this needs to be confirmed", advice, code=2)
    typer.confirm(question, abort=True, err=True)


def alike(app: typer.Typer) -> typer.Typer:
    """Every command and group of an application becomes one of ours."""
    for command in app.registered_commands:
        command.cls = command.cls if issubclass(command.cls or object, _Alike) else Command
    for group in app.registered_groups:
        if group.typer_instance is not None:
            alike(group.typer_instance)
            group.typer_instance.info.cls = Group
    app.info.cls = Group
    app.rich_markup_mode = MARKUP
    return app
