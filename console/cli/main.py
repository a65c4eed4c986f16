"""The `earmark` command: every room's commands under one name."""

import os
import sys

import typer

from console.cli import backup, channels, demo, doctor, judging, linkage, people, proof, serve, settings
from console.cli.common import Json, say
from storage.ledger import again
from workers.logs import trace

app = typer.Typer(
    name="earmark",
    help="Hears what customers say in public and earmarks what needs a person.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for part in (serve, channels, doctor, judging, settings, proof, people, linkage, backup):
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
    """Run; a reader that went away (`earmark … | head`) is no error. What nobody foresaw is named by kind and place: its text may
    hold somebody's words or a secret. EARMARK_DEBUG=1 shows all of it."""
    try:
        app()
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        if os.environ.get("EARMARK_DEBUG") == "1":
            raise
        say(f"error: {trace(error)}")
        if again(error):
            say("help: the database went away meanwhile; `earmark doctor` looks into it")
        else:
            say("help: this is a mistake of ours; EARMARK_DEBUG=1 shows all there is, which may hold personal text")
        sys.exit(1)


if __name__ == "__main__":
    main()
