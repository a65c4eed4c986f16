"""`earmark tokens add, list, revoke`: what programs show at the API's door."""

from typing import Annotated

import typer

from console.cli.common import Json, fail, show_json, show_table
from console.cli.opened import opened
from console.cli.shape import Changing
from storage import tokens
from storage.scopes import Scope

app = typer.Typer()
group = typer.Typer(no_args_is_help=True, help="API tokens: add, list, revoke.")
app.add_typer(group, name="tokens")
ACTOR = "command"


@group.command("add", cls=Changing)
def add(
    name: Annotated[str, typer.Argument(help="Who will use it, such as crm-import.")],
    scope: Annotated[list[str], typer.Option(help="Several times; docs/api.md lists them.")],
    days: Annotated[int, typer.Option(help=f"How long it lives, at most {tokens.LONGEST_DAYS}.")] = 90,
    per_minute: Annotated[int, typer.Option(help="Requests.")] = tokens.PER_MINUTE,
    team: Annotated[list[str] | None, typer.Option(help="Only these teams' tickets.")] = None,
    topic: Annotated[list[str] | None, typer.Option(help="Only these topics' tickets.")] = None,
    as_json: Json = False,
) -> None:
    """Make a token; it is shown this once."""
    limits = Scope(tuple(team or ()), tuple(topic or ()))
    with opened() as ledger:
        try:
            id_, value, until = ledger.run(
                lambda c: tokens.add(c, name, scope, days, ACTOR, per_minute=per_minute, scope=limits)
            )
        except ValueError as error:
            fail(str(error), code=2)
    if as_json:
        show_json({"id": id_, "token": value, "expires_at": until, "scopes": sorted(set(scope))})
    else:
        print(f"token {id_}: {value} (shown this once; good until {until:%Y-%m-%d})")


@group.command("list")
def list_(as_json: Json = False) -> None:
    """Tokens, without their values."""
    with opened() as ledger:
        found = ledger.run(tokens.everything)
    if as_json:
        show_json(found)
    else:
        columns = ("id", "name", "hint", "state", "scopes", "expires_at", "used_at")
        show_table("", columns, [[" ".join(row[c]) if c == "scopes" else row[c] for c in columns] for row in found])


@group.command("revoke", cls=Changing)
def revoke(token: Annotated[int, typer.Argument()], as_json: Json = False) -> None:
    """End a token now."""
    with opened() as ledger:
        done = ledger.run(lambda c: tokens.revoke(c, token, ACTOR))
    if not done:
        fail(f"there is no token {token} that stands", "earmark tokens list")
    show_json({"id": token, "revoked": True}) if as_json else print(f"token {token} is no more")
