"""The `earmark` command: every room's commands under one name."""

import sys

import typer

from console.cli import channels, demo, judging, people, proof, serve, settings
from console.cli.common import Json

app = typer.Typer(
    name="earmark",
    help="Hears what customers say in public and earmarks what needs a person.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for part in (serve, channels, judging, settings, proof, people):
    app.registered_commands += part.app.registered_commands
    app.registered_groups += part.app.registered_groups
app.add_typer(serve.embedded, name="services")
app.command(name="demo")(demo.run)


@settings.channels.callback(invoke_without_command=True)
def channels_(context: typer.Context, as_json: Json = False) -> None:
    """The health of each channel: last success, last item, lag, errors, gaps, next poll."""
    if context.invoked_subcommand is None:
        channels.health(as_json)


app.add_typer(settings.channels, name="channels")


def main() -> None:
    """Run; a reader that went away (`earmark … | head`) is no error."""
    try:
        app()
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    main()
