"""Secrets come from the environment or a file it names; a message names the variable and never the value."""

from pathlib import Path

import pytest

from config import secrets
from config.load import examine_texts

VALUE = "hunter2-canary"


def test_a_secret_from_the_environment_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{VALUE}\n")
    assert secrets.secret("NAME", {"NAME": VALUE}) == VALUE
    assert secrets.secret("NAME", {"NAME_FILE": str(file)}) == VALUE


def test_what_is_wrong_names_the_variable_and_not_the_value(tmp_path: Path) -> None:
    empty, binary, large = tmp_path / "empty", tmp_path / "binary", tmp_path / "large"
    empty.write_text("\n")
    binary.write_bytes(VALUE.encode() + b"\xff\xfe")
    large.write_text(VALUE * 10_000)
    for environ, words in (
        ({}, "set NAME, or NAME_FILE"),
        ({"NAME": ""}, "empty"),
        ({"NAME": VALUE, "NAME_FILE": str(empty)}, "both NAME and NAME_FILE"),
        ({"NAME_FILE": str(tmp_path / "nowhere")}, "No such file"),
        ({"NAME_FILE": str(tmp_path)}, "directory"),
        ({"NAME_FILE": str(empty)}, "empty"),
        ({"NAME_FILE": str(binary)}, "not text"),
        ({"NAME_FILE": str(large)}, "larger"),
        ({"NAME_FILE": ""}, "NAME_FILE"),
    ):
        with pytest.raises(secrets.SecretError) as caught:
            secrets.secret("NAME", environ)
        assert words in str(caught.value)
        assert "NAME" in str(caught.value)
        assert VALUE not in repr(caught.value)
        assert caught.value.__context__ is None or caught.value.__suppress_context__


DESKS = """
desks:
  - {name: on, kind: webhook, url: https://e.com, secret_env: ON_SECRET}
  - {name: off, kind: webhook, url: https://e.com, secret_env: OFF_SECRET, enabled: false}
settings: {on_error: %s}
"""


def test_only_enabled_targets_need_their_secrets() -> None:
    found = examine_texts([("t.yaml", DESKS % "stop")])
    assert found.config is not None
    lacking = secrets.missing(found.config, found.places, {})
    assert [(one.line, one.severity) for one in lacking] == [(3, "error")]
    assert "ON_SECRET" in lacking[0].message
    assert secrets.missing(found.config, found.places, {"ON_SECRET": VALUE}) == []


def test_skip_runs_without_what_lacks_its_secret() -> None:
    found = examine_texts([("t.yaml", DESKS % "skip")])
    assert found.config is not None
    assert [one.severity for one in secrets.missing(found.config, found.places, {})] == ["warning"]
    assert [desk.enabled for desk in secrets.runnable(found.config, {}).desks] == [False, False]
    assert secrets.runnable(found.config, {"ON_SECRET": VALUE}) is found.config


def test_an_inline_secret_is_refused_with_what_to_write_and_never_shown() -> None:
    text = f"""
desks:
  - name: a
    kind: webhook
    url: https://e.com
    secret: {VALUE}
  - {{name: b, kind: zendesk, subdomain: n, email: a@b.co, token: {VALUE}}}
  - name: c
    kind: webhook
    url: https://e.com
    secret_env: {VALUE}
  - name: d
    kind: webhook
    url: https://me:{VALUE}@e.com
    secret_env: A_NAME
    tokn: {VALUE}
channels:
  - {{name: r, kind: reddit, client_secrt: {VALUE}}}
"""
    complaints = examine_texts([("t.yaml", text)]).complaints
    shown = "\n".join(map(str, complaints))
    assert VALUE not in shown
    assert VALUE not in str([one.document() for one in complaints])
    assert "put it in the environment and write secret_env: WEBHOOK_SECRET" in shown
    assert "write token_env: ZENDESK_TOKEN" in shown
    assert "does not hold the secret" in shown
    assert "no user or password" in shown
    assert "secret_env" not in [one.suggestion for one in complaints if one.line == 6], "said once"
