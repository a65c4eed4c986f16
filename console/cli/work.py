"""Commands around tickets: who takes them, what automations did, and follow-up tasks."""

from typing import Annotated, Any

import typer
from sqlalchemy import Connection

import config
from config.workbench import enabled_automations
from console.cli.acting import agent, run
from console.cli.common import Json, fail, show_json, show_table
from console.cli.shape import Changing
from storage import automations, configurations, contacts, routing

agents = typer.Typer(no_args_is_help=True, help="Who takes tickets: teams, skills, languages, how many.")
rules = typer.Typer(no_args_is_help=True, help="What automations did, and would do.")
tasks = typer.Typer(no_args_is_help=True, help="Follow-up tasks.")
Words = list[str] | None


@agents.command("list")
def agents_list(as_json: Json = False) -> None:
    """Everybody who takes tickets, with what they own now."""
    found = run(routing.show_agents)
    if as_json:
        show_json(found)
    else:
        columns = ("email", "teams", "skills", "languages", "load", "capacity", "available")
        show_table("", columns, [[", ".join(a[c]) if isinstance(a[c], list) else a[c] for c in columns] for a in found])


@agents.command("set", cls=Changing)
def agents_set(
    email: Annotated[str, typer.Argument()],
    team: Annotated[Words, typer.Option(help="Teams; several times for several.")] = None,
    skill: Annotated[Words, typer.Option()] = None,
    language: Annotated[Words, typer.Option(help="Codes such as de.")] = None,
    capacity: Annotated[int | None, typer.Option(min=1, max=1000, help="Open tickets at a time.")] = None,
    available: Annotated[bool | None, typer.Option("--available/--away")] = None,
    as_json: Json = False,
) -> None:
    """Say what somebody can do and how much they take. What is left out stays."""
    values: dict[str, Any] = {
        "teams": team,
        "skills": skill,
        "languages": language,
        "capacity": capacity,
        "available": available,
    }
    found = run(lambda c: routing.set_agent(c, agent(c, email), "command", **values))
    show_json(found) if as_json else print(
        f"{email}: {found['capacity']} at a time, {'there' if found['available'] else 'away'}"
    )


@rules.command("runs")
def runs(
    name: Annotated[str, typer.Argument(help="Only this automation's.")] = "",
    outcome: Annotated[str, typer.Option(help="done, depth, budget, failed")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    as_json: Json = False,
) -> None:
    """Receipts, newest first: what each automation saw, did, or was kept from."""
    found = run(lambda c: automations.receipts(c, name, outcome, limit))
    if as_json:
        show_json(found)
    else:
        show_table("", ("at", "automation", "event", "outcome", "did"), [
            (f"{r['at']:%m-%d %H:%M}", r["automation"], f"{r['kind']} {r['subject_id']}", r["outcome"],
             "; ".join(str(a.get("did") or f"refused: {a.get('refused')}") for a in r["actions"]))
            for r in found
        ])  # fmt: skip


@rules.command("would")
def would(
    days: Annotated[int, typer.Option(min=1, max=365, help="How far back.")] = 7,
    as_json: Json = False,
) -> None:
    """How often each automation, on or off, would have answered what happened in the last days. Does nothing."""

    def work(connection: Connection) -> dict[str, Any]:
        current = configurations.in_force(connection)
        if current is None:
            fail("no configuration is in force yet", "earmark up")
        document = config.load_document(current.document)
        return automations.replay(
            connection, enabled_automations(document, everything=True), days, document.casework.automation_depth
        )

    found = run(work)
    if as_json:
        show_json(found)
        return
    show_table(
        "",
        ("automation", "times", "kept by depth"),
        [(n, v["times"], v["stopped"]) for n, v in found["automations"].items()],
    )
    print(f"{found['seen']} events looked at{'; there were more, older ones' if found['cut'] else ''}")


@tasks.command("list")
def tasks_list(
    everything: Annotated[bool, typer.Option("--all", help="Done ones too.")] = False, as_json: Json = False
) -> None:
    """Follow-up tasks, the next due first (at most a hundred)."""
    found = run(lambda c: contacts.tasks(c, not everything))
    if as_json:
        show_json(found)
    else:
        show_table("", ("id", "due", "what", "customer", "ticket"), [
            (t["id"], f"{t['due']:%m-%d %H:%M}" if t["due"] else "", t["what"], t["customer"], t["ticket"]) for t in found
        ])  # fmt: skip


@tasks.command("done", cls=Changing)
def task_done(task: Annotated[int, typer.Argument()], as_json: Json = False) -> None:
    """It is done."""
    if not run(lambda c: contacts.task_done(c, task)):
        fail(f"there is no open task {task}", "earmark tasks list")
    show_json({"task": task, "done": True}) if as_json else print(f"task {task} is done")
