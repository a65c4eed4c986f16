"""`earmark customers …` and `earmark users …`: who we know, who asked to be forgotten, who may look."""

import csv
import io
import json
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TextIO, TypeVar

import typer
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from config.policies import unlinkable
from console.cli.called import call
from console.cli.common import Json, fail, say, show_json, show_table, where, working
from console.cli.opened import opened
from console.cli.shape import Changing, sure
from storage import audit, customers, database_roles, export, interactions, roll, scopes
from storage import erase as forget
from storage import users as members
from storage.ledger import Ledger

app = typer.Typer(no_args_is_help=True)
known = typer.Typer(no_args_is_help=True, help="Customers: import, show, list, erase.")
users = typer.Typer(no_args_is_help=True, help="Who may look: add, list, disable.")
app.add_typer(known, name="customers")
app.add_typer(users, name="users")

ACTOR = "command"
T = TypeVar("T")


@known.command("import", cls=Changing)
def import_(
    file: Annotated[str, typer.Argument(help="CSV or JSON Lines; - reads a CSV from standard input.")],
    region: Annotated[str | None, typer.Option(help="Country of phone numbers without +, such as DE.")] = None,
    mapping: Annotated[list[str] | None, typer.Option("--map", help="THEIRS=OURS, several times.")] = None,
    encoding: Annotated[str, typer.Option(help="Of the file, such as cp1252 or utf-16.")] = "utf-8-sig",
    errors: Annotated[Path | None, typer.Option(help="Write refused lines there, with reasons.")] = None,
    as_json: Json = False,
) -> None:
    """Bring in customers: name, email, phone, customer_number, order, tier, vip, PLATFORM_handle."""
    source = _decoded(file, encoding)
    place = where()
    result: list[roll.Brought] = []
    told = _mapping(mapping or [])
    reader = roll.read_json if file.endswith((".jsonl", ".ndjson")) else roll.read

    def work(connection: Connection) -> None:
        lines = reader(io.StringIO(source, newline=""), region and region.upper(), told)
        with working("importing", source.count("\n")) as done:
            result[:] = [roll.bring(connection, place.secret, _counted(lines, done))]
        counts = {name: value for name, value in asdict(result[0]).items() if isinstance(value, int)}
        audit.append(connection, ACTOR, "customers.import", "customers", {**counts, "errors": len(result[0].errors)})
        kept = [
            (line, reason, _cell(source, line)) for line, reason in result[0].errors if not reason.startswith("erased")
        ]
        interactions.aside(connection, f"import:{Path(file).name[:60]}", kept)

    try:
        with opened(place) as ledger:
            ledger.run(work)
    except roll.BadRow as error:
        fail(f"{file}: {error}", code=2)
    done = result[0]
    if errors and done.errors:
        errors.write_text(
            "".join(f"{line}\t{reason}\t{_cell(source, line)}\n" for line, reason in done.errors), encoding="utf-8"
        )
    if as_json:
        listed = [{"line": line, "reason": reason} for line, reason in done.errors]
        show_json({**asdict(done), "errors": listed, "dry_run": call.dry_run})
    else:
        for line, reason in done.errors:
            say(f"{file}:{line}: {reason}")
        verb = "would be " if call.dry_run else ""
        print(
            f"{done.lines} lines: {done.created} {verb}created, {done.updated} {verb}updated, "
            f"{done.unchanged} unchanged, {len(done.errors)} refused"
        )
    raise typer.Exit(1 if done.errors else 0)


def _decoded(file: str, encoding: str) -> str:
    """The file as text; ends with 2 and the line that is in another encoding."""
    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        if raw.startswith((b"\xff\xfe", b"\xfe\xff")) and encoding == "utf-8-sig":
            encoding = "utf-16"
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        fail(
            f"{file}:{line}: this is not {encoding}",
            "a CSV in UTF-8 is wanted; for one from Excel try --encoding cp1252",
            code=2,
        )
    except (OSError, LookupError) as error:
        fail(f"{file}: {error}", "a CSV in UTF-8 is wanted", code=2)


def _mapping(pairs: list[str]) -> dict[str, str]:
    found = dict(pair.partition("=")[::2] for pair in pairs)
    if any("=" not in pair for pair in pairs):
        fail("--map takes THEIRS=OURS, such as --map Kundennr=customer_number", code=2)
    return found


