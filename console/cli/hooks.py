"""`earmark hooks`: events told by signed webhooks, and telling them again. `earmark database roles`: who may do what in the database itself."""

from typing import Annotated

import typer

from console.cli.common import Json, fail, say, show_json, show_table
from console.cli.opened import opened
from console.cli.shape import Changing
from storage import database_roles, dead_effects, event_hooks

app = typer.Typer()
hooks = typer.Typer(no_args_is_help=True, help="Event webhooks: what was told, and telling it again.")
database = typer.Typer(no_args_is_help=True, help="The database's own roles.")
app.add_typer(hooks, name="hooks")
app.add_typer(database, name="database")
COLUMNS = ("id", "target", "type", "state", "attempts", "created_at", "done_at", "error")


@hooks.command("list")
def list_(
    target: Annotated[str, typer.Option(help="Of this subscription only.")] = "",
    state: Annotated[str, typer.Option(help="new, sending, retry, unknown, done, dead or blocked.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="The newest so many.")] = 50,
    as_json: Json = False,
) -> None:
    """Events that were told or wait to be, the newest first."""
    with opened() as ledger, ledger.read() as connection:
        found = event_hooks.told(connection, target, state, limit)
    if as_json:
        show_json(found)
    else:
        show_table("", COLUMNS, [[row[name] for name in COLUMNS] for row in found])


@hooks.command("replay", cls=Changing)
def replay(
    ids: Annotated[list[int], typer.Argument(help="Numbers of `earmark hooks list`.")],
    as_json: Json = False,
) -> None:
    """Tell events again, to the letter and under the same webhook-id: a receiver that had one knows it."""
    done, refused = [], {}
    with opened() as ledger:
        for id_ in ids:
            try:
                ledger.run(lambda c, id_=id_: dead_effects.replay(c, id_, "command"))
                done.append(id_)
            except LookupError:
                refused[id_] = "there is no such delivery"
            except dead_effects.CannotReplay as why:
                refused[id_] = str(why)
    if as_json:
        show_json({"replayed": done, "refused": refused})
    else:
        for id_ in done:
            print(f"{id_}: told again")
    for id_, why in refused.items():
        say(f"{id_}: {why}")
    if refused:
        raise typer.Exit(1)


@database.command("roles", cls=Changing)
def roles(as_json: Json = False) -> None:
    """Make or mend earmark_app (runs Earmark), earmark_reports (reads figures), earmark_scoped (limited readers) and their rights."""
    with opened() as ledger, ledger.begin() as connection:
        if not database_roles.possible(connection):
            fail("this role may not make roles", "run it as the tables' owner with CREATEROLE", code=1)
        made = database_roles.install(connection)
    if as_json:
        show_json({"roles": made.roles, "views": made.views, "closed": made.closed})
        return
    print(f"roles: {', '.join(made.roles)} (no passwords: ALTER ROLE earmark_app PASSWORD '…')")
    print(f"earmark_reports reads: {', '.join(made.views)}")
    print(f"closed to limited readers: {', '.join(made.closed)}")
