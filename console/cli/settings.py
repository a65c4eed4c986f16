"""Commands about the configuration itself: `check`, `schema`, `channels new`. They read files and the environment, nothing else."""

import json
import os
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from config import secrets
from config.complaints import Complaint, nearest
from config.load import Examined, examine
from console.cli.common import fail, show_json
from console.cli.sarif import sarif

app = typer.Typer(add_completion=False)
channels = typer.Typer(help="The channels and their health.")

Folder = Annotated[
    Path, typer.Option("--config", envvar="EARMARK_CONFIG", help="The configuration folder.", show_default=True)
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object.")]


@app.command()
def check(
    folder: Folder = Path("config"),
    form: Annotated[str, typer.Option("--format", help="text, json or sarif.")] = "text",
    as_json: Json = False,
) -> None:
    """Validate all configuration and say everything that is wrong at once; asks no platform. Exit code 2 when something is."""
    if form not in ("text", "json", "sarif"):
        fail(f"--format {form}: there is text, json, sarif", code=2)
    examined = examine(folder)
    complaints = [*examined.complaints]
    if examined.config is not None:
        complaints += secrets.missing(examined.config, examined.places)
    errors = sum(one.severity == "error" for one in complaints)
    if form == "sarif":
        show_json(sarif(complaints, version("earmark")))
    elif as_json or form == "json":
        show_json(_document(examined, complaints, errors))
    else:
        _show(complaints)
        typer.echo(_summary(examined, folder, complaints, errors))
    raise typer.Exit(2 if errors else 0)


@app.command()
def schema(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="The reference page instead (docs/configuration.md).")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on one line.")] = False,
) -> None:
    """Print the JSON Schema of the configuration, for editors."""
    from config import handbook  # loads every connector's model: only this command and `channels new` need that
    from config.schema import schema as build

    if markdown and not as_json:
        typer.echo(handbook.markdown(), nl=False)
    elif markdown:
        typer.echo(json.dumps({"markdown": handbook.markdown()}, ensure_ascii=False))
    else:
        typer.echo(json.dumps(build(), ensure_ascii=False, indent=None if as_json else 2))


@channels.command("new")
def new(platform: Annotated[str, typer.Argument(help="The kind, such as reddit.")], as_json: Json = False) -> None:
    """Print a commented snippet for a new channel, ready to paste into a file of the configuration folder."""
    from config import handbook
    from config.schema import connectors_of

    kinds = connectors_of("channels")
    if platform not in kinds:
        near = nearest(platform, kinds)
        hint = f'; did you mean "{near}"?' if near else ""
        fail(f'unknown channel kind "{platform}"; known: {", ".join(kinds)}{hint}', code=2)
    text = handbook.snippet(platform)
    typer.echo(json.dumps({"kind": platform, "yaml": text}, ensure_ascii=False) if as_json else text, nl=as_json)


def _document(examined: Examined, complaints: list[Complaint], errors: int) -> dict[str, object]:
    config = examined.config
    return {
        "ok": errors == 0,
        "errors": errors,
        "warnings": len(complaints) - errors,
        "files": list(examined.files),
        "hash": config.hash if config else None,
        "channels": [{"name": one.name, "kind": one.kind, "enabled": one.enabled} for one in config.channels]
        if config
        else None,
        "complaints": [one.document() for one in complaints],
    }


def _show(complaints: list[Complaint]) -> None:
    colour = False if os.environ.get("NO_COLOR") or not sys.stdout.isatty() else None
    for one in complaints:
        head, _, rest = str(one).partition("\n")
        typer.secho(head, fg="red" if one.severity == "error" else "yellow", color=colour)
        if rest:
            typer.echo(rest)


def _summary(examined: Examined, folder: Path, complaints: list[Complaint], errors: int) -> str:
    files = _many(len(examined.files), "file")
    if errors:
        warnings = len(complaints) - errors
        also = f", {_many(warnings, 'warning')}" if warnings else ""
        return f"{_many(errors, 'error')}{also} in {files}"
    config = examined.config
    assert config is not None
    enabled = Counter(one.enabled for one in config.channels)
    off = f" ({enabled[False]} off)" if enabled[False] else ""
    parts = [
        f"{_many(enabled[True], 'channel')}{off}",
        _many(len(config.topics), "topic"),
        _many(len(config.rules), "rule"),
        _many(sum(one.enabled for one in config.desks), "desk"),
    ]
    return f"{folder}: good ({files}): {', '.join(parts)}"


def _many(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