def _cell(source: str, line: int) -> str:
    lines = source.split("\n")
    return lines[line - 1].rstrip("\r") if 0 < line <= len(lines) else ""


@known.command("export")
def export_(
    output: Annotated[str, typer.Option("--output", "-o", help="A file; - is standard output.")] = "-",
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV instead of JSON Lines; attributes as columns.")] = False,
    as_json: Json = False,
) -> None:
    """Every customer, in the columns an import reads. Handles of platforms whose terms keep them in are left out."""
    if as_csv and as_json:
        fail("--csv or --json, not both", code=2)
    try:
        with opened() as ledger, _writing(output) as out:
            ledger.run(lambda c: audit.append(c, ACTOR, "customers.export", "customers"))
            with ledger.read() as connection:
                _write(connection, out, as_csv)
    except OSError as error:
        fail(f"{output}: {error.strerror}", code=2)


def _write(connection: Connection, out: TextIO, as_csv: bool) -> None:
    found = export.customers(connection, unlinkable())
    if not as_csv:
        out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in found)
        return
    names = export.attribute_names(connection)
    writer = csv.writer(out)
    writer.writerow([*export.CUSTOMER, *names])
    for row in found:
        values = [row[name] for name in export.CUSTOMER] + [row["attributes"].get(name, "") for name in names]
        writer.writerow([_harmless(value) for value in values])


def _harmless(value: Any) -> Any:
    """A cell no spreadsheet takes for a formula (https://owasp.org/www-community/attacks/CSV_Injection); numbers stay as they are."""
    text = str(value)
    return (
        f"'{text}"
        if text[:1] in ("=", "@", "\t", "\r") or (text[:1] in "+-" and not text[1:2].isdigit() and text)
        else value
    )


@contextmanager
def _writing(output: str) -> Iterator[TextIO]:
    if output == "-":
        yield sys.stdout
        return
    with Path(output).open("w", encoding="utf-8", newline="") as handle:
        yield handle


def _counted(lines: Iterable[T], done: Callable[[int], None]) -> Iterator[T]:
    for number, line in enumerate(lines, 1):
        if number % 100 == 0:
            done(number)
        yield line


