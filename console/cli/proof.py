"""`earmark reconcile`, `export`, `audit …`, `dead …`: what can be proved, taken away and looked into."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, TextIO

import typer

from console.cli.common import Folder, Json, configured, fail, plain, say, show_json, show_table, where, working
from console.cli.opened import opened
from console.cli.shape import Changing
from storage import audit as chain
from storage import dead as letters
from storage import export as out
from storage import views_audit
from storage.ledger import Ledger
from storage.proofs import PROOFS
from storage.reconcile import reconcile as prove

app = typer.Typer(no_args_is_help=True)
export = typer.Typer(no_args_is_help=True, help="Take data out, as JSON lines.")
audit = typer.Typer(no_args_is_help=True, help="The chained log of who did what.")
dead = typer.Typer(no_args_is_help=True, help="Dead letters and rejected items: list, show, retry, drop.")
app.add_typer(export, name="export")
app.add_typer(audit, name="audit")
app.add_typer(dead, name="dead")

ACTOR = "command"
NAME = Annotated[str, typer.Argument(help="As listed: letter:7 (or 7), reject:12.")]


@app.command("reconcile")
def reconcile(as_json: Json = False) -> None:
    """Prove that nothing is lost, doubled or moved: every page, mention, ticket and effect, from both sides. Exit code 1 if not."""
    with opened() as ledger, ledger.read() as connection, working("proving", len(PROOFS)) as done:
        report = prove(connection, done)
    if as_json:
        show_json(report.document())
    else:
        for line in report.lines:
            print(line)
        for gap in report.gaps:
            until = "now" if gap["until"] is None else plain(gap["until"])
            since = "the beginning" if gap["since"] is None else plain(gap["since"])
            print(f"gap   {gap['channel']}: {since} to {until}: {gap['reason']}")
        for finding in report.findings:
            say(f"finding: {finding}")
        shown = sum(line.wrong for line in report.lines) - len(report.findings)
        if shown > 0:
            say(f"and {shown} more")
    raise typer.Exit(0 if report.good else 1)


@export.command("mentions")
def mentions(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file instead of standard output.")] = None,
    after: Annotated[int, typer.Option(hidden=True)] = 0,
    as_json: Json = False,
) -> None:
    """Every mention as one JSON line. Text of platforms whose terms keep it in is null."""
    del as_json  # JSON lines either way
    from workers.bootstrap import policies

    withheld = frozenset(platform for platform, policy in policies().items() if not policy.export_text)
    try:
        handle = output.open("w", encoding="utf-8") if output else None
    except OSError as error:
        fail(f"{output}: {error.strerror}", code=2)
    with opened() as ledger:
        ledger.run(lambda c: chain.append(c, ACTOR, "mentions.export", "mentions", {"after": after}))
        count = _mentions(ledger, handle, withheld, after)
    if handle:
        handle.close()
        say(f"{count} mentions in {output}")


def _mentions(ledger: Ledger, handle: TextIO | None, withheld: frozenset[str], after: int) -> int:
    """To the file or standard output; how many."""
    count = 0
    with ledger.read() as connection, working("exporting", out.count(connection, after)) as done:
        for mention in out.mentions(connection, withheld, after):
            line = json.dumps(mention, ensure_ascii=False, default=plain)
            if handle:
                handle.write(line + "\n")
            else:
                typer.echo(line)
            count += 1
            if count % 500 == 0:
                done(count)
    return count


@audit.command("verify")
def verify(
    anchor: Annotated[list[str] | None, typer.Option(help="A head hash noted earlier; may be given again.")] = None,
    as_json: Json = False,
) -> None:
    """Walk the chain: an edited, removed, inserted or reordered row is found. Exit code 1 if one is."""
    with opened() as ledger, ledger.read() as connection:
        checked = chain.verify(connection, anchor or ())
    if as_json:
        show_json(
            {"rows": checked.rows, "head": checked.head, "findings": checked.findings, "good": not checked.findings}
        )
    else:
        print(f"{checked.rows} rows, head {checked.head or '(empty)'}")
        for finding in checked.findings:
            say(f"finding: {finding}")
    raise typer.Exit(1 if checked.findings else 0)


@audit.command("list")
def audited(
    actor: Annotated[str, typer.Option(help="Such as user:3 or command.")] = "",
    action: Annotated[str, typer.Option(help="Its beginning: user finds user.role.")] = "",
    object: Annotated[str, typer.Option(help="Such as ticket:7.")] = "",
    before: Annotated[int | None, typer.Option(help="Go on under this number.")] = None,
    as_json: Json = False,
) -> None:
    """Who did what, newest first, fifty to a page."""
    with opened() as ledger, ledger.read() as connection:
        found = views_audit.read(connection, actor, action, object, before)
    if as_json:
        show_json({"rows": [asdict(row) for row in found.links], "before": found.before})
        return
    rows = [(row.id, f"{row.at:%Y-%m-%d %H:%M}", row.who, row.action, row.object, row.detail) for row in found.links]
    show_table("", ("no.", "at (UTC)", "who", "did", "to", "detail"), rows)
    if found.before:
        print(f"older ones: --before {found.before}")


@audit.command("head")
def head(as_json: Json = False) -> None:
    """The hash of the last link: keep it somewhere else, and give it to `verify --anchor` later."""
    with opened() as ledger, ledger.read() as connection:
        id_, hash_ = chain.head(connection)
    if as_json:
        show_json({"id": id_, "head": hash_})
    else:
        print(f"{id_} {hash_}")


@dead.command("list")
def list_(
    state: Annotated[str, typer.Option(help="open, retried, dropped, stored or any")] = "open",
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    as_json: Json = False,
) -> None:
    """What stopped for good, newest first."""
    if state not in ("open", "retried", "dropped", "stored", "any"):
        fail(f"there is no state {state!r}", code=2)
    with opened() as ledger, ledger.read() as connection:
        found = letters.everything(connection, state, limit)
    if as_json:
        show_json(found)
    else:
        show_table("", ("name", "what", "reason", "state", "at"), [
            (row["name"], row["what"], row["reason"], row["state"], plain(row["at"])) for row in found
        ])  # fmt: skip


@dead.command("show")
def show(name: NAME, as_json: Json = False) -> None:
    """All that is known of one, with the mention, effect or raw item behind it."""
    wanted = _name(name)
    with opened() as ledger, ledger.read() as connection:
        found = letters.show(connection, wanted)
    if found is None:
        fail(f"there is no {wanted[0]}:{wanted[1]}", "earmark dead list")
    typer.echo(json.dumps(found, ensure_ascii=False, default=plain, indent=None if as_json else 2))


@dead.command("retry", cls=Changing)
def retry(name: NAME, config: Folder = Path("config"), as_json: Json = False) -> None:
    """Owe the work again. A rejected item is read again from its raw form."""
    wanted = _name(name)
    place = where()
    try:
        with opened(place) as ledger:
            if wanted[0] == "reject":
                from workers.reread import reread

                said = reread(ledger, configured(config), place.secret, wanted[1], ACTOR)
            else:
                ledger.run(lambda c: letters.retry(c, wanted, ACTOR))
                said = "queued"
    except (LookupError, letters.CannotRetry) as error:
        fail(str(error), "earmark dead list")
    _said(wanted, said, as_json)


@dead.command("drop", cls=Changing)
def drop(name: NAME, as_json: Json = False) -> None:
    """Give it up; it stays listed as dropped."""
    wanted = _name(name)
    try:
        with opened() as ledger:
            ledger.run(lambda c: letters.drop(c, wanted, ACTOR))
    except (LookupError, letters.CannotRetry) as error:
        fail(str(error), "earmark dead list --state any")
    _said(wanted, "dropped", as_json)


def _name(raw: str) -> letters.Name:
    try:
        return letters.name(raw)
    except ValueError as error:
        fail(str(error), code=2)


def _said(wanted: letters.Name, said: str, as_json: bool) -> None:
    name = f"{wanted[0]}:{wanted[1]}"
    if as_json:
        show_json({"name": name, "result": said})
    else:
        print(f"{name}: {said}")
