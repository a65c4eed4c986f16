"""docs/channels.md: every connector has a section with an example, and every example is good configuration."""

import re

import pytest

from config.load import examine_texts
from connectors import inbound
from tests.support import ROOT

PAGE = (ROOT / "docs" / "channels.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)


def kinds_of(example: str) -> set[str]:
    return set(re.findall(r"^\s+(?:- )?kind: (\w+)", example, re.M))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: "-".join(sorted(kinds_of(text))))
def test_an_example_is_read(example: str) -> None:
    """As it stands, and with its commented keys switched on; the variables it names need not be set here."""
    for text in (example, re.sub(r"^(\s+)# (\w+: )", r"\1\2", example, flags=re.M)):
        said = [str(found) for found in examine_texts([("channels.yaml", text)]).complaints]
        assert [line for line in said if "is not set" not in line] == []


def test_every_connector_has_an_example() -> None:
    shown = set().union(*map(kinds_of, EXAMPLES))
    assert set(inbound.kinds()) - shown == set()