@known.command("erase", cls=Changing)
def erase_(
    customer: Annotated[int | None, typer.Argument(help="The customer's id; see `earmark customers list`.")] = None,
    platform: Annotated[str, typer.Option(help="With --account: the platform.")] = "",
    account: Annotated[str, typer.Option(help="Instead of an id: a handle or account id there, or an address.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Forget a person everywhere: posts, tickets, notices, profile. Only keyed hashes stay, so that they never come back."""
    if (customer is None) == (not account):
        fail("name a customer's id, or --platform and --account", code=2)
    place = where()
    with opened(place) as ledger:
        if not yes:
            _ask(ledger, customer, account)
        try:
            if customer is not None:
                done = ledger.run(lambda c: forget.erase(c, place.secret, customer, ACTOR))
            else:
                done = ledger.run(lambda c: forget.erase_account(c, place.secret, platform, account, ACTOR))
        except LookupError as error:
            fail(str(error), "earmark customers list")
    if as_json:
        show_json({**asdict(done), "remote": [{"target": t, "remote_id": r} for t, r in done.remote]})
        return
    print(", ".join(f"{name} {count}" for name, count in done.counts().items()))
    for target, remote in done.remote:
        say(f"note: {target} still has its own copy as {remote}: erase it there")


def _ask(ledger: Ledger, customer: int | None, account: str) -> None:
    found = None if customer is None else ledger.run(lambda c: customers.show(c, customer))
    if customer is not None and found is None:
        fail(f"there is no customer {customer}", "earmark customers list")
    what = f"{found['name']!r} with {len(found['tickets'])} tickets" if found else account
    sure(f"Erase {what}? This cannot be undone.", yes=False)


@known.command("show")
def show(customer: Annotated[int, typer.Argument()], as_json: Json = False) -> None:
    """One customer with identities and tickets."""

    def work(connection: Connection) -> dict[str, Any] | None:
        audit.append(connection, ACTOR, "personal.read", f"customer:{customer}", {"rows": 1})
        return customers.show(connection, customer)

    found = _run(work)
    if found is None:
        fail(f"there is no customer {customer}", "earmark customers list")
    if as_json:
        show_json(found)
        return
    vip = ", VIP" if found["vip"] else ""
    print(f"{found['id']}  {found['name']}  {found['tier']}{vip}  ({found['source']})")
    show_table("", ("identity", "platform", "is", "evidence"), [
        (i["kind"], i["platform"], i["handle"] or i["native_id"], i["evidence"]) for i in found["identities"]
    ])  # fmt: skip
    show_table("", ("ticket", "status", "priority", "subject"), [
        (t["number"], t["status"], t["priority"], t["subject"]) for t in found["tickets"]
    ])  # fmt: skip


@known.command("list")
def list_(
    wanted: Annotated[str, typer.Argument(help="Part of a name, handle or address.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    after: Annotated[int, typer.Option(help="Go on after this id.")] = 0,
    as_json: Json = False,
) -> None:
    """Customers, by id."""

    def work(connection: Connection) -> list[dict[str, Any]]:
        found = customers.search(connection, wanted, limit, after)
        audit.append(connection, ACTOR, "personal.read", "customers", {"rows": len(found)})
        return found

    found = _run(work)
    if as_json:
        show_json(found)
    else:
        columns = ("id", "name", "tier", "vip", "tickets", "identities")
        show_table("", columns, [[row[name] for name in columns] for row in found])


@users.command("add", cls=Changing)
def add(
    email: Annotated[str, typer.Argument()],
    role: Annotated[str, typer.Option(help=", ".join(members.ROLES))] = "agent",
    name: Annotated[str, typer.Option()] = "",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Let somebody in. Without --password-stdin a password is made and shown once."""
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else secrets.token_urlsafe(15)

    def work(connection: Connection) -> int:
        id_ = members.add(connection, email, password, role, name)
        audit.append(connection, ACTOR, "user.add", f"user:{id_}", {"role": role})
        return id_

    try:
        id_ = _run(work)
    except IntegrityError:
        fail(f"{email} is a user already")
    except ValueError as error:  # an unknown role, no address, a password that may not be used
        fail(str(error), code=2)
    made = {} if password_stdin else {"password": password}
    if as_json:
        show_json({"id": id_, "email": email.strip().lower(), "role": role, **made})
    else:
        print(f"{email}: {role}" + (f", password {password} (shown this once)" if made else ""))


@users.command("list")
def everybody(as_json: Json = False) -> None:
    """Who may come in."""
    found = [asdict(user) for user in _run(members.everybody)]
    if as_json:
        show_json(found)
    else:
        show_table("", ("id", "email", "name", "role"), [list(user.values()) for user in found])


@users.command("disable", cls=Changing)
def disable(email: Annotated[str, typer.Argument()], as_json: Json = False) -> None:
    """Shut somebody out; what they did stays under their name."""

    def work(connection: Connection) -> int | None:
        user = members.by_email(connection, email)
        if user is None:
            return None
        members.disable(connection, user.id)
        audit.append(connection, ACTOR, "user.disable", f"user:{user.id}", {})
        return user.id

    id_ = _run(work)
    if id_ is None:
        fail(f"there is no user {email}", "earmark users list")
    if as_json:
        show_json({"id": id_, "disabled": True})
    else:
        print(f"{email} comes in no more")


@users.command("limit", cls=Changing)
def limit(
    email: Annotated[str, typer.Argument()],
    team: Annotated[list[str] | None, typer.Option(help="They see only tickets of these teams; several times.")] = None,
    topic: Annotated[
        list[str] | None, typer.Option(help="They see only tickets of these topics; several times.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Let a user see only some teams' or topics' tickets; without either: everything again."""

    def work(connection: Connection) -> bool:
        user = members.by_email(connection, email)
        if user is None:
            raise ValueError(f"there is no user {email}")
        if (team or topic) and not database_roles.ready(connection):
            raise ValueError("the database has no role for limited readers; run `earmark database roles`")
        return scopes.limit(connection, user.actor, scopes.Scope(tuple(team or ()), tuple(topic or ())), ACTOR)

    try:
        changed = _run(work)
    except ValueError as error:
        fail(str(error), code=1)
    found = {"email": email, "teams": sorted(team or ()), "topics": sorted(topic or ()), "changed": changed}
    show_json(found) if as_json else print(f"{email}: {'limited' if team or topic else 'sees everything'}")


def _run(work: Callable[[Connection], T]) -> T:
    with opened() as ledger:
        return ledger.run(work)
