"""The documents speak of things that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)\)", page.read_text())
    gone = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert gone == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_tests_and_modules_exist(page: Path) -> None:
    text = page.read_text()
    tests = {name for name in re.findall(r"`(?:tests/)?(test_\w+)(?:\.py)?`", text)}
    files = {
        name
        for name in re.findall(r"`((?:domain|connectors|config|storage|workers|console|town|tests)/[\w/]+\.py)", text)
    }
    missing = [name for name in tests if "NAME" not in name and not list((ROOT / "tests").glob(f"{name}.py"))]
    missing += [name for name in files if "NAME" not in name and not (ROOT / name).exists()]
    assert missing == []


def test_the_readme_names_commands_that_exist() -> None:
    from typer.main import get_command

    from console.cli.main import app

    known = set(get_command(app).commands)  # type: ignore[attr-defined]
    named = set(re.findall(r"\bearmark ([a-z]+)", (ROOT / "README.md").read_text()))
    assert {"up", "check", "reconcile"} <= named
    assert named - known == set()


def test_the_rules_of_the_triage_page_load() -> None:
    from config.load import examine_texts
    from domain.rules import When

    page = (ROOT / "docs" / "triage.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    found = examine_texts([("rules.yaml", example + "teams: [{name: care}]\ndefault_team: care\n")])
    assert found.config is not None, found.complaints
    assert [rule.name for rule in found.config.rules] == ["vip-waits", "third-time", "press"]
    named = set(re.findall(r"`([a-z_]+)`", "".join(re.findall(r"^\|.*$", page, re.MULTILINE))))
    assert named == set(When.__dataclass_fields__)
