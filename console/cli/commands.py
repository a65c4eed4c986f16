"""Every room's commands under one name."""

import typer

from console.cli import (
    backup,
    channels,
    demo,
    desks,
    doctor,
    filters,
    flags,
    handling,
    hooks,
    judging,
    learning,
    linkage,
    merging,
    outbox,
    people,
    plan,
    promising,
    proof,
    report,
    seed,
    serve,
    settings,
    tickets,
    tokens,
    work,
)
from console.cli.common import Json
from console.cli.shape import alike

app = typer.Typer(
    name="earmark",
    help="Hears what customers say in public and earmarks what needs a person.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for part in (
    serve,
    channels,
    doctor,
    filters,
    judging,
    settings,
    plan,
    proof,
    people,
    tokens,
    linkage,
    backup,
    learning,
    report,
    seed,
    desks,
    hooks,
):
    app.registered_commands += part.app.registered_commands
    app.registered_groups += part.app.registered_groups
people.known.registered_commands += merging.app.registered_commands
tickets.app.registered_commands += handling.app.registered_commands + promising.app.registered_commands
app.add_typer(serve.embedded, name="services")
app.command(name="demo")(demo.run)


@settings.channels.callback(invoke_without_command=True)
def channels_(context: typer.Context, as_json: Json = False) -> None:
    """The health of each channel: last success, last item, lag, errors, gaps, next poll."""
    if context.invoked_subcommand is None:
        channels.health(as_json)


app.add_typer(settings.channels, name="channels")
app.add_typer(tickets.app, name="tickets")
app.add_typer(flags.app, name="flags")
app.add_typer(outbox.app, name="outbox")
app.add_typer(work.agents, name="agents")
app.add_typer(work.rules, name="automations")
app.add_typer(work.tasks, name="tasks")
alike(app)
