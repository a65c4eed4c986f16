"""docs/api.md on a real console: each curl is run as it stands there, and what it answers is held against the answer printed below it."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from console.web.scopes import SCOPES
from storage import tokens
from storage.ledger import Ledger
from tests import web

PAGE = (Path(__file__).parents[1] / "docs" / "api.md").read_text()
EXAMPLES = re.findall(r"```sh\n(curl .*?)\n```\n```json\n(.*?)\n```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def env(database_url: str) -> Iterator[dict[str, str]]:
    ledger = Ledger(database_url)
    web.ticket(ledger, web.mention(ledger, "d1", "card declined abroad"), "Card declined abroad", "k1")
    value = ledger.run(lambda c: tokens.add(c, "docs", tokens.SCOPES, 1, "command"))[1]
    with web.serve(web.make_app(database_url)) as address:
        yield {**os.environ, "EARMARK": address, "TOKEN": value}
    ledger.close()


def test_every_example_answers_as_printed(env: dict[str, str]) -> None:
    assert len(EXAMPLES) >= 9
    assert PAGE.count("```sh") == len(EXAMPLES)
    for command, printed in EXAMPLES:  # in order: they go on from each other
        done = subprocess.run(["/bin/sh", "-c", command], env=env, capture_output=True, text=True, timeout=20)
        found = json.loads(done.stdout)
        assert fits(json.loads(printed), found) == "", (command, found)


def fits(printed: Any, found: Any, at: str = "") -> str:
    """Where an answer differs from what is printed: it may say more, a number of an id may be another one of its kind."""
    if isinstance(printed, dict):
        missing = [name for name in printed if not isinstance(found, dict) or name not in found]
        return f"{at}: no {missing}" if missing else "".join(fits(v, found[k], f"{at}.{k}") for k, v in printed.items())
    if isinstance(printed, list):
        if not isinstance(found, list) or len(found) < len(printed):
            return f"{at}: too short"
        return "".join(fits(one, other, at) for one, other in zip(printed, found, strict=False))
    if at.endswith(".entry") and printed is not None:
        return "" if isinstance(found, int) else f"{at}: no number"
    return "" if printed == found else f"{at}: {found!r} instead of {printed!r}"


def test_the_page_names_every_scope() -> None:
    table = set(re.findall(r"`(\w+:(?:read|write))`", PAGE))
    assert table == set(tokens.SCOPES) == set(SCOPES.values())
