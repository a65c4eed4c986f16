"""What docs/operations.md and ops/ say exists: commands, files, variables, and a section for each alert."""

import configparser
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from console.cli.main import app

ROOT = Path(__file__).parent.parent
OPS = ROOT / "ops"
PAGE = (ROOT / "docs" / "operations.md").read_text()
UNITS = sorted((OPS / "systemd").glob("*.service"))
COMMAND = get_command(app)


def known(words: list[str]) -> None:
    """`earmark WORDS` is a command of ours, and each --option one of its own."""
    command: Any = COMMAND
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        assert words[0] in command.commands, f"no command earmark {' '.join(words)}"
        command, words = command.commands[words[0]], words[1:]
    options = {option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]}
    for word in words:
        if word.startswith("--") and word != "--help":
            assert word.partition("=")[0] in options, f"{command.name} has no {word}"


def test_every_alert_has_its_section_and_every_section_its_alert():
    rules = yaml.safe_load((OPS / "alerts.yaml").read_text())
    alerts = [rule["alert"] for group in rules["groups"] for rule in group["rules"]]
    sections = re.findall(r"^## (Earmark\w+)$", PAGE, re.M)
    assert sorted(alerts) == sorted(sections)
    bodies = re.split(r"^## Earmark\w+$", PAGE, flags=re.M)[1:]
    assert all(len(body.split()) > 20 for body in bodies), "a section says what to do"


def test_every_command_of_the_page_exists():
    quoted = re.findall(r"`earmark ([^`]+)`", PAGE)
    shown = re.findall(r"^ {4,}(?:\S*/)?earmark (.+)$", PAGE, re.M)
    assert len(quoted) + len(shown) > 25
    for line in (*quoted, *shown):
        words = shlex.split(line, comments=True)
        if words and words[0] not in ("…",):
            known([w for w in words if w.isascii()])


def test_every_file_the_page_and_the_readme_link_exists():
    for page in (ROOT / "docs" / "operations.md", ROOT / "README.md"):
        links = [link for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()) if "://" not in link]
        assert links
        missing = [link for link in links if not (page.parent / link).exists()]
        assert [link for link in missing if "measurements" not in link] == []
    assert "docs/operations.md" in (ROOT / "README.md").read_text()
    for path in re.findall(r"\bops/[\w./-]+", PAGE):
        assert (ROOT / path.rstrip(".")).exists() or path == "ops/container/earmark.env", path


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_each_unit_runs_a_command_that_exists_and_restarts(unit: Path):
    parsed = configparser.RawConfigParser(strict=False)
    parsed.optionxform = str  # type: ignore[assignment, method-assign]
    parsed.read(unit)
    service = parsed["Service"]
    program, *words = shlex.split(service["ExecStart"])
    assert program == f"{service['WorkingDirectory']}/.venv/bin/earmark"
    known(words)
    assert service["Restart"] == "always"
    assert int(service["TimeoutStopSec"]) > 10, "a process has ten seconds from SIGTERM to its end"
    assert service["EnvironmentFile"] in PAGE
    assert parsed["Unit"]["PartOf"] == "earmark.target"
    assert unit.name.replace("@.service", "@1").removesuffix(".service") in PAGE


def test_the_procfile_names_the_same_processes():
    lines = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines() if line)
    assert set(lines) == {re.sub(r"^earmark-|@?\.service$", "", unit.name) for unit in UNITS}
    for line in lines.values():
        program, *words = shlex.split(line)
        assert program == "earmark"
        known(words)


def test_the_example_environment_names_variables_that_something_reads():
    code = "\n".join(p.read_text() for room in ("workers", "console", "config") for p in (ROOT / room).rglob("*.py"))
    examples = [(OPS / folder / "earmark.env.example").read_text() for folder in (".", "container")]
    names = re.findall(r"^(\w+)=", "\n".join(examples), re.M)
    assert not re.search(r"^(DATABASE_URL|EARMARK_SECRET)", examples[1], re.M), (
        "compose.yaml sets these; both would clash"
    )
    assert {"DATABASE_URL", "REDIS_URL", "EARMARK_SECRET_FILE"} <= set(names)
    units = "\n".join(unit.read_text() for unit in UNITS)
    for name in names:
        assert f'"{name.removesuffix("_FILE")}"' in code or f"${{{name}}}" in units, f"nothing reads {name}"


def test_compose_runs_commands_that_exist_on_files_that_exist():
    folder = OPS / "container"
    compose = yaml.safe_load((folder / "compose.yaml").read_text())
    services = compose["services"]
    ours = {name: one for name, one in services.items() if "build" in one}
    assert set(ours) == {"scheduler", "worker", "console"}
    for one in ours.values():
        known(list(one["command"]))
        build = one["build"]
        assert (folder / build["context"]).resolve() == ROOT
        assert (ROOT / build["dockerfile"]).exists()
        assert one["env_file"] in (ROOT / ".gitignore").read_text(), "secrets stay out of the repository"
        assert set(one["depends_on"]) <= set(services)
        for volume in one["volumes"]:
            assert (folder / volume.split(":")[0]).resolve().is_dir()
    assert services["postgres"]["image"] >= "postgres:15"
    assert services["redis"]["command"][-1] == "noeviction"


def test_the_dockerfile_copies_what_is_there_and_installs_by_hash():
    text = (OPS / "container" / "Dockerfile").read_text()
    for source in re.findall(r"^COPY (\S+) ", text, re.M):
        assert (ROOT / source).exists()
    assert "--require-hashes" in text
    assert re.search(r"^USER earmark$", text, re.M), "not as root"
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".git", ".venv", "var", "ops/container/earmark.env"} <= set(ignored)
